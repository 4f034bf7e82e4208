from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import beta, gamma, nbinom, poisson

from panelml.glm.core.unit_totals import (
    BetaNegativeBinomial,
    ConditionalNegativeBinomial,
    PoissonGamma,
    TotalLikelihood,
)

Y = np.array([2.0, 0.0, 5.0, 1.0])
INDEX = np.array([0.3, -0.8, 1.2, 0.1])


def loglik(likelihood: TotalLikelihood, auxiliary: np.ndarray) -> float:
    rows = likelihood.rows(Y, INDEX)
    totals = np.array([np.exp(INDEX).sum()]), np.array([Y.sum()])
    return float(rows.value.sum() + likelihood.units(*totals, auxiliary).value[0])


def test_gamma_effects_are_integrated_out() -> None:
    alpha = 0.4

    def density(effect: float) -> float:
        counts = poisson.pmf(Y, effect * np.exp(INDEX)).prod()
        return float(counts * gamma.pdf(effect, 1 / alpha, scale=alpha))

    expected = np.log(quad(density, 0, np.inf, epsabs=0, epsrel=1e-12)[0])
    assert np.isclose(loglik(PoissonGamma(), np.log([alpha])), expected, rtol=1e-10)


def test_beta_probabilities_are_integrated_out() -> None:
    r, s = 2.5, 1.7

    def density(p: float) -> float:
        return float(nbinom.pmf(Y, np.exp(INDEX), p).prod() * beta.pdf(p, r, s))

    expected = np.log(quad(density, 0, 1, epsabs=0, epsrel=1e-12)[0])
    assert np.isclose(loglik(BetaNegativeBinomial(), np.log([r, s])), expected, rtol=1e-10)


def test_given_the_total_the_probability_of_the_unit_does_not_matter() -> None:
    rate = np.exp(INDEX)
    for p in (0.2, 0.7):
        total = nbinom.logpmf(Y.sum(), rate.sum(), p)
        expected = nbinom.logpmf(Y, rate, p).sum() - total
        found = loglik(ConditionalNegativeBinomial(), np.zeros(0))
        assert np.isclose(found, expected, rtol=1e-12)


def test_without_variance_gamma_effects_are_none() -> None:
    expected = poisson.logpmf(Y, np.exp(INDEX)).sum()
    for alpha in (1e-8, 1e-12):
        assert np.isclose(
            loglik(PoissonGamma(), np.log([alpha])), expected, rtol=2e-6 * alpha**0.25
        )


@pytest.mark.parametrize(
    "likelihood", [PoissonGamma(), ConditionalNegativeBinomial(), BetaNegativeBinomial()]
)
def test_derivatives_are_those_of_the_value(likelihood: TotalLikelihood) -> None:
    step, size = 1e-6, 1 + len(likelihood.auxiliary)
    place = np.array([3.1, 0.4, -0.3])[:size]
    total = np.array([7.0])

    def part(where: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
        found = likelihood.units(where[:1], total, where[1:])
        return float(found.value[0]), found.first[:, 0], found.second[:, :, 0]

    ends = [(part(place + e), part(place - e)) for e in step * np.eye(size)]
    first = [(a[0] - b[0]) / (2 * step) for a, b in ends]
    second = [(a[1] - b[1]) / (2 * step) for a, b in ends]
    assert np.allclose(part(place)[1], first, rtol=1e-7, atol=1e-8)
    assert np.allclose(part(place)[2], second, rtol=1e-7, atol=1e-8)
    high, low = (likelihood.rows(Y, INDEX + e) for e in (step, -step))
    rows = likelihood.rows(Y, INDEX)
    assert np.allclose(rows.first, (high.value - low.value) / (2 * step), rtol=1e-7)
    assert np.allclose(rows.second, (high.first - low.first) / (2 * step), rtol=1e-7, atol=1e-8)
