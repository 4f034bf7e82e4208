"""Working columns of a mixed model by role, and each unit's products of them."""

from __future__ import annotations

import numpy as np
import pytest

from panelml.core.block import Block
from panelml.mixed.core.unit_products import (
    MixedBasis,
    UnitProducts,
    residual_products,
    solve_root,
)
from tests.core.blocks import block_of

SIZES = [1, 4, 2, 6, 1, 3]
SOURCE = np.random.default_rng(5).normal(size=(5, 4))
SOURCE[[0, 1, 3, 4], 1] = 0.0  # regressors are no combinations of the outcome
BASIS = MixedBasis(SOURCE, np.array([0.3, -1.0, 2.0]), n_random=2)
WEIGHTS = [None, list(np.random.default_rng(6).uniform(0.3, 3.0, sum(SIZES)))]
both = pytest.mark.parametrize("weights", WEIGHTS, ids=["equal", "weighted"])


def dense(block: Block) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """X, y and Z, weighted, of all rows, written out column by column."""
    variables = np.column_stack([np.ones(block.n), block.z.T - BASIS.centre])
    rows = variables @ SOURCE.T * np.sqrt(block.row_weights)[:, None]
    return rows[:, :2], rows[:, 2], rows[:, 3:]


@both
def test_columns_are_seen_by_role(weights: list[float] | None) -> None:
    block = block_of(SIZES, weights=weights)
    columns, (x, y, z) = BASIS.columns(block), dense(block)
    assert columns.n_fixed == 2
    np.testing.assert_allclose(columns.fixed, x.T, atol=1e-13)
    np.testing.assert_allclose(columns.outcome, y, atol=1e-13)
    np.testing.assert_allclose(columns.observed, np.vstack([x.T, y]), atol=1e-13)
    np.testing.assert_allclose(columns.random, z.T, atol=1e-13)
    assert np.shares_memory(columns.random, columns.values)


def test_another_outcome_leaves_the_regressors() -> None:
    columns = BASIS.columns(block_of(SIZES))
    changed = columns.with_outcome(np.arange(17.0))
    np.testing.assert_array_equal(changed.outcome, np.arange(17.0))
    np.testing.assert_array_equal(changed.fixed, columns.fixed)
    np.testing.assert_array_equal(changed.random, columns.random)


def test_columns_without_random_regressors_have_none() -> None:
    columns = MixedBasis(SOURCE[:3], BASIS.centre, 0).columns(block_of(SIZES))
    assert columns.random.shape == (0, 17)
    assert columns.n_fixed == 2


@both
def test_fixed_and_random_columns_of_variables_are_unweighted(
    weights: list[float] | None,
) -> None:
    block, plain = block_of(SIZES, weights=weights), BASIS.columns(block_of(SIZES))
    np.testing.assert_allclose(BASIS.fixed(block.z), plain.fixed, atol=1e-13)
    np.testing.assert_allclose(BASIS.random(block.z), plain.random, atol=1e-13)


@both
def test_products_are_those_of_each_units_rows(weights: list[float] | None) -> None:
    block = block_of(SIZES, weights=weights)
    x, y, z = dense(block)
    w, products = np.column_stack([x, y]), UnitProducts.of(block, BASIS)
    for i in range(len(SIZES)):
        rows = block.unit == i
        np.testing.assert_allclose(products.s[:, :, i], z[rows].T @ z[rows], atol=1e-12)
        np.testing.assert_allclose(products.c[:, :, i], z[rows].T @ w[rows], atol=1e-12)
    np.testing.assert_allclose(products.m, w.T @ w, rtol=1e-12)
    assert products.log_weight == pytest.approx(np.log(block.row_weights).sum(), abs=1e-12)
    assert (products.n, products.n_units, products.n_fixed) == (17, 6, 2)


@both
def test_what_random_effects_cannot_explain_is_orthogonal_to_their_regressors(
    weights: list[float] | None,
) -> None:
    block = block_of(SIZES, weights=weights)
    x, y, z = dense(block)
    w = np.column_stack([x, y])
    moments = UnitProducts.of(block, BASIS).reduce()
    within = np.zeros((3, 3))
    for i in range(len(SIZES)):
        own, rest = z[block.unit == i], w[block.unit == i]
        projected = own @ np.linalg.pinv(own) @ rest
        within += rest.T @ (rest - projected)
        r, c = moments.r[:, :, i], moments.c[:, :, i]
        assert np.tril(r, -1) == pytest.approx(np.zeros((2, 2)), abs=0)
        np.testing.assert_allclose(r.T @ r, own.T @ own, rtol=1e-9, atol=1e-9)
        np.testing.assert_allclose(r.T @ c, own.T @ rest, rtol=1e-9, atol=1e-9)
        np.testing.assert_allclose(c.T @ c, rest.T @ projected, rtol=1e-8, atol=1e-9)
    np.testing.assert_allclose(moments.within, within, rtol=1e-9, atol=1e-10)
    by_rows = residual_products(block, BASIS)
    np.testing.assert_allclose(by_rows.products, within, rtol=1e-10, atol=1e-11)


def test_forward_substitution_sets_what_has_no_pivot_to_zero() -> None:
    rng = np.random.default_rng(2)
    root = np.moveaxis(np.tril(rng.uniform(0.5, 2.0, size=(5, 3, 3))), 0, 2)
    right = rng.normal(size=(3, 2, 5))
    solved = solve_root(root, right)
    for i in range(5):
        np.testing.assert_allclose(root[:, :, i] @ solved[:, :, i], right[:, :, i], atol=1e-12)
    root[1] = 0.0
    short = solve_root(root, right)
    assert (short[1] == 0).all()


def test_residuals_that_squares_have_lost_are_marked() -> None:
    block = block_of(SIZES)
    assert not UnitProducts.of(block, BASIS).reduce().imprecise
    z, source = block.z.copy(), SOURCE.copy()
    source[2] = [0.0, 1.0, 0.0, 0.0]
    z[0] = (source[:2] @ np.vstack([np.ones(17), z - BASIS.centre[:, None]])).sum(axis=0)
    z[0] += BASIS.centre[0] + 1e-3 * np.random.default_rng(1).normal(size=17)
    basis = MixedBasis(source, BASIS.centre, 2)
    assert UnitProducts.of(block.with_z(z), basis).reduce().imprecise
