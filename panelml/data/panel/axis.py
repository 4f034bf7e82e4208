"""The time axis: periods as positions on a grid of equal steps."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from panelml._typing import AnyArray, IntArray
from panelml.data.panel.calendar import (
    READINGS,
    WRITTEN,
    choose_reading,
    clock_of,
    common_step,
    dates_in_numbers,
    on_clock,
)
from panelml.errors import ColumnTypeError, SpecificationError, listing, shown

__all__ = ["Period", "TimeAxis", "shift_places"]

_UNITS_OF_TIME = (
    (86_400_000_000, "day"),
    (3_600_000_000, "hour"),
    (60_000_000, "minute"),
    (1_000_000, "second"),
    (1, "microsecond"),
)
_PERIODS = {
    "Y": "year",
    "A": "year",
    "Q": "quarter",
    "M": "month",
    "W": "week",
    "D": "day",
    "B": "business day",
    "H": "hour",
    "T": "minute",
    "MIN": "minute",
    "S": "second",
}
_NAMED = {"12 months": "1 year", "3 months": "1 quarter", "7 days": "1 week"}
_MOST = 2**62


@dataclass(frozen=True, slots=True)
class Period:
    """A step of the time axis: how labels are read as positions, and how long a step is.

    It is part of what is fitted: other rows, such as those that a panel is filtered to or that
    are predicted, keep the step of the rows from which it was found.

    Attributes
    ----------
    kind : str
        ``"number"``, ``"date"``, ``"span"`` (a timedelta), ``"period"`` (of pandas) or
        ``"category"``.
    length : int or float
        Of a step, in what the labels are read as.
    name : str
        Length of a step in words.
    reading : str
        Of dates, by the name of one of ``calendar.READINGS``; of periods, their frequency.
    clock : str
        ``"local"`` or ``"UTC"`` where dates have a zone.
    written : str
        ``"YYYYMM"``, say, where numbers write dates.
    categories : tuple
        All categories that are declared, in order.
    """

    kind: str
    length: float
    name: str
    reading: str = ""
    clock: str = ""
    written: str = ""
    categories: tuple[Any, ...] = ()

    @classmethod
    def of(cls, times: AnyArray, delta: float | None = None) -> Period:
        """Find the step of sorted labels.

        Integers advance by one, dates by the largest step (years, months, or a span of time)
        that divides every gap. Whole numbers that write dates, as 200112 and 200201 do, are
        read as these unless ``delta`` is given.

        Parameters
        ----------
        times : AnyArray, shape (T,)
            Sorted labels.
        delta : float, optional
            Length of a step where times are numbers.

        Raises
        ------
        ColumnTypeError
            If the labels are no times.
        SpecificationError
            If delta has no meaning.
        """
        kind = _kind(times)
        if kind == "number":
            return cls._of_numbers(_numbers(times), delta)
        if delta is not None:
            raise SpecificationError("delta is the length of a period where times are numbers.")
        if kind == "date":
            return cls._of_dates(pd.DatetimeIndex(times))
        if kind == "period":
            periods, frequency = pd.PeriodIndex(times), _frequency(pd.PeriodIndex(times))
            code = frequency.partition("-")[0]
            count = int(periods.freqstr[: -len(frequency)] or 1)
            length = math.gcd(count, *np.diff(periods.asi8).tolist())
            name = _words(length, _PERIODS.get(code.upper(), code))
            return cls(kind, length, name, frequency)
        length = common_step(pd.TimedeltaIndex(times).as_unit("us").asi8)[0]
        return cls(kind, length, _span_words(length))

    @classmethod
    def of_categories(cls, categories: Sequence[Any]) -> Period:
        """Return the step of ordered categories: one place, whether or not a row is there."""
        return cls("category", 1, "1 category", categories=tuple(categories))

    @classmethod
    def _of_numbers(cls, times: AnyArray, delta: float | None) -> Period:
        if delta is not None:
            if not delta > 0:
                raise SpecificationError(f"delta must be positive, not {shown(delta)}.")
            return cls("number", float(delta), f"{delta:g}")
        gaps = np.diff(times)
        if times.dtype.kind == "f" and (gaps != np.rint(gaps)).any():
            return cls("number", float(gaps.min()), f"{gaps.min():g}")
        written = _write_dates(times)
        if not written:
            return cls("number", 1, "1")
        found = cls._of_dates(_read_numbers(times, written))
        return cls(
            "number",
            found.length,
            f"{found.name} (read as {written})",
            found.reading,
            written=written,
        )

    @classmethod
    def _of_dates(cls, dates: pd.DatetimeIndex) -> Period:
        clock = clock_of(dates)
        reading, length = choose_reading(on_clock(dates, clock))
        unit = READINGS[reading].unit
        name = _span_words(length) if reading == "span" else _words(length, unit)
        return cls("date", length, name, reading, clock)

    def steps(self, times: AnyArray) -> IntArray:
        """Place sorted labels: their distance from the first, in steps, shape (T,).

        Raises
        ------
        ColumnTypeError
            If the labels are of another kind than those that the step was found from.
        SpecificationError
            If they do not lie on a grid of such steps.
        """
        positions = self.positions(times)
        from_first = positions - positions[0]
        steps = np.rint(np.asarray(from_first / self.length, dtype=np.float64))
        if positions.dtype.kind in "iO" and float(self.length).is_integer():
            off = bool((from_first % int(self.length)).any())
            steps = np.asarray(from_first // int(self.length))
        else:
            off = bool(np.abs(from_first / self.length - steps).max() > 1e-6)
        if off or (np.diff(steps) <= 0).any() or steps[-1] > _MOST:
            raise SpecificationError(
                f"The periods {listing(times)} do not lie on a grid of step {self.name}; "
                + (
                    "Panel(..., delta=) sets the length of a period."
                    if self.kind == "number"
                    else "leave out those between."
                )
            )
        return steps.astype(np.int64)

    def positions(self, labels: AnyArray) -> AnyArray:
        """Read labels as numbers, ``length`` apart from one step to the next, shape (n,).

        Raises
        ------
        ColumnTypeError
            If the labels are of another kind than those that the step was found from.
        """
        if self.kind == "category":
            place = pd.Index(self.categories).get_indexer(pd.Index(labels))
            if (place < 0).any():
                raise ColumnTypeError(
                    f"The periods {listing(labels[place < 0])} are not among the categories "
                    f"{listing(self.categories)}."
                )
            return np.asarray(place, dtype=np.int64)
        if _kind(labels) != self.kind:
            raise ColumnTypeError(
                f"Times such as {labels[0]!s} are no {self.kind}s, as those are by which the "
                "length of a period was found. Convert them to the same type."
            )
        if self.kind == "number":
            numbers = _numbers(labels)
            if not self.written:
                return numbers
            return READINGS[self.reading].position(_read_numbers(numbers, self.written))
        if self.kind == "date":
            dates = on_clock(pd.DatetimeIndex(labels), self.clock)
            return READINGS[self.reading].position(dates)
        if self.kind == "span":
            return np.asarray(pd.TimedeltaIndex(labels).as_unit("us").asi8)
        periods = pd.PeriodIndex(labels)
        if _frequency(periods) != self.reading:
            raise ColumnTypeError(
                f"The periods {listing(labels)} have the frequency {_frequency(periods)!r}, not "
                f"{self.reading!r}. Convert them by pandas' asfreq()."
            )
        return np.asarray(periods.asi8)


@dataclass(frozen=True, slots=True)
class TimeAxis:
    """Where each period lies.

    Attributes
    ----------
    steps : IntArray, shape (T,)
        Position of each period, in steps from the first.
    period : Period
        The step.
    """

    steps: IntArray
    period: Period

    @classmethod
    def of(cls, times: AnyArray, delta: float | None = None) -> TimeAxis:
        """Place sorted labels by the step that ``Period.of`` finds for them."""
        period = Period.of(times, delta)
        return cls(period.steps(times), period)


def shift_places(unit: IntArray, time: IntArray, steps: IntArray, periods: int) -> IntArray:
    """Find the row of the same unit so many periods earlier.

    Parameters
    ----------
    unit, time : IntArray, shape (n,)
        Codes of each row's unit and period, sorted by both.
    steps : IntArray, shape (T,)
        Position of each period on the time axis.
    periods : int
        Positive for lags, negative for leads.

    Returns
    -------
    IntArray, shape (n,)
        Number of that row, -1 where it was not observed.
    """
    n, size = time.size, steps.size
    earlier = np.minimum(np.searchsorted(steps, steps - periods), size - 1)
    earlier[steps[earlier] != steps - periods] = -1
    target = earlier[time]
    key, sought = unit * size + time, unit * size + target
    # Without gaps the row is that many places away; only the others are searched for.
    place = np.clip(np.arange(n) - periods, 0, max(n - 1, 0))
    wrong = np.flatnonzero((key[place] != sought) | (target < 0))
    found = np.minimum(np.searchsorted(key, sought[wrong]), n - 1)
    hit = (key[found] == sought[wrong]) & (target[wrong] >= 0)
    place[wrong] = np.where(hit, found, -1)
    return place


def _kind(labels: AnyArray) -> str:
    kind = pd.api.types.infer_dtype(labels, skipna=False)
    if kind in ("integer", "floating", "mixed-integer-float", "boolean", "decimal"):
        return "number"
    if kind in ("date", "datetime", "datetime64"):
        return "date"
    if kind in ("timedelta", "timedelta64"):
        return "span"
    if kind == "period":
        return "period"
    raise ColumnTypeError(f"Times must be numbers, dates or periods, not {listing(labels)}.")


def _numbers(labels: AnyArray) -> AnyArray:
    """Return whole numbers of any type as integers, which are exact; others as floats."""
    kind = labels.dtype.kind
    if kind == "f" or (kind == "O" and any(value != int(value) for value in labels)):
        return labels.astype(np.float64)
    if kind in "uO":
        whole = np.array([int(value) for value in labels], dtype=object)
        return whole if np.abs(whole).max() >= _MOST else whole.astype(np.int64)
    return labels.astype(np.int64)


def _write_dates(times: AnyArray) -> str:
    """Say how numbers write dates, "" if they do not."""
    if times.dtype.kind == "O" or (times != np.rint(times)).any() or times[-1] > _MOST:
        return ""
    return dates_in_numbers(times.astype(np.int64))


def _frequency(periods: pd.PeriodIndex) -> str:
    """Return the code of what periods are counted in: "Q-DEC" for those of two quarters."""
    return str(periods.freqstr).lstrip("0123456789")


def _read_numbers(numbers: AnyArray, written: str) -> pd.DatetimeIndex:
    dates = WRITTEN[written](numbers.astype(np.int64))
    if dates is None:
        raise SpecificationError(
            f"The periods {listing(numbers)} are not all written as {written}. Pass delta= if "
            "they are plain numbers."
        )
    return dates


def _span_words(microseconds: int) -> str:
    size, unit = next((size, unit) for size, unit in _UNITS_OF_TIME if microseconds % size == 0)
    return _words(microseconds // size, unit)


def _words(count: int, unit: str) -> str:
    text = f"{count} {unit}{'s' if count > 1 else ''}"
    return _NAMED.get(text, text)
