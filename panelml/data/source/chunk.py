"""Chunks of whole units: rows with everything that a design reads of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from panelml._typing import AnyArray, BoolArray, FloatArray, IntArray

__all__ = ["Chunk", "KnownMeans", "Reads"]

# For what an expression computes, by its key, the mean of each unit of a panel, NaN if unknown.
KnownMeans: TypeAlias = Mapping[tuple[object, ...], FloatArray]


@dataclass(frozen=True, slots=True)
class Reads:
    """What is read of the rows of a chunk.

    Attributes
    ----------
    numbers : tuple of str
        Columns that must hold numbers.
    columns : tuple of str
        Columns of any kind.
    categories : tuple of str
        Columns whose codes and labels are read.
    keys : tuple of tuple of str
        Columns, or combinations of several, of which only the codes are read.
    """

    numbers: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    keys: tuple[tuple[str, ...], ...] = ()

    @classmethod
    def joined(cls, parts: Iterable[Reads]) -> Reads:
        """Read what any of several read."""
        every = tuple(parts)
        return cls(
            tuple(name for part in every for name in part.numbers),
            tuple(name for part in every for name in part.columns),
            tuple(name for part in every for name in part.categories),
            tuple(key for part in every for key in part.keys),
        )


@dataclass(frozen=True, slots=True)
class Chunk:
    """Sorted rows of whole units: arrays and nothing else, so that a chunk can travel.

    Attributes
    ----------
    columns : mapping of str to AnyArray, shape (n,)
        Values by name.
    codes : mapping of tuple of str to IntArray, shape (n,)
        Codes by the columns that are combined, -1 where missing.
    labels : mapping of str to AnyArray, shape (levels,)
        Value behind each code of a category.
    time : IntArray, shape (n,)
        Code of the period.
    steps : IntArray, shape (T,)
        Position of each period on the time axis.
    starts : IntArray, shape (g + 1,)
        First row of each unit within the chunk.
    first_row : int
        Number of the first row among the sorted rows of the source.
    order : IntArray, shape (n,), or None
        The user's number of each row; None where the sorted rows are in the user's order.
    keep : BoolArray, shape (n,), or None
        Rows of the estimation sample; None for all.
    first_unit : int
        Number of the first unit in the estimation sample.
    known : KnownMeans, or None
        Unit means that are not to be taken from these rows: those of a fit on others.
    """

    columns: Mapping[str, AnyArray]
    codes: Mapping[tuple[str, ...], IntArray]
    labels: Mapping[str, AnyArray]
    time: IntArray
    steps: IntArray
    starts: IntArray
    first_row: int
    order: IntArray | None
    keep: BoolArray | None = None
    first_unit: int = 0
    known: KnownMeans | None = None

    @property
    def n(self) -> int:
        """Number of rows, those outside the sample included."""
        return self.time.size

    @property
    def unit(self) -> IntArray:
        """Number of each row's unit within the chunk, shape (n,)."""
        return np.repeat(np.arange(self.starts.size - 1), np.diff(self.starts))

    def values(self, name: str) -> AnyArray:
        """Return the rows of a column."""
        return self.columns[name]

    def position(self, row: int) -> int:
        """Return the user's row number of a row of the chunk."""
        return self.first_row + row if self.order is None else int(self.order[row])

    def keeping(
        self,
        keep: BoolArray | None,
        first_unit: int = 0,
        known: KnownMeans | None = None,
    ) -> Chunk:
        """Mark the rows of the estimation sample, told for all rows of the source."""
        if keep is not None:
            keep = keep[self.first_row : self.first_row + self.n]
        # Written out, as replace() takes three times as long, and small panels have few rows.
        return Chunk(
            self.columns,
            self.codes,
            self.labels,
            self.time,
            self.steps,
            self.starts,
            self.first_row,
            self.order,
            keep,
            first_unit,
            known,
        )
