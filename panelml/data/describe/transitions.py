"""Categories over time: how often each one occurs, lasts, and turns into another."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from panelml._typing import AnyArray, IntArray
from panelml.data.describe.show import Listing, count, html_prose, percent, prose
from panelml.data.panel.axis import shift_places
from panelml.data.panel.index import PanelIndex

__all__ = ["Tabulation", "Transitions", "tabulate", "transitions"]


@dataclass(frozen=True, eq=False)
class Transitions:
    """Steps from a category to the next period's; prints as text and shows as HTML.

    Attributes
    ----------
    column : str
    counts : DataFrame
        Pairs of consecutive periods of a unit: category before (rows) and after (columns).
    """

    column: str
    counts: pd.DataFrame

    @property
    def shares(self) -> pd.DataFrame:
        """Share of each row's pairs, shape as ``counts``: estimated transition probabilities."""
        return self.counts.div(self.counts.sum(axis=1), axis=0)

    def __str__(self) -> str:
        return f"{self._table().text()}\n\n{prose(self._note())}"

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        return self._table().html() + html_prose(self._note())

    def _table(self) -> Listing:
        rows: list[tuple[str, ...]] = []
        total = self.counts.sum()
        for label, row in [*self.counts.iterrows(), ("Total", total)]:
            share = row / row.sum()
            rows.append((str(label), *(count(v) for v in row), count(row.sum())))
            rows.append(("", *(percent(v) for v in share), percent(1.0 if row.sum() else np.nan)))
        heads = (self.column, *(str(label) for label in self.counts.columns), "Total")
        return Listing(heads, tuple(rows), rules=frozenset(range(2, len(rows), 2)))

    def _note(self) -> str:
        return (
            f"Rows: {self.column} in a period; columns: in the next one. Counts, and percentages "
            "of the row. Pairs across a gap are not counted."
        )


@dataclass(frozen=True, eq=False)
class Tabulation:
    """Frequencies of a category's values, of rows and of units; prints as text and as HTML.

    Attributes
    ----------
    column : str
    n_units : int
        Units with a value in some period.
    frame : DataFrame
        Indexed by value: ``overall`` and ``overall_share`` (of the rows), ``between`` and
        ``between_share`` (units that ever have the value; the shares add up to more than one
        where units change), ``within_share`` (mean share of their rows in which these units have
        it).
    """

    column: str
    n_units: int
    frame: pd.DataFrame

    def __str__(self) -> str:
        return f"{self._table().text()}\n\n{prose(self._note())}"

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        return self._table().html() + html_prose(self._note())

    def _table(self) -> Listing:
        rows = [
            (str(value), count(rows), percent(share), count(units), percent(ever), percent(within))
            for value, rows, share, units, ever, within in self.frame.reset_index().to_numpy(object)
        ]
        between = self.frame["between"].sum()
        rows.append(
            (
                "Total",
                count(self.frame["overall"].sum()),
                "100.00",
                count(between),
                percent(between / self.n_units),
                percent(self.n_units / between),
            )
        )
        heads = (self.column, "Rows", "%", "Units", "%", "Within %")
        return Listing(heads, tuple(rows), rules=frozenset({len(rows) - 1}))

    def _note(self) -> str:
        return (
            f"Units: those that ever have the value, of {count(self.n_units)}. Within: how much of "
            "their rows these units spend in it, on average."
        )


def transitions(column: str, codes: IntArray, labels: AnyArray, index: PanelIndex) -> Transitions:
    """Count the pairs of consecutive periods; those with a missing value are left out."""
    before = shift_places(index.unit, index.time, index.steps, 1)
    pairs = (before >= 0) & (codes >= 0) & (codes[before] >= 0)
    levels = labels.size
    cells = codes[before[pairs]] * levels + codes[pairs]
    counts = np.bincount(cells, minlength=levels**2).reshape(levels, levels)
    names = [pd.Index(labels, name=f"{column}{mark}") for mark in ("", ", next")]
    return Transitions(column, pd.DataFrame(counts, index=names[0], columns=names[1]))


def tabulate(column: str, codes: IntArray, labels: AnyArray, index: PanelIndex) -> Tabulation:
    """Count rows and units with each value, as Stata's xttab; missing values are left out."""
    present = codes >= 0
    unit, level = index.unit[present], codes[present]
    rows = np.bincount(unit, minlength=index.units.size)
    cells, times = np.unique(unit * labels.size + level, return_counts=True)
    cell_unit, cell_level = np.divmod(cells, labels.size)
    n_units = int((rows > 0).sum())
    overall = np.bincount(level, minlength=labels.size)
    between = np.bincount(cell_level, minlength=labels.size)
    spent = np.bincount(cell_level, times / rows[cell_unit], minlength=labels.size)
    frame = pd.DataFrame(
        {
            "overall": overall,
            "overall_share": overall / overall.sum(),
            "between": between,
            "between_share": between / n_units,
            "within_share": spent / between,
        },
        index=pd.Index(labels, name=column),
    )
    return Tabulation(column, n_units, frame)
