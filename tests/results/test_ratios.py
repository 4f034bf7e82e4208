"""Odds ratios, incidence-rate ratios and hazard ratios."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest

import panelml as pm
from panelml.errors import PanelmlError
from tests.glm.count_data import COUNTS
from tests.inference.percentiles import Percentiles

SHIPS = "accident ~ op + `co.65.69` + `co.70.74` + `co.75.79`"
WAGES = pm.Panel(pm.datasets.wage_panel(), unit="nr", time="year")
SPECS: dict[str, Any] = {
    "incidence-rate ratios": pm.Poisson("union ~ married + exper"),
    "odds ratios": pm.Logit("union ~ married + exper"),
    "hazard ratios": pm.Cloglog("union ~ married + exper"),
}


def ships(formula: str = SHIPS, **options: Any) -> Any:
    frame, unit, time = COUNTS["ships"]
    panel = pm.Panel(frame(), unit=unit, time=time)
    return pm.Poisson(formula, exposure="service", cov="iid", **options).fit(panel)


def test_ships_have_the_ratios_that_stata_prints() -> None:
    """Stata's manual, xtpoisson: ``fe irr`` (example 1) and ``re irr`` (example 2)."""
    fixed = ships(f"{SHIPS} | ship").ratios()
    assert np.allclose(fixed.params, [1.468831, 2.008003, 2.26693, 1.573695], atol=6e-7)
    random = ships(effects="gamma").ratios()
    assert list(random.params.index[1:]) == ["op", "co.65.69", "co.70.74", "co.75.79"]
    assert np.allclose(random.params[1:], [1.466305, 2.032543, 2.356853, 1.641913], atol=6e-7)
    errors = [0.1734005, 0.304083, 0.3999259, 0.3811398]
    assert np.allclose(random.std_errors[1:], errors, atol=6e-8)


@pytest.mark.parametrize("words", SPECS)
def test_ratios_are_exponentials_whose_tests_are_those_of_coefficients(words: str) -> None:
    fit = SPECS[words].fit(WAGES)
    ratios = fit.ratios()
    assert ratios.model == f"{fit.model}, {words}"
    assert np.allclose(ratios.params, np.exp(fit.params), rtol=1e-15)
    assert np.allclose(ratios.std_errors, np.exp(fit.params) * fit.std_errors, rtol=1e-14)
    assert np.allclose(np.diag(ratios.cov), ratios.std_errors**2, rtol=1e-14)
    assert ratios.pvalues.equals(fit.pvalues)
    assert ratios.tstats.equals(fit.tstats)
    for level in (0.9, 0.95):
        assert np.allclose(ratios.conf_int(level), np.exp(fit.conf_int(level)), rtol=1e-15)
    assert ratios.model_test() == fit.model_test()
    assert "ratio of one" in ratios.notes[-1]


def test_ratios_stand_in_every_view() -> None:
    fit = SPECS["odds ratios"].fit(WAGES)
    ratios = fit.ratios()
    number = f"{np.exp(fit.params['married']):.3f}"
    for text in (str(ratios), ratios._repr_html_(), ratios.to_latex(), ratios.to_markdown()):
        assert number in text
        assert "odds ratios" in text
    assert number in str(pm.compare(fit, ratios))
    assert np.allclose(ratios.tidy()["estimate"], ratios.params)


def test_other_covariances_and_inference_follow() -> None:
    fit = SPECS["odds ratios"].fit(WAGES)
    ratios = fit.ratios().with_cov("iid")
    assert np.allclose(ratios.std_errors, fit.with_cov("iid").ratios().std_errors)
    percentiles = fit.ratios().with_inference(Percentiles(99))
    expected = np.exp(fit.with_inference(Percentiles(99)).conf_int())
    assert np.allclose(percentiles.conf_int(), expected)
    assert np.allclose(pickle.loads(pickle.dumps(ratios)).std_errors, ratios.std_errors)


def test_cut_points_and_variances_are_no_ratios() -> None:
    ordered = pm.OrderedLogit("exper ~ married").fit(WAGES)
    assert list(ordered.ratios().params.index) == ["married"]
    assert "alpha" not in pm.NegativeBinomial("exper ~ married").fit(WAGES).ratios().params


def test_what_has_no_ratio_is_refused_in_words() -> None:
    with pytest.raises(PanelmlError, match="Fixed effects has the identity link"):
        pm.FixedEffects("lwage ~ union").fit(WAGES).ratios()
    with pytest.raises(PanelmlError, match="Probit has the probit link"):
        pm.Probit("union ~ married").fit(WAGES).ratios()
    ratios = SPECS["odds ratios"].fit(WAGES).ratios()
    with pytest.raises(PanelmlError, match="wald_test of the fit"):
        ratios.wald_test("married = 1")
