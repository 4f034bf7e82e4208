"""Where dates of adoption lie among the periods of a panel."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from numbers import Number
from typing import Any

import numpy as np
import pandas as pd

from panelml._typing import AnyArray, BoolArray, FloatArray, IntArray
from panelml.data.describe.show import label_text
from panelml.data.panel.axis import Period
from panelml.data.panel.calendar import READINGS
from panelml.data.source.index import SourceIndex
from panelml.errors import ColumnTypeError, SpecificationError, listing

__all__ = ["Placement", "is_number", "place", "plain"]

# Numbers that are nearer to a period than this share of a step are taken for it.
NEAR = 1e-6
# Numbers of days are exact; only the division by the length of a step rounds.
ROUNDING = 1e-9
# Readings of days that are not equally long as spans of time.
_READ = ("business day", "week of the year")
_WORDS = {"numbers": "numbers", "dates": "dates", "spans": "lengths of time", "text": "text"}


@dataclass(frozen=True, slots=True)
class Placement:
    """Steps of the time axis from which dates of adoption count.

    Attributes
    ----------
    steps : FloatArray, shape (labels,)
        Of the first period that is not before each date, whether observed or not; infinite for
        numbers that stand for no date.
    between : BoolArray, shape (labels,)
        Dates between two periods.
    early : BoolArray, shape (labels,)
        Dates before the first period.
    """

    steps: FloatArray
    between: BoolArray
    early: BoolArray


def place(labels: AnyArray, index: SourceIndex, column: str) -> Placement:
    """Place dates of adoption among the periods of a panel.

    Numbers are placed among numbers; dates, timestamps and periods, which count from their
    start, among each other. Anything else must be one of the panel's periods.

    Parameters
    ----------
    labels : AnyArray, shape (labels,)
        Distinct and not missing.
    index : SourceIndex
    column : str
        Where they stand, for messages.

    Raises
    ------
    ColumnTypeError
        If labels and periods are not of the same kind.
    """
    own, times = plain(labels), plain(index.times)
    kinds = {_kind(time) for time in times}
    scales = []
    if len(kinds) == 1 and "text" not in kinds:
        [kind] = kinds
        _require_kind(own, kind, times[0], column)
        scales = [scale for scale in _scales(kind, times, own, index.period, column) if scale.rises]
    if not scales:
        return _looked_up(own, dict(zip(times, index.steps.tolist(), strict=True)), column)
    chosen = next((scale for scale in scales if scale.is_even(index.steps)), scales[-1])
    return chosen.place(index.steps)


@dataclass(frozen=True, slots=True)
class _Scale:
    """Periods and dates as positions in time.

    Attributes
    ----------
    times : array, shape (T,)
    labels : array, shape (labels,)
    near : float
        Share of a step that counts as nothing.
    """

    times: Any
    labels: Any
    near: float = ROUNDING

    @property
    def rises(self) -> bool:
        """Whether periods are in order: those of an ordered category need not be."""
        return bool((np.diff(self.times) > 0).all())

    def is_even(self, steps: IntArray) -> bool:
        """Whether steps of the time axis are equally long on this scale."""
        position = (self.times - self.times[0]).astype(np.float64)
        share = (steps - steps[0]) / (steps[-1] - steps[0])
        return bool(np.allclose(position, share * position[-1], rtol=1e-12, atol=0.0))

    def place(self, steps: IntArray) -> Placement:
        """Find the first period that is not before each date.

        Periods that nobody is observed in lie evenly between those around them, and before the
        first and after the last. Where no two periods are one step apart there are none between.
        """
        last = steps.size - 1
        following = np.searchsorted(self.times, self.labels)
        inside = (following > 0) & (following <= last)
        low, high = np.where(inside, following - 1, 0), np.where(inside, following, last)
        sparse = inside & bool((np.diff(steps) > 1).all())
        count = np.where(sparse, 1, steps[high] - steps[low])
        whole, off = self._steps(low, high, count)
        step = np.where(sparse & (whole > 0), steps[high], steps[low] + whole)
        return Placement(step, inside & off, step < steps[0])

    def _steps(
        self, low: IntArray, high: IntArray, count: IntArray
    ) -> tuple[FloatArray, BoolArray]:
        """Count the steps from a period to the first that is not before each label.

        Also returns whether the label lies between two.
        """
        gap, length = self.labels - self.times[low], self.times[high] - self.times[low]
        if gap.dtype.kind == "i":
            # A microsecond later is later; products with the number of steps exceed 64 bits.
            product = gap.astype(object) * count.astype(object)
            steps = -(-product // length.astype(object))
            off = steps * length != product
            return steps.astype(np.float64), off.astype(bool)
        position = gap / length * count
        whole = np.ceil(position - self.near)
        return whole, np.abs(position - whole) > self.near


def plain(labels: AnyArray) -> list[Any]:
    """Return labels as Python has them, dates as timestamps."""
    if labels.dtype.kind in "mM":
        return list(pd.Index(labels))
    values = (label.item() if isinstance(label, np.generic) else label for label in labels.tolist())
    return [float(value) if isinstance(value, Decimal) else value for value in values]


def is_number(label: Any) -> bool:
    """Whether a label counts as a number."""
    return isinstance(label, Number)


def _kind(label: Any) -> str:
    if is_number(label):
        return "numbers"
    if isinstance(label, date | pd.Period):
        return "dates"
    return "spans" if isinstance(label, timedelta) else "text"


def _require_kind(labels: list[Any], kind: str, time: Any, column: str) -> None:
    wrong = next((label for label in labels if _kind(label) != kind), None)
    if wrong is None:
        return
    other = _kind(wrong) == "text" and not isinstance(wrong, str)
    words = f"values of type {type(wrong).__name__}" if other else _WORDS[_kind(wrong)]
    shown = repr(wrong) if isinstance(wrong, str) else label_text(wrong)
    raise ColumnTypeError(
        f"The cohort {column!r} holds {words}, as {shown}, but time holds "
        f"{_WORDS[kind]}, as {label_text(time)}. Give the first treated period in the units of "
        "time, and leave it missing where a unit is never treated."
    )


def _looked_up(labels: list[Any], known: dict[Any, int], column: str) -> Placement:
    unknown = [label for label in labels if label not in known]
    if unknown:
        raise ColumnTypeError(
            f"The cohorts {listing(map(repr, unknown))} in {column!r} are no periods of the panel. "
            "Leave the cohort missing where a unit is never treated."
        )
    nowhere: BoolArray = np.zeros(len(labels), dtype=bool)
    steps = np.array([known[label] for label in labels], dtype=np.float64)
    return Placement(steps, nowhere, nowhere)


def _scales(
    kind: str, times: list[Any], labels: list[Any], period: Period, column: str
) -> list[_Scale]:
    """Return the scales on which periods may be equally long, the best first."""
    if kind == "numbers" and period.written:
        return [_written(times, labels, period, column)]
    if kind == "numbers":
        # Differences of integers keep all digits of large ones.
        since = [np.array([float(value - times[0]) for value in side]) for side in (times, labels)]
        return [_Scale(since[0], since[1], NEAR)]
    if kind == "spans":
        return [_Scale(_microseconds(times), _microseconds(labels))]
    both = [*times, *labels]
    if all(isinstance(value, pd.Period) and value.freq == both[0].freq for value in both):
        return [_Scale(_ordinals(times), _ordinals(labels))]
    stamps = [[_stamp(value) for value in side] for side in (times, labels)]
    if len({stamp.tz is None for side in stamps for stamp in side}) > 1:
        raise ColumnTypeError(
            f"Only one of time and the cohort {column!r} has a time zone. Give both the same, by "
            "tz_localize() of pandas or replace_time_zone() of polars."
        )
    zone = stamps[0][0].tz
    if zone is None and period.reading in _READ:
        return [_read(stamps[0], stamps[1], period), *_date_scales(*stamps)]
    if zone is None:
        return _date_scales(*stamps)
    # Days and months are those of the local clock.
    local = [[stamp.tz_convert(zone).tz_localize(None) for stamp in side] for side in stamps]
    universal = [[stamp.tz_convert(None) for stamp in side] for side in stamps]
    return [*_date_scales(*local), *_date_scales(*universal)]


def _written(times: list[Any], labels: list[Any], period: Period, column: str) -> _Scale:
    """Read numbers that write dates, 202001, as dates; those outside the panel need not be any."""

    def read(label: Any) -> float:
        since = float(label) - float(times[0])
        try:
            return float(period.positions(np.array([label]))[0] - first)
        except (ColumnTypeError, SpecificationError, ValueError):
            if since < 0 or label > times[-1]:
                return since
        raise ColumnTypeError(
            f"The cohort {column!r} holds {label_text(label)}, which is no date written as "
            f"{period.written}, as time has them."
        )

    first = float(period.positions(np.array(times[:1]))[0])
    sides = [np.array([read(value) for value in side]) for side in (times, labels)]
    return _Scale(sides[0], sides[1], NEAR)


def _read(times: list[pd.Timestamp], labels: list[pd.Timestamp], period: Period) -> _Scale:
    """Number days as the time axis does; later than midnight is between two of them."""
    sides = [pd.DatetimeIndex(side) for side in (times, labels)]
    numbers = [
        READINGS[period.reading].position(side.normalize()).astype(np.float64)
        + 0.25 * (side != side.normalize())
        for side in sides
    ]
    return _Scale(numbers[0], numbers[1])


def _stamp(value: Any) -> pd.Timestamp:
    return value.start_time if isinstance(value, pd.Period) else pd.Timestamp(value)


def _ordinals(periods: list[Any]) -> IntArray:
    return np.array([period.ordinal for period in periods], dtype=np.int64)


def _microseconds(spans: list[Any]) -> IntArray:
    return np.array([pd.Timedelta(span).to_numpy() for span in spans], "m8[us]").astype(np.int64)


def _date_scales(times: list[pd.Timestamp], labels: list[pd.Timestamp]) -> list[_Scale]:
    """Months, where periods are all on the same day or at ends of months; and time itself."""
    sides = [np.array([s.to_numpy() for s in side], dtype="M8[us]") for side in (times, labels)]
    spans = _Scale(sides[0].astype(np.int64), sides[1].astype(np.int64))
    months = sides[0].astype("M8[M]")
    days = (sides[0] - months).astype("m8[us]")
    ends = (months + 1).astype("M8[us]") - sides[0]
    if len(set(ends.tolist())) == 1:
        first, second = (_months(side, from_end=ends[0]) for side in sides)
        return [_Scale(first, second), spans]
    if len(set(days.tolist())) == 1:
        first, second = (_months(side, from_start=days[0]) for side in sides)
        return [_Scale(first, second), spans]
    return [spans]


def _months(dates: Any, from_start: Any = None, from_end: Any = None) -> IntArray:
    """Number half months: even where a period lies in its month, odd between periods."""
    months = dates.astype("M8[M]")
    following = (months + 1).astype("M8[us]")
    if from_start is None:
        own = following - from_end
    else:
        day = np.timedelta64(1, "D")
        own = np.minimum(months.astype("M8[us]") + from_start, following - day + from_start % day)
    half: IntArray = 2 * months.astype(np.int64) + np.sign(dates - own).astype(np.int64)
    return half
