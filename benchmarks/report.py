"""Tables in Markdown, and the same as JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from benchmarks.cases import find
from benchmarks.cell import Cell
from benchmarks.compare import (
    Agreement,
    agreements,
    by_case,
    memory_ratio,
    speed_ratio,
    verdicts,
)

__all__ = ["Run", "markdown", "save"]

RESULTS = Path(__file__).parent / "results"
TITLES = {"mixed": "# Mixed models", "policies": "# Effects of policies"}
VERDICTS = {True: "pass", False: "**miss**", None: "not measured"}


@dataclass(frozen=True, slots=True)
class Run:
    """All cells of one size, or of one topic, from one run."""

    rows: int | None
    machine: Mapping[str, str]
    missing: tuple[str, ...]
    cells: tuple[Cell, ...]
    topic: Literal["mixed", "policies"] = "mixed"


def markdown(run: Run) -> str:
    """Render the targets, the measurements, and where packages disagree."""
    found = agreements(run.cells)
    parts = [
        TITLES[run.topic] if run.rows is None else f"# About {run.rows:,} rows",
        _machine(run),
        f"## Targets\n\n{_targets(run)}",
        f"## Measurements\n\n{_measurements(run, found)}",
        f"## Agreement\n\n{_agreement(found)}",
    ]
    return "\n\n".join(parts) + "\n"


def save(run: Run) -> Path:
    """Write results/ROWS.md (or mixed.md, policies.md) and .json; return the former's path."""
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{run.rows or run.topic}.md"
    record = {
        **asdict(run),
        "verdicts": [asdict(verdict) for verdict in verdicts(run.cells, run.missing)],
        "agreement": [asdict(a) | {"agrees": a.agrees} for a in agreements(run.cells)],
    }
    path.with_suffix(".json").write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    path.write_text(markdown(run), encoding="utf-8")
    return path


def _machine(run: Run) -> str:
    versions = {cell.package: cell.measured.version for cell in run.cells if cell.measured}
    facts = ", ".join(f"{name} {value}" for name, value in {**run.machine, **versions}.items())
    absent = [f"{name} is not installed on this machine." for name in run.missing]
    return " ".join([f"{facts}.", *absent])


def _targets(run: Run) -> str:
    rows = [
        (find(v.case).title, v.target, v.found, VERDICTS[v.passed])
        for v in verdicts(run.cells, run.missing)
    ]
    return _table(("case", "target", "found", "verdict"), rows)


def _measurements(run: Run, found: Sequence[Agreement]) -> str:
    """One line for each cell; ratios are against panelml's cell of the same case."""
    table = by_case(run.cells)
    checks = {(a.case, a.package): a for a in found}
    rows = []
    for cell in run.cells:
        title = find(cell.case).title
        measured = cell.measured
        if measured is None:
            rows.append((title, cell.package, *[""] * 7, cell.failure))
            continue
        own = cell.package == "panelml"
        rows.append(
            (
                title,
                cell.package,
                f"{measured.imports:.2f}",
                f"{measured.cold:.3f}",
                f"{measured.seconds:.3f}",
                _ratio(speed_ratio(table, cell.case, cell.package), own),
                f"{measured.baseline_mb:.0f}",
                f"{measured.peak_mb:.0f}",
                _share(memory_ratio(table, cell.case, cell.package), own),
                _words(checks.get((cell.case, cell.package))),
            )
        )
    head = (
        "case",
        "package",
        "import, s",
        "first call, s",
        "warm, s",
        "times panelml's",
        "before, MB",
        "peak, MB",
        "panelml's share",
        "agrees",
    )
    return _table(head, rows)


def _agreement(found: Sequence[Agreement]) -> str:
    apart = [a for a in found if not a.agrees]
    if not apart:
        return f"All {len(found)} comparisons agree within their tolerance."
    rows = [
        (
            find(a.case).title,
            a.package,
            f"{a.params:.1e}",
            f"{a.std_errors:.1e}",
            f"{a.tolerance:.0e}",
        )
        for a in apart
    ]
    head = ("case", "package", "coefficients", "standard errors", "tolerance")
    words = f"{len(found) - len(apart)} of {len(found)} comparisons agree. The others, as relative"
    return f"{words} differences from panelml under that package's conventions:\n\n" + _table(
        head, rows
    )


def _ratio(value: float | None, own: bool) -> str:
    return "" if own or value is None else f"{value:.1f}"


def _share(value: float | None, own: bool) -> str:
    return "" if own or value is None else f"{value:.0%}"


def _words(agreement: Agreement | None) -> str:
    if agreement is None:
        return ""
    return f"{'yes' if agreement.agrees else '**no**'}, {agreement.largest:.0e}"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    widths = [max(len(row[j]) for row in (head, *rows)) for j in range(len(head))]
    lines = [head, ["-" * width for width in widths], *rows]
    padded = [[c.ljust(width) for c, width in zip(line, widths, strict=True)] for line in lines]
    return "\n".join(f"| {' | '.join(line)} |" for line in padded)
