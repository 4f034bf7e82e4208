"""The (unit, time) index: codes, order, duplicates, and the time axis in steps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeVar

import narwhals.stable.v2 as nw
import numpy as np

from panelml._typing import AnyArray, BoolArray, IntArray
from panelml.data.panel.axis import Period
from panelml.data.panel.codes import declared_levels, factorize, run_starts
from panelml.data.source.index import SourceIndex
from panelml.errors import (
    ColumnTypeError,
    DuplicateIndexError,
    EmptyDataError,
    MissingValueError,
    listing,
)

__all__ = ["PanelIndex", "build_index"]

Array = TypeVar("Array", bound=AnyArray)


@dataclass(frozen=True, slots=True)
class PanelIndex(SourceIndex):
    """Where each row of the sorted panel belongs.

    Attributes
    ----------
    time : IntArray, shape (n,)
        Code of each sorted row's period.
    order : IntArray, shape (n,), or None
        The user's row that stands at each sorted place; None where the rows came sorted.
    """

    time: IntArray
    order: IntArray | None

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

    def unsort(self, values: Array) -> Array:
        """Put sorted values back into the user's order."""
        if self.order is None:
            return values
        result = np.empty_like(values)
        result[self.order] = values
        return result


def build_index(
    unit: nw.Series[Any], time: nw.Series[Any], period: Period | float | None = None
) -> PanelIndex:
    """Sort and check the keys of a panel.

    Parameters
    ----------
    unit, time : narwhals Series
    period : Period or float, optional
        The step of time, or its length where times are numbers; found from the times by default.

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
    n = len(unit)
    if n == 0:
        raise EmptyDataError("The data have no rows.")
    for series, role in ((unit, "unit"), (time, "time")):
        _refuse_missing(series, role)
    categories = _ordered_categories(time)
    time_codes, times = factorize(time)
    # A dictionary of arrow's may have a null among its levels, which is no null of the rows.
    _refuse_rows(time.name, "time", "missing", time_codes < 0)
    if not isinstance(period, Period):
        period = Period.of_categories(categories) if categories else Period.of(times, period)
    first = run_starts(unit)
    runs, units = factorize(unit if first is None else unit[first])
    starts = np.append(np.arange(n) if first is None else first, n)
    if (runs < 0).any():
        _refuse_rows(unit.name, "unit", "missing", np.repeat(runs < 0, np.diff(starts)))
    order: IntArray | None = None
    if not _is_sorted(starts[:-1], runs, time_codes):
        unit_codes = runs if first is None else np.repeat(runs, np.diff(starts))
        order = _sorting_order(unit_codes * times.size + time_codes, units.size * times.size)
        unit_codes, time_codes = unit_codes[order], time_codes[order]
        twice = np.flatnonzero((np.diff(unit_codes) == 0) & (np.diff(time_codes) == 0))
        if twice.size:
            pairs = [(units[unit_codes[i]], times[time_codes[i]], order[i : i + 2]) for i in twice]
            _refuse_duplicates(pairs, unit.name, time.name)
        starts = np.searchsorted(unit_codes, np.arange(units.size + 1))
    return PanelIndex(units, times, starts, period.steps(times), period, time_codes, order)


def _is_sorted(first: IntArray, runs: IntArray, time: IntArray) -> bool:
    """Whether units come one after the other, and their periods rise."""
    if not (runs[1:] > runs[:-1]).all():
        return False
    rises = time[1:] > time[:-1]
    rises[first[1:] - 1] = True
    return bool(rises.all())


def _sorting_order(key: IntArray, cells: int) -> IntArray:
    if cells > 4 * key.size + 1024:
        return np.argsort(key, kind="stable")
    # Where most cells of units by periods are filled, each row has its place there.
    small = np.int32 if key.size < 2**31 else np.int64
    rows: Any = np.full(cells, -1, dtype=small)
    rows[key] = np.arange(key.size, dtype=small)
    order = rows[rows >= 0].astype(np.int64)
    return order if order.size == key.size else np.argsort(key, kind="stable")


def _refuse_missing(series: nw.Series[Any], role: str) -> None:
    missing = series.is_null().to_numpy()
    if series.dtype.is_float():
        values = np.asarray(series.to_numpy(), dtype=np.float64)
        missing = missing | np.isnan(values)
        _refuse_rows(series.name, role, "infinite", np.isinf(values))
    _refuse_rows(series.name, role, "missing", missing)


def _refuse_rows(name: str, role: str, what: str, wrong: BoolArray) -> None:
    if wrong.any():
        rows = np.flatnonzero(wrong)
        raise MissingValueError(
            f"The {role} column {name!r} is {what} in {rows.size} rows (row {listing(rows)}). "
            "Drop or complete these rows."
        )


def _ordered_categories(time: nw.Series[Any]) -> list[Any]:
    """Return the categories of time in order, those without a row too; none for other types.

    Raises
    ------
    ColumnTypeError
        If times are text, or categories without an order.
    """
    levels, ordered = declared_levels(time)
    if levels and ordered:
        return levels
    first = time[0] if time.dtype == nw.Object else None
    if time.dtype in (nw.String, nw.Categorical, nw.Enum) or levels or isinstance(first, str):
        raise ColumnTypeError(
            f"The time column {time.name!r} holds text or unordered categories, whose order is "
            "unknown. Convert it to integers, dates, periods or an ordered category."
        )
    return []


def _refuse_duplicates(pairs: list[tuple[object, object, IntArray]], unit: str, time: str) -> None:
    words = [f"{unit}={u}, {time}={t} (rows {rows[0]} and {rows[1]})" for u, t, rows in pairs[:4]]
    more = f" and {len(pairs) - 3} more" if len(pairs) > 3 else ""
    raise DuplicateIndexError(
        f"{len(pairs)} rows repeat a (unit, time) pair: {listing(words[:3])}{more}. "
        "Aggregate them, or choose keys that tell them apart."
    )
