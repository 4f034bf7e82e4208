"""Random effects of units beside outcomes that are not continuous: values, and mixed models."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

import panelml as pm
from panelml.errors import PanelmlError, SpecificationError
from tests.glm.count_data import COUNTS
from tests.glm.outcome_data import OUTCOMES
from tests.glm.test_outcomes_laws import frame

FRAME = frame(60, seed=8)
UNION = "union ~ married + rur + poorhlth + exper + educ + black"


def on(name: str) -> pm.Panel:
    read, unit, time = {**OUTCOMES, **COUNTS}[name]
    return pm.Panel(read(), unit=unit, time=time)


@pytest.mark.parametrize(
    ("make", "points", "slope", "sigma", "loglik"),
    [
        (pm.Logit, 1, 0.34009928, 2.9921584, -1670.451878),
        (pm.Logit, 12, 0.33545743, 3.0095500, -1661.645319),
        (pm.Logit, 50, 0.33551093, 3.0329438, -1661.292766),
        (pm.Probit, 1, 0.19018947, 1.6329290, -1676.187652),
        (pm.Probit, 50, 0.18279663, 1.7018578, -1663.036080),
    ],
)
def test_union_membership(
    make: Any, points: int, slope: float, sigma: float, loglik: float
) -> None:
    """lme4 1.1-31 (logit), glmmTMB 1.1.5 (Laplace) with tight tolerances, and dense integration."""
    fit = make(UNION, effects="random", points=points).fit(on("union"))
    assert np.isclose(fit.params["married"], slope, rtol=1e-6)
    assert np.isclose(fit.measures["sigma_u"].value, sigma, rtol=1e-6)
    assert np.isclose(fit.loglik, loglik, atol=1e-5)
    doubled = any("points of quadrature" in note for note in fit.notes)
    assert doubled == (points == 12)


def test_standard_errors_of_union_membership() -> None:
    """Fifty points: the observed information, and the sandwich by man without a factor.

    The values are from differences at an optimum that a quasi-Newton search ended at: 1e-5.
    """
    fit = pm.Logit(UNION, effects="random", points=50, cov="iid").fit(on("union"))
    errors = [1.1090182, 0.15911461, 0.23669555, 0.50299899, 0.02407950, 0.09102152, 0.45943500]
    assert np.allclose(fit.std_errors[:-1], errors, rtol=2e-5)
    robust = [1.0023286, 0.17107182, 0.27489544, 0.61222685, 0.03087434, 0.08030966, 0.42897920]
    clustered = fit.with_cov(pm.cov.Clustered(small_sample="CR0"))
    assert np.allclose(clustered.std_errors[:-1], robust, rtol=3e-5)
    assert np.isclose(fit.measures["rho"].value, 0.736570650, rtol=1e-6)


def test_hours_of_training() -> None:
    """censReg 0.5-36 and pglm 0.2-4 with 50 and 60 fixed nodes."""
    right = "hrsemp ~ grant + d88 + d89 + lemploy + union"
    fit = pm.Tobit(right, lower=0, effects="random", points=30).fit(on("training"))
    expected = {"grant": 41.66743, "d88": 2.33106, "union": -10.08128, "sigma_e": 17.1869}
    assert all(np.isclose(fit.params[key], value, rtol=2e-6) for key, value in expected.items())
    assert np.isclose(fit.measures["sigma_u"].value, 22.9003, rtol=2e-6)
    assert np.isclose(fit.loglik, -1259.662898, atol=1e-5)


def test_ratings_of_wine() -> None:
    """ordinal's clmm with ten points, whose search ends at a relative 2e-6 of the optimum."""
    fit = pm.OrderedLogit("rating ~ warm + contact", effects="random", points=10, cov="iid")
    fit = fit.fit(on("wine"))
    expected = [3.06189099, 1.83343337, -1.62348745, 1.51279604, 4.22705346, 6.08615228]
    assert np.allclose(fit.params[:-1], expected, rtol=1e-5)
    assert np.isclose(fit.measures["sigma_u"].value, 1.134783298, rtol=1e-5)
    assert np.isclose(fit.loglik, -81.53246071, atol=1e-7)
    errors = [0.5950763, 0.5121712, 0.6833863, 0.6044374, 0.8089782, 0.9719398]
    assert np.allclose(fit.std_errors[:-1], errors, rtol=2e-5)


def test_patents_and_ships() -> None:
    """lme4 with 25 points; Stata prints .3085306 and -74.780982 of the ships."""
    right = " + ".join([*(f"r{j}" for j in range(6)), *(f"y{j}" for j in range(2, 6))])
    raw = COUNTS["patents_hgh"][0]()
    fit = pm.Poisson(f"pat ~ {right}", effects="normal", points=25)
    fit = fit.fit(pm.Panel(raw, unit="firm", time="year"))
    assert fit.loglik < -5200 and fit.measures["sigma_u"].value > 0.9
    ships = pm.Poisson(
        "accident ~ op + `co.65.69` + `co.70.74` + `co.75.79`",
        effects="normal",
        exposure="service",
        points=25,
    ).fit(on("ships"))
    assert np.isclose(ships.measures["sigma_u"].value, 0.308530624, rtol=1e-6)
    assert np.isclose(ships.loglik, -74.78098, atol=5e-6)


MODELS: dict[str, tuple[Any, str, dict[str, Any], dict[str, Any]]] = {
    "logit": (pm.Logit, "yes", {}, {"family": "binomial"}),
    "probit": (pm.Probit, "yes", {}, {"family": "binomial", "link": "probit"}),
    "cloglog": (pm.Cloglog, "yes", {}, {"family": "binomial", "link": "cloglog"}),
    "ordered": (pm.OrderedLogit, "level", {}, {"family": "ordered"}),
    "counts": (pm.NegativeBinomial, "count", {}, {"family": "negative-binomial"}),
    "poisson": (pm.Poisson, "count", {"effects": "normal"}, {"family": "poisson"}),
}


@pytest.mark.parametrize("name", MODELS)
def test_a_random_intercept_is_a_mixed_model(name: str) -> None:
    make, outcome, options, mixed = MODELS[name]
    options = {"effects": "random", **options}
    fit = make(f"{outcome} ~ x1 + x2", cov="iid", **options).fit(
        pm.Panel(FRAME, unit="unit", time="time")
    )
    other = pm.MixedModel(f"{outcome} ~ x1 + x2 + (1 | unit)", points=12, **mixed).fit(FRAME)
    assert np.allclose(fit.params[:-1], other.params, rtol=1e-7, atol=1e-8)
    assert np.allclose(fit.std_errors[:-1], other.std_errors, rtol=1e-6)
    assert np.isclose(fit.loglik, other.loglik, rtol=1e-11)


@pytest.mark.parametrize("name", MODELS)
def test_influence_and_what_does_not_matter(name: str) -> None:
    make, outcome, options, _ = MODELS[name]
    options = {"effects": "random", **options}
    data = frame(200, seed=9)

    def fit(rows: pd.DataFrame) -> Any:
        panel = pm.Panel(rows, unit="unit", time="time")
        return make(f"{outcome} ~ x1 + x2", **options).fit(panel)

    result = fit(data)
    psi = result.attached.estimate.influence.psi[:-1]
    unit = int(np.argmax(np.abs(psi[1])))
    change = np.asarray(result.params - fit(data[data["unit"] != unit]).params)[:-1]
    assert np.allclose(change, psi[:, unit], atol=0.25 * np.abs(psi[:, unit]).max())
    other = fit(data.assign(x1=100 * data["x1"] + 7).sample(frac=1, random_state=1))
    assert np.isclose(100 * other.params["x1"], result.params["x1"], rtol=1e-6)
    assert np.isclose(100 * other.std_errors["x1"], result.std_errors["x1"], rtol=1e-5)
    assert np.isclose(other.loglik, result.loglik, rtol=1e-9)


def test_no_variance_between_units_is_the_pooled_fit() -> None:
    rng = np.random.default_rng(3)
    data = FRAME.assign(yes=rng.integers(0, 2, len(FRAME)).astype(float))
    panel = pm.Panel(data, unit="unit", time="time")
    fit, pooled = pm.Logit("yes ~ x1", effects="random").fit(panel), pm.Logit("yes ~ x1").fit(panel)
    assert fit.loglik >= pooled.loglik - 1e-9
    if fit.measures["sigma_u"].value < 1e-6:
        assert np.allclose(fit.params[:-1], pooled.params, rtol=1e-6)
    assert np.isclose(fit.measures["lr_pooled"].value, 2 * (fit.loglik - pooled.loglik), atol=1e-8)


def test_refusals() -> None:
    panel = pm.Panel(FRAME, unit="unit", time="time")
    with pytest.raises(SpecificationError, match="absorbs no others"):
        pm.Poisson("count ~ x1 | unit", effects="normal").fit(panel)
    with pytest.raises(PanelmlError, match="single row"):
        pm.Logit("yes ~ x1", effects="random").fit(
            pm.Panel(FRAME.assign(unit=np.arange(len(FRAME))), unit="unit", time="time")
        )
    with pytest.raises(PanelmlError):
        pm.Logit("yes ~ x1", effects="random").fit(panel).with_cov("newey-west")


def test_hausman_of_conditional_and_random_effects_logit() -> None:
    """Differences of estimates by the sums of psi by unit, zero for units that never change."""
    panel = pm.Panel(FRAME, unit="unit", time="time")
    random = pm.Logit("yes ~ x1 + x2", effects="random").fit(panel)
    within = pm.Logit("yes ~ x1 + x2", effects="conditional").fit(panel)
    test = pm.hausman(within, random, cov=pm.cov.Clustered(small_sample="CR0"))
    names = ["x1", "x2"]
    rows = [list(random.params.index).index(name) for name in names]
    psi = -random.attached.estimate.influence.psi[rows]
    influence = within.attached.estimate.influence
    places = np.searchsorted(panel.index.units, influence.sample.unit_labels)
    psi[:, places] += influence.psi
    gap = (within.params[names] - random.params[names]).to_numpy()
    assert np.isclose(test.statistic, gap @ np.linalg.solve(psi @ psi.T, gap), rtol=1e-8)
    probit = pm.Probit("yes ~ x1 + x2", effects="random").fit(panel)
    with pytest.raises(SpecificationError, match="different scales"):
        pm.hausman(within, probit)
    group = pm.hausman(
        within,
        pm.Logit("yes ~ x1 + x2 + g", effects="random").fit(
            pm.Panel(FRAME.assign(g=FRAME["unit"] % 3), unit="unit", time="time")
        ),
    )
    assert any("in one fit only: g" in note for note in group.notes)


def test_dynamic_probit_with_initial_conditions() -> None:
    """Wooldridge (2005): lag, first outcome, and the regressor of each later period.

    Dense algebra with twelve points; its standard errors, of second differences, are good to 1e-4.
    """
    frame = OUTCOMES["union"][0]()
    wide = frame.pivot(index="nr", columns="year", values=["union", "married"])
    frame = frame.assign(union_1980=frame["nr"].map(wide["union"][1980]))
    later = [f"married_{year}" for year in range(1981, 1988)]
    for name in later:
        frame[name] = frame["nr"].map(wide["married"][int(name[-4:])])
    right = ["married", "L(union, 1)", "union_1980", *later, "educ", "black", "i(year, ref=1981)"]
    spec = pm.Probit(f"union ~ {' + '.join(right)}", effects="random", cov="iid")
    fit = spec.fit(pm.Panel(frame, unit="nr", time="year"))
    names = ["married", "L(union, 1)", "union_1980", "black", "sigma_u"]
    expected = [0.16892142, 0.89746439, 1.44471040, 0.52991624, 1.07632803]
    assert fit.nobs == 3815 and np.isclose(fit.loglik, -1283.746633, atol=2e-6)
    assert np.allclose(fit.params[names], expected, rtol=1e-6)
    assert np.allclose(fit.std_errors[names[:3]], [0.11077298, 0.09262586, 0.16428408], rtol=2e-4)
    robust = fit.with_cov(pm.cov.Clustered(small_sample="CR0")).std_errors[names[:3]]
    assert np.allclose(robust, [0.11221606, 0.10665643, 0.16850653], rtol=2e-4)


def test_points_are_checked_and_doubled_as_far_as_they_can_be() -> None:
    panel = pm.Panel(FRAME, unit="unit", time="time")
    for points in (0, -1, 500):
        with pytest.raises(SpecificationError, match="points is between 1 and 200"):
            pm.Logit("yes ~ x1", effects="random", points=points).fit(panel)
    fit = pm.Logit("yes ~ x1", effects="random", points=200).fit(panel)
    assert not any("nan" in note for note in fit.notes)
    data = pm.Panel(FRAME.assign(sigma_u=FRAME["x1"]), unit="unit", time="time")
    with pytest.raises(PanelmlError, match="has the name of a parameter"):
        pm.Logit("yes ~ sigma_u", effects="random").fit(data)
