"""Readings of dates: what the calendar numbers them by, and which of these fits given ones."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from panelml._typing import AnyArray, FloatArray, IntArray

__all__ = ["READINGS", "choose_reading", "clock_of", "common_step", "dates_in_numbers", "on_clock"]

_DAY = 86_400_000_000
# Apart by so many days at most, dates of different months stand at the same place in them: the
# last business days lie within a week of the month's end.
_WEEK = 6
_YEARS = (1800, 2199)


@dataclass(frozen=True, slots=True)
class DateNumbering:
    """A numbering of dates.

    Attributes
    ----------
    unit : str
        What advances the number by one.
    position : callable
        Dates to numbers; halves lie between two units.
    fits : callable
        Whether sorted dates look as if they were numbered so.
    """

    unit: str
    position: Callable[[pd.DatetimeIndex], FloatArray | IntArray]
    fits: Callable[[pd.DatetimeIndex], bool]


def choose_reading(dates: pd.DatetimeIndex) -> tuple[str, int]:
    """Return the first reading that fits sorted dates, and the largest step that divides gaps.

    A reading in which no two periods are neighbours is left for another one.
    """
    for name, reading in READINGS.items():
        if reading.fits(dates):
            step, nearest = common_step(reading.position(dates).astype(np.int64))
            if step == nearest or name in ("month", "span"):
                return name, step
    raise AssertionError("A span of time fits any dates.")


def common_step(positions: AnyArray) -> tuple[int, int]:
    """Return the greatest common divisor of the gaps between sorted positions, and the least gap.

    Both are one for a single position.
    """
    gaps = np.diff(positions)
    return (int(np.gcd.reduce(gaps)), int(gaps.min())) if gaps.size else (1, 1)


def clock_of(dates: pd.DatetimeIndex) -> str:
    """Say whether zoned times are read off the "local" clock, or in "UTC".

    The local one is taken where days or months are equal there; "" without a zone.
    """
    if dates.tz is None:
        return ""
    local, universal = on_clock(dates, "local"), on_clock(dates, "UTC")
    if not (local.is_monotonic_increasing and local.is_unique):
        return "UTC"
    coarser = common_step(_microseconds(local))[0] > common_step(_microseconds(universal))[0]
    return "local" if coarser or _same_day_of_month(local) else "UTC"


def on_clock(dates: pd.DatetimeIndex, clock: str) -> pd.DatetimeIndex:
    """Read zoned times off a clock."""
    if dates.tz is None:
        return dates
    return dates.tz_convert(None) if clock == "UTC" else dates.tz_localize(None)


def dates_in_numbers(numbers: IntArray) -> str:
    """Say how whole numbers write dates, by a name of ``WRITTEN``; "" if they do not.

    Within a year months and quarters, and within a month days, advance by one either way, so that
    these count as numbers. Numbers such as 201004 are read as quarters where the reading leaves
    no gap, as months otherwise.
    """
    for form in WRITTEN:
        dates = WRITTEN[form](numbers)
        if dates is None or len(set(dates.year * 12 + dates.month * (form == "YYYYMMDD"))) < 2:
            continue
        if form != "YYYY0Q" or (np.diff(_months(dates)) == 3).all():
            return form
    return ""


def _year_month_day(numbers: IntArray) -> pd.DatetimeIndex | None:
    return _dates(numbers // 10_000, numbers // 100 % 100, numbers % 100)


def _year_month(numbers: IntArray) -> pd.DatetimeIndex | None:
    return _dates(numbers // 100, numbers % 100, np.ones_like(numbers))


def _year_quarter(numbers: IntArray) -> pd.DatetimeIndex | None:
    return _dates(numbers // 10, 3 * (numbers % 10) - 2, np.ones_like(numbers))


def _year_zero_quarter(numbers: IntArray) -> pd.DatetimeIndex | None:
    return _dates(numbers // 100, 3 * (numbers % 100) - 2, np.ones_like(numbers))


def _dates(year: IntArray, month: IntArray, day: IntArray) -> pd.DatetimeIndex | None:
    """Put dates together; None if one does not exist, or is of no year near ours."""
    if year.min() < _YEARS[0] or year.max() > _YEARS[1]:
        return None
    parts = pd.DataFrame({"year": year, "month": month, "day": day})
    dates = pd.DatetimeIndex(pd.to_datetime(parts, errors="coerce"))
    return None if dates.hasnans else dates


WRITTEN: dict[str, Callable[[IntArray], pd.DatetimeIndex | None]] = {
    "YYYYMMDD": _year_month_day,
    "YYYY0Q": _year_zero_quarter,
    "YYYYMM": _year_month,
    "YYYYQ": _year_quarter,
}


def _microseconds(dates: pd.DatetimeIndex) -> IntArray:
    return np.asarray(dates.as_unit("us").asi8)


def _months(dates: pd.DatetimeIndex) -> IntArray:
    return np.asarray(dates.year * 12 + dates.month, dtype=np.int64)


def _business_days(dates: pd.DatetimeIndex) -> FloatArray:
    """Count Mondays to Fridays; Saturdays and Sundays lie between two."""
    days = dates.to_numpy().astype("datetime64[D]")
    number = np.busday_count("1970-01-01", days).astype(np.float64)
    return number - np.where(dates.day_of_week > 4, 0.5, 0.0)


def _weeks_of_year(dates: pd.DatetimeIndex) -> FloatArray:
    """Count weeks that begin on 1 January: 52 a year, the last of 8 or 9 days, as Stata does."""
    week = np.minimum(np.asarray(dates.day_of_year - 1) / 7, 51)
    return np.asarray(dates.year, dtype=np.float64) * 52 + week


def _are_days(dates: pd.DatetimeIndex) -> bool:
    """Whether all stand at the same time of day, such as the last moment of the day."""
    return len(set(dates - dates.normalize())) == 1


def _same_day_of_month(dates: pd.DatetimeIndex) -> bool:
    same_day = len(set(dates.day)) == 1 or bool(dates.is_month_end.all())
    return same_day and _are_days(dates)


def _same_week_of_month(dates: pd.DatetimeIndex) -> bool:
    """Whether days stand once in a month, within a week of each other from its start or end."""
    once = bool(np.diff(_months(dates)).all())
    left = dates.days_in_month - dates.day
    near = min(np.ptp(dates.day), np.ptp(left)) <= _WEEK
    return once and bool(near) and _are_days(dates)


def _across_new_year(dates: pd.DatetimeIndex) -> bool:
    """Whether days are the first ones of weeks that begin on 1 January, in different years."""
    first = (np.asarray(dates.day_of_year - 1) % 7 == 0).all() and dates.day_of_year.max() < 365
    return bool(first) and len(set(dates.year)) > 1 and _are_days(dates)


def _skip_weekends(dates: pd.DatetimeIndex) -> bool:
    """Whether days follow each other but for weekends."""
    if not _are_days(dates) or (dates.day_of_week > 4).any():
        return False
    gaps = np.diff(_microseconds(dates)) // _DAY
    return bool((gaps == 1).any() and (gaps[dates.day_of_week[:-1] == 4] == 3).any())


# In the order of preference.
READINGS = {
    "month": DateNumbering("month", _months, _same_day_of_month),
    "month of the calendar": DateNumbering("month", _months, _same_week_of_month),
    "week of the year": DateNumbering("week", _weeks_of_year, _across_new_year),
    "business day": DateNumbering("business day", _business_days, _skip_weekends),
    "span": DateNumbering("microsecond", _microseconds, lambda dates: True),
}
