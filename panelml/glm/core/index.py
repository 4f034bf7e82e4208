"""The linear index of a model with absorbed effects, and the working rows that it gives."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from panelml._typing import FloatArray, IntArray
from panelml.core.absorb import level_values
from panelml.core.absorb_plan import AbsorbPlan
from panelml.core.block import Block, arranged
from panelml.core.groups import cleared, group_sums, spread

__all__ = ["Columns", "Index", "Rates", "StartingRates", "offset_of"]

OFFSET = "(offset)"


def offset_of(block: Block) -> FloatArray:
    """Return the offset of the rows of a block, zero without one, shape (n,)."""
    return block.slopes.get(OFFSET, np.zeros(block.n))


@dataclass(frozen=True, slots=True)
class Columns:
    """Regressors that are estimated, about their means, with the offset taken from among them.

    Attributes
    ----------
    columns : IntArray, shape (k,)
        Places of the regressors.
    centre : FloatArray, shape (k,)
        What is subtracted from them, so that a large mean costs no digits.
    offset : bool
        Whether the last variable is an offset.
    """

    columns: IntArray
    centre: FloatArray
    offset: bool

    def __call__(self, block: Block) -> Block:
        """Arrange the variables of a block."""
        centre = self.centre[:, None]
        x = cleared(block.regressors[self.columns] - centre, centre)
        slopes = {**block.slopes, OFFSET: block.z[-1]} if self.offset else block.slopes
        return replace(block, z=arranged(block.outcome, x), slopes=slopes)

    def only(self, kept: IntArray) -> Columns:
        """Return the arrangement of some of the regressors."""
        return replace(self, columns=self.columns[kept], centre=self.centre[kept])


@dataclass(frozen=True, slots=True)
class Index:
    """A linear index: offset, constant, slopes, and the levels of effects beside the units'.

    Attributes
    ----------
    slopes : FloatArray, shape (k,)
    constant : float
    levels : FloatArray, shape (L,)
    plan : AbsorbPlan, or None
        Which effects there are.
    """

    slopes: FloatArray
    constant: float
    levels: FloatArray
    plan: AbsorbPlan | None

    @property
    def units(self) -> bool:
        """Whether units have effects, which the index leaves out."""
        return self.plan is not None and self.plan.unit_intercept

    def levels_of(self, block: Block) -> FloatArray:
        """Return the constant and the effects beside the units', shape (n,)."""
        if self.plan is None or not self.levels.size:
            return np.full(block.n, self.constant)
        effects: FloatArray = level_values(self.plan, self.levels[:, None], block)[0]
        return effects + self.constant

    def __call__(self, block: Block) -> FloatArray:
        """Return the index of the rows of a block without the unit effects, shape (n,)."""
        return self.levels_of(block) + self.slopes @ block.regressors

    def moved(self, move: FloatArray) -> Index:
        """Add to slopes, constant and levels, in this order."""
        k = self.slopes.size
        return replace(
            self,
            slopes=self.slopes + move[:k],
            constant=self.constant + float(move[k]),
            levels=self.levels + move[k + 1 :],
        )


@dataclass(frozen=True, slots=True)
class Rates:
    """Poisson means, with the effects of units at their best given everything else.

    Called with a block, it gives the working rows. Their outcome is the working residual and the
    slopes times the regressors, without the effects, which a regression then moves; their weights
    are the means times the weights (McCullagh and Nelder 1989, *Generalized Linear Models*,
    section 2.5). Unit effects solve their own likelihood equation, in closed form (Hausman, Hall
    and Griliches 1984).

    Attributes
    ----------
    index : Index
    """

    index: Index

    def unit_effects(self, block: Block) -> FloatArray:
        """Return the effect of each unit of a block, shape (g,)."""
        value = self.index(block) + offset_of(block)
        top = np.maximum.reduceat(value, block.starts[:-1])
        w = block.row_weights
        rates = group_sums(w * np.exp(value - spread(top, block.unit)), block.starts)
        return np.log(group_sums(w * block.outcome, block.starts) / rates) - top

    def effects(self, block: Block) -> FloatArray:
        """Return the constant and all effects of the rows of a block, shape (n,)."""
        levels = self.index.levels_of(block)
        if not self.index.units:
            return levels
        return levels + spread(self.unit_effects(block), block.unit)

    def log_mean(self, block: Block) -> FloatArray:
        """Return the logarithm of the mean of the rows of a block, shape (n,)."""
        return self.effects(block) + self.index.slopes @ block.regressors + offset_of(block)

    def __call__(self, block: Block) -> Block:
        """Return the working rows of a block."""
        value = self.log_mean(block)
        response = self.index.slopes @ block.regressors + block.outcome * np.exp(-value) - 1
        weights = np.exp(value) * block.row_weights
        return replace(block, z=arranged(response, block.regressors), weights=weights)


@dataclass(frozen=True, slots=True)
class StartingRates:
    """Working rows about means half-way between the outcome and its average.

    Attributes
    ----------
    average : float
    """

    average: float

    def __call__(self, block: Block) -> Block:
        """Return the working rows of a block: working response and weights."""
        mean = (block.outcome + self.average) / 2
        response = np.log(mean) - offset_of(block) + (block.outcome - mean) / mean
        return replace(
            block, z=arranged(response, block.regressors), weights=mean * block.row_weights
        )
