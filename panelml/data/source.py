"""Chunks of whole units, read from a panel in memory."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from panelml._typing import AnyArray, BoolArray, FloatArray, IntArray
from panelml.data.panel.panel import Panel

__all__ = ["Chunk", "KnownMeans", "chunk_rows", "split_units"]

# For what an expression computes, by its key, the mean of each unit of a panel, NaN if unknown.
KnownMeans: TypeAlias = Mapping[tuple[object, ...], FloatArray]

# A chunk of so many numbers stays in the cache of a core; smaller ones cost more in calls.
CHUNK_CELLS = 300_000
CHUNK_ROWS = (4_000, 50_000)


@dataclass(frozen=True, slots=True)
class Chunk:
    """Sorted rows of whole units.

    Attributes
    ----------
    panel : Panel
    rows : slice
        The chunk's rows in the sorted panel.
    starts : IntArray, shape (g + 1,)
        First row of each unit within the chunk.
    keep : BoolArray, shape (n,), or None
        Rows of the estimation sample; None for all.
    first_unit : int
        Number of the first unit in the estimation sample.
    known : KnownMeans, or None
        Unit means that are not to be taken from these rows: those of a fit on others.
    """

    panel: Panel
    rows: slice
    starts: IntArray
    keep: BoolArray | None
    first_unit: int
    known: KnownMeans | None = None

    @classmethod
    def of_units(
        cls,
        panel: Panel,
        first: int,
        stop: int,
        keep: BoolArray | None,
        first_unit: int = 0,
        known: KnownMeans | None = None,
    ) -> Chunk:
        """Cut a run of units out of a panel; ``keep`` tells which of its rows are in the sample."""
        starts = panel.index.starts
        rows = slice(int(starts[first]), int(starts[stop]))
        local = starts[first : stop + 1] - starts[first]
        if known is not None:
            known = {key: means[first:stop] for key, means in known.items()}
        return cls(panel, rows, local, None if keep is None else keep[rows], first_unit, known)

    @property
    def n(self) -> int:
        """Number of rows, those outside the sample included."""
        return int(self.rows.stop - self.rows.start)

    @property
    def step(self) -> IntArray:
        """Position of each row on the time axis, shape (n,)."""
        return self.panel.index.steps[self.panel.index.time[self.rows]]

    @property
    def unit(self) -> IntArray:
        """Number of each row's unit within the chunk, shape (n,)."""
        return np.repeat(np.arange(self.starts.size - 1), np.diff(self.starts))

    def values(self, name: str) -> AnyArray:
        """Return the rows of a column."""
        return self.panel.values(name)[self.rows]


def chunk_rows(variables: int) -> int:
    """Return how many rows a chunk of so many variables should have."""
    least, most = CHUNK_ROWS
    return min(max(CHUNK_CELLS // variables, least), most)


def split_units(starts: IntArray, rows: int) -> Iterator[tuple[int, int]]:
    """Cut units into runs of about so many rows: pairs of first and past-the-last unit."""
    first, last = 0, starts.size - 1
    while first < last:
        stop = int(np.searchsorted(starts, starts[first] + rows, side="right")) - 1
        stop = min(max(stop, first + 1), last)
        yield first, stop
        first = stop
