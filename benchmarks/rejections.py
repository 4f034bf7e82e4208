"""How often tests of within against between effects reject, where they should and where not."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

import panelml as pm
from benchmarks.shares import SharesPage, monte_carlo_error
from panelml.__main__ import ESTIMATORS
from panelml.diagnostics.report import make_report
from panelml.results.base import Results

__all__ = ["DESIGNS", "TESTS", "Rejections", "measure", "page", "run", "save"]

UNITS = 300
PERIODS = 6
LEVEL = 0.05
#: Correlation of the unit effects with the regressors where the tests should reject.
CORRELATED = 0.2
VERDICT = "verdict of the command line"

REJECTED = "The data reject that effects are the same within and between units"
NOT_REJECTED = "The data do not reject that effects are the same within and between units"


@dataclass(frozen=True, slots=True)
class Design:
    """A kind of panel in which random effects are right if unit effects go by chance.

    Attributes
    ----------
    formula : str
    unbalanced : float
        Share of rows that are missing.
    """

    formula: str
    unbalanced: float = 0.0


DESIGNS = {
    "balanced": Design("y ~ x1 + x2"),
    "unbalanced": Design("y ~ x1 + x2", 0.2),
    "tenure and year dummies": Design("y ~ x1 + x2 + tenure + C(time)"),
    "tenure and year dummies, unbalanced": Design("y ~ x1 + x2 + tenure + C(time)", 0.2),
    "time-invariant regressors": Design("y ~ x1 + x2 + educ + female", 0.2),
    "interactions": Design("y ~ x1 * x2 + x1:educ", 0.2),
}

Fits = dict[str, Results]


def _hausman(method: str, *, iid: bool = False) -> Callable[[pm.Panel, str, Fits], bool]:
    def rejects(panel: pm.Panel, formula: str, fits: Fits) -> bool:
        pair = [fits["Fixed effects"], fits["Random effects"]]
        if iid:
            pair = [fit.with_cov("iid") for fit in pair]
        return pm.hausman(*pair, method=method).pvalue < LEVEL  # type: ignore[arg-type]

    return rejects


def _within_between(model: str) -> Callable[[pm.Panel, str, Fits], bool]:
    def rejects(panel: pm.Panel, formula: str, fits: Fits) -> bool:
        return pm.within_between(fits[model]).test.pvalue < LEVEL

    return rejects


def _verdict(panel: pm.Panel, formula: str, fits: Fits) -> bool:
    words = " ".join(str(make_report("", panel, formula, fits, {})).split())
    if (REJECTED in words) == (NOT_REJECTED in words):
        raise RuntimeError("The report concludes nothing.")
    return REJECTED in words


TESTS: dict[str, Callable[[pm.Panel, str, Fits], bool]] = {
    "hausman, robust": _hausman("auto"),
    "hausman, iid": _hausman("auto", iid=True),
    "hausman, auxiliary": _hausman("auxiliary"),
    "within_between, Hybrid": _within_between("Hybrid (within-between)"),
    "within_between, Mundlak": _within_between("Mundlak"),
    VERDICT: _verdict,
}


@dataclass(frozen=True, slots=True)
class Rejections:
    """One row of the table.

    Attributes
    ----------
    design, test : str
    reps : int
    size : float
        Share of rejections where random effects are right.
    power : float
        Share where unit effects are correlated with the regressors.
    """

    design: str
    test: str
    reps: int
    size: float
    power: float


def simulate(design: Design, correlated: float, seed: int) -> pd.DataFrame:
    """Draw a panel; all effects are the same within and between units but for correlation."""
    frame = pm.simulate.panel(
        UNITS,
        PERIODS,
        2,
        unbalanced=design.unbalanced,
        correlated=correlated,
        components=pm.simulate.ErrorComponents(sigma_t=0.0),
        seed=seed,
    )
    rng = np.random.default_rng([seed, 1])
    unit = frame["unit"].to_numpy() - 1
    start, educ = rng.integers(0, 10, UNITS)[unit], rng.integers(8, 17, UNITS)[unit]
    frame = frame.assign(
        tenure=start + frame["time"], educ=educ, female=rng.integers(0, 2, UNITS)[unit]
    )
    y = frame["y"] + 0.1 * frame["educ"] - 0.3 * frame["female"]
    if "tenure" in design.formula:
        y += 0.1 * frame["tenure"] + 0.1 * frame["time"]
    if ":" in design.formula:
        y += 0.3 * frame["x1"] * frame["x2"] + 0.02 * frame["x1"] * (frame["educ"] - 12)
    return frame.assign(y=y)


def measure(
    name: str, reps: int, tests: Iterable[str] = tuple(TESTS), *, power: bool = True
) -> list[Rejections]:
    """Repeat the tests on simulated panels of one design."""
    chosen = list(tests)
    shares = [
        np.mean([_one(DESIGNS[name], correlated, seed, chosen) for seed in range(reps)], axis=0)
        for correlated in ((0.0, CORRELATED) if power else (0.0,))
    ]
    other = shares[1] if power else np.full(len(chosen), np.nan)
    return [
        Rejections(name, test, reps, float(size), float(found))
        for test, size, found in zip(chosen, shares[0], other, strict=True)
    ]


def _one(design: Design, correlated: float, seed: int, tests: list[str]) -> list[bool]:
    panel = pm.Panel(simulate(design, correlated, seed), unit="unit", time="time")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        needed = (
            ESTIMATORS
            if VERDICT in tests
            else {
                name: ESTIMATORS[name]
                for name in (
                    "Fixed effects",
                    "Random effects",
                    "Hybrid (within-between)",
                    "Mundlak",
                )
            }
        )
        fits = {model: spec(design.formula).fit(panel) for model, spec in needed.items()}
        return [TESTS[test](panel, design.formula, fits) for test in tests]


def run(reps: int = 200) -> list[Rejections]:
    """Measure every design."""
    rows: list[Rejections] = []
    for name in DESIGNS:
        rows += measure(name, reps)
        for row in rows[-len(TESTS) :]:
            print(row, file=sys.stderr, flush=True)
    return rows


def page(rows: list[Rejections]) -> SharesPage:
    """Lay out the table."""
    error = monte_carlo_error(LEVEL, rows[0].reps)
    return SharesPage(
        "Rejections at 5 %",
        f"{rows[0].reps} panels of {UNITS} units by {PERIODS} periods; 20 % of the rows are "
        "missing where panels are unbalanced. *size*: unit effects are independent of the "
        "regressors, so that random effects are right and every rejection is false; 0.05 has a "
        f"Monte Carlo error of {error:.3f}. *power*: they have a correlation of {CORRELATED} "
        "with the unit means of x1 and x2. Tenure grows by one each period, beside period "
        "dummies. *iid*: the default of iid fits, classical where estimates of the error "
        "variance do not decide.",
        ("panels", "test", "size", "power"),
        [(row.design, row.test, row.size, row.power) for row in rows],
    )


def save(rows: list[Rejections]) -> Path:
    """Write results/rejections.md and .json; return the former's path."""
    return page(rows).save("rejections", rows)
