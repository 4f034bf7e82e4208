"""What is measured, by whom, and what panelml has to reach."""

from __future__ import annotations

from benchmarks.case import Case, Faster
from benchmarks.mixed_cases import MIXED
from benchmarks.policy_cases import POLICIES

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

PYTHON = ("panelml", "pyfixest", "linearmodels")
HDFE = (*PYTHON, "fixest")
CLASSICAL = ("panelml", "linearmodels", "plm")
ALL = (*HDFE, "plm")


FIXEST = (Faster("pyfixest", 5), Faster("fixest", 2))
LINEARMODELS = (Faster("linearmodels", 5),)
# plm builds an n x n matrix for these: 60 GB at 9e5 rows.
SMALL_PLM = {"plm": 90_000}

CASES = (
    Case("pooled", "Pooled OLS, clustered by unit", "pooled", ALL),
    Case("between", "Between", "between", CLASSICAL, cov="iid", targets=LINEARMODELS),
    Case("fd", "First differences", "difference", CLASSICAL, cov="iid", targets=LINEARMODELS),
    Case("re", "Random effects", "random", CLASSICAL, cov="iid", targets=LINEARMODELS),
    Case(
        "re-cluster", "Random effects, clustered by unit", "random", CLASSICAL, targets=LINEARMODELS
    ),
    Case("fe1-iid", "One-way FE, iid", "fixed", ALL, effects=("unit",), cov="iid"),
    Case(
        "fe1-cluster",
        "One-way FE, clustered by unit",
        "fixed",
        ALL,
        effects=("unit",),
        targets=FIXEST,
    ),
    Case(
        "fe2-cluster",
        "Two-way FE, clustered by unit",
        "fixed",
        ALL,
        effects=("unit", "time"),
        targets=FIXEST,
    ),
    Case(
        "fe2-shuffled",
        "Two-way FE, clustered by unit, rows in random order",
        "fixed",
        HDFE,
        data="shuffled",
        effects=("unit", "time"),
        targets=FIXEST,
    ),
    Case(
        "fe2-twoway",
        "Two-way FE, clustered by unit and time",
        "fixed",
        ALL,
        effects=("unit", "time"),
        clusters=("unit", "time"),
        largest=SMALL_PLM,
        targets=(Faster("pyfixest", 5),),
    ),
    Case(
        "fe2-dk",
        "Two-way FE, Driscoll-Kraay",
        "fixed",
        ALL,
        effects=("unit", "time"),
        cov="driscoll-kraay",
        largest=SMALL_PLM,
        targets=(Faster("pyfixest", 5),),
    ),
    Case(
        "fe3",
        "Unit, time and firm FE, clustered by unit",
        "fixed",
        HDFE,
        effects=("unit", "time", "firm"),
        targets=(Faster("fixest", 1),),
    ),
    Case(
        "worker-firm",
        "Worker and firm FE, clustered by worker",
        "fixed",
        HDFE,
        data="matched",
        effects=("worker", "firm"),
        clusters=("worker",),
    ),
    Case(
        "hausman", "Hausman: FE against RE", "hausman", CLASSICAL, cov="iid", targets=LINEARMODELS
    ),
    Case(
        "long",
        "500 units x 2,000 periods, two-way FE, clustered by unit",
        "fixed",
        HDFE,
        data="long",
        effects=("unit", "time"),
        only_rows=900_000,
        targets=FIXEST,
    ),
)

QUICK = ("re", "fe1-cluster", "fe2-cluster", "hausman")
"""Cases of ``run --quick``."""


def find(name: str) -> Case:
    """Return the case of that name."""
    cases = {case.name: case for case in (*CASES, *MIXED, *POLICIES)}
    if name not in cases:
        raise SystemExit(f"No case {name!r}. There are: {', '.join(cases)}.")
    return cases[name]
