"""Integer codes for the values of columns and of their combinations."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np
import pandas as pd

from panelml._typing import AnyArray, BoolArray, IntArray
from panelml.data.panel.columns import arrow_type, polars_periods, refuse_nested
from panelml.errors import ColumnTypeError

__all__ = ["Codes", "combine", "declared_levels", "factorize", "run_starts"]


@dataclass(frozen=True, slots=True)
class Codes:
    """A column, or a combination of several, as integers.

    Attributes
    ----------
    values : IntArray, shape (n,)
        Code of each row, -1 where missing.
    parts : tuple of AnyArray
        Labels of each column.
    places : tuple of IntArray, shape (levels,)
        For a combination, the label of each column that makes up each level, by number; empty
        for a single column.
    """

    values: IntArray
    parts: tuple[AnyArray, ...]
    places: tuple[IntArray, ...] = ()

    @property
    def levels(self) -> int:
        """Number of levels; codes run from 0 to one less."""
        return self.places[0].size if self.places else self.parts[0].size

    def labels(self) -> AnyArray:
        """Return the label of each level: for a combination, texts joined by ``^``."""
        if not self.places:
            return self.parts[0]
        joined: AnyArray | None = None
        for part, place in zip(self.parts, self.places, strict=True):
            text = np.array([str(label) for label in part], dtype=object)[place]
            joined = text if joined is None else np.add(np.add(joined, "^"), text)
        return np.asarray(joined)


def combine(first: Codes, rest: Codes) -> Codes:
    """Code the combinations that occur, in the order of the first column, then of the others."""
    size = rest.levels
    cell = first.values * size + rest.values
    missing = (first.values < 0) | (rest.values < 0)
    values = np.full(cell.size, -1, dtype=np.int64)
    complete = ~missing
    values[complete], cells = _factorize_integers(cell[complete])
    outer, inner = np.divmod(cells.astype(np.int64), size)
    places = (*_places(first, outer), *_places(rest, inner))
    return Codes(values, (*first.parts, *rest.parts), places)


def _places(codes: Codes, levels: IntArray) -> tuple[IntArray, ...]:
    return tuple(place[levels] for place in codes.places) or (levels,)


def factorize(series: nw.Series[Any]) -> tuple[IntArray, AnyArray]:
    """Code the values of a column.

    Returns
    -------
    codes : IntArray, shape (n,)
        -1 where missing.
    labels : AnyArray, shape (levels,)
        Sorted (by ``declared_levels`` where there are any, numbers before texts), or in the order
        of appearance where the values cannot be compared.
    """
    first = run_starts(series)
    if first is None:
        return _factorize_values(series)
    codes, labels = _factorize_values(series[first])
    return np.repeat(codes, np.diff(first, append=len(series))), labels


def run_starts(series: nw.Series[Any]) -> IntArray | None:
    """Return the first row of each run of equal values; None where runs are short.

    Raises
    ------
    ColumnTypeError
        If the values are records or lists.
    """
    refuse_nested(series)
    if _is_opaque(series):
        return None
    head = series[:4096]
    if len(series) < 2 or 2 * _changes(head).sum() > len(head):
        return None
    return np.flatnonzero(np.concatenate([[True], _changes(series)]))


def _is_opaque(series: nw.Series[Any]) -> bool:
    """Whether polars or arrow hold values that they do not compare."""
    return series.dtype in (nw.Object, nw.Unknown) and not isinstance(series.to_native(), pd.Series)


def _changes(series: nw.Series[Any]) -> BoolArray:
    """Tell which rows from the second on differ from the row before, shape (n - 1,)."""
    native = series.to_native()
    if not isinstance(native, pd.Series):
        return (series[1:] != series[:-1]).fill_null(value=True).to_numpy().astype(bool)
    values = native.array
    changed: Any = values[1:] != values[:-1]
    if isinstance(changed, np.ndarray):
        return changed.astype(bool, copy=False)
    return np.asarray(changed.to_numpy(dtype=bool, na_value=True))


def _factorize_values(series: nw.Series[Any]) -> tuple[IntArray, AnyArray]:
    dtype = series.dtype
    if dtype.is_integer() and series.null_count() == 0:
        return _factorize_integers(series.to_numpy())
    if dtype in (nw.Categorical, nw.Enum):
        return _factorize_categories(series)
    values = _pandas_series(series)
    try:
        codes, labels = pd.factorize(values, sort=True)
    except TypeError:
        codes, labels = _factorize_unordered(values)
    return codes.astype(np.int64, copy=False), _label_array(labels)


def _pandas_series(series: nw.Series[Any]) -> pd.Series[Any]:
    native: Any = series.to_native()
    if isinstance(native, pd.Series):
        return native
    periods = polars_periods(series)
    if periods is not None:
        return periods
    if _is_opaque(series):
        # Periods are a type of arrow's that pandas adds, and reads.
        values = native.to_pandas() if series.implementation.is_pyarrow() else series.to_list()
        return pd.Series(values, name=series.name)
    plain: pd.Series[Any] = pd.Series(series.to_numpy())
    zone = series.dtype.time_zone if isinstance(series.dtype, nw.Datetime) else None
    return plain.dt.tz_localize("UTC").dt.tz_convert(zone) if zone else plain


def _factorize_unordered(values: pd.Series[Any]) -> tuple[IntArray, Any]:
    try:
        return pd.factorize(values)
    except TypeError as error:
        raise ColumnTypeError(
            f"Column {values.name!r} holds values such as {values.dropna().iloc[0]!r}, which "
            "cannot be told apart by hashing. Turn them into text or tuples."
        ) from error


def _label_array(labels: Any) -> AnyArray:
    array = np.asarray(labels)
    if array.ndim == 1:
        return array
    flat = np.empty(len(labels), dtype=object)
    flat[:] = list(labels)
    return flat


def _factorize_integers(values: AnyArray) -> tuple[IntArray, AnyArray]:
    if values.size == 0:
        return np.zeros(0, dtype=np.int64), values
    low, high = int(values.min()), int(values.max())
    if high - low > 4 * values.size + 1024:
        coded, labels = pd.factorize(values, sort=True)
        return coded.astype(np.int64, copy=False), np.asarray(labels)
    wide: Any = values if values.dtype.itemsize == 8 else values.astype(np.int64)
    position: IntArray = (wide - wide.dtype.type(low)).astype(np.int64, copy=False)
    occurs = np.zeros(high - low + 1, dtype=bool)
    occurs[position] = True
    present = np.flatnonzero(occurs)
    labels = (present.astype(wide.dtype) + wide.dtype.type(low)).astype(values.dtype)
    if present.size == occurs.size:
        return position, labels
    return (np.cumsum(occurs) - 1)[position], labels


def declared_levels(series: nw.Series[Any]) -> tuple[list[Any], bool]:
    """Return the levels of a category in the order that its type declares, and whether it ranks.

    The levels of pandas come in an order of the user's, whether or not they rank; those of
    polars' Enum and of arrow's ordered dictionaries do rank. polars' Categorical and arrow's
    other dictionaries number their levels as they occur in the rows: these have none, and neither
    do columns of other types.
    """
    native: Any = series.to_native()
    dtype: Any = getattr(native, "dtype", None)
    if isinstance(dtype, pd.CategoricalDtype):
        return list(dtype.categories), bool(dtype.ordered)
    if series.implementation.is_polars():
        return (list(dtype.categories), True) if series.dtype == nw.Enum else ([], False)
    if series.dtype != nw.Categorical or not getattr(arrow_type(series), "ordered", False):
        return [], False
    values: Any = native.array if isinstance(native, pd.Series) else None
    stored = native if values is None else values.__arrow_array__()
    first = stored.unify_dictionaries().chunk(0).dictionary.to_pylist() if len(series) else []
    return [level for level in first if level is not None], True


def _factorize_categories(series: nw.Series[Any]) -> tuple[IntArray, AnyArray]:
    levels, _ = declared_levels(series)
    native = series.to_native()
    if levels and isinstance(native, pd.Series) and isinstance(native.dtype, pd.CategoricalDtype):
        used = pd.Categorical(native)
    else:
        values = pd.Series(series.to_list(), dtype=object)
        used = pd.Categorical(values, categories=levels or None)
    used = used.remove_unused_categories()
    return used.codes.astype(np.int64), _label_array(used.categories)
