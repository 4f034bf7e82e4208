"""What a source knows of its keys without a row in memory: units, periods, and their sizes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from panelml._typing import AnyArray, BoolArray, IntArray
from panelml.data.panel.axis import Period
from panelml.errors import DataError

__all__ = ["SourceIndex"]

Array = TypeVar("Array", bound=AnyArray)


@dataclass(frozen=True, slots=True)
class SourceIndex:
    """The units and periods of a source whose rows are sorted by both.

    Attributes
    ----------
    units : AnyArray, shape (g,)
        Labels of the units, sorted.
    times : AnyArray, shape (T,)
        Labels of the periods, sorted.
    starts : IntArray, shape (g + 1,)
        First sorted row of each unit.
    steps : IntArray, shape (T,)
        Position of each period on the time axis.
    period : Period
        What a step of the time axis is.
    """

    units: AnyArray
    times: AnyArray
    starts: IntArray
    steps: IntArray
    period: Period

    @property
    def delta(self) -> str:
        """Length of a step of time, in words."""
        return self.period.name

    @property
    def remedy(self) -> str:
        """What to do where no two periods are one step apart; "" where some are."""
        gaps = np.diff(self.steps)
        if not gaps.size or gaps.min() == 1:
            return ""
        common, number = int(np.gcd.reduce(gaps)), self.period.kind == "number"
        if number and common > 1 and not self.period.written:
            length = common * self.period.length
            return (
                f"All periods are {length:g} apart, or a multiple of that: with "
                f"Panel(..., delta={length:g}) that is one step."
            )
        if common > 1:
            return (
                f"All periods are {common} times {self.delta} apart, or a multiple of that: use "
                "periods of that length, or make a new Panel of these rows if they were selected "
                "from others."
            )
        return (
            f"The periods are uneven, with no common step but {self.delta}: turn them into "
            "periods of equal length, such as months, or number them."
        )

    @property
    def n(self) -> int:
        """Number of rows."""
        return int(self.starts[-1])

    @property
    def sizes(self) -> IntArray:
        """Rows of each unit, shape (g,)."""
        return np.diff(self.starts)

    def varies_within(self, values: AnyArray) -> BoolArray:
        """Which units have different values, missing ones aside, shape (g,)."""
        first = self.starts[:-1]
        return np.asarray(np.fmin.reduceat(values, first) < np.fmax.reduceat(values, first))

    def position(self, row: int) -> int:
        """Return the user's row number of a sorted row."""
        return row

    def unsort(self, values: Array) -> Array:
        """Put sorted values back into the user's order.

        Raises
        ------
        DataError
            Where the rows are not in memory, and have no other order.
        """
        raise DataError(
            f"These {values.size:,} values would be laid out beside the user's rows, and the rows "
            "of this source are not in memory. Load them as a Panel."
        )
