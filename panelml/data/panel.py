"""A table of repeated observations, indexed by unit and time."""

from __future__ import annotations

from typing import Any

import narwhals.stable.v2 as nw
import pandas as pd

from panelml._typing import AnyArray, IntArray
from panelml.data.codes import Codes, combine, factorize
from panelml.data.columns import Kind, column_kind, numbers, objects, refuse_kind
from panelml.data.index import PanelIndex, build_index
from panelml.errors import ColumnTypeError, SpecificationError, UnknownNameError, suggest

__all__ = ["Panel", "as_panel"]


class Panel:
    """Observations of units over time.

    Parameters
    ----------
    data : data frame
        pandas, polars or pyarrow; never modified, and not copied where its rows are already
        sorted by unit and time. A pandas DataFrame with a (unit, time) MultiIndex needs no
        names.
    unit, time : str
        Names of the key columns. Units may be anything hashable; times are integers, floats,
        dates, periods or ordered categories.
    delta : float, optional
        Length of one period where times are numbers; 1 for integers. It decides what a lag
        and a gap are.

    Raises
    ------
    UnknownNameError
        If a key column does not exist.
    DuplicateIndexError, MissingValueError, ColumnTypeError, EmptyDataError
        If the keys do not index the rows.
    """

    __slots__ = ("_cache", "_codes", "_keys", "_kinds", "frame", "index", "time", "unit")

    def __init__(
        self,
        data: Any,
        unit: str | None = None,
        time: str | None = None,
        *,
        delta: float | None = None,
    ) -> None:
        self._keys: dict[str, nw.Series[Any]] = {}
        if unit is None and time is None:
            data, self._keys = _split_multiindex(data)
            unit, time = self._keys
        if unit is None or time is None:
            raise SpecificationError("Name both key columns: Panel(data, unit=..., time=...).")
        self.frame: nw.DataFrame[Any] = nw.from_native(data, eager_only=True)
        self.unit = unit
        self.time = time
        self._kinds: dict[str, Kind] = {}
        self._cache: dict[str, AnyArray] = {}
        self._codes: dict[tuple[str, ...], Codes] = {}
        self.index: PanelIndex = build_index(self.series(unit), self.series(time), delta)

    def __repr__(self) -> str:
        return (
            f"Panel({self.unit!r} x {self.time!r}: {self.n_units} units, {self.n_periods} "
            f"periods, {self.nobs} rows)"
        )

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
        return [*(key for key in self._keys if key not in self.frame.columns), *self.frame.columns]

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

    def numbers(self, name: str, role: str = "Column") -> AnyArray:
        """Return the values of a column that must be numeric, in sorted order.

        Raises
        ------
        ColumnTypeError
            If it is not; the message names rows, and begins with ``role``.
        """
        if not self.is_numeric(name):
            refuse_kind(role, name, self.kind(name), objects(self.series(name)))
        return self.values(name)

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
        if isinstance(native, pd.DataFrame):
            return native.index
        return pd.RangeIndex(self.nobs)

    def key_labels(self) -> pd.MultiIndex:
        """Return (unit, time) of every row in the user's order."""
        unit, time = self.index.unit, self.index.time
        return pd.MultiIndex.from_arrays(
            [
                self.index.units[self.index.unsort(unit)],
                self.index.times[self.index.unsort(time)],
            ],
            names=[self.unit, self.time],
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


def as_panel(data: Any, unit: str, time: str) -> Panel:
    """Return data as a Panel: unchanged if it is one already."""
    return data if isinstance(data, Panel) else Panel(data, unit, time)


def _split_multiindex(data: Any) -> tuple[Any, dict[str, nw.Series[Any]]]:
    index = getattr(data, "index", None)
    if not isinstance(data, pd.DataFrame) or not isinstance(index, pd.MultiIndex):
        raise SpecificationError(
            "Name the key columns, Panel(data, unit=..., time=...), or pass a pandas DataFrame "
            "with a (unit, time) MultiIndex."
        )
    if index.nlevels != 2:
        raise SpecificationError(
            f"The MultiIndex has {index.nlevels} levels; a panel has two, unit and time."
        )
    names = [name if name is not None else role
             for name, role in zip(index.names, ("unit", "time"), strict=True)]  # fmt: skip
    keys = {
        str(name): nw.from_native(
            pd.Series(index.get_level_values(level), name=str(name)), series_only=True
        )
        for level, name in enumerate(names)
    }
    if len(keys) != 2:
        raise ColumnTypeError("The levels of the MultiIndex must have different names.")
    return data, keys
