"""Callaway and Sant'Anna: R's did, influence functions as derivatives, and refusals."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

import panelml as pm
from panelml.did.core.group_time import Contrast, difference_effect, section_effect
from panelml.did.results.effects import EffectResults
from panelml.errors import IdentificationError, SpecificationError
from tests.did.stress import POLICIES
from tests.golden import load

METHODS = ["dr", "dr-improved", "ipw", "reg"]


def everything(fit: EffectResults) -> tuple[dict[str, float], dict[str, float]]:
    """Estimates and standard errors of a fit and of all of its averages."""
    params, errors = fit.params.to_dict(), fit.std_errors.to_dict()
    averages = {by: fit.aggregate(by) for by in ("simple", "event", "group", "calendar")}
    averages["balance"] = fit.aggregate("event", balance=1)
    for by, found in averages.items():
        params |= {f"{by}: {name}": value for name, value in found.params.items()}
        errors |= {f"{by}: {name}": value for name, value in found.std_errors.items()}
        if found.overall is not None:
            params[f"{by}: overall"] = found.overall.params["att"]
            errors[f"{by}: overall"] = found.overall.std_errors["att"]
    return params, errors


CASES = [*load("did_group_time"), *load("did_mpdta")]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_equals_did(case: Any) -> None:
    options = {name: value for name, value in case.spec.items() if name != "estimator"}
    panel = pm.Panel(POLICIES[case.data](), unit="id", time="t")
    fit = pm.CallawaySantAnna(**options, cohort="g").fit(panel)
    params, errors = everything(fit)
    for name, value in case.value["params"].items():
        assert params[name] == pytest.approx(value, rel=case.tolerance, abs=case.tolerance / 10)
    # R's doubly robust errors of repeated cross-sections are wrong, and not among the values.
    for name, value in case.value.get("std_errors", {}).items():
        assert errors[name] == pytest.approx(value, rel=case.tolerance)


def rows(n: int = 40, seed: int = 1) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    x = np.column_stack([np.ones(n), rng.standard_normal((n, 2))])
    treated = rng.random(n) < 1 / (1 + np.exp(-x[:, 1]))
    post = np.arange(n) % 2 == 0
    return x, treated, post, x @ [1, 1, -1] + rng.standard_normal(n) + treated * post


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("kind", ["panel", "sections"])
def test_influence_is_the_derivative_by_each_rows_weight(kind: str, method: str) -> None:
    x, treated, post, y = rows()

    def effect(w: np.ndarray) -> tuple[float, np.ndarray]:
        contrast = Contrast.of(x, treated, w, method)
        if kind == "panel":
            return difference_effect(contrast, y)
        return section_effect(contrast, y, post)

    weights = np.random.default_rng(2).uniform(0.5, 2, y.size)
    psi = effect(weights)[1]
    for i in range(y.size):
        step = np.zeros(y.size)
        step[i] = 1e-5 * weights[i]
        slope = (effect(weights + step)[0] - effect(weights - step)[0]) / 2e-5
        if method != "dr-improved":
            assert psi[i] == pytest.approx(slope, rel=1e-5, abs=1e-7)
    assert psi.sum() == pytest.approx(0, abs=1e-10)


@pytest.mark.parametrize("kind", ["panel", "sections"])
def test_influence_of_improved_estimates_is_close_in_large_samples(kind: str) -> None:
    x, treated, post, y = rows(20_000)
    contrasts = [Contrast.of(x, treated, np.ones(y.size), m) for m in ("dr", "dr-improved")]
    found = [
        difference_effect(c, y) if kind == "panel" else section_effect(c, y, post)
        for c in contrasts
    ]
    (effect, psi), (improved, own) = found
    assert improved == pytest.approx(effect, abs=0.02)
    assert np.sqrt(own @ own) == pytest.approx(np.sqrt(psi @ psi), rel=0.03)


@pytest.mark.parametrize("method", METHODS)
def test_tilted_and_regressed_comparisons_by_hand(method: str) -> None:
    x, treated, _, y = rows()
    w = np.ones(y.size)
    contrast = Contrast.of(x, treated, w, method)
    effect = difference_effect(contrast, y)[0]
    if method == "dr-improved":
        balance = contrast.comparison_weight @ x - treated @ x
        assert np.abs(balance).max() < 1e-8
    if method == "reg":
        beta = np.linalg.lstsq(x[~treated], y[~treated], rcond=None)[0]
        assert effect == pytest.approx((y - x @ beta)[treated].mean(), rel=1e-10)


@pytest.mark.parametrize("panel", [True, False])
@pytest.mark.parametrize("by", ["simple", "group", "calendar", "event"])
def test_averages_move_with_the_weights_of_units_as_their_influence_says(
    by: str, panel: bool
) -> None:
    frame = pm.simulate.staggered(60, 5, {3: 0.3, 4: 0.3}, seed=2).assign(w=1.0)
    spec = pm.CallawaySantAnna("y ~ x", cohort="cohort", weights="w", panel=panel, method="reg")

    def overall(data: pd.DataFrame) -> EffectResults:
        found = spec.fit(pm.Panel(data, unit="unit", time="time")).aggregate(by)
        return found.overall or found

    fit = overall(frame)
    psi = fit.attached.estimate.influence.sums(("unit",)).sums[0]
    for unit in (1, 7, 30, 59):
        moved = [
            overall(frame.assign(w=np.where(frame["unit"] == unit, 1 + h, 1.0))).params["att"]
            for h in (1e-4, -1e-4)
        ]
        assert psi[unit - 1] == pytest.approx((moved[0] - moved[1]) / 2e-4, rel=1e-5, abs=1e-8)


def test_delete_one_errors_of_repeated_cross_sections() -> None:
    """The doubly robust errors in which R has a slip: against a jackknife of the whole fit."""
    frame = pm.simulate.staggered(
        240, 3, {3: 0.5}, adopters=pm.simulate.Adopters(covariate=1.0), seed=9
    )
    frame["unit"] = np.arange(len(frame))
    spec = pm.CallawaySantAnna("y ~ x", cohort="cohort", panel=False)
    fit = spec.fit(pm.Panel(frame, unit="unit", time="time")).params
    n = len(frame)
    left = np.array(
        [
            spec.fit(pm.Panel(frame.drop(index=i), unit="unit", time="time")).params["att(3, 3)"]
            for i in range(0, n, 7)
        ]
    )
    psi = spec.fit(pm.Panel(frame, unit="unit", time="time")).attached.estimate.influence.sums(
        ("unit",)
    )
    own = psi.sums[list(fit.index).index("att(3, 3)")][::7]
    gap = own - (fit["att(3, 3)"] - left)
    assert np.sqrt((gap**2).mean()) < 0.03 * np.sqrt((own**2).mean())


def test_known_effects_without_noise() -> None:
    frame = pm.simulate.staggered(
        300,
        8,
        {3: 0.2, 5: 0.3},
        sampling=pm.simulate.Sampling(sigma_e=1e-9),
        adopters=pm.simulate.Adopters(covariate=1.0),
        seed=1,
    )
    truth = {f"att({row['cohort']}, {row['time']})": row["att"] for row in frame.attrs["att"]}
    for method in ("reg", "dr"):
        fit = pm.CallawaySantAnna("y ~ x", cohort="cohort", method=method).fit(
            pm.Panel(frame, unit="unit", time="time")
        )
        assert fit.params.to_dict() == pytest.approx(
            {name: truth[name] for name in fit.params.index}, abs=1e-7
        )


def test_horizons_count_a_gap_in_time() -> None:
    frame = pm.simulate.staggered(100, 7, {4: 0.5}, seed=1).query("time != 5")
    fit = pm.CallawaySantAnna("y ~ 1", cohort="cohort").fit(
        pm.Panel(frame, unit="unit", time="time")
    )
    assert fit.labels["horizon"].tolist() == [-2, -1, 0, 2, 3]


def test_without_never_treated_units() -> None:
    frame = pm.simulate.staggered(200, 8, {3: 0.4, 5: 0.3, 7: 0.3}, seed=1)
    panel = pm.Panel(frame, unit="unit", time="time")
    with pytest.raises(IdentificationError, match="control='not-yet'"):
        pm.CallawaySantAnna("y ~ 1", cohort="cohort").fit(panel)
    fit = pm.CallawaySantAnna("y ~ 1", cohort="cohort", control="not-yet").fit(panel)
    assert set(fit.labels["cohort"]) == {3, 5}
    assert fit.labels["time"].max() == 6
    assert any("the last cohort (7) is the comparison group" in note for note in fit.notes)


def test_what_is_left_out_is_said() -> None:
    frame = pm.simulate.staggered(
        90, 6, {2: 0.3, 4: 0.3}, sampling=pm.simulate.Sampling(unbalanced=0.05), seed=1
    )
    frame["twice"] = 2 * frame["x"]
    frame.loc[frame["unit"] == 5, "cohort"] = 1
    panel = pm.Panel(frame, unit="unit", time="time")
    fit = pm.CallawaySantAnna("y ~ x + twice", cohort="cohort").fit(panel)
    text = " ".join(fit.notes)
    assert "Left out 1 units that are treated in the first period" in text
    assert "not observed in all 6 periods" in text
    assert "Dropped 'twice', collinear in the comparison group" in text
    plain = pm.CallawaySantAnna("y ~ x", cohort="cohort").fit(panel)
    pd.testing.assert_series_equal(plain.params, fit.params)
    kept = pm.CallawaySantAnna("y ~ x", cohort="cohort", panel=False).fit(panel)
    assert kept.nobs == len(frame[frame["unit"] != 5])
    late = pm.CallawaySantAnna("y ~ 1", cohort="cohort", anticipation=1, panel=False).fit(panel)
    assert any("without a period before adoption and its anticipation: 2" in n for n in late.notes)


@pytest.mark.parametrize("method", ["dr", "dr-improved", "ipw", "reg"])
@pytest.mark.parametrize("formula", ["y ~ 1", "y ~ x"])
def test_sections_without_rows_of_a_group_are_left_out(formula: str, method: str) -> None:
    frame = pm.simulate.staggered(
        60, 6, {3: 0.2, 5: 0.2}, adopters=pm.simulate.Adopters(covariate=0.5), seed=1
    )
    spec = pm.CallawaySantAnna(formula, cohort="cohort", panel=False, method=method)
    whole = spec.fit(pm.Panel(frame, unit="unit", time="time"))
    some = spec.fit(
        pm.Panel(frame[(frame["cohort"] != 5) | (frame["time"] != 5)], unit="unit", time="time")
    )
    assert any("left out (att(5, 5))" in note for note in some.notes)
    same = [name for name in whole.params.index if name.startswith("att(3")]
    np.testing.assert_allclose(some.params[same], whole.params[same], rtol=1e-10)
    assert "att(5, 6)" in some.params and "att(5, 5)" not in some.params
    assert (some.std_errors > 0).all()


def test_sections_too_small_for_the_covariates_are_left_out() -> None:
    """A single treated row has no regression on x; the comparison group's is all that reg needs."""
    frame = pm.simulate.staggered(
        60, 4, {3: 0.3}, adopters=pm.simulate.Adopters(covariate=0.5), seed=1
    )
    lone = frame.loc[frame["cohort"].notna(), "unit"].iloc[0]
    frame = frame[frame["cohort"].isna() | (frame["unit"] == lone) | (frame["time"] != 4)]
    panel = pm.Panel(frame, unit="unit", time="time")
    found = pm.CallawaySantAnna("y ~ x", cohort="cohort", panel=False).fit(panel)
    assert "collinear among rows they are regressed on (att(3, 4))" in " ".join(found.notes)
    assert list(found.params.index) == ["att(3, 2)", "att(3, 3)"]
    reg = pm.CallawaySantAnna("y ~ x", cohort="cohort", panel=False, method="reg").fit(panel)
    assert "att(3, 4)" in reg.params


def test_perfect_prediction_leaves_effects_out_with_a_reason() -> None:
    frame = pm.simulate.staggered(80, 4, {3: 0.5}, seed=1)
    frame["sure"] = frame["cohort"].notna() * 1.0 + np.linspace(0, 0.1, len(frame))
    panel = pm.Panel(frame, unit="unit", time="time")
    with pytest.raises(IdentificationError, match="predict treatment perfectly"):
        pm.CallawaySantAnna("y ~ sure", cohort="cohort", method="ipw").fit(panel)


def test_options_that_do_not_exist() -> None:
    with pytest.raises(SpecificationError, match="Did you mean 'not-yet'"):
        pm.CallawaySantAnna("y ~ 1", cohort="g", control="notyet")
    with pytest.raises(SpecificationError, match="anticipation"):
        pm.CallawaySantAnna("y ~ 1", cohort="g", anticipation=-1)
    panel = pm.Panel(pm.simulate.staggered(20, 4, {3: 0.5}), unit="unit", time="time")
    with pytest.raises(SpecificationError, match="leave out"):
        pm.CallawaySantAnna("y ~ 1 | unit", cohort="cohort").fit(panel)
    nobody = pm.Panel(panel.to_native().assign(none=np.nan), unit="unit", time="time")
    with pytest.raises(IdentificationError, match="No unit adopts after the first period"):
        pm.CallawaySantAnna("y ~ 1", cohort="none").fit(nobody)
