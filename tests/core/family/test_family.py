"""Log-likelihoods of rows against SciPy's, and each derivative against the one below."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy import stats
from scipy.special import expit, ndtr

from panelml.core.family.binomial import BinomialFamily
from panelml.core.family.censored import CensoredFamily
from panelml.core.family.choice import mean_family
from panelml.core.family.counts import NegativeBinomialFamily, PoissonFamily
from panelml.core.family.family import Family
from panelml.core.family.interval import log_probability
from panelml.core.family.ordered import OrderedFamily, cut_points
from panelml.core.family.outcome import CategoryCodes, CensoredBounds, single
from panelml.core.links import CLOGLOG, LOGIT, PROBIT
from tests.core.blocks import block_of

LINKS = (LOGIT, PROBIT, CLOGLOG)
CUTS = np.array([-0.8, np.log(0.5), np.log(1.7)])
INDEX = np.array([-6.0, -2.5, -1.1, -0.3, 0.2, 0.9, 1.8, 3.0])
YES = np.array([[0.0, 1, 0, 1, 1, 0, 1, 0]])
TRIALS = np.array([[0.0, 1, 2, 3, 4, 5, 6, 0], [3.0, 1, 4, 4, 4, 9, 7, 2]])
COUNTS = np.array([[0.0, 1, 0, 3, 12, 2, 5, 40]])
LEVELS = np.array([[0.0, 1, 2, 3, 3, 2, 1, 0]])
BOUNDS = np.array(
    [[-np.inf, 0.3, -0.4, 1.0, -1.0, 2.0, -np.inf, 4.0], [0.0, 0.3, 0.7, np.inf, -1, 2.5, 5, 4.0]]
)
CASES: list[tuple[str, Family, np.ndarray, np.ndarray]] = [
    *((f"binomial {link.name}", BinomialFamily(link), YES, np.zeros(0)) for link in LINKS),
    *((f"trials {link.name}", BinomialFamily(link), TRIALS, np.zeros(0)) for link in LINKS),
    ("poisson", PoissonFamily(), COUNTS, np.zeros(0)),
    ("negative binomial", NegativeBinomialFamily(), COUNTS, np.array([0.4])),
    ("negative binomial, near Poisson", NegativeBinomialFamily(), COUNTS, np.array([6.0])),
    *((f"ordered {link.name}", OrderedFamily(4, link), LEVELS, CUTS) for link in LINKS),
    ("censored", CensoredFamily(), BOUNDS, np.array([0.3])),
]
IDS = [case[0] for case in CASES]


def expected(family: Any, response: np.ndarray, index: np.ndarray, a: np.ndarray) -> np.ndarray:
    """The same by SciPy's distributions."""
    cdf = {"logit": expit, "probit": ndtr, "cloglog": lambda z: -np.expm1(-np.exp(z))}
    if isinstance(family, BinomialFamily):
        trials = response[1] if len(response) == 2 else np.ones_like(response[0])
        if family.link == CLOGLOG:  # SciPy takes the small probability of a failure from one.
            y, ways = response[0], stats.binom.logpmf(response[0], trials, 0.5)
            p = np.log(-np.expm1(-np.exp(index)))
            return ways + trials * np.log(2) + y * p - (trials - y) * np.exp(index)
        return stats.binom.logpmf(response[0], trials, cdf[family.link.name](index))
    if isinstance(family, PoissonFamily):
        return stats.poisson.logpmf(response[0], np.exp(index))
    if isinstance(family, NegativeBinomialFamily):
        theta = np.exp(a[0])
        return stats.nbinom.logpmf(response[0], theta, theta / (theta + np.exp(index)))
    if isinstance(family, OrderedFamily):
        cuts = np.concatenate([[-np.inf], np.cumsum([a[0], *np.exp(a[1:])]), [np.inf]])
        at = response[0].astype(int)
        with np.errstate(over="ignore"):
            f = cdf[family.link.name]
            return np.log(f(cuts[at + 1] - index) - f(cuts[at] - index))
    normal = stats.norm(index, np.exp(a[0]))
    inside = normal.cdf(response[1]) - normal.cdf(response[0])
    with np.errstate(divide="ignore"):
        return np.where(response[0] == response[1], normal.logpdf(response[0]), np.log(inside))


def slope(values: Any, at: np.ndarray, j: int) -> np.ndarray:
    """Derivative by a five-point stencil of a function of (index, auxiliary) at its entry j."""
    step = 2e-3
    offsets = {-2: 1 / 12, -1: -2 / 3, 1: 2 / 3, 2: -1 / 12}
    total = 0.0
    for k, weight in offsets.items():
        moved = at.copy()
        moved[j] += k * step
        total = total + weight * values(moved)
    return np.asarray(total / step)


@pytest.mark.parametrize(("name", "family", "response", "auxiliary"), CASES, ids=IDS)
def test_loglik_is_that_of_the_distribution(
    name: str, family: Family, response: np.ndarray, auxiliary: np.ndarray
) -> None:
    value = family.loglik(response, INDEX, auxiliary)
    assert np.allclose(value, expected(family, response, INDEX, auxiliary), rtol=1e-9, atol=1e-12)
    assert np.allclose(family.derivatives(response, INDEX, auxiliary, 1).value, value, rtol=1e-14)


@pytest.mark.parametrize(("name", "family", "response", "auxiliary"), CASES, ids=IDS)
def test_each_derivative_is_the_slope_of_the_one_before(
    name: str, family: Family, response: np.ndarray, auxiliary: np.ndarray
) -> None:
    for row, index in enumerate(INDEX):
        one = response[:, [row]]
        at = np.array([index, *auxiliary])

        def order(k: int, moved: np.ndarray, one: np.ndarray = one) -> Any:
            return family.derivatives(one, moved[:1], moved[1:], k)

        exact = order(3, at)
        for j in range(at.size):
            first = slope(lambda z: order(1, z).value[0], at, j)
            assert np.allclose(exact.first[j, 0], first, rtol=2e-8, atol=2e-9)
            second = slope(lambda z: order(2, z).first[:, 0], at, j)
            assert np.allclose(exact.second[:, j, 0], second, rtol=2e-8, atol=2e-9)
            third = slope(lambda z: order(2, z).second[0, 0, 0], at, j)
            assert np.allclose(exact.third[j, 0], third, rtol=2e-8, atol=2e-9)


@pytest.mark.parametrize(("name", "family", "response", "auxiliary"), CASES, ids=IDS)
def test_leading_axes_and_orders_do_not_matter(
    name: str, family: Family, response: np.ndarray, auxiliary: np.ndarray
) -> None:
    points = INDEX + np.array([0.0, -0.7, 1.3])[:, None]
    grid = family.derivatives(response, points, auxiliary, 3)
    m = 1 + auxiliary.size
    assert grid.value.shape == (3, 8) and grid.first.shape == (m, 3, 8)
    assert grid.second.shape == (m, m, 3, 8) and grid.third.shape == (m, 3, 8)
    for q, index in enumerate(points):
        single = family.derivatives(response, index, auxiliary, 3)
        assert np.array_equal(grid.value[q], single.value)
        assert np.array_equal(grid.first[:, q], single.first)
        assert np.array_equal(grid.second[:, :, q], single.second)
        assert np.array_equal(grid.third[:, q], single.third)
    lower = family.derivatives(response, points, auxiliary, 1)
    assert lower.second.size == lower.third.size == 0
    assert np.array_equal(lower.first, grid.first)


@pytest.mark.parametrize(("name", "family", "response", "auxiliary"), CASES, ids=IDS)
def test_extreme_indices_give_numbers(
    name: str, family: Family, response: np.ndarray, auxiliary: np.ndarray
) -> None:
    for far in (-600.0, -40.0, 40.0, 600.0):
        found = family.derivatives(response, np.full(8, far), auxiliary, 3)
        for values in (found.first, found.second, found.third):
            assert not np.isnan(values).any(), far
        assert not np.isnan(found.value).any()


def test_tails_keep_their_digits() -> None:
    """Asymptotic series of Mills' ratio, and the logistic and log-log tails, at -30."""
    z = np.array([-30.0])
    probit = BinomialFamily(PROBIT).derivatives(np.ones((1, 1)), z, np.zeros(0), 3)
    t = 30.0
    ratio = t / (1 - 1 / t**2 + 3 / t**4 - 15 / t**6 + 105 / t**8 - 945 / t**10 + 10395 / t**12)
    assert np.isclose(probit.first[0, 0], ratio, rtol=1e-13)
    assert np.isclose(probit.second[0, 0, 0], -ratio * (ratio - t), rtol=1e-9)
    logit = BinomialFamily(LOGIT).derivatives(np.zeros((1, 1)), -z, np.zeros(0), 3)
    assert np.isclose(logit.value[0], -30.0 - np.exp(-30.0), rtol=1e-15)
    cloglog = BinomialFamily(CLOGLOG).derivatives(np.ones((1, 1)), z, np.zeros(0), 3)
    assert np.isclose(cloglog.value[0], -30.0, rtol=1e-13)
    assert np.isclose(cloglog.second[0, 0, 0], -np.exp(-30.0) / 2, rtol=1e-5)


def test_the_negative_binomial_tends_to_poisson() -> None:
    """At theta 1e12 the two differ by (y - mean)^2 - y over twice theta."""
    poisson = PoissonFamily().derivatives(COUNTS, INDEX, np.zeros(0), 2)
    near = NegativeBinomialFamily().derivatives(COUNTS, INDEX, np.array([np.log(1e12)]), 2)
    assert np.allclose(near.value, poisson.value, rtol=0, atol=1e-9)
    assert np.allclose(near.first[0], poisson.first[0], rtol=1e-9, atol=1e-9)
    assert np.allclose(near.first[1], 0.0, atol=1e-7)


def test_narrow_and_far_intervals_keep_their_digits() -> None:
    """A cell of width d far out has the probability f(v) d (1 + f'(v) d / 2 f(v))."""
    for link in (LOGIT, PROBIT):
        cuts = np.array([25.0, np.log(1e-6)])
        for sign in (0.0, 50.0):
            value = OrderedFamily(3, link).loglik(np.ones((1, 1)), np.array([sign]), cuts)[0]
            v = 25.0 - sign
            density = stats.logistic if link == LOGIT else stats.norm
            approximate = density.logpdf(v + 5e-7) + np.log(1e-6)
            assert np.isclose(value, approximate, rtol=1e-10)


def test_starting_values_are_the_fit_of_a_constant() -> None:
    rng = np.random.default_rng(0)
    y = rng.binomial(1, 0.3, (1, 500)).astype(float)
    for link in LINKS:
        constant, _ = BinomialFamily(link).start(BinomialFamily(link).summary(y).mean(axis=1))
        gradient = BinomialFamily(link).derivatives(y, np.full(500, constant), np.zeros(0), 1).first
        assert abs(gradient.sum()) < 1e-9
        family = OrderedFamily(4, link)
        levels = rng.integers(0, 4, (1, 500)).astype(float)
        constant, cuts = family.start(family.summary(levels).mean(axis=1))
        gradient = family.derivatives(levels, np.full(500, constant), cuts, 1).first
        assert np.abs(gradient.sum(axis=1)).max() < 1e-9
    counts = rng.poisson(2.0, (1, 500)).astype(float)
    constant, _ = PoissonFamily().start(PoissonFamily().summary(counts).mean(axis=1))
    assert np.isclose(np.exp(constant), counts.mean())
    constant, scale = CensoredFamily().start(
        CensoredFamily().summary(np.stack([counts[0], counts[0]])).mean(axis=1)
    )
    assert np.isclose(constant, counts.mean()) and np.isclose(np.exp(scale[0]), counts.std())


def test_probabilities_of_categories_sum_to_one() -> None:
    for link in LINKS:
        family = OrderedFamily(4, link)
        table = family.probabilities(INDEX, CUTS)
        assert table.shape == (4, 8)
        assert np.allclose(table.sum(axis=0), 1.0, rtol=1e-13)
        own = np.exp(family.loglik(LEVELS, INDEX, CUTS))
        assert np.allclose(table[LEVELS[0].astype(int), np.arange(8)], own)
    assert np.allclose(cut_points(CUTS), [-0.8, -0.3, 1.4])


def test_families_are_values() -> None:
    assert (
        replace(OrderedFamily(4), link=PROBIT)
        == OrderedFamily(4, PROBIT)
        != OrderedFamily(3, PROBIT)
    )
    assert mean_family("binomial", None) == BinomialFamily(LOGIT)
    assert mean_family("poisson", "log") == PoissonFamily()
    assert mean_family("poisson", "probit") is None
    assert OrderedFamily(3).auxiliary == ("cut 1", "log(cut 2 - cut 1)")


def test_intervals_are_differences_of_distribution_functions() -> None:
    upper, lower = np.array([0.3, 1.0, np.inf]), np.array([-np.inf, -0.5, 0.2])
    for link, inverse in ((LOGIT, expit), (PROBIT, ndtr)):
        wanted = np.log(inverse(upper) - inverse(lower))
        assert np.allclose(log_probability(upper, lower, link), wanted, rtol=1e-13)


def test_responses_are_read_off_blocks() -> None:
    y = np.array([0.0, 1.0, 2.5, 4.0])
    block = replace(block_of([4]), z=y[None], slopes={"top": np.array([9.0, 9.0, 2.0, 9.0])})
    assert np.array_equal(single(block), y[None])
    assert np.array_equal(CategoryCodes(np.unique(y))(block), [[0, 1, 2, 3]])
    low, high = CensoredBounds(1, "top")(block)
    assert np.array_equal(low, [-np.inf, -np.inf, 2.0, 4.0])
    assert np.array_equal(high, [1.0, 1.0, np.inf, 4.0])
