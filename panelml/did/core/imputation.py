"""Effects as differences from imputed untreated outcomes, from sums over units.

With M the projection off the unit effects among untreated rows, D the dummies of the other
effects and z = [y, x], least squares on untreated rows needs ``D' M D``, ``D' M z`` and
``z' M z``. An average of treated outcomes less imputed ones needs the same average of D and z,
less the untreated means of each unit: so that one more pass gives every effect at once.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from panelml._typing import BoolArray, FloatArray, IntArray
from panelml.core.absorb import level_products, level_values, row_levels
from panelml.core.absorb_plan import AbsorbPlan
from panelml.core.block import Block
from panelml.core.groups import group_means, group_sums, spread
from panelml.core.keyed import KeyedSums

__all__ = [
    "Assignment",
    "EffectSquares",
    "Imputer",
    "TreatedSums",
    "solve_effects",
    "unit_influence",
]


@dataclass(frozen=True, slots=True)
class Assignment:
    """Which rows are untreated, and to which effect each treated row contributes.

    Attributes
    ----------
    start : IntArray, shape (g,)
        Step at which each unit of the sample adopts.
    cohorts : IntArray, shape (c,)
        Distinct steps of adoption, increasing.
    effect : IntArray, shape (c, T)
        Number of the effect to which a cohort's row contributes in a period; -1 for none.
    count : int
        Number of effects.
    anticipation : int
        Steps before adoption from which on rows no longer count as untreated.
    """

    start: IntArray
    cohorts: IntArray
    effect: IntArray
    count: int
    anticipation: int

    def untreated(self, block: Block) -> BoolArray:
        """Rows of a block before adoption and its anticipation, shape (n,)."""
        return np.asarray(block.step < self._start(block) - self.anticipation)

    def effects(self, block: Block) -> IntArray:
        """Number of each row's effect, -1 for none, shape (n,)."""
        return np.asarray(self.effect[self.cohort_numbers(block), block.time])

    def cohort_numbers(self, block: Block) -> IntArray:
        """Number of each row's cohort, shape (n,)."""
        return np.searchsorted(self.cohorts, self.start[block.units])[block.unit]

    def _start(self, block: Block) -> IntArray:
        return self.start[block.units][block.unit]


@dataclass(frozen=True, slots=True)
class TreatedSums:
    """Weighted sums over the treated rows of each effect, less the unit's untreated means.

    Attributes
    ----------
    size : FloatArray, shape (m,)
        Weights.
    squares : FloatArray, shape (m,)
        Their squares.
    rows : IntArray, shape (m,)
    z : FloatArray, shape (p, m)
        Of outcome and regressors.
    levels : FloatArray, shape (levels, m)
        Of D.
    """

    size: FloatArray
    squares: FloatArray
    rows: IntArray
    z: FloatArray
    levels: FloatArray

    @classmethod
    def of(cls, block: Block, assignment: Assignment, plan: AbsorbPlan) -> TreatedSums:
        """Sum over one block; rows of units without an untreated row are left out."""
        free = assignment.untreated(block)
        before, units = block.subset(free)
        effect = assignment.effects(block)
        effect = np.where(_has(units, block)[block.unit], effect, -1)
        at = np.flatnonzero(effect >= 0)
        m, effect = assignment.count, effect[at]
        weight = block.row_weights[at]
        place = np.searchsorted(units, block.unit[at])
        mass = sparse.csr_array((weight, (place, effect)), shape=(units.size, m))
        mean = group_means(before.z, before.starts, before.weights)
        z = (
            np.stack([_binned(row, effect, m) for row in block.z[:, at] * weight])
            - (mass.T @ mean.T).T
        )
        own = sparse.csr_array((m, plan.levels))
        for columns, values in row_levels(plan, block):
            entries = weight if values is None else weight * values[at]
            own = own + sparse.csr_array((entries, (effect, columns[at])), shape=own.shape)
        total = group_sums(before.row_weights, before.starts)
        shares = level_products(spread(1 / total, before.unit), before, plan)
        levels = (own - mass.T @ shares).toarray().T
        count = np.bincount(effect, minlength=m)
        return cls(_binned(weight, effect, m), _binned(weight**2, effect, m), count, z, levels)

    def __add__(self, other: TreatedSums) -> TreatedSums:
        return TreatedSums(
            self.size + other.size,
            self.squares + other.squares,
            self.rows + other.rows,
            self.z + other.z,
            self.levels + other.levels,
        )


@dataclass(frozen=True, slots=True)
class Imputer:
    """Effects, and what their influence function needs.

    Attributes
    ----------
    effects : FloatArray, shape (m,)
    direction : FloatArray, shape (p,)
        ``[1, -beta]``: outcome less what the regressors explain.
    levels : FloatArray, shape (levels, 1)
        Coefficients of D in that difference.
    by_levels : FloatArray, shape (levels, m)
        Weights of D in the linear map from untreated errors to effects.
    by_z : FloatArray, shape (p, m)
        Weights of the regressors; zero for the outcome.
    """

    effects: FloatArray
    direction: FloatArray
    levels: FloatArray
    by_levels: FloatArray
    by_z: FloatArray


@dataclass(frozen=True, slots=True)
class EffectSquares:
    """Single effects averaged by their squared weights.

    Attributes
    ----------
    squares : FloatArray, shape (m,)
    sums : FloatArray, shape (m,)
    """

    squares: FloatArray
    sums: FloatArray

    @classmethod
    def of(
        cls, block: Block, assignment: Assignment, plan: AbsorbPlan, fit: Imputer
    ) -> EffectSquares:
        """Sum over one block."""
        error, effect = _errors(block, assignment, plan, fit)
        at = np.flatnonzero(effect >= 0)
        square = block.row_weights[at] ** 2
        m, which = assignment.count, effect[at]
        return cls(_binned(square, which, m), _binned(square * error[at], which, m))

    def __add__(self, other: EffectSquares) -> EffectSquares:
        return EffectSquares(self.squares + other.squares, self.sums + other.sums)

    @property
    def means(self) -> FloatArray:
        """Averages, shape (m,)."""
        return self.sums / self.squares


def solve_effects(
    sums: TreatedSums, slopes: FloatArray, bread: FloatArray, coef: FloatArray, solved: FloatArray
) -> Imputer:
    """Estimate every effect.

    Parameters
    ----------
    sums : TreatedSums
    slopes : FloatArray, shape (p - 1,)
        Coefficients of the regressors among untreated rows, zero where dropped.
    bread : FloatArray, shape (p - 1, p - 1)
        Inverse of their cross-products, zero where dropped.
    coef : FloatArray, shape (levels, p)
        Coefficients of D in outcome and regressors.
    solved : FloatArray, shape (levels, m)
        ``(D' M D)^-1`` times the sums of D.
    """
    direction = np.concatenate([[1.0], -slopes])
    left = sums.z - coef.T @ sums.levels
    by_z = np.concatenate([np.zeros((1, sums.size.size)), bread @ (left[1:] / sums.size)])
    return Imputer(
        direction @ left / sums.size,
        direction,
        (coef @ direction)[:, None],
        solved / sums.size - coef @ by_z,
        by_z,
    )


def unit_influence(
    block: Block,
    assignment: Assignment,
    plan: AbsorbPlan,
    sums: TreatedSums,
    fit: Imputer,
    *,
    centre: FloatArray,
    leave_out: bool,
) -> KeyedSums:
    """How each unit of a block moved the effects: ``sums`` of shape (m, units).

    Parameters
    ----------
    centre : FloatArray, shape (m,)
        From which the effects of single rows are taken to deviate by chance.
    leave_out : bool
        Whether each row is compared with the mean of the others, not its own among them.
    """
    error, effect = _errors(block, assignment, plan, fit)
    at = np.flatnonzero(effect >= 0)
    weight, which = block.row_weights[at], effect[at]
    deviation = weight * (error[at] - centre[which]) / sums.size[which]
    if leave_out:
        rest = 1 - weight**2 / sums.squares[which]
        deviation = np.where(rest > 1e-12, deviation / np.where(rest > 1e-12, rest, 1.0), 0.0)
    shape = (assignment.count, block.n_units)
    psi = sparse.csr_array((deviation, (which, block.unit[at])), shape=shape).toarray()
    before, units = block.subset(assignment.untreated(block))
    if units.size:
        left = error[assignment.untreated(block)]
        scores = level_products(left, before, plan)
        moved = (scores @ fit.by_levels).T
        moved += fit.by_z.T @ group_sums(before.z * (left * before.row_weights), before.starts)
        psi[:, units] -= moved
    return KeyedSums(block.units, psi)


def _errors(
    block: Block, assignment: Assignment, plan: AbsorbPlan, fit: Imputer
) -> tuple[FloatArray, IntArray]:
    """Outcome less its imputed untreated value, and the number of each row's effect."""
    left = fit.direction @ block.z - level_values(plan, fit.levels, block)[0]
    free = assignment.untreated(block)
    before, units = block.subset(free)
    mean = np.zeros(block.n_units)
    mean[units] = group_means(left[free], before.starts, before.weights)
    known = _has(units, block)[block.unit]
    return left - spread(mean, block.unit), np.where(known, assignment.effects(block), -1)


def _has(units: IntArray, block: Block) -> BoolArray:
    found: BoolArray = np.zeros(block.n_units, dtype=bool)
    found[units] = True
    return found


def _binned(values: FloatArray, which: IntArray, m: int) -> FloatArray:
    return np.asarray(np.bincount(which, values, minlength=m), dtype=np.float64)
