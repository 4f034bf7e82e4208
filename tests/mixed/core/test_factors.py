"""Where the coefficients of grouping factors stand, against a design that is written out."""

from __future__ import annotations

import numpy as np

from panelml.mixed.core.factors import CrossedFactors, GroupingFactor

FIRM = GroupingFactor(("firm",), 3, np.array([1, 2]))
PLACE = GroupingFactor(("state", "year"), 4, np.array([3]))
FACTORS = CrossedFactors.of(GroupingFactor(("id",), 9, np.array([0])), [FIRM, PLACE])


def test_the_factors_beside_the_first_stand_side_by_side() -> None:
    firm, place = FACTORS.others
    assert (firm.span, place.span) == (slice(0, 6), slice(6, 10))
    assert (firm.size, place.size, FACTORS.columns) == (6, 4, 10)
    assert place.key == "state^year"
    assert [random.tolist() for random in FACTORS.randoms] == [[0], [1, 2], [3]]


def test_a_block_is_the_table_of_two_levels() -> None:
    table = np.arange(100.0).reshape(10, 10)
    firm, place = FACTORS.others
    np.testing.assert_array_equal(firm.blocks(table)[2, :, 1, :], table[4:6, 2:4])
    np.testing.assert_array_equal(place.blocks(table)[3, 0, :, 0], table[9, 6:])
