"""What a formula may call: panel functions, element-wise functions, and those with a state."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import numpy as np
from formulaic.transforms import TRANSFORMS

from panelml._typing import AnyArray, BoolArray, FloatArray, IntArray
from panelml.core.groups import cleared
from panelml.data.axis import shift_places
from panelml.data.source import Chunk
from panelml.errors import ColumnTypeError, FormulaError

__all__ = [
    "CALL",
    "CODING",
    "FUNCTION_NAMES",
    "PANEL_FUNCTIONS",
    "STATEFUL",
    "State",
    "panel_functions",
    "row_functions",
]

State: TypeAlias = Mapping[str, Mapping[str, Any]]

PANEL_FUNCTIONS = ("L", "F", "D", "within", "between")
STATEFUL = ("center", "scale", "standardize", "poly", "bs", "cr", "cs", "cc")
ELEMENTWISE: dict[str, Any] = {
    "I": lambda x: x,
    "abs": np.abs,
    "exp": np.exp,
    "log": np.log,
    "log10": np.log10,
    "log2": np.log2,
    "sqrt": np.sqrt,
}
CODING = {name: TRANSFORMS[name] for name in ("contr", "Treatment", "Poly", "Sum", "Helmert")}
FUNCTION_NAMES = ("C", *PANEL_FUNCTIONS, *STATEFUL, *ELEMENTWISE, "np")
# Before the names of functions, which columns may have too.
CALL = "__call_"


def row_functions(
    chunk: Chunk, states: State, fitted: dict[str, dict[str, Any]] | None
) -> dict[str, Any]:
    """Bind what is computed row by row, once states are known, to the rows of a chunk.

    Parameters
    ----------
    chunk : Chunk
    states : mapping of str to mapping
        State of each call of a function with a state, by the text of the call.
    fitted : dict, optional
        Takes up the states of calls that have none yet; without it these are an error.
    """
    stateful = {f"{CALL}{name}": _stateful(name, chunk.keep, states, fitted) for name in STATEFUL}
    return {"np": np, **{f"{CALL}{k}": v for k, v in ELEMENTWISE.items()}, **stateful}


def panel_functions(chunk: Chunk) -> dict[str, Callable[..., AnyArray]]:
    """Bind lag, lead and difference by time value, and means over the estimation sample.

    A gap gives a missing value. ``between(x)`` is the unit's mean over the rows of the
    estimation sample and ``within(x)`` the deviation from it.
    """
    unit, index = chunk.unit, chunk.panel.index
    time = index.time[chunk.rows]

    def lag(x: AnyArray, k: int = 1) -> AnyArray:
        places = shift_places(unit, time, index.steps, _whole(k))
        return _take(x, places)

    def lead(x: AnyArray, k: int = 1) -> AnyArray:
        return lag(x, -_whole(k))

    def difference(x: AnyArray, k: int = 1) -> AnyArray:
        values = _floats(x, "D")
        return values - _floats(lag(values, k), "D")

    def between(x: AnyArray) -> AnyArray:
        values = _floats(x, "between")
        return _unit_means(values, unit, chunk.starts.size - 1, chunk.keep)

    def within(x: AnyArray) -> AnyArray:
        values, g = _floats(x, "within"), chunk.starts.size - 1
        mean = _unit_means(values, unit, g, chunk.keep)
        deviation = values - mean
        return cleared(deviation - _unit_means(deviation, unit, g, chunk.keep), mean)

    return {"L": lag, "F": lead, "D": difference, "within": within, "between": between}


def _stateful(
    name: str, keep: BoolArray | None, states: State, fitted: dict[str, dict[str, Any]] | None
) -> Callable[..., Any]:
    """Take the state of a function from the kept rows, and apply it to every complete one."""
    transform = TRANSFORMS[name]

    def apply(x: Any, *args: Any, _call: str, **options: Any) -> Any:
        values = _floats(x, name)
        complete = ~np.isnan(values)
        kept = complete if keep is None else keep & complete
        if _call in states:
            state = dict(states[_call])
        elif fitted is not None:
            state = fitted.setdefault(_call, {})
            transform(values[kept], *args, _state=state, **options)
        else:
            raise FormulaError(f"{_call} has no state: fit the formula first.")
        # B-splines are not defined beyond the values that they were fitted to.
        use = kept if name == "bs" else complete
        return _scatter(transform(values[use], *args, _state=state, **options), use)

    return apply


def _scatter(result: Any, use: BoolArray) -> Any:
    if isinstance(result, dict):
        return {k: _scatter(v, use) for k, v in result.items() if not str(k).startswith("__")}
    values = np.asarray(result)
    full = np.full((use.size, *values.shape[1:]), np.nan)
    full[use] = values
    columns = getattr(getattr(result, "__formulaic_metadata__", None), "column_names", None)
    if full.ndim == 2 and columns:
        return {column: full[:, j] for j, column in enumerate(columns)}
    return full


def _unit_means(values: FloatArray, unit: IntArray, g: int, keep: BoolArray | None) -> FloatArray:
    missing = np.isnan(values)
    use = ~missing if keep is None else keep & ~missing
    total = np.bincount(unit[use], values[use], minlength=g)
    rows = np.bincount(unit[use], minlength=g)
    mean: FloatArray = np.divide(total, rows, out=np.full(g, np.nan), where=rows > 0)[unit]
    mean[missing] = np.nan
    return mean


def _take(values: AnyArray, places: IntArray) -> AnyArray:
    """Take values by row number; -1 takes the missing one that is put at the end."""
    if values.dtype.kind in "iufb":
        return np.append(values.astype(np.float64), np.nan)[places]
    missing = np.array([None], dtype=object)
    return np.concatenate([values.astype(object), missing])[places]


def _floats(x: Any, function: str) -> FloatArray:
    values = np.asarray(x)
    if values.dtype.kind not in "iufb":
        raise ColumnTypeError(
            f"{function}() needs numbers, not values such as {values.ravel()[0]!r}."
        )
    return values.astype(np.float64)


def _whole(k: Any) -> int:
    if isinstance(k, bool) or not isinstance(k, int | np.integer):
        raise FormulaError(f"The number of periods must be a whole number, not {k!r}.")
    return int(k)
