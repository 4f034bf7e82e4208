"""The table of a simulated design's power."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

__all__ = ["power_table"]


def power_table(rows: Mapping[Any, Mapping[str, float]]) -> pd.DataFrame:
    """Lay out what was found for each sample size."""
    return pd.DataFrame.from_dict(dict(rows), orient="index").rename_axis("size")
