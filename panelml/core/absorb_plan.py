"""Which effects are absorbed: those of units row by row, others as columns of dummies."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from panelml._typing import BoolArray, FloatArray, IntArray
from panelml.core.block import Block
from panelml.core.groups import ROUNDING, demean, demean_twice, group_sums, spread

__all__ = [
    "FEW_DIGITS",
    "AbsorbPlan",
    "Factor",
    "LevelFit",
    "UnitBasis",
    "nearly_constant",
    "unit_dot",
]

# Below this share of its sum of squares a slope has few digits beside the others.
FEW_DIGITS = 1e-24
# Below this share of its sum of squares, what a slope varies by leaves it like a constant.
NEARLY_CONSTANT = 1e-10


@dataclass(frozen=True, slots=True)
class LevelFit:
    """A slope variable's regression on the other columns of its effect, in each level.

    Less its fit, the variable gives the same effect without the digits that a large mean, or a
    trend beside its square, would cost.

    Attributes
    ----------
    mean, rest : FloatArray, shape (levels,)
        Zero without intercepts; the second is the mean of what the first, rounded, leaves.
    earlier : tuple of (str, LevelFit, FloatArray)
        Slope variables before it, and the coefficients of what is left of them, shape (levels,).
    varies : BoolArray, shape (levels,)
        Where more than rounding is left of it.
    faint : int
        Levels where it has few digits beside the columns before, or is nearly the intercept that
        is missing.
    """

    mean: FloatArray
    rest: FloatArray
    earlier: tuple[tuple[str, LevelFit, FloatArray], ...]
    varies: BoolArray
    faint: int = 0

    def residual(
        self, values: FloatArray, codes: IntArray, slopes: dict[str, FloatArray]
    ) -> FloatArray:
        """Return what is left of the variable in rows with these codes, shape (n,)."""
        left = values - self.mean[codes] - self.rest[codes]
        for name, fit, coef in self.earlier:
            left = left - coef[codes] * fit.residual(slopes[name], codes, slopes)
        return left * self.varies[codes]


@dataclass(frozen=True, slots=True)
class Factor:
    """A set of columns of D: a dummy for each level, or that dummy times a slope variable.

    An ``Effect`` of the formula has one for its intercepts and one for each slope; beside it, this
    knows the levels of the data and what is subtracted from the variable in each.

    Attributes
    ----------
    key : str
        Codes of the levels, in ``Block.keys``.
    levels : int
    slope : str, or None
        The slope variable, in ``Block.slopes``.
    first : int
        Column of the first level in D.
    less : LevelFit, or None
        What is subtracted from the slope variable in each level.
    """

    key: str
    levels: int
    slope: str | None
    first: int
    less: LevelFit | None = None

    def columns(self, block: Block) -> IntArray:
        """Column of D that each row touches."""
        return block.keys[self.key] + self.first

    def values(self, block: Block) -> FloatArray | None:
        """Entries of D, None for ones."""
        if self.slope is None:
            return None
        if self.less is None:
            return block.slopes[self.slope]
        return self.less.residual(block.slopes[self.slope], block.keys[self.key], block.slopes)


@dataclass(frozen=True, slots=True)
class UnitBasis:
    """Orthonormal columns of the unit effects.

    Attributes
    ----------
    columns : tuple of FloatArray, shape (n,)
        Zero in units where they depend on those before.
    lengths : FloatArray, shape (columns, g)
        What the columns before leave of each one's length; zero where it depends on them.
    rank : IntArray, shape (g,)
    faint : IntArray, shape (slopes,)
        Units where a slope variable has few digits beside the columns before, or is nearly the
        intercept that is missing.
    """

    columns: tuple[FloatArray, ...]
    lengths: FloatArray
    rank: IntArray
    faint: IntArray


@dataclass(frozen=True, slots=True)
class AbsorbPlan:
    """Which effects are absorbed, and how: an intercept or slopes of units, and columns of D.

    Attributes
    ----------
    unit_intercept : bool
        Whether units have an intercept.
    unit_slopes : tuple of str
        Variables with a coefficient of their own in each unit.
    factors : tuple of Factor
        All other effects.
    far : bool
        Whether effects are so large beside what they leave that each step is taken twice.
    """

    unit_intercept: bool
    unit_slopes: tuple[str, ...]
    factors: tuple[Factor, ...]
    far: bool = False

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

    def unit_basis(self, block: Block) -> UnitBasis:
        """Find orthonormal columns of the unit effects."""
        if self.unit_intercept and not self.unit_slopes:
            weight = (
                block.sizes if block.weights is None else group_sums(block.weights, block.starts)
            )
            length = np.sqrt(weight)
            present = np.ones(block.n_units, dtype=np.int64)
            column = np.repeat(1 / length, block.sizes)
            return UnitBasis((column,), length[None], present, present[:0])
        basis: list[FloatArray] = []
        lengths: list[FloatArray] = []
        faint = np.zeros(len(self.unit_slopes), dtype=np.int64)
        unit, rank = block.unit, np.zeros(block.n_units, dtype=np.int64)
        columns = [np.ones(block.n)] if self.unit_intercept else []
        columns += [block.slopes[name] for name in self.unit_slopes]
        for j, column in enumerate(columns, start=len(self.unit_slopes) - len(columns)):
            before = unit_dot(column, column, block)
            for _ in range(2):
                for q in basis:
                    column = column - q * spread(unit_dot(q, column, block), unit)
            norm = unit_dot(column, column, block)
            varies = norm > ROUNDING**2 * before
            if j >= 0 and (basis or self.unit_intercept):
                few = (norm > 0) & (norm < FEW_DIGITS * before) & (rank < block.sizes)
                faint[j] = few.sum()
            elif j >= 0:
                about = demean(column[None], block.starts, unit, block.weights)[0]
                faint[j] = nearly_constant(unit_dot(about, about, block), before).sum()
            rank += varies
            length = np.sqrt(np.where(varies, norm, 0.0))
            scale = np.divide(1.0, length, out=np.zeros_like(length), where=varies)
            basis.append(column * spread(scale, unit))
            lengths.append(length)
        return UnitBasis(tuple(basis), np.array(lengths), rank, faint)

    def sweep(self, z: FloatArray, block: Block) -> FloatArray:
        """Project rows off the unit effects, shape (p, n)."""
        if self.unit_intercept and not self.unit_slopes:
            if self.far:
                return demean_twice(z, block.starts, block.unit, block.weights).values
            return demean(z, block.starts, block.unit, block.weights)
        basis = self.unit_basis(block).columns
        for _ in range(2 if self.far else 1):
            for q in basis:
                z = z - q * spread(unit_dot(q, z, block), block.unit)
        return z


def nearly_constant(about_mean: FloatArray, squares: FloatArray) -> BoolArray:
    """Tell sums of squares about the mean that are few of the digits, but more than rounding."""
    return (about_mean < NEARLY_CONSTANT * squares) & (about_mean > FEW_DIGITS * squares)


def unit_dot(q: FloatArray, values: FloatArray, block: Block) -> FloatArray:
    """Sum products over the rows of each unit, weighted, shape (..., g)."""
    product = q * values if block.weights is None else q * values * block.weights
    return group_sums(product, block.starts)
