"""Regressors that a model adds to the user's: unit means and deviations from them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from panelml._typing import IntArray
from panelml.core.block import Block
from panelml.core.groups import group_means, spread

__all__ = ["SplitMeans"]


@dataclass(frozen=True, slots=True)
class SplitMeans:
    """Split regressors into unit means and deviations, or add the means to them.

    Attributes
    ----------
    varying : IntArray, shape (v,)
        Positions of the regressors that vary within units.
    others : IntArray
        Positions of the regressors that do not.
    form : {"within-between", "mundlak"}
        First the deviations from unit means, or the regressors as they are; then the means.
    """

    varying: IntArray
    others: IntArray
    form: Literal["within-between", "mundlak"]

    def __call__(self, block: Block) -> Block:
        """Replace the regressors of one block."""
        x = block.z[1:]
        varying = x[self.varying]
        mean = spread(group_means(varying, block.starts, block.weights), block.unit)
        deviation = varying - mean
        mean += spread(group_means(deviation, block.starts, block.weights), block.unit)
        first = deviation if self.form == "within-between" else varying
        return block.with_z(np.concatenate([block.z[:1], first, mean, x[self.others]]))
