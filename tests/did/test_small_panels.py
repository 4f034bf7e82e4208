"""Small, ragged panels with any cohorts: effects with standard errors, or a reason in words."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import panelml as pm
from panelml.errors import PanelmlError
from tests.did.specifications import ESTIMATORS

SEEDS = range(24)
MORE = {
    "ipw": pm.CallawaySantAnna("y ~ x", cohort="cohort", method="ipw", panel=False),
    "improved": pm.CallawaySantAnna("y ~ x", cohort="cohort", method="dr-improved", panel=False),
    "regression": pm.CallawaySantAnna("y ~ x", cohort="cohort", method="reg", base="universal"),
    "stacked-x": pm.StackedDiD("y ~ x", cohort="cohort", window=(-1, 1)),
    "triple-x": pm.TripleDifference("y ~ x", eligible="half", cohort="cohort"),
    "synthetic": pm.SyntheticDiD("y ~ 1", cohort="cohort", reps=5),
    "synthetic-jackknife": pm.SyntheticDiD("y ~ 1", cohort="cohort", inference="jackknife"),
    "synthetic-control": pm.SyntheticControl("y ~ 1", cohort="cohort", reps=5),
}


def draw(seed: int) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    large = seed % 4 == 0
    n, periods = 40 if large else int(rng.integers(3, 14)), 5 if large else int(rng.integers(2, 7))
    unit = np.repeat(np.arange(n), periods)
    frame = pd.DataFrame({"unit": unit, "time": np.tile(np.arange(periods) + 1, n)})
    when = [np.nan, 4] if large else [np.nan, *range(1, periods + 2)]
    share = [0.6] + [0.4 / (len(when) - 1)] * (len(when) - 1)
    frame["cohort"] = rng.choice(when, n, p=share)[unit]
    frame["half"] = rng.integers(0, 2, n)[unit]
    for name in "xyzw":
        frame[name] = rng.standard_normal(len(frame))
    frame["x"] = rng.standard_normal(n)[unit] if seed % 2 else frame["x"]
    frame["w"] = np.exp(frame["w"])
    frame = frame[rng.uniform(size=len(frame)) > rng.choice([0, 0.1, 0.4])]
    gap = 2 + seed % 3
    return frame[frame["time"] != gap] if seed % 5 == 0 else frame


@pytest.mark.parametrize("name", [*ESTIMATORS, *MORE])
def test_an_effect_or_a_reason(name: str) -> None:
    spec, fitted = {**ESTIMATORS, **MORE}[name], 0
    for seed in SEEDS:
        try:
            found = spec.fit(pm.Panel(draw(seed), unit="unit", time="time"))
        except PanelmlError:
            continue
        fitted += 1
        assert np.isfinite(found.params).all()
        assert np.isfinite(found.std_errors).all()
        assert str(found)
    assert fitted


def test_stacks_leave_out_windows_with_a_period_that_the_panel_has_not() -> None:
    frame = pm.simulate.staggered(60, 9, {4: 0.2, 7: 0.2}, seed=1)
    gap = frame[frame["time"] != 3]
    spec = pm.StackedDiD("y ~ 1", cohort="cohort", window=(-2, 2))
    found = spec.fit(pm.Panel(gap, unit="unit", time="time"))
    assert "Left out cohorts whose window is not in the panel: 4." in found.notes
    other = spec.fit(pm.Panel(frame[frame["cohort"] != 4], unit="unit", time="time"))
    np.testing.assert_allclose(found.params, other.params, rtol=1e-10)
