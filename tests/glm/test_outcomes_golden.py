"""Pooled models of outcomes that are not continuous against R: glm, ordinal, survival, MASS."""

from __future__ import annotations

from typing import Any

import pytest

import panelml as pm
from tests.glm.outcome_data import OUTCOMES
from tests.golden import Case, assert_close, load

COVARIANCES: dict[str, Any] = {"iid": "iid", "CR0": pm.cov.Clustered(small_sample="CR0")}


@pytest.mark.parametrize("case", load("outcomes"), ids=lambda case: case.id)
def test_pooled_models_have_the_reference_values(case: Case) -> None:
    frame, unit, time = OUTCOMES[case.data]
    spec = {**case.spec, "cov": COVARIANCES[case.spec["cov"]]}
    estimator, formula = getattr(pm, spec.pop("estimator")), spec.pop("formula")
    fit = estimator(formula, **spec).fit(pm.Panel(frame(), unit=unit, time=time))
    found = {"params": fit.params, "std_errors": fit.std_errors, "nobs": fit.nobs}
    assert list(fit.params.index) == list(case.value["params"])
    assert_close({**found, "loglik": fit.loglik}, case.value, case.tolerance)
