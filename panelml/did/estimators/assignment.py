"""Number the effects to which rows of cohorts and periods contribute."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from panelml._typing import BoolArray, IntArray
from panelml.data.describe.show import label_text
from panelml.data.sample import Sample
from panelml.did.core.adoption import NEVER, Adoption, spacing_notes
from panelml.did.core.aggregation import Cells
from panelml.did.core.imputation import Assignment
from panelml.did.estimators.base import sample_start
from panelml.errors import IdentificationError, listing

__all__ = [
    "CohortGrid",
    "assign",
    "require_reference",
    "unmeasured",
    "with_reference",
    "within_window",
]


@dataclass(frozen=True, slots=True)
class CohortGrid:
    """Every combination of a cohort of the sample and a period of the panel.

    Attributes
    ----------
    start : IntArray, shape (units,)
        Step at which each unit of the sample adopts.
    cohorts : IntArray, shape (c,)
    cohort, step : IntArray, shape (c * T,)
        Steps of adoption and of the period.
    rows : IntArray, shape (c * T,)
        Rows of the sample.
    """

    start: IntArray
    cohorts: IntArray
    cohort: IntArray
    step: IntArray
    rows: IntArray

    @classmethod
    def of(cls, sample: Sample, adoption: Adoption) -> CohortGrid:
        """Count the rows of each combination."""
        start = sample_start(adoption, sample)
        cohorts, member = np.unique(start, return_inverse=True)
        sizes = sample.unit_rows
        periods = sample.source.n_periods
        key = np.repeat(member, sizes[sizes > 0]) * periods + sample.codes((sample.source.time,))
        rows = np.bincount(key, minlength=cohorts.size * periods)
        cohort, step = np.repeat(cohorts, periods), np.tile(adoption.steps, cohorts.size)
        return cls(start, cohorts, cohort, step, np.asarray(rows, dtype=np.int64))

    @property
    def horizon(self) -> IntArray:
        """Steps since adoption; far below zero for units that never adopt."""
        return np.where(self.cohort == NEVER, -NEVER, self.step - self.cohort)

    def lacking(self, horizons: tuple[int, ...]) -> IntArray:
        """Cohorts that adopt and are observed at none of some horizons."""
        return np.setdiff1d(self.cohorts[self.cohorts != NEVER], self.shown(horizons))

    def shown(self, horizons: tuple[int, ...]) -> IntArray:
        """Cohorts that are observed at one of some horizons."""
        return np.unique(self.cohort[(self.rows > 0) & np.isin(self.horizon, horizons)])

    @property
    def adopts(self) -> BoolArray:
        """Combinations of cohorts that adopt after the first period."""
        return np.asarray((self.cohort != NEVER) & (self.cohort > self.step.min()))


def assign(
    grid: CohortGrid, label: IntArray, used: BoolArray, anticipation: int = 0
) -> tuple[Assignment, Cells]:
    """Number the effects: combinations with the same label contribute to the same one.

    Parameters
    ----------
    grid : CohortGrid
    label : IntArray, shape (c * T,)
    used : BoolArray, shape (c * T,)
        Combinations that contribute to an effect.
    anticipation : int

    Returns
    -------
    assignment : Assignment
    cells : Cells
        Cohort and period of each effect, those of one of its combinations where it has several;
        its size is the number of rows.
    """
    used = used & (grid.rows > 0)
    values, place = np.unique(label[used], return_inverse=True)
    effect: IntArray = np.full(label.size, -1)
    effect[used] = place
    at = np.flatnonzero(used)[np.unique(place, return_index=True)[1]]
    size = np.asarray(np.bincount(place, grid.rows[used]), dtype=np.float64)
    table = effect.reshape(grid.cohorts.size, -1)
    return (
        Assignment(grid.start, grid.cohorts, table, values.size, anticipation),
        Cells(grid.cohort[at], grid.step[at], size),
    )


def require_reference(grid: CohortGrid, references: tuple[int, ...], sample: Sample) -> None:
    """Refuse reference horizons at which no cohort is observed.

    Raises
    ------
    IdentificationError
        With the horizons that there are.
    """
    if not references or grid.shown(references).size:
        return
    there = grid.horizon[(grid.rows > 0) & (grid.cohort != NEVER)]
    raise IdentificationError(
        " ".join(
            [
                f"No cohort has a row at horizon {listing(references)}, from which effects are "
                f"measured; horizons are {listing(np.unique(there), most=12)}.",
                *spacing_notes(sample.source.index),
            ]
        )
    )


def unmeasured(
    grid: CohortGrid, horizon: IntArray, references: tuple[int, ...], adoption: Adoption
) -> tuple[str, ...]:
    """Note cohorts without a row at a reference, whose rows stay.

    Parameters
    ----------
    grid : CohortGrid
    horizon : IntArray, shape (c * T,)
        Of each combination, as it is labelled.
    references : tuple of int
    adoption : Adoption
    """
    measured = grid.cohort[(grid.rows > 0) & np.isin(horizon, references)]
    lost = np.setdiff1d(grid.cohorts[grid.cohorts != NEVER], measured)
    if not references or not lost.size:
        return ()
    return (
        f"Cohorts without a row at horizon {listing(references)}, from which effects are measured: "
        f"{_named(lost, adoption)}. Their rows tell of differences between other horizons alone.",
    )


def _named(cohorts: IntArray, adoption: Adoption) -> str:
    return listing(label_text(adoption.label(g)) for g in cohorts)


def with_reference(
    sample: Sample, adoption: Adoption, references: tuple[int, ...]
) -> tuple[Sample, tuple[str, ...]]:
    """Leave out cohorts that are not observed at a reference horizon.

    Raises
    ------
    IdentificationError
        If none is.
    """
    grid = CohortGrid.of(sample, adoption)
    require_reference(grid, references, sample)
    lost = grid.lacking(references)
    if not references or not lost.size:
        return sample, ()
    names = _named(lost, adoption)
    start = adoption.start[sample.codes((sample.source.unit,))]
    return sample.only(~np.isin(start, lost)), (
        f"Left out cohorts without a row at horizon {listing(references)}, from which effects are "
        f"measured: {names}.",
    )


def within_window(
    sample: Sample, adoption: Adoption, window: tuple[int, int]
) -> tuple[Sample, tuple[str, ...]]:
    """Leave out rows of adopting units at horizons outside a window."""
    source = sample.source
    start = adoption.start[sample.codes((source.unit,))]
    since = source.index.steps[sample.codes((source.time,))] - start
    keep = (start == NEVER) | ((since >= window[0]) & (since <= window[1]))
    if keep.all():
        return sample, ()
    return sample.only(keep), (
        f"Left out {int((~keep).sum()):,} rows at horizons outside {window[0]} to {window[1]}.",
    )
