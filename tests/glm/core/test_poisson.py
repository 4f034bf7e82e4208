from __future__ import annotations

import numpy as np
from scipy.special import gammaln
from scipy.stats import multinomial, poisson

from panelml.core.pair import pairwise_sum
from panelml.glm.core.poisson import OutcomeSums, PoissonSums, of_counts, unit_constants
from tests.core.blocks import block_of

Y = np.array([0.0, 3.0, 1.0, 7.0, 2.0, 0.0])
INDEX = np.array([-1.0, 0.5, 0.2, 1.7, 0.9, -0.3])
OFFSET = np.array([0.1, -0.2, 0.3, 0.0, 0.5, -0.1])


def test_the_loglikelihood_has_all_constants() -> None:
    weights = np.array([1.0, 2.0, 1.0, 1.0, 3.0, 1.0])
    sums = PoissonSums.of(Y, weights, INDEX, OFFSET)
    assert np.isclose(sums.loglik, weights @ poisson.logpmf(Y, np.exp(INDEX)), rtol=1e-13)
    best = weights @ poisson.logpmf(Y, np.maximum(Y, 1e-300))
    assert np.isclose(sums.deviance, 2 * (best - sums.loglik), rtol=1e-12)


def test_the_constant_alone_has_its_best_mean() -> None:
    sums = PoissonSums.of(Y, np.ones(6), INDEX, OFFSET)
    levels = np.linspace(-2, 2, 4001)
    best = max(poisson.logpmf(Y, np.exp(OFFSET + level)).sum() for level in levels)
    assert 0 <= sums.null_loglik - best < 1e-5


def test_sums_of_parts_are_those_of_the_whole() -> None:
    parts = [
        PoissonSums.of(*(a[s] for a in (Y, np.ones(6), INDEX, OFFSET)))
        for s in (slice(0, 2), slice(2, 3), slice(3, 6))
    ]
    whole, joined = PoissonSums.of(Y, np.ones(6), INDEX, OFFSET), pairwise_sum(parts)
    assert np.isclose(joined.loglik, whole.loglik, rtol=1e-14)
    assert np.isclose(joined.null_loglik, whole.null_loglik, rtol=1e-14)
    assert np.isclose(joined.deviance, whole.deviance, rtol=1e-14)


def test_a_row_at_its_own_mean_has_no_deviance() -> None:
    y = np.array([1.0, 4.0, 0.25])
    nothing = np.zeros(3)
    assert abs(PoissonSums.of(y, np.ones(3), np.log(y), nothing).deviance) < 1e-14
    alone = PoissonSums.of(np.zeros(1), np.ones(1), np.zeros(1), np.zeros(1))
    assert np.isclose(alone.deviance, 2)


def test_functions_of_counts_have_the_same_bits_however_often_they_are_evaluated() -> None:
    for y in (Y, Y[::-1], Y + 0.5, Y * 1e6, Y - 1, np.zeros(2), np.zeros(0)):
        assert np.array_equal(of_counts(np.cbrt, y), np.cbrt(y))


def test_sums_of_the_outcome_bound_the_likelihood_and_the_regressors() -> None:
    block = block_of([2, 4]).with_z(np.stack([Y, INDEX, OFFSET]))
    sums = OutcomeSums.of(block)
    assert (sums.weight, sums.outcome) == (6.0, Y.sum())
    best = poisson.logpmf(Y, np.maximum(Y, 1e-300)) + gammaln(Y + 1)
    assert np.isclose(sums.saturated, best.sum(), rtol=1e-13)
    assert np.array_equal(sums.spans, [1.7, 0.5])


def test_given_its_total_a_unit_is_multinomial() -> None:
    starts = np.array([0, 3, 6])
    total = np.add.reduceat(Y, starts[:-1])
    mean = np.exp(INDEX)
    mean *= np.repeat(total / np.add.reduceat(mean, starts[:-1]), 3)
    conditional = poisson.logpmf(Y, mean).sum() - unit_constants(Y, np.ones(6), starts).sum()
    shares = mean / np.repeat(total, 3)
    parts = [multinomial.logpmf(Y[s], Y[s].sum(), shares[s]) for s in (slice(0, 3), slice(3, 6))]
    assert np.isclose(conditional, sum(parts), rtol=1e-12)
