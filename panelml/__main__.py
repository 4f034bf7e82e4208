"""The command line: ``python -m panelml compare [DATA] [FORMULA] --unit ID --time YEAR``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import panelml as pm
from panelml.data.formula.formula import parse_formula
from panelml.data.panel.files import read_file
from panelml.diagnostics.report import make_report
from panelml.errors import PanelmlError, SpecificationError
from panelml.results.base import Results
from panelml.results.show.page import Page

__all__ = ["main"]

ESTIMATORS: dict[str, Any] = {
    "Pooled OLS": pm.PooledOLS,
    "Between": pm.Between,
    "First differences": pm.FirstDifference,
    "Fixed effects": pm.FixedEffects,
    "Random effects": pm.RandomEffects,
    "Mundlak": pm.Mundlak,
    "Hybrid (within-between)": pm.Hybrid,
}
EXAMPLE = "wage_panel"
EXAMPLE_FORMULA = "lwage ~ union + married + exper + expersq + educ + black + hisp"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code: 0, 1 if it failed, 2 if it was not understood."""
    parser = _parser()
    options = parser.parse_intermixed_args(arguments)
    try:
        page = _compare(options)
        if options.html:
            _write(options.html, page)
    except PanelmlError as error:
        print(f"{parser.prog}: {error}", file=sys.stderr)
        return 1
    print(page)
    if options.html:
        print(f"\nWritten to {options.html}.")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m panelml",
        description=(
            "Describe a panel, fit one model by pooled, between, first-difference, fixed-effects, "
            "random-effects, Mundlak and hybrid regression, and test which of them agree. Without "
            f"DATA, on the wages of young men ({EXAMPLE_FORMULA})."
        ),
        epilog=(
            "Example: python -m panelml compare firms.csv --unit firm --time year "
            "'invest ~ value + capital' --html report.html"
        ),
    )
    parser.add_argument("command", choices=["compare"])
    parser.add_argument(
        "data",
        nargs="?",
        metavar="DATA",
        help="a .csv, .tsv, .parquet or .dta file, or the name of a data set of pm.datasets",
    )
    parser.add_argument("formula", nargs="?", metavar="FORMULA", help="such as 'y ~ x1 + x2'")
    parser.add_argument("--unit", metavar="COLUMN", help="who is observed")
    parser.add_argument("--time", metavar="COLUMN", help="when")
    parser.add_argument(
        "--delta",
        type=float,
        metavar="STEP",
        help="length of a period where times are numbers (default: 1 for whole numbers)",
    )
    parser.add_argument(
        "--cov",
        default="cluster",
        help="iid, HC1, cluster (by unit, the default), cluster:COLUMN, DK or NW",
    )
    parser.add_argument(
        "--weights", metavar="COLUMN", help="analytic weights; frequency:COLUMN for counts"
    )
    parser.add_argument("--html", type=Path, metavar="FILE", help="write the report there too")
    return parser


def _compare(options: argparse.Namespace) -> Page:
    title, panel, formula = _model(options)
    if parse_formula(formula).effects is not None:
        raise SpecificationError(
            "compare fits models with and without the effects of units: leave out '|' and what "
            f"follows it. Write C({panel.time}) for effects of the periods."
        )
    fits: dict[str, Results] = {}
    left_out: dict[str, str] = {}
    for name, estimator in ESTIMATORS.items():
        try:
            spec = estimator(formula, cov=options.cov, weights=options.weights)
            fits[name] = spec.fit(panel)
        except PanelmlError as error:
            left_out[name] = str(error)
    if not fits:
        raise SpecificationError(next(iter(left_out.values())))
    return make_report(title, panel, formula, fits, left_out)


def _model(options: argparse.Namespace) -> tuple[str, pm.Panel, str]:
    """Return title, panel and formula; the keys of a known data set need not be named."""
    data, formula = options.data, options.formula
    if data is not None and "~" in data and formula is None:
        data, formula = None, data
    if data is None:
        data, formula = EXAMPLE, formula or EXAMPLE_FORMULA
    if formula is None:
        raise SpecificationError(f"Which model? Add a formula, such as 'y ~ x1 + x2', to {data}.")
    unit, time, title = options.unit, options.time, data
    if data in pm.datasets.names():
        about = pm.datasets.describe(data)
        unit, time, title = unit or about.unit, time or about.time, about.title
        frame = pm.datasets.load(data)
    else:
        frame = read_file(data)
    if unit is None or time is None:
        raise SpecificationError(
            f"Name the columns that index {data}: --unit COLUMN --time COLUMN."
        )
    return title, pm.Panel(frame, unit=unit, time=time, delta=options.delta), formula


def _write(path: Path, page: Page) -> None:
    try:
        path.write_text(page.to_html(), encoding="utf-8")
    except OSError as error:
        raise SpecificationError(f"Cannot write {str(path)!r}: {error.strerror}.") from error


if __name__ == "__main__":
    sys.exit(main())
