"""The time axis: periods as positions on a grid of equal steps."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from panelml._typing import AnyArray, IntArray
from panelml.errors import ColumnTypeError, SpecificationError, listing, shown

__all__ = ["TimeAxis", "shift_places"]

_UNITS_OF_TIME = (
    (86_400_000_000, "day"),
    (3_600_000_000, "hour"),
    (60_000_000, "minute"),
    (1_000_000, "second"),
    (1, "microsecond"),
)
_PERIODS = {"Y": "year", "A": "year", "Q": "quarter", "M": "month", "W": "week", "D": "day"}
_NAMED = {"12 months": "1 year", "3 months": "1 quarter", "7 days": "1 week"}


@dataclass(frozen=True, slots=True)
class TimeAxis:
    """Where each period lies.

    Attributes
    ----------
    steps : IntArray, shape (T,)
        Position of each period, in steps from the first.
    delta : str
        Length of a step in words.
    """

    steps: IntArray
    delta: str

    @classmethod
    def of(cls, times: AnyArray, delta: float | None = None) -> TimeAxis:
        """Place sorted labels on an axis.

        Integers advance by one, dates by the largest step (years, months, or a span of time)
        that divides every gap, ordered categories by one place.

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
            If numbers do not lie on a grid, or delta has no meaning.
        """
        kind = pd.api.types.infer_dtype(times, skipna=False)
        if kind in ("integer", "floating", "mixed-integer-float", "boolean"):
            return cls._of_numbers(times.astype(np.float64), kind == "integer", delta)
        if delta is not None:
            raise SpecificationError("delta is the length of a period where times are numbers.")
        if kind in ("date", "datetime", "datetime64"):
            return cls._of_dates(_without_zone(pd.DatetimeIndex(times)))
        if kind in ("timedelta", "timedelta64"):
            return cls._of_spans(pd.TimedeltaIndex(times).as_unit("us").asi8)
        if kind == "period":
            periods = pd.PeriodIndex(times)
            unit = _PERIODS.get(periods.freqstr.partition("-")[0], periods.freqstr)
            return cls(np.asarray(periods.asi8 - periods.asi8[0]), f"1 {unit}")
        raise ColumnTypeError(f"Times must be numbers, dates or periods, not {listing(times)}.")

    @classmethod
    def of_places(cls, count: int) -> TimeAxis:
        """Place ordered categories, one step apart."""
        return cls(np.arange(count), "1 category")

    @classmethod
    def _of_numbers(cls, times: Any, whole: bool, delta: float | None) -> TimeAxis:
        if delta is not None and not delta > 0:
            raise SpecificationError(f"delta must be positive, not {shown(delta)}.")
        gaps = np.diff(times)
        step = delta
        if step is None:
            on_whole = whole or bool((gaps == np.rint(gaps)).all())
            step = 1.0 if on_whole else float(gaps.min())
        position = (times - times[0]) / step
        places = np.rint(position)
        if np.abs(position - places).max() > 1e-6:
            raise SpecificationError(
                f"The periods {listing(times)} do not lie on a grid of step {step:g}; "
                "pass delta= with the length of one period."
            )
        return cls(places.astype(np.int64), f"{step:g}")

    @classmethod
    def _of_dates(cls, dates: pd.DatetimeIndex) -> TimeAxis:
        if not _same_day_of_month(dates):
            return cls._of_spans(dates.as_unit("us").asi8)
        months = np.asarray(dates.year * 12 + dates.month, dtype=np.int64)
        steps, step = _divided(months)
        return cls(steps, _words(step, "month"))

    @classmethod
    def _of_spans(cls, microseconds: IntArray) -> TimeAxis:
        steps, step = _divided(np.asarray(microseconds))
        size, unit = next((size, unit) for size, unit in _UNITS_OF_TIME if step % size == 0)
        return cls(steps, _words(step // size, unit))


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


def _same_day_of_month(dates: pd.DatetimeIndex) -> bool:
    same_day = len(set(dates.day)) == 1 or bool(dates.is_month_end.all())
    return same_day and bool((dates == dates.normalize()).all())


def _without_zone(dates: pd.DatetimeIndex) -> pd.DatetimeIndex:
    """Read zoned times off the local clock where days or months are equal there, else in UTC."""
    if dates.tz is None:
        return dates
    local, universal = dates.tz_localize(None), dates.tz_convert(None)
    if not (local.is_monotonic_increasing and local.is_unique):
        return universal
    coarser = _divided(local.as_unit("us").asi8)[1] > _divided(universal.as_unit("us").asi8)[1]
    return local if coarser or _same_day_of_month(local) else universal


def _divided(positions: IntArray) -> tuple[IntArray, int]:
    from_first = positions - positions[0]
    step = math.gcd(*(int(gap) for gap in from_first[1:])) if from_first.size > 1 else 0
    return from_first // max(step, 1), max(step, 1)


def _words(count: int, unit: str) -> str:
    text = f"{count} {unit}{'s' if count > 1 else ''}"
    return _NAMED.get(text, text)
