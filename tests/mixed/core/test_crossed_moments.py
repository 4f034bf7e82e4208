"""Products of several grouping factors, by their design of all rows."""

from __future__ import annotations

import numpy as np
import pytest

from panelml.mixed.core.crossed_moments import by_level, level_codes, level_design
from tests.mixed.core.dense import FIRST, OTHERS, Dense, make_basis, make_block, products


@pytest.mark.parametrize("weighted", [False, True])
def test_products_are_those_of_the_columns_of_levels(weighted: bool) -> None:
    block = make_block(weighted=weighted)
    dense, found = Dense.of(block, 5, np.eye(5)), products(block, make_basis(5))
    # Ours has a level's regressors together.
    order = np.concatenate(
        [
            [np.flatnonzero((dense.regressor == k) & (dense.level == j))[0] for k in other.random]
            for other in OTHERS
            for j in range(other.levels)
        ]
    )
    z2, w = dense.z[:, order], np.column_stack([dense.x, dense.y])
    np.testing.assert_allclose(found.own.toarray(), z2.T @ z2, atol=1e-12)
    np.testing.assert_allclose(found.right, z2.T @ w, atol=1e-12)
    for k, cross in zip(FIRST, found.cross, strict=True):
        z1 = dense.z[:, dense.regressor == k]
        np.testing.assert_allclose(cross.toarray(), z1.T @ z2, atol=1e-12)
        np.testing.assert_allclose(found.units.c[k].T, z1.T @ w, atol=1e-12)
    z = make_basis(5).columns(block).random
    np.testing.assert_allclose(level_design(block, z, OTHERS).toarray(), z2, atol=1e-13)


def test_codes_are_those_of_the_other_factors() -> None:
    block = make_block()
    codes = level_codes(block, OTHERS)
    np.testing.assert_array_equal(codes, [block.keys["school"], block.keys["region"]])
    assert level_codes(block, ()).shape == (0, block.n)


def test_regressors_by_level_are_zero_in_the_rows_of_others() -> None:
    level = np.array([[4, 2, 4], [1, 1, 1]])
    z = np.random.default_rng(1).normal(size=(2, 2, 3))
    columns, levels, present = by_level(level, z)
    np.testing.assert_array_equal(levels, [[2, 4], [1, 0]])
    np.testing.assert_array_equal(present, [[True, True], [True, False]])
    expected = np.zeros((2, 3, 4))
    for c in range(2):
        for t in range(3):
            place = list(levels[c]).index(level[c, t])
            expected[c, t, 2 * place : 2 * place + 2] = z[:, c, t]
    np.testing.assert_array_equal(columns, expected)
