"""Regressors that a model adds to the user's: unit means and deviations from them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from panelml._typing import FloatArray, IntArray
from panelml.core.block import Block, arranged
from panelml.core.groups import demean_twice, group_means, spread
from panelml.core.moments import FAINT

__all__ = ["LessFit", "LessMeans", "SplitMeans"]


NONE: IntArray = np.zeros(0, dtype=np.int64)


@dataclass(frozen=True, slots=True)
class LessMeans:
    """Take unit means off all variables, for digits where unit effects would do so anyway."""

    def __call__(self, block: Block) -> Block:
        """Replace the variables of one block by deviations."""
        found = demean_twice(block.z, block.starts, block.unit, block.weights)
        return block.with_z(found.values)


@dataclass(frozen=True, slots=True)
class LessFit:
    """Take a combination of the regressors off the outcome.

    Attributes
    ----------
    slopes : FloatArray, shape (p - 1,)
    """

    slopes: FloatArray

    def __call__(self, block: Block) -> Block:
        """Replace the outcome of one block."""
        outcome = block.outcome - self.slopes @ block.regressors
        return block.with_z(arranged(outcome, block.regressors))


@dataclass(frozen=True, slots=True)
class SplitMeans:
    """Split regressors into unit means and deviations, or add the means to them.

    Attributes
    ----------
    varying : IntArray, shape (v,)
        Positions of the regressors that are split: all vary within units.
    others : IntArray
        Positions of the regressors that are not.
    form : {"within-between", "mundlak", "levels"}
        First the deviations from unit means, or in "levels" the regressors as they are; then the
        means.
    products : tuple of (int, IntArray)
        Interactions of deviations: the place among the split ones, and the positions of its
        factors.
    random : IntArray
        Positions of the random regressors, which stay last.
    centred : IntArray
        Those of them that vary within units, of which deviations are taken.
    known : FloatArray, shape (s, units of the sample), or None
        Means of another sample, as ``means`` gives them; NaN for units that take their own.
    """

    varying: IntArray
    others: IntArray
    form: Literal["within-between", "mundlak", "levels"]
    products: tuple[tuple[int, IntArray], ...] = ()
    random: IntArray = field(default_factory=NONE.copy)
    centred: IntArray = field(default_factory=NONE.copy)
    known: FloatArray | None = None

    def __call__(self, block: Block) -> Block:
        """Replace the regressors of one block."""
        return block.with_z(self._replaced(block)[0])

    def means(self, block: Block) -> FloatArray:
        """Return the means by which units of a block are split, shape (s, g): the state of a fit.

        First those of the regressors that are split, then of products of deviations, then of
        random regressors.
        """
        return np.concatenate(self._replaced(block)[1])

    def _replaced(self, block: Block) -> tuple[FloatArray, list[FloatArray]]:
        """Return the variables of one block, and all unit means that were taken."""
        x = block.regressors
        taken: list[FloatArray] = []

        def split(values: FloatArray) -> tuple[FloatArray, FloatArray]:
            rows = sum(map(len, taken)) + np.arange(len(values))
            known = None if self.known is None else self.known[rows][:, block.units]
            means, deviation = _split(values, block, known)
            taken.append(means)
            return spread(means, block.unit), deviation

        mean, deviation = split(x[self.varying])
        first = x[self.varying] if self.form == "levels" else deviation
        if self.products:
            moved = x.copy()
            moved[self.varying] = deviation
            for place, factors in self.products:
                first[place] = split(moved[factors].prod(axis=0)[None])[1][0]
        last = x
        if self.centred.size:
            last = x.copy()
            last[self.centred] = split(x[self.centred])[1]
        parts = [first, mean, x[self.others], last[self.random]]
        return arranged(block.outcome, *parts), taken


def _split(x: FloatArray, block: Block, known: FloatArray | None) -> tuple[FloatArray, FloatArray]:
    """Unit means of variables, shape (v, g), and deviations from them, shape (v, n)."""
    means = group_means(x, block.starts, block.weights)
    if known is not None:
        means = np.where(np.isnan(known), means, known)
        return means, x - spread(means, block.unit)
    deviation = x - spread(means, block.unit)
    rest = group_means(deviation, block.starts, block.weights)
    far = np.einsum("vn,vn->v", deviation, deviation) < FAINT * (means**2 @ block.sizes)
    if far.any():
        # Deviations that are few of a variable's digits keep the rounding of its means.
        deviation[far] -= spread(rest[far], block.unit)
    return means + rest, deviation
