"""Variance functions: where random slopes and residual variances make the variance differ."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import panelml as pm
from panelml.errors import UnknownNameError
from tests.mixed.mixed_data import orthodont


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
