"""The linear index of a model with absorbed effects, and the working rows that it gives."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from panelml._typing import FloatArray, IntArray
from panelml.core.absorb import level_values
from panelml.core.absorb_plan import AbsorbPlan
from panelml.core.block import Block, arranged
from panelml.core.groups import ROUNDING, group_sums

__all__ = ["Columns", "Index", "Rates", "ScoredRows", "StartingRates", "offset_of"]

OFFSET = "(offset)"
# Up to this size of the index its exponentials, and their sums, keep all digits.
FAR = 300.0


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
        z = np.empty((1 + self.columns.size, block.n))
        z[0] = block.outcome
        for column, centre, x in zip(self.columns, self.centre, z[1:], strict=True):
            np.subtract(block.regressors[column], centre, out=x)
            x[np.abs(x) <= ROUNDING * abs(centre)] = 0.0
        slopes = {**block.slopes, OFFSET: block.z[-1]} if self.offset else block.slopes
        return replace(block, z=z, slopes=slopes)

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
        value: FloatArray = self.slopes @ block.regressors
        value += self.levels_of(block) if self.levels.size else self.constant
        return value

    def moved(self, move: FloatArray) -> Index:
        """Add to slopes, constant and levels, in this order."""
        k = self.slopes.size
        return replace(
            self,
            slopes=self.slopes + move[:k],
            constant=self.constant + float(move[k]),
            levels=self.levels + move[k + 1 :],
        )

    def reach(self, move: FloatArray, spans: FloatArray) -> float:
        """Bound what a move changes in any row, if unit effects follow it.

        Parameters
        ----------
        move : FloatArray
            As ``moved`` takes it.
        spans : FloatArray, shape (k,)
            Largest absolute values of the regressors.
        """
        size = np.abs(move)
        k = self.slopes.size
        factors = () if self.plan is None else self.plan.factors
        levels = [size[k + 1 + f.first :][: f.levels].max(initial=0.0) for f in factors]
        # The effect of a unit moves by an average of what the index of its rows does.
        return float(2 * (size[:k] @ spans + size[k] + sum(levels)))


@dataclass(frozen=True, slots=True)
class ScoredRows:
    """Rows with the derivatives of their log-likelihood by the index.

    Where units have effects these are at their best, so that scores of a unit sum to zero.

    Attributes
    ----------
    value : float
        Sum of the log-likelihoods, less what the outcome alone gives them.
    score : FloatArray, shape (n,)
        First derivative, times the weight of the row.
    information : FloatArray, shape (n,)
        Minus the expected second one, times the weight: the weight of a working row.
    """

    value: float
    score: FloatArray
    information: FloatArray

    @property
    def residual(self) -> FloatArray:
        """Working residual: the step of each row on its own, shape (n,)."""
        nothing = np.zeros(self.score.size)
        return np.divide(self.score, self.information, out=nothing, where=self.information > 0)


@dataclass(frozen=True, slots=True)
class Rates:
    """Poisson means, with the effects of units at their best given everything else.

    Called with a block, it gives the working rows: their outcome is the working residual, their
    weights are the means times the weights (McCullagh and Nelder 1989, *Generalized Linear
    Models*, section 2.5). Unit effects solve their own likelihood equation, in closed form
    (Hausman, Hall and Griliches 1984).

    Attributes
    ----------
    index : Index
    """

    index: Index

    def scored(self, block: Block) -> ScoredRows:
        """Return the rows of a block with their derivatives: one exponential for each."""
        value, w, sizes = self.index(block), block.weights, block.sizes
        if OFFSET in block.slopes:
            value += block.slopes[OFFSET]
        y = block.outcome if w is None else block.outcome * w
        if not self.index.units:
            mean = np.exp(value)
            mean = mean if w is None else mean * w
            return ScoredRows(float(y @ value - mean.sum()), y - mean, mean)
        if max(value.max(), -value.min()) > FAR:
            value -= np.repeat(np.maximum.reduceat(value, block.starts[:-1]), sizes)
        mean = np.exp(value)
        mean = mean if w is None else mean * w
        total = group_sums(y, block.starts)
        ratio = total / group_sums(mean, block.starts)
        mean *= np.repeat(ratio, sizes)
        return ScoredRows(float(y @ value + total @ np.log(ratio) - total.sum()), y - mean, mean)

    def unit_effects(self, block: Block) -> FloatArray:
        """Return the effect of each unit of a block, shape (g,)."""
        value = self.index(block) + offset_of(block)
        top = np.maximum.reduceat(value, block.starts[:-1])
        w = block.row_weights
        rates = group_sums(w * np.exp(value - np.repeat(top, block.sizes)), block.starts)
        return np.log(group_sums(w * block.outcome, block.starts) / rates) - top

    def effects(self, block: Block) -> FloatArray:
        """Return the constant and all effects of the rows of a block, shape (n,)."""
        levels = self.index.levels_of(block)
        if not self.index.units:
            return levels
        return levels + np.repeat(self.unit_effects(block), block.sizes)

    def log_mean(self, block: Block) -> FloatArray:
        """Return the logarithm of the mean of the rows of a block, shape (n,)."""
        return self.effects(block) + self.index.slopes @ block.regressors + offset_of(block)

    def __call__(self, block: Block) -> Block:
        """Return the working rows of a block."""
        rows = self.scored(block)
        z = arranged(rows.residual, block.regressors)
        return replace(block, z=z, weights=rows.information)


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
