"""Synthetic comparisons: known effects, replications by hand, several cohorts, refusals."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import panelml as pm
from panelml.did.core.synthetic import Penalties, noise_level, weigh
from panelml.errors import IdentificationError, SpecificationError


def factor_panel(seed: int = 1, treated: int = 2, sigma: float = 0.05) -> pd.DataFrame:
    """Outcomes with two factors, on whose loadings adoption depends; the effect is 1."""
    rng = np.random.default_rng(seed)
    units, periods, first = 30, 16, 11
    loadings = rng.uniform(0.2, 1, (units, 2))
    loadings[:treated] = loadings[treated : treated + 6].mean(axis=0)
    factors = np.cumsum(rng.standard_normal((2, periods)), axis=1)
    y = loadings @ factors + sigma * rng.standard_normal((units, periods))
    y[:treated, first - 1 :] += 1
    unit, time = np.divmod(np.arange(y.size), periods)
    return pd.DataFrame(
        {
            "unit": unit,
            "time": time + 1,
            "y": y.ravel(),
            "cohort": np.where(unit < treated, first, np.nan),
        }
    )


def fit(frame: pd.DataFrame, kind: str = "SyntheticDiD", **options: object):
    return getattr(pm, kind)("y ~ 1", cohort="cohort", **options).fit(
        pm.Panel(frame, unit="unit", time="time")
    )


@pytest.mark.parametrize("kind", ["SyntheticDiD", "SyntheticControl"])
def test_units_that_follow_the_factors_are_matched(kind: str) -> None:
    found = fit(factor_panel(), kind, reps=20).aggregate()
    assert found.params["att"] == pytest.approx(1, abs=0.1)
    naive = pm.TWFE("y ~ 1", cohort="cohort").fit(
        pm.Panel(factor_panel(), unit="unit", time="time")
    )
    assert abs(naive.params["att"] - 1) > abs(found.params["att"] - 1)


def test_estimate_and_placebos_by_hand() -> None:
    frame = factor_panel(treated=1)
    table = frame.pivot(index="unit", columns="time", values="y").to_numpy()
    others = table[1:]
    penalties = Penalties.of("sdid", noise_level(others[:, :10]), 1, 6)
    found = fit(frame)
    by_hand = weigh(others, table[0], 10, "sdid", penalties)
    np.testing.assert_allclose(found.params, by_hand.effects, rtol=1e-12)
    placebos = [
        weigh(np.delete(others, i, 0), others[i], 10, "sdid", penalties).effects.mean()
        for i in range(len(others))
    ]
    assert found.aggregate().std_errors["att"] == pytest.approx(np.std(placebos), rel=1e-10)
    assert found.covariance.description == "placebo, 29 replications"


def test_jackknife_by_hand() -> None:
    frame = factor_panel(treated=3)
    found = fit(frame, inference="jackknife")
    table = frame.pivot(index="unit", columns="time", values="y").to_numpy()
    omega, lam = found.unit_weights["11"].to_numpy(), found.time_weights["11"].to_numpy()
    draws = []
    for i in range(len(table)):
        treated = np.delete(np.arange(3), i) if i < 3 else np.arange(3)
        units, w = np.arange(3, 30), omega
        if i >= 3:
            units, w = np.delete(units, i - 3), np.delete(omega, i - 3)
        gap = table[treated].mean(axis=0) - (w / w.sum()) @ table[units]
        draws.append(gap[10:].mean() - lam @ gap[:10])
    n = len(draws)
    error = np.sqrt((n - 1) / n * ((np.array(draws) - np.mean(draws)) ** 2).sum())
    assert found.aggregate().std_errors["att"] == pytest.approx(error, rel=1e-10)


def test_cohorts_are_each_compared_with_units_never_treated() -> None:
    frame = pm.simulate.staggered(
        40, 12, {6: 0.1, 9: 0.1}, sampling=pm.simulate.Sampling(sigma_e=1e-9), seed=3
    )
    found = fit(frame, inference="bootstrap", reps=10)
    truth = {f"att({row['cohort']}, {row['time']})": row["att"] for row in frame.attrs["att"]}
    assert found.params.to_dict() == pytest.approx(
        {name: truth[name] for name in found.params.index}, abs=1e-6
    )
    sizes = found.labels["size"].to_numpy()
    average = np.average(found.params, weights=sizes)
    assert found.aggregate().params["att"] == pytest.approx(average, rel=1e-12)
    assert list(found.unit_weights.columns) == ["6", "9"]


def test_the_seed_decides_and_row_order_does_not() -> None:
    frame = factor_panel()
    first = fit(frame, reps=15, seed=3)
    again = fit(frame.sample(frac=1, random_state=2), reps=15, seed=3)
    pd.testing.assert_series_equal(first.std_errors, again.std_errors)
    assert not first.std_errors.equals(fit(frame, reps=15, seed=4).std_errors)


def test_covariates_are_taken_off_first() -> None:
    frame = factor_panel(sigma=0.01)
    rng = np.random.default_rng(1)
    frame["x"] = rng.standard_normal(len(frame))
    moved = frame.assign(y=frame["y"] + 2 * frame["x"])
    found = pm.SyntheticDiD("y ~ x", cohort="cohort", reps=5).fit(
        pm.Panel(moved, unit="unit", time="time")
    )
    assert found.aggregate().params["att"] == pytest.approx(1, abs=0.15)


def test_what_cannot_be_done_is_refused() -> None:
    frame = factor_panel()
    with pytest.raises(SpecificationError, match="Did you mean 'placebo'"):
        fit(frame, inference="placebos")
    with pytest.raises(IdentificationError, match="fewer than two periods"):
        fit(frame.assign(cohort=frame["cohort"].where(frame["cohort"].isna(), 2)))
    with pytest.raises(IdentificationError, match="two treated units in each cohort"):
        fit(factor_panel(treated=1), inference="jackknife")
    with pytest.raises(IdentificationError, match="Placebos need more units"):
        fit(frame[(frame["unit"] < 4)])
    with pytest.raises(IdentificationError, match="No unit is never treated"):
        fit(frame.assign(cohort=11))
    with pytest.raises(SpecificationError, match="no other covariance"):
        fit(frame, reps=5).with_cov("cluster")


def test_pictures() -> None:
    found = fit(factor_panel(), reps=5)
    assert found.plot_trajectories().get_ylabel() == "y"
    assert found.aggregate("event").plot().get_xlabel() == "Periods since adoption"
