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
from panelml.core.block import Block
from panelml.core.groups import group_sums, spread
from panelml.core.levels import LevelSolution, solve_by_units, solve_dense, solve_iteratively
from panelml.core.transforms import Rows

__all__ = [
    "SLOPE_TOLERANCE",
    "Absorb",
    "AbsorbPlan",
    "AbsorbSystem",
    "Factor",
    "level_products",
    "level_values",
    "row_levels",
]

# Up to so many levels beside the units, the system is dense and solved without iteration.
DENSE_LEVELS = 2_500
# Up to so many, each block's share is dense too.
FEW_LEVELS = 128
# A slope varies in a unit if more than this share of its sum of squares is left by the others.
SLOPE_TOLERANCE = 1e-16


@dataclass(frozen=True, slots=True)
class Factor:
    """A set of columns of D: a dummy for each level, or that dummy times a slope variable.

    Attributes
    ----------
    key : str
        Codes of the levels, in ``Block.keys``.
    levels : int
    slope : str, or None
        The slope variable, in ``Block.slopes``.
    first : int
        Column of the first level in D.
    centre : FloatArray, shape (levels,), or None
        Means of the slope variable, subtracted in levels that have an intercept: the same effect,
        without the digits that a large mean would cost.
    """

    key: str
    levels: int
    slope: str | None
    first: int
    centre: FloatArray | None = None

    def columns(self, block: Block) -> IntArray:
        """Column of D that each row touches."""
        return block.keys[self.key] + self.first

    def values(self, block: Block) -> FloatArray | None:
        """Entries of D, None for ones."""
        if self.slope is None:
            return None
        values = block.slopes[self.slope]
        return values if self.centre is None else values - self.centre[block.keys[self.key]]


@dataclass(frozen=True, slots=True)
class AbsorbPlan:
    """Which effects are absorbed, and how.

    Attributes
    ----------
    unit_intercept : bool
        Whether units have an intercept.
    unit_slopes : tuple of str
        Variables with a coefficient of their own in each unit.
    factors : tuple of Factor
        All other effects.
    """

    unit_intercept: bool
    unit_slopes: tuple[str, ...]
    factors: tuple[Factor, ...]

    @property
    def levels(self) -> int:
        """Number of columns of D."""
        return sum(factor.levels for factor in self.factors)

    @property
    def level_sets(self) -> tuple[slice, ...]:
        """The columns of D of each effect's intercepts."""
        return tuple(
            slice(factor.first, factor.first + factor.levels)
            for factor in self.factors
            if factor.slope is None
        )

    def unit_basis(self, block: Block) -> tuple[list[FloatArray], int]:
        """Orthonormal columns of the unit effects, and their rank summed over the units."""
        basis: list[FloatArray] = []
        rank = 0
        unit = block.unit
        columns = [np.ones(block.n)] if self.unit_intercept else []
        columns += [block.slopes[name] for name in self.unit_slopes]
        for column in columns:
            before = _unit_dot(column, column, block)
            for _ in range(2):
                for q in basis:
                    column = column - q * spread(_unit_dot(q, column, block), unit)
            norm = _unit_dot(column, column, block)
            varies = norm > SLOPE_TOLERANCE * before
            rank += int(varies.sum())
            scale = np.where(varies, 1 / np.sqrt(np.where(varies, norm, 1.0)), 0.0)
            basis.append(column * spread(scale, unit))
        return basis, rank

    def sweep(self, z: FloatArray, block: Block) -> FloatArray:
        """Project rows off the unit effects, shape (p, n)."""
        if self.unit_intercept and not self.unit_slopes:
            w = block.weights
            weight = block.sizes if w is None else group_sums(w, block.starts)
            mean = group_sums(z if w is None else z * w, block.starts) / weight
            return z - spread(mean, block.unit)
        for q in self.unit_basis(block)[0]:
            z = z - q * spread(_unit_dot(q, z, block), block.unit)
        return z


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
    """

    own: sparse.csr_array
    unit: tuple[sparse.csr_array, ...]
    before: FloatArray
    cross: FloatArray
    unit_rank: int

    @classmethod
    def of(cls, block: Block, plan: AbsorbPlan) -> AbsorbSystem:
        """Build the system's share of one block."""
        basis, rank = plan.unit_basis(block)
        swept = plan.sweep(block.z, block)
        if not plan.factors:
            nothing = np.zeros((0, len(swept)))
            return cls(sparse.csr_array((0, 0)), (), nothing[:, 0], nothing, rank)
        weighted = swept if block.weights is None else swept * block.weights
        cross = _level_sums(weighted, block, plan)
        own = _own_products(block, plan)
        before = own.diagonal()
        if plan.levels > FEW_LEVELS:
            unit = tuple(level_products(q, block, plan) for q in basis)
            return cls(own, unit, before, cross, rank)
        dense = own.toarray()
        for q in basis:
            a = _dense_sums(q, block, plan)
            dense -= a.T @ a
        return cls(sparse.csr_array(dense), (), before, cross, rank)

    def __add__(self, other: AbsorbSystem) -> AbsorbSystem:
        pairs = zip(self.unit, other.unit, strict=True)
        return AbsorbSystem(
            sparse.csr_array(self.own + other.own),
            tuple(sparse.csr_array(sparse.vstack(pair, format="csr")) for pair in pairs),
            self.before + other.before,
            self.cross + other.cross,
            self.unit_rank + other.unit_rank,
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
        z = block.z - level_values(self.plan, self.coef, block)
        return Rows(self.plan.sweep(z, block), block.weights, None, block.starts)


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


def _unit_dot(q: FloatArray, values: FloatArray, block: Block) -> FloatArray:
    product = q * values if block.weights is None else q * values * block.weights
    return group_sums(product, block.starts)


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
    d = _dummies(block, plan)
    right = d if block.weights is None else sparse.diags_array(block.weights) @ d
    if len(plan.factors) == 1:
        return sparse.csr_array(sparse.diags_array(np.asarray(d.multiply(right).sum(axis=0))))
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
