"""Origin and units of measurement, far from zero and one: no law of least squares knows them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

import panelml as pm
from panelml.results.base import Results
from tests.laws.panels import make_frame

LEAST_SQUARES: dict[str, tuple[str, str, dict[str, Any]]] = {
    "pooled": ("PooledOLS", "y ~ x1 + x2", {}),
    "between": ("Between", "y ~ x1 + x2", {}),
    "difference": ("FirstDifference", "y ~ x1 + x2", {}),
    "drift": ("FirstDifference", "y ~ x1 + x2", {"drift": True}),
    "unit": ("FixedEffects", "y ~ x1 + x2", {}),
    "period": ("FixedEffects", "y ~ x1 + x2 | time", {}),
    "two-way": ("FixedEffects", "y ~ x1 + x2 | unit + time", {}),
    "crossed": ("FixedEffects", "y ~ x1 + x2 | unit + firm", {}),
    "trends": ("FixedEffects", "y ~ x1 + x2 | unit[trend]", {}),
    "trends and periods": ("FixedEffects", "y ~ x1 + x2 | unit[trend] + time", {}),
    "group trends": ("FixedEffects", "y ~ x1 + x2 | firm[trend]", {}),
    "random": ("RandomEffects", "y ~ x1 + x2", {}),
    "random ml": ("RandomEffects", "y ~ x1 + x2", {"method": "ml"}),
    "random reml": ("RandomEffects", "y ~ x1 + x2", {"method": "reml"}),
    "random amemiya": ("RandomEffects", "y ~ x1 + x2", {"method": "amemiya"}),
    "random two-way": ("RandomEffects", "y ~ x1 + x2", {"time_effects": True}),
    "mundlak": ("Mundlak", "y ~ x1 + x2", {}),
    "hybrid": ("Hybrid", "y ~ x1 + x2", {}),
    "hybrid mixed": ("Hybrid", "y ~ x1 + x2", {"random": "1"}),
    "mixed": ("MixedModel", "y ~ x1 + x2 + (1 | unit)", {}),
    "mixed slopes": ("MixedModel", "y ~ x1 + x2 + (1 + trend | unit)", {}),
    "mixed crossed": ("MixedModel", "y ~ x1 + x2 + (1 | unit) + (1 | firm)", {}),
    "mixed ar1": ("MixedModel", "y ~ x1 + x2 + (1 | unit)", {"residual": "ar1"}),
    "exchangeable": ("MixedModel", "y ~ x1 + x2", {"residual": pm.residual.Exchangeable()}),
}
every = pytest.mark.parametrize("name", LEAST_SQUARES)
FRAME = make_frame(np.random.default_rng(8), 30, 7, 0.15)
# Multiples of 2^-10 stay exact beside a level of up to 2^42.
FRAME[["y", "x1", "x2"]] = np.round(FRAME[["y", "x1", "x2"]] * 1024) / 1024


def fit(name: str, frame: pd.DataFrame) -> Results:
    estimator, formula, options = LEAST_SQUARES[name]
    panel = pm.Panel(frame, unit="unit", time="time")
    found: Results = getattr(pm, estimator)(formula, **options).fit(panel)
    return found


def of(result: Results, column: str) -> list[str]:
    """Parameters of a regressor."""
    return [name for name in result.params.index if column in name]


def assert_equal(one: Any, two: Any, rel: float = 1e-6) -> None:
    np.testing.assert_allclose(np.asarray(one, float), np.asarray(two, float), rtol=rel)


def assert_same_fit(one: Results, two: Results, rel: float = 1e-6) -> None:
    """Degrees of freedom, residuals and R-squared."""
    assert one.counts == two.counts
    size = np.sqrt(one.rss / one.nobs)
    np.testing.assert_allclose(two.residuals(), one.residuals(), rtol=0, atol=1e-5 * size)
    assert_equal(two.rss, one.rss, rel)
    for kind in ("rsquared_within", "rsquared_between", "rsquared_overall"):
        assert_equal(getattr(two, kind), getattr(one, kind), rel)


@every
@pytest.mark.parametrize("column", ["y", "x1"])
@pytest.mark.parametrize("shift", [1e6, 1e8, -1.7e9])
def test_a_constant_changes_no_rank_and_no_slope(name: str, column: str, shift: float) -> None:
    first, second = fit(name, FRAME), fit(name, FRAME.assign(**{column: FRAME[column] + shift}))
    assert list(first.params.index) == list(second.params.index)
    slopes = of(first, "x")
    assert_equal(second.params[slopes], first.params[slopes])
    assert_equal(second.std_errors[slopes], first.std_errors[slopes])
    assert_same_fit(first, second)


@every
@pytest.mark.parametrize("column", ["y", "x1"])
@pytest.mark.parametrize("factor", [1e-8, 1e8, 1e-40, 1e40])
def test_units_of_measurement_scale_coefficients(name: str, column: str, factor: float) -> None:
    first, second = fit(name, FRAME), fit(name, FRAME.assign(**{column: FRAME[column] * factor}))
    assert first.counts == second.counts
    own = of(first, "x1") if column == "x1" else list(first.params.index)
    change = pd.Series(1.0, index=first.params.index)
    change[own] = factor if column == "y" else 1 / factor
    assert_equal(second.params, first.params * change)
    assert_equal(second.std_errors, first.std_errors * change)
    assert_equal(second.rsquared_overall, first.rsquared_overall)


@every
@pytest.mark.parametrize("slope", [1e3, 1e7])
def test_a_multiple_of_a_regressor_adds_to_its_coefficient(name: str, slope: float) -> None:
    first = fit(name, FRAME)
    second = fit(name, FRAME.assign(y=FRAME["y"] + slope * FRAME["x1"]))
    added = pd.Series(0.0, index=first.params.index)
    added[[p for p in of(first, "x1") if not p.startswith("mean")]] = slope
    np.testing.assert_allclose(second.params, first.params + added, rtol=1e-6, atol=slope * 1e-13)
    assert_equal(second.std_errors, first.std_errors, rel=1e-5)
    assert_equal(second.rss, first.rss, rel=1e-5)


@every
def test_other_regressors_of_the_same_span_give_the_same_fit(name: str) -> None:
    first = fit(name, FRAME)
    turned = FRAME.assign(x1=FRAME["x1"] + FRAME["x2"], x2=FRAME["x1"] - FRAME["x2"])
    second = fit(name, turned)
    assert_same_fit(first, second)
    another = {"reml", "mixed", "exchangeable"} & set(name.split())  # determinant
    if "loglik" in first.measures and not another:
        assert_equal(second.loglik, first.loglik)
    joint = [f"{parameter} = 0" for parameter in of(first, "x")]
    assert_equal(second.wald_test(joint).statistic, first.wald_test(joint).statistic)
