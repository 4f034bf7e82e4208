"""Marginal and conditional R-squared, against MuMIn's conventions and by hand."""

from __future__ import annotations

import numpy as np
import pytest

import panelml as pm
from panelml.mixed.results.mixed_results import MixedResults
from tests.golden import Case, load
from tests.mixed.mixed_data import MIXED, orthodont

CASES = load("mixed_effects")


def fit(case: Case) -> MixedResults:
    spec = pm.MixedModel(case.spec["formula"], weights=case.spec.get("weights"))
    return spec.fit(MIXED[case.data]())


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
