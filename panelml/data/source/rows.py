"""The rows from which a formula takes its state: levels, means, knots, names."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from panelml._typing import AnyArray, BoolArray
from panelml.data.source.chunk import Chunk, Reads
from panelml.data.source.cutting import split_units
from panelml.data.source.source import Source

__all__ = ["FitRows", "whole_column"]

# Rows of a chunk of one or two columns, and those that tell the names of variables.
ROWS = 1_000_000
FIRST_ROWS = 1000


@dataclass(frozen=True, slots=True)
class FitRows:
    """Rows of a source, with those of the estimation sample marked.

    Attributes
    ----------
    source : Source
    keep : BoolArray, shape (rows of the source,), or None
        Sorted rows from which the state is taken; None for all.
    """

    source: Source
    keep: BoolArray | None = None

    def each(self, reads: Reads) -> Iterator[Chunk]:
        """Read all rows, some units after the other."""
        for first, stop in split_units(self.source.index.starts, ROWS):
            yield self._units(first, stop, reads)

    def first(self, reads: Reads) -> Chunk:
        """Read a small run of units."""
        starts = self.source.index.starts
        stop = min(max(int(np.searchsorted(starts, FIRST_ROWS)), 1), starts.size - 1)
        return self._units(0, stop, reads)

    def whole(self, reads: Reads) -> Chunk:
        """Read all rows of a few columns at once: for states that are no sum over units."""
        return self._units(0, self.source.n_units, reads)

    def _units(self, first: int, stop: int, reads: Reads) -> Chunk:
        return self.source.chunk(first, stop, reads).keeping(self.keep)


def whole_column(source: Source, name: str) -> AnyArray:
    """Read one column of all rows at once, for what is no sum over units, shape (n,)."""
    return FitRows(source).whole(Reads(columns=(name,))).values(name)
