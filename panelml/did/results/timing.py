"""Who is treated when, and with whom each cohort can be compared."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np
import pandas as pd

from panelml._typing import IntArray
from panelml.arguments import checked
from panelml.data.describe.show import Listed, Listing, count, percent
from panelml.data.panel.index import PanelIndex
from panelml.data.panel.panel import Panel
from panelml.data.source.given import DataLike
from panelml.did.core.adoption import NEVER, Adoption, last_adoption, read_adoption, spacing_notes
from panelml.did.results.averages import label_text
from panelml.did.results.plot_policy import plot_means, plot_status
from panelml.engine.sampling import require_panel
from panelml.errors import SpecificationError

if TYPE_CHECKING:
    from panelml.results.plot.intervals import Axes

__all__ = ["Timing"]

Base: TypeAlias = Literal["varying", "universal"]


@checked
class Timing(Listed):
    """When the units of a panel adopt a policy.

    Parameters
    ----------
    data : Panel
        Or a pandas frame with a (unit, time) MultiIndex.
    cohort : str, optional
        Column with the first treated period of each unit; missing, infinite or 0 for units that
        are never treated.
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
    IdentificationError
        If the treatment ends again in some units, or the panel has a single period.

    Examples
    --------
    >>> import panelml as pm
    >>> panel = pm.Panel(pm.simulate.staggered(90, 7, seed=1), unit="unit", time="time")
    >>> timing = pm.Timing(panel, cohort="cohort")
    >>> print(timing.cohorts())
                   units  rows  treated_rows     share  before  after
    cohort
    3                 23   161           115  0.255556       2      5
    5                 23   161            69  0.255556       4      3
    6                 22   154            44  0.244444       5      2
    never treated     22   154             0  0.244444       7      0
    """

    __slots__ = ("adoption", "panel")

    def __init__(
        self,
        data: DataLike,
        *,
        cohort: str | None = None,
        treatment: str | None = None,
        absorbing: bool = True,
    ) -> None:
        self.panel: Panel = require_panel(data)
        self.adoption: Adoption = read_adoption(self.panel, cohort, treatment, absorbing=absorbing)

    @property
    def notes(self) -> tuple[str, ...]:
        """What was done unasked."""
        return self.adoption.notes

    def cohorts(self) -> pd.DataFrame:
        """Count units, rows and treated rows by cohort: never treated last, always treated first.

        Returns
        -------
        DataFrame
            Indexed by cohort: ``units``, ``rows``, ``treated_rows``, ``share`` of the units, and
            the numbers of periods ``before`` and ``after`` adoption.
        """
        return _cohort_table(self.adoption, self.panel.index)

    def comparisons(self, anticipation: int = 0, *, base: Base = "varying") -> pd.DataFrame:
        """Count the units with which each cohort can be compared in each period.

        Parameters
        ----------
        anticipation : int
            Periods before adoption in which units no longer count as untreated.
        base : {"varying", "universal"}
            Whether effects before adoption compare with the period before or, as those after it,
            with the last one before adoption: see ``CallawaySantAnna``. Units that adopt between
            the two periods are no comparison.

        Returns
        -------
        DataFrame
            For each cohort and period, of the units observed in it: ``treated`` ones of the
            cohort; those ``never`` treated; and ``not_yet``, those with which an estimator
            compares by ``control="not-yet"``, never-treated units included. In unbalanced panels
            estimators of changes leave out units that miss the period they compare with.
        """
        index = self.panel.index
        return _comparison_table(self.adoption, index, anticipation=anticipation, base=base)

    def horizons(self, units: int = 1) -> tuple[int, int]:
        """Return the first and last horizon at which so many adopting units are observed.

        Horizons count periods since adoption. The range has no gaps, and holds -1.

        Raises
        ------
        SpecificationError
            If there is no such range.
        """
        return _horizons_seen(self.adoption, self.panel.index, units)

    def means(self, column: str) -> pd.DataFrame:
        """Average a variable by cohort (columns) and period (rows)."""
        values = self.panel.numbers(column).astype(np.float64)
        start = self.adoption.known_start
        cells = pd.DataFrame(
            {
                "time": self.panel.index.times[self.panel.index.time],
                "start": start[self.panel.index.unit],
                "value": values,
            }
        )
        table = cells.pivot_table(index="time", columns="start", values="value", aggfunc="mean")
        table.columns = pd.Index(
            [_cohort_name(self.adoption, int(value)) for value in table.columns], name="cohort"
        )
        return table.rename_axis(self.panel.time)

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw each unit's treatment status over time, in the order of adoption.

        Raises
        ------
        MissingDependencyError
            If matplotlib is not installed.
        """
        index, adoption = self.panel.index, self.adoption
        status = np.zeros((index.units.size, index.times.size), dtype=np.int64)
        treated = adoption.steps[index.time] >= adoption.start[index.unit]
        status[index.unit, index.time] = 1 + treated
        order = np.argsort(adoption.start, kind="stable")
        return plot_status(
            status[order],
            [label_text(label) for label in index.units[order]],
            [label_text(label) for label in index.times],
            unit=self.panel.unit,
            time=self.panel.time,
            ax=ax,
        )

    def plot_means(self, column: str, ax: Axes | None = None) -> Axes:
        """Draw the means of a variable over time by cohort.

        Raises
        ------
        MissingDependencyError
            If matplotlib is not installed.
        """
        adoption, means = self.adoption, self.means(column)
        start = np.unique(adoption.known_start)
        first = [
            float("nan") if step == NEVER else float(np.searchsorted(adoption.steps, step))
            for step in start
        ]
        means.index = pd.Index([label_text(t) for t in means.index], name=means.index.name)
        return plot_means(means, first, label=column, ax=ax)

    @property
    def _title(self) -> str:
        adoption = self.adoption
        always = int(adoption.always.sum())
        adopting = int((~adoption.never).sum()) - always
        more = f"; {always:,} are always treated" if always else ""
        return (
            f"Treatment by {adoption.column}: {adopting:,} of {self.panel.n_units:,} units "
            f"({self.panel.unit}) adopt, in {adoption.cohorts.size} cohorts{more}"
        )

    @property
    def _listing(self) -> Listing:
        heads = ("Cohort", "Units", "Share, %", "Rows", "Treated rows", "Periods before", "After")
        rows = tuple(
            (
                str(name),
                count(row["units"]),
                percent(row["share"]),
                count(row["rows"]),
                count(row["treated_rows"]),
                count(row["before"]),
                count(row["after"]),
            )
            for name, row in self.cohorts().iterrows()
        )
        return Listing(heads, rows)

    @property
    def _remarks(self) -> tuple[str, ...]:
        return self.notes


def _cohort_table(adoption: Adoption, index: PanelIndex) -> pd.DataFrame:
    """Count units and rows by cohort; see ``Timing.cohorts``."""
    step = adoption.steps[index.time]
    start = adoption.known_start
    by_row = start[index.unit]
    counts = {}
    for value in np.unique(start):
        rows = by_row == value
        counts[_cohort_name(adoption, int(value))] = {
            "units": int((start == value).sum()),
            "rows": int(rows.sum()),
            "treated_rows": int((rows & (step >= value)).sum()),
            "share": float((start == value).mean()),
            "before": int((adoption.steps < value).sum()),
            "after": int((adoption.steps >= value).sum()),
        }
    return pd.DataFrame.from_dict(counts, orient="index").rename_axis("cohort")


def _comparison_table(
    adoption: Adoption, index: PanelIndex, *, anticipation: int, base: Base
) -> pd.DataFrame:
    """Count the comparison units of each cohort and period; see ``Timing.comparisons``."""
    starts, units = _units_observed(adoption, index)
    rows = []
    for cohort in adoption.cohorts.tolist():
        after = last_adoption(cohort, adoption.steps, base=base, anticipation=anticipation)
        for j, last in enumerate(after):
            later = (starts > last) & (starts != cohort)
            rows.append(
                (
                    adoption.label(cohort),
                    index.times[j],
                    int(units[starts == cohort, j].sum()),
                    int(units[starts == NEVER, j].sum()),
                    int(units[later, j].sum()),
                )
            )
    return pd.DataFrame(rows, columns=["cohort", "time", "treated", "never", "not_yet"])


def _units_observed(adoption: Adoption, index: PanelIndex) -> tuple[IntArray, IntArray]:
    """Return steps of adoption, (G,), and how many of their units each period has, (G, T)."""
    starts, cohort = np.unique(adoption.start, return_inverse=True)
    cell = cohort[index.unit] * index.times.size + index.time
    units = np.bincount(cell, minlength=starts.size * index.times.size)
    return starts, units.reshape(starts.size, index.times.size)


def _horizons_seen(adoption: Adoption, index: PanelIndex, units: int) -> tuple[int, int]:
    """Return the range around adoption without gaps; see ``Timing.horizons``."""
    adopts = ~(adoption.never | adoption.always)[index.unit]
    since = (adoption.steps[index.time] - adoption.start[index.unit])[adopts]
    values, counts = np.unique(since, return_counts=True)
    present = {int(v) for v, n in zip(values, counts, strict=True) if n >= units}
    if -1 not in present or 0 not in present:
        few = (
            f"Fewer than {units} units are observed in the period before adoption and in the "
            "period of adoption."
        )
        raise SpecificationError(" ".join([few, *spacing_notes(index)]))
    low, high = -1, 0
    while low - 1 in present:
        low -= 1
    while high + 1 in present:
        high += 1
    return low, high


def _cohort_name(adoption: Adoption, step: int) -> str:
    if step == NEVER:
        return "never treated"
    if step <= adoption.steps[0]:
        return "always treated"
    return label_text(adoption.label(step))
