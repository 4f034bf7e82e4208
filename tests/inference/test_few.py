"""Degrees of freedom and inflation with few treated or comparison clusters, by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import panelml as pm
from panelml.did.estimators.cluster_counts import common_window, count_clusters
from panelml.errors import IdentificationError
from panelml.inference.distributions import f_tail
from panelml.inference.few import Hotelling, effective


@pytest.mark.parametrize(
    ("sizes", "comparison", "df", "inflation"),
    [
        ((1, 13, 4, 2, 1), 29, 16, 1.0),  # castle-doctrine laws
        ((1, 2, 1, 1, 3, 3, 2, 4, 5, 3), 22, 15, (1 / 25 + 1 / 22) / (15 / 25**2 + 21 / 22**2)),
        ((4, 4), 100, 6, (1 / 8 + 1 / 100) / (6 / 64 + 99 / 100**2)),
        ((40, 40, 20), 5, 4, (1 / 100 + 1 / 5) / (97 / 100**2 + 4 / 25)),
        ((1,), 60, 0, np.nan),
        ((4,), 60, 3, np.nan),
        ((60,), 1, 0, np.nan),
        ((1,) * 9, 60, 0, np.nan),
        ((250, 250), 500, 498, 1.0),
    ],
)
def test_degrees_of_freedom_of_the_smaller_group(
    sizes: tuple[int, ...], comparison: int, df: float, inflation: float
) -> None:
    size = np.array(sizes, dtype=float)
    group = np.zeros(size.size, dtype=np.int64)
    found = effective(size / size.sum(), size, group, size.sum(keepdims=True) - 1, comparison)
    np.testing.assert_allclose(found.df, [df])
    np.testing.assert_allclose(found.inflation, [inflation], rtol=1e-12)


def test_clusters_count_by_what_they_weigh() -> None:
    frame = pm.simulate.staggered(60, 5, {3: 0.5}, effect=0.0, seed=1)
    rng = np.random.default_rng(1)
    frame["w"] = np.exp(rng.standard_normal(61))[frame["unit"]]
    panel = pm.Panel(frame, unit="unit", time="time")
    fit = pm.CallawaySantAnna("y ~ 1", cohort="cohort", weights="w").fit(panel)
    counts = count_clusters(fit, pm.Timing(panel, cohort="cohort").adoption)
    w, treated = frame.groupby("unit")["w"].first(), frame.groupby("unit")["treated"].max() == 1
    own, other = ((v.sum() ** 2 / (v**2).sum()) for v in (w[treated], w[~treated]))
    np.testing.assert_allclose(counts.equal, (own, other))
    np.testing.assert_allclose(counts.whole.df, [min(own, other) - 1])
    said = " ".join(str(pm.evaluate_policy("y ~ 1", panel, cohort="cohort", weights="w")).split())
    assert f"(by their weights like {own:.3g} and {other:.3g})" in said


def test_tests_are_hotellings() -> None:
    rule = Hotelling(np.array([10.0, 6.0, 20.0]), np.array([1.5, 1.2, 2.0]))
    # Of 7 draws of two variables: T2 (n - 2) / (2 (n - 1)) with F(2, n - 2).
    statistic, left = rule.f_statistic(np.eye(3)[:2], 4.5 / 2)
    assert (statistic, left) == (pytest.approx(4.5 / 1.5 * 5 / (2 * 6)), 5.0)
    assert f_tail(statistic, 2, left) == pytest.approx((1 + 2 * statistic / 5) ** -2.5)
    assert np.isnan(rule.f_statistic(np.eye(3)[[1]].repeat(7, axis=0), 1.0)[0])


def test_joint_tests_use_both_groups() -> None:
    """Ten treated and ten others: Welch's degrees of freedom are those of both, 18."""
    one, nothing = np.ones(1), np.zeros(1, dtype=np.int64)
    found = effective(one, 10 * one, nothing, 9 * one, 10)
    np.testing.assert_allclose([found.df[0], found.joint_df[0]], [9, 18])
    np.testing.assert_allclose(
        effective(one, 8 * one, nothing, 7 * one, 1e9).joint_df, [7], rtol=1e-6
    )
    np.testing.assert_allclose(found.missing, found.inflation)
    shared = effective(one, 10 * one, nothing, 6 * one, 10)
    np.testing.assert_allclose(shared.df, [6])


def chosen_units(treated: int, comparison: int, seed: int = 0) -> pd.DataFrame:
    frame = pm.simulate.staggered(200, 6, {4: 0.5}, effect=0.0, seed=seed)
    units = frame.groupby("unit")["cohort"].first()
    chosen = [*units.index[units.notna()][:treated], *units.index[units.isna()][:comparison]]
    return frame[frame["unit"].isin(chosen)]


@pytest.mark.parametrize(("treated", "comparison"), [(1, 20), (3, 20), (20, 1), (20, 4)])
def test_with_few_clusters_on_either_side_nothing_rests_on_standard_errors(
    treated: int, comparison: int
) -> None:
    panel = pm.Panel(chosen_units(treated, comparison), unit="unit", time="time")
    found = pm.evaluate_policy(
        "y ~ 1", panel, cohort="cohort", inference=pm.PolicyInference(reps=39)
    )
    columns = ["std_error", "conf_low", "conf_high", "p_value", "pretrend_p"]
    assert found.table()[columns].isna().all(axis=None)
    assert found.table()["effect"].notna().all()
    assert found.sensitivity is None
    assert found.conclusions[0].startswith("Too few clusters for standard errors")
    for text in (str(found), found._repr_html_(), str(found.page)):
        text = " ".join(text.split())
        assert "too small" in text
        assert "Pre-trends are rejected" not in text
        assert "leave out zero" not in text
    assert (found.randomization is not None) == (comparison > 4)


def test_the_randomisation_test_of_one_treated_unit_is_the_share_of_placebos() -> None:
    frame = chosen_units(1, 12)
    found = pm.evaluate_policy("y ~ 1", pm.Panel(frame, unit="unit", time="time"), cohort="cohort")
    assert found.randomization is not None
    after = frame["time"] >= 4
    change = frame[after].groupby("unit")["y"].mean() - frame[~after].groupby("unit")["y"].mean()
    effects = {u: change[u] - change.drop(u).mean() for u in change.index}
    own = abs(effects[frame.loc[frame["cohort"].notna(), "unit"].iloc[0]])
    share = np.mean([abs(effect) >= own - 1e-9 for effect in effects.values()])
    assert found.randomization.pvalue == pytest.approx(share, abs=4 * np.sqrt(0.25 / 199))


def test_clusters_of_several_units_are_counted_and_deal_dates_out_together() -> None:
    frame = pm.simulate.staggered(
        60, 6, {4: 0.2}, sampling=pm.simulate.Sampling(n_clusters=10, sigma_c=1), seed=2, effect=0.0
    )
    found = pm.evaluate_policy(
        "y ~ 1",
        pm.Panel(frame, unit="unit", time="time"),
        cohort="cohort",
        inference=pm.PolicyInference(cov="cluster:cluster", reps=19),
    )
    assert "2 treated clusters (cluster) in 1 cohort, 8 comparison clusters" in " ".join(
        str(found).split()
    )
    assert found.randomization is not None
    assert found.randomization.among == "10 levels of cluster"


def test_intervals_of_a_difference_of_means_are_those_of_t() -> None:
    """Two periods and one cohort: the mean change of eight units less that of thirty."""
    frame = pm.simulate.staggered(200, 2, {2: 0.5}, effect=0.0, seed=4)
    units = frame.groupby("unit")["cohort"].first()
    chosen = [*units.index[units.notna()][:8], *units.index[units.isna()][:30]]
    frame = frame[frame["unit"].isin(chosen)]
    found = pm.evaluate_policy("y ~ 1", pm.Panel(frame, unit="unit", time="time"), cohort="cohort")
    row = found.table().loc["Callaway-Sant'Anna"]
    change = frame.pivot_table(index="unit", columns="time", values="y")
    change = change[2] - change[1]
    a, b = change[units[change.index].notna()], change[units[change.index].isna()]
    own = a.var(ddof=0) / 8 + b.var(ddof=0) / 30
    missing = (1 / 8 + 1 / 30) / (7 / 8**2 + 29 / 30**2)
    error = np.sqrt(own * missing)
    np.testing.assert_allclose(row["effect"], a.mean() - b.mean())
    np.testing.assert_allclose(row["std_error"], error)
    t = 2.3646242515927844  # of seven degrees of freedom, beyond 2.5 %
    np.testing.assert_allclose(row["conf_high"], a.mean() - b.mean() + t * error)
    np.testing.assert_allclose(found.fits["Callaway-Sant'Anna"].std_errors.iloc[0], np.sqrt(own))


def test_the_window_leaves_half_of_the_degrees_of_freedom() -> None:
    frame = pm.simulate.staggered(30, 14, {12: 0.3}, seed=1)
    panel = pm.Panel(frame, unit="unit", time="time")
    fit = pm.SunAbraham("y ~ 1", cohort="cohort").fit(panel)
    counts = count_clusters(fit, pm.Timing(panel, cohort="cohort").adoption)
    assert (counts.treated, counts.cohorts, counts.comparison) == (9, 1, 21)
    # Eight degrees of freedom carry four leads: 2 x 4 <= 8 + 1.
    assert common_window([counts]) == (-5, 2)
    with pytest.raises(IdentificationError, match="around adoption"):
        common_window([])
    assert not counts.whole.withheld().known.any()


def test_one_cohort_may_be_compared_with_always_treated_units_alone() -> None:
    frame = pm.simulate.staggered(40, 6, {4: 0.5}, seed=1)
    frame["cohort"] = frame["cohort"].fillna(1)
    found = pm.evaluate_policy("y ~ 1", pm.Panel(frame, unit="unit", time="time"), cohort="cohort")
    said = " ".join(str(found).split())
    assert list(found.table().index) == ["Two-way fixed effects"]
    assert "20 of 40 units adopt" in said
    assert "20 treated clusters (unit) in 1 cohort, 20 comparison clusters" in said


def test_effects_by_horizon_may_be_limited_further() -> None:
    frame = pm.simulate.staggered(40, 8, {4: 0.2, 6: 0.3}, seed=1)
    found = pm.evaluate_policy("y ~ 1", pm.Panel(frame, unit="unit", time="time"), cohort="cohort")
    event = found.events["Callaway-Sant'Anna"]
    first, last = found.events["Sun-Abraham"].labels["horizon"].agg(["min", "max"])
    assert event.df_terms.nunique() > 1
    narrower = event.limited(int(first) + 1, int(last) - 1)
    assert set(narrower.df_terms) == {event.df_terms.min()}
    assert (narrower.std_errors >= event.std_errors[narrower.params.index] - 1e-12).all()
