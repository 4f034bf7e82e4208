"""Data of published evaluations; see tests/golden/README.md for their sources."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd

DATA = Path(__file__).parents[1] / "golden" / "data"


@cache
def _read(name: str) -> pd.DataFrame:
    return pd.read_csv(DATA / f"{name}.csv.gz")


def mpdta() -> pd.DataFrame:
    """Teen employment in 500 counties, whose states raised minimum wages in 2004, 2006 or 2007."""
    names = {"countyreal": "id", "year": "t", "first.treat": "g"}
    return _read("mpdta").rename(columns=names)


def nsw() -> pd.DataFrame:
    """Earnings of trainees of 1976 and of the people in the Current Population Survey."""
    wide = _read("nsw").rename_axis("id").reset_index()
    parts = [wide.assign(t=year, re=wide[f"re{year - 1900}"]) for year in (1975, 1978)]
    return pd.concat(parts).assign(g=lambda d: np.where(d["experimental"] == 1, 1978, 0))
