"""Small, ragged panels: a regression whose every number is one, or a reason in words."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

import panelml as pm
from panelml.errors import IdentificationError, PanelmlError, SpecificationError

SPECS: dict[str, Any] = {
    "pooled": lambda f: pm.PooledOLS(f, weights="w"),
    "between": pm.Between,
    "fixed": pm.FixedEffects,
    "two-way": lambda f: pm.FixedEffects(f"{f} | unit + time", weights="w"),
    "slopes": lambda f: pm.FixedEffects(f"{f} | unit[z] + time"),
    "differences": pm.FirstDifference,
    "random": pm.RandomEffects,
    "wallace-hussain": lambda f: pm.RandomEffects(f, method="wallace-hussain"),
    "amemiya": lambda f: pm.RandomEffects(f, method="amemiya"),
    "ml": lambda f: pm.RandomEffects(f, method="ml"),
    "random-two-way": lambda f: pm.RandomEffects(f, time_effects=True),
    "mundlak": pm.Mundlak,
    "hybrid": pm.Hybrid,
}
FORMULAS = ("y ~ x", "y ~ x * z + c", "y ~ c", "y ~ 0 + x", "y ~ 1", "y ~ x + p + c")
COVS = ("iid", "HC1", "HC2", "HC3", "cluster:g", "cluster:unit+time", "DK", "CR2", "CR3", "NW")


def draw(seed: int) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    n, periods = int(rng.integers(1, 12)), int(rng.integers(1, 7))
    unit, time = np.repeat(np.arange(n), periods), np.tile(np.arange(periods), n)
    frame = pd.DataFrame({"unit": unit, "time": time, "g": unit % 3})
    for name in "xyzw":
        frame[name] = rng.standard_normal(len(frame))
    frame["c"], frame["p"] = rng.standard_normal(n)[unit], rng.standard_normal(periods)[time]
    frame["y"] += (seed % 3) * rng.standard_normal(n)[unit]
    frame["w"] = np.exp(frame["w"])
    return frame[rng.uniform(size=len(frame)) > rng.choice([0, 0.1, 0.4])]


@pytest.mark.parametrize("name", list(SPECS))
def test_a_regression_or_a_reason(name: str) -> None:
    fitted = 0
    for seed in range(30):
        spec = SPECS[name](FORMULAS[seed % len(FORMULAS)])
        try:
            fit = spec.fit(pm.Panel(draw(seed), unit="unit", time="time"))
        except PanelmlError:
            continue
        fitted += 1
        assert np.isfinite(fit.params).all()
        assert str(fit)
        for cov in COVS:
            try:
                robust = fit.with_cov(cov)
            except PanelmlError:
                continue
            assert np.isfinite(robust.std_errors).all(), (seed, cov)
            assert str(robust)
    assert fitted > 3


def test_rows_that_alone_determine_a_coefficient() -> None:
    """Where an effect takes a row up it drops out; where a regressor does, HC3 has no value."""
    frame = pm.simulate.panel(20, 4, 1, seed=1)
    single = pd.DataFrame({"unit": [99], "time": [1], "x1": [0.3], "y": [1.0]})
    more = pd.concat([frame, single], ignore_index=True)
    fit, whole = (
        pm.FixedEffects("y ~ x1", cov="HC3").fit(pm.Panel(data, unit="unit", time="time"))
        for data in (frame, more)
    )
    np.testing.assert_allclose(whole.cov, fit.cov, rtol=1e-12)
    lone = more.assign(lone=(more["unit"] == 99) * 1.0)
    with pytest.raises(SpecificationError, match="leverage one"):
        pm.PooledOLS("y ~ x1 + lone", cov="HC3").fit(pm.Panel(lone, unit="unit", time="time"))


def test_tests_of_a_formula_without_regressors() -> None:
    panel = pm.Panel(pm.simulate.panel(20, 4, 1, seed=1), unit="unit", time="time")
    fit = pm.PooledOLS("y ~ 1").fit(panel)
    found = pm.breusch_pagan("y ~ 1", panel)
    assert found.statistic == pytest.approx(pm.breusch_pagan(fit).statistic, rel=1e-12)


def test_moments_without_a_residual_variance() -> None:
    frame = pd.DataFrame({"unit": [0, 0, 1], "time": [0, 1, 1], "y": [1.0, 0.0, 0.5]})
    frame["c"] = [0.1, 0.1, 0.6]
    with pytest.raises(IdentificationError, match="'wallace-hussain' give no positive variance"):
        pm.RandomEffects("y ~ c", method="wallace-hussain").fit(
            pm.Panel(frame, unit="unit", time="time")
        )
