"""The decomposition of variance of mixed models against its definitions."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import panelml as pm
from panelml.errors import SpecificationError
from panelml.mixed.results.mixed_results import MixedResults
from tests.mixed.mixed_data import hsb, orthodont, sleepstudy


def published(
    frame: pd.DataFrame, fit: MixedResults, within: list[str], between: list[str]
) -> dict[str, float]:
    """Rights and Sterba (2019), appendix: quadratic forms in covariances of the regressors."""
    t, s2 = fit.random.parts[0].cov, fit.sigma2
    gw, gb = fit.params[within].to_numpy(), fit.params[between].to_numpy()
    random = np.column_stack([np.ones(len(frame)), frame[["cses"]]])
    f1 = float(gw @ np.atleast_2d(np.cov(frame[within].T)) @ gw)
    f2 = float(gb @ np.atleast_2d(np.cov(frame[between].T)) @ gb)
    v, m = float(np.trace(t @ np.cov(random.T))), float(random.mean(0) @ t @ random.mean(0))
    return {"f1": f1, "f2": f2, "v": v, "m": m, "residual": s2}


def pupils() -> pd.DataFrame:
    frame = hsb()
    school = frame.groupby("School")["SES"]
    return frame.assign(
        cses=frame["SES"] - school.transform("mean"),
        mean=school.transform("mean"),
        product=lambda d: d["cses"] * d["catholic"],
    )


def test_measures_of_rights_and_sterba_where_regressors_are_centred() -> None:
    frame = pupils()
    formula = "MathAch ~ cses + mean + catholic + product + (1 + cses | School)"
    fit = pm.MixedModel(formula).fit(frame)
    table = fit.rsquared_decomposition()
    value = published(frame, fit, ["cses", "product"], ["mean", "catholic"])
    total = sum(value.values())
    inner = value["f1"] + value["v"] + value["residual"]
    outer = value["f2"] + value["m"]
    for name, part in value.items():
        assert table.loc[name, "total"] == pytest.approx(part / total, rel=1e-9)
    for name in ("f1", "v", "residual"):
        assert table.loc[name, "within"] == pytest.approx(value[name] / inner, rel=1e-9)
    for name in ("f2", "m"):
        assert table.loc[name, "between"] == pytest.approx(value[name] / outer, rel=1e-9)
    assert table.loc[["f1", "residual"], "between"].isna().all()
    assert table.loc[["f2", "m"], "within"].isna().all()
    assert table.loc["v", "between"] == pytest.approx(0, abs=1e-12)
    np.testing.assert_allclose(table[["total", "within", "between"]].sum(), 1)


def test_regressors_that_are_not_centred_are_divided() -> None:
    frame = pupils()
    fit = pm.MixedModel("MathAch ~ SES * catholic + (1 + SES | School)").fit(frame)
    table = fit.rsquared_decomposition()
    xb = fit.predict()
    means = xb.groupby(frame["School"]).transform("mean")
    t = fit.random.parts[0].cov
    v_within, v_between = (t[1, 1] * frame[name].var() for name in ("cses", "mean"))
    first = np.array([1.0, frame["SES"].mean()])
    parts = {
        "f1": (xb - means).var(),
        "f2": means.var(),
        "v": v_within + v_between,
        "m": first @ t @ first,
        "residual": fit.sigma2,
    }
    total = sum(parts.values())
    for name, part in parts.items():
        assert table.loc[name, "total"] == pytest.approx(part / total, rel=1e-9)
    inner = parts["f1"] + v_within + fit.sigma2
    assert table.loc["v", "within"] == pytest.approx(v_within / inner, rel=1e-9)
    outer = parts["f2"] + v_between + parts["m"]
    assert table.loc["v", "between"] == pytest.approx(v_between / outer, rel=1e-9)


def test_sums_are_the_marginal_and_conditional_shares() -> None:
    fit = pm.MixedModel("distance ~ age * male + (1 + age | Subject)").fit(orthodont())
    total = fit.rsquared_decomposition()["total"]
    # Theirs divide by n - 1 where Johnson's mean of z' T z divides by n.
    assert total[["f1", "f2"]].sum() == pytest.approx(fit.rsquared_marginal, rel=1e-3)
    assert 1 - total["residual"] == pytest.approx(fit.rsquared_conditional, rel=1e-3)
    late = orthodont().assign(age=lambda d: 12 * d["age"] - 100)
    moved = pm.MixedModel("distance ~ age * male + (1 + age | Subject)").fit(late)
    np.testing.assert_allclose(moved.rsquared_decomposition()["total"], total, rtol=1e-6)


def test_hybrid_models_split_by_themselves() -> None:
    frame = pupils()
    formula = "MathAch ~ cses + mean + (1 + cses | School)"
    by_hand = pm.MixedModel(formula).fit(frame).rsquared_decomposition()
    found = pm.Hybrid("MathAch ~ SES", random="1 + SES | School").fit(frame)
    assert isinstance(found, MixedResults)
    columns = ["total", "within", "between"]
    np.testing.assert_allclose(
        found.rsquared_decomposition()[columns], by_hand[columns], rtol=1e-6, atol=1e-12
    )


def test_refusals() -> None:
    frame = sleepstudy().assign(half=lambda d: d["Days"] % 2)
    crossed = pm.MixedModel("Reaction ~ Days + (1 | Subject) + (1 | Days)").fit(frame)
    with pytest.raises(SpecificationError, match="one grouping factor; here are Subject, Days"):
        crossed.rsquared_decomposition()
    weighted = pm.MixedModel("Reaction ~ Days + (1 | Subject)", weights="w").fit(frame)
    with pytest.raises(SpecificationError, match="one residual variance"):
        weighted.rsquared_decomposition()
