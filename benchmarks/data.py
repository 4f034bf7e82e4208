"""Data frames as files of plain arrays, which every package can read, in R too.

Nothing of panelml is imported here: the other packages' processes read their data with it.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

__all__ = ["read", "write"]


def write(frame: pd.DataFrame, folder: Path) -> None:
    """Write each column as a plain array; the suffix is its type."""
    folder.mkdir(parents=True)
    for name, column in frame.items():
        dtype = "int32" if column.dtype.kind == "i" else "float64"
        column.to_numpy(dtype=dtype).tofile(folder / f"{name}.{dtype}")


def read(folder: Path) -> pd.DataFrame:
    """Read what ``write`` wrote; integers have 64 bits, as pandas makes them."""
    columns = {}
    for path in sorted(folder.iterdir()):
        dtype = path.suffix[1:]
        values = np.fromfile(path, dtype=dtype)
        columns[path.stem] = values.astype(np.int64) if dtype == "int32" else values
    return pd.DataFrame(columns)
