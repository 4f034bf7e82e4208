"""Measures of fit: declared in order, and missing in words."""

from __future__ import annotations

import copy
import pickle
from dataclasses import replace
from typing import Any

import pandas as pd
import pytest

import panelml as pm
from panelml.errors import MissingMeasureError, PanelmlError, UnknownNameError
from panelml.results.measures import Measure, Measures, component, measure


@pytest.fixture(scope="module")
def declared() -> Measures:
    return Measures.of({"rsquared": 0.5, "loglik": None, "rss": 3.0, "sigma_u": 2.0, "sd(x)": 1.0})


def test_measures_keep_their_order_and_leave_out_none(declared: Measures) -> None:
    assert list(declared) == ["rsquared", "rss", "sigma_u", "sd(x)"]
    assert [known.key for known in declared.at("below")] == ["sigma_u", "sd(x)"]
    assert declared["sigma_u"].label == "Standard deviation of the unit effects (sigma_u)"
    assert declared["sd(x)"].label == declared["sd(x)"].definition == "sd(x)"
    assert all(known.definition for known in declared.declared)


def test_a_model_defines_measures_that_others_do_not_have() -> None:
    deviance = Measure("deviance", "Deviance", 0.0, "Twice the gap in log-likelihood.", "fit")
    theta = component("theta", "Share taken out", compared=False)
    found = Measures.of({"deviance": 12.5, "theta": None, "rho": 0.5}, [deviance, theta])
    assert list(found) == ["deviance", "rho"]
    assert found["deviance"] == replace(deviance, value=12.5)
    assert theta.label == "Share taken out (theta)" and not theta.compared
    assert list(found.plus(Measures((theta,)))) == ["deviance", "rho", "theta"]


def test_measures_of_every_kind_of_model_are_defined(panel: pm.Panel, fits: dict[str, Any]) -> None:
    mixed = pm.MixedModel("lwage ~ union + (1 + union | nr)").fit(panel)
    for fit in (*fits.values(), mixed):
        assert all(known.definition != known.key for known in fit.measures.declared)
    definition = mixed.measures["sd(union | nr)"].definition
    assert definition.startswith("Standard deviation between the levels")


def test_other_values_stay_in_place_and_new_ones_come_last(declared: Measures) -> None:
    changed = declared.updated({"rsquared": 0.25, "rho": 0.125})
    assert list(changed) == [*declared, "rho"]
    assert changed["rsquared"].value == 0.25 and declared["rsquared"].value == 0.5
    assert changed["rho"] == measure("rho", 0.125)


def test_unknown_keys_are_refused_in_words(declared: Measures) -> None:
    with pytest.raises(UnknownNameError, match=r"No measure 'sigma_uu'\. Did you mean 'sigma_u'"):
        declared["sigma_uu"]
    with pytest.raises(
        MissingMeasureError, match=r"^Probit has no log-likelihood: it has rsquared"
    ):
        declared.number("loglik", "Probit")
    with pytest.raises(MissingMeasureError, match=r"has no R-squared within: it declares no"):
        Measures().number("rsquared_within", "Probit")


def test_a_fit_without_a_measure_has_no_such_attribute(fits: dict[str, Any]) -> None:
    random, fixed = fits["re"], fits["fe"]
    assert hasattr(fixed, "loglik") and not hasattr(random, "loglik")
    assert getattr(random, "loglik", None) is None
    for again in (pickle.loads(pickle.dumps(random)), copy.deepcopy(random), copy.copy(random)):
        with pytest.raises(PanelmlError, match=f"^{random.model} has no log-likelihood: it has"):
            _ = again.loglik
        assert again.measures == random.measures


def test_a_comparison_leaves_the_cell_blank(panel: pm.Panel, fits: dict[str, Any]) -> None:
    null = pm.RandomEffects("lwage ~ 1").fit(panel)
    table = pm.compare(null=null, fe=fits["fe"])
    [row] = [row for band in table.grid().bands for row in band if row[0] == "R-squared within"]
    assert row[1] == "" and row[2] != ""
    values = table.to_frame().set_index(["term", "quantity"])
    assert pd.isna(values.loc[("", "r_squared_within"), "null"])
    assert "R-squared" not in str(null.summary()) and "r_squared" not in null.glance()
    with pytest.raises(MissingMeasureError, match="has no R-squared within"):
        _ = null.rsquared_within
