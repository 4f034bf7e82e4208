"""Tables of variances and intraclass correlations: their errors and intervals."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import panelml as pm
from tests.mixed.mixed_data import crossed, hsb, pastes


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


def test_icc_of_several_levels_by_differences() -> None:
    result = pm.MixedModel("y ~ x + (1 | subject) + (1 | item)").fit(crossed())
    table = result.icc_table()
    errors = result.random._errors()
    assert errors is not None
    at = np.array([result.sigma2, *(part.cov[0, 0] for part in result.random.parts)])
    places = [0, *(1 + 3 * int(part.random[0]) for part in result.random.parts)]
    joint = errors.joint[np.ix_(places, places)]
    for j, part in enumerate(result.random.parts, start=1):
        share = [
            ((at + h)[j] / (at + h).sum() - (at - h)[j] / (at - h).sum()) / 2e-5
            for h in 1e-5 * np.eye(3)
        ]
        expected = np.sqrt(np.array(share) @ joint @ np.array(share))
        assert table.loc[part.name, "std_error"] == pytest.approx(expected, rel=1e-6)
