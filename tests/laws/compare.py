"""Comparing fits."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from unittest import mock

import numpy as np
import pandas as pd
import pytest

from panelml.data import sample
from panelml.data.source import cutting
from panelml.results.base import Results


def numbers(result: Results) -> dict[str, np.ndarray]:
    """Everything that a fit reports, covariances in units of the standard errors."""
    sizes = (result.nobs, result.n_units, result.statistics.n_periods)
    errors = result.std_errors.to_numpy()
    return {
        "params": result.params.to_numpy(),
        "std_errors": errors,
        "correlations": result.cov.to_numpy() / np.outer(errors, errors),
        "df": np.array([result.df_t, result.counts.df_resid]),
        "sizes": np.array(sizes),
        "measures": np.array([known.value for known in result.measures.declared]),
    }


def assert_same(first: Results, second: Results, rel: float, floor: float = 0.0) -> None:
    """Assert that two fits report the same; ``rel=0`` asks for the same bits."""
    assert list(first.params.index) == list(second.params.index)
    assert list(first.measures) == list(second.measures)
    others = numbers(second)
    for name, values in numbers(first).items():
        if rel == 0:
            np.testing.assert_array_equal(values, others[name], err_msg=name)
        else:
            assert values == pytest.approx(others[name], rel=rel, abs=floor, nan_ok=True), name


def assert_frames_identical(before: pd.DataFrame, after: pd.DataFrame) -> None:
    """Assert that a frame was not touched: values, types, index and order of columns."""
    pd.testing.assert_frame_equal(before, after, check_exact=True, check_freq=True)
    assert before.attrs == after.attrs


@contextmanager
def chunks_of(rows: int) -> Iterator[None]:
    """Cut every panel into chunks of about so many rows."""

    def split(starts: np.ndarray, _: int = 0) -> Iterator[tuple[int, int]]:
        return cutting.split_units(starts, rows)

    with mock.patch.object(sample, "split_units", split):
        yield
