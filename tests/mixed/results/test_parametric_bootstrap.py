"""Outcomes simulated from a mixed model, and refits of them."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import panelml as pm
from panelml.errors import SpecificationError
from panelml.mixed.results.mixed_results import MixedResults
from panelml.mixed.results.parametric_bootstrap import Replicate
from tests.mixed.mixed_data import MIXED

FORMULAS = {
    "sleepstudy": "Reaction ~ Days + (1 + Days | Subject)",
    "penicillin": "diameter ~ 1 + (1 | plate) + (1 | sample)",
    "levels3": "y ~ t + (1 + t | school) + (1 | school:klass)",
    "singletons": "y ~ t + (1 + t | id)",
    "huge_icc": "y ~ t + (1 | id)",
    "crossed": "y ~ x + (1 | subject) + (1 + x || item)",
    "growth": "y ~ t + x + (1 + t | id)",
}


def fitted(name: str, **options: object) -> MixedResults:
    return pm.MixedModel(FORMULAS[name], **options).fit(MIXED[name]())  # type: ignore[arg-type]


@pytest.mark.parametrize("reml", [True, False])
@pytest.mark.parametrize("name", FORMULAS)
def test_a_draw_is_the_fit_to_the_simulated_outcome(name: str, reml: bool) -> None:
    fit = fitted(name, reml=reml)
    outcomes = fit.simulate(2, seed=5)
    draws = fit.bootstrap(2, seed=5, statistic=everything).draws
    for rep in range(2):
        frame = MIXED[name]().assign(**{fit.depvar: outcomes[f"y{rep}"].to_numpy()})
        again = pm.MixedModel(FORMULAS[name], reml=reml).fit(frame)
        scale = np.abs(again.params).max()
        assert np.allclose(
            draws.loc[rep, list(again.params.index)], again.params, rtol=1e-7, atol=1e-8 * scale
        )
        assert draws.loc[rep, "loglik"] == pytest.approx(again.loglik, rel=1e-10)
        for key, value in again.random.coefficients.extras().items():
            assert draws.loc[rep, key] == pytest.approx(value, rel=1e-5, abs=1e-5, nan_ok=True)


def everything(replicate: Replicate) -> pd.Series:
    return pd.concat([replicate.all(), pd.Series({"loglik": replicate.loglik})])


def test_prior_weights_enter_draws_and_refits() -> None:
    formula, frame = "y ~ x + (1 | subject) + (1 | item)", MIXED["crossed"]()
    fit = pm.MixedModel(formula, weights="w").fit(frame)
    outcome = fit.simulate(1, seed=1)["y0"].to_numpy()
    draw = fit.bootstrap(2, seed=1).draws.loc[0]
    again = pm.MixedModel(formula, weights="w").fit(frame.assign(y=outcome))
    assert np.allclose(draw[list(again.params.index)], again.params, rtol=1e-8)


def test_simulated_outcomes_have_the_moments_of_the_model() -> None:
    fit, frame = fitted("sleepstudy"), MIXED["sleepstudy"]()
    draws = fit.simulate(4000, seed=2).to_numpy()
    z = np.column_stack([np.ones(len(frame)), frame["Days"]])
    same = frame["Subject"].to_numpy()[:, None] == frame["Subject"].to_numpy()
    cov = np.where(same, z @ fit.random.parts[0].cov @ z.T, 0.0) + fit.sigma2 * np.eye(len(frame))
    mean = z @ fit.params.to_numpy()
    error = (draws.mean(axis=1) - mean) / np.sqrt(np.diag(cov) / 4000)
    assert np.abs(error).max() < 4.5
    found = np.cov(draws)
    spread = np.sqrt((cov**2 + np.outer(np.diag(cov), np.diag(cov))) / 4000)
    assert np.abs((found - cov) / spread).max() < 5.5


def test_predicted_effects_leave_the_residual_alone_to_chance() -> None:
    for name in ("sleepstudy", "penicillin"):
        fit = fitted(name)
        draws = fit.simulate(3000, seed=4, effects="predicted").to_numpy()
        error = (draws.mean(axis=1) - fit.fitted().to_numpy()) / np.sqrt(fit.sigma2 / 3000)
        assert np.abs(error).max() < 4.5
        assert np.allclose(draws.var(axis=1), fit.sigma2, rtol=0.2)


def test_draws_do_not_depend_on_the_order_of_rows_or_on_how_many_there_are() -> None:
    frame = pm.datasets.wage_panel()
    frame = frame[frame["nr"] < 1500]
    model = pm.MixedModel("lwage ~ exper + (1 + exper | nr)")
    fit = model.fit(pm.Panel(frame, unit="nr", time="year"))
    outcome = fit.simulate(3, seed=9)["y2"].to_numpy()
    shuffled = np.random.default_rng(0).permutation(len(frame))
    other = model.fit(pm.Panel(frame.iloc[shuffled], unit="nr", time="year"))
    assert np.allclose(other.simulate(5, seed=9)["y2"], outcome[shuffled], rtol=1e-9)


def test_rows_outside_the_sample_are_missing() -> None:
    frame = MIXED["sleepstudy"]().copy()
    frame.loc[[3, 17], "Reaction"] = np.nan
    fit = pm.MixedModel(FORMULAS["sleepstudy"]).fit(frame)
    assert list(np.flatnonzero(fit.simulate(seed=1)["y0"].isna())) == [3, 17]


def test_intervals_are_quantiles_of_the_draws() -> None:
    found = fitted("sleepstudy").bootstrap(40, seed=1)
    days, estimate = found.draws["Days"].to_numpy(), found.estimate["Days"]
    low, high = np.quantile(days, [0.05, 0.95])
    assert found.conf_int(0.9).loc["Days"].tolist() == pytest.approx([low, high])
    basic = found.conf_int(0.9, "basic").loc["Days"].tolist()
    assert basic == pytest.approx([2 * estimate - high, 2 * estimate - low])
    centre, half = 2 * estimate - days.mean(), 1.6448536269514722 * days.std(ddof=1)
    normal = found.conf_int(0.9, "normal").loc["Days"].tolist()
    assert normal == pytest.approx([centre - half, centre + half])
    assert found.estimate["icc(Subject)"] == pytest.approx(
        float(fitted("sleepstudy").icc().iloc[0])
    )


def test_boundaries_are_said() -> None:
    found = fitted("growth").bootstrap(3, seed=1)
    assert len(found.draws) == 3
    zero = pm.MixedModel("y ~ t + (1 | id)").fit(MIXED["zerovar"]()).bootstrap(20, seed=1)
    assert any("sd(Intercept | id) is 0 in" in note for note in zero.notes)


def test_options_are_checked() -> None:
    fit = fitted("sleepstudy")
    with pytest.raises(SpecificationError, match="reps must be"):
        fit.bootstrap(1, seed=0)
    with pytest.raises(SpecificationError, match="reps must be"):
        fit.simulate(0, seed=0)
    with pytest.raises(SpecificationError, match="effects is"):
        fit.simulate(seed=0, effects="old")  # type: ignore[arg-type]
    with pytest.raises(SpecificationError, match="method is"):
        fit.bootstrap(2, seed=0).conf_int(method="bca")  # type: ignore[arg-type]
