"""What dependent residuals need, said in words where it is missing; and what cannot matter."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pandas as pd
import pytest

import panelml as pm
from panelml.errors import (
    ColumnTypeError,
    IdentificationError,
    SpecificationError,
    UnknownNameError,
)
from panelml.mixed.results.mixed_results import MixedResults
from tests.mixed.mixed_data import orthodont, orthodont_gaps, serial, sleepstudy, wagepan

MODEL = "y ~ x + t + (1 | id)"


def fit(residual: Any, formula: str = MODEL, frame: pd.DataFrame | None = None) -> MixedResults:
    return pm.MixedModel(formula, residual=residual).fit(serial() if frame is None else frame)


@pytest.mark.parametrize(
    ("residual", "words"),
    [
        ("ar2", "Unknown structure"),
        ("ar1", "need the time of rows"),
        ("heteroskedastic", "Name the column"),
        ("toeplitz:x", "whole number"),
        ("toeplitz:0", "order of a Toeplitz"),
        ("ar1:age", "CAR1"),
        (pm.residual.Toeplitz(20, "t"), "no two rows"),
        (pm.residual.AR1("t", by="x"), "several levels of 'x'"),
        (pm.residual.AR1("t", group="g"), "2 units of 'g' have two rows at the same"),
        (pm.residual.AR1("g"), "two rows at the same"),
    ],
)
def test_words(residual: Any, words: str) -> None:
    with pytest.raises(SpecificationError, match=words):
        fit(residual)


def test_values_are_checked() -> None:
    with pytest.raises(SpecificationError, match="not both"):
        pm.residual.AR1("t", by="g", variance_by="g")
    with pytest.raises(SpecificationError, match="variance for each period"):
        pm.residual.Unstructured("t", variance_by="g")
    with pytest.raises(SpecificationError, match="independent with one variance"):
        pm.MixedModel(MODEL).fit(serial()).residual_structure()
    with pytest.raises(UnknownNameError, match="tt"):
        fit("ar1:tt")


def test_group_without_random_term() -> None:
    with pytest.raises(SpecificationError, match="no random term"):
        fit("ar1:t", "y ~ x + t")


def test_time_in_words() -> None:
    with pytest.raises(ColumnTypeError, match="time of the residuals 'word'"):
        fit("ar1:word", frame=serial().assign(word="a"))


def test_missing_time_is_noted() -> None:
    frame = serial()
    result = fit("ar1:t", frame=frame.assign(t=frame["t"].where(frame["id"] != 5)))
    same = fit("ar1:t", frame=frame[frame["id"] != 5])
    assert any("missing values" in note for note in result.notes)
    assert result.loglik == pytest.approx(same.loglik, abs=1e-9)


@pytest.mark.parametrize(
    "residual", ["exchangeable", "unstructured:t", pm.residual.Toeplitz(time="t")]
)
def test_same_as_random_intercept(residual: Any) -> None:
    with pytest.raises(IdentificationError, match="one and the same"):
        fit(residual)


def test_two_periods_cannot_tell_ar1_from_an_intercept() -> None:
    frame = orthodont()
    frame = frame[frame["age"] < 12].assign(wave=lambda d: (d["age"] - 6) // 2)
    with pytest.raises(IdentificationError, match="cannot tell the parameters"):
        fit("ar1:wave", "distance ~ age + (1 | Subject)", frame)


def test_end_of_range() -> None:
    """The correlation at lag one is above 1/2, the most that a moving average can have."""
    residual = pm.residual.MA1("wave", group="Subject")
    frame = orthodont_gaps()
    with pytest.raises(IdentificationError, match="end of its range"):
        fit(residual, "distance ~ age", frame[frame["male"] == 0])


def test_one_level() -> None:
    with pytest.raises(IdentificationError, match="one level"):
        fit("heteroskedastic:one", frame=serial().assign(one=1))


def test_kenward_roger_is_refused() -> None:
    with pytest.raises(SpecificationError, match="Use 'satterthwaite'"):
        fit("ar1:t").with_cov("kenward-roger")


@pytest.mark.parametrize("reml", [True, False])
def test_satterthwaite_of_exchangeable_residuals_is_that_of_an_intercept(reml: bool) -> None:
    """The two are one model, and lmerTest is held to the latter in tests/golden."""
    residual = pm.residual.Exchangeable(group="id")
    pair = [
        pm.MixedModel(formula, residual=structure, reml=reml, cov="satterthwaite").fit(serial())
        for formula, structure in (("y ~ x + t + g", residual), ("y ~ x + t + g + (1 | id)", None))
    ]
    np.testing.assert_allclose(pair[0].df_terms, pair[1].df_terms, rtol=1e-6)
    joint = [fit.wald_test("x = 0; g = 0").df[1] for fit in pair]
    assert joint[0] == pytest.approx(joint[1], rel=1e-6)


@pytest.mark.parametrize(
    "residual",
    [
        pm.residual.AR1("t", by="g"),
        pm.residual.CAR1("age"),
        pm.residual.MA1("t"),
        pm.residual.Toeplitz(2, "t"),
        pm.residual.Heteroskedastic("g"),
    ],
    ids=lambda value: value.kind,
)
def test_order_of_rows_and_scale_of_outcome(residual: Any) -> None:
    frame = serial()
    first = fit(residual)
    mixed = frame.sample(frac=1.0, random_state=3).assign(x=lambda d: 50 - 3 * d["x"])
    second = fit(residual, frame=mixed)
    # The restricted likelihood depends on the scale of x.
    assert second.loglik == pytest.approx(first.loglik - np.log(3), abs=1e-8)
    pd.testing.assert_frame_equal(
        second.residual_structure(), first.residual_structure(), rtol=1e-6
    )
    assert second.params["x"] == pytest.approx(-first.params["x"] / 3, rel=1e-7)
    effects, same = (r.random_effects(sd=True)["id"] for r in (first, second))
    pd.testing.assert_frame_equal(effects, same.loc[effects.index], rtol=1e-6, atol=1e-9)
    pd.testing.assert_series_equal(second.fitted().sort_index(), first.fitted().sort_index())


def test_predicted_effects_by_formula() -> None:
    frame, result = serial(), fit("ar1:t")
    table = result.residual_structure().set_index("parameter")["estimate"]
    variance = result.random.parts[0].cov[0, 0]
    left = frame["y"] - result.predict(frame)
    effects, spread = [], []
    for _, rows in frame.groupby("id"):
        t = rows["t"].to_numpy()
        r = table["sd"] ** 2 * table["corr"] ** np.abs(t[:, None] - t)
        solved = np.linalg.solve(variance + r, np.ones(t.size))
        effects.append(variance * solved @ left[rows.index])
        spread.append(np.sqrt(variance - variance**2 * solved.sum()))
    found = result.random_effects(sd=True)["id"]
    np.testing.assert_allclose(found["Intercept"], effects, rtol=1e-8)
    np.testing.assert_allclose(found["sd(Intercept)"], spread, rtol=1e-8)
    np.testing.assert_allclose(
        result.predict(frame, effects=True) - result.predict(frame),
        np.array(effects)[frame["id"]],
        rtol=1e-8,
    )


def test_sandwich_by_formula() -> None:
    frame, result = serial(), fit(pm.residual.CAR1("age", group="id"), "y ~ x + t")
    rate = result.residual_structure().set_index("parameter")["estimate"]["rate"]
    x = np.column_stack([np.ones(len(frame)), frame["x"], frame["t"]])
    left = frame["y"].to_numpy() - x @ result.params.to_numpy()
    bread, scores = np.zeros((3, 3)), []
    for at in frame.groupby("id").indices.values():
        age = frame["age"].to_numpy()[at]
        solved = np.linalg.solve(np.exp(-rate * np.abs(age[:, None] - age)), x[at])
        bread += x[at].T @ solved
        scores.append(solved.T @ left[at])
    inverse, psi = np.linalg.inv(bread), np.array(scores)
    expected = inverse @ psi.T @ psi @ inverse
    found = result.with_cov(pm.cov.Clustered("id", small_sample="none")).cov
    np.testing.assert_allclose(found, expected, rtol=1e-8)


def test_collapsed_units_serve_as_well() -> None:
    """Balanced rows are collapsed; one row less in each unit's own place makes patterns."""
    panel = pm.Panel(wagepan(), unit="nr", time="year")
    whole = pm.MixedModel("lwage ~ educ + exper + (1 | nr)", residual="ar1").fit(panel)
    jittered = wagepan().assign(year=lambda d: d["year"] + 1000 * d["nr"])
    apart = pm.MixedModel("lwage ~ educ + exper + (1 | nr)", residual="ar1:year").fit(jittered)
    assert apart.loglik == pytest.approx(whole.loglik, abs=1e-8)


def test_nested_structures() -> None:
    small, large = fit(None), fit("ar1:t")
    found = pm.lr_test(small, large)
    assert found.statistic == pytest.approx(2 * (large.loglik - small.loglik))
    assert found.df == (1,)
    with pytest.raises(SpecificationError, match="lower likelihood"):
        pm.lr_test(large, small)


def test_exchangeable_equals_random_intercept() -> None:
    intercept = pm.MixedModel("distance ~ age * male + (1 | Subject)").fit(orthodont_gaps())
    residual = pm.residual.Exchangeable(group="Subject")
    alone = fit(residual, "distance ~ age * male", orthodont_gaps())
    assert alone.loglik == pytest.approx(intercept.loglik, abs=1e-8)
    pd.testing.assert_series_equal(alone.std_errors, intercept.std_errors, rtol=1e-6)
    table = alone.residual_structure().set_index("parameter")["estimate"]
    assert table["corr"] == pytest.approx(float(intercept.icc().iloc[0]), rel=1e-6)
    assert alone.random_effects() == {}
    assert alone.rsquared_marginal == pytest.approx(alone.rsquared_conditional)


def test_tables_and_pickles() -> None:
    result = fit(pm.residual.AR1("t", by="g"))
    again = pickle.loads(pickle.dumps(result))
    pd.testing.assert_frame_equal(again.residual_structure(), result.residual_structure())
    assert "AR(1) residuals, by g" in str(result.summary())
    assert "corr(residual, lag 1 | 0)" in result.extras
    assert "residual_structure() has the others" in " ".join(result.notes)
    assert "corr" in str(pm.compare(fit(None), result))


def test_information_criteria() -> None:
    """R: AIC and BIC of lmer(Reaction ~ Days + (Days | Subject), sleepstudy), lme4 1.1-31."""
    plain = pm.MixedModel("Reaction ~ Days + (Days | Subject)").fit(sleepstudy())
    assert plain.aic == pytest.approx(1755.628271960, abs=1e-6)
    assert plain.bic == pytest.approx(1774.786013065, abs=1e-6)
    serial_by_group = fit(pm.residual.AR1("t", by="g"))
    assert serial_by_group.n_parameters == 3 + 1 + 2 + 2
