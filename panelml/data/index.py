"""The (unit, time) index: codes, order, duplicates, and the time axis in steps."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np
import pandas as pd

from panelml._typing import AnyArray, FloatArray, IntArray
from panelml.data.codes import factorize
from panelml.errors import (
    ColumnTypeError,
    DuplicateIndexError,
    EmptyDataError,
    MissingValueError,
    SpecificationError,
    listing,
)

__all__ = ["PanelIndex", "build_index"]


@dataclass(frozen=True, slots=True)
class PanelIndex:
    """Where each row of the sorted panel belongs.

    Attributes
    ----------
    units : AnyArray, shape (g,)
        Labels of the units, sorted.
    times : AnyArray, shape (T,)
        Labels of the periods, sorted.
    starts : IntArray, shape (g + 1,)
        First sorted row of each unit.
    time : IntArray, shape (n,)
        Code of each sorted row's period.
    steps : IntArray, shape (T,)
        Position of each period on the time axis, in steps of ``delta``.
    order : IntArray, shape (n,), or None
        The user's row that stands at each sorted place; None where the rows came sorted.
    """

    units: AnyArray
    times: AnyArray
    starts: IntArray
    time: IntArray
    steps: IntArray
    order: IntArray | None

    @property
    def n(self) -> int:
        """Number of rows."""
        return self.time.size

    @property
    def sizes(self) -> IntArray:
        """Rows of each unit, shape (g,)."""
        return np.diff(self.starts)

    @property
    def unit(self) -> IntArray:
        """Code of each sorted row's unit, shape (n,)."""
        return np.repeat(np.arange(self.units.size), self.sizes)

    def position(self, row: int) -> int:
        """Return the user's row number of a sorted row."""
        return row if self.order is None else int(self.order[row])

    def sort(self, values: AnyArray) -> AnyArray:
        """Put the user's values into sorted order."""
        return values if self.order is None else values[self.order]

    def unsort(self, values: FloatArray) -> FloatArray:
        """Put sorted values back into the user's order."""
        if self.order is None:
            return values
        result = np.empty_like(values)
        result[self.order] = values
        return result


def build_index(
    unit: nw.Series[Any], time: nw.Series[Any], delta: float | None = None
) -> PanelIndex:
    """Sort and check the keys of a panel.

    Raises
    ------
    EmptyDataError
        Without rows.
    MissingValueError
        If a key is missing.
    ColumnTypeError
        If time is text.
    DuplicateIndexError
        If a (unit, time) pair occurs twice.
    """
    if len(unit) == 0:
        raise EmptyDataError("The data have no rows.")
    for series, role in ((unit, "unit"), (time, "time")):
        _refuse_missing(series, role)
    _refuse_text_time(time)
    unit_codes, units = factorize(unit)
    time_codes, times = factorize(time)
    key = unit_codes * times.size + time_codes
    order: IntArray | None = None
    rise = np.diff(key)
    if not (rise > 0).all():
        order = np.argsort(key)
        key = key[order]
        _refuse_duplicates(key, order, units, times, unit.name, time.name)
        unit_codes, time_codes = unit_codes[order], time_codes[order]
    starts = np.searchsorted(unit_codes, np.arange(units.size + 1))
    return PanelIndex(units, times, starts, time_codes, time_steps(times, delta), order)


def time_steps(times: AnyArray, delta: float | None = None) -> IntArray:
    """Place periods on an axis of equal steps.

    Integers advance by one, dates by the largest step (years, months, or a span of time) that
    divides every gap, ordered categories by one place.

    Parameters
    ----------
    times : AnyArray, shape (T,)
        Sorted labels.
    delta : float, optional
        Size of a step for numeric times.
    """
    if np.issubdtype(times.dtype, np.datetime64):
        return _date_steps(times)
    if times.dtype == object and isinstance(times[0], pd.Period):
        return np.array([period.ordinal for period in times]) - times[0].ordinal
    if times.dtype.kind not in "iufb":
        return np.arange(times.size)
    if delta is not None and not delta > 0:
        raise SpecificationError(f"delta must be positive, not {delta!r}.")
    step = delta if delta is not None else _natural_step(times)
    position = (times.astype(np.float64) - float(times[0])) / step
    whole = np.rint(position)
    if np.abs(position - whole).max() > 1e-6:
        raise SpecificationError(
            f"The periods {listing(times)} do not lie on a grid of step {step:g}; "
            "pass delta= with the length of one period."
        )
    return whole.astype(np.int64)


def _natural_step(times: AnyArray) -> float:
    if times.dtype.kind in "iub" or times.size < 2:
        return 1.0
    gaps = np.diff(times.astype(np.float64))
    return 1.0 if (gaps == np.rint(gaps)).all() else float(gaps.min())


def _date_steps(times: AnyArray) -> IntArray:
    dates = pd.DatetimeIndex(times)
    months = np.asarray(dates.year * 12 + dates.month, dtype=np.int64)
    same_day = len(set(dates.day)) == 1 or bool(dates.is_month_end.all())
    exact_day = bool((dates == dates.normalize()).all())
    position = months if same_day and exact_day else dates.as_unit("us").asi8
    position = position - position[0]
    step = math.gcd(*(int(gap) for gap in np.diff(position))) if position.size > 1 else 1
    return position // max(step, 1)


def _refuse_missing(series: nw.Series[Any], role: str) -> None:
    missing = series.is_null().to_numpy()
    if series.dtype.is_float():
        missing = missing | series.is_nan().fill_null(value=True).to_numpy()
    if missing.any():
        rows = np.flatnonzero(missing)
        raise MissingValueError(
            f"The {role} column {series.name!r} is missing in {rows.size} rows "
            f"(row {listing(rows)}). Drop or complete these rows."
        )


def _refuse_text_time(time: nw.Series[Any]) -> None:
    native = time.to_native()
    if isinstance(native, pd.Series) and isinstance(native.dtype, pd.CategoricalDtype):
        if native.dtype.ordered:
            return
    elif time.dtype not in (nw.String, nw.Categorical):
        first = time[0] if time.dtype == nw.Object else None
        if not isinstance(first, str):
            return
    raise ColumnTypeError(
        f"The time column {time.name!r} holds text or unordered categories, whose order is "
        "unknown. Convert it to integers, dates, periods or an ordered category."
    )


def _refuse_duplicates(
    key: IntArray, order: IntArray, units: AnyArray, times: AnyArray, unit: str, time: str
) -> None:
    twice = np.flatnonzero(np.diff(key) == 0)
    if twice.size == 0:
        return
    pairs = [
        f"{unit}={units[key[i] // times.size]}, {time}={times[key[i] % times.size]} "
        f"(rows {order[i]} and {order[i + 1]})"
        for i in twice[:4]
    ]
    raise DuplicateIndexError(
        f"{twice.size} rows repeat a (unit, time) pair: {listing(pairs, most=3)}. "
        "Aggregate them, or choose keys that tell them apart."
    )
