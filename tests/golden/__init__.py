"""Reference values made by other tools; ``README.md`` says what each file holds."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

FOLDER = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Case:
    """One reference result of one tool.

    Attributes
    ----------
    id : str
        Unique within its topic; fit for ``pytest.mark.parametrize(..., ids=...)``.
    tool, version, script : str
        What made the value, and the script beside this file that called it.
    data : str
        A name in ``tests.panels.PANELS``.
    spec : dict
        The estimator and its options in words; vocabulary in ``README.md``.
    value : dict
        Named results; dictionaries of coefficients call the constant ``Intercept``.
    tolerance : float
        Relative tolerance the value deserves.
    """

    id: str
    tool: str
    version: str
    script: str
    data: str
    spec: dict[str, Any]
    value: dict[str, Any]
    tolerance: float


def load(topic: str) -> list[Case]:
    """Cases of ``tests/golden/<topic>.json`` in the order of the file."""
    return [Case(**case) for case in json.loads((FOLDER / f"{topic}.json").read_text())]


def assert_close(actual: Any, expected: Any, rtol: float, name: str = "value") -> None:
    """Assert that numbers, or nested mappings and sequences of them, agree.

    Mappings (a pandas Series counts as one) must have every key of ``expected`` and may have
    more. A square mapping of mappings is a covariance matrix: each entry is compared relative to
    the standard errors of its row and column, as its own size may be rounding alone.

    Raises
    ------
    AssertionError
        Naming the entry, both numbers and the relative difference.
    """
    if isinstance(expected, Mapping):
        if _is_covariance(expected):
            _assert_covariance_close(actual, expected, rtol, name)
            return
        for key, item in expected.items():
            assert key in actual, f"{name}[{key!r}] is missing"
            assert_close(actual[key], item, rtol, f"{name}[{key!r}]")
    elif isinstance(expected, Sequence) and not isinstance(expected, str):
        assert len(actual) == len(expected), f"{name}: {len(actual)} items, not {len(expected)}"
        for position, item in enumerate(expected):
            assert_close(actual[position], item, rtol, f"{name}[{position}]")
    elif expected is None or isinstance(expected, str):
        assert actual == expected, f"{name}: {actual!r} is not {expected!r}"
    else:
        _assert_number_close(float(actual), float(expected), rtol, abs(float(expected)), name)


def _assert_number_close(
    actual: float, expected: float, rtol: float, scale: float, name: str
) -> None:
    difference = abs(actual - expected)
    relative = difference / scale if scale else math.inf
    assert difference <= rtol * scale, (
        f"{name}: {actual!r} is not {expected!r} (relative difference {relative:.2e} > {rtol:.0e})"
    )


def _is_covariance(mapping: Mapping[Any, Any]) -> bool:
    keys = set(mapping)
    return all(isinstance(row, Mapping) and set(row) == keys for row in mapping.values())


def _assert_covariance_close(
    actual: Any, expected: Mapping[Any, Mapping[Any, float]], rtol: float, name: str
) -> None:
    frame = actual.loc if hasattr(actual, "loc") else actual
    for row, entries in expected.items():
        for column, entry in entries.items():
            scale = float(np.sqrt(expected[row][row] * expected[column][column]))
            label = f"{name}[{row!r}][{column!r}]"
            _assert_number_close(float(frame[row][column]), float(entry), rtol, scale, label)
