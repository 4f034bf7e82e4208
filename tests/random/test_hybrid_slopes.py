"""Within-between models with random slopes, against the same columns made by hand."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pytest

import panelml as pm
from panelml.errors import IdentificationError, SpecificationError, UnknownNameError
from panelml.mixed.results.mixed_results import MixedResults


@cache
def pupils() -> pd.DataFrame:
    random = np.random.RandomState(11)
    sizes = random.randint(3, 25, 60)
    school = np.repeat(np.arange(60), sizes)
    n = school.size
    catholic = (random.uniform(size=60) < 0.4)[school] * 1
    ses = random.normal(0, 0.5, 60)[school] + random.normal(size=n)
    female = random.binomial(1, 0.5, n)
    slope = 2 - catholic + random.normal(0, 0.6, 60)[school]
    y = 10 + slope * ses + female + 0.5 * ses * female + random.normal(size=60)[school]
    y = y + random.normal(0, 2, n)
    columns = {"y": y, "ses": ses, "female": female, "catholic": catholic, "school": school}
    return pd.DataFrame(columns).sample(frac=1, random_state=0).reset_index(drop=True)


def centred(values: pd.Series, frame: pd.DataFrame) -> pd.Series:
    return values - values.groupby(frame["school"]).transform("mean")


def fit(formula: str, random: str = "1 + ses | school", **options: object) -> MixedResults:
    result = pm.Hybrid(formula, random=random, **options).fit(pupils())  # type: ignore[arg-type]
    assert isinstance(result, MixedResults)
    return result


def by_hand(formula: str, frame: pd.DataFrame) -> MixedResults:
    return pm.MixedModel(formula, cov="cluster").fit(frame)


def same(found: MixedResults, expected: MixedResults, names: dict[str, str]) -> None:
    renamed = expected.params.rename(names)
    assert set(found.params.index) == set(renamed.index)
    np.testing.assert_allclose(found.params[renamed.index], renamed, rtol=1e-6)
    errors = expected.std_errors.rename(names)
    np.testing.assert_allclose(found.std_errors[errors.index], errors, rtol=1e-6)
    np.testing.assert_allclose(found.random.parts[0].cov, expected.random.parts[0].cov, rtol=1e-5)
    assert found.loglik == pytest.approx(expected.loglik, rel=1e-10)


@pytest.mark.parametrize("method", ["reml", "ml"])
def test_split_and_slope_of_the_deviation(method: str) -> None:
    found = fit("y ~ ses + catholic", method=method)
    frame = pupils().assign(w=lambda d: centred(d["ses"], d), b=lambda d: d["ses"] - d["w"])
    spec = pm.MixedModel(
        "y ~ w + b + catholic + (1 + w | school)", reml=method == "reml", cov="cluster"
    )
    same(found, spec.fit(frame), {"w": "within(ses)", "b": "between(ses)"})
    assert found.random.parts[0].labels == ("Intercept", "within(ses)")
    assert found.model == f"Hybrid (within-between) by {method.upper()}"


@pytest.mark.parametrize("formula", ["y ~ ses + female", "y ~ ses * catholic", "y ~ ses * female"])
def test_within_part_is_fixed_effects_where_slopes_are_fixed(formula: str) -> None:
    found = fit(formula, "1 | school", interactions="demeaned")
    frame = pupils().assign(pupil=lambda d: d.groupby("school").cumcount())
    fixed = pm.FixedEffects(formula).fit(pm.Panel(frame, unit="school", time="pupil"))
    for name, value in fixed.params.items():
        assert found.params[f"within({name})"] == pytest.approx(value, rel=1e-9)


def test_weighted_within_part_is_weighted_fixed_effects() -> None:
    random = np.random.RandomState(0)
    frame = pupils().assign(pupil=lambda d: d.groupby("school").cumcount())
    frame = frame.assign(w=random.uniform(0.5, 2, len(frame)))
    found = pm.Hybrid("y ~ ses + female", random="1 | school", weights="w").fit(frame)
    fixed = pm.FixedEffects("y ~ ses + female", weights="w").fit(
        pm.Panel(frame, unit="school", time="pupil")
    )
    for name, value in fixed.params.items():
        assert found.params[f"within({name})"] == pytest.approx(value, rel=1e-9)


def test_rows_that_drop_out_do_not_enter_the_means() -> None:
    frame = pupils().assign(pupil=lambda d: d.groupby("school").cumcount())
    frame = frame.assign(female=frame["female"].where(np.arange(len(frame)) % 5 > 0))
    found = pm.Hybrid("y ~ ses + female", random="1 | school").fit(frame)
    fixed = pm.FixedEffects("y ~ ses + female").fit(pm.Panel(frame, unit="school", time="pupil"))
    for name, value in fixed.params.items():
        assert found.params[f"within({name})"] == pytest.approx(value, rel=1e-9)


@pytest.mark.parametrize("centring", [None, "double-demeaned", "demeaned", "raw"])
def test_interactions_within_and_across_levels(centring: str | None) -> None:
    found = fit("y ~ ses * female + ses * catholic", interactions=centring)
    d = pupils()
    w, f = centred(d["ses"], d), centred(d["female"], d)
    raw, cross = d["ses"] * d["female"], d["ses"] * d["catholic"]
    frame = d.assign(w=w, f=f, b=d["ses"] - w, g=d["female"] - f)
    names = {"w": "within(ses)", "f": "within(female)", "b": "between(ses)", "g": "between(female)"}
    formula = "y ~ w + f + b + g + catholic + p + c"
    if centring == "raw":
        frame = frame.assign(p=raw, c=cross)
        names |= {"p": "ses:female", "c": "ses:catholic"}
    else:
        product = raw if centring == "demeaned" else w * f
        frame = frame.assign(p=centred(product, d), c=w * d["catholic"])
        frame = frame.assign(q=raw - centred(raw, d), e=cross - centred(cross, d))
        formula += " + q + e"
        names |= {"p": "within(ses:female)", "c": "within(ses:catholic)"}
        names |= {"q": "between(ses:female)", "e": "between(ses:catholic)"}
    same(found, by_hand(formula + " + (1 + w | school)", frame), names)


def test_double_demeaned_without_random_slopes() -> None:
    frame = pupils().assign(pupil=lambda d: d.groupby("school").cumcount())
    panel = pm.Panel(frame, unit="school", time="pupil")
    found = pm.Hybrid("y ~ ses * female", interactions="double-demeaned").fit(panel)
    product = centred(frame["ses"], frame) * centred(frame["female"], frame)
    made = pm.Panel(frame.assign(p=product), unit="school", time="pupil")
    fixed = pm.FixedEffects("y ~ ses + female + p").fit(made)
    assert found.params["within(ses:female)"] == pytest.approx(fixed.params["p"], rel=1e-9)
    default = pm.Hybrid("y ~ ses * female").fit(panel)
    demeaned = pm.FixedEffects("y ~ ses * female").fit(panel)
    expected = demeaned.params["ses:female"]
    assert default.params["within(ses:female)"] == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("random", [None, "1 + ses | school"])
def test_the_first_note_says_what_the_within_part_of_a_product_is(random: str | None) -> None:
    """Adding random= changes the default, and with it what is estimated."""
    frame = pupils().assign(pupil=lambda d: d.groupby("school").cumcount())
    data = frame if random else pm.Panel(frame, unit="school", time="pupil")

    def first(formula: str, **options: Any) -> str:
        return "".join(pm.Hybrid(formula, random=random, **options).fit(data).notes[:1])

    centring = "double-demeaned" if random else "demeaned"
    said = first("y ~ ses * female + ses * catholic")
    assert said.startswith("The within part of ses:female is the ")
    assert f"interactions='{centring}'. The default is 'double-demeaned' with random=" in said
    for other in ("demeaned", "double-demeaned"):
        assert f"interactions={other!r}." in first("y ~ ses * female", interactions=other)
    for silent in (first("y ~ ses * catholic"), first("y ~ ses * female", interactions="raw")):
        assert "within part" not in silent


def test_units_of_a_panel_are_the_groups() -> None:
    frame = pm.datasets.wage_panel()
    panel = pm.Panel(frame, unit="nr", time="year")
    found = pm.Hybrid("lwage ~ union + exper + educ", random="1 + exper").fit(panel)
    named = pm.Hybrid("lwage ~ union + exper + educ", random="1 + exper | nr").fit(frame)
    np.testing.assert_allclose(found.params, named.params, rtol=1e-7)
    assert found.formula == "lwage ~ union + exper + educ + (1 + exper | nr)"
    # Unit means are those of the rows given: units are whole in both.
    new = frame[frame["nr"].isin([13, 17, 45])]
    np.testing.assert_allclose(
        found.predict(new, effects=True), found.predict(effects=True)[new.index], rtol=1e-8
    )
    with pytest.raises(UnknownNameError, match="year"):
        found.predict(new.drop(columns="year"))


def test_prediction_without_a_time_column() -> None:
    frame = pupils()
    result = fit("y ~ ses + female + catholic")
    new = frame[frame["school"] < 9].drop(columns="y")
    for effects in (False, True):
        found = result.predict(new, effects=effects)
        np.testing.assert_allclose(found, result.predict(effects=effects)[new.index], rtol=1e-9)
    table = result.random_effects()["school"].loc[frame["school"]].set_axis(frame.index)
    slope = table["within(ses)"] * centred(frame["ses"], frame)
    expected = result.predict() + table["Intercept"] + slope
    np.testing.assert_allclose(result.fitted(), expected, rtol=1e-9)
    with pytest.raises(UnknownNameError, match="school"):
        result.predict(new.drop(columns="school"))


def test_slopes_may_be_uncorrelated_and_tested() -> None:
    one = fit("y ~ ses + catholic", "1 | school")
    two = fit("y ~ ses + catholic", "1 + ses || school")
    three = fit("y ~ ses + catholic")
    assert two.random.parts[0].correlations() == {}
    assert pm.lr_test(one, two).df == (0, 1) and pm.lr_test(one, three).df == (1, 2)
    assert one.loglik < two.loglik < three.loglik


def test_variance_function_goes_by_deviations() -> None:
    result = fit("y ~ ses")
    d = result.random.parts[0].cov
    found = result.variance_at({"ses": [-1.0, 0.0, 2.0]})["school"]
    expected = [d[0, 0] + 2 * d[0, 1] * x + d[1, 1] * x**2 for x in (-1, 0, 2)]
    np.testing.assert_allclose(found, expected, rtol=1e-9)


def test_refusals() -> None:
    with pytest.raises(SpecificationError, match=r"interactions is not .centred.. Known:"):
        fit("y ~ ses", interactions="centred")
    with pytest.raises(SpecificationError, match=r"'reml' or 'ml', not 'amemiya'"):
        fit("y ~ ses", method="amemiya")
    with pytest.raises(SpecificationError, match=r"'female' must be a regressor itself"):
        fit("y ~ ses + ses:female")
    with pytest.raises(IdentificationError, match="No regressor varies within school"):
        fit("y ~ catholic", "1 + ses | school")


def test_variance_within_units_may_depend_on_covariates() -> None:
    """The heterogeneous within-between model is the mixed model of the split regressors."""
    frame = pm.simulate.panel(60, 6, 2, unbalanced=0.2, seed=3)
    frame["y"] += frame["x2"].abs() * np.random.default_rng(1).normal(size=len(frame))
    panel = pm.Panel(frame, unit="unit", time="time")
    residual = pm.residual.Heteroskedastic(covariates="x2")
    hybrid = pm.Hybrid("y ~ x1", random="1 + x1", residual=residual).fit(panel)
    split = pm.Panel(frame, unit="unit", time="time").assign(
        within_x1=lambda p: p.within("x1"), between_x1=lambda p: p.between("x1")
    )
    mixed = pm.MixedModel(
        "y ~ within_x1 + between_x1 + (1 + within_x1 | unit)", residual=residual
    ).fit(split)
    np.testing.assert_allclose(hybrid.params, mixed.params, rtol=1e-6)
    assert hybrid.loglik == pytest.approx(mixed.loglik, rel=1e-9)
    pd.testing.assert_frame_equal(
        hybrid.residual_structure(), mixed.residual_structure(), rtol=1e-5
    )
    with pytest.raises(SpecificationError, match="add random='1'"):
        pm.Hybrid("y ~ x1", residual=residual).fit(panel)


def test_covariates_of_the_variance_that_make_no_sense() -> None:
    frame = pm.simulate.panel(30, 6, 2, seed=3).assign(one=1.0, twice=lambda d: 2 * d["x1"])
    panel = pm.Panel(frame, unit="unit", time="time")

    def fit(*names: str) -> object:
        residual = pm.residual.Heteroskedastic(covariates=names)
        return pm.MixedModel("y ~ x1 + (1 | unit)", residual=residual).fit(panel)

    with pytest.raises(IdentificationError, match="'one' is constant: the residual variance"):
        fit("one")
    with pytest.raises(IdentificationError, match="cannot tell the parameters"):
        fit("x1", "twice")
    with pytest.raises(UnknownNameError, match="x1"):
        fit("x11")
    with pytest.raises(SpecificationError, match="Say by what the residual variance differs"):
        pm.residual.Heteroskedastic()


def test_options_of_the_hybrid_are_no_note_of_mundlak() -> None:
    panel = pm.Panel(
        pupils().assign(p=lambda d: d.groupby("school").cumcount()), unit="school", time="p"
    )
    assert any("interactions=" in note for note in pm.Hybrid("y ~ ses * female").fit(panel).notes)
    assert not any(
        "interactions" in note for note in pm.Mundlak("y ~ ses * female").fit(panel).notes
    )
