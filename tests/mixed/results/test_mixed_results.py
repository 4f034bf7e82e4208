"""What mixed results say of variances: shares, intervals, conditional deviations."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

import panelml as pm
from panelml.errors import DetachedResultError, SpecificationError, UnknownNameError
from panelml.mixed.results.mixed_results import MixedResults
from tests.golden import Case, load
from tests.mixed.mixed_data import MIXED, hsb, orthodont, pastes, sleepstudy

CASES = load("mixed_effects")


def fit(case: Case) -> MixedResults:
    spec = pm.MixedModel(case.spec["formula"], weights=case.spec.get("weights"))
    return spec.fit(MIXED[case.data]())


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_conditional_deviations_of_lme4(case: Case) -> None:
    result = fit(case)
    tables = result.random_effects(sd=True)
    plain = result.random_effects()
    for group, levels in case.value["deviations"].items():
        expected = pd.DataFrame(levels).T
        found = tables[group].set_axis(tables[group].index.astype(str)).loc[expected.index]
        for label in expected.columns:
            np.testing.assert_allclose(found[f"sd({label})"], expected[label], rtol=2e-6)
        pd.testing.assert_frame_equal(tables[group][plain[group].columns], plain[group])


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_rsquared_of_nakagawa_and_johnson(case: Case) -> None:
    result = fit(case)
    assert result.rsquared_marginal == pytest.approx(case.value["rsquared_marginal"], rel=2e-6)
    assert result.rsquared_conditional == pytest.approx(
        case.value["rsquared_conditional"], rel=2e-6
    )


def test_rsquared_by_hand() -> None:
    frame = orthodont()
    result = pm.MixedModel("distance ~ age * male + (1 + age | Subject)").fit(frame)
    z = np.column_stack([np.ones(len(frame)), frame["age"]])
    random = np.trace(z @ result.random.parts[0].cov @ z.T) / len(frame)
    fixed = result.predict().var()
    total = fixed + random + result.sigma2
    assert result.rsquared_marginal == pytest.approx(fixed / total, rel=1e-10)
    assert result.rsquared_conditional == pytest.approx((fixed + random) / total, rel=1e-10)


def test_shares_ignore_the_origin_of_a_slope() -> None:
    frame = orthodont().assign(late=lambda d: d["age"] - 11)
    early = pm.MixedModel("distance ~ age + (1 + age | Subject)").fit(frame)
    late = pm.MixedModel("distance ~ late + (1 + late | Subject)").fit(frame)
    assert early.rsquared_marginal == pytest.approx(late.rsquared_marginal, rel=1e-7)
    assert early.rsquared_conditional == pytest.approx(late.rsquared_conditional, rel=1e-7)


def test_dropped_rows_do_not_count() -> None:
    frame = orthodont().assign(age=lambda d: d["age"].where(np.arange(len(d)) % 7 > 0))
    formula = "distance ~ age + (1 + age | Subject)"
    one, two = (pm.MixedModel(formula).fit(f) for f in (frame, frame.dropna()))
    assert one.rsquared_marginal == pytest.approx(two.rsquared_marginal, rel=1e-9)
    assert one.rsquared_conditional == pytest.approx(two.rsquared_conditional, rel=1e-9)


def test_snijders_and_bosker() -> None:
    frame = hsb()
    null = pm.MixedModel("MathAch ~ 1 + (1 | School)", reml=False).fit(frame)
    full = pm.MixedModel("MathAch ~ SES + (1 | School)", reml=False).fit(frame)
    tau0, tau = (r.random.parts[0].cov[0, 0] for r in (null, full))
    found = pm.snijders_bosker(null, full)
    sizes = frame["School"].value_counts()
    n = len(sizes) / (1 / sizes).sum()
    assert found.group_size == pytest.approx(n)
    assert found.level1 == pytest.approx(1 - (tau + full.sigma2) / (tau0 + null.sigma2))
    assert found.level2 == pytest.approx(1 - (tau + full.sigma2 / n) / (tau0 + null.sigma2 / n))
    ten = pm.snijders_bosker(null, full, group_size=10)
    assert ten.level2 == pytest.approx(1 - (tau + full.sigma2 / 10) / (tau0 + null.sigma2 / 10))
    assert ten.level1 == found.level1
    for size in (0, -3, float("nan"), float("inf")):
        with pytest.raises(SpecificationError, match="group_size is a number of rows above zero"):
            pm.snijders_bosker(null, full, group_size=size)
    with pytest.raises(SpecificationError, match=r"that without regressors.*it has SES"):
        pm.snijders_bosker(full, null)
    with pytest.raises(SpecificationError, match="by REML and the other by ML"):
        pm.snijders_bosker(null, pm.MixedModel("MathAch ~ SES + (1 | School)").fit(frame))
    unequal = pm.MixedModel(
        "MathAch ~ SES + (1 | School)", reml=False, residual="heteroskedastic:catholic"
    ).fit(frame)
    with pytest.raises(SpecificationError, match="not of heteroskedastic residuals"):
        pm.snijders_bosker(null, unequal)
    slopes = pm.MixedModel("MathAch ~ SES + (1 + SES | School)", reml=False).fit(frame)
    with pytest.raises(SpecificationError, match="one random intercept"):
        pm.snijders_bosker(null, slopes)
    with pytest.raises(SpecificationError, match="same rows"):
        pm.snijders_bosker(null, pm.MixedModel("SES ~ 1 + (1 | School)").fit(frame))


def test_icc_by_the_delta_method() -> None:
    result = pm.MixedModel("MathAch ~ 1 + (1 | School)").fit(hsb())
    row = result.icc_table().loc["School"]
    assert row["icc"] == row["correlation"] == pytest.approx(result.icc()["School"])
    # Derivatives of tau / (tau + s2) by differences, on the reported covariance.
    errors = result.random._errors()
    assert errors is not None
    values = np.array([result.sigma2, result.random.parts[0].cov[0, 0]])

    def icc(v: np.ndarray) -> float:
        return float(v[1] / v.sum())

    slope = np.array([(icc(values + h) - icc(values - h)) / 2e-4 for h in 1e-4 * np.eye(2)])
    assert row["std_error"] == pytest.approx(np.sqrt(slope @ errors.joint @ slope), rel=1e-6)

    def logit(p: float) -> float:
        return float(np.log(p / (1 - p)))

    assert logit(row["conf_low"]) + logit(row["conf_high"]) == pytest.approx(2 * logit(row["icc"]))
    narrow = result.icc_table(0.5).loc["School"]
    assert row["conf_low"] < narrow["conf_low"] < row["icc"] < narrow["conf_high"]


def test_icc_against_the_scale_of_balanced_anova() -> None:
    """With n rows each, F scales as one plus n icc / (1 - icc) times an F distribution."""
    random = np.random.RandomState(0)
    groups, n = 400, 10
    unit = np.repeat(np.arange(groups), n)
    y = random.normal(size=groups)[unit] + random.normal(size=groups * n)
    result = pm.MixedModel("y ~ 1 + (1 | g)").fit(pd.DataFrame({"y": y, "g": unit}))
    row = result.icc_table().loc["g"]
    rho = row["icc"]
    # Fisher (1925): large-sample standard error in balanced data.
    expected = np.sqrt(2) * (1 - rho) * (1 + (n - 1) * rho) / np.sqrt(n * (n - 1) * (groups - 1))
    assert row["std_error"] == pytest.approx(expected, rel=5e-3)


def test_icc_of_nested_levels() -> None:
    result = pm.MixedModel("strength ~ 1 + (1 | batch/cask)").fit(pastes())
    table, shares = result.icc_table(), result.icc()
    assert table.loc["batch:cask", "correlation"] == pytest.approx(shares.sum())
    assert table.loc["batch", "correlation"] == pytest.approx(shares["batch"])
    assert (table["conf_low"] < table["icc"]).all()
    assert (table["icc"] < table["conf_high"]).all()


def test_a_zero_variance_has_no_interval() -> None:
    from tests.mixed.mixed_data import dyestuff2

    row = pm.MixedModel("Yield ~ 1 + (1 | Batch)").fit(dyestuff2()).icc_table().loc["Batch"]
    assert row["icc"] == 0 and row[["std_error", "conf_low", "conf_high"]].isna().all()


def test_variance_function() -> None:
    result = pm.MixedModel("distance ~ age * male + (1 + age | Subject)").fit(orthodont())
    ages = pd.DataFrame({"age": [8.0, 11.0, np.nan, 14.0]}, index=list("abcd"))
    found = result.variance_at(ages)
    assert list(found.columns) == ["age", "Subject", "residual", "total"]
    assert list(found.index) == list("abcd")
    d = result.random.parts[0].cov
    between = d[0, 0] + 2 * d[0, 1] * ages["age"] + d[1, 1] * ages["age"] ** 2
    np.testing.assert_allclose(found["Subject"], between, rtol=1e-9)
    np.testing.assert_allclose(found["total"], between + result.sigma2, rtol=1e-9)
    pd.testing.assert_frame_equal(
        result.variance_at({"age": [8.0, 11.0]}), found.iloc[:2].reset_index(drop=True)
    )


def test_variance_function_where_the_residual_variance_differs() -> None:
    frame = orthodont().assign(sex=lambda d: np.where(d["male"] == 1, "M", "F"))
    formula = "distance ~ age * male + (1 + age | Subject)"
    result = pm.MixedModel(formula, residual="heteroskedastic:sex").fit(frame)
    found = result.variance_at({"age": [8.0, 8.0], "sex": ["F", "M"]})
    table = result.residual_structure().set_index("group")["estimate"]
    np.testing.assert_allclose(found["residual"], table[["F", "M"]] ** 2, rtol=1e-9)
    np.testing.assert_allclose(found["total"], found["Subject"] + found["residual"], rtol=1e-12)
    with pytest.raises(UnknownNameError, match="sex"):
        result.variance_at({"age": [8.0]})
    graded = pm.MixedModel(formula, residual=pm.residual.Heteroskedastic(covariates="age")).fit(
        frame
    )
    found = graded.variance_at({"age": [8.0, 9.0]})["residual"]
    slope = graded.residual_structure().set_index("parameter")["estimate"]["log_sd"]
    assert np.log(found[1] / found[0]) == pytest.approx(2 * slope, rel=1e-9)
    every = graded.variance_at(frame[["age"]])["residual"]
    assert every.mean() == pytest.approx(graded.residual.mean * graded.sigma2, rel=1e-9)


def test_variance_function_of_transformed_terms_and_factors() -> None:
    random = np.random.RandomState(1)
    n = 2000
    a, b = random.randint(0, 40, n), random.randint(0, 30, n)
    x, kind = random.uniform(1, 9, n), random.choice(["p", "q"], n)
    lift, slope = random.normal(size=(30, 2))[b, (kind == "q") * 1], random.normal(size=40)[a]
    y = random.normal(size=40)[a] + slope * np.log(x) + lift + random.normal(size=n)
    frame = pd.DataFrame({"y": y, "x": x, "kind": kind, "a": a, "b": b})
    result = pm.MixedModel("y ~ x + (1 + np.log(x) || a) + (0 + C(kind) | b)").fit(frame)
    found = result.variance_at({"x": [2.0, 8.0], "kind": ["q", "p"]})
    parts = {part.name: part.cov for part in result.random.parts}
    d, e = parts["a"], parts["b"]
    np.testing.assert_allclose(found["a"], d[0, 0] + d[1, 1] * np.log([2, 8]) ** 2, rtol=1e-9)
    np.testing.assert_allclose(found["b"], [e[1, 1], e[0, 0]], rtol=1e-9)


def test_deviations_shrink_with_rows() -> None:
    frame = sleepstudy().iloc[:-6]
    table = pm.MixedModel("Reaction ~ Days + (1 | Subject)").fit(frame)
    spread = table.random_effects(sd=True)["Subject"]["sd(Intercept)"]
    tau = table.random.parts[0].cov[0, 0]
    rows = frame["Subject"].value_counts().reindex(spread.index)
    expected = np.sqrt(tau / (1 + rows * tau / table.sigma2))
    np.testing.assert_allclose(spread, expected, rtol=1e-9)


def test_a_pickle_keeps_its_variances_and_not_its_rows() -> None:
    import pickle

    result: Any = pm.MixedModel("distance ~ age + (1 + age | Subject)").fit(orthodont())
    again = pickle.loads(pickle.dumps(result))
    pd.testing.assert_frame_equal(
        again.variance_at({"age": [8.0]}), result.variance_at({"age": [8.0]})
    )
    with pytest.raises(DetachedResultError):
        _ = again.rsquared_marginal
