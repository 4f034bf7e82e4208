"""Regressors that a model adds to the user's: unit means and deviations from them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from panelml._typing import FloatArray, IntArray
from panelml.core.block import Block
from panelml.core.groups import group_means, spread

__all__ = ["SplitMeans"]


NONE: IntArray = np.zeros(0, dtype=np.int64)


@dataclass(frozen=True, slots=True)
class SplitMeans:
    """Split regressors into unit means and deviations, or add the means to them.

    Attributes
    ----------
    varying : IntArray, shape (v,)
        Positions of the regressors that are split: all vary within units.
    others : IntArray
        Positions of the regressors that are not.
    form : {"within-between", "mundlak"}
        First the deviations from unit means, or the regressors as they are; then the means.
    products : tuple of (int, IntArray)
        Interactions of deviations: the place among the split ones, and the positions of its
        factors.
    random : IntArray
        Positions of the random regressors, which stay last.
    centred : IntArray
        Those of them that vary within units, of which deviations are taken.
    dependent : IntArray
        Places among the varying ones of those that are collinear within units with earlier ones;
        in Mundlak's form they stand after the means, which then keep their meaning.
    """

    varying: IntArray
    others: IntArray
    form: Literal["within-between", "mundlak"]
    products: tuple[tuple[int, IntArray], ...] = ()
    random: IntArray = field(default_factory=NONE.copy)
    centred: IntArray = field(default_factory=NONE.copy)
    dependent: IntArray = field(default_factory=NONE.copy)

    def __call__(self, block: Block) -> Block:
        """Replace the regressors of one block."""
        x = block.z[1:]
        mean, deviation = _split(x[self.varying], block)
        first = deviation if self.form == "within-between" else x[self.varying]
        if self.products:
            moved = x.copy()
            moved[self.varying] = deviation
            for place, factors in self.products:
                first[place] = _split(moved[factors].prod(axis=0)[None], block)[1][0]
        last = x
        if self.centred.size:
            last = x.copy()
            last[self.centred] = _split(x[self.centred], block)[1]
        late = first[self.dependent]
        first = np.delete(first, self.dependent, axis=0)
        parts = [block.z[:1], first, mean, x[self.others], late, last[self.random]]
        return block.with_z(np.concatenate(parts))


def _split(x: FloatArray, block: Block) -> tuple[FloatArray, FloatArray]:
    """Unit means of variables on their rows, and deviations from them, both (v, n)."""
    mean = spread(group_means(x, block.starts, block.weights), block.unit)
    deviation = x - mean
    return mean + spread(group_means(deviation, block.starts, block.weights), block.unit), deviation
