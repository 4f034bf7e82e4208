"""All rows of a sample at once, for what is not a sum over units."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from panelml._typing import FloatArray, IntArray
from panelml.core.block import Block, Variables
from panelml.data.sample import Sample
from panelml.engine.fold import fold

__all__ = ["Collected", "collect"]

# Rows that stay in memory anyway are read in large pieces, which need little joining.
ROWS = 10_000_000


@dataclass(frozen=True, slots=True)
class Collected(Variables):
    """Outcome and regressors of every row, sorted by unit and time.

    Attributes
    ----------
    z : FloatArray, shape (p, n)
    weights : FloatArray, shape (n,)
        Ones where there are none.
    unit : IntArray, shape (n,)
        Number among the units of the sample.
    time : IntArray, shape (n,)
        Code of the period.
    """

    weights: FloatArray
    unit: IntArray
    time: IntArray

    @classmethod
    def of(cls, block: Block) -> Collected:
        """Take the rows of one block."""
        weights = block.row_weights
        return cls(block.z, weights, block.units[block.unit], block.time)

    def __add__(self, other: Collected) -> Collected:
        return Collected(
            np.concatenate([self.z, other.z], axis=1),
            np.concatenate([self.weights, other.weights]),
            np.concatenate([self.unit, other.unit]),
            np.concatenate([self.time, other.time]),
        )


def collect(sample: Sample) -> Collected:
    """Evaluate a sample's design on all of its rows."""
    return fold(sample, Collected.of, rows=ROWS)
