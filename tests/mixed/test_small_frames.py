"""Small, ragged frames: a fit whose every number is one, or a reason in words."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import panelml as pm
from panelml.errors import IdentificationError, PanelmlError
from panelml.mixed.results.mixed_results import MixedResults

FORMULAS = {
    "intercepts": "y ~ x + (1 | unit)",
    "slopes": "y ~ x + (1 + x | unit)",
    "uncorrelated": "y ~ x + (1 + x || unit)",
    "nested": "y ~ x * z + (1 | cluster/unit)",
    "crossed": "y ~ x + (1 | unit) + (1 | time)",
    "no-constant": "y ~ 0 + x + (0 + x | unit)",
}
RESIDUALS = (
    None,
    "ar1:time",
    "car1:time",
    "heteroskedastic:half",
    "exchangeable",
    "unstructured:time",
    pm.residual.Toeplitz(time="time"),
    "ma1:time",
)


def draw(seed: int) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    n, periods = int(rng.integers(2, 14)), int(rng.integers(1, 7))
    unit = np.repeat(np.arange(n), periods)
    frame = pd.DataFrame({"unit": unit, "time": np.tile(np.arange(periods) + 1, n)})
    for name in "xyz":
        frame[name] = rng.standard_normal(len(frame))
    frame["x"] = rng.standard_normal(n)[unit] if seed % 4 == 0 else frame["x"]
    frame["y"] += (seed % 3) * rng.standard_normal(n)[unit]
    frame["half"], frame["cluster"] = unit % 2, unit % 3
    return frame[rng.uniform(size=len(frame)) > rng.choice([0, 0.1, 0.4])]


def numbers(fit: MixedResults) -> None:
    """All that a fit is asked for first."""
    assert np.isfinite(fit.params).all()
    assert np.isfinite(fit.std_errors).all()
    assert str(fit)
    table = fit.variance()
    assert (table["variance"][table["other"] == ""] >= 0).all()
    assert not (table["std_error"] < 0).any()
    for frame in fit.random_effects(sd=True).values():
        assert np.isfinite(frame).all(axis=None)
    fit.icc_table()
    robust = fit.with_cov("satterthwaite")
    assert (robust.df_terms > 0).all()
    assert np.isfinite(robust.std_errors).all()
    drawn = fit.simulate(1, seed=1)["y0"]
    assert np.isfinite(drawn[fit.fitted().notna()]).all()


@pytest.mark.parametrize("name", list(FORMULAS))
def test_a_fit_or_a_reason(name: str) -> None:
    fitted = 0
    for seed in range(24):
        residual = RESIDUALS[seed % len(RESIDUALS)] if seed % 3 else None
        model = pm.MixedModel(FORMULAS[name], reml=seed % 2 == 0, residual=residual)
        try:
            fit = model.fit(draw(seed))
        except PanelmlError:
            continue
        fitted += 1
        numbers(fit)
    assert fitted > 3


def test_fixed_effects_that_explain_all_between_units() -> None:
    """Two units and two effects between them leave nothing to say of their variance."""
    frame = pd.DataFrame({"id": [0, 0, 0, 1, 1, 1], "y": [1.0, 2, 4, 8, 5, 7]})
    frame["g"] = frame["id"] * 1.0
    for formula in ("y ~ g + (1 | id)", "y ~ g + (1 | id) + (1 | other)"):
        with pytest.raises(IdentificationError, match="explain all that varies"):
            pm.MixedModel(formula).fit(frame.assign(other=[0, 1, 2, 2, 0, 1]))
