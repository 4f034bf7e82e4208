"""Laying rows out by the levels of a grouping factor."""

from __future__ import annotations

from typing import Any

import narwhals.stable.v2 as nw
import numpy as np
import pandas as pd

from panelml._typing import IntArray
from panelml.data.formula.functions import panel_function
from panelml.data.panel.codes import factorize
from panelml.data.panel.panel import Panel
from panelml.data.panel.table import read_frame
from panelml.data.sample import in_memory
from panelml.data.source.given import DataLike
from panelml.data.source.source import Source
from panelml.errors import MissingValueError, SpecificationError, UnknownNameError, suggest

__all__ = ["ROW", "count_levels", "group_rows", "refuse_panel_functions", "with_index_levels"]

# The time of rows that have none: their place in their group.
ROW = "(row in group)"


def group_rows(data: DataLike, group: tuple[str, ...]) -> Source:
    """Lay rows out by the levels of a column or combination, in their own order within each.

    Parameters
    ----------
    data : Source or data frame
        A source whose unit the group is stays as it is. The levels of a pandas index count as
        columns.
    group : tuple of str

    Raises
    ------
    UnknownNameError
        If a column does not exist.
    MissingValueError
        If a row has no level.
    DataError
        If rows that are not in memory would have to be laid out anew.
    SpecificationError
        If labels of a combination are ambiguous.
    """
    if isinstance(data, Source) and (data.unit,) == group:
        return data
    frame = _frame(data)
    _check_columns(frame, group)
    name = ":".join(group)
    if len(group) > 1:
        columns = [nw.col(column).cast(nw.String) for column in group]
        frame = frame.with_columns(nw.concat_str(columns, separator=":").alias(name))
        if frame[name].n_unique() < len(frame.select(*group).unique()):
            raise SpecificationError(
                f"Different levels of {name!r} read the same, because labels have colons. Rename "
                "them."
            )
    counted = nw.new_series(ROW, _places(frame[name]), backend=frame.implementation)
    return Panel(frame.with_columns(counted).to_native(), unit=name, time=ROW)


def count_levels(data: DataLike, group: tuple[str, ...]) -> int:
    """Count the levels of a column or combination of columns.

    Raises
    ------
    UnknownNameError
        If a column does not exist.
    MissingValueError
        If a row has no level.
    """
    if isinstance(data, Source) and (data.unit,) == group:
        return data.n_units
    if isinstance(data, Source) and not isinstance(data, Panel):
        return data.levels(group)
    frame = _frame(data)
    _check_columns(frame, group)
    return len(frame.select(*group).unique())


def refuse_panel_functions(text: str, group: str) -> None:
    """Refuse lags and unit means where groups are not the panel's units.

    Raises
    ------
    SpecificationError
        Naming the function.
    """
    function = panel_function(text)
    if function:
        raise SpecificationError(
            f"{function}() goes by the panel's units, but the rows are grouped by "
            f"{group!r}. Compute the column with Panel first, or group by the unit."
        )


def _places(level: nw.Series[Any]) -> IntArray:
    """Number each row within its level, in the order of rows."""
    codes, _ = factorize(level)
    order, sizes = np.argsort(codes, kind="stable"), np.bincount(codes)
    place = np.empty(codes.size, dtype=np.int64)
    place[order] = np.arange(codes.size) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    return place


def with_index_levels(data: Any) -> Any:
    """Make columns of the named levels of a pandas index."""
    if not isinstance(data, pd.DataFrame):
        return data
    levels = [name for name in data.index.names if isinstance(name, str)]
    levels = [name for name in levels if name not in data.columns]
    return data.assign(**{name: data.index.get_level_values(name) for name in levels})


def _frame(data: Any) -> nw.DataFrame[Any]:
    if isinstance(data, Source):
        return read_frame(in_memory(data).frame.to_native())
    return read_frame(with_index_levels(data))


def _check_columns(frame: nw.DataFrame[Any], group: tuple[str, ...]) -> None:
    for name in group:
        if name not in frame.columns:
            raise UnknownNameError(f"No column {name!r} to group by.{suggest(name, frame.columns)}")
        column = frame[name]
        missing = int(column.is_null().sum())
        if column.dtype.is_float():
            missing = int((column.is_null() | column.is_nan()).sum())
        if missing:
            raise MissingValueError(
                f"{missing} rows have no level of the grouping factor {name!r}. Drop or complete "
                "these rows."
            )
