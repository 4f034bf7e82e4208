"""Gradients and Hessians of the mixed criteria against finite differences."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from panelml.core.block import Block
from panelml.mixed.core.criterion import evaluate, unit_changes
from panelml.mixed.core.crossed_criterion import CrossedModel
from panelml.mixed.core.crossed_moments import CrossedProducts
from panelml.mixed.core.factors import CrossedFactors, GroupingFactor
from panelml.mixed.core.optimum import MixedProblem, SingleFactor, free_entries
from panelml.mixed.core.unit_products import (
    MixedBasis,
    MixedMoments,
    UnitProducts,
    residual_products,
)

N, LEVELS = 60, (9, 5, 3)
both = pytest.mark.parametrize("restricted", [True, False])


def rows(seed: int, random: int) -> tuple[Block, MixedBasis]:
    """Rows of y, x1, x2 and random regressors, grouped by a first factor and crossed by two."""
    rng = np.random.default_rng(seed)
    unit = np.sort(np.r_[np.arange(LEVELS[0]), rng.integers(0, LEVELS[0], N - LEVELS[0])])
    keys = {f"k{j}": rng.integers(0, LEVELS[j], N) for j in (1, 2)}
    z = rng.normal(size=(3 + random, N))
    effects = rng.normal(size=LEVELS[0])[unit] + rng.normal(size=LEVELS[1])[keys["k1"]]
    z[0] += effects * (1 + z[-1])
    starts = np.r_[np.flatnonzero(np.r_[True, np.diff(unit) > 0]), N]
    weights, time = rng.integers(1, 5, N) / 2.0, np.zeros(N, dtype=np.int64)
    block = Block(z, starts, 0, time, np.zeros(1, dtype=np.int64), weights, keys, {})
    source = np.zeros((3 + 1 + random, 4 + random))
    source[0, 0] = source[1, 2] = source[2, 3] = source[3, 1] = 1.0
    source[4, 0] = 1.0
    source[np.arange(5, 4 + random), np.arange(5, 4 + random)] = 1.0
    return block, MixedBasis(source, np.zeros(3 + random), random)


def single(seed: int, random: int) -> tuple[SingleFactor, MixedMoments]:
    block, basis = rows(seed, random)
    moments = UnitProducts.of(block, basis).reduce()
    return SingleFactor(moments), moments


def crossed(seed: int, structure: np.ndarray) -> CrossedModel:
    """Two random regressors of the first factor, two of the second, one of the third."""
    block, basis = rows(seed, 5)
    others = (
        GroupingFactor(("k1",), LEVELS[1], np.array([2, 3])),
        GroupingFactor(("k2",), LEVELS[2], np.array([4])),
    )
    factors = CrossedFactors.of(GroupingFactor(("unit",), LEVELS[0], np.array([0, 1])), others)
    products = CrossedProducts.of(block, basis, factors)
    return CrossedModel(products, factors, free_entries(structure))


def derivatives(
    problem: MixedProblem[Any], factor: np.ndarray, free: Any, restricted: bool, step: float
) -> tuple[np.ndarray, np.ndarray]:
    """Differences of the deviance, and of its analytic slope, in the free entries of L."""

    def at(theta: np.ndarray) -> Any:
        moved = np.zeros_like(factor)
        moved[free] = theta
        return problem.evaluate(moved, restricted=restricted)

    def slope(theta: np.ndarray) -> np.ndarray:
        state = at(theta)
        return np.asarray((2 * state.gradient @ state.factor)[free])

    theta, moves = factor[free], step * np.eye(len(free[0]))
    value = [(at(theta + m).deviance - at(theta - m).deviance) / (2 * step) for m in moves]
    bend = [(slope(theta + m) - slope(theta - m)) / (2 * step) for m in moves]
    return np.array(value), np.array(bend)


def random_factor(seed: int, structure: np.ndarray, zero: int | None) -> np.ndarray:
    q = len(structure)
    factor = np.random.default_rng(seed).normal(size=(q, q)) + np.eye(q)
    if zero is not None:
        factor[zero] = 0.0
    return np.where(structure, factor, 0.0)


@both
@pytest.mark.parametrize("zero", [None, 1])
@pytest.mark.parametrize(
    "structure",
    [np.ones((1, 1)), np.ones((2, 2)), np.ones((3, 3)), np.eye(3)],
    ids=["1", "2", "3", "3-diagonal"],
)
def test_single_factor(structure: np.ndarray, zero: int | None, restricted: bool) -> None:
    structure = structure.astype(bool)
    zero = None if len(structure) == 1 else zero
    problem, _ = single(len(structure), len(structure))
    free = np.nonzero(structure)
    factor = random_factor(5, structure, zero)
    state = problem.evaluate(factor, restricted=restricted)
    slope, bend = derivatives(problem, factor, free, restricted, 1e-5)
    np.testing.assert_allclose((2 * state.gradient @ factor)[free], slope, rtol=1e-7, atol=1e-6)
    found = state.hessian(free, restricted=restricted)
    np.testing.assert_allclose(found, bend, rtol=1e-7, atol=1e-6)


STRUCTURE = np.zeros((5, 5), dtype=bool)
STRUCTURE[:2, :2] = STRUCTURE[2:4, 2:4] = STRUCTURE[4, 4] = True


@both
@pytest.mark.parametrize("zero", [None, 1, 2, 4])
def test_crossed_gradient(zero: int | None, restricted: bool) -> None:
    model = crossed(1, STRUCTURE)
    factor = random_factor(7, STRUCTURE, zero)
    state = model.evaluate(factor, restricted=restricted)
    free = np.nonzero(STRUCTURE)
    slope, _ = derivatives(model, factor, free, restricted, 1e-5)
    np.testing.assert_allclose((2 * state.gradient @ factor)[free], slope, rtol=1e-7, atol=1e-6)


@both
@pytest.mark.parametrize("zero", [None, 0])
def test_crossed_equals_single_where_the_others_do_not_vary(
    zero: int | None, restricted: bool
) -> None:
    block, basis = rows(1, 5)
    model = crossed(1, STRUCTURE)
    factor = random_factor(9, STRUCTURE, zero)
    factor[2:] = 0.0
    state = model.evaluate(factor, restricted=restricted)
    first = MixedBasis(basis.source[: 4 + 2], basis.centre, 2)
    moments = UnitProducts.of(block, first).reduce()
    alone = evaluate(moments, factor[:2, :2], restricted=restricted)
    assert state.deviance == pytest.approx(alone.deviance, rel=1e-12)
    assert state.sigma2 == pytest.approx(alone.sigma2, rel=1e-12)
    np.testing.assert_allclose(state.coef, alone.coef, rtol=1e-10)
    np.testing.assert_allclose(state.phi, alone.phi, rtol=1e-10)
    np.testing.assert_allclose(state.gradient[:2, :2], alone.gradient, rtol=1e-8, atol=1e-8)
    inside = free_entries(STRUCTURE[:2, :2])
    change = np.zeros((3, 5, 5))
    change[:, :2, :2] = unit_changes(inside, 2)
    np.testing.assert_allclose(
        state.average_information(change, restricted=restricted),
        alone.average_information(unit_changes(inside, 2), restricted=restricted),
        rtol=1e-8,
    )


def dense_information(
    block: Block, basis: MixedBasis, random: list[np.ndarray], d: np.ndarray, restricted: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Profiled average information, and the share of the expected one, by all rows.

    ``random`` has the levels of each random regressor; one entry of D for each pair of the first
    two, which share their levels, and the variances of the others.
    """
    columns = basis.columns(block)
    x, y, z = columns.fixed.T, columns.outcome, columns.random
    inside = [levels[:, None] == levels for levels in random]
    pairs = [(0, 0), (1, 0), (1, 1), *((k, k) for k in range(2, len(random)))]
    moves = []
    for a, b in pairs:
        move = np.outer(z[a], z[b]) * inside[a]
        moves.append(move if a == b else move + move.T)
    v = np.eye(N) + sum(d[a, b] * m for (a, b), m in zip(pairs, moves, strict=True))
    inverse = np.linalg.inv(v)
    projected = inverse - inverse @ x @ np.linalg.inv(x.T @ inverse @ x) @ x.T @ inverse
    df = N - x.shape[1] if restricted else N
    residual, sigma2 = projected @ y, float(y @ projected @ y) / df
    scores = np.stack([m @ residual for m in moves])
    scale = scores @ residual / sigma2
    average = scores @ projected @ scores.T / sigma2 - np.outer(scale, scale) / df
    trace = projected if restricted else inverse
    expected = np.array([[np.trace(trace @ m @ trace @ n) for n in moves] for m in moves])
    single = np.array([np.trace(trace @ m) for m in moves])
    own = np.sqrt(np.diag(expected))
    return average, (expected - np.outer(single, single) / df) / np.outer(own, own)


@both
def test_information_of_a_single_factor(restricted: bool) -> None:
    block, basis = rows(2, 2)
    full = np.ones((2, 2), dtype=bool)
    change = unit_changes(free_entries(full), 2)
    factor = random_factor(4, full, None)
    moments = UnitProducts.of(block, basis).reduce()
    state = evaluate(moments, factor, restricted=restricted)
    average, share = dense_information(
        block, basis, [block.unit, block.unit], factor @ factor.T, restricted
    )
    np.testing.assert_allclose(
        state.average_information(change, restricted=restricted), average, rtol=1e-9, atol=1e-9
    )
    np.testing.assert_allclose(
        state.identification(change, restricted=restricted), share, rtol=1e-9, atol=1e-9
    )


@both
def test_average_information_of_crossed_factors(restricted: bool) -> None:
    block, basis = rows(1, 5)
    model = crossed(1, STRUCTURE)
    factor = random_factor(9, STRUCTURE, None)
    factor[2, 3] = factor[3, 2] = 0.0
    state = model.evaluate(factor, restricted=restricted)
    free = (np.array([0, 1, 1, 2, 3, 4]), np.array([0, 0, 1, 2, 3, 4]))
    levels = [block.unit] * 2 + [block.keys["k1"]] * 2 + [block.keys["k2"]]
    average, _ = dense_information(block, basis, levels, factor @ factor.T, restricted)
    found = state.average_information(unit_changes(free, 5), restricted=restricted)
    np.testing.assert_allclose(found, average, rtol=1e-9, atol=1e-9)


def test_residual_products_are_those_of_the_split() -> None:
    block, basis = rows(2, 3)
    moments = UnitProducts.of(block, basis).reduce()
    exact = residual_products(block, basis).products
    np.testing.assert_allclose(exact, moments.within, rtol=1e-9, atol=1e-9)
