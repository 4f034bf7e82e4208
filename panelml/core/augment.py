"""Regressors that a model adds to the user's: unit means and deviations from them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from panelml._typing import FloatArray, IntArray
from panelml.core.block import Block
from panelml.core.groups import demean_twice, group_means, spread

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
        return block.with_z(np.concatenate([block.z[:1] - self.slopes @ block.z[1:], block.z[1:]]))


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
    """

    varying: IntArray
    others: IntArray
    form: Literal["within-between", "mundlak", "levels"]
    products: tuple[tuple[int, IntArray], ...] = ()
    random: IntArray = field(default_factory=NONE.copy)
    centred: IntArray = field(default_factory=NONE.copy)

    def __call__(self, block: Block) -> Block:
        """Replace the regressors of one block."""
        x = block.z[1:]
        mean, deviation = _split(x[self.varying], block)
        first = x[self.varying] if self.form == "levels" else deviation
        if self.products:
            moved = x.copy()
            moved[self.varying] = deviation
            for place, factors in self.products:
                first[place] = _split(moved[factors].prod(axis=0)[None], block)[1][0]
        last = x
        if self.centred.size:
            last = x.copy()
            last[self.centred] = _split(x[self.centred], block)[1]
        parts = [block.z[:1], first, mean, x[self.others], last[self.random]]
        return block.with_z(np.concatenate(parts))


def _split(x: FloatArray, block: Block) -> tuple[FloatArray, FloatArray]:
    """Unit means of variables on their rows, and deviations from them, both (v, n)."""
    mean = spread(group_means(x, block.starts, block.weights), block.unit)
    deviation = x - mean
    rest = spread(group_means(deviation, block.starts, block.weights), block.unit)
    mean += rest
    deviation -= rest
    return mean, deviation
