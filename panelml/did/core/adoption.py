"""When each unit adopts a policy, read off a column of dates or of treatment status."""

from __future__ import annotations

import math
from dataclasses import dataclass
from numbers import Number
from typing import Any

import numpy as np

from panelml._typing import AnyArray, BoolArray, FloatArray, IntArray
from panelml.data.describe.show import label_text
from panelml.data.panel.columns import missing_values
from panelml.data.panel.placement import Placement, is_number, place, plain
from panelml.data.source.chunk import Reads
from panelml.data.source.index import SourceIndex
from panelml.data.source.rows import FitRows, whole_column
from panelml.data.source.source import Source
from panelml.errors import (
    DataError,
    IdentificationError,
    MissingValueError,
    SpecificationError,
    listing,
)

__all__ = [
    "NEVER",
    "Adoption",
    "last_adoption",
    "numbered_within_years",
    "read_adoption",
    "read_status",
    "spacing_notes",
]

# The step at which units adopt that never do; far from overflow when steps are subtracted.
NEVER = 2**40
# Of a year: quarters.
MOST_PARTS = 4


@dataclass(frozen=True, slots=True)
class Adoption:
    """The period in which each unit of a panel is treated first.

    Attributes
    ----------
    column : str
        What it was read off.
    start : IntArray, shape (units,)
        Step of the time axis at which each unit is treated first; ``NEVER`` where it is not. A
        step up to the first period's means that the unit is always treated.
    labels : dict of int to object
        The user's label of each step at which a unit adopts, and of each period.
    steps : IntArray, shape (T,)
        Step of each period of the panel.
    stops : BoolArray, shape (units,)
        Units whose treatment ends again.
    notes : tuple of str
    dated : bool
        Whether it was read off dates, not off treatment status.
    """

    column: str
    start: IntArray
    labels: dict[int, Any]
    steps: IntArray
    stops: BoolArray
    notes: tuple[str, ...] = ()
    dated: bool = True

    @property
    def never(self) -> BoolArray:
        """Units that are never treated, shape (units,)."""
        return np.asarray(self.start == NEVER)

    @property
    def always(self) -> BoolArray:
        """Units that are treated in the first period of the panel already, shape (units,)."""
        return np.asarray(self.start <= self.steps[0])

    @property
    def known_start(self) -> IntArray:
        """Steps of adoption; the first period's for units treated by then, shape (units,)."""
        return np.where(self.always, self.steps[0], self.start)

    @property
    def cohorts(self) -> IntArray:
        """Steps at which units adopt after the first period, increasing."""
        return np.unique(self.start[~self.never & ~self.always])

    def label(self, step: int) -> Any:
        """Return the user's label of a step."""
        return self.labels[int(step)]

    def require_cohorts(self) -> None:
        """Refuse a policy that no unit adopts after the first period.

        Raises
        ------
        IdentificationError
            Saying what the column holds.
        """
        if self.cohorts.size:
            return
        words = "No unit adopts after the first period: there is no effect."
        if self.never.all():
            raise IdentificationError(words)
        raise IdentificationError(
            f"{words} {self.column!r} has {int(self.always.sum()):,} units treated in all periods, "
            f"and {int(self.never.sum()):,} in none. Give cohort= the first treated period of each "
            "unit, or treatment= a column that turns from 0 to 1 when the policy starts."
        )


def last_adoption(cohort: int, steps: IntArray, *, base: str, anticipation: int) -> IntArray:
    """Step after which units adopt that are not treated yet, for the effects on a cohort.

    Parameters
    ----------
    cohort : int
        Its step of adoption.
    steps : IntArray, shape (T,)
    base : {"varying", "universal"}
        Before adoption: effects compare with the period before, or with the last one before
        adoption, until which no comparison unit may adopt either.
    anticipation : int
        Periods before adoption that do not count as untreated.

    Returns
    -------
    IntArray, shape (T,)
    """
    before = steps[steps + anticipation < cohort]
    after = np.maximum(steps, before[-1]) if before.size else steps
    if base == "varying":
        after = np.where(steps < cohort, steps, after)
    return after + anticipation


def spacing_notes(index: SourceIndex) -> tuple[str, ...]:
    """Say how horizons count where periods are more than one step of the time axis apart."""
    gaps = np.diff(index.steps)
    if not (gaps > 1).any():
        return ()
    times = plain(index.times)
    numbers = is_number(times[0])
    at = int((gaps > 1).argmax())
    first, second = (label_text(index.times[i]) for i in (at, at + 1))
    common = int(np.gcd.reduce(gaps))
    if common > 1:
        remedy = "In periods of that length, as pandas.Period has them, they count 1 each."
        if numbers and not index.period.written:
            delta = common * (times[at + 1] - times[at]) / gaps[at]
            remedy = f"With Panel(..., delta={delta:g}) they count periods."
        return (
            f"All periods are {common} steps, or a multiple of that, apart ({first}, {second}): "
            f"horizons count steps, and no period is one step before another. {remedy}",
        )
    if numbers and (not index.period.written or numbered_within_years(index)):
        return (
            f"Time jumps from {first} to {second}: horizons count {gaps[at]} steps there. If these "
            "are successive periods, as quarters or months written as one number, count them 1, 2, "
            "3, or use dates.",
        )
    if (gaps > 1).all():
        return (
            f"Horizons count steps of {index.delta}, and no period is one step before another: "
            f"there are {gaps[at]} from {first} to {second}. Dates in periods of equal length, as "
            "pandas.Period has them, are one step apart.",
        )
    return ()


def numbered_within_years(index: SourceIndex) -> bool:
    """Whether numbers read as months or quarters begin anew each year before its last one.

    201001 to 201004 and then 201101 are read as months, but seem to be quarters.
    """
    base = {"YYYYMM": 100, "YYYYQ": 10}.get(index.period.written)
    if base is None:
        return False
    times = index.times.astype(np.int64)
    gaps, turns = np.diff(index.steps), np.diff(times // base) > 0
    return bool(
        (times % base).min() == 1 and (times % base).max() <= MOST_PARTS and (gaps[turns] > 1).all()
    )


def read_adoption(
    source: Source,
    cohort: str | None = None,
    treatment: str | None = None,
    *,
    absorbing: bool = True,
) -> Adoption:
    """Read the timing of a policy.

    Parameters
    ----------
    source : Source
    cohort : str, optional
        Column with the first treated period of each unit; missing, infinite, and 0 where no
        period is called 0, for units that are never treated.
    treatment : str, optional
        Column of 0 and 1, instead of ``cohort``.
    absorbing : bool
        Whether a treatment that ends again is refused.

    Raises
    ------
    SpecificationError
        Unless exactly one of both columns is given.
    DataError
        If the cohort varies within a unit, or the treatment is not 0 or 1.
    MissingValueError
        If the treatment is missing.
    IdentificationError
        If the treatment ends again in some units.
    """
    if (cohort is None) == (treatment is None):
        raise SpecificationError(
            "Say when units are treated: cohort='column' with their first treated period, or "
            "treatment='column' of 0 and 1."
        )
    if source.n_periods < 2:
        raise IdentificationError("The panel has a single period: nothing can be compared over it.")
    if cohort is not None:
        return _from_cohort(source, cohort)
    return _from_treatment(source, treatment or "", absorbing=absorbing)


def _from_cohort(source: Source, column: str) -> Adoption:
    source.kind(column)
    index, own = source.index, _unit_cohorts(source, column)
    labels = source.labels((column,))
    dated = ~_stand_for_never(labels, index)
    placed = place(labels[dated], index, column)
    steps = np.full(labels.size + 1, NEVER)
    steps[:-1][dated] = placed.steps
    start = steps[own]
    units = np.bincount(own[own >= 0], minlength=labels.size)
    late = (start > index.steps[-1]) & (start < NEVER)
    start[late] = NEVER
    words = {int(step): label for step, label in zip(steps[-2::-1], labels[::-1], strict=True)}
    words |= _period_labels(index)
    notes = []
    if late.any():
        notes.append(
            f"{int(late.sum()):,} units adopt after the last period: they count as never treated."
        )
    notes += _placement_notes(labels[dated], units[dated], placed, index)
    nobody: BoolArray = np.zeros(start.size, dtype=bool)
    return Adoption(column, start, words, index.steps, nobody, (*notes, *spacing_notes(index)))


def _unit_cohorts(source: Source, column: str) -> IntArray:
    """Code the cohort of each unit, which must be that of all of its rows, shape (units,)."""
    first, varies = [], []
    for chunk in FitRows(source).each(Reads(keys=((column,),))):
        codes, starts = chunk.codes[column,], chunk.starts[:-1]
        first.append(codes[starts])
        varies.append(np.minimum.reduceat(codes, starts) < np.maximum.reduceat(codes, starts))
    _refuse_varying(source, column, np.concatenate(varies))
    return np.concatenate(first)


def _stand_for_never(labels: AnyArray, index: SourceIndex) -> BoolArray:
    """Numbers that stand for no date: infinite ones, and 0 where no period is called 0."""
    zero = not any(is_number(time) and time == 0 for time in plain(index.times))
    codes = [
        is_number(label) and (math.isinf(label) or (zero and label == 0)) for label in plain(labels)
    ]
    return np.array(codes, dtype=np.bool_)


def _placement_notes(
    labels: AnyArray, units: IntArray, placed: Placement, index: SourceIndex
) -> list[str]:
    notes, texts = [], np.array([label_text(label) for label in plain(labels)], dtype=object)
    if placed.early.any():
        notes.append(
            f"{int(units[placed.early].sum()):,} units adopt before the first period "
            f"{label_text(index.times[0])} (cohort {listing(texts[placed.early])}): they count as "
            "treated throughout. The cohort of units that are never treated is to be missing."
        )
    if placed.between.any():
        periods = {step: label_text(label) for step, label in _period_labels(index).items()}
        later = (
            periods.get(int(step), "one that nobody is observed in")
            for step in placed.steps[placed.between]
        )
        pairs = zip(texts[placed.between], later, strict=True)
        notes.append(
            "Cohorts that lie between two periods count as treated from the later one: "
            f"{listing(f'{text} (from {period})' for text, period in pairs)}."
        )
    return notes


def _from_treatment(source: Source, column: str, *, absorbing: bool) -> Adoption:
    index, values = source.index, read_status(source, column, "The treatment")
    time, first = source.codes((source.time,)), index.starts[:-1]
    step = index.steps[time]
    start = np.minimum.reduceat(np.where(values == 1, step, NEVER), first)
    stops = np.maximum.reduceat(np.where(values == 0, step, -1), first) > start
    if absorbing and stops.any():
        units = listing(index.units[stops])
        raise IdentificationError(
            f"The treatment {column!r} ends again in {int(stops.sum()):,} units ({source.unit} "
            f"{units}), but this estimator is for policies that stay. Give cohort= with the first "
            "treated period to estimate the effect of having been treated, or drop these units."
        )
    notes = [f"The treatment ends again in {int(stops.sum()):,} units."] * bool(stops.any())
    labels = _period_labels(index)
    unseen = _unseen(index, time, values)
    if unseen.size:
        notes.append(
            f"Units not observed in the period before their first treated row: {unseen.size:,} "
            f"({source.unit} {listing(index.units[unseen])}). They count as adopting in that row's "
            "period, and may have adopted earlier. Give cohort= where dates are known."
        )
    notes += spacing_notes(index)
    return Adoption(column, start, labels, index.steps, stops, tuple(notes), dated=False)


def _unseen(index: SourceIndex, time: IntArray, values: FloatArray) -> IntArray:
    """Units that no row shows untreated right before they are treated, after the first period."""
    rows, first = np.flatnonzero(values == 1), index.starts[:-1]
    at = np.searchsorted(rows, first)
    units = np.flatnonzero(at < np.searchsorted(rows, index.starts[1:]))
    row = rows[at[units]]
    before = np.where(row > first[units], time[row - 1], -1)
    return units[time[row] > before + 1]


def read_status(source: Source, column: str, role: str) -> FloatArray:
    """Read a column of 0 and 1, in the order of sorted rows.

    Parameters
    ----------
    source : Source
    column : str
    role : str
        What the column is for, as messages call it.

    Raises
    ------
    MissingValueError
        If a value is missing.
    DataError
        If a value is neither.
    """
    values = _as_numbers(source, column, role)
    missing = np.isnan(values)
    if missing.any():
        raise MissingValueError(
            f"{role} {column!r} is missing in {int(missing.sum())} rows (row "
            f"{_rows(source, missing)}). Complete it or drop these rows."
        )
    wrong = (values != 0) & (values != 1)
    if wrong.any():
        raise DataError(
            f"{role} {column!r} must be 0 or 1; it is not in {int(wrong.sum())} rows (row "
            f"{_rows(source, wrong)})."
        )
    return values


def _as_numbers(source: Source, column: str, role: str) -> FloatArray:
    """Read numbers, also where they are the names of categories."""
    if source.kind(column) == "category":
        values = whole_column(source, column)
        given = ~missing_values(values)
        if given.any() and all(isinstance(value, (Number, np.bool_)) for value in values[given]):
            found = np.full(values.shape, np.nan)
            found[given] = values[given].astype(np.float64)
            return found
    source.require_numbers(column, role)
    return whole_column(source, column).astype(np.float64)


def _rows(source: Source, where: BoolArray) -> str:
    """Write the user's numbers of some sorted rows."""
    return listing(sorted(source.index.position(int(i)) for i in np.flatnonzero(where)))


def _refuse_varying(source: Source, column: str, varies: BoolArray) -> None:
    if varies.any():
        units = listing(source.index.units[varies])
        raise DataError(
            f"The cohort {column!r} varies within {int(varies.sum()):,} units ({source.unit} "
            f"{units}). It must be the same in all rows of a unit: its first treated period."
        )


def _period_labels(index: SourceIndex) -> dict[int, Any]:
    return {int(step): label for step, label in zip(index.steps, index.times, strict=True)}
