"""What a formula may call beyond NumPy: lags, leads, differences, within and between."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from panelml._typing import FloatArray, IntArray
from panelml.data.source import Chunk

__all__ = ["FUNCTION_NAMES", "panel_functions", "shift"]

FUNCTION_NAMES = ("L", "F", "D", "within", "between", "np")


def shift(values: FloatArray, unit: IntArray, step: IntArray, periods: int) -> FloatArray:
    """Return the value of the same unit so many periods earlier, missing if not observed.

    Parameters
    ----------
    values : FloatArray, shape (n,)
    unit, step : IntArray, shape (n,)
        Sorted by unit and, within it, by position on the time axis.
    periods : int
        Positive for lags, negative for leads.
    """
    result = np.full(values.shape, np.nan)
    if values.size == 0:
        return result
    span = int(step.max()) - int(step.min()) + 1
    if abs(periods) >= span:
        return result
    key = unit * (3 * span) + (step - int(step.min())) + span
    place = np.minimum(np.searchsorted(key, key - periods), key.size - 1)
    found = key[place] == key - periods
    result[found] = values[place[found]]
    return result


def panel_functions(chunk: Chunk) -> dict[str, Any]:
    """Bind the functions to the rows of a chunk.

    ``between(x)`` is the unit's mean over the estimation sample and ``within(x)`` the deviation
    from it; ``L(x, k)``, ``F(x, k)`` and ``D(x, k)`` go by time value, so that a gap gives a
    missing value.
    """
    unit, step = chunk.unit, chunk.step

    def lag(x: Any, k: int = 1) -> FloatArray:
        return shift(np.asarray(x, dtype=np.float64), unit, step, k)

    def lead(x: Any, k: int = 1) -> FloatArray:
        return lag(x, -k)

    def difference(x: Any, k: int = 1) -> FloatArray:
        return np.asarray(x, dtype=np.float64) - lag(x, k)

    def between(x: Any) -> FloatArray:
        values = np.asarray(x, dtype=np.float64)
        use = ~np.isnan(values) if chunk.keep is None else chunk.keep & ~np.isnan(values)
        g = chunk.starts.size - 1
        total = np.bincount(unit[use], values[use], minlength=g)
        rows = np.bincount(unit[use], minlength=g)
        with np.errstate(invalid="ignore"):
            mean = total / rows
        return np.where(np.isnan(values), np.nan, mean[unit])

    def within(x: Any) -> FloatArray:
        return np.asarray(x, dtype=np.float64) - between(x)

    functions: dict[str, Callable[..., Any]] = {
        "L": lag, "F": lead, "D": difference, "within": within, "between": between,
    }  # fmt: skip
    return {**functions, "np": np}
