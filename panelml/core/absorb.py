"""Absorbing several effects: units eliminated row by row, the rest by one system of their levels.

With M the projection off the unit effects and D the dummies (and slopes) of the other effects,
least squares on ``M (z - D a)`` with ``S a = D' M z``, ``S = D' M D``, absorbs them all. S and
``D' M z`` are sums over units, so one pass builds them; no iteration runs over rows.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse
from scipy.linalg import lapack, solve_triangular
from scipy.sparse.csgraph import connected_components
from scipy.sparse.linalg import LinearOperator, cg

from panelml._typing import FloatArray, IntArray
from panelml.core.block import Block
from panelml.core.groups import group_sums, spread
from panelml.core.transforms import Rows
from panelml.errors import ConvergenceError

__all__ = ["Absorb", "AbsorbPlan", "AbsorbSystem", "Factor", "LevelSolution"]

# Up to so many levels beside the units, the system is dense and solved without iteration.
DENSE_LEVELS = 2_500
RANK_TOLERANCE = 1e-10


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
    """

    key: str
    levels: int
    slope: str | None
    first: int

    def columns(self, block: Block) -> IntArray:
        """Column of D that each row touches."""
        return block.keys[self.key] + self.first

    def values(self, block: Block) -> FloatArray | None:
        """Entries of D, None for ones."""
        return None if self.slope is None else block.slopes[self.slope]


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
            varies = norm > RANK_TOLERANCE * before
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
class LevelSolution:
    """Coefficients of the levels for each variable.

    Attributes
    ----------
    coef : FloatArray, shape (levels, p)
    rank : int
        Rank of the system: levels less what the unit effects and each other make redundant.
    """

    coef: FloatArray
    rank: int


@dataclass(frozen=True, slots=True)
class AbsorbSystem:
    """S and D' M z, summed over units.

    Attributes
    ----------
    s : FloatArray or sparse matrix, shape (levels, levels)
    cross : FloatArray, shape (levels, p)
    unit_rank : int
        Coefficients of the unit effects.
    """

    s: FloatArray | sparse.csr_array
    cross: FloatArray
    unit_rank: int

    @classmethod
    def of(cls, block: Block, plan: AbsorbPlan) -> AbsorbSystem:
        """Build the system's share of one block."""
        basis, rank = plan.unit_basis(block) if plan.unit_intercept or plan.unit_slopes else ([], 0)
        swept = plan.sweep(block.z, block)
        if not plan.factors:
            return cls(np.zeros((0, 0)), np.zeros((0, len(swept))), rank)
        weighted = swept if block.weights is None else swept * block.weights
        s = _diagonal_part(block, plan)
        for q in basis:
            a = _unit_by_level(q, block, plan)
            s = s - a.T @ a
        dense = plan.levels <= DENSE_LEVELS
        if dense and sparse.issparse(s):
            s = s.toarray()
        return cls(s, _level_sums(weighted, block, plan), rank)

    def __add__(self, other: AbsorbSystem) -> AbsorbSystem:
        return AbsorbSystem(
            self.s + other.s, self.cross + other.cross, self.unit_rank + other.unit_rank
        )

    def solve(self, plan: AbsorbPlan) -> LevelSolution:
        """Solve for the levels' coefficients; redundant levels get zero where found exactly.

        Raises
        ------
        ConvergenceError
            If the iteration on a large system does not reach its tolerance.
        """
        if not plan.factors:
            return LevelSolution(self.cross, 0)
        if sparse.issparse(self.s):
            return _solve_sparse(sparse.csr_array(self.s), self.cross, plan)
        return _solve_dense(np.asarray(self.s), self.cross)


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


def _diagonal_part(block: Block, plan: AbsorbPlan) -> FloatArray | sparse.csr_array:
    if len(plan.factors) == 1:
        factor = plan.factors[0]
        values = factor.values(block)
        squared = _weighted(None if values is None else values**2, block)
        diagonal = np.bincount(factor.columns(block), squared, minlength=plan.levels)
        if plan.levels <= DENSE_LEVELS:
            return np.diag(diagonal)
        return sparse.csr_array(sparse.diags_array(diagonal))
    d = _dummies(block, plan)
    right = d if block.weights is None else sparse.diags_array(block.weights) @ d
    return sparse.csr_array(d.T @ right)


def _unit_by_level(
    q: FloatArray, block: Block, plan: AbsorbPlan
) -> FloatArray | sparse.csr_array:
    unit, g = block.unit, block.n_units
    levels = plan.levels
    entries = block.n * len(plan.factors)
    if g * levels <= 20 * entries:
        total = np.zeros(g * levels)
        for factor in plan.factors:
            weight = _weighted(factor.values(block), block) * q
            total += np.bincount(
                unit * levels + factor.columns(block), weight, minlength=g * levels
            )
        return total.reshape(g, levels)
    indicator = sparse.csr_array(
        (_weighted(q, block), np.arange(block.n), block.starts), shape=(g, block.n)
    )
    return sparse.csr_array(indicator @ _dummies(block, plan))


def _level_sums(weighted: FloatArray, block: Block, plan: AbsorbPlan) -> FloatArray:
    total = np.zeros((weighted.shape[0], plan.levels))
    for factor in plan.factors:
        columns, values = factor.columns(block), factor.values(block)
        for row, out in zip(weighted, total, strict=True):
            out += np.bincount(
                columns, row if values is None else row * values, minlength=plan.levels
            )
    return total.T


def _solve_dense(s: FloatArray, cross: FloatArray) -> LevelSolution:
    length = np.sqrt(np.maximum(np.diag(s), 0.0))
    used = length > 0
    scale = np.where(used, 1 / np.where(used, length, 1.0), 0.0)
    factor, pivots, rank, _ = lapack.dpstrf(
        s * scale[:, None] * scale[None, :], lower=1, tol=RANK_TOLERANCE
    )
    chosen = pivots[:rank] - 1
    lower = np.tril(factor[:rank, :rank])
    half = solve_triangular(lower, (cross * scale[:, None])[chosen], lower=True)
    coef = np.zeros_like(cross)
    coef[chosen] = solve_triangular(lower.T, half, lower=False)
    return LevelSolution(coef * scale[:, None], int(rank))


def _solve_sparse(s: sparse.csr_array, cross: FloatArray, plan: AbsorbPlan) -> LevelSolution:
    diagonal = s.diagonal()
    used = diagonal > 0
    inverse = np.where(used, 1 / np.where(used, diagonal, 1.0), 0.0)
    precondition = LinearOperator(s.shape, matvec=lambda v: inverse * v.ravel(), dtype=np.float64)
    coef = np.empty_like(cross)
    for j in range(cross.shape[1]):
        start = inverse * cross[:, j]
        coef[:, j], failed = cg(s, cross[:, j], x0=start, rtol=1e-12, atol=0.0, M=precondition,
                                maxiter=20_000)  # fmt: skip
        if failed:
            raise ConvergenceError(
                "The absorbed effects did not converge: their levels are hardly connected. "
                "Drop an effect, or keep the largest connected set of levels."
            )
    return LevelSolution(coef, int(used.sum()) - _redundant(s, plan))


def _redundant(s: sparse.csr_array, plan: AbsorbPlan) -> int:
    """Count redundant levels: connected sets of each factor's levels, given the units.

    With slopes this is zero; with several factors it is exact for connected data, and otherwise
    the count that reghdfe makes for the first pairs.
    """
    redundant = 0
    for position, factor in enumerate(plan.factors):
        if factor.slope is not None or (position == 0 and not plan.unit_intercept):
            continue
        span = slice(factor.first, factor.first + factor.levels)
        own = s[span, span] if plan.unit_intercept else s[: factor.first, span]
        if plan.unit_intercept:
            present = own.diagonal() > 0
            count = connected_components(own, directed=False)[0]
            redundant += int(count - (~present).sum())
        else:
            redundant += 1
    return redundant
