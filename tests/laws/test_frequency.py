"""A row with the frequency n is n equal rows."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings

import panelml as pm
from panelml.errors import SpecificationError
from panelml.results.base import Results
from tests.contract.estimators import ESTIMATORS, METHODS, Estimator, fit
from tests.laws.compare import numbers
from tests.laws.panels import dummies, frames, least_squares

SIZES: dict[str, Any] = {"units": (9, 14), "periods": (4, 7)}
EFFECTS = {
    "unit": lambda d: dummies(d.unit),
    "unit + time": lambda d: dummies(d.unit, d.time),
    "unit + time + firm": lambda d: dummies(d.unit, d.time, d.firm),
    "unit[trend]": lambda d: np.hstack(
        [dummies(d.unit), dummies(d.unit) * d[["trend"]].to_numpy()]
    ),
}


def panel(frame: pd.DataFrame) -> pm.Panel:
    return pm.Panel(frame, unit="unit", time="time")


def written_out(frame: pd.DataFrame, count: str = "n") -> pd.DataFrame:
    return frame.loc[frame.index.repeat(frame[count])].reset_index(drop=True)


def assert_least_squares(found: Results, y: Any, x: np.ndarray, nuisance: Any = None) -> None:
    """Compare with least squares on the rows written out: iid, HC1 and degrees of freedom."""
    brute = least_squares(np.asarray(y), x, nuisance)
    assert found.params.to_numpy() == pytest.approx(brute.coef, rel=1e-8, abs=1e-10)
    assert found.counts.df_resid == len(x) - brute.rank
    for cov, expected in {
        pm.cov.Iid(): brute.cov,
        pm.cov.HC1(small_sample="none"): brute.scores.T @ brute.scores,
    }.items():
        length = np.sqrt(np.diag(expected))
        assert found.with_cov(cov).cov.to_numpy() / np.outer(length, length) == pytest.approx(
            expected / np.outer(length, length), rel=1e-7, abs=1e-9
        )


@settings(max_examples=15)
@given(frame=frames(**SIZES))
def test_pooled(frame: pd.DataFrame) -> None:
    found = pm.PooledOLS("y ~ x1 + x2", weights="frequency:n").fit(panel(frame))
    rows = written_out(frame)
    x = np.column_stack([np.ones(len(rows)), rows[["x1", "x2"]]])
    assert_least_squares(found, rows["y"], x)
    assert found.nobs == len(rows)


@pytest.mark.parametrize("effects", EFFECTS)
@settings(max_examples=10)
@given(frame=frames(**SIZES))
def test_fixed_effects(effects: str, frame: pd.DataFrame) -> None:
    found = pm.FixedEffects(f"y ~ x1 + x2 | {effects}", weights="frequency:n").fit(panel(frame))
    rows = written_out(frame)
    assert_least_squares(found, rows["y"], rows[["x1", "x2"]].to_numpy(), EFFECTS[effects](rows))


@settings(max_examples=15)
@given(frame=frames(**SIZES))
def test_between(frame: pd.DataFrame) -> None:
    """The means are of all rows; each unit remains one observation."""
    rows = written_out(frame)
    means = rows.groupby("unit")[["y", "x1", "x2"]].mean()
    x = np.column_stack([np.ones(len(means)), means[["x1", "x2"]]])
    found = pm.Between("y ~ x1 + x2", weights="frequency:n").fit(panel(frame))
    assert_least_squares(found, means["y"], x)
    weighted = pm.Between("y ~ x1 + x2", weights="frequency:n", weighted=True).fit(panel(frame))
    size = np.sqrt(rows.groupby("unit").size().to_numpy())
    size /= np.sqrt((size**2).mean())
    assert_least_squares(weighted, size * means["y"], x * size[:, None])


@pytest.mark.parametrize("drift", [False, True])
@settings(max_examples=15)
@given(frame=frames(**SIZES))
def test_first_differences_of_copied_units(drift: bool, frame: pd.DataFrame) -> None:
    spec = pm.FirstDifference("y ~ x1 + x2", drift=drift, weights="frequency:m")
    found = spec.fit(panel(frame))
    earlier = frame.assign(time=frame["time"] + 1)
    both = written_out(frame.merge(earlier, on=["unit", "time", "m"], suffixes=("", "_0")), "m")
    change = pd.DataFrame({name: both[name] - both[f"{name}_0"] for name in ("y", "x1", "x2")})
    constant = [np.ones(len(both))] if drift else []
    x = np.column_stack([*constant, change[["x1", "x2"]]])
    assert_least_squares(found, change["y"], x)
    assert found.nobs == len(both)


@pytest.mark.parametrize("method", METHODS)
@settings(max_examples=8)
@given(frame=frames(**SIZES))
def test_random_effects(method: Any, frame: pd.DataFrame) -> None:
    """Rows written out become periods of their own, as the model knows no order."""
    found = pm.RandomEffects("y ~ x1 + z", method=method, cov="iid", weights="frequency:n").fit(
        panel(frame)
    )
    rows = written_out(frame)
    rows = rows.assign(time=rows.groupby("unit").cumcount())
    expected = pm.RandomEffects("y ~ x1 + z", method=method, cov="iid").fit(panel(rows))
    assert_same_but_periods(found, expected)
    robust = found.with_cov(pm.cov.HC1())
    assert robust.std_errors.to_numpy() == pytest.approx(
        expected.with_cov(pm.cov.HC1()).std_errors.to_numpy(), rel=1e-8
    )


@pytest.mark.parametrize("name", [key for key, e in ESTIMATORS.items() if not e.timed])
@settings(max_examples=5)
@given(frame=frames(**SIZES))
def test_any_estimator_that_knows_no_order(name: str, frame: pd.DataFrame) -> None:
    estimator: Estimator = ESTIMATORS[name]
    rows = written_out(frame)
    rows = rows.assign(time=rows.groupby("unit").cumcount())
    assert_same_but_periods(fit(estimator, frame, weights="frequency:n"), fit(estimator, rows))


def assert_same_but_periods(found: Results, expected: Results) -> None:
    ours, theirs = numbers(found), numbers(expected)
    assert found.nobs == expected.nobs
    for key in ("params", "std_errors", "correlations", "df", "measures"):
        assert ours[key] == pytest.approx(theirs[key], rel=1e-7, abs=1e-9, nan_ok=True), key
    assert list(found.measures) == list(expected.measures)
    for known in (*expected.measures.at("fit"), expected.measures["rss"]):
        value = found.measures[known.key].value
        assert value == pytest.approx(known.value, rel=1e-7, nan_ok=True), known.key


def test_a_change_of_differently_many_rows_is_refused() -> None:
    frame = pd.DataFrame(
        {
            "unit": [1, 1, 2, 2],
            "time": [1, 2, 1, 2],
            "y": [1.0, 2, 3, 5],
            "x": [1.0, 3, 2, 2],
            "n": [1, 1, 1, 2],
        }
    )
    with pytest.raises(SpecificationError, match="weights that are constant within units"):
        pm.FirstDifference("y ~ x", weights="frequency:n").fit(panel(frame))


def test_a_frequency_is_whole() -> None:
    frame = pd.DataFrame(
        {"unit": [1, 1], "time": [1, 2], "y": [1.0, 2], "x": [1.0, 3], "n": [1.0, 1.5]}
    )
    with pytest.raises(SpecificationError, match="Frequency weights must be whole numbers; 'n'"):
        pm.PooledOLS("y ~ x", weights="frequency:n").fit(panel(frame))
