"""Mixed models of many units alike, or dependent residuals: the outcome's units do not matter."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pytest

import panelml as pm


@cache
def make_frame(units: int, periods: int) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    unit = np.repeat(np.arange(units), periods)
    frame = pd.DataFrame({"unit": unit, "t": np.tile(np.arange(periods), units)})
    x, e = rng.normal(size=(2, len(frame)))
    return frame.assign(x=x, y=rng.normal(size=units)[unit] + 0.5 * x + e)


@pytest.mark.parametrize("scale", [1e-9, 1e9])
@pytest.mark.parametrize(
    ("formula", "units", "options"),
    [
        ("y ~ x + (1 | unit)", 1000, {}),
        ("y ~ x + (1 + t | unit)", 1000, {}),
        ("y ~ x + (1 | unit)", 20, {"residual": "ar1"}),
    ],
)
def test_units_of_the_outcome(
    formula: str, units: int, options: dict[str, Any], scale: float
) -> None:
    frame = make_frame(units, 4)
    spec = pm.MixedModel(formula, **options)
    wanted = spec.fit(pm.Panel(frame, unit="unit", time="t"))
    found = spec.fit(pm.Panel(frame.assign(y=frame["y"] * scale), unit="unit", time="t"))
    np.testing.assert_allclose(found.params, wanted.params * scale, rtol=1e-6)
    np.testing.assert_allclose(found.std_errors, wanted.std_errors * scale, rtol=1e-6)
    # REML: N less the fixed effects.
    shift = (len(frame) - 2) * np.log(scale)
    assert found.loglik + shift == pytest.approx(wanted.loglik, abs=1e-6)
