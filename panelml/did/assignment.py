"""Number the effects to which rows of cohorts and periods contribute."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from panelml._typing import BoolArray, IntArray
from panelml.core.aggregation import Cells
from panelml.core.imputation import Assignment
from panelml.data.adoption import NEVER, Adoption
from panelml.data.sample import Sample
from panelml.did.base import sample_start

__all__ = ["CohortGrid", "assign"]


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
        periods = sample.panel.n_periods
        key = np.repeat(member, sizes[sizes > 0]) * periods + sample.codes((sample.panel.time,))
        rows = np.bincount(key, minlength=cohorts.size * periods)
        cohort, step = np.repeat(cohorts, periods), np.tile(adoption.steps, cohorts.size)
        return cls(start, cohorts, cohort, step, np.asarray(rows, dtype=np.int64))

    @property
    def horizon(self) -> IntArray:
        """Steps since adoption; far below zero for units that never adopt."""
        return np.where(self.cohort == NEVER, -NEVER, self.step - self.cohort)

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
