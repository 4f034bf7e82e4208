"""Sufficient statistics of a mixed model with several grouping factors.

Rows come by the levels of the first factor, which has the most; all other factors are columns of
one sparse matrix, Z_2.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from panelml._typing import BoolArray, FloatArray, IntArray
from panelml.core.block import Block
from panelml.mixed.core.factors import CrossedFactors, GroupingFactor
from panelml.mixed.core.unit_products import MixedBasis, UnitProducts

__all__ = ["CrossedProducts", "by_level", "level_codes", "level_design"]


@dataclass(frozen=True, slots=True)
class CrossedProducts:
    """Products of the first factor's units, and with the others.

    Attributes
    ----------
    units : UnitProducts
        Of the first factor.
    cross : tuple of sparse arrays, shape (g, m)
        For each random regressor of the first factor, its products with Z_2, unit by unit; all
        with the same entries.
    own : sparse array, shape (m, m)
        Z_2' Z_2.
    right : FloatArray, shape (m, p + 1)
        Z_2' [X, y].
    """

    units: UnitProducts
    cross: tuple[sparse.csr_array, ...]
    own: sparse.csr_array
    right: FloatArray

    @classmethod
    def of(cls, block: Block, basis: MixedBasis, factors: CrossedFactors) -> CrossedProducts:
        """Compute one block's products.

        Parameters
        ----------
        block : Block
        basis : MixedBasis
        factors : CrossedFactors
        """
        plain, whitening = basis.plain.columns(block), basis.whitening
        design = level_design(block, plain.random, factors.others)
        columns = plain
        if whitening is not None:
            columns = plain.with_values(whitening(plain.values, block))
            root = whitening.roots(block.starts, whitening.facts.of(block), inverse=True)
            design = sparse.csr_array(root @ design)
        w, z = columns.observed, columns.random
        first = z[factors.first.random]
        own = UnitProducts.of_columns(w, first, block)
        return cls(
            own,
            _unit_products(block, first, design),
            sparse.csr_array(design.T @ design),
            np.asarray(design.T @ w.T),
        )

    def __add__(self, other: CrossedProducts) -> CrossedProducts:
        pairs = zip(self.cross, other.cross, strict=True)
        return CrossedProducts(
            self.units + other.units,
            tuple(sparse.csr_array(sparse.vstack(pair, format="csr")) for pair in pairs),
            sparse.csr_array(self.own + other.own),
            self.right + other.right,
        )


def level_codes(block: Block, others: tuple[GroupingFactor, ...]) -> IntArray:
    """Levels of the rows of a block, shape (factors - 1, n)."""
    codes = np.array([block.keys[other.key] for other in others], dtype=np.int64)
    return codes.reshape(len(others), block.n)


def level_design(
    block: Block, z: FloatArray, others: tuple[GroupingFactor, ...]
) -> sparse.csr_array:
    """Z_2 on the rows of a block, shape (n, m)."""
    columns, values = [], []
    for factor in others:
        q = factor.random.size
        start = factor.first + q * block.keys[factor.key]
        columns.append(start[:, None] + np.arange(q))
        values.append(z[factor.random].T)
    joined = np.concatenate(columns, axis=1)
    pointers = np.arange(0, joined.size + 1, joined.shape[1])
    width = sum(factor.size for factor in others)
    data = np.concatenate(values, axis=1).ravel()
    return sparse.csr_array((data, joined.ravel(), pointers), shape=(block.n, width))


def by_level(level: IntArray, z: FloatArray) -> tuple[FloatArray, IntArray, BoolArray]:
    """Regressors of each level, in columns that are zero in the rows of others.

    Parameters
    ----------
    level : IntArray, shape (c, n)
    z : FloatArray, shape (q, c, n)

    Returns
    -------
    columns : FloatArray, shape (c, n, levels * q)
        A level's regressors stand together.
    levels : IntArray, shape (c, levels)
        In order; zero where there are fewer.
    present : BoolArray, shape (c, levels)
    """
    order = np.argsort(level, axis=1, kind="stable")
    ordered = np.take_along_axis(level, order, axis=1)
    rank = np.zeros_like(ordered)
    rank[:, 1:] = np.cumsum(ordered[:, 1:] != ordered[:, :-1], axis=1)
    local = np.empty_like(rank)
    np.put_along_axis(local, order, rank, axis=1)
    count = int(rank.max()) + 1
    levels = np.zeros((len(level), count), dtype=np.int64)
    np.put_along_axis(levels, rank, ordered, axis=1)
    own = local[:, :, None] == np.arange(count)
    columns = np.einsum("qcn,cnl->cnlq", z, own).reshape(*level.shape, -1)
    return np.asarray(columns), levels, np.arange(count) <= rank[:, -1:]


def _unit_products(
    block: Block, z: FloatArray, design: sparse.csr_array
) -> tuple[sparse.csr_array, ...]:
    """Z_1' Z_2 by unit, shape (g, m), for each regressor of the first factor, shape (q, n)."""
    width, m = np.diff(design.indptr), design.shape[1]
    cells, place = np.unique(np.repeat(block.unit, width) * m + design.indices, return_inverse=True)
    pointers = np.searchsorted(cells, np.arange(block.n_units + 1) * m)
    parts = (
        np.bincount(place, np.repeat(row, width) * design.data, minlength=cells.size) for row in z
    )
    return tuple(
        sparse.csr_array((data, cells % m, pointers), shape=(block.n_units, m)) for data in parts
    )
