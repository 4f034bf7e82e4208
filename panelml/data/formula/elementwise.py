"""Functions that compute each row from that row alone, which is all that formulas may call.

Whatever they are given is taken in double precision, and none of them can write or read anything
but its arguments.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from panelml._typing import AnyArray, BoolArray, FloatArray
from panelml.data.formula.evaluation import as_numbers, compare
from panelml.errors import ColumnTypeError, shown, suggest

__all__ = ["CONSTANTS", "ELEMENTWISE", "SCALARS", "no_function"]

# Names of functions and methods of NumPy and pandas that mix rows.
_SUMMARIES = frozenset(
    (
        "all",
        "amax",
        "amin",
        "any",
        "argmax",
        "argmin",
        "argsort",
        "average",
        "corrcoef",
        "count",
        "cov",
        "cummax",
        "cummin",
        "cumprod",
        "cumsum",
        "ewm",
        "expanding",
        "gradient",
        "groupby",
        "max",
        "mean",
        "median",
        "min",
        "nanmax",
        "nanmean",
        "nanmedian",
        "nanmin",
        "nanpercentile",
        "nanquantile",
        "nanstd",
        "nansum",
        "nanvar",
        "percentile",
        "prod",
        "ptp",
        "quantile",
        "rank",
        "roll",
        "rolling",
        "shift",
        "size",
        "sort",
        "std",
        "sum",
        "var",
    )
)
_RESIZING = frozenset(("diff", "unique", "histogram", "convolve", "correlate"))
_OTHER_NAMES = {
    "ln": "log(x)",
    "log1p": "np.log1p(x)",
    "factor": "C(x)",
    "as.factor": "C(x)",
    "as_factor": "C(x)",
    "polynomial": "poly(x, 2)",
    "polynom": "poly(x, 2)",
    "polyn": "poly(x, 2)",
    "pol": "poly(x, 2)",
    "ns": "cr(x, df=4)",
    "spline": "bs(x, df=4)",
    "pow": "I(x**2)",
    "power": "I(x**2)",
    "square": "I(x**2)",
    "sq": "I(x**2)",
    "lead": "F(x, 1)",
    "l": "L(x, 1)",
    "f": "F(x, 1)",
    "d": "D(x)",
    "diff": "D(x)",
    "delta": "D(x)",
    "demean": "within(x)",
    "mean": "between(x)",
    "ifelse": "np.where(x > 0, 1, 0)",
}


def _numeric(function: np.ufunc, name: str) -> Callable[..., Any]:
    """Take a function of numbers without the arguments that write into arrays or choose types."""

    def apply(*arguments: Any) -> Any:
        if len(arguments) != function.nin:
            values = "1 value" if function.nin == 1 else f"{function.nin} values"
            raise TypeError(f"{name}() takes {values}, not {len(arguments)}")
        numbers = [as_numbers(argument) for argument in arguments]
        for value in map(np.asarray, numbers):
            if value.dtype.kind not in "fcmM":
                raise ColumnTypeError(
                    f"{name}() needs numbers, not values such as {shown(value.ravel()[0])}."
                )
        return function(*numbers)

    return apply


def _ufuncs() -> dict[str, Callable[..., Any]]:
    """Find the functions that NumPy computes for each number by itself."""
    return {
        f"np.{name}": _numeric(function, f"np.{name}")
        for name, function in vars(np).items()
        if isinstance(function, np.ufunc)
        and function.signature is None
        and function.nout == 1
        and any(types.startswith(f"{'d' * function.nin}->") for types in function.types)
    }


def _identity(x: Any) -> Any:
    return x


def _where(condition: Any, then: Any, otherwise: Any) -> AnyArray:
    values = np.where(as_numbers(condition) != 0, as_numbers(then), as_numbers(otherwise))
    return np.asarray(values)


def _clip(x: Any, a_min: Any = None, a_max: Any = None) -> FloatArray:
    low = as_numbers(-np.inf if a_min is None else a_min)
    high = as_numbers(np.inf if a_max is None else a_max)
    return np.asarray(np.clip(as_numbers(x), low, high))


def _round(x: Any, decimals: int = 0) -> FloatArray:
    return np.asarray(np.round(as_numbers(x), decimals))


def _isin(x: Any, values: Any) -> BoolArray:
    if not isinstance(values, list):
        raise ValueError("np.isin() needs a list of values, as np.isin(x, [1, 2])")
    hits: list[BoolArray] = [compare("==", x, value) for value in values]
    return np.logical_or.reduce(hits) if hits else np.zeros(np.shape(x), bool)


def _digitize(x: Any, bins: Any, right: bool = False) -> AnyArray:
    if not isinstance(bins, list):
        raise ValueError("np.digitize() needs a list of bounds, as np.digitize(x, [10, 20])")
    return np.asarray(np.digitize(as_numbers(x), bins, right))


def _whole(x: Any) -> Any:
    return int(x) if isinstance(x, bool | int | float) else np.trunc(as_numbers(x))


def _double(x: Any) -> Any:
    return float(x) if isinstance(x, bool | int | float) else as_numbers(x)


# How NumPy writes single values, which come into formulas that programs put together.
SCALARS: dict[str, Callable[..., Any]] = {
    **{f"np.{sign}int{bits}": _whole for sign in ("", "u") for bits in (8, 16, 32, 64)},
    **{f"np.float{bits}": _double for bits in (16, 32, 64)},
    "np.str_": str,
    "np.datetime64": np.datetime64,
    "np.timedelta64": np.timedelta64,
}
CONSTANTS: dict[str, Any] = {
    "np.pi": np.pi,
    "np.e": np.e,
    "np.nan": np.nan,
    "np.inf": np.inf,
    "np.True_": True,
    "np.False_": False,
}
ELEMENTWISE: dict[str, Callable[..., Any]] = {
    "I": _identity,
    **{
        name: _numeric(getattr(np, name), name)
        for name in ("abs", "exp", "log", "log10", "log2", "sqrt")
    },
    **_ufuncs(),
    "np.where": _where,
    "np.clip": _clip,
    "np.round": _round,
    "np.around": _round,
    "np.isin": _isin,
    "np.digitize": _digitize,
    "np.real": np.real,
    "np.imag": np.imag,
    **SCALARS,
}


def no_function(name: str, text: str, known: tuple[str, ...]) -> str:
    """Say that a formula calls what is no function of its own, and what it may call instead.

    Parameters
    ----------
    name : str
        What is called, as ``np.mean`` or ``x.mean``.
    text : str
        What the user wrote.
    known : tuple of str
        The functions without a prefix.
    """
    prefix, _, last = name.rpartition(".")
    if prefix and last in _RESIZING:
        return f"{text!r} gives another number of values than rows: it must give one for each."
    if prefix and last in _SUMMARIES:
        return (
            f"{text!r} gives a row a value that depends on the other units' rows. Add it to the "
            "data as a column, or use center(), scale() or between()."
        )
    if prefix == "np":
        near = "" if hasattr(np, last) else suggest(name, ELEMENTWISE)
        return (
            f"Cannot evaluate {text!r}: {name} is not among NumPy's functions of single rows, "
            f"which formulas may call.{near}"
        )
    if name in _OTHER_NAMES:
        return f"The formula names {name!r}, which is no function. Write {_OTHER_NAMES[name]}."
    if prefix:
        return (
            f"Cannot evaluate {text!r}: {name!r} is neither a column nor a function of a formula. "
            f"Put a column's name in backticks, `{name}`, and add what a method computes to the "
            "data."
        )
    if f"np.{name}" in ELEMENTWISE:
        return f"The formula names {name!r}, which is no function. Did you mean 'np.{name}'?"
    return f"The formula names {name!r}, which is no function.{suggest(name, known)}"
