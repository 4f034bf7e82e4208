"""Where a source is cut into chunks: by whole units, of a size that caches hold."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from panelml._typing import IntArray

__all__ = ["chunk_rows", "split_units"]

# A chunk of so many numbers stays in the cache of a core; smaller ones cost more in calls.
CHUNK_CELLS = 300_000
CHUNK_ROWS = (4_000, 50_000)


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
