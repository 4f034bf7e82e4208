"""Operations on the user's data frames, whatever their type; none modifies its argument."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

import narwhals.stable.v2 as nw
import numpy as np
import pandas as pd

from panelml._typing import BoolArray, FloatArray, IntArray
from panelml.data.panel.columns import decoded, refuse_nested
from panelml.errors import (
    ColumnTypeError,
    DataError,
    MissingValueError,
    SpecificationError,
    UnknownNameError,
    listing,
    suggest,
)

__all__ = [
    "Keys",
    "as_mask",
    "index_keys",
    "key_series",
    "make_series",
    "new_column",
    "read_frame",
    "take",
]

Frame: TypeAlias = nw.DataFrame[Any]
Series: TypeAlias = nw.Series[Any]
Keys: TypeAlias = Mapping[str, Series]

_PLACE = "__panelml_place__"
_ROW = "__panelml_row__"


def read_frame(data: Any) -> Frame:
    """Wrap a data frame; names of columns that are no texts, such as 2005, are read as texts.

    Raises
    ------
    ColumnTypeError
        If it is none, is lazy, or repeats a column name.
    """
    if isinstance(data, pd.DataFrame) and not all(isinstance(name, str) for name in data.columns):
        data = data.set_axis([str(name) for name in data.columns], axis=1)
    try:
        frame: Frame = nw.from_native(data, eager_only=True)
    except TypeError as error:
        hint = " Collect it first." if hasattr(data, "collect") else ""
        raise ColumnTypeError(
            "Data come as a pandas, polars or pyarrow data frame, not as "
            f"{type(data).__module__}.{type(data).__qualname__}.{hint}"
        ) from error
    except nw.exceptions.DuplicateError as error:
        names = [str(name) for name in getattr(data, "columns", getattr(data, "column_names", []))]
        twice = dict.fromkeys(name for name in names if names.count(name) > 1)
        raise ColumnTypeError(
            f"Several columns have the same name: {listing(twice)}. Rename or drop all but one."
        ) from error
    changed = []
    for name in frame.columns:
        series = frame[name]
        plain = decoded(series)
        if plain is not series:
            changed.append(plain)
    return frame.with_columns(changed) if changed else frame


def index_keys(data: Any, unit: str | int | None, time: str | int | None) -> tuple[str, str, Keys]:
    """Name the keys, and take from a pandas index those that are no columns.

    Parameters
    ----------
    unit, time : str, int or None
        Both None for the two levels of a (unit, time) MultiIndex.

    Raises
    ------
    SpecificationError
        If the keys are not named, or are the same.
    DataError
        If a column has the name of a key in the index, but other values.
    """
    names = []
    unit, time = (None if key is None else str(key) for key in (unit, time))
    if isinstance(data, pd.DataFrame):
        names = [None if name is None else str(name) for name in data.index.names]
    if unit is None and time is None and len(names) > 1:
        if len(names) != 2:
            raise SpecificationError(
                f"The MultiIndex has {len(names)} levels; a panel has two, unit and time."
            )
        names = [name or role for name, role in zip(names, ("unit", "time"), strict=True)]
        unit, time = names
    if unit is None or time is None:
        raise SpecificationError(
            "Name both key columns, Panel(data, unit=..., time=...), or pass a pandas DataFrame "
            "with a (unit, time) MultiIndex."
        )
    if unit == time:
        raise SpecificationError(f"Unit and time must be different columns, not both {unit!r}.")
    keys = {}
    for name in (key for key in (unit, time) if key in names):
        level = data.index.get_level_values(names.index(name))
        if name not in data.columns:
            keys[name] = decoded(nw.from_native(pd.Series(level, name=name), series_only=True))
        elif not level.equals(pd.Index(data[name])):
            raise DataError(
                f"{name!r} is both a column and a level of the index, with different values. "
                "Rename or drop one of them."
            )
    return unit, time, keys


def key_series(frame: Frame, keys: Keys, name: str) -> Series:
    """Return a key column.

    Raises
    ------
    UnknownNameError
        If there is none of that name.
    """
    if name in keys:
        return keys[name]
    if name not in frame.columns:
        raise UnknownNameError(f"No column {name!r}.{suggest(name, frame.columns)}")
    return frame[name]


def make_series(frame: Frame, name: str, values: FloatArray) -> Any:
    """Return numbers as a native series of the frame's kind, labelled as its rows are.

    Not-a-number becomes missing where the two differ.
    """
    native = frame.to_native()
    if isinstance(native, pd.DataFrame):
        return pd.Series(values, index=native.index, name=name)
    series = nw.new_series(name, values, backend=frame.implementation)
    column = nw.col(name)
    return series.to_frame().select(nw.when(~column.is_nan()).then(column))[name].to_native()


def as_mask(frame: Frame, condition: Any) -> BoolArray:
    """Evaluate which rows a condition holds for, in the user's order.

    Parameters
    ----------
    condition : array, series, narwhals expression or callable
        A callable takes the native frame and returns any of the others.

    Raises
    ------
    SpecificationError
        If that is not one truth value per row.
    MissingValueError
        If one is missing.
    """
    if isinstance(condition, nw.Expr):
        series = frame.select(nw.all_horizontal(condition, ignore_nulls=False).alias(_ROW))[_ROW]
    elif callable(condition):
        return as_mask(frame, condition(frame.to_native()))
    else:
        try:
            series = nw.from_native(condition, series_only=True)
        except TypeError:
            series = nw.from_native(pd.Series(condition), series_only=True)
    native, rows = series.to_native(), frame.to_native()
    if isinstance(native, pd.Series) and isinstance(rows, pd.DataFrame):
        labelled = isinstance(condition, pd.Series)
        if labelled and len(native) == len(rows) and not native.index.equals(rows.index):
            raise SpecificationError("The mask is labelled differently from the rows of the data.")
    if len(series) != len(frame) or series.dtype != nw.Boolean:
        raise SpecificationError(
            f"A mask has one truth value for each of the {len(frame)} rows; this has {len(series)} "
            f"values of type {series.dtype}."
        )
    missing = series.is_null().to_numpy()
    if missing.any():
        raise MissingValueError(
            f"The mask is missing in {int(missing.sum())} rows (row "
            f"{listing(np.flatnonzero(missing))}). Fill it with True or False."
        )
    return series.to_numpy().astype(bool)


def take(series: Series, places: IntArray, like: Frame) -> Any:
    """Return the values at some rows as a native series; -1 gives a missing one.

    Parameters
    ----------
    like : Frame
        Whose row labels the result carries.

    Raises
    ------
    ColumnTypeError
        If a table of arrow holds records or lists.
    """
    backend = like.implementation
    if backend.is_pyarrow():
        # Joins of arrow do not carry them along.
        refuse_nested(series)
    if series.implementation is not backend:
        series = nw.new_series(series.name, series.to_list(), backend=backend)
    rows = nw.from_dict({_ROW: np.arange(places.size), _PLACE: places}, backend=backend)
    source = nw.from_dict({_PLACE: np.arange(len(series))}, backend=backend)
    native = series.to_native()
    if isinstance(native, pd.Series):
        native = native.reset_index(drop=True)
        series = nw.from_native(native, series_only=True)
    source = source.with_columns(series)
    joined = rows.join(source, on=_PLACE, how="left").sort(_ROW)
    result = joined[series.name].to_native()
    labels = like.to_native()
    if isinstance(result, pd.Series) and isinstance(labels, pd.DataFrame):
        return result.set_axis(labels.index)
    return result


def new_column(frame: Frame, name: str, value: Any) -> Frame:
    """Return the frame with a column added or replaced.

    Parameters
    ----------
    value : array, series or single value
        One value per row, in the order of the rows.

    Raises
    ------
    SpecificationError
        If the number of values, or the labels of a pandas series, are not those of the rows.
    """
    native = frame.to_native()
    if isinstance(value, str) or not hasattr(value, "__len__"):
        return frame.with_columns(nw.lit(value).alias(name))
    if len(value) != len(frame):
        raise SpecificationError(f"Column {name!r} has {len(value)} values for {len(frame)} rows.")
    if isinstance(native, pd.DataFrame):
        if isinstance(value, pd.Series) and not value.index.equals(native.index):
            raise SpecificationError(f"{name!r} is labelled differently from the rows of the data.")
        values = value if isinstance(value, pd.Series) else pd.Series(value, index=native.index)
        return read_frame(native.assign(**{name: values}))
    try:
        series = nw.from_native(value, series_only=True).alias(name)
    except TypeError:
        series = nw.new_series(name, np.asarray(value), backend=frame.implementation)
    return frame.with_columns(decoded(series))
