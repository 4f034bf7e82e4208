"""Poisson regression against R's glm with dummies, and fixest."""

from __future__ import annotations

from typing import Any

import pytest

import panelml as pm
from tests.glm.count_data import COUNTS
from tests.golden import Case, assert_close, load

CASES = load("poisson") + load("poisson_fixest")
COVARIANCES: dict[str, Any] = {
    "CR0": pm.cov.Clustered(small_sample="CR0"),
    "HC0": pm.cov.HC1(small_sample="none"),
}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_poisson_has_the_reference_values(case: Case) -> None:
    frame, unit, time = COUNTS[case.data]
    options = {name: case.spec[name] for name in ("offset", "exposure") if name in case.spec}
    cov = COVARIANCES.get(case.spec["cov"], case.spec["cov"])
    panel = pm.Panel(frame(), unit=unit, time=time)
    fit = pm.Poisson(case.spec["formula"], cov=cov, **options).fit(panel)
    found = {name: measure.value for name, measure in fit.measures.items()}
    found |= {"params": fit.params, "std_errors": fit.std_errors, "nobs": fit.nobs}
    assert_close(found, case.value, case.tolerance)
