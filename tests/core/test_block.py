"""Rows by the role of their variables, and some rows of a block."""

from __future__ import annotations

import numpy as np

from panelml.core.block import arranged
from panelml.core.transforms import Level
from tests.core.blocks import block_of


def test_roles_are_views_of_what_was_arranged() -> None:
    y, x, more = np.arange(4.0), np.arange(4.0, 12.0).reshape(2, 4), np.full((1, 4), 7.0)
    block = block_of([1, 3]).with_z(arranged(y, x, more))
    np.testing.assert_array_equal(block.outcome, y)
    np.testing.assert_array_equal(block.regressors, np.concatenate([x, more]))
    assert np.shares_memory(block.outcome, block.z)
    assert np.shares_memory(block.regressors, block.z)


def test_transformed_rows_have_the_constant_before_the_other_regressors() -> None:
    block = block_of([2, 1, 4])
    rows = Level(np.zeros(3), constant=True)(block)
    np.testing.assert_array_equal(rows.outcome, block.outcome)
    np.testing.assert_array_equal(rows.regressors, np.vstack([np.ones(7), block.regressors]))


def test_a_subset_drops_units_that_have_no_row_left() -> None:
    block = block_of([2, 1, 4], weights=list(range(1, 8)))
    keep = np.array([False, True, False, True, True, False, True])
    part, units = block.subset(keep)
    assert units.tolist() == [0, 2]
    assert part.starts.tolist() == [0, 1, 4]
    assert part.time.tolist() == [1, 0, 1, 3]
    assert part.row_weights.tolist() == [2, 4, 5, 7]
    np.testing.assert_array_equal(part.z, block.z[:, keep])
