"""Counts with unit effects in closed form, against base R, pglm and Stata's manual."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import panelml as pm
from tests.glm.count_data import COUNTS
from tests.golden import Case, assert_close, load


def fitted(case: Case) -> Any:
    frame, unit, time = COUNTS[case.data]
    spec = dict(case.spec)
    estimator, formula = getattr(pm, spec.pop("estimator")), spec.pop("formula")
    return estimator(formula, **spec).fit(pm.Panel(frame(), unit=unit, time=time))


@pytest.mark.parametrize("case", load("count_totals"), ids=lambda case: case.id)
def test_models_of_totals_have_the_reference_values(case: Case) -> None:
    fit = fitted(case)
    found = {"params": fit.params, "std_errors": fit.std_errors, "loglik": fit.loglik}
    assert list(fit.params.index) == list(case.value["params"])
    assert_close(found, case.value, case.tolerance)


@pytest.mark.parametrize("case", load("count_totals_pglm"), ids=lambda case: case.id)
def test_models_of_totals_are_those_of_pglm(case: Case) -> None:
    fit = fitted(case)
    found: dict[str, Any] = {"loglik": fit.loglik}
    found["params"], found["std_errors"] = dict(fit.params), dict(fit.std_errors)
    if "alpha" in fit.params:
        # pglm's sigma is delta, one over the variance.
        found["params"]["delta"] = 1 / fit.params["alpha"]
        found["std_errors"]["delta"] = fit.std_errors["alpha"] / fit.params["alpha"] ** 2
    assert_close(found, case.value, case.tolerance)


def test_ships_have_the_values_that_stata_prints() -> None:
    """Stata's manual, xtpoisson, example 2: ``xtpoisson, re`` with incidence-rate ratios."""
    frame, unit, time = COUNTS["ships"]
    formula = "accident ~ op + `co.65.69` + `co.70.74` + `co.75.79`"
    spec = pm.Poisson(formula, effects="gamma", exposure="service", cov="iid")
    fit = spec.fit(pm.Panel(frame(), unit=unit, time=time))
    ratios = np.exp(fit.params.to_numpy()[1:5])
    assert np.allclose(ratios, [1.466305, 2.032543, 2.356853, 1.641913], atol=6e-7)
    errors = ratios * fit.std_errors.to_numpy()[1:5]
    assert np.allclose(errors, [0.1734005, 0.304083, 0.3999259, 0.3811398], atol=6e-8)
    assert np.isclose(np.log(fit.params["alpha"]), -2.368406, atol=6e-7)
    assert np.isclose(fit.std_errors["alpha"] / fit.params["alpha"], 0.8474597, atol=6e-8)
    assert np.isclose(fit.params["alpha"], 0.0936298, atol=6e-8)
    assert np.isclose(fit.loglik, -74.811217, atol=6e-7)
    assert np.isclose(fit.extras["lr_alpha"], 10.61, atol=5e-3)
