"""Panels of every kind of data frame that the tests of ``panelml.data`` share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa

BACKENDS: dict[str, Callable[[pd.DataFrame], Any]] = {
    "pandas": lambda frame: frame,
    "pandas-nullable": lambda frame: frame.convert_dtypes(),
    "pandas-arrow": lambda frame: frame.convert_dtypes(dtype_backend="pyarrow"),
    "polars": pl.from_pandas,
    "pyarrow": lambda frame: pa.Table.from_pandas(frame, preserve_index=False),
}


def small() -> pd.DataFrame:
    """Three units with a gap, an early end and a late start; rows are shuffled."""
    frame = pd.DataFrame(
        {
            "unit": ["a", "a", "a", "b", "b", "b", "b", "c", "c"],
            "time": [1, 2, 4, 1, 2, 3, 4, 3, 4],
            "x": [1.0, 2.0, 4.0, 10.0, np.nan, 30.0, 40.0, 300.0, 400.0],
            "n": [1, 2, 3, 4, 5, 6, 7, 8, 9],
            "g": ["p", "p", "q", "q", "q", None, "p", "r", "r"],
        }
    )
    return frame.iloc[[4, 0, 8, 2, 6, 1, 3, 7, 5]].reset_index(drop=True)


def listed(values: Any) -> list[Any]:
    """Read a native series, missing values as None."""
    read = values.to_pylist if isinstance(values, pa.ChunkedArray) else values.to_list
    return [None if value is pd.NA or value != value else value for value in read()]


def as_floats(values: Any) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Read a native series of numbers, missing values as NaN."""
    return np.array(listed(values), dtype=np.float64)
