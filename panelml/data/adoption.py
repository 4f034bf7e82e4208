"""When each unit adopts a policy, read off a column of dates or of treatment status."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from panelml._typing import AnyArray, BoolArray, FloatArray, IntArray
from panelml.data.axis import TimeAxis
from panelml.data.index import PanelIndex
from panelml.data.panel import Panel
from panelml.errors import (
    ColumnTypeError,
    DataError,
    IdentificationError,
    MissingValueError,
    SpecificationError,
    listing,
    shown,
)

__all__ = ["NEVER", "Adoption", "read_adoption", "read_status"]

# The step at which units adopt that never do; far from overflow when steps are subtracted.
NEVER = 2**40


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
    """

    column: str
    start: IntArray
    labels: dict[int, Any]
    steps: IntArray
    stops: BoolArray
    notes: tuple[str, ...] = ()

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


def read_adoption(
    panel: Panel, cohort: str | None = None, treatment: str | None = None, *, absorbing: bool = True
) -> Adoption:
    """Read the timing of a policy.

    Parameters
    ----------
    panel : Panel
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
    if panel.n_periods < 2:
        raise IdentificationError("The panel has a single period: nothing can be compared over it.")
    if cohort is not None:
        return _from_cohort(panel, cohort)
    return _from_treatment(panel, treatment or "", absorbing=absorbing)


def _from_cohort(panel: Panel, column: str) -> Adoption:
    panel.series(column)
    codes = panel.codes((column,))
    _refuse_varying(panel, column, panel.index.varies_within(codes))
    labels = panel.labels((column,))
    steps, known = _steps_of(labels, panel.index, column)
    start = np.append(steps, NEVER)[codes[panel.index.starts[:-1]]]
    late = (start > panel.index.steps[-1]) & (start < NEVER)
    start[late] = NEVER
    words = {int(step): label for step, label in zip(steps[::-1], labels[::-1], strict=True)}
    notes = []
    if late.any():
        notes.append(
            f"{int(late.sum()):,} units adopt after the last period: they count as never treated."
        )
    if known:
        notes.append(known)
    nobody: BoolArray = np.zeros(start.size, dtype=bool)
    return Adoption(
        column, start, words | _period_labels(panel.index), panel.index.steps, nobody, tuple(notes)
    )


def _from_treatment(panel: Panel, column: str, *, absorbing: bool) -> Adoption:
    index, values = panel.index, read_status(panel, column, "The treatment")
    step, first = index.steps[index.time], index.starts[:-1]
    start = np.minimum.reduceat(np.where(values == 1, step, NEVER), first)
    stops = np.maximum.reduceat(np.where(values == 0, step, -1), first) > start
    if absorbing and stops.any():
        units = listing(index.units[stops])
        raise IdentificationError(
            f"The treatment {column!r} ends again in {int(stops.sum()):,} units ({panel.unit} "
            f"{units}), but this estimator is for policies that stay. Give cohort= with the first "
            "treated period to estimate the effect of having been treated, or drop these units."
        )
    notes = (f"The treatment ends again in {int(stops.sum()):,} units.",) if stops.any() else ()
    return Adoption(column, start, _period_labels(index), index.steps, stops, notes)


def read_status(panel: Panel, column: str, role: str) -> FloatArray:
    """Read a column of 0 and 1, in the order of sorted rows.

    Parameters
    ----------
    panel : Panel
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
    values = panel.numbers(column, role).astype(np.float64)
    missing = np.isnan(values)
    if missing.any():
        raise MissingValueError(
            f"{role} {column!r} is missing in {int(missing.sum())} rows (row "
            f"{_rows(panel, missing)}). Complete it or drop these rows."
        )
    wrong = (values != 0) & (values != 1)
    if wrong.any():
        raise DataError(
            f"{role} {column!r} must be 0 or 1; it is not in {int(wrong.sum())} rows (row "
            f"{_rows(panel, wrong)})."
        )
    return values


def _rows(panel: Panel, where: BoolArray) -> str:
    """Write the user's numbers of some sorted rows."""
    return listing(sorted(panel.index.position(int(i)) for i in np.flatnonzero(where)))


def _refuse_varying(panel: Panel, column: str, varies: BoolArray) -> None:
    if varies.any():
        units = listing(panel.index.units[varies])
        raise DataError(
            f"The cohort {column!r} varies within {int(varies.sum()):,} units ({panel.unit} "
            f"{units}). It must be the same in all rows of a unit: its first treated period."
        )


def _period_labels(index: PanelIndex) -> dict[int, Any]:
    return {int(step): label for step, label in zip(index.steps, index.times, strict=True)}


def _steps_of(labels: AnyArray, index: PanelIndex, column: str) -> tuple[IntArray, str]:
    """Place cohorts on the time axis, shape (labels,), with a note on those between periods."""
    if labels.size == 0:
        return np.zeros(0, dtype=np.int64), ""
    if _are_numbers(index.times):
        places = _places_of_numbers(labels, index, column)
    elif _are_numbers(labels):
        raise ColumnTypeError(
            f"The cohort {column!r} holds numbers, as {shown(labels[0])}, but time holds labels as "
            f"{shown(index.times[0])}. Give the first treated period in the units of time."
        )
    else:
        places = _places_of_dates(labels, index, column)
    finite = np.isfinite(places)
    steps = np.where(finite, places, 0.0)
    whole = np.ceil(steps - 1e-6)
    between = finite & (np.abs(whole - steps) > 1e-6)
    note = ""
    if between.any():
        note = (
            f"The cohorts {listing(labels[between])} lie between two periods: they count as "
            "treated from the later one."
        )
    return np.where(finite, whole, NEVER).astype(np.int64), note


def _are_numbers(labels: AnyArray) -> bool:
    kinds = ("integer", "floating", "mixed-integer-float", "boolean")
    return pd.api.types.infer_dtype(labels, skipna=False) in kinds


def _places_of_numbers(labels: AnyArray, index: PanelIndex, column: str) -> FloatArray:
    if not _are_numbers(labels):
        raise ColumnTypeError(
            f"The cohort {column!r} holds values as {shown(labels[0])}, but time holds numbers as "
            f"{shown(index.times[0])}. Give the first treated period in the units of time."
        )
    values = labels.astype(np.float64)
    times = index.times.astype(np.float64)
    width = (times[-1] - times[0]) / (index.steps[-1] - index.steps[0])
    places: FloatArray = (values - times[0]) / width
    never = np.isinf(values) | ((values == 0) & ~(times == 0).any())
    return np.where(never, np.inf, places)


def _places_of_dates(labels: AnyArray, index: PanelIndex, column: str) -> FloatArray:
    known = dict(zip(index.times, index.steps, strict=True))
    if all(label in known for label in labels):
        return np.array([known[label] for label in labels], dtype=np.float64)
    both = np.array(sorted({*index.times, *labels}), dtype=object)
    try:
        steps = TimeAxis.of(both).steps
    except ColumnTypeError as error:
        unknown = [label for label in labels if label not in known]
        raise ColumnTypeError(
            f"The cohorts {listing(unknown)} in {column!r} are no periods of the panel."
        ) from error
    place = dict(zip(both, steps, strict=True))
    first, last = place[index.times[0]], place[index.times[-1]]
    width = (last - first) / (index.steps[-1] - index.steps[0])
    return np.array([(place[label] - first) / width for label in labels])
