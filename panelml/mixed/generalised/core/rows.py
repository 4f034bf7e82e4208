"""Rows of a generalised mixed model, seen by the role of each variable."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from panelml._typing import FloatArray, IntArray
from panelml.core.block import Block
from panelml.core.groups import group_sums, spread

__all__ = ["ModelRows", "RowLayout"]

OFFSET = "(offset)"


@dataclass(frozen=True, slots=True)
class ModelRows:
    """Rows of whole units.

    Attributes
    ----------
    response : FloatArray, shape (r, n)
    fixed : FloatArray, shape (p, n)
        Working regressors.
    random : FloatArray, shape (q, n), or None
        Working random regressors; None for an intercept alone.
    offset : FloatArray, shape (n,), or None
    starts : IntArray, shape (g + 1,)
    unit : IntArray, shape (n,)
    unit_weights : FloatArray, shape (g,), or None
    """

    response: FloatArray
    fixed: FloatArray
    random: FloatArray | None
    offset: FloatArray | None
    starts: IntArray
    unit: IntArray
    unit_weights: FloatArray | None

    @property
    def n(self) -> int:
        """Number of rows."""
        return int(self.fixed.shape[1])

    def index(self, coef: FloatArray) -> FloatArray:
        """Return the fixed part of the index, shape (n,)."""
        value: FloatArray = coef @ self.fixed
        if self.offset is not None:
            value += self.offset
        return value

    def random_index(self, effects: FloatArray) -> FloatArray:
        """Return z'u of each row for effects of shape (q, ..., g), shape (..., n)."""
        if self.random is None:
            return spread(effects[0], self.unit)
        total: FloatArray = self.random[0] * spread(effects[0], self.unit)
        for z, effect in zip(self.random[1:], effects[1:], strict=True):
            total += z * spread(effect, self.unit)
        return total

    def random_sums(self, values: FloatArray) -> FloatArray:
        """Sum z times values of rows, (..., n), over units, shape (q, ..., g)."""
        if self.random is None:
            return group_sums(values, self.starts)[None]
        return np.stack([group_sums(values * z, self.starts) for z in self.random])

    def random_products(self, values: FloatArray) -> FloatArray:
        """Sum z z' times values of rows, (n,), over units, shape (q, q, g)."""
        if self.random is None:
            return group_sums(values, self.starts)[None, None]
        q = len(self.random)
        total = np.empty((q, q, self.starts.size - 1))
        for a in range(q):
            for b in range(a + 1):
                products = group_sums(values * self.random[a] * self.random[b], self.starts)
                total[a, b] = total[b, a] = products
        return total

    def quadratic(self, matrix: FloatArray) -> FloatArray:
        """Return z' A z of each row for matrices of its unit, (q, q, g), shape (n,)."""
        if self.random is None:
            return spread(matrix[0, 0], self.unit)
        half = [self.random_index(row) for row in matrix]
        total: FloatArray = (self.random * half).sum(axis=0)
        return total


@dataclass(frozen=True, slots=True)
class RowLayout:
    """Where each variable stands in blocks: responses, fixed and random working regressors.

    Attributes
    ----------
    responses, fixed, random : int
        How many there are; of random ones none for an intercept alone.
    weighted : bool
        Whether units have weights.
    """

    responses: int
    fixed: int
    random: int
    weighted: bool = False

    def rows(self, block: Block) -> ModelRows:
        """Return views of the rows of a block."""
        first, last = self.responses, self.responses + self.fixed
        weights = None
        if self.weighted and block.weights is not None:
            weights = block.weights[block.starts[:-1]]
        return ModelRows(
            block.z[:first],
            block.z[first:last],
            block.z[last:] if self.random else None,
            block.slopes.get(OFFSET),
            block.starts,
            block.unit,
            weights,
        )
