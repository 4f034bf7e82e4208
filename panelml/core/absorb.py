"""Absorbing several effects: units eliminated row by row, the rest by one system of their levels.

With M the projection off the unit effects and D the dummies (and slopes) of the other effects,
least squares on ``M (z - D a)`` with ``S a = D' M z``, ``S = D' M D``, absorbs them all. S and
``D' M z`` are sums over units, so one pass builds them; no iteration runs over rows.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy import sparse

from panelml._typing import FloatArray, IntArray
from panelml.core.absorb_plan import AbsorbPlan
from panelml.core.block import Block
from panelml.core.groups import spread
from panelml.core.levels import LevelSolution, solve_by_units, solve_dense, solve_iteratively
from panelml.core.transforms import Rows

__all__ = [
    "DENSE_LEVELS",
    "Absorb",
    "AbsorbSystem",
    "LevelSums",
    "level_products",
    "level_values",
    "row_levels",
]

# Up to so many levels beside the units, the system is dense and solved without iteration.
DENSE_LEVELS = 2_500
# Up to so many, each block's share is dense too.
FEW_LEVELS = 128


@dataclass(frozen=True, slots=True)
class AbsorbSystem:
    """S and D' M z, summed over units.

    ``S = own - sum_q A_q' A_q``, where A_q holds the sums over each unit of the q-th unit basis
    column times D. With few levels the products are subtracted at once; otherwise the sparse A_q
    are kept, whose entries are at most the rows.

    Attributes
    ----------
    own : sparse array, shape (levels, levels)
        D' W D, less the products where these are subtracted at once.
    unit : tuple of sparse arrays, shape (g, levels)
        The A_q that are kept.
    before : FloatArray, shape (levels,)
        Diagonal of D' W D, against which a column counts as absorbed by the unit effects.
    cross : FloatArray, shape (levels, p)
        D' M z.
    unit_rank : int
        Coefficients of the unit effects.
    faint : IntArray, shape (slopes,)
        As ``UnitBasis.faint``, summed over blocks.
    """

    own: sparse.csr_array
    unit: tuple[sparse.csr_array, ...]
    before: FloatArray
    cross: FloatArray
    unit_rank: int
    faint: IntArray

    @classmethod
    def of(cls, block: Block, plan: AbsorbPlan) -> AbsorbSystem:
        """Build the system's share of one block."""
        swept = plan.sweep(block.z, block)
        weighted = swept if block.weights is None else swept * block.weights
        return cls.of_swept(block, plan, weighted)

    @classmethod
    def of_swept(cls, block: Block, plan: AbsorbPlan, weighted: FloatArray) -> AbsorbSystem:
        """Build it from rows off which unit effects are projected, times weights, shape (p, n)."""
        units = plan.unit_basis(block)
        basis, rank, faint = units.columns, int(units.rank.sum()), units.faint
        if not plan.factors:
            nothing = np.zeros((0, len(weighted)))
            return cls(sparse.csr_array((0, 0)), (), nothing[:, 0], nothing, rank, faint)
        cross = _level_sums(weighted, block, plan)
        own = _own_products(block, plan)
        before = own.diagonal()
        if plan.levels > FEW_LEVELS:
            unit = tuple(level_products(q, block, plan) for q in basis)
            return cls(own, unit, before, cross, rank, faint)
        dense = own.toarray()
        for q in basis:
            a = _dense_sums(q, block, plan)
            dense -= a.T @ a
        return cls(sparse.csr_array(dense), (), before, cross, rank, faint)

    def __add__(self, other: AbsorbSystem) -> AbsorbSystem:
        pairs = zip(self.unit, other.unit, strict=True)
        return AbsorbSystem(
            sparse.csr_array(self.own + other.own),
            tuple(sparse.csr_array(sparse.vstack(pair, format="csr")) for pair in pairs),
            self.before + other.before,
            self.cross + other.cross,
            self.unit_rank + other.unit_rank,
            self.faint + other.faint,
        )

    def apply(self, columns: FloatArray) -> FloatArray:
        """Multiply columns by S, shape (levels, m)."""
        result = self.own @ columns
        for a in self.unit:
            result -= a.T @ (a @ columns)
        return np.asarray(result)

    def solve_for(self, plan: AbsorbPlan, cross: FloatArray) -> FloatArray:
        """Solve for other right sides, shape (levels, m)."""
        return replace(self, cross=cross).solve(plan).coef

    def solve(self, plan: AbsorbPlan) -> LevelSolution:
        """Solve for the levels' coefficients.

        Raises
        ------
        ConvergenceError
            If the iteration on a large system does not reach its tolerance.
        """
        if not plan.factors:
            return LevelSolution(self.cross, 0)
        units = sum(a.shape[0] for a in self.unit)
        if len(plan.factors) == 1 and 0 < units <= min(plan.levels, DENSE_LEVELS):
            joined = sparse.csr_array(sparse.vstack(self.unit, format="csr"))
            return solve_by_units(self.own.diagonal(), joined, self.cross)
        if plan.levels <= DENSE_LEVELS:
            return solve_dense(self._dense(), self.before, self.cross)
        return solve_iteratively(self.own, self.unit, self.cross, plan.level_sets)

    def _dense(self) -> FloatArray:
        s = self.own.toarray()
        for a in self.unit:
            if a.nnz > 0.05 * a.shape[0] * a.shape[1]:
                dense = a.toarray()
                s -= dense.T @ dense
            else:
                s -= (a.T @ a).toarray()
        return s


@dataclass(frozen=True, slots=True)
class Absorb:
    """Rows less all absorbed effects.

    Attributes
    ----------
    plan : AbsorbPlan
    coef : FloatArray, shape (levels, p)
    """

    plan: AbsorbPlan
    coef: FloatArray
    constant: bool = False

    def __call__(self, block: Block) -> Rows:
        """Transform one block."""
        z = self.plan.sweep(block.z, block) if self.plan.far else block.z
        z = z - level_values(self.plan, self.coef, block)
        return Rows(self.plan.sweep(z, block), block.weights, None, block.starts)


@dataclass(frozen=True, slots=True)
class LevelSums:
    """D'W z of transformed rows.

    Attributes
    ----------
    sums : FloatArray, shape (levels, p)
    """

    sums: FloatArray

    @classmethod
    def of(cls, block: Block, transform: Absorb) -> LevelSums:
        """Sum one block's rows."""
        rows = transform(block)
        z = rows.z if rows.weights is None else rows.z * rows.weights
        return cls(_level_sums(z, block, transform.plan))

    def __add__(self, other: LevelSums) -> LevelSums:
        return LevelSums(self.sums + other.sums)


def level_values(plan: AbsorbPlan, coef: FloatArray, block: Block) -> FloatArray:
    """Return D a for the rows of a block, shape (p, n)."""
    total = np.zeros((coef.shape[1], block.n))
    by_variable = np.ascontiguousarray(coef.T)
    for factor in plan.factors:
        part = spread(by_variable, factor.columns(block))
        values = factor.values(block)
        total += part if values is None else part * values
    return total


def level_products(q: FloatArray, block: Block, plan: AbsorbPlan) -> sparse.csr_array:
    """Sum a column times D over each unit, weighted: sparse, shape (g, levels)."""
    indicator = sparse.csr_array(
        (_weighted(q, block), np.arange(block.n), block.starts), shape=(block.n_units, block.n)
    )
    return sparse.csr_array(indicator @ _dummies(block, plan))


def row_levels(plan: AbsorbPlan, block: Block) -> list[tuple[IntArray, FloatArray | None]]:
    """Return the column of D that each row touches and its entry, None for ones, by effect."""
    return [(factor.columns(block), factor.values(block)) for factor in plan.factors]


def _weighted(values: FloatArray | None, block: Block) -> FloatArray:
    ones = np.ones(block.n) if values is None else values
    return ones if block.weights is None else ones * block.weights


def _dummies(block: Block, plan: AbsorbPlan) -> sparse.csr_array:
    n, m = block.n, len(plan.factors)
    columns = np.stack([factor.columns(block) for factor in plan.factors], axis=1)
    data = np.ones((n, m))
    for j, factor in enumerate(plan.factors):
        values = factor.values(block)
        if values is not None:
            data[:, j] = values
    pointers = np.arange(0, n * m + 1, m)
    return sparse.csr_array((data.ravel(), columns.ravel(), pointers), shape=(n, plan.levels))


def _own_products(block: Block, plan: AbsorbPlan) -> sparse.csr_array:
    if len(plan.factors) == 1:
        factor = plan.factors[0]
        values = factor.values(block)
        weights = _weighted(values, block)
        squares = weights if values is None else values * weights
        sums = np.bincount(factor.columns(block), squares, minlength=plan.levels)
        places = np.arange(plan.levels + 1)
        return sparse.csr_array((sums, places[:-1], places), shape=(plan.levels, plan.levels))
    right = d = _dummies(block, plan)
    if block.weights is not None:
        data = np.repeat(block.weights, len(plan.factors)) * d.data
        right = sparse.csr_array((data, d.indices, d.indptr), shape=d.shape)
    return sparse.csr_array(d.T @ right)


def _dense_sums(q: FloatArray, block: Block, plan: AbsorbPlan) -> FloatArray:
    g, levels = block.n_units, plan.levels
    place = block.unit * levels
    total = np.zeros(g * levels)
    for factor in plan.factors:
        weight = _weighted(factor.values(block), block) * q
        total += np.bincount(place + factor.columns(block), weight, minlength=g * levels)
    return total.reshape(g, levels)


def _level_sums(weighted: FloatArray, block: Block, plan: AbsorbPlan) -> FloatArray:
    total = np.zeros((weighted.shape[0], plan.levels))
    for factor in plan.factors:
        columns, values = factor.columns(block) - factor.first, factor.values(block)
        span = slice(factor.first, factor.first + factor.levels)
        for row, out in zip(weighted, total, strict=True):
            out[span] += np.bincount(
                columns, row if values is None else row * values, minlength=factor.levels
            )
    return total.T
