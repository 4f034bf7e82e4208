"""One call for a whole policy: published numbers, words, and the page."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import panelml as pm
from panelml.did.evaluation.evaluate import _sensitivity
from panelml.did.results.policy import PolicyEvaluation
from panelml.errors import IdentificationError, SpecificationError
from tests.did.describe.test_decomposition import castle
from tests.did.published import mpdta


@cache
def evaluation() -> PolicyEvaluation:
    frame = pm.simulate.staggered(200, 8, {4: 0.3, 6: 0.3}, seed=5)
    return pm.evaluate_policy("y ~ 1", pm.Panel(frame, unit="unit", time="time"), cohort="cohort")


def test_castle_doctrine_as_published_by_each_package() -> None:
    found = pm.evaluate_policy("l_homicide ~ 1", castle(), cohort="adopted").table()
    printed = {
        "Two-way fixed effects": ("0.08181", "0.05887"),
        "Sun-Abraham": ("0.110383", "0.041317"),
        "Callaway-Sant'Anna": ("0.110383", "0.038724"),
        "Imputation": ("0.079802", "0.060884"),
        "Two-stage": ("0.079802", "0.060979"),
    }
    for name, (effect, error) in printed.items():
        digits = len(effect) - 2
        assert f"{found.loc[name, 'effect']:.{digits}f}" == effect
        assert f"{found.loc[name, 'std_error']:.{digits}f}" == error


def test_every_part_is_there() -> None:
    found = evaluation()
    assert len(found.fits) == 7
    assert not found.skipped
    assert found.bacon is not None
    assert found.weights is not None
    assert found.sensitivity is not None
    text = str(found)
    assert "Average effects on treated units range from" in text
    assert "neither of which data can prove" in text.replace("\n", " ")
    assert "<table" in found._repr_html_()
    assert found.plot().get_xlabel() == "Periods since adoption"


def test_the_page_needs_no_other_file(tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    text = evaluation().to_html(path)
    assert path.read_text(encoding="utf-8") == text
    assert text.count("data:image/png;base64,") == 6
    assert "src='http" not in text
    assert "[Picture: Treatment status]" in str(evaluation().page)


def test_what_cannot_run_is_said() -> None:
    frame = pm.simulate.staggered(
        200, 8, {4: 0.3, 6: 0.3}, sampling=pm.simulate.Sampling(unbalanced=0.1), seed=5
    )
    found = pm.evaluate_policy("y ~ 1", pm.Panel(frame, unit="unit", time="time"), cohort="cohort")
    assert "balanced panels" in found.skipped["Goodman-Bacon decomposition"]
    assert "Not run: Goodman-Bacon decomposition." in str(found)


def test_without_evidence_the_words_do_not_claim_absence() -> None:
    frame = pm.simulate.staggered(
        60, 6, {4: 0.3}, effect=0.0, sampling=pm.simulate.Sampling(sigma_e=3), seed=3
    )
    found = pm.evaluate_policy("y ~ 1", pm.Panel(frame, unit="unit", time="time"), cohort="cohort")
    assert "That is no evidence that there is no effect" in found.conclusions[0]


def test_pre_trends_are_called_what_they_are() -> None:
    frame = pm.simulate.staggered(
        300, 8, {5: 0.4}, adopters=pm.simulate.Adopters(trend=0.5), seed=8
    )
    found = pm.evaluate_policy("y ~ 1", pm.Panel(frame, unit="unit", time="time"), cohort="cohort")
    assert any("Pre-trends are rejected" in words for words in found.conclusions)


def test_a_policy_that_nobody_adopts_is_refused() -> None:
    frame = pm.simulate.staggered(30, 5, {4: 0.3}).assign(cohort=np.nan)
    with pytest.raises(IdentificationError, match="No estimator can be run"):
        pm.evaluate_policy("y ~ 1", pm.Panel(frame, unit="unit", time="time"), cohort="cohort")


def test_few_treated_units_and_gaps_are_no_obstacle() -> None:
    frame = pm.simulate.staggered(60, 8, {4: 0.05}, seed=5).query("time != 3")
    found = pm.evaluate_policy("y ~ 1", pm.Panel(frame, unit="unit", time="time"), cohort="cohort")
    assert "Fewer than 5 units" in found.skipped["Common window of horizons"]
    assert len(found.table()) >= 4


def said(found: PolicyEvaluation) -> str:
    return " ".join(str(found).split())


def test_verdicts_are_those_of_one_test_of_pre_trends() -> None:
    found = pm.evaluate_policy("l_homicide ~ 1", castle(), cohort="adopted")
    assert "Test of pre-trends" not in str(found.page)
    tests = found.table()["pretrend_p"].dropna()
    assert (tests > 0.05).all()
    assert "No estimator rejects equal trends before adoption (Sun-Abraham, horizons -6 to -2" in (
        said(found)
    )
    for name, p in tests.items():
        horizon = found.events[str(name)].labels["horizon"]
        assert horizon.between(-6, 4).all()
        assert found.events[str(name)].pretrend_test().pvalue == p


def test_estimators_are_named_by_clusters_only_where_these_differ() -> None:
    found = pm.evaluate_policy("l_homicide ~ 1", castle(), cohort="adopted")
    few = next(words for words in found.conclusions if words.startswith("Few clusters"))
    assert few.startswith("Few clusters: 21 treated clusters (sid) in 5 cohorts, 29 comparison")
    assert not any(name in few for name in found.table().index)


@pytest.mark.parametrize("missing", [0.05, 0.0])
def test_units_that_estimators_leave_out_are_said(missing: float) -> None:
    frame = pm.simulate.staggered(200, 8, {3: 0.2, 5: 0.3, 6: 0.2}, seed=1)
    frame.loc[frame.sample(frac=missing, random_state=1).index, "y"] = np.nan
    found = pm.evaluate_policy("y ~ 1", pm.Panel(frame, unit="unit", time="time"), cohort="cohort")
    short = frame["y"].isna().groupby(frame["unit"]).any().sum()
    words = f"Left out {short} units that are not observed in all 8 periods"
    for text in (said(found), found._repr_html_(), " ".join(str(found.page).split())):
        assert (words in text) == bool(missing)
    if missing:
        places = [found.notes.index(n) for n in found.notes if "Left out" in n or "Dropped" in n]
        assert places == list(range(len(places)))


def test_always_treated_units_are_no_adopters() -> None:
    frame = pm.simulate.staggered(60, 8, {3: 0.3, 5: 0.3}, seed=1)
    frame["cohort"] = frame["cohort"].mask(frame["unit"] < 5, 1)
    adopting = int((frame.groupby("unit")["cohort"].first() > 1).sum())
    always = int((frame.groupby("unit")["cohort"].first() == 1).sum())
    panel = pm.Panel(frame, unit="unit", time="time")
    found = pm.evaluate_policy("y ~ 1", panel, cohort="cohort")
    assert f"{adopting} of 60 units adopt" in said(found)
    assert f"{always} units are treated in the first period already" in said(found)
    assert f"{adopting} of 60 units (unit) adopt, in 2 cohorts; {always} are always treated" in str(
        pm.Timing(panel, cohort="cohort")
    )


def test_a_code_for_never_treated_is_named() -> None:
    frame = pm.simulate.staggered(60, 8, {3: 0.3, 5: 0.3}, seed=1)
    frame["cohort"] = frame["cohort"].fillna(-1)
    found = pm.evaluate_policy("y ~ 1", pm.Panel(frame, unit="unit", time="time"), cohort="cohort")
    assert "cohorts before the first period, 1: -1" in said(found)


@pytest.mark.parametrize("formula", ["y ~ post", "y ~ x + C(post)", "y ~ dose"])
def test_the_policy_is_no_covariate(formula: str) -> None:
    frame = pm.simulate.staggered(60, 8, {3: 0.3, 5: 0.3}, seed=1)
    frame["post"] = (frame["time"] >= frame["cohort"]).astype(int)
    frame["dose"] = 2.0 + frame["post"] * frame["time"]
    with pytest.raises(SpecificationError, match="it is the policy, or a part of it"):
        pm.evaluate_policy(formula, pm.Panel(frame, unit="unit", time="time"), cohort="cohort")


def test_a_covariate_of_a_single_untreated_unit_is_not_the_policy() -> None:
    frame = pm.simulate.staggered(40, 6, {4: 0.5}, seed=1)
    one = frame.loc[frame["cohort"].isna(), "unit"].iloc[0]
    frame = frame[frame["cohort"].notna() | (frame["unit"] == one)]
    frame = frame[frame["cohort"].isna() | (frame["time"] >= 4)]
    with pytest.raises(IdentificationError, match="No estimator can be run"):
        pm.evaluate_policy("y ~ x", pm.Panel(frame, unit="unit", time="time"), cohort="cohort")


WRITTEN = {
    "YYYY0Q": lambda y, q: 100 * y + q,
    "YYYYQ": lambda y, q: 10 * y + q,
    "YYYYMM": lambda y, q: 100 * y + 3 * q,
    "YYYYMMDD": lambda y, q: 10000 * y + 300 * q - 199,
}


@pytest.mark.parametrize("form", WRITTEN)
def test_dates_written_as_numbers_are_periods_and_said(form: str) -> None:
    frame = pm.simulate.staggered(40, 8, {3: 0.3, 5: 0.3}, seed=1)
    few = pm.PolicyInference(reps=9)
    counted = pm.evaluate_policy(
        "y ~ 1", pm.Panel(frame, unit="unit", time="time"), cohort="cohort", inference=few
    )
    for name in ("time", "cohort"):
        year, quarter = 2010 + (frame[name] - 1) // 4, (frame[name] - 1) % 4 + 1
        frame[name] = WRITTEN[form](year, quarter)
    panel = pm.Panel(frame, unit="unit", time="time")
    found = pm.evaluate_policy("y ~ 1", panel, cohort="cohort", inference=few)
    np.testing.assert_allclose(found.table()["effect"], counted.table()["effect"], rtol=1e-9)
    text = " ".join(str(found).split())
    assert f"as dates written as {form}, in periods of 1 quarter" in text
    first, last = int(frame["time"].min()), int(frame["time"].max())
    assert f"from {first} to {last}: 8 periods" in text
    with pytest.raises(SpecificationError, match=r"as one number: \d+ and \d+ count as"):
        pm.evaluate_policy(
            "y ~ 1", pm.Panel(frame, unit="unit", time="time", delta=1), cohort="cohort"
        )


def test_sensitivity_is_of_the_period_of_adoption_with_anticipation() -> None:
    frame = pm.simulate.staggered(90, 9, {5: 0.3, 7: 0.3}, seed=1)
    panel = pm.Panel(frame, unit="unit", time="time")
    found = pm.evaluate_policy(
        "y ~ 1", panel, cohort="cohort", comparisons=pm.Comparisons(anticipation=1)
    )
    assert found.sensitivity is not None
    effect = found.events["Sun-Abraham"].params["horizon 0"]
    np.testing.assert_allclose(found.sensitivity.estimate, effect)
    assert found.sensitivity.parameter == "at horizon 0 by Sun-Abraham"


def test_sensitivity_takes_the_next_event_study_where_the_first_is_refused() -> None:
    panel = pm.Panel(
        pm.simulate.staggered(90, 8, {4: 0.3, 6: 0.3}, seed=1), unit="unit", time="time"
    )
    events = dict(pm.evaluate_policy("y ~ 1", panel, cohort="cohort").events)
    events["Sun-Abraham"] = replace(events["Sun-Abraham"], references=(-2, -1))
    skipped: dict[str, str] = {}
    found = _sensitivity(events, (-3, 2), 0.95, skipped)
    assert found.parameter == "at horizon 0 by Callaway-Sant'Anna"
    assert "no single reference period" in skipped["Sensitivity by Sun-Abraham"]


def test_an_estimator_without_an_average_is_left_out() -> None:
    frame = pm.simulate.staggered(90, 8, {4: 0.3, 6: 0.3}, seed=1)
    frame["soon"] = (frame["time"] >= frame["cohort"] - 1).astype(int)
    found = pm.evaluate_policy(
        "y ~ soon", pm.Panel(frame, unit="unit", time="time"), cohort="cohort"
    )
    assert "Callaway-Sant'Anna" not in found.fits
    assert "are of periods before adoption" in found.skipped["Callaway-Sant'Anna"]


def test_outcomes_without_noise_or_without_effects_are_refused() -> None:
    frame = pm.simulate.staggered(60, 8, {4: 0.3, 6: 0.3}, seed=1)
    treated = frame["time"] >= frame["cohort"]
    exact = frame.assign(y=2.0 * treated + frame["time"] + frame["unit"] % 7 / 10)
    with pytest.raises(IdentificationError, match="explain the outcome exactly"):
        pm.evaluate_policy("y ~ 1", pm.Panel(exact, unit="unit", time="time"), cohort="cohort")
    before = frame.assign(y=frame["y"].mask(treated))
    with pytest.raises(IdentificationError, match=r"No estimator can be run.*before adoption"):
        pm.evaluate_policy("y ~ 1", pm.Panel(before, unit="unit", time="time"), cohort="cohort")


@pytest.mark.parametrize("cov", ["DK", "cluster:unit+time", pm.cov.Clustered(small_sample="CR2")])
def test_a_covariance_that_no_estimator_takes_is_named(cov: Any) -> None:
    panel = pm.Panel(pm.simulate.staggered(40, 6, {4: 0.5}, seed=1), unit="unit", time="time")
    with pytest.raises(IdentificationError, match=r"run with cov=.* All of them take 'cluster'"):
        pm.evaluate_policy("y ~ 1", panel, cohort="cohort", inference=pm.PolicyInference(cov=cov))


def test_options_reach_the_estimators_that_have_them() -> None:
    frame = pm.simulate.staggered(90, 8, {4: 0.3, 6: 0.3}, seed=1)
    frame["w"] = 1.0 + frame["unit"] % 3
    panel = pm.Panel(frame, unit="unit", time="time")
    found = pm.evaluate_policy(
        "y ~ 1",
        panel,
        cohort="cohort",
        weights="w",
        comparisons=pm.Comparisons(anticipation=1, control="not-yet"),
    )
    given = {"cohort": "cohort", "weights": "w"}
    alone = {
        "Callaway-Sant'Anna": pm.CallawaySantAnna(
            "y ~ 1", control="not-yet", anticipation=1, base="universal", **given
        ),
        "Imputation": pm.BorusyakJaravelSpiess("y ~ 1", anticipation=1, **given),
        "Sun-Abraham": pm.SunAbraham("y ~ 1", reference=-2, **given),
    }
    for name, spec in alone.items():
        effect = spec.fit(panel).aggregate("simple").params.iloc[0]
        np.testing.assert_allclose(found.table().loc[name, "effect"], effect, rtol=1e-12)
        leads = found.events[name].pretrend_test()
        assert leads.df[0] == (found.events[name].labels["horizon"] < -1).sum()
    text = said(found)
    for name in ("Two-way fixed effects", "Extended two-way"):
        assert f"Not run: {name}. It takes no anticipation=" in text
    assert "Sun-Abraham: It takes no control=" in text
    assert "more than 1 period before its adoption" in text
    weighted = pm.evaluate_policy("y ~ 1", panel, cohort="cohort", weights="w")
    assert "Not run: Goodman-Bacon decomposition. It takes no weights=" in said(weighted)
    assert weighted.weights is not None
    np.testing.assert_allclose(
        weighted.weights.coefficient, weighted.table().loc["Two-way fixed effects", "effect"]
    )
    with pytest.raises(SpecificationError, match="control"):
        pm.Comparisons(control="nobody")  # type: ignore[arg-type]
    with pytest.raises(SpecificationError, match="reps"):
        pm.PolicyInference(reps=-1)


def test_few_clusters_of_all_estimators_are_said_once() -> None:
    few = pm.Panel(pm.simulate.staggered(60, 8, {4: 0.4, 6: 0.3}, seed=5), unit="unit", time="time")
    conclusions = pm.evaluate_policy("y ~ 1", few, cohort="cohort").conclusions
    words = next(words for words in conclusions if words.startswith("Few clusters"))
    assert "comparison clusters. Intervals" in words


def test_policies_on_counts_are_evaluated_by_the_extended_regression_of_their_family() -> None:
    frame = mpdta().assign(emp=lambda d: np.exp(d["lemp"]))
    panel = pm.Panel(frame, unit="id", time="t")
    counts = pm.Comparisons(family="poisson")
    policy = pm.evaluate_policy("emp ~ 1", panel, cohort="g", comparisons=counts)
    alone = pm.ExtendedTWFE("emp ~ 1", cohort="g", family="poisson").fit(panel).aggregate()
    table = policy.table().droplevel(1) if policy.table().index.nlevels > 1 else policy.table()
    assert np.isclose(table.loc["Extended two-way", "effect"], alone.params["att"])
    assert list(policy.fits) == ["Extended two-way", "Extended two-way with leads"]
    assert "It is linear" in policy.skipped["Callaway-Sant'Anna"]
    assert policy.sensitivity is not None
    assert "Extended two-way with leads" in str(policy)
    with pytest.raises(SpecificationError, match="has no link"):
        pm.Comparisons(family="poisson", link="logit")
