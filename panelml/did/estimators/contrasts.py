"""Run through the effects of cohorts and periods, sharing what several have in common."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np

from panelml._typing import BoolArray, FloatArray, IntArray
from panelml.core.moments import CONSTANT
from panelml.did.core.group_time import TRIM, Contrast, difference_effect, section_effect
from panelml.did.estimators.comparisons import Cell
from panelml.did.estimators.overlap import comparable_columns
from panelml.engine.collect import Collected
from panelml.errors import ConvergenceError, listing

__all__ = [
    "BalancedRows",
    "ComparedRows",
    "Estimates",
    "Remarks",
    "SectionRows",
    "contrasted",
    "estimate_cells",
    "fit_contrast",
]


# What is said of rows that the other group hardly has, or not at all.
TRIMMED = f"Left out rows of comparison groups whose probability of adoption is above {TRIM}"
UNLIKE = "Odds are zero of rows of comparison groups that covariates tell apart from all treated"
LONELY = f"Hardly anybody is like treated rows whose probability of adoption is above {TRIM}"


@dataclass(frozen=True, slots=True)
class Estimates:
    """Effects and their influence functions.

    Attributes
    ----------
    cells : list of Cell
        The effects that could be estimated.
    effects : FloatArray, shape (m,)
    psi : FloatArray, shape (m, units)
    notes : tuple of str
    """

    cells: list[Cell]
    effects: FloatArray
    psi: FloatArray
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class BalancedRows:
    """A balanced panel, a row for each unit.

    Attributes
    ----------
    names : tuple of str
        Covariates, the constant first.
    start : IntArray, shape (units,)
    y : FloatArray, shape (T, units)
    x : FloatArray, shape (T, units, k)
        With one period where covariates do not change.
    w : FloatArray, shape (units,)
    """

    names: tuple[str, ...]
    start: IntArray
    y: FloatArray
    x: FloatArray
    w: FloatArray

    @classmethod
    def of(cls, data: Collected, names: tuple[str, ...], start: IntArray) -> BalancedRows:
        """Arrange the rows of a balanced panel."""
        units = start.size
        y = data.outcome.reshape(units, -1).T
        x = np.ones((len(y), units, 1 + len(data.regressors)))
        x[:, :, 1:] = data.regressors.reshape(-1, units, len(y)).transpose(2, 1, 0)
        if (x[1:] == x[:1]).all():
            x = x[:1]
        _centre(x.reshape(-1, x.shape[2])[:, 1:])
        w = data.weights.reshape(units, -1)[:, 0]
        return cls(names, start, np.ascontiguousarray(y), x, w)

    @property
    def first(self) -> FloatArray:
        """Covariates of the first period, shape (units, k)."""
        return np.asarray(self.x[0])

    @property
    def fixed(self) -> BoolArray:
        """Which covariates do not change over time, shape (k,)."""
        return np.asarray((self.x == self.x[:1]).all(axis=(0, 1)))

    def rows(self, cell: Cell, used: BoolArray) -> IntArray:
        """Units that a cell uses."""
        return np.flatnonzero(used)

    def key(self, cell: Cell) -> object:
        """The period of the covariates."""
        return min(cell.earlier, len(self.x) - 1)

    def covariates(self, cell: Cell, rows: IntArray) -> FloatArray:
        """Covariates of the earlier period."""
        return np.asarray(self.x[min(cell.earlier, len(self.x) - 1)][rows])

    def unit(self, rows: IntArray) -> IntArray:
        """Rows are units."""
        return rows

    def weights(self, rows: IntArray) -> FloatArray:
        """Weights of these units."""
        return self.w[rows]

    def groups(self, cell: Cell, rows: IntArray, treated: BoolArray) -> list[BoolArray]:
        """Rows of which there must be some."""
        return [~treated, treated]

    def effect(self, contrast: Contrast, cell: Cell, rows: IntArray) -> tuple[float, FloatArray]:
        """Compare changes of outcomes."""
        return difference_effect(contrast, (self.y[cell.time] - self.y[cell.base])[rows])

    def add(self, rows: IntArray, psi: FloatArray, out: FloatArray) -> None:
        """Rows are units."""
        out[rows] = psi


@dataclass(frozen=True, slots=True)
class SectionRows:
    """Rows of which each counts on its own.

    Attributes
    ----------
    names : tuple of str
        Covariates, the constant first.
    start : IntArray, shape (units,)
    y, w : FloatArray, shape (n,)
    x : FloatArray, shape (n, k)
    units, time : IntArray, shape (n,)
        Number of the unit, and of the period.
    """

    names: tuple[str, ...]
    start: IntArray
    y: FloatArray
    x: FloatArray
    w: FloatArray
    units: IntArray
    time: IntArray

    @classmethod
    def of(
        cls, data: Collected, names: tuple[str, ...], start: IntArray, period: IntArray
    ) -> SectionRows:
        """Arrange rows; ``period`` numbers the codes of periods, shape (T,)."""
        x = np.ones((data.unit.size, 1 + len(data.regressors)))
        x[:, 1:] = data.regressors.T
        _centre(x[:, 1:])
        return cls(
            names,
            start,
            data.outcome,
            x,
            data.weights,
            data.unit,
            period[data.time],
        )

    @property
    def first(self) -> FloatArray:
        """Covariates of each unit's first row, shape (units, k)."""
        return np.asarray(self.x[np.flatnonzero(np.diff(self.units, prepend=-1))])

    @property
    def fixed(self) -> BoolArray:
        """Which covariates do not change over time, shape (k,)."""
        return np.asarray((self.x == self.first[self.units]).all(axis=0))

    def rows(self, cell: Cell, used: BoolArray) -> IntArray:
        """Rows of both periods."""
        both = (self.time == cell.time) | (self.time == cell.base)
        return np.flatnonzero(both & used[self.units])

    def key(self, cell: Cell) -> object:
        """Both periods."""
        return (cell.time, cell.base)

    def covariates(self, cell: Cell, rows: IntArray) -> FloatArray:
        """Covariates of each row itself."""
        return self.x[rows]

    def unit(self, rows: IntArray) -> IntArray:
        """Units of these rows."""
        return self.units[rows]

    def weights(self, rows: IntArray) -> FloatArray:
        """Weights of these rows."""
        return self.w[rows]

    def groups(self, cell: Cell, rows: IntArray, treated: BoolArray) -> list[BoolArray]:
        """Rows of which there must be some, of either period."""
        post = self.time[rows] == cell.time
        return [group & at for group in (~treated, treated) for at in (post, ~post)]

    def effect(self, contrast: Contrast, cell: Cell, rows: IntArray) -> tuple[float, FloatArray]:
        """Compare averages of both periods."""
        return section_effect(contrast, self.y[rows], self.time[rows] == cell.time)

    def add(self, rows: IntArray, psi: FloatArray, out: FloatArray) -> None:
        """Add up the rows of each unit."""
        out += np.bincount(self.units[rows], psi, minlength=out.size)


def _centre(x: FloatArray) -> None:
    """Take the mean off each column in place, so that one far from zero keeps its digits."""
    mean = x.mean(axis=0)
    x -= mean
    variation = np.einsum("nk,nk->k", x, x)
    x[:, variation <= CONSTANT * len(x) * mean**2] = 0.0


Data: TypeAlias = BalancedRows | SectionRows


@dataclass(frozen=True, slots=True)
class ComparedRows:
    """Who is compared, and how.

    Attributes
    ----------
    rows : IntArray, shape (n,)
        Rows of the data that are compared.
    contrast : Contrast, or None
        None where they cannot be made comparable.
    remarks : tuple of (str, str)
        What happened, and a count to put after the name of an effect.
    """

    rows: IntArray
    contrast: Contrast | None
    remarks: tuple[tuple[str, str], ...]


@dataclass(slots=True)
class Remarks:
    """What happened in single comparisons, by kind."""

    found: dict[str, list[str]] = field(default_factory=dict)

    def add(self, kind: str, where: str) -> None:
        """Remember that something happened."""
        self.found.setdefault(kind, []).append(where)

    def notes(self) -> tuple[str, ...]:
        """Say what happened, and where."""
        return tuple(
            f"{kind} ({listing(dict.fromkeys(where), most=4)})."
            for kind, where in self.found.items()
        )


def estimate_cells(
    data: Data, cells: Sequence[Cell], control: str, method: str, name: Callable[[Cell], str]
) -> Estimates:
    """Estimate every effect that has a cohort and a comparison group.

    Parameters
    ----------
    data : BalancedRows or SectionRows
    cells : sequence of Cell
    control, method : str
    name : callable
        How a cell is called in notes.
    """
    remarks = Remarks()
    psi = np.zeros((len(cells), data.start.size))
    kept: list[Cell] = []
    effects: list[float] = []
    key: object = None
    for cell in sorted(cells, key=lambda c: (c.cohort, str(_key(data, c, control)))):
        if key != _key(data, cell, control):
            key = _key(data, cell, control)
            comparison = fit_contrast(
                data, cell, data.start == cell.cohort, cell.controls(data.start, control), method
            )
        found = contrasted(data, cell, comparison, name(cell), remarks)
        if found is not None:
            data.add(comparison.rows, found[1], psi[len(kept)])
            kept.append(cell)
            effects.append(found[0])
    order = sorted(range(len(kept)), key=lambda i: (kept[i].cohort, kept[i].time))
    return Estimates(
        [kept[i] for i in order], np.array(effects)[order], psi[order], remarks.notes()
    )


def _key(data: Data, cell: Cell, control: str) -> tuple[object, ...]:
    return (cell.cohort, cell.after if control == "not-yet" else None, data.key(cell))


def fit_contrast(
    data: Data, cell: Cell, target: BoolArray, group: BoolArray, method: str
) -> ComparedRows:
    """Make some units comparable with others.

    Parameters
    ----------
    data : BalancedRows or SectionRows
    cell : Cell
    target, group : BoolArray, shape (units,)
        The units of the effect, and those they are compared with.
    method : str
    """
    rows = data.rows(cell, target | group)
    treated = target[data.unit(rows)]
    x, w = data.covariates(cell, rows), data.weights(rows)
    if not all(some.any() for some in data.groups(cell, rows, treated)):
        return ComparedRows(rows, None, (("Nobody to compare: left out", ""),))
    remarks: list[tuple[str, str]] = []
    try:
        columns = comparable_columns(x, treated, w, data.names)
        if columns.size < x.shape[1]:
            gone = listing(repr(n) for j, n in enumerate(data.names) if j not in columns)
            remarks.append((f"Dropped {gone}, collinear in the comparison group", ""))
            x = x[:, columns]
        contrast = Contrast.of(x, treated, w, method)
    except ConvergenceError as error:
        return ComparedRows(rows, None, (*remarks, (f"Left out because {error}", "")))
    lonely = contrast.certain & treated
    for kind, apart in ((TRIMMED, contrast.trimmed), (UNLIKE, contrast.unlike), (LONELY, lonely)):
        if apart.any():
            remarks.append((kind, f": {int(apart.sum()):,}"))
    return ComparedRows(rows, contrast, tuple(remarks))


def contrasted(
    data: Data, cell: Cell, comparison: ComparedRows, name: str, remarks: Remarks
) -> tuple[float, FloatArray] | None:
    """Estimate an effect, and how each row moved it; None where that cannot be done."""
    for kind, count in comparison.remarks:
        remarks.add(kind, f"{name}{count}")
    if comparison.contrast is None:
        return None
    try:
        return data.effect(comparison.contrast, cell, comparison.rows)
    except ConvergenceError as error:
        remarks.add(f"Left out because {error}", name)
        return None
