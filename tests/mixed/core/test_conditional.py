"""Conditional covariances of random coefficients, from those of all rows."""

from __future__ import annotations

import numpy as np
import pytest

from panelml.mixed.core import conditional
from panelml.mixed.core.conditional import crossed_spreads, unit_spreads
from panelml.mixed.core.unit_products import UnitProducts
from tests.mixed.core.dense import (
    FACTORS,
    FIRST,
    STRUCTURE,
    Dense,
    make_basis,
    make_block,
    products,
    random_factor,
)


def test_spreads_of_units_are_what_their_rows_leave() -> None:
    block, factor = make_block(), random_factor(np.ones((2, 2), dtype=bool))
    relative = factor @ factor.T
    dense = Dense.of(block, 2, relative)
    found = unit_spreads(UnitProducts.of(block, make_basis(2)).s, relative)
    expected = dense.blocks(dense.spreads(), FIRST)
    np.testing.assert_allclose(found, expected, rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("entries", [1, 10**6])
@pytest.mark.parametrize("singular", [False, True])
def test_spreads_of_all_factors_are_what_their_rows_leave(
    singular: bool, entries: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(conditional, "DENSE_ENTRIES", entries)
    block, factor = make_block(), random_factor(STRUCTURE)
    if singular:
        factor[1] = factor[4] = 0.0
    relative = factor @ factor.T
    dense = Dense.of(block, 5, relative)
    relatives = tuple(relative[np.ix_(random, random)] for random in FACTORS.randoms)
    found = crossed_spreads(products(block, make_basis(5)), FACTORS, relatives)
    for spreads, random in zip(found, FACTORS.randoms, strict=True):
        expected = dense.blocks(dense.spreads(), random)
        np.testing.assert_allclose(spreads, expected, rtol=1e-7, atol=1e-9)
