"""Separation: rows without which the likelihood has a maximum, found by an iterative rectifier.

Where a combination of regressors and effects is zero in all rows with a positive outcome, and
positive or zero in the others, its coefficient falls without end, and takes the means of the rows
where it is positive to zero.

Source: Correia, Guimaraes and Zylkin (2019), *Verifying the existence of maximum likelihood
estimates for generalized linear models*, arXiv:1903.01633, section 4.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from panelml._typing import BoolArray, FloatArray
from panelml.core.block import Block, arranged
from panelml.core.groups import spread
from panelml.glm.core.index import Index

__all__ = ["TOLERANCE", "Indicated", "Rectified", "is_separating", "separated_rows"]

# Weight of the rows with a positive outcome, whose combination is to be zero.
HEAVY = 1e7
# Values of a combination that count as zero.
TOLERANCE = 1e-5
# Negative values that are rounding, as a share of the least that counts as positive.
ROUNDED = 1e-2


@dataclass(frozen=True, slots=True)
class Indicated:
    """Rows whose outcome says whether the outcome is zero, all of one weight: for the rank."""

    def __call__(self, block: Block) -> Block:
        """Return the rows of a block."""
        zero = (block.outcome == 0).astype(np.float64)
        return replace(block, z=arranged(zero, block.regressors), weights=None)


@dataclass(frozen=True, slots=True)
class Rectified:
    """Working rows of the rectifier.

    Attributes
    ----------
    combination : Index, or None
        The combination of regressors and effects before; None at first, for ones.
    units : FloatArray, shape (g,)
        Its effects of units.
    """

    combination: Index | None
    units: FloatArray

    def values(self, block: Block) -> FloatArray:
        """Return the combination in the rows of a block, shape (n,)."""
        if self.combination is None:
            return np.ones(block.n)
        value = self.combination(block)
        if self.combination.units:
            value = value + spread(self.units[block.units], block.unit)
        return value

    def __call__(self, block: Block) -> Block:
        """Return what is positive of the combination where the outcome is zero."""
        zero = block.outcome == 0
        positive = np.maximum(self.values(block), 0.0) * zero
        weights = np.where(zero, 1.0, HEAVY)
        return replace(block, z=arranged(positive, block.regressors), weights=weights)


def is_separating(values: FloatArray, zero: BoolArray) -> bool:
    """Whether a combination is negative in no row with outcome zero, shape (n,).

    Negative values are rounding beside the least that counts as positive.
    """
    positive = values[separated_rows(values, zero)]
    least = float(positive.min(initial=np.inf))
    return bool(positive.size == 0 or (values[zero] >= -ROUNDED * least).all())


def separated_rows(values: FloatArray, zero: BoolArray) -> BoolArray:
    """Return the rows in which a separating combination is positive, shape (n,)."""
    return zero & (values > TOLERANCE)
