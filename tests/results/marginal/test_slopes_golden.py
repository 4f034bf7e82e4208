"""Average marginal effects against R: changed data, and the delta method with all dummies."""

from __future__ import annotations

from typing import Any

import pytest

import panelml as pm
from tests.glm.count_data import COUNTS
from tests.golden import Case, assert_close, load
from tests.panels import PANELS

CASES = [case for case in load("slopes") if hasattr(pm, case.spec["estimator"])]
COVARIANCES: dict[str, Any] = {
    "CR0": pm.cov.Clustered(small_sample="CR0"),
    "HC0": pm.cov.HC1(small_sample="none"),
}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_slopes_have_the_reference_values(case: Case) -> None:
    frame, unit, time = {**PANELS, **COUNTS}[case.data]
    options = {name: case.spec[name] for name in ("offset",) if name in case.spec}
    cov = COVARIANCES.get(case.spec["cov"], case.spec["cov"])
    panel = pm.Panel(frame(), unit=unit, time=time)
    fit = getattr(pm, case.spec["estimator"])(case.spec["formula"], cov=cov, **options).fit(panel)
    found = pm.slopes(fit, covariates=case.spec["covariates"])
    value = {"params": found.params, "std_errors": found.std_errors}
    assert_close(value, case.value, case.tolerance)
