"""A table of repeated observations, indexed by unit and time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Literal, TypeAlias

import narwhals.stable.v2 as nw
import numpy as np
import pandas as pd
from narwhals.stable.v2.typing import IntoDataFrame

from panelml._typing import BoolArray
from panelml.arguments import checked
from panelml.data.panel.axis import Period
from panelml.data.panel.codes import Codes
from panelml.data.panel.index import build_index
from panelml.data.panel.joining import lookup, table_with_keys
from panelml.data.panel.store import Store
from panelml.data.panel.table import (
    Keys,
    as_mask,
    index_keys,
    key_series,
    new_column,
    read_frame,
    take,
)
from panelml.data.panel.variables import PanelVariables
from panelml.data.source.given import DataLike
from panelml.errors import (
    DataError,
    EmptyDataError,
    SpecificationError,
    listing,
)

__all__ = ["Panel", "as_panel", "panel_on"]

Drop: TypeAlias = Literal["units", "periods"]


@checked
class Panel(PanelVariables):
    """Observations of units over time.

    Parameters
    ----------
    data : data frame
        pandas, polars or pyarrow; never modified, and not copied where its rows are already
        sorted by unit and time. A pandas DataFrame with a (unit, time) MultiIndex needs no
        names.
    unit, time : str or int
        Names of the key columns, or of levels of the pandas index. Units may be anything
        hashable; times are integers, floats, dates, periods or ordered categories.
    delta : float, optional
        Length of one period where times are numbers; 1 for integers. It decides what a lag
        and a gap are. Integers that write dates (200112, 200201) count as these without it.

    Raises
    ------
    UnknownNameError
        If a key column does not exist.
    DuplicateIndexError, MissingValueError, ColumnTypeError, EmptyDataError
        If the keys do not index the rows.

    Examples
    --------
    >>> import panelml as pm
    >>> panel = pm.Panel(pm.datasets.wage_panel(), unit="nr", time="year")
    >>> panel
    Panel('nr' x 'year': 545 units, 8 periods, 4360 rows)
    >>> print(panel.lag("union").isna().sum())
    545
    """

    __slots__ = ()

    def __init__(
        self,
        data: IntoDataFrame,
        *,
        unit: str | int | None = None,
        time: str | int | None = None,
        delta: float | None = None,
    ) -> None:
        unit, time, keys = index_keys(data, unit, time)
        self._fill(read_frame(data), keys, unit, time, delta)

    def _fill(
        self,
        frame: nw.DataFrame[Any],
        keys: Keys,
        unit: str,
        time: str,
        period: Period | float | None,
    ) -> None:
        unit_series, time_series = (key_series(frame, keys, name) for name in (unit, time))
        super().__init__(frame, keys, unit, time, build_index(unit_series, time_series, period))

    def balanced(self, drop: Drop = "units") -> Panel:
        """Keep the units that are observed in all periods, or the periods of all units.

        Raises
        ------
        EmptyDataError
            If there is none.
        """
        if drop == "units":
            keep = (self.index.sizes == self.n_periods)[self.index.unit]
        else:
            keep = (np.bincount(self.index.time) == self.n_units)[self.index.time]
        if not keep.any():
            what = "unit is observed in all periods" if drop == "units" else "period has all units"
            other = "periods" if drop == "units" else "units"
            raise EmptyDataError(f"No {what}. Try drop={other!r}, or filter() periods first.")
        return self._only(self.index.unsort(keep))

    def filter(self, condition: Any) -> Panel:
        """Keep the rows for which a condition holds.

        Parameters
        ----------
        condition : array, series, narwhals expression or callable
            One truth value per row; a callable takes the data frame and returns them.

        Raises
        ------
        EmptyDataError
            If it holds for none.
        """
        mask = as_mask(self.frame, condition)
        if not mask.any():
            raise EmptyDataError("The condition holds for no row.")
        return self._only(mask)

    def select(self, columns: str | Sequence[str]) -> Panel:
        """Keep the keys and some columns."""
        names = [columns] if isinstance(columns, str) else columns
        wanted = {self.unit, self.time, *(self.series(name).name for name in names)}
        return self._like(self.frame.select([c for c in self.frame.columns if c in wanted]))

    def assign(self, **columns: Any) -> Panel:
        """Add or replace columns.

        Parameters
        ----------
        **columns
            An array or series in the order of the rows, a single value, or a callable that takes
            the panel and returns either.
        """
        frame = self.frame
        for name, value in columns.items():
            if name in (self.unit, self.time):
                raise SpecificationError(f"{name!r} is a key of the panel: make a new Panel.")
            frame = new_column(frame, name, value(self) if callable(value) else value)
        return self._like(frame)

    def join(self, other: Any, on: str | Sequence[str] | None = None) -> Panel:
        """Add the columns of a table of units, of periods, or of both, or of any other column.

        Rows, their order and their index stay as they are; rows that the table does not have
        get missing values.

        Parameters
        ----------
        other : data frame or Panel
        on : str or sequence of str, optional
            Columns that both have; the panel's keys that the table has by default.

        Raises
        ------
        DuplicateIndexError
            If the table has a combination of the keys twice.
        DataError
            If a column is on both sides, or no row fits.
        """
        own = (self.unit, self.time)
        table, keys = table_with_keys(
            other.to_native() if isinstance(other, Panel) else other, on, own
        )
        added = [name for name in table.columns if name not in keys]
        both = [name for name in added if name in self.columns]
        if both:
            raise DataError(f"Both sides have the columns {listing(both)}. Rename or drop them.")
        left = {key: self._in_user_order(key) for key in keys}
        places = lookup(left, table, keys)
        frame = self.frame
        for name in added:
            frame = new_column(frame, name, take(table[name], places, frame))
        return self._like(frame)

    def to_native(self) -> Any:
        """Return the data frame, of the kind and in the row order in which it came."""
        return self.frame.to_native()

    def to_pandas(self) -> pd.DataFrame:
        """Return a pandas frame sorted and indexed by (unit, time)."""
        frame = self.frame.to_pandas().set_axis(self.key_labels())
        frame = frame.drop(columns=[key for key in (self.unit, self.time) if key in frame])
        return frame if self.index.order is None else frame.iloc[self.index.order]

    def _in_user_order(self, name: str) -> Codes:
        coded = self._coded((name,))
        return Codes(self.index.unsort(coded.values), coded.parts)

    def _only(self, keep: BoolArray) -> Panel:
        """Return the panel of some rows, told in the user's order."""
        rows = np.flatnonzero(keep)
        keys = {name: series[rows] for name, series in self._keys.items()}
        panel = Panel.__new__(Panel)
        panel._fill(self.frame[rows], keys, self.unit, self.time, self.index.period)
        return panel

    def _like(self, frame: nw.DataFrame[Any]) -> Panel:
        """Return the panel of the same rows with other columns."""
        panel = Panel.__new__(Panel)
        Store.__init__(panel, frame, self._keys, self.unit, self.time, self.index)
        return panel


def panel_on(data: DataLike, unit: str, time: str, period: Period) -> Panel:
    """Return rows as a panel whose time axis advances by a given step, whatever theirs look like.

    Parameters
    ----------
    data : Panel or data frame
        A panel has its own keys.

    Raises
    ------
    ColumnTypeError, SpecificationError
        If times cannot be read so, or do not lie on a grid of such steps.
    """
    panel = Panel.__new__(Panel)
    if isinstance(data, Panel):
        if data.index.period == period:
            return data
        index = replace(data.index, steps=period.steps(data.index.times), period=period)
        Store.__init__(panel, data.frame, data._keys, data.unit, data.time, index)
    else:
        panel._fill(read_frame(data), {}, unit, time, period)
    return panel


def as_panel(data: Panel | IntoDataFrame, unit: str, time: str) -> Panel:
    """Return data as a Panel: unchanged if it is one already."""
    return data if isinstance(data, Panel) else Panel(data, unit=unit, time=time)
