"""Overlap: comparison units that no treated unit resembles, and treated units nobody resembles."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

import panelml as pm
from panelml.did.core.group_time import Contrast, difference_effect, section_effect
from panelml.errors import IdentificationError
from tests.did.stress import POLICIES
from tests.golden import assert_close, load

METHODS = ["dr", "ipw", "reg", "dr-improved"]


@pytest.mark.parametrize("case", load("did_overlap"), ids=lambda case: case.id)
def test_equals_csdid(case: Any) -> None:
    frame = POLICIES[case.data]()
    frame = frame[(frame["g"] != 1) & (frame["id"] <= 600)]
    never = frame["g"] == 0
    frame = frame.assign(
        north=(never & (frame["id"] % 3 == 0)).astype(float),
        far=np.where(frame["id"] == frame.loc[never, "id"].iloc[0], 60.0, frame["x1"]),
    )
    options = {name: value for name, value in case.spec.items() if name != "estimator"}
    fit = pm.CallawaySantAnna(**options, cohort="g").fit(pm.Panel(frame, unit="id", time="t"))
    assert_close(fit.params.to_dict(), case.value["params"], case.tolerance)
    assert_close(fit.std_errors.to_dict(), case.value["std_errors"], case.tolerance)
    assert len(fit.params) == len(case.value["params"])


def draw(**names: str) -> pd.DataFrame:
    """Two regions of the north in which nobody adopts, an east and a south."""
    names = {"north": "north", "arctic": "arctic", "east": "east", "south": "south", **names}
    frame = pm.simulate.staggered(
        150, 6, {3: 0.2, 5: 0.3}, seed=1, adopters=pm.simulate.Adopters(covariate=0.5)
    )
    unit, never = frame["unit"], frame["cohort"].isna()
    rng = np.random.default_rng(3)
    return frame.assign(
        apart=never & ((unit % 2 == 0) | (unit % 5 == 0)),
        region=np.select(
            [never & (unit % 2 == 0), never & (unit % 5 == 0), unit % 3 == 0],
            [names["north"], names["arctic"], names["east"]],
            names["south"],
        ),
        z=rng.standard_normal(151)[unit],
        w=rng.uniform(0.5, 2, 151)[unit],
        elig=(unit // 2 % 2).astype(int),
    )


def fitted(model: Any, formula: str, frame: pd.DataFrame, **options: Any) -> pm.EffectResults:
    return model(formula, cohort="cohort", **options).fit(pm.Panel(frame, unit="unit", time="time"))


def assert_same(first: pm.EffectResults, second: pm.EffectResults) -> None:
    pd.testing.assert_series_equal(first.params, second.params, rtol=1e-8, atol=1e-10)
    pd.testing.assert_series_equal(first.std_errors, second.std_errors, rtol=1e-8)
    averages = [fit.aggregate() for fit in (first, second)]
    np.testing.assert_allclose(averages[0].std_errors, averages[1].std_errors, rtol=1e-8)


@pytest.mark.parametrize("names", [{}, {"south": "a", "north": "z"}], ids=["north", "south first"])
@pytest.mark.parametrize("panel", [True, False])
@pytest.mark.parametrize("control", ["never", "not-yet"])
@pytest.mark.parametrize("method", METHODS)
def test_units_that_no_treated_unit_resembles_count_for_nothing(
    method: str, control: str, panel: bool, names: dict[str, str]
) -> None:
    """As if they were left out by hand; where outcomes are regressed, with all interactions."""
    frame = draw(**names)
    options = {"method": method, "control": control, "panel": panel, "weights": "w"}
    for formula in ("y ~ region", "y ~ region * z"):
        found = fitted(pm.CallawaySantAnna, formula, frame, **options)
        by_hand = fitted(pm.CallawaySantAnna, formula, frame[~frame["apart"]], **options)
        assert_same(found, by_hand)
        told = [note for note in found.notes if note.startswith("Odds are zero of rows")]
        assert len(told) == (method != "reg")
    if method in ("ipw", "dr-improved"):
        found = fitted(pm.CallawaySantAnna, "y ~ region + z", frame, **options)
        kept = frame[~frame["apart"]]
        assert_same(found, fitted(pm.CallawaySantAnna, "y ~ region + z", kept, **options))


@pytest.mark.parametrize("control", ["never", "not-yet"])
@pytest.mark.parametrize("method", METHODS)
def test_triple_differences_without_them(method: str, control: str) -> None:
    frame = draw()
    options = {"eligible": "elig", "method": method, "control": control}
    found = fitted(pm.TripleDifference, "y ~ region", frame, **options)
    assert_same(found, fitted(pm.TripleDifference, "y ~ region", frame[~frame["apart"]], **options))


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("kind", ["panel", "sections"])
def test_influence_in_the_limit_is_the_derivative_by_weights(kind: str, method: str) -> None:
    rng = np.random.default_rng(1)
    n = 60
    north = (np.arange(n) % 3 == 0).astype(float)
    x = np.column_stack([np.ones(n), north, rng.standard_normal(n)])
    treated = (rng.random(n) < 1 / (1 + np.exp(-x[:, 2]))) & (north == 0)
    post, y = np.arange(n) % 2 == 0, x @ [1, 1, -1] + rng.standard_normal(n)

    def effect(w: np.ndarray) -> tuple[float, np.ndarray]:
        contrast = Contrast.of(x, treated, w, method)
        if kind == "panel":
            return difference_effect(contrast, y)
        return section_effect(contrast, y, post)

    weights = rng.uniform(0.5, 2, n)
    psi = effect(weights)[1]
    assert psi.sum() == pytest.approx(0, abs=1e-10)
    for i in range(0, n, 5):
        step = np.zeros(n)
        step[i] = 1e-5 * weights[i]
        slope = (effect(weights + step)[0] - effect(weights - step)[0]) / 2e-5
        if method != "dr-improved":
            assert psi[i] == pytest.approx(slope, rel=1e-5, abs=1e-7)


@pytest.mark.parametrize("panel", [True, False])
@pytest.mark.parametrize("method", METHODS)
def test_treated_units_that_nobody_resembles_have_no_effect(method: str, panel: bool) -> None:
    frame = draw()
    west = (frame["cohort"] == 3) & (frame["unit"] % 2 == 0)
    frame["region"] = np.where(west, "west", np.where(frame["unit"] % 3 == 0, "east", "south"))
    options = {"method": method, "panel": panel}
    found = fitted(pm.CallawaySantAnna, "y ~ region", frame, **options)
    rest = frame[frame["cohort"] != 3]
    assert_same(found, fitted(pm.CallawaySantAnna, "y ~ region", rest, **options))
    average = found.aggregate()
    assert average.notes[0] == (
        "5 of 10 effects could not be estimated, and averages are without them: 5 of 5 of cohort 3."
    )
    assert any(
        "predict treatment perfectly for some units: nobody in the comparison group is like them "
        "in 'region[T.west]' (att(3, 2), att(3, 3)" in note
        for note in average.notes
    )
    lone = frame[frame["cohort"] != 5]
    with pytest.raises(IdentificationError, match=r"nobody .* is like them in 'region\[T.west\]'"):
        fitted(pm.CallawaySantAnna, "y ~ region", lone, **options)


@pytest.mark.parametrize("method", METHODS)
def test_the_covariates_are_named_whichever_level_comes_first(method: str) -> None:
    frame = draw()
    alone = frame["cohort"].notna() & (frame["unit"] % 2 == 0)
    frame["region"] = np.where(alone, "a", np.where(frame["unit"] % 3 == 0, "b", "c"))
    with pytest.raises(IdentificationError, match=r"in 'region\[T.b\]', 'region\[T.c\]' \("):
        fitted(pm.CallawaySantAnna, "y ~ region + z", frame, method=method)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("panel", [True, False])
def test_a_single_treated_unit_with_levels(method: str, panel: bool) -> None:
    frame = draw()
    lone = frame.loc[frame["cohort"] == 3, "unit"].iloc[0]
    frame = frame[(frame["unit"] == lone) | frame["cohort"].isna()].assign(
        level=lambda d: d["unit"].mod(4).map({0: "a", 1: "b", 2: "c", 3: "d"})
    )
    own = frame.loc[frame["unit"] == lone, "level"].iloc[0]
    found = fitted(pm.CallawaySantAnna, "y ~ level", frame, method=method, panel=panel)
    alike = frame[frame["level"] == own]
    assert_same(found, fitted(pm.CallawaySantAnna, "y ~ 1", alike, method=method, panel=panel))


def test_a_treated_unit_that_hardly_anybody_resembles_is_told() -> None:
    frame = draw()
    lone = frame.loc[frame["cohort"] == 3, "unit"].iloc[0]
    frame["z"] += (frame["cohort"] == 3) + 40.0 * (frame["unit"] == lone)
    found = fitted(pm.CallawaySantAnna, "y ~ z", frame, method="ipw")
    assert any(
        note.startswith("Hardly anybody is like treated rows whose probability")
        for note in found.notes
    )
    assert len(found.params) == 10


@pytest.mark.parametrize("model", [pm.CallawaySantAnna, pm.TripleDifference])
@pytest.mark.parametrize("control", ["never", "not-yet"])
def test_the_cohort_is_no_covariate(model: Any, control: str) -> None:
    frame = draw().assign(
        g=lambda d: d["cohort"].fillna(0), text=lambda d: "c" + d["g"].astype(str)
    )
    options = {"control": control, **({"eligible": "elig"} if model is pm.TripleDifference else {})}
    for formula, name in (("y ~ g", "'g'"), ("y ~ z + g", "'g'"), ("y ~ text", "'text")):
        with pytest.raises(IdentificationError, match=f"predict treatment perfectly: {name}"):
            fitted(model, formula, frame, **options)


def test_a_covariate_far_from_zero_keeps_its_digits() -> None:
    frame = draw().assign(big=lambda d: d["z"] + 1e6)
    for method in METHODS:
        for panel in (True, False):
            options = {"method": method, "panel": panel}
            far = fitted(pm.CallawaySantAnna, "y ~ big", frame, **options)
            near = fitted(pm.CallawaySantAnna, "y ~ z", frame, **options)
            pd.testing.assert_series_equal(far.params, near.params, rtol=1e-7)
            assert not any("Dropped" in note for note in far.notes)


def test_gun_laws_given_density() -> None:
    """The District of Columbia, with a density of 11, is no reason to leave effects out."""
    guns = pm.datasets.load("gun_laws")
    guns = guns.assign(
        law=(guns["law"] == "yes").astype(int),
        year=guns["year"].astype(int),
        l_violent=np.log(guns["violent"]),
    )
    spec = pm.CallawaySantAnna("l_violent ~ density", treatment="law", control="not-yet")
    whole = spec.fit(pm.Panel(guns, unit="state", time="year"))
    assert len(whole.params) == 216
    assert whole.notes[0].endswith("averages are without them: 4 of 22 of cohort 1986.")
    states = guns[guns["state"] != "District of Columbia"]
    ipw = [
        pm.CallawaySantAnna(
            "l_violent ~ density", treatment="law", control="not-yet", method="ipw"
        ).fit(pm.Panel(frame, unit="state", time="year"))
        for frame in (guns, states)
    ]
    assert ipw[0].aggregate().params["att"] == pytest.approx(
        ipw[1].aggregate().params["att"], abs=1e-3
    )


def test_both_tables_count_whom_odds_leave_out() -> None:
    frame = draw().assign(north=lambda d: d["apart"].astype(float))
    panel = pm.Panel(frame, unit="unit", time="time")
    apart = frame[frame["apart"]]["unit"].nunique()
    table = pm.overlap_table(panel, ["north", "z"], cohort="cohort")
    assert (table.xs("comparison", level="group")["trimmed"] == apart).all()
    assert (table.xs("comparison", level="group")["min"] == 0).all()
    assert (table.xs("treated", level="group")["trimmed"] == 0).all()
    kept = pm.Panel(frame[~frame["apart"]], unit="unit", time="time")
    by_hand = pm.overlap_table(kept, "z", cohort="cohort")
    own = table.xs("treated", level="group")
    for name in ("min", "median", "max"):
        np.testing.assert_allclose(own[name], by_hand.xs("treated", level="group")[name], rtol=1e-9)
    alone = pm.overlap_table(panel, "north", cohort="cohort")
    assert (alone.xs("treated", level="group")["outside"] == 0).all()
    balance = pm.balance_table(panel, ["north", "z"], cohort="cohort")
    assert (balance.xs("north", level="column")["trimmed"] == apart).all()
    assert (balance.xs("z", level="column")["trimmed"] == 0).all()
