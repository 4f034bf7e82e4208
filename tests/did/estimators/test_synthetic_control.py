"""Synthetic control with predictors, and placebos: another package, and the same by hand."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import pandas as pd
import pytest

import panelml as pm
from panelml.did.core.synthetic_control import Match, fit_mix, match_weights
from panelml.errors import (
    IdentificationError,
    MissingValueError,
    SpecificationError,
    UnknownNameError,
)
from tests.golden import assert_close, load

CASES = {case.spec["importance"]: case for case in load("did_synthetic")}
PREDICTORS = {
    "price_real": (80, 88),
    "log(income)": (80, 88),
    "I(pop16 / pop)": (80, 88),
    "sales": [75, 80, 88],
}


@functools.cache
def cigarettes() -> pd.DataFrame:
    frame = pm.datasets.load("cigarettes")
    frame["price_real"] = 100 * frame["price"] / frame["cpi"]
    frame["income"] = 100 * frame["ndi"] / frame["cpi"]
    return frame.assign(adopted=np.where(frame["state"] == 5, 89, 0))


def fit(frame: pd.DataFrame | None = None, kind: str = "SyntheticControl", **options: Any) -> Any:
    panel = pm.Panel(cigarettes() if frame is None else frame, unit="state", time="year")
    return getattr(pm, kind)("sales ~ 1", cohort="adopted", **options).fit(panel)


@functools.cache
def equal() -> Any:
    return fit(predictors=PREDICTORS, importance="equal")


def table() -> tuple[np.ndarray, np.ndarray]:
    """Outcomes and predictors by state, California first."""
    frame = cigarettes()
    wide = frame.pivot(index="state", columns="year", values="sales")
    late = frame[frame["year"].between(80, 88)]
    means = (
        late.assign(income=np.log(late["income"]), share=late["pop16"] / late["pop"])
        .groupby("state")[["price_real", "income", "share"]]
        .mean()
    )
    order = [5, *(state for state in wide.index if state != 5)]
    predictors = np.concatenate([means.loc[order].to_numpy(), wide.loc[order, [75, 80, 88]]], 1)
    return wide.loc[order].to_numpy(), predictors.T


def test_weights_by_given_importance_are_those_of_diff_diff() -> None:
    case, found = CASES["custom"], equal()
    assert found.aggregate().params["att"] == pytest.approx(case.value["att"], rel=case.tolerance)
    weights = {str(k): v for k, v in found.unit_weights["89"].items() if v > 1e-6}
    assert set(weights) == set(case.value["weights"])
    assert_close(weights, case.value["weights"], case.tolerance)


def test_the_search_finds_what_diff_diff_finds_or_better() -> None:
    outcomes, predictors = table()
    mix = fit_mix(Match.of(predictors, outcomes[:, :26].T))
    assert mix.rmspe <= CASES["nested"].value["rmspe"] * (1 + 1e-6)
    found = fit(predictors=PREDICTORS)
    lines = found.trajectories
    gap = (lines["treated"] - lines["synthetic"]).to_numpy()
    assert np.sqrt((gap[:26] ** 2).mean()) == pytest.approx(mix.rmspe, rel=1e-9)


@pytest.mark.parametrize("seed", range(3))
def test_the_order_of_comparison_units_does_not_move_what_the_search_finds(seed: int) -> None:
    outcomes, predictors = table()
    order = [0, *(1 + np.random.default_rng(seed).permutation(len(outcomes) - 1))]
    mixes = [
        fit_mix(Match.of(predictors[:, rows], outcomes[rows][:, :26].T))
        for rows in (range(len(outcomes)), order)
    ]
    assert mixes[1].rmspe == pytest.approx(mixes[0].rmspe, rel=1e-10)


def test_predictors_by_hand() -> None:
    outcomes, predictors = table()
    match = Match.of(predictors, outcomes[:, :26].T)
    weights = match_weights(match, np.full(6, 1 / 6))
    found = equal()
    np.testing.assert_allclose(found.unit_weights["89"], weights, atol=1e-10)
    np.testing.assert_allclose(found.params, (outcomes[0] - weights @ outcomes[1:])[26:], rtol=1e-9)
    balance = found.predictors
    assert list(balance["predictor"]) == [
        "price_real 80-88",
        "log(income) 80-88",
        "I(pop16 / pop) 80-88",
        "sales 75",
        "sales 80",
        "sales 88",
    ]
    np.testing.assert_allclose(balance["treated"], predictors[:, 0], rtol=1e-12)
    np.testing.assert_allclose(balance["synthetic"], predictors[:, 1:] @ weights, rtol=1e-9)
    np.testing.assert_allclose(balance["average"], predictors[:, 1:].mean(axis=1), rtol=1e-12)


def test_placebo_errors_keep_the_importance() -> None:
    outcomes, predictors = table()
    effects = []
    for i in range(1, len(outcomes)):
        order = [i, *(j for j in range(1, len(outcomes)) if j != i)]
        match = Match.of(predictors[:, order], outcomes[order][:, :26].T)
        weights = match_weights(match, np.full(6, 1 / 6))
        effects.append((outcomes[i] - weights @ outcomes[order[1:]])[26:].mean())
    error = equal().aggregate().std_errors["att"]
    assert error == pytest.approx(np.std(effects), rel=1e-8)


def test_importance_as_given() -> None:
    names = list(equal().predictors["predictor"])
    found = fit(predictors=PREDICTORS, importance=dict.fromkeys(names, 3.0))
    np.testing.assert_allclose(found.params, equal().params, rtol=1e-12)
    with pytest.raises(SpecificationError, match="a number for each of: price_real 80-88"):
        fit(predictors=PREDICTORS, importance={"sales 75": 1.0})
    with pytest.raises(SpecificationError, match="numbers from 0"):
        fit(predictors=PREDICTORS, importance=dict.fromkeys(names, -1.0))
    with pytest.raises(SpecificationError, match="Known: search, equal"):
        fit(predictors=PREDICTORS, importance="best")


def test_placebo_in_space_by_hand() -> None:
    found = pm.placebo_in_space(equal())
    outcomes, predictors = table()
    ratios = []
    for i in range(len(outcomes)):
        order = [i, *(j for j in range(1, len(outcomes)) if j != i)]
        match = Match.of(predictors[:, order], outcomes[order][:, :26].T)
        gap = outcomes[i] - match_weights(match, np.full(6, 1 / 6)) @ outcomes[order[1:]]
        ratios.append(np.sqrt((gap[26:] ** 2).mean() / (gap[:26] ** 2).mean()))
    states = [5, *(s for s in sorted(cigarettes()["state"].unique()) if s != 5)]
    np.testing.assert_allclose(found.ratios.loc[states, "ratio"], ratios, rtol=1e-8)
    assert found.pvalue == np.mean(np.array(ratios) >= ratios[0])
    assert found.ratios["ratio"].is_monotonic_decreasing
    assert f"p = {found.pvalue:.4f}" in str(found) and "5 (treated)" in str(found)
    near = found.limited(2)
    early = found.ratios.loc[near.ratios.index, "before"]
    assert (early**2 <= 2 * found.ratios.loc[5, "before"] ** 2 * (1 + 1e-12)).all()
    assert 5 in near.ratios.index and len(near.ratios) < len(found.ratios)


@pytest.mark.parametrize("kind", ["SyntheticDiD", "SyntheticControl"])
def test_placebo_in_time_is_a_fit_without_later_periods(kind: str) -> None:
    found = pm.placebo_in_time(fit(kind=kind), start=84)
    frame = cigarettes()
    frame = frame[frame["year"] < 89].assign(
        adopted=np.where(frame["state"] == 5, 84, 0)[frame["year"].to_numpy() < 89]
    )
    again = fit(frame, kind)
    assert found.effect == pytest.approx(again.aggregate().params["att"], rel=1e-10)
    np.testing.assert_allclose(
        found.trajectories["synthetic"], again.trajectories["synthetic"], rtol=1e-10
    )
    with pytest.raises(SpecificationError, match="from 65 to 88, not 89"):
        pm.placebo_in_time(fit(kind=kind), start=89)


def test_windows_end_before_a_placebo_in_time() -> None:
    found = pm.placebo_in_time(equal(), start=84)
    frame = cigarettes()[cigarettes()["year"] < 89]
    frame = frame.assign(adopted=np.where(frame["state"] == 5, 84, 0))
    cut = dict.fromkeys(list(PREDICTORS)[:3], (80, 83)) | {"sales": [75, 80]}
    again = fit(frame, predictors=cut, importance="equal")
    assert found.effect == pytest.approx(again.aggregate().params["att"], rel=1e-8)
    with pytest.raises(SpecificationError, match="No predictor has a period before 70"):
        pm.placebo_in_time(equal(), start=70)


@pytest.mark.parametrize("kind", ["SyntheticDiD", "SyntheticControl"])
def test_leaving_out_a_unit_is_a_fit_without_it(kind: str) -> None:
    whole = fit(kind=kind)
    found = pm.leave_one_out(whole)
    weights = whole.unit_weights["89"]
    assert set(found.effects.index) == set(weights.index[weights >= 1e-3])
    first = found.effects.index[0]
    assert found.effects["weight"].iloc[0] == weights.max()
    assert found.effect == pytest.approx(whole.aggregate().params["att"], rel=1e-12)
    if kind == "SyntheticControl":
        frame = cigarettes()
        again = fit(frame[frame["state"] != first]).aggregate().params["att"]
        assert found.effects["effect"].iloc[0] == pytest.approx(again, rel=1e-5)
    assert list(found.gaps.columns[:2]) == ["", str(first)]


def test_cohorts_have_predictors_of_their_own() -> None:
    frame = cigarettes().assign(
        adopted=lambda d: d["state"].map({5: 89, 22: 86}).fillna(0).astype(int)
    )
    options = {"predictors": {"sales": [75, 80], "price_real": None}, "importance": "equal"}
    both = fit(frame, **options)
    for state, year in ((5, 89), (22, 86)):
        alone = fit(frame[(frame["adopted"] == 0) | (frame["state"] == state)], **options)
        np.testing.assert_allclose(
            both.unit_weights[str(year)], alone.unit_weights[str(year)], atol=1e-12
        )
    assert list(both.predictors["cohort"]) == ["86"] * 3 + ["89"] * 3
    with pytest.raises(IdentificationError, match="2 units are treated"):
        pm.placebo_in_space(both)
    for again in (lambda: pm.placebo_in_time(both, start=80), lambda: pm.leave_one_out(both)):
        with pytest.raises(IdentificationError, match="There are 2 cohorts"):
            again()


def test_gaps_in_predictors_are_left_out_of_means() -> None:
    frame = cigarettes()
    hole = frame.assign(price_real=frame["price_real"].where(frame["year"] >= 85))
    found = fit(hole, predictors={"price_real": (80, 88), "sales": 88}, importance="equal")
    mean = frame[(frame["state"] == 5) & frame["year"].between(85, 88)]["price_real"].mean()
    assert found.predictors["treated"].iloc[0] == pytest.approx(mean, rel=1e-12)
    assert found.nobs == len(frame)
    lost = frame.assign(price_real=frame["price_real"].where(frame["state"] != 9))
    with pytest.raises(MissingValueError, match=r"'price_real 80-88' is missing .* units 9\."):
        fit(lost, predictors={"price_real": (80, 88)})


def test_what_cannot_be_done_is_refused() -> None:
    with pytest.raises(IdentificationError, match=r"'sales 80-90' reaches beyond adoption \(89\)"):
        fit(predictors={"sales": (80, 90)})
    with pytest.raises(SpecificationError, match="no period of the data, which go from 63 to 92"):
        fit(predictors={"sales": (50, 55)})
    with pytest.raises(SpecificationError, match="does not compare with periods"):
        fit(predictors={"sales": "early"})
    with pytest.raises(SpecificationError, match="predictors is empty"):
        fit(predictors={})
    with pytest.raises(SpecificationError, match="predictors takes a dict"):
        fit(predictors=["sales"])
    with pytest.raises(SpecificationError, match="importance is that of predictors"):
        fit(importance="equal")
    with pytest.raises(UnknownNameError, match="Did you mean 'price'"):
        fit(predictors={"prise": None})
    with pytest.raises(SpecificationError, match="Give a result of SyntheticDiD"):
        pm.placebo_in_space(
            pm.TWFE("sales ~ 1", cohort="adopted").fit(
                pm.Panel(cigarettes(), unit="state", time="year")
            )
        )


def test_dates_serve_as_periods() -> None:
    def date(year: int) -> pd.Timestamp:
        return pd.Timestamp(1900 + year, 1, 1)

    frame = cigarettes()
    frame = frame.assign(
        year=frame["year"].map(date), adopted=frame["adopted"].map(lambda g: date(g) if g else None)
    )
    wanted = {"price_real": (date(80), date(88)), "sales": [date(75), date(88)]}
    found = fit(frame, predictors=wanted, importance="equal")
    plain = fit(predictors={"price_real": (80, 88), "sales": [75, 88]}, importance="equal")
    np.testing.assert_allclose(found.params, plain.params, rtol=1e-12)
    assert list(found.unit_weights.columns) == ["1989-01-01"]
    early = pm.placebo_in_time(found, start=date(84))
    assert early.effect == pytest.approx(pm.placebo_in_time(plain, start=84).effect, rel=1e-12)
    assert "\n1984-01-01 " in str(early)


def test_pictures() -> None:
    found = pm.placebo_in_space(equal())
    gaps = found.plot()
    assert gaps.get_ylabel() == "Gap in sales"
    assert [text.get_text() for text in gaps.get_legend().get_texts()] == ["placebos", "5"]
    assert len(found.plot_ratios().get_yticklabels()) == 46
    assert pm.leave_one_out(equal()).plot().get_xlabel() == "year"
    assert pm.placebo_in_time(equal(), start=84).plot().get_ylabel() == "sales"
    assert equal().plot_weights(most=3).get_yticklabels()[0].get_text() == str(
        equal().unit_weights["89"].idxmax()
    )


def test_pictures_of_an_unknown_cohort_are_refused() -> None:
    with pytest.raises(UnknownNameError, match="There is no cohort '90'"):
        equal().plot_weights(90)
    with pytest.raises(UnknownNameError, match="Known: 89"):
        equal().plot_trajectories("88")
