"""Columns of repeated observations, as sorted arrays and as codes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import narwhals.stable.v2 as nw
import pandas as pd

from panelml._typing import AnyArray, IntArray
from panelml.data.panel.codes import Codes, combine, factorize
from panelml.data.panel.columns import (
    Kind,
    column_kind,
    numbers,
    objects,
    refuse_kind,
    refuse_rounding,
)
from panelml.data.panel.index import PanelIndex
from panelml.data.source.chunk import Chunk, Reads
from panelml.errors import UnknownNameError, suggest

__all__ = ["Store"]


class Store:
    """A data frame and the index that sorts its rows by unit and time.

    Parameters
    ----------
    frame : narwhals DataFrame
    keys : dict of str to narwhals Series
        Key columns that are not in the frame but in its pandas index.
    unit, time : str
        Names of the key columns.
    index : PanelIndex
    """

    __slots__ = ("_cache", "_codes", "_exact", "_keys", "_kinds", "frame", "index", "time", "unit")

    def __init__(
        self,
        frame: nw.DataFrame[Any],
        keys: Mapping[str, nw.Series[Any]],
        unit: str,
        time: str,
        index: PanelIndex,
    ) -> None:
        self.frame = frame
        self.unit = unit
        self.time = time
        self.index = index
        self._keys = dict(keys)
        self._kinds: dict[str, Kind] = {}
        self._cache: dict[str, AnyArray] = {}
        self._codes: dict[tuple[str, ...], Codes] = {}
        self._exact: set[str] = set()

    def __repr__(self) -> str:
        sizes = f"{self.n_units} units, {self.n_periods} periods, {self.nobs} rows"
        return f"{type(self).__name__}({self.unit!r} x {self.time!r}: {sizes})"

    def __len__(self) -> int:
        return self.nobs

    @property
    def nobs(self) -> int:
        """Number of rows."""
        return self.index.n

    @property
    def n_units(self) -> int:
        """Number of units."""
        return self.index.units.size

    @property
    def n_periods(self) -> int:
        """Number of distinct periods."""
        return self.index.times.size

    @property
    def columns(self) -> list[str]:
        """Names of the columns, the keys included."""
        return [*self._keys, *self.frame.columns]

    @property
    def is_balanced(self) -> bool:
        """Whether every unit is observed in every period."""
        return self.nobs == self.n_units * self.n_periods

    def series(self, name: str) -> nw.Series[Any]:
        """Return a column in the user's row order.

        Raises
        ------
        UnknownNameError
            If there is no such column; the message names the nearest.
        """
        if name in self._keys:
            return self._keys[name]
        if name not in self.frame.columns:
            raise UnknownNameError(f"No column {name!r}.{suggest(name, self.columns)}")
        return self.frame[name]

    def kind(self, name: str) -> Kind:
        """Return what a column holds: number, category, date, complex or mixed."""
        if name not in self._kinds:
            self._kinds[name] = column_kind(self.series(name))
        return self._kinds[name]

    def is_numeric(self, name: str) -> bool:
        """Whether a column holds numbers (or truth values)."""
        return self.kind(name) == "number"

    def values(self, name: str) -> AnyArray:
        """Return a column in sorted order: numbers as they are stored, the rest as objects.

        A column that is stored as plain numbers and already sorted is a view of the user's
        data; any other is converted once.
        """
        if name not in self._cache:
            read = numbers if self.is_numeric(name) else objects
            self._cache[name] = self.index.sort(read(self.series(name)))
        return self._cache[name]

    def is_declared(self, name: str) -> bool:
        """Whether a column is stored as categories, rather than as texts."""
        return self.series(name).dtype in (nw.Categorical, nw.Enum)

    def require_numbers(self, name: str, role: str = "Column") -> None:
        """Refuse a column that does not hold numbers.

        Raises
        ------
        ColumnTypeError
            If it holds something else, or whole numbers that double precision would round; the
            message names rows, and begins with ``role``.
        """
        if not self.is_numeric(name):
            refuse_kind(role, name, self.kind(name), objects(self.series(name)))
        if name not in self._exact:
            refuse_rounding(role, name, self.series(name))
            self._exact.add(name)

    def numbers(self, name: str, role: str = "Column") -> AnyArray:
        """Return the values of a column that must be numeric, in sorted order.

        Raises
        ------
        ColumnTypeError
            As ``require_numbers``.
        """
        self.require_numbers(name, role)
        return self.values(name)

    def chunk(self, first: int, stop: int, reads: Reads) -> Chunk:
        """Return the rows of the units from ``first`` to before ``stop``, as views."""
        index = self.index
        start, end = int(index.starts[first]), int(index.starts[stop])
        rows = slice(start, end)
        columns = {name: self.numbers(name)[rows] for name in reads.numbers}
        columns |= {name: self.values(name)[rows] for name in reads.columns}
        coded = [*((name,) for name in reads.categories), *reads.keys]
        return Chunk(
            columns=columns,
            codes={names: self.codes(names)[rows] for names in coded},
            labels={name: self.labels((name,)) for name in reads.categories},
            time=index.time[rows],
            steps=index.steps,
            starts=index.starts[first : stop + 1] - start,
            first_row=start,
            order=None if index.order is None else index.order[rows],
        )

    def codes(self, names: tuple[str, ...]) -> IntArray:
        """Code a column, or the combinations of several, in sorted row order.

        Returns
        -------
        IntArray, shape (n,)
            From 0 to ``levels(names) - 1``; -1 where missing.
        """
        return self._coded(names).values

    def levels(self, names: tuple[str, ...]) -> int:
        """Return the number of distinct values of a column or combination."""
        return self._coded(names).levels

    def labels(self, names: tuple[str, ...]) -> AnyArray:
        """Return the value behind each code; for several columns, texts joined by ``^``."""
        return self._coded(names).labels()

    def row_labels(self) -> pd.Index[Any]:
        """Return the index of the user's pandas frame, or row numbers."""
        native = self.frame.to_native()
        return native.index if isinstance(native, pd.DataFrame) else pd.RangeIndex(self.nobs)

    def key_labels(self) -> pd.MultiIndex:
        """Return (unit, time) of every row in the user's order."""
        index = self.index
        unit, time = index.unsort(index.unit), index.unsort(index.time)
        return pd.MultiIndex.from_arrays(
            [index.units[unit], index.times[time]], names=[self.unit, self.time]
        )

    def _coded(self, names: tuple[str, ...]) -> Codes:
        if names not in self._codes:
            if len(names) == 1:
                self._codes[names] = self._code_column(names[0])
            else:
                self._codes[names] = combine(self._coded(names[:1]), self._coded(names[1:]))
        return self._codes[names]

    def _code_column(self, name: str) -> Codes:
        if name == self.unit:
            return Codes(self.index.unit, (self.index.units,))
        if name == self.time:
            return Codes(self.index.time, (self.index.times,))
        codes, labels = factorize(self.series(name))
        return Codes(codes if self.index.order is None else codes[self.index.order], (labels,))
