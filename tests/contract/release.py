"""Every number of the contract fits, to hold one build to another bit by bit.

``python -m tests.contract.release write numbers.json`` under one build,
``python -m tests.contract.release compare numbers.json`` under the other. Without a path it is
the file of the last release, ``tests/golden/release.json.gz``.
"""

from __future__ import annotations

import gzip
import json
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import panelml as pm
from panelml.errors import PanelmlError
from tests.contract.conftest import make_messy
from tests.contract.estimators import ESTIMATORS, fit
from tests.did.specifications import ESTIMATORS as POLICIES
from tests.did.test_laws import data as policy_data

STORED = Path(__file__).parents[1] / "golden" / "release.json.gz"
COVARIANCES = (
    "iid",
    "HC1",
    "HC3",
    "cluster",
    "cluster:region",
    "cluster:unit+time",
    "DK:1",
    "NW:1",
)
STATISTICS = (
    "nobs",
    "n_units",
    "df_model",
    "df_resid",
    "df_t",
    "rsquared",
    "rsquared_within",
    "rsquared_between",
    "rsquared_overall",
    "loglik",
    "aic",
)
MIXED = {
    "slopes": ("y ~ x1 + (1 + x1 | unit)", None),
    "nested": ("y ~ x1 + (1 | firm/unit)", None),
    "crossed": ("y ~ x1 + (1 | unit) + (1 | time)", None),
    "autoregressive": ("y ~ x1 + (1 | unit)", "ar1:time"),
}


def numbers() -> dict[str, list[float]]:
    """Params, covariances, tests and predictions of every fit, by name."""
    return {name: _read(read) for name, read in _reads()}


def _reads() -> Iterator[tuple[str, Callable[[], Any]]]:
    frame = make_messy(40)
    for name, estimator in ESTIMATORS.items():
        yield from _of(name, fit(estimator, frame))
    panel = pm.Panel(frame, unit="unit", time="time")
    for name, (formula, residual) in MIXED.items():
        yield from _of(f"mixed {name}", pm.MixedModel(formula, residual=residual).fit(panel))
    policies = pm.Panel(policy_data(), unit="unit", time="time")
    for name, spec in POLICIES.items():
        result = spec.fit(policies)
        yield from _of(f"policy {name}", result)
        yield f"policy {name} simple", lambda r=result: r.aggregate().params


def _of(name: str, result: Any) -> Iterator[tuple[str, Callable[[], Any]]]:
    yield f"{name} params", lambda: result.params
    yield f"{name} fit", lambda: [getattr(result, key, np.nan) for key in STATISTICS]
    yield f"{name} extras", lambda: list(result.extras.values())
    yield f"{name} test", lambda: [result.model_test().statistic, result.model_test().pvalue]
    yield f"{name} fitted", lambda: result.fitted()
    yield f"{name} predicted", lambda: result.predict(effects=True)
    for cov in COVARIANCES:
        yield f"{name} {cov}", lambda cov=cov: result.with_cov(cov).cov


def _read(read: Callable[[], Any]) -> list[float]:
    try:
        return [float(value) for value in np.ravel(read())]
    except (PanelmlError, AttributeError):
        return []


def differences(before: dict[str, list[float]]) -> list[str]:
    """Name what differs from these numbers, in any bit."""
    now = numbers()
    return [
        name
        for name, values in before.items()
        if not np.array_equal(values, now.get(name, [np.inf]), equal_nan=True)
    ]


def distances(before: dict[str, list[float]]) -> dict[str, float]:
    """Largest differences from these numbers, relative to the largest number of each name.

    Infinite where shapes differ, or values that are missing or infinite.
    """
    now = numbers()
    return {name: distance(before.get(name), now.get(name)) for name in before.keys() | now.keys()}


def distance(before: list[float] | None, now: list[float] | None) -> float:
    """Largest difference of two lists, relative to the largest number of the first."""
    if before is None or now is None or len(before) != len(now):
        return float("inf")
    first, second = np.array(before), np.array(now)
    finite = np.isfinite(first)
    lost = not np.isfinite(second[finite]).all()
    if lost or not np.array_equal(first[~finite], second[~finite], equal_nan=True):
        return float("inf")
    size = np.abs(first[finite]).max(initial=0.0)
    gap = np.abs(first[finite] - second[finite]).max(initial=0.0)
    return float(gap / size) if size > 0 else float(gap)


def load(path: Path = STORED) -> dict[str, list[float]]:
    """Read the numbers of a build."""
    data = path.read_bytes()
    found: dict[str, list[float]] = json.loads(
        gzip.decompress(data) if path.suffix == ".gz" else data
    )
    return found


def save(found: dict[str, list[float]], path: Path = STORED) -> None:
    """Write the numbers of a build, the same bytes for the same numbers."""
    data = json.dumps(found).encode()
    path.write_bytes(gzip.compress(data, 9, mtime=0) if path.suffix == ".gz" else data)


def main() -> None:
    warnings.simplefilter("ignore", pd.errors.PerformanceWarning)
    action, path = sys.argv[1], Path(sys.argv[2]) if len(sys.argv) > 2 else STORED
    if action == "write":
        save(numbers(), path)
    else:
        found = differences(load(path))
        print(*found, f"{len(found)} differ", sep="\n")


if __name__ == "__main__":
    main()
