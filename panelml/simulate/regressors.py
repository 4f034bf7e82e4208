"""Regressors of simulated panels, and their slopes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from panelml._typing import AnyArray, FloatArray
from panelml.simulate.draws import require, require_counts

__all__ = ["REGRESSORS", "by_column", "row_frame", "slopes_of"]

# How earlier releases took the number of regressors and their slopes, and how it is done now.
REGRESSORS = {"n_regressors": "regressors=2", "coefficients": "regressors=[1, -0.5]"}


def slopes_of(regressors: int | Sequence[float]) -> FloatArray:
    """Give one slope per regressor: (k,)."""
    if isinstance(regressors, int | np.integer):
        require_counts(regressors=int(regressors))
        return np.array([(-1) ** k / (k + 1) for k in range(regressors)])
    require(len(regressors) > 0, "regressors needs a slope at least.")
    return np.asarray(regressors, dtype=np.float64)


def by_column(slopes: FloatArray) -> dict[str, float]:
    """Name slopes after their columns."""
    return {f"x{k}": float(slope) for k, slope in enumerate(slopes, start=1)}


def row_frame(keys: Mapping[str, AnyArray], x: FloatArray) -> pd.DataFrame:
    """Put the regressors, (k, n), beside the keys and the response."""
    regressors = {f"x{k}": row for k, row in enumerate(x, start=1)}
    return pd.DataFrame({**keys, **regressors}, copy=False)
