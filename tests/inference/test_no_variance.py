"""Scores that sum to zero in every cluster give no standard error, rather than one of rounding."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pytest

import panelml as pm

UNITS, PERIODS = 60, 6


@cache
def make_panel() -> pm.Panel:
    rng = np.random.default_rng(0)
    unit, time = np.repeat(np.arange(UNITS), PERIODS), np.tile(np.arange(PERIODS), UNITS)
    frame = pd.DataFrame({"unit": unit, "time": time, "region": unit % 2, "state": unit % 5})
    x, z, y = rng.normal(size=(3, len(frame)))
    first = np.where(frame["region"] == 1, 3, np.nan)
    return pm.Panel(frame.assign(x=x, z=z, y=y + unit / 60, first=first), unit="unit", time="time")


def assert_no_variance(fit: Any) -> None:
    assert (fit.std_errors == 0).all()
    assert fit.tstats.isna().all()
    assert fit.pvalues.isna().all()
    assert fit.conf_int().isna().all(axis=None)
    assert any("There is no variance" in note for note in fit.notes)


@pytest.mark.parametrize("cov", ["cluster:state", "CR0:state", "CR2:state", "CR3:state"])
@pytest.mark.parametrize(
    "spec",
    [
        pm.PooledOLS("y ~ C(state) * x"),
        pm.FixedEffects("y ~ C(state):x"),
        pm.FixedEffects("y ~ C(state):x + C(state):z"),
        pm.FirstDifference("y ~ C(state):x - 1"),
    ],
    ids=lambda spec: type(spec).__name__,
)
def test_coefficients_of_their_own_for_each_cluster(spec: Any, cov: str) -> None:
    fit = spec.fit(make_panel())
    assert_no_variance(fit.with_cov(cov))
    assert (fit.with_cov("cluster:unit").std_errors > 1e-3).all()


@pytest.mark.parametrize(
    "spec", [pm.RandomEffects("y ~ C(state) * x"), pm.MixedModel("y ~ C(state) * x + (1 | unit)")]
)
def test_coefficients_of_their_own_in_models_of_the_unit_effect(spec: Any) -> None:
    assert_no_variance(spec.fit(make_panel()).with_cov("cluster:state"))


def test_other_parameters_keep_their_variance() -> None:
    fit = pm.FixedEffects("y ~ z + C(state):x").fit(make_panel())
    errors = fit.with_cov("cluster:state").std_errors
    assert (errors > 1e-4).all()


@pytest.mark.parametrize(
    "estimator",
    [
        pm.TWFE,
        pm.EventStudy,
        pm.CallawaySantAnna,
        pm.SunAbraham,
        pm.ExtendedTWFE,
        pm.BorusyakJaravelSpiess,
        pm.TwoStageDiD,
        pm.LocalProjectionsDiD,
    ],
)
def test_a_treated_region_compared_with_one_other(estimator: Any) -> None:
    spec = estimator("y ~ 1", cohort="first", cov="cluster:region")
    assert_no_variance(spec.fit(make_panel()))
