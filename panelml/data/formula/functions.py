"""What a formula may call: panel functions, element-wise functions, and those with a state."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import numpy as np
from formulaic.transforms import TRANSFORMS

from panelml._typing import AnyArray, BoolArray, FloatArray, IntArray
from panelml.core.groups import cleared
from panelml.data.formula.elementwise import CONSTANTS, ELEMENTWISE, SCALARS
from panelml.data.formula.quoting import mask
from panelml.data.panel.axis import shift_places
from panelml.data.panel.columns import as_objects
from panelml.data.source.chunk import Chunk
from panelml.errors import ColumnTypeError, FormulaError, shown

__all__ = [
    "CODING",
    "FUNCTION_NAMES",
    "MEAN_FUNCTIONS",
    "PANEL_FUNCTIONS",
    "STATEFUL",
    "State",
    "panel_function",
    "panel_functions",
    "row_functions",
]

State: TypeAlias = Mapping[str, Mapping[str, Any]]

MEAN_FUNCTIONS = ("within", "between")
PANEL_FUNCTIONS = ("L", "F", "D", *MEAN_FUNCTIONS)
_PANEL_CALL = re.compile(rf"(?<![\w.])({'|'.join(PANEL_FUNCTIONS)})\s*\(")
STATEFUL = ("center", "scale", "standardize", "poly", "bs", "cr", "cs", "cc")
CODING = {
    **{name: TRANSFORMS[name] for name in ("Treatment", "Poly", "Sum", "Helmert")},
    **{
        f"contr.{name}": getattr(TRANSFORMS["contr"], name)
        for name in ("treatment", "sum", "helmert", "poly", "diff", "SAS", "custom")
    },
    **SCALARS,
}
FUNCTION_NAMES = ("C", "i", *PANEL_FUNCTIONS, *STATEFUL, *(n for n in ELEMENTWISE if "." not in n))


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
    stateful = {name: _stateful(name, chunk.keep, states, fitted) for name in STATEFUL}
    return {**ELEMENTWISE, **CONSTANTS, **stateful}


def panel_function(text: str) -> str | None:
    """Return the first function in a formula's text that looks at other rows of the unit."""
    call = _PANEL_CALL.search(mask(text).outline)
    return call[1] if call else None


def panel_functions(chunk: Chunk) -> dict[str, Callable[..., AnyArray]]:
    """Bind lag, lead and difference by time value, and means over the estimation sample.

    A gap gives a missing value. ``between(x)`` is the unit's mean over the rows of the
    estimation sample and ``within(x)`` the deviation from it; units with a ``known`` mean keep it.
    """
    unit = chunk.unit

    def lag(x: AnyArray, k: int = 1) -> AnyArray:
        places = shift_places(unit, chunk.time, chunk.steps, _whole(k))
        return _take(x, places)

    def lead(x: AnyArray, k: int = 1) -> AnyArray:
        return lag(x, -_whole(k))

    def difference(x: AnyArray, k: int = 1) -> AnyArray:
        values = _floats(x, "D")
        return values - _floats(lag(values, k), "D")

    def between(x: AnyArray, known: FloatArray | None = None) -> AnyArray:
        values = _floats(x, "between")
        return _unit_means(values, unit, chunk.starts.size - 1, chunk.keep, known)

    def within(x: AnyArray, known: FloatArray | None = None) -> AnyArray:
        values, g = _floats(x, "within"), chunk.starts.size - 1
        mean = _unit_means(values, unit, g, chunk.keep, known)
        deviation = values - mean
        if known is None:
            deviation = deviation - _unit_means(deviation, unit, g, chunk.keep, None)
        return cleared(deviation, mean)

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


def _unit_means(
    values: FloatArray, unit: IntArray, g: int, keep: BoolArray | None, known: FloatArray | None
) -> FloatArray:
    missing = np.isnan(values)
    use = ~missing if keep is None else keep & ~missing
    total = np.bincount(unit[use], values[use], minlength=g)
    rows = np.bincount(unit[use], minlength=g)
    means: FloatArray = np.divide(total, rows, out=np.full(g, np.nan), where=rows > 0)
    if known is not None:
        means = np.where(np.isnan(known), means, known)
    mean = means[unit]
    mean[missing] = np.nan
    return mean


def _take(values: AnyArray, places: IntArray) -> AnyArray:
    """Take values by row number; -1 takes the missing one that is put at the end."""
    if values.dtype.kind in "iufb":
        return np.append(values.astype(np.float64), np.nan)[places]
    missing = np.array([None], dtype=object)
    return np.concatenate([as_objects(values), missing])[places]


def _floats(x: Any, function: str) -> FloatArray:
    values = np.asarray(x)
    if values.dtype.kind not in "iufb":
        raise ColumnTypeError(
            f"{function}() needs numbers, not values such as {shown(values.ravel()[0])}."
        )
    return values.astype(np.float64)


def _whole(k: Any) -> int:
    if isinstance(k, bool) or not isinstance(k, int | np.integer):
        raise FormulaError(f"The number of periods must be a whole number, not {shown(k)}.")
    return int(k)
