"""Generalised mixed models against glmmTMB, lme4 and ordinal."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import panelml as pm
from tests.golden import Case, assert_close, load
from tests.mixed.generalised_data import REPEATED


@pytest.mark.parametrize("case", load("generalised"), ids=lambda case: case.id)
def test_generalised_models_have_the_reference_values(case: Case) -> None:
    frame, _, _ = REPEATED[case.data]
    options: dict[str, Any] = {k: v for k, v in case.spec.items() if k != "formula"}
    fit = pm.MixedModel(case.spec["formula"], **options).fit(frame())
    actual = {
        "params": fit.params,
        "std_errors": fit.std_errors,
        "variances": fit.variance()["variance"].tolist(),
        "loglik": fit.loglik,
    }
    assert_close(actual, case.value, case.tolerance)
    assert fit.converged
    if "loglik" in case.value:
        # Theirs stop before the maximum, by less than the difference.
        assert -1e-9 < fit.loglik - case.value["loglik"] < 1e-7


# Values of an independent implementation with the same nodes, to its printed digits.
UNION = {
    ("logit", 12): (
        [-1.3865573, 0.33545743, 0.12312693, -0.76445519, -0.04527153],
        3.00955,
        -1661.645319,
    ),
    ("logit", 50): (
        [-1.3885418, 0.33551093, 0.12442336, -0.76427950, -0.04535810],
        3.0329438,
        -1661.292766,
    ),
    ("probit", 12): (
        [-0.7266586, 0.18273448, 0.0602845, -0.41787522, -0.02699188],
        1.6979975,
        -1663.128184,
    ),
    ("probit", 50): (
        [-0.7259403, 0.18279663, 0.06051582, -0.41779286, -0.02701173],
        1.7018578,
        -1663.03608,
    ),
}


@pytest.mark.parametrize(("link", "points"), UNION)
def test_union_membership_by_number_of_points(link: Any, points: int) -> None:
    formula = "union ~ married + rur + poorhlth + exper + educ + black + (1 | nr)"
    fit = pm.MixedModel(formula, family="binomial", link=link, points=points).fit(
        REPEATED["union"][0]()
    )
    coef, deviation, loglik = UNION[link, points]
    np.testing.assert_allclose(fit.params.to_numpy()[:5], coef, rtol=3e-7)
    np.testing.assert_allclose(fit.variance()["sd"][0], deviation, rtol=3e-7)
    np.testing.assert_allclose(fit.loglik, loglik, atol=2e-6)


def test_random_slopes_by_product_quadrature() -> None:
    """GLMMadaptive 0.9-1 with 11 points in each of two dimensions."""
    formula = "y ~ lbase * trt + lage + V4 + (1 + V4 | subject)"
    fit = pm.MixedModel(formula, family="poisson", points=11).fit(REPEATED["epil"][0]())
    cov = fit.variance()["variance"].to_numpy()
    np.testing.assert_allclose(cov, [0.2956678585, 0.0573351456, -0.1040324344], rtol=3e-3)
    np.testing.assert_allclose(fit.loglik, -660.6897796, atol=2e-5)
