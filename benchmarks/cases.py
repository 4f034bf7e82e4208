"""What is measured, by whom, and what panelml has to reach."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

__all__ = ["CASES", "LAGS", "QUICK", "REGRESSORS", "SIZES", "Case", "Faster", "find"]

SIZES = (90_000, 900_000, 9_000_000)
REGRESSORS = ("x1", "x2", "x3")
LAGS = 2
"""Lags of Driscoll and Kraay; the packages' defaults differ."""

FIRST_CALL_SECONDS = 0.7
FIRST_CALL_ROWS = 900_000
"""The largest size at which the first call is held to its limit."""
MEMORY_SHARE = 0.6
"""Of pyfixest's peak."""

LARGEST = {
    "panelml": 9_000_000,
    "pyfixest": 9_000_000,
    "fixest": 9_000_000,
    "linearmodels": 900_000,
    "plm": 900_000,
}

PYTHON = ("panelml", "pyfixest", "linearmodels")
HDFE = (*PYTHON, "fixest")
CLASSICAL = ("panelml", "linearmodels", "plm")
ALL = (*HDFE, "plm")


@dataclass(frozen=True, slots=True)
class Faster:
    """A target: how many times faster than a rival."""

    rival: str
    factor: float


@dataclass(frozen=True, slots=True)
class Case:
    """One regression, said without any package's words.

    Attributes
    ----------
    name, title : str
    model : str
        The estimator; ``hausman`` fits fixed and random effects and compares them.
    packages : tuple of str
        Those that have it.
    data : str
        A data set of ``benchmarks.data``.
    effects : tuple of str
        Columns that ``fixed`` absorbs.
    cov : str
    clusters : tuple of str
        Columns, where cov is ``cluster``.
    only_rows : int, optional
        The one size it is run at, where sizes make no sense.
    largest : dict of str to int
        Rows beyond which a package fails, or takes minutes.
    targets : tuple of Faster
    """

    name: str
    title: str
    model: Literal["pooled", "between", "difference", "random", "fixed", "hausman"]
    packages: tuple[str, ...]
    data: Literal["panel", "shuffled", "long", "matched"] = "panel"
    effects: tuple[str, ...] = ()
    cov: Literal["iid", "cluster", "driscoll-kraay"] = "cluster"
    clusters: tuple[str, ...] = ("unit",)
    only_rows: int | None = None
    largest: Mapping[str, int] = field(default_factory=dict)
    targets: tuple[Faster, ...] = ()

    @property
    def unit(self) -> str:
        """The column of the units."""
        return "worker" if self.data == "matched" else "unit"

    @property
    def iterates(self) -> bool:
        """Whether some package approaches the solution only up to its tolerance."""
        return len(self.effects) > 1

    def takes(self, package: str, rows: int) -> bool:
        """Whether a package is asked for this many rows."""
        return package in self.packages and rows <= self.largest.get(package, LARGEST[package])


FIXEST = (Faster("pyfixest", 5), Faster("fixest", 2))
LINEARMODELS = (Faster("linearmodels", 5),)
# plm builds an n x n matrix for these: 60 GB at 9e5 rows.
SMALL_PLM = {"plm": 90_000}

CASES = (
    Case("pooled", "Pooled OLS, clustered by unit", "pooled", ALL),
    Case("between", "Between", "between", CLASSICAL, cov="iid", targets=LINEARMODELS),
    Case("fd", "First differences", "difference", CLASSICAL, cov="iid", targets=LINEARMODELS),
    Case("re", "Random effects", "random", CLASSICAL, cov="iid", targets=LINEARMODELS),
    Case("re-cluster", "Random effects, clustered by unit", "random", CLASSICAL,
         targets=LINEARMODELS),
    Case("fe1-iid", "One-way FE, iid", "fixed", ALL, effects=("unit",), cov="iid"),
    Case("fe1-cluster", "One-way FE, clustered by unit", "fixed", ALL, effects=("unit",),
         targets=FIXEST),
    Case("fe2-cluster", "Two-way FE, clustered by unit", "fixed", ALL, effects=("unit", "time"),
         targets=FIXEST),
    Case("fe2-shuffled", "Two-way FE, clustered by unit, rows in random order", "fixed", HDFE,
         data="shuffled", effects=("unit", "time"), targets=FIXEST),
    Case("fe2-twoway", "Two-way FE, clustered by unit and time", "fixed", ALL,
         effects=("unit", "time"), clusters=("unit", "time"), largest=SMALL_PLM,
         targets=(Faster("pyfixest", 5),)),
    Case("fe2-dk", "Two-way FE, Driscoll-Kraay", "fixed", ALL, effects=("unit", "time"),
         cov="driscoll-kraay", largest=SMALL_PLM, targets=(Faster("pyfixest", 5),)),
    Case("fe3", "Unit, time and firm FE, clustered by unit", "fixed", HDFE,
         effects=("unit", "time", "firm"), targets=(Faster("fixest", 1),)),
    Case("worker-firm", "Worker and firm FE, clustered by worker", "fixed", HDFE, data="matched",
         effects=("worker", "firm"), clusters=("worker",)),
    Case("hausman", "Hausman: FE against RE", "hausman", CLASSICAL, cov="iid",
         targets=LINEARMODELS),
    Case("long", "500 units x 2,000 periods, two-way FE, clustered by unit", "fixed", HDFE,
         data="long", effects=("unit", "time"), only_rows=900_000, targets=FIXEST),
)  # fmt: skip

QUICK = ("re", "fe1-cluster", "fe2-cluster", "hausman")
"""Cases of ``run --quick``."""


def find(name: str) -> Case:
    """Return the case of that name."""
    cases = {case.name: case for case in CASES}
    if name not in cases:
        raise SystemExit(f"No case {name!r}. There are: {', '.join(cases)}.")
    return cases[name]
