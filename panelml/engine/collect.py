"""All rows of a sample at once, for what is not a sum over units."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from panelml._typing import FloatArray, IntArray
from panelml.core.block import Block
from panelml.data.sample import Sample
from panelml.engine.fold import fold

__all__ = ["Collected", "collect"]


@dataclass(frozen=True, slots=True)
class Collected:
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

    z: FloatArray
    weights: FloatArray
    unit: IntArray
    time: IntArray


@dataclass(frozen=True, slots=True)
class _Parts:
    """Rows of some blocks, joined once all are there."""

    blocks: tuple[Collected, ...]

    def __add__(self, other: _Parts) -> _Parts:
        return _Parts(self.blocks + other.blocks)


def collect(sample: Sample) -> Collected:
    """Evaluate a sample's design on all of its rows."""

    def rows(block: Block) -> _Parts:
        weights = np.ones(block.n) if block.weights is None else block.weights
        return _Parts((Collected(block.z, weights, block.units[block.unit], block.time),))

    parts = fold(sample, rows).blocks
    return Collected(
        np.concatenate([part.z for part in parts], axis=1),
        *(np.concatenate([getattr(part, name) for part in parts])
          for name in ("weights", "unit", "time")),
    )  # fmt: skip
