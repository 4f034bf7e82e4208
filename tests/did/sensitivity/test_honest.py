"""Robust intervals: moderndid and R's HonestDiD, linear programmes, and coverage."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from scipy.optimize import linprog, minimize
from scipy.stats import foldnorm

import panelml as pm
from panelml.did.core.fixed_length import fixed_length, folded_quantile
from panelml.did.core.honest import (
    Restriction,
    differences,
    relative_restrictions,
    shape_rows,
    smooth_restriction,
)
from panelml.did.core.moment_inequalities import Inequalities, dual_vertices, least_favourable
from panelml.did.sensitivity import honest
from panelml.errors import IdentificationError, SpecificationError

EHEC = json.loads((Path(__file__).parent / "ehec.json").read_text(encoding="utf-8"))
STUDY = pm.EventStudyEstimates(EHEC["betahat"], EHEC["sigma"], EHEC["horizons"])


def spacing() -> float:
    """Of moderndid's grid, whose accepted points lie inside the ends of the set."""
    at = EHEC["horizons"].index(0)
    return float(40 * np.sqrt(EHEC["sigma"][at][at]) / EHEC["grid_points"])


@pytest.mark.parametrize(("m", "low", "high"), EHEC["smoothness"])
def test_fixed_length_intervals_equal_moderndid(m: float, low: float, high: float) -> None:
    found = pm.honest_did(STUDY, method="smoothness", m=[m]).intervals.iloc[0]
    assert (found["lower"], found["upper"]) == pytest.approx((low, high), abs=2e-5)


def test_fixed_length_intervals_as_honestdid_prints_them() -> None:
    found = pm.honest_did(STUDY, method="smoothness", m=[0, 0.01, 0.02]).intervals
    printed = [("0.0260", "0.0607"), ("0.0132", "0.0787"), ("0.0028", "0.0907")]
    rows = found[["lower", "upper"]].to_numpy()
    assert [(f"{a:.4f}", f"{b:.4f}") for a, b in rows] == printed


def sets_with_drawn_critical_values(kind: Any, m: float, draws: int) -> np.ndarray:
    """Ends of the set with critical values of the first stage that are simulated, 30 times."""
    beta, sigma = np.array(EHEC["betahat"]), np.array(EHEC["sigma"])
    study = honest._EventStudy(beta, sigma, 5, np.eye(2)[0], 0.95)
    tests = list(honest._Sets(study, kind, np.zeros((0, 7)))._tests(m))
    found = []
    for seed in range(30):
        rng = np.random.default_rng(seed)
        drawn = []
        for test in tests:
            values = test.loads @ rng.standard_normal((test.loads.shape[1], draws))
            drawn.append(replace(test, critical=np.quantile(values.max(axis=0), 1 - test.first)))
        found.append(honest._accepted(drawn, study.estimate, study.error))
    return np.array(found)


@pytest.mark.parametrize("kind", ["relative-magnitudes", "relative-smoothness"])
def test_sets_by_tests_equal_moderndid_up_to_its_grid_and_draws(kind: str) -> None:
    """Its critical values come of 1,000 draws, and its ends are points of a grid inside the set."""
    for m, low, high in EHEC[kind]:
        found = pm.honest_did(STUDY, method=kind, m=[m]).intervals.iloc[0]
        drawn = sets_with_drawn_critical_values(kind, m, draws=1000)
        assert drawn[:, 0].min() < found["lower"] < drawn[:, 0].max()
        assert drawn[:, 1].min() < found["upper"] < drawn[:, 1].max()
        assert drawn[:, 0].min() < low < drawn[:, 0].max() + spacing()
        assert drawn[:, 1].min() - spacing() < high < drawn[:, 1].max()


def test_set_as_honestdid_prints_it() -> None:
    """R's HonestDiD, with its grid and 1,000 draws: -0.00107 to 0.0883 at twice the largest."""
    found = pm.honest_did(STUDY, m=[2]).intervals.iloc[0]
    assert found["lower"] == pytest.approx(-0.00107, abs=spacing())
    assert found["upper"] == pytest.approx(0.0883, abs=spacing())


@pytest.mark.parametrize("seed", range(3))
def test_critical_values_equal_simulated_ones(seed: int) -> None:
    rng = np.random.default_rng(seed)
    loads = rng.standard_normal((5, 6))
    largest = (loads @ rng.standard_normal((6, 400_000))).max(axis=0)
    for size in (0.005, 0.05):
        critical = least_favourable(loads, size)
        error = np.sqrt(size * (1 - size) / largest.size)
        assert (largest > critical).mean() == pytest.approx(size, abs=4 * error)


def brute_half(beta: Any, sigma: Any, pre: int, weights: Any, m: float) -> float:
    """Half length by a general optimiser over the weights before adoption, from many starts."""
    post = len(weights)
    times = np.r_[-pre:0, 1 : post + 1].astype(float)
    second = np.diff(np.insert(np.eye(pre + post), pre, 0.0, axis=1), n=2, axis=1)

    def half(free: np.ndarray) -> float:
        load = np.r_[free, 0.0, weights]
        load[pre - 1] = load @ times  # the reference less one: its time is -1
        # What load gives on changes of the slope: the minimum-norm solution is the only one.
        bends = np.linalg.lstsq(second, load, rcond=None)[0]
        spread = np.sqrt(load @ sigma @ load)
        return float(spread * foldnorm.ppf(0.95, m * np.abs(bends).sum() / spread))

    rng = np.random.default_rng(0)
    options = {"xatol": 1e-10, "fatol": 1e-13, "maxiter": 20_000, "maxfev": 20_000}
    starts = rng.standard_normal((4, pre - 1))
    return min(minimize(half, start, method="Nelder-Mead", options=options).fun for start in starts)


@pytest.mark.parametrize("m", [0.0, 0.05, 0.3, 5.0])
@pytest.mark.parametrize("pre", [2, 3])
def test_fixed_length_is_the_shortest(pre: int, m: float) -> None:
    rng = np.random.default_rng(pre)
    root = rng.standard_normal((pre + 2, 12))
    sigma, beta = root @ root.T / 12, rng.standard_normal(pre + 2)
    weights = np.array([0.7, 0.3])
    found = fixed_length(beta, sigma, pre, weights, m, 0.95)
    assert found.half == pytest.approx(brute_half(beta, sigma, pre, weights, m), rel=1e-7)
    assert found.weights @ np.r_[-pre:0, 1:3] == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("post", [12, 20])
def test_many_periods_are_no_trouble(post: int) -> None:
    horizons = [*range(-6, -1), *range(post)]
    beta = np.r_[np.resize([0.05, -0.05], 5), np.full(post, 1.0)]
    sigma = 0.01 * (np.eye(len(beta)) + 0.5)
    study = pm.EventStudyEstimates(beta, sigma, horizons)
    found = pm.honest_did(study, m=[0.5])
    [(low, high)] = found.intervals[["lower", "upper"]].to_numpy()
    assert low < found.original[0] < found.original[1] < high
    average = pm.honest_did(study, m=[0.5], effect=[1 / post] * post)
    assert average.estimate == pytest.approx(1.0)
    assert average.intervals["lower"].iloc[0] < low


def test_what_cannot_be_listed_is_refused() -> None:
    horizons = [-3, -2, *range(14)]
    with pytest.raises(SpecificationError, match="take fewer horizons"):
        pm.honest_did(
            pm.EventStudyEstimates(np.ones(16), np.eye(16), horizons),
            method="smoothness",
            bias="positive",
            m=[0.1],
            effect=np.full(14, 1 / 14),
        )


def test_what_is_no_covariance_is_refused() -> None:
    def analysis(sigma: list[list[float]]) -> None:
        pm.honest_did(pm.EventStudyEstimates([0.1, 1.0], sigma, [-2, 0]), m=[1])

    with pytest.raises(SpecificationError, match="no covariance"):
        analysis([[1, 2], [2, 1]])
    with pytest.raises(SpecificationError, match="no variance at horizons -1"):
        analysis([[0, 0], [0, 1]])
    with pytest.raises(SpecificationError, match="missing values"):
        analysis([[1, 0], [0, np.nan]])


def test_breakdown_is_where_the_set_begins_to_include_zero() -> None:
    found = pm.honest_did(STUDY)
    near = pm.honest_did(STUDY, m=[0.99 * found.breakdown, 1.01 * found.breakdown])
    assert near.intervals["lower"].iloc[0] > 0 > near.intervals["lower"].iloc[1]
    assert 1.9 < found.breakdown < 2


@pytest.mark.parametrize(("bias", "level"), [(0.0, 0.95), (0.5, 0.9), (3.0, 0.95), (40.0, 0.99)])
def test_folded_quantiles(bias: float, level: float) -> None:
    assert folded_quantile(bias, level) == pytest.approx(foldnorm.ppf(level, bias), rel=1e-8)


def test_differences_leave_the_reference_out() -> None:
    delta = np.array([3.0, 1.0, -2.0, 5.0])
    whole = np.array([3.0, 1.0, 0.0, -2.0, 5.0])
    np.testing.assert_allclose(differences(2, 2, 1) @ delta, np.diff(whole))
    np.testing.assert_allclose(differences(2, 2, 2) @ delta, np.diff(whole, n=2))


@pytest.mark.parametrize("order", [1, 2])
def test_relative_restrictions_hold_what_they_say(order: int) -> None:
    rng = np.random.default_rng(order)
    inside = 0
    for _ in range(300):
        delta = rng.standard_normal(6) * [1, 1, 1, 0.5, 0.5, 0.5]
        change = np.diff(np.insert(delta, 3, 0.0), n=order)
        before = change[: 4 - order]
        largest = np.abs(before).max()
        expected = bool((np.abs(change[4 - order :]) <= 1.5 * largest).all())
        found = any(
            (r.rows @ delta <= r.bounds + 1e-12).all()
            for r in relative_restrictions(3, 3, 1.5, order)
        )
        assert found == expected
        inside += found
    assert 0 < inside < 300


def inequalities(seed: int) -> tuple[np.ndarray, ...]:
    rng = np.random.default_rng(seed)
    restriction: Restriction = smooth_restriction(2, 3, 0.5)
    a = restriction.rows[np.abs(restriction.rows[:, 2:]).max(axis=1) > 0]
    root = rng.standard_normal((5, 5))
    beta = rng.standard_normal(5)
    bounds = np.full(len(a), 0.5)
    return a @ beta - bounds, a[:, 2], a[:, 3:], a @ (root @ root.T) @ a.T


@pytest.mark.parametrize("seed", range(5))
def test_vertices_solve_the_linear_programme(seed: int) -> None:
    y0, slope, x, sigma = inequalities(seed)
    scale = np.sqrt(np.diag(sigma))
    vertices = dual_vertices(x, scale)
    for theta in (-2.0, 0.0, 1.5):
        y = y0 - theta * slope
        constraints = np.column_stack([-x, -scale])
        primal = linprog(
            np.r_[np.zeros(x.shape[1]), 1], constraints, -y, bounds=(None, None), method="highs"
        )
        assert (vertices @ y).max() == pytest.approx(primal.fun, rel=1e-8, abs=1e-9)


def test_signs_cut_the_side_that_they_rule_out() -> None:
    plain = pm.honest_did(STUDY, m=[2]).intervals.iloc[0]
    up = pm.honest_did(STUDY, m=[2], bias="positive").intervals.iloc[0]
    down = pm.honest_did(STUDY, m=[2], bias="negative").intervals.iloc[0]
    assert up["upper"] < plain["upper"] - 0.01
    assert down["lower"] > plain["lower"] + 0.01
    assert up["lower"] == pytest.approx(plain["lower"], abs=0.002)
    assert down["upper"] == pytest.approx(plain["upper"], abs=0.002)


@pytest.mark.slow
@pytest.mark.parametrize("sign", [0.0, -1.0])
def test_sets_cover_at_the_edge_of_what_is_possible(sign: float) -> None:
    """Departures as large as allowed, against the effect: coverage is at least nominal."""
    rng = np.random.default_rng(4)
    delta = np.array([0.0, 1.0, -1.0, -2.0])  # pre: -2, -1; a change of 1 before, -1 after
    sigma = 0.15**2 * (0.5 * np.eye(4) + 0.5)
    root = np.linalg.cholesky(sigma)
    truth, covered, reps = 0.3, 0, 300
    for _ in range(reps):
        beta = delta + np.r_[0, 0, truth, 0] + root @ rng.standard_normal(4)
        tests = []
        for plain in relative_restrictions(2, 2, 1.0, 1):
            restriction = plain.and_(shape_rows(2, 2, sign=sign)) if sign else plain
            told = np.abs(restriction.rows[:, 2:]).max(axis=1) > 0
            a = restriction.rows[told]
            tests.append(
                Inequalities.of(
                    a @ beta - restriction.bounds[told],
                    a[:, 2],
                    a[:, 3:],
                    a @ sigma @ a.T,
                    0.95,
                ).hybrid()
            )
        covered += any(test.accepts(np.array([truth]))[0] for test in tests)
    assert covered / reps > 0.95 - 3 * np.sqrt(0.95 * 0.05 / reps)
    assert covered < reps


def event() -> pm.results.effects.EffectResults:
    frame = pm.simulate.staggered(300, 8, {4: 0.4}, effect=1.0, seed=2)
    panel = pm.Panel(frame, unit="unit", time="time")
    gt = pm.CallawaySantAnna("y ~ 1", cohort="cohort", base="universal").fit(panel)
    return gt.aggregate("event")


def test_event_studies_of_every_kind_are_taken() -> None:
    found = pm.honest_did(event(), m=[0.5, 1])
    assert found.estimate == pytest.approx(event().params["horizon 0"])
    assert (found.intervals["lower"] < found.original[0]).all()
    assert "leaves out zero up to m =" in str(found)
    assert "<table" in found._repr_html_()
    assert found.plot().get_xlabel().startswith("m:")
    average = pm.honest_did(event(), m=[0.5], effect=[0.2] * 5)
    assert average.estimate == pytest.approx(event().overall.params["att"])


def test_what_is_no_event_study_is_refused() -> None:
    frame = pm.simulate.staggered(100, 6, {4: 0.4}, seed=2)
    panel = pm.Panel(frame, unit="unit", time="time")
    varying = pm.CallawaySantAnna("y ~ 1", cohort="cohort").fit(panel)
    with pytest.raises(SpecificationError, match="base='universal'"):
        pm.honest_did(varying.aggregate("event"))
    with pytest.raises(SpecificationError, match="take aggregate"):
        pm.honest_did(varying)
    with pytest.raises(SpecificationError, match="row without gaps"):
        pm.honest_did(pm.EventStudyEstimates([0.1, 1], np.eye(2), [-3, 0]))
    with pytest.raises(SpecificationError, match="do not fit"):
        pm.honest_did(pm.EventStudyEstimates([0.1, 1], np.eye(3), [-2, 0]))
    with pytest.raises(SpecificationError, match="Did you mean 'smoothness'"):
        pm.honest_did(STUDY, method="smooth")
    with pytest.raises(SpecificationError, match="Known: positive, negative"):
        pm.honest_did(STUDY, bias="up")
    with pytest.raises(SpecificationError, match="must not be negative"):
        pm.honest_did(STUDY, m=[-1])


@pytest.mark.parametrize("method", ["relative-magnitudes", "smoothness"])
def test_a_singular_covariance_is_refused(method: Any) -> None:
    """Three clusters leave four effects a combination without variance."""
    scores = np.random.default_rng(1).standard_normal((3, 4))
    with pytest.raises(IdentificationError, match="4 effects by horizon is singular"):
        pm.honest_did(
            pm.EventStudyEstimates(
                [0.1, 0.0, 0.5, 0.6], (scores.T @ scores).tolist(), [-3, -2, 0, 1]
            ),
            method=method,
        )


def staggered() -> pm.Panel:
    return pm.Panel(
        pm.simulate.staggered(400, 8, {4: 0.3, 6: 0.3}, effect=1.0, seed=3),
        unit="unit",
        time="time",
    )


@pytest.mark.parametrize(
    "study",
    [
        lambda p: pm.EventStudy("y ~ 1", cohort="cohort", window=(-5, 3)).fit(p),
        lambda p: pm.EventStudy("y ~ 1", cohort="cohort", reference=-2, window=(-5, 3)).fit(p),
        lambda p: pm.SunAbraham("y ~ 1", cohort="cohort", reference=-2).fit(p).aggregate("event"),
        lambda p: (
            pm.CallawaySantAnna("y ~ 1", cohort="cohort", base="universal", anticipation=1)
            .fit(p)
            .aggregate("event")
        ),
    ],
)
def test_the_effect_is_that_of_the_period_of_adoption(study: Any) -> None:
    event = study(staggered())
    found = pm.honest_did(event, m=[0])
    assert found.estimate == event.params["horizon 0"]
    assert found.original == pytest.approx(event.conf_int().loc["horizon 0"].tolist(), abs=0.02)
    assert "at horizon 0" in str(found).splitlines()[0]
    later = pm.honest_did(event, m=[0], effect=2)
    assert later.estimate == event.params["horizon 2"]
    assert "at horizon 2" in str(later)
    count = sum(event.labels["horizon"] >= 0)
    mean = pm.honest_did(event, m=[0], effect=[1 / count] * count)
    assert mean.estimate == pytest.approx(event.params[event.labels["horizon"] >= 0].mean())


def test_an_early_reference_is_that_of_the_arrays() -> None:
    """Effects of anticipation are free, as all after the reference: by its own coefficients."""
    event = pm.EventStudy("y ~ 1", cohort="cohort", reference=-2, window=(-5, 3)).fit(staggered())
    beta, sigma = event.params.to_numpy(), event.cov.to_numpy()
    horizons = event.labels["horizon"].to_numpy()
    weights = np.where(horizons[horizons > -2] == 0, 1.0, 0.0)
    study = honest._EventStudy(beta, sigma, 3, weights, 0.95)
    expected = honest._Sets(study, "relative-magnitudes", np.zeros((0, beta.size))).interval(1.0)
    found = pm.honest_did(event, m=[1.0]).intervals[["lower", "upper"]].to_numpy()[0]
    assert found == pytest.approx(expected)


def test_a_reference_from_adoption_on_is_refused() -> None:
    event = pm.EventStudy("y ~ 1", cohort="cohort", reference=0, window=(-5, 3)).fit(staggered())
    for call in (pm.honest_did, pm.pretrends_power):
        with pytest.raises(SpecificationError, match="is horizon 0, at or after adoption"):
            call(event)
        with pytest.raises(SpecificationError, match="horizon 1, at or after adoption"):
            call(pm.EventStudyEstimates([0.1, 0.2], np.eye(2), [0, 2], reference=1))
    with pytest.raises(SpecificationError, match="horizon 0, at or after adoption"):
        event.pretrend_test()
    assert event.model_test() is None


@pytest.mark.parametrize("call", [pm.honest_did, pm.pretrends_power])
def test_the_row_of_the_reference_is_left_out(call: Any) -> None:
    sigma = np.diag([1.0, 2.0, 0.0, 1.5])
    whole = call(pm.EventStudyEstimates([0.1, 0.2, 0, 0.5], sigma, [-3, -2, -1, 0]))
    missing = np.where(sigma == 0, sigma, sigma)
    missing[2] = missing[:, 2] = np.nan
    unknown = call(
        pm.EventStudyEstimates(
            pd.Series([0.1, 0.2, np.nan, 0.5]), pd.DataFrame(missing), pl.Series([-3, -2, -1, 0])
        )
    )
    kept = np.diag([1.0, 2.0, 1.5])
    without = call(pm.EventStudyEstimates([0.1, 0.2, 0.5], kept, [-3, -2, 0]))
    assert str(whole) == str(without) == str(unknown)
    with pytest.raises(SpecificationError, match=r"Horizon -1 is the reference, .* 0\.3"):
        call(pm.EventStudyEstimates([0.1, 0.2, 0.3, 0.5], np.eye(4), [-3, -2, -1, 0]))


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"horizons": [-2, 0.5, 1]}, "whole numbers"),
        ({"horizons": ["a", "b", "c"]}, "horizons must be numbers"),
        ({"betahat": ["x", 1, 2]}, "betahat must be numbers"),
        ({"sigma": [[1.0, 0], [0, 1, 2], [1]]}, "sigma must be numbers"),
        ({"sigma": [1, 1, 1]}, "do not fit"),
        ({"horizons": [-6, -4, 0], "reference": -2}, r"multiples of 2: .*delta=2"),
        ({"horizons": [-2, -2, 0]}, "row without gaps"),
        ({"m": []}, "must not be negative"),
        ({"m": ["big"]}, "m must be numbers"),
        ({"effect": 3}, "No effect is at horizon 3.* horizons 0"),
        ({"effect": [1, 2, 3]}, "a horizon, or 1 weights of horizons 0"),
        ({"effect": ["a"]}, "effect takes a whole number or a list of numbers"),
        ({"reference": None}, "reference takes a whole number"),
        ({"level": "95"}, "level must lie between 0 and 1"),
    ],
)
def test_arguments_are_refused_in_words(given: dict[str, Any], words: str) -> None:
    usual: dict[str, Any] = {
        "betahat": [0.1, 0.2, 0.5],
        "sigma": np.eye(3),
        "horizons": [-3, -2, 0],
        "reference": -1,
    }
    study = {name: given.get(name, value) for name, value in usual.items()}
    options = {name: value for name, value in given.items() if name not in usual}
    with pytest.raises(SpecificationError, match=words):
        pm.honest_did(pm.EventStudyEstimates(**study), **options)


def test_changes_of_slope_need_two_periods_before() -> None:
    one = pm.EventStudy("y ~ 1", cohort="cohort", window=(-2, 3)).fit(staggered())
    with pytest.raises(SpecificationError, match="two effects before the reference are needed"):
        pm.honest_did(one, method="relative-smoothness")
    assert len(pm.honest_did(one, method="relative-magnitudes", m=[1]).intervals) == 1


def test_other_fits_are_refused_in_words() -> None:
    panel = staggered()
    fixed = pm.FixedEffects("y ~ treated").fit(panel)
    calls = [
        lambda: pm.honest_did(fixed),
        lambda: pm.pretrends_power(fixed),
        lambda: pm.jackknife(fixed, clusters="unit"),
        lambda: pm.placebo_in_time(fixed, earlier=1),
        lambda: pm.event_study_plot(fixed),
        lambda: pm.event_study_plot(a=fixed),
    ]
    for call in calls:
        with pytest.raises(SpecificationError, match="not a fit of Fixed effects"):
            call()
    for call in (pm.placebo_in_space, pm.leave_one_out):
        with pytest.raises(SpecificationError, match="Give a result of SyntheticDiD"):
            call(fixed)
    with pytest.raises(SpecificationError, match="not the specification EventStudy: call its fit"):
        pm.honest_did(pm.EventStudy("y ~ 1", cohort="cohort"))
    with pytest.raises(SpecificationError, match="no effects by horizon: take a fit of EventStudy"):
        pm.honest_did(pm.TWFE("y ~ 1", cohort="cohort").fit(panel))


def test_effects_measured_from_several_periods_are_refused() -> None:
    frame = pm.simulate.staggered(
        2000, 8, {3: 0.3, 5: 0.3}, seed=1, effect=1.0, adopters=pm.simulate.Adopters(trend=0.5)
    )
    panel = pm.Panel(frame[frame["time"] != 4], unit="unit", time="time")
    group = pm.CallawaySantAnna("y ~ 1", cohort="cohort", base="universal").fit(panel)
    assert group.references == (-2, -1)
    assert "compare with an earlier one: 5 with -2." in group.notes[-1]
    for call in (pm.honest_did, pm.pretrends_power):
        with pytest.raises(SpecificationError, match="but horizons -2, -1"):
            call(group.aggregate("event"))
    adopts = frame["cohort"].isna() | (frame["cohort"] == 5)
    alone = pm.CallawaySantAnna("y ~ 1", cohort="cohort", base="universal").fit(
        panel.filter(adopts[frame["time"] != 4])
    )
    assert alone.references == (-2,)
