"""Standard errors of predictions against dense matrices of all rows."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import linalg

import panelml as pm
from panelml._typing import FloatArray
from panelml.errors import SpecificationError, UnknownNameError
from panelml.mixed.results.mixed_results import MixedResults
from tests.mixed.mixed_data import orthodont, sleepstudy


def unbalanced() -> pd.DataFrame:
    return sleepstudy().iloc[[i for i in range(180) if i % 7 and i % 11 < 8]].reset_index(drop=True)


def fit(weights: str | None = None, **options: Any) -> MixedResults:
    formula = "Reaction ~ Days + (1 + Days | Subject)"
    return pm.MixedModel(formula, weights=weights, **options).fit(unbalanced())


def dense(
    result: MixedResults, weights: FloatArray, days: FloatArray, who: FloatArray
) -> FloatArray:
    """Variances of x' beta + z' b less its prediction, which is a linear function of y."""
    frame, t = unbalanced(), result.random.parts[0].cov
    x = np.column_stack([np.ones(len(frame)), frame["Days"]])
    mine = frame["Subject"].to_numpy()
    same = mine[:, None] == mine
    v = np.where(same, x @ t @ x.T, 0.0) + np.diag(result.sigma2 / weights)
    new = np.column_stack([np.ones(days.size), days])
    inverse = linalg.inv(v)
    gls = linalg.solve(x.T @ inverse @ x, x.T @ inverse)
    with_unit = np.where(who[:, None] == mine, new @ t @ x.T, 0.0)
    predictor = new @ gls + with_unit @ inverse @ (np.eye(len(frame)) - x @ gls)
    both = predictor @ v @ predictor.T - 2 * predictor @ with_unit.T + new @ t @ new.T
    return np.diag(both)


@pytest.mark.parametrize("weights", [None, "w"])
@pytest.mark.parametrize("reml", [True, False])
def test_errors_of_conditional_predictions(weights: str | None, reml: bool) -> None:
    result = fit(weights, reml=reml)
    frame = unbalanced()
    found = result.predict_interval(kind="conditional")
    w = np.ones(len(frame)) if weights is None else (frame["w"] / frame["w"].mean()).to_numpy()
    days, who = frame["Days"].to_numpy(np.float64), frame["Subject"].to_numpy()
    expected = dense(result, w, days, who)
    np.testing.assert_allclose(found["std_error"] ** 2, expected, rtol=1e-8)
    np.testing.assert_allclose(found["prediction"], result.predict(effects=True), rtol=1e-12)
    half = 1.959963984540054 * np.sqrt(expected)
    np.testing.assert_allclose(found["conf_high"] - found["prediction"], half, rtol=1e-8)
    wide = 1.959963984540054 * np.sqrt(expected + result.sigma2)
    np.testing.assert_allclose(found["prediction"] - found["pred_low"], wide, rtol=1e-8)


def test_errors_on_new_rows_of_units_known_and_unknown() -> None:
    result = fit()
    new = pd.DataFrame({"Subject": [335, 1, 308], "Days": [12.0, 3.0, -1.0]}, index=list("abc"))
    who, days = new["Subject"].to_numpy(), new["Days"].to_numpy()
    expected = dense(result, np.ones(len(unbalanced())), days, who)
    conditional = result.predict_interval(new, kind="conditional")
    assert list(conditional.index) == list("abc")
    assert conditional.loc["b"].isna().all()
    known = conditional.loc[["a", "c"], "std_error"] ** 2
    np.testing.assert_allclose(known, expected[[0, 2]], rtol=1e-8)
    # The dense formula of a unit without rows is that of a new one.
    fresh = result.predict_interval(new, kind="new")
    assert fresh.loc["b", "std_error"] ** 2 == pytest.approx(expected[1], rel=1e-8)


def test_errors_of_the_mean_and_of_new_units() -> None:
    result = fit().with_cov("cluster")
    assert isinstance(result, MixedResults)
    new = pd.DataFrame({"Days": [0.0, 4.0, 9.0], "Subject": [308, 308, 1]})
    x = np.column_stack([np.ones(3), new["Days"]])
    error = np.diag(x @ result.cov.to_numpy() @ x.T)
    random = np.diag(x @ result.random.parts[0].cov @ x.T)
    marginal = result.predict_interval(new)
    np.testing.assert_allclose(marginal["std_error"], np.sqrt(error), rtol=1e-9)
    fresh = result.predict_interval(new, kind="new", level=0.5)
    np.testing.assert_allclose(fresh["std_error"], np.sqrt(error + random), rtol=1e-9)
    wide = 0.6744897501960817 * np.sqrt(error + random + result.sigma2)
    np.testing.assert_allclose(fresh["pred_high"] - fresh["prediction"], wide, rtol=1e-8)
    same = result.predict_interval(new, kind="marginal", level=0.5)
    np.testing.assert_allclose(same["pred_high"], fresh["pred_high"], rtol=1e-10)


def test_rows_outside_the_sample_and_dropped_regressors() -> None:
    frame = unbalanced().assign(twice=lambda d: 2 * d["Days"])
    frame.loc[[4, 40], "Reaction"] = np.nan
    formula = "Reaction ~ Days + twice + (1 + Days | Subject)"
    result = pm.MixedModel(formula).fit(frame)
    plain = pm.MixedModel("Reaction ~ Days + (1 + Days | Subject)").fit(frame.dropna())
    for kind in ("marginal", "conditional", "new"):
        found = result.predict_interval(kind=kind)  # type: ignore[arg-type]
        expected = plain.predict_interval(frame, kind=kind)  # type: ignore[arg-type]
        assert found["std_error"].notna().all()
        np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_intervals_hold_as_often_as_they_say() -> None:
    random = np.random.RandomState(3)
    units, periods = 2000, 4
    unit = np.repeat(np.arange(units), periods)
    x = random.normal(size=unit.size)
    b = random.normal(size=(2, units))[:, unit]
    y = 1 + x + b[0] + b[1] * x + random.normal(size=unit.size)
    frame = pd.DataFrame({"y": y, "x": x, "unit": unit})
    result = pm.MixedModel("y ~ x + (1 + x | unit)").fit(frame)
    table = result.predict_interval(kind="conditional", level=0.9)
    truth = 1 + x + b[0] + b[1] * x
    assert ((table["conf_low"] < truth) & (truth < table["conf_high"])).mean() == pytest.approx(
        0.9, abs=0.015
    )
    again = 1 + x + b[0] + b[1] * x + random.normal(size=unit.size)
    assert ((table["pred_low"] < again) & (again < table["pred_high"])).mean() == pytest.approx(
        0.9, abs=0.015
    )


def test_several_factors() -> None:
    result = pm.MixedModel("Reaction ~ Days + (1 | Subject) + (1 | Days)").fit(sleepstudy())
    new = pd.DataFrame({"Days": [2.0], "Subject": [308]})
    x = np.array([1.0, 2.0])
    error = x @ result.cov.to_numpy() @ x
    assert result.predict_interval(new)["std_error"].iloc[0] == pytest.approx(error**0.5, rel=1e-9)
    taus = sum(float(part.cov[0, 0]) for part in result.random.parts)
    fresh = result.predict_interval(new, kind="new")["std_error"].iloc[0]
    assert fresh == pytest.approx((error + taus) ** 0.5, rel=1e-9)
    with pytest.raises(SpecificationError, match="needs one grouping factor"):
        result.predict_interval(kind="conditional")


def test_refusals() -> None:
    result = pm.MixedModel("distance ~ age + (1 + age | Subject)").fit(orthodont())
    with pytest.raises(SpecificationError, match=r"kind is not 'marginl'.*'marginal'"):
        result.predict_interval(kind="marginl")  # type: ignore[arg-type]
    with pytest.raises(SpecificationError, match="level must lie between 0 and 1"):
        result.predict_interval(level=95)
    with pytest.raises(UnknownNameError, match="Subject"):
        result.predict_interval(pd.DataFrame({"age": [8.0]}), kind="conditional")
    panel = pm.Panel(sleepstudy(), unit="Subject", time="Days")
    serial = pm.MixedModel("Reaction ~ Days + (1 | Subject)", residual="ar1").fit(panel)
    with pytest.raises(SpecificationError, match="independent residuals"):
        serial.rsquared_decomposition()


@pytest.mark.parametrize("residual", [None, "heteroskedastic:Early"])
def test_rows_without_an_outcome_are_predicted_as_new_ones(residual: str | None) -> None:
    frame = sleepstudy().assign(Early=lambda rows: (rows["Days"] < 5).map({True: "a", False: "b"}))
    frame.loc[[3, 17], "Reaction"] = np.nan
    result = pm.MixedModel("Reaction ~ Days + (1 + Days | Subject)", residual=residual).fit(frame)
    table = result.predict_interval(kind="conditional")
    assert table.notna().all(axis=None)
    new = result.predict_interval(frame, kind="conditional")
    pd.testing.assert_frame_equal(table.loc[[3, 17]], new.loc[[3, 17]])
