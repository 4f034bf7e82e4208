"""What a column holds, and its values as arrays."""

from __future__ import annotations

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
    "as_objects",
    "column_kind",
    "missing_values",
    "numbers",
    "objects",
    "refuse_kind",
    "refuse_rounding",
]

Kind: TypeAlias = Literal["number", "category", "date", "complex", "mixed"]

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
    "mixed": "values of several kinds, such as {value} (row {row}). Convert it with "
    "pandas.to_numeric, or write C({name}) for a category",
}


def column_kind(series: nw.Series[Any]) -> Kind:
    """Tell numbers (truth values included) from categories, dates and the rest."""
    dtype = series.dtype
    if dtype.is_numeric() or dtype == nw.Boolean:
        return "number"
    if dtype in (nw.String, nw.Categorical, nw.Enum):
        return "category"
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
    wrong = ~missing_values(values)
    if kind in ("mixed", "category"):
        wrong &= np.array([not isinstance(value, Number) for value in values])
    rows = np.flatnonzero(wrong)
    example = values[rows[0]] if rows.size else None
    words = _ADVICE[kind].format(name=name, value=shown(example), row=listing(rows))
    raise ColumnTypeError(f"{role} {name!r} must be numeric, but holds {words}.")
