"""Mean responses: derivatives against differences, averages against integrals."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import norm

from panelml._typing import FloatArray
from panelml.core.differentiation import derivative
from panelml.core.links import CLOGLOG, IDENTITY, LOG, LOGIT, PROBIT, Link
from panelml.core.responses import (
    Averaged,
    CategoryResponse,
    CensoredResponse,
    LinkResponse,
    Response,
)

LINKS = [IDENTITY, LOG, LOGIT, PROBIT, CLOGLOG]
INDEX = np.array([-4.0, -1.3, 0.0, 0.4, 2.5])
NONE = np.zeros(0)


def check(response: Response, auxiliary: FloatArray) -> None:
    found = response.values(INDEX, auxiliary)
    value = derivative(lambda h: response.values(INDEX + h, auxiliary).value, 0.25)
    first = derivative(lambda h: response.values(INDEX + h, auxiliary).first, 0.25)
    assert np.allclose(found.first, value, rtol=1e-9, atol=1e-11)
    assert np.allclose(found.second, first, rtol=1e-9, atol=1e-11)
    for j in range(auxiliary.size):
        unit = np.eye(auxiliary.size)[j]
        by = derivative(lambda h, u=unit: response.values(INDEX, auxiliary + h * u).value, 0.25)
        mixed = derivative(lambda h, u=unit: response.values(INDEX, auxiliary + h * u).first, 0.25)
        assert np.allclose(found.auxiliary[:, j], by, rtol=1e-9, atol=1e-11)
        assert np.allclose(found.mixed[:, j], mixed, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("link", LINKS, ids=lambda link: link.name)
def test_derivatives_of_responses(link: Link) -> None:
    check(LinkResponse(link), NONE)
    check(Averaged(LinkResponse(link)), np.array([0.8]))


@pytest.mark.parametrize("link", LINKS, ids=lambda link: link.name)
@pytest.mark.parametrize("scale", [0.0, 0.5, 1.7, 6.0])
def test_averages_over_a_normal_effect(link: Link, scale: float) -> None:
    response = LinkResponse(link)
    found = Averaged(response).values(INDEX, np.array([scale])).value[0]
    for index, value in zip(INDEX, found, strict=True):

        def mean(u: float, start: float = index) -> float:
            at = np.array([start + scale * u])
            return float(response.values(at, NONE).value[0, 0] * norm.pdf(u))

        assert value == pytest.approx(
            quad(mean, -12, 16, epsabs=1e-14, epsrel=1e-12, limit=400)[0], rel=1e-10
        )


def test_derivatives_of_categories_and_of_censored_outcomes() -> None:
    for link in (LOGIT, PROBIT, CLOGLOG):
        response = CategoryResponse(link, ("a", "b", "c"))
        check(response, np.array([-0.4, 0.9]))
        values = response.values(INDEX, np.array([-0.4, 0.9]))
        assert np.allclose(values.value.sum(axis=0), 1, rtol=1e-14)
        assert np.allclose(values.value[0], link.inverse(-0.4 - INDEX), rtol=1e-14)
    for limits in ((0.0, np.inf), (-np.inf, 1.0), (-0.5, 1.5)):
        for at_limit in (False, True):
            check(CensoredResponse(*limits, at_limit), np.array([1.3]))


def test_no_response_overflows_far_out() -> None:
    far = np.array([-800.0, 800.0])
    for link in LINKS[2:]:
        found = LinkResponse(link).values(far, NONE)
        assert np.array_equal(found.value[0], [0, 1])
        assert np.array_equal(found.first[0], [0, 0])
        assert np.array_equal(found.second[0], [0, 0])
