"""What a column holds, and its values as arrays."""

from __future__ import annotations

import json
import re
from numbers import Number
from typing import Any, Literal, TypeAlias

import narwhals.stable.v2 as nw
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from panelml._typing import AnyArray, BoolArray
from panelml.errors import ColumnTypeError, listing, shown

__all__ = [
    "Kind",
    "arrow_type",
    "as_objects",
    "column_kind",
    "decoded",
    "is_nested",
    "missing_values",
    "numbers",
    "objects",
    "polars_periods",
    "refuse_kind",
    "refuse_nested",
    "refuse_rounding",
]

Kind: TypeAlias = Literal["number", "category", "date", "complex", "nested", "mixed"]

_NESTED = (nw.Struct, nw.List, nw.Array)
_VIEWS = ("string_view", "binary_view")
# Types of arrow whose values are records or lists, and those that pandas computes with.
_NESTED_ARROW = re.compile(
    r"(dictionary<values=)?(map|struct|(dense|sparse)_union|(large_)?(fixed_size_)?list(_view)?)\b"
)
_COMPUTED = re.compile(
    r"(dictionary<values=)?(u?int\d+|float|double|bool|(large_)?(string|binary)|fixed_size_binary|"
    r"decimal(128|256)|date\d+|time\d+|timestamp|duration|null)\b"
)

_KINDS: dict[str, Kind] = {
    "string": "category",
    "categorical": "category",
    "integer": "number",
    "floating": "number",
    "mixed-integer-float": "number",
    "decimal": "number",
    "boolean": "number",
    "empty": "number",
    "complex": "complex",
    "date": "date",
    "datetime": "date",
    "datetime64": "date",
    "time": "date",
    "timedelta": "date",
    "timedelta64": "date",
    "period": "date",
}

# Every whole number up to here has a floating-point number of its own.
_EXACT = 2**53

_ADVICE: dict[Kind, str] = {
    "category": "text or categories, such as {value} (row {row}). Convert it with "
    "pandas.to_numeric if these are numbers, or write C({name}) for a category",
    "date": "dates or spans of time, such as {value} (row {row}). Turn them into a number, or "
    "write C({name}) for one effect per value",
    "complex": "complex numbers, such as {value} (row {row}). Keep the real part or the modulus",
    "nested": "records or lists, such as {value} (row {row}). Make columns of their parts",
    "mixed": "values of several kinds, such as {value} (row {row}). Convert it with "
    "pandas.to_numeric, or write C({name}) for a category",
}


def arrow_type(series: nw.Series[Any]) -> Any:
    """Return the type of a column that arrow stores, in a table or under pandas, or None."""
    native: Any = series.to_native()
    if isinstance(native, pd.Series):
        return native.dtype.pyarrow_dtype if isinstance(native.dtype, pd.ArrowDtype) else None
    return native.type if series.implementation.is_pyarrow() else None


def decoded(series: nw.Series[Any]) -> nw.Series[Any]:
    """Return a column in a type that can be computed with, itself where it is already.

    Runs and views of arrow, which few functions read, become plain values, and its periods those
    of pandas; sparse columns become full ones, and floats of 16 and 128 bits those of 64; integers
    of 128 bits become such of 64, or texts where they are larger.
    """
    stored = str(arrow_type(series))
    native: Any = series.to_native()
    array: Any = getattr(native, "array", None)
    if stored == "halffloat":
        return _from_halves(series, native)
    if isinstance(native, pd.Series) and stored == "None":
        return _decoded_numpy(series, native)
    if stored.startswith("dictionary") and series.implementation.is_pyarrow():
        whole: nw.Series[Any] = nw.from_native(native.unify_dictionaries(), series_only=True)
        return whole.alias(series.name)
    if stored.startswith("extension<pandas") and isinstance(native, pd.Series):
        periods = array.__arrow_array__().to_pandas().set_axis(native.index)
        return nw.from_native(periods.rename(native.name), series_only=True)
    if stored.startswith("run_end_encoded") or stored in _VIEWS:
        values = series.to_list()
        if not isinstance(native, pd.Series):
            return nw.new_series(series.name, values, backend=series.implementation)
        text = all(value is pd.NA or isinstance(value, str) for value in values)
        plain = pd.Series(values, native.index, "string" if text else None, native.name)
        return nw.from_native(plain.convert_dtypes(), series_only=True)
    if isinstance(native, pd.Series) and not (_COMPUTED.match(stored) or is_nested(series)):
        values = array.__arrow_array__().to_pylist()
        plain = pd.Series(values, native.index, "object", native.name)
        return nw.from_native(plain, series_only=True)
    if series.implementation.is_polars() and series.dtype in (nw.Int128, nw.UInt128):
        most = np.iinfo(np.int64).max
        inside = all(abs(end) <= most for end in (series.min(), series.max()) if end is not None)
        return series.cast(nw.Int64 if inside else nw.String)
    return series


def _from_halves(series: nw.Series[Any], native: Any) -> nw.Series[Any]:
    """Return floats of 16 bits as such of 64, which not every release of arrow can cast."""
    values = [None if pd.isna(value) else float(value) for value in series.to_list()]
    if isinstance(native, pd.Series):
        plain = pd.Series(values, native.index, "float64", native.name)
        return nw.from_native(plain, series_only=True)
    return nw.new_series(series.name, values, nw.Float64, backend=series.implementation)


def _decoded_numpy(series: nw.Series[Any], native: Any) -> nw.Series[Any]:
    if isinstance(native.dtype, pd.SparseDtype):
        return nw.from_native(native.sparse.to_dense(), series_only=True)
    if native.dtype.kind == "f" and native.dtype.itemsize > 8:
        return nw.from_native(native.astype(np.float64), series_only=True)
    return series


def polars_periods(series: nw.Series[Any]) -> pd.Series[Any] | None:
    """Return the periods of pandas that polars holds as numbers, with their frequency beside."""
    native: Any = series.to_native()
    if series.dtype != nw.Unknown or not series.implementation.is_polars():
        return None
    if getattr(native.dtype, "ext_name", str)() != "pandas.period":
        return None
    freq = json.loads(native.dtype.ext_metadata())["freq"]
    numbers = native.ext.storage()
    array = pd.arrays.PeriodArray(
        numbers.fill_null(0).to_numpy().astype(np.int64), dtype=pd.PeriodDtype(freq)
    )
    missing = numbers.is_null().to_numpy()
    return pd.Series(array, name=series.name).mask(missing)


def is_nested(series: nw.Series[Any]) -> bool:
    """Whether each value is a record or a list of others."""
    return series.dtype in _NESTED or bool(_NESTED_ARROW.match(str(arrow_type(series))))


def refuse_nested(series: nw.Series[Any]) -> None:
    """Refuse a column of records or lists.

    Raises
    ------
    ColumnTypeError
        Naming the first.
    """
    if is_nested(series):
        example = series[:1].to_list()[0]
        raise ColumnTypeError(
            f"Column {series.name!r} holds records or lists, such as {example}, not single values. "
            "Make columns of their parts, and name one of them."
        )


def column_kind(series: nw.Series[Any]) -> Kind:
    """Tell numbers (truth values included) from categories, dates and the rest."""
    dtype = series.dtype
    if dtype.is_numeric() or dtype == nw.Boolean:
        return "number"
    if dtype in (nw.String, nw.Categorical, nw.Enum):
        return "category"
    if is_nested(series):
        return "nested"
    if dtype.is_temporal() or dtype == nw.Time:
        return "date"
    native = series.to_native()
    values = native if isinstance(native, pd.Series) else objects(series)
    return _KINDS.get(pd.api.types.infer_dtype(values, skipna=True), "mixed")


def numbers(series: nw.Series[Any]) -> AnyArray:
    """Return a column of numbers as it is stored, as floats where values are missing."""
    native = series.to_native()
    if isinstance(native, pd.Series) and native.dtype.kind in "iuf" and native.hasnans:
        return native.to_numpy(dtype=np.float64, na_value=np.nan)
    values = np.asarray(native.to_numpy())
    if values.dtype.kind in "iufb":
        return values
    if not isinstance(native, pd.Series):
        native = pd.Series(list(values))
    floats = pd.to_numeric(native.astype(object).where(native.notna(), np.nan))
    return np.asarray(floats.to_numpy(dtype=np.float64, na_value=np.nan))


def objects(series: nw.Series[Any]) -> AnyArray:
    """Return a column as Python objects."""
    native = series.to_native()
    periods = polars_periods(series)
    if periods is not None:
        return as_objects(periods)
    if is_nested(series):
        values = np.empty(len(series), dtype=object)
        values[:] = series.to_list()
        return values
    if series.dtype == nw.Unknown and series.implementation.is_pyarrow():
        # Periods are a type of arrow's that pandas adds, and reads.
        native = native.to_pandas()
    return as_objects(native if isinstance(native, pd.Series) else native.to_numpy())


def as_objects(values: Any) -> NDArray[np.object_]:
    """Return values as Python objects; NumPy itself would make numbers of dates."""
    return np.asarray(pd.Series(values).astype(object))


def missing_values(values: AnyArray) -> BoolArray:
    """Tell where an array has no value."""
    if values.dtype.kind in "iub":
        return np.zeros(values.shape, dtype=bool)
    if values.dtype.kind == "f":
        return np.isnan(values)
    return np.asarray(pd.isna(values))


def refuse_rounding(role: str, name: str, series: nw.Series[Any]) -> None:
    """Refuse whole numbers that double precision, in which all is computed, would round.

    Raises
    ------
    ColumnTypeError
        If there are any; the message begins with ``role``.
    """
    if not series.dtype.is_integer() or not len(series):
        return
    ends = [abs(int(end)) for end in (series.min(), series.max()) if end is not None]
    if not any(end > _EXACT for end in ends):
        return
    values = objects(series)
    large = np.flatnonzero(~missing_values(values))
    rows = [i for i in large if int(float(values[i])) != int(values[i])]
    if rows:
        raise ColumnTypeError(
            f"{role} {name!r} holds whole numbers that double precision rounds, such as "
            f"{values[rows[0]]} (row {listing(rows)}). Subtract a number from them in the data, or "
            "make them texts if they are names."
        )


def refuse_kind(role: str, name: str, kind: Kind, values: AnyArray) -> None:
    """Say that a column which must be numeric is not, naming a value and rows.

    Parameters
    ----------
    role : str
        What the column was to be, as in ``"The outcome"``.
    values : AnyArray, shape (n,)
        Its values as objects, in the user's order.

    Raises
    ------
    ColumnTypeError
        Always.
    """
    present = ~missing_values(values)
    if not present.any():
        raise ColumnTypeError(f"{role} {name!r} must be numeric, but has no values.")
    wrong = present & np.array([not isinstance(value, Number) for value in values])
    if kind not in ("mixed", "category") or not wrong.any():
        wrong = present
    rows = np.flatnonzero(wrong)
    example = values[rows[0]]
    words = _ADVICE[kind].format(name=name, value=shown(example), row=listing(rows))
    raise ColumnTypeError(f"{role} {name!r} must be numeric, but holds {words}.")
