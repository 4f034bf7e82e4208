"""Simulated power against the exact one, and bootstrap likelihood-ratio tests."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import panelml as pm
from panelml.diagnostics.likelihood_ratio import bootstrap_statistics
from panelml.errors import SpecificationError, UnknownNameError
from tests.mixed.mixed_data import MIXED

MODEL = pm.MixedModel("y ~ treat + (1 | id)")
VARIANCE = {"sd(Intercept | id)": 0.6, "sd(residual)": 1.0}


def arms(n: int) -> pd.DataFrame:
    """n units of four rows, every other one treated."""
    unit = np.repeat(np.arange(n), 4)
    return pd.DataFrame({"id": unit, "treat": unit % 2})


def exact(n: int, effect: float, critical: float) -> float:
    """Compare the means of two arms of n / 2 balanced units: a t test with n - 2 df."""
    shift = effect / np.sqrt((0.6**2 + 1 / 4) * 4 / n)
    t = stats.nct(n - 2, shift) if effect else stats.t(n - 2)
    return float(t.sf(critical) + t.cdf(-critical))


def within_error(share: float, truth: float, reps: int) -> bool:
    return abs(share - truth) < 4 * np.sqrt(truth * (1 - truth) / reps)


def test_power_of_two_arms_is_that_of_the_t_test() -> None:
    found = pm.power(
        MODEL,
        {n: arms(n) for n in (20, 60)},
        truth={"treat": 0.5, **VARIANCE},
        term="treat",
        reps=600,
        seed=1,
    )
    for n in (20, 60):
        row = found.loc[n]
        # A variance that is estimated at zero makes the test a little different in few draws.
        assert within_error(row["power"], exact(n, 0.5, 1.959964), 600)
        assert within_error(row["type1"], exact(n, 0.0, 1.959964), 600)
        assert row["low"] < row["power"] < row["high"]
        assert row["failed"] == 0
        assert row["estimate"] == pytest.approx(0.5, abs=4 * row["std_error"] / np.sqrt(600))


def test_a_quantile_of_t_sets_the_size_right() -> None:
    critical = float(stats.t(10).ppf(0.975))
    found = pm.power(
        MODEL,
        arms(12),
        truth={"treat": 1.5, **VARIANCE},
        term="treat",
        reps=600,
        seed=3,
        critical=critical,
    )
    assert within_error(found["type1"].iloc[0], 0.05, 600)
    assert within_error(found["power"].iloc[0], exact(12, 1.5, critical), 600)


def test_the_same_seed_gives_the_same_power() -> None:
    options = {"truth": {"treat": 0.5, **VARIANCE}, "term": "treat", "reps": 20}
    first = pm.power(MODEL, arms(10), seed=5, **options)
    pd.testing.assert_frame_equal(first, pm.power(MODEL, arms(10), seed=5, **options))


def test_growth_with_slopes_is_found_by_enough_units() -> None:
    unit, time = np.repeat(np.arange(40), 5), np.tile(np.arange(5), 40)
    frame = pd.DataFrame({"id": unit, "time": time, "treat": unit % 2})
    truth = {
        "treat:time": 0.4,
        "sd(Intercept | id)": 1.0,
        "sd(time | id)": 0.3,
        "sd(residual)": 1.0,
        "corr(Intercept, time | id)": 0.2,
    }
    found = pm.power(
        pm.MixedModel("y ~ treat * time + (1 + time | id)"),
        frame,
        truth=truth,
        term="treat:time",
        reps=200,
        seed=2,
    ).iloc[0]
    error = np.sqrt((0.3**2 + 1 / 10) * 4 / 40)  # of the difference of mean slopes
    expected = stats.nct(38, 0.4 / error).sf(1.959964)
    assert within_error(found["power"], expected, 200)
    assert found["std_error"] == pytest.approx(error, rel=0.05)


def test_options_are_checked() -> None:
    truth = {"treat": 1, **VARIANCE}
    options = {"truth": truth, "term": "treat", "seed": 1}
    with pytest.raises(SpecificationError, match="call the function, as"):
        pm.power(MODEL, arms, **options)
    with pytest.raises(UnknownNameError, match="No fixed effect 'treet'"):
        pm.power(MODEL, arms(8), **{**options, "term": "treet"})
    with pytest.raises(SpecificationError, match=r"truth lacks 'sd\(residual\)'"):
        pm.power(MODEL, arms(8), **{**options, "truth": {"sd(Intercept | id)": 1.0}})
    with pytest.raises(SpecificationError, match=r"sd\(residual\) must not be negative"):
        pm.power(MODEL, arms(8), **{**options, "truth": {**truth, "sd(residual)": -1.0}})
    for name in ("sd(x)", "treet"):
        with pytest.raises(UnknownNameError, match="truth has no parameter"):
            pm.power(MODEL, arms(8), **{**options, "truth": {**truth, name: 1.0}})
    with pytest.raises(SpecificationError, match="critical is a t statistic above zero, not 0"):
        pm.power(MODEL, arms(8), **options, critical=0.0)


def test_bootstrap_statistics_are_those_of_both_fits() -> None:
    frame = MIXED["sleepstudy"]()
    formulas = "Reaction ~ Days + (1 | Subject)", "Reaction ~ Days + (1 + Days | Subject)"
    small, large = (pm.MixedModel(formula).fit(frame) for formula in formulas)
    draws = bootstrap_statistics(small, large, 5, 3)
    outcomes = small.simulate(5, seed=3)
    for rep, draw in enumerate(draws):
        again = frame.assign(Reaction=outcomes[f"y{rep}"].to_numpy())
        logliks = [pm.MixedModel(formula).fit(again).loglik for formula in formulas]
        assert draw == pytest.approx(max(2 * (logliks[1] - logliks[0]), 0), abs=1e-6)
    test = pm.lr_test(small, large, method="bootstrap", reps=19, seed=1)
    assert test.statistic == pytest.approx(pm.lr_test(small, large).statistic)
    assert test.pvalue == 1 / 20


def test_bootstrap_across_layouts_by_different_factors() -> None:
    frame = MIXED["penicillin"]()
    small = pm.MixedModel("diameter ~ 1 + (1 | sample)").fit(frame)
    large = pm.MixedModel("diameter ~ 1 + (1 | plate) + (1 | sample)").fit(frame)
    draws = bootstrap_statistics(small, large, 3, 2)
    outcomes = small.simulate(3, seed=2)
    for rep, draw in enumerate(draws):
        again = frame.assign(diameter=outcomes[f"y{rep}"].to_numpy())
        fits = [pm.MixedModel(fit.formula).fit(again) for fit in (small, large)]
        assert draw == pytest.approx(max(2 * (fits[1].loglik - fits[0].loglik), 0), abs=1e-6)
