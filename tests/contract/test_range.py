"""Very large and very small units of measurement: the right numbers, or an error in words."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

import panelml as pm
from panelml.errors import SpecificationError
from tests.laws.panels import dummies, least_squares, make_frame

FRAME = make_frame(np.random.default_rng(2), 20, 6, 0.2)
SPECS = (
    pm.PooledOLS("y ~ x1 + x2"),
    pm.Between("y ~ x1 + x2"),
    pm.FixedEffects("y ~ x1 + x2"),
    pm.FixedEffects("y ~ x1 + x2 | unit + time"),
    pm.FixedEffects("y ~ x1 + x2 | unit[trend]"),
    pm.FirstDifference("y ~ x1 + x2"),
    pm.RandomEffects("y ~ x1 + x2"),
    pm.Mundlak("y ~ x1 + x2"),
    pm.Hybrid("y ~ x1 + x2"),
)
every = pytest.mark.parametrize("spec", SPECS, ids=str)


def fit(spec: Any, frame: pd.DataFrame) -> Any:
    return spec.fit(pm.Panel(frame, unit="unit", time="time"))


@every
@pytest.mark.parametrize("cov", ["iid", "cluster", "HC1", "DK"])
@pytest.mark.parametrize("column", ["y", "x1"])
@pytest.mark.parametrize("factor", [1e-100, 1e100])
def test_a_hundred_orders_of_magnitude_are_held(
    spec: Any, column: str, factor: float, cov: str
) -> None:
    if cov == "DK" and isinstance(spec, pm.Between):
        cov = "cluster"
    first, second = fit(spec, FRAME), fit(spec, FRAME.assign(**{column: FRAME[column] * factor}))
    change = pd.Series(1.0, index=first.params.index)
    own = [n for n in change.index if column == "y" or column in n]
    change[own] = factor if column == "y" else 1 / factor
    np.testing.assert_allclose(second.params / change, first.params, rtol=1e-7)
    one, two = first.with_cov(cov).std_errors, second.with_cov(cov).std_errors
    np.testing.assert_allclose(two / change, one, rtol=1e-7)
    for name in ("rsquared", "rsquared_within", "rsquared_between", "rsquared_overall"):
        assert getattr(second, name) == pytest.approx(getattr(first, name), rel=1e-7)
    second.summary()


@every
@pytest.mark.parametrize("column", ["y", "x2"])
@pytest.mark.parametrize("factor", [1e-160, 1e160, 1e-200, 1e300])
def test_what_cannot_be_squared_is_refused_by_name(spec: Any, column: str, factor: float) -> None:
    with pytest.raises(SpecificationError, match=f"values of '{column}' are about .* other units"):
        fit(spec, FRAME.assign(**{column: FRAME[column] * factor}))


def test_products_that_cannot_be_squared_are_refused_by_name() -> None:
    large = FRAME.assign(y=FRAME["y"] * 1e100, x1=FRAME["x1"] * 1e100)
    with pytest.raises(SpecificationError, match=r"'y' are about .* and those of 'x1'"):
        fit(pm.FixedEffects("y ~ x1 + x2"), large)


def test_a_mixed_model_says_in_which_units_to_measure() -> None:
    for factor in (1e60, 1e-60):
        with pytest.raises(SpecificationError, match="outcome 'y' has a standard deviation"):
            pm.MixedModel("y ~ x1 + (1 | unit)").fit(FRAME.assign(y=FRAME["y"] * factor))


@pytest.mark.parametrize(
    "effects",
    [
        "state + firm",
        "state + firm + time",
        "time",
        "unit + time",
        "unit",
        "firm[trend]",
        "unit[trend]",
    ],
)
@pytest.mark.parametrize("weights", [None, "w"])
def test_rsquared_within_is_that_after_all_effects(effects: str, weights: str | None) -> None:
    found = pm.FixedEffects(f"y ~ x1 + x2 | {effects}", weights=weights).fit(
        pm.Panel(FRAME, unit="unit", time="time")
    )
    columns = []
    for effect in effects.split(" + "):
        name, _, slope = effect.partition("[")
        columns.append(dummies(FRAME[name]))
        if slope:
            columns.append(columns[-1] * FRAME[["trend"]].to_numpy())
    absorbed, w = np.concatenate(columns, axis=1), FRAME[weights] if weights else None
    y, x = FRAME["y"].to_numpy(), FRAME[["x1", "x2"]].to_numpy()
    left = least_squares(y, x, absorbed, w).rss
    total = least_squares(y, np.zeros((len(y), 0)), absorbed, w).rss
    assert found.rsquared_within == pytest.approx(1 - left / total, rel=1e-10)
    assert found.rsquared == pytest.approx(1 - left / total, rel=1e-10)
