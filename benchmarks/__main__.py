"""The command line: ``python -m benchmarks run | profile``."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path

from benchmarks.cases import ALL, CASES, QUICK, SIZES, find
from benchmarks.cell import Cell, measure
from benchmarks.mixed_cases import MIXED, PEERS
from benchmarks.policy_cases import POLICIES, POLICY_PEERS

TOPICS = {"mixed": (MIXED, PEERS), "policies": (POLICIES, POLICY_PEERS)}


def main(arguments: list[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    return int(options.command(options))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    commands = parser.add_subparsers(required=True)
    run = commands.add_parser("run", help="measure, and write the tables to benchmarks/results")
    run.add_argument("--quick", action="store_true", help="a few cases at 9e4 rows; prints only")
    run.add_argument("--size", type=_rows, action="append", help="rows, as 9e5; all by default")
    run.add_argument("--case", action="append", help="a case by name; prints only")
    run.add_argument("--package", action="append", choices=ALL, help="panelml and these only")
    run.add_argument("--limit", type=float, default=900.0, help="seconds for one cell")
    run.set_defaults(command=_run)
    for topic, (_, peers) in TOPICS.items():
        own = commands.add_parser(topic, help=f"measure {topic}; writes results/{topic}.md")
        own.add_argument("--case", action="append", help="a case by name; prints only")
        own.add_argument("--package", action="append", choices=peers, help="panelml and these only")
        own.add_argument("--limit", type=float, default=900.0, help="seconds for one cell")
        own.set_defaults(command=_topic, topic=topic)
    coverage = commands.add_parser("coverage", help="how often intervals cover known effects")
    coverage.add_argument("--reps", type=int, default=400)
    coverage.set_defaults(command=_coverage)
    rejections = commands.add_parser("rejections", help="size and power of tests across fits")
    rejections.add_argument("--reps", type=int, default=200)
    rejections.set_defaults(command=_rejections)
    profile = commands.add_parser("profile", help="where one call spends its time, in one thread")
    profile.add_argument("case")
    profile.add_argument("--size", type=_rows, default=SIZES[1])
    profile.add_argument("--package", default="panelml")
    profile.add_argument("--lines", type=int, default=25)
    profile.set_defaults(command=_profile)
    cell = commands.add_parser("cell", help="measure one cell in this process, as `run` does")
    cell.add_argument("package")
    cell.add_argument("case")
    cell.add_argument("data", type=Path)
    cell.add_argument("budget", type=float)
    cell.set_defaults(command=_cell)
    return parser


def _rows(text: str) -> int:
    return int(float(text))


def _run(options: argparse.Namespace) -> int:
    from benchmarks import machine, report
    from benchmarks.run import Limits, run_cells

    names = options.case or (QUICK if options.quick else [case.name for case in CASES])
    packages, missing = _packages(options.package or ALL)
    sizes = options.size or (SIZES[:1] if options.quick else SIZES)
    for rows in sizes:
        facts = machine.describe()
        cells = run_cells(
            [find(name) for name in names],
            rows,
            packages,
            Limits.of_machine(options.limit),
            _progress,
        )
        run = report.Run(rows, facts, missing, tuple(cells))
        print(f"\n{report.markdown(run)}")
        if not (options.quick or options.case or options.package):
            print(f"Written to {report.save(run)}")
    return 0


def _topic(options: argparse.Namespace) -> int:
    from benchmarks import machine, report
    from benchmarks.run import Limits, run_cells

    cases, peers = TOPICS[options.topic]
    packages, missing = _packages(options.package or peers)
    facts, limits = machine.describe(), Limits.of_machine(options.limit)
    names = options.case or [case.name for case in cases]
    cells = [
        cell
        for case in map(find, names)
        for cell in run_cells([case], case.only_rows or 0, packages, limits, _progress)
    ]
    run = report.Run(None, facts, missing, tuple(cells), options.topic)
    print(f"\n{report.markdown(run)}")
    if not (options.case or options.package):
        print(f"Written to {report.save(run)}")
    return 0


def _coverage(options: argparse.Namespace) -> int:
    from benchmarks import coverage

    rows = coverage.run(options.reps)
    print(coverage.page(rows).markdown())
    print(f"Written to {coverage.save(rows)}")
    return 0


def _rejections(options: argparse.Namespace) -> int:
    from benchmarks import rejections

    rows = rejections.run(options.reps)
    print(rejections.page(rows).markdown())
    print(f"Written to {rejections.save(rows)}")
    return 0


def _packages(names: Iterable[str]) -> tuple[list[str], tuple[str, ...]]:
    """Split packages into those that can be run here, panelml first, and those that cannot."""
    from benchmarks.run import installed

    asked = ["panelml", *(name for name in names if name != "panelml")]
    found = [name for name in asked if installed(name)]
    return found, tuple(name for name in asked if name not in found)


def _progress(cell: Cell) -> None:
    words = cell.failure
    if cell.measured is not None:
        words = f"{cell.measured.seconds:.3f} s, {cell.measured.peak_mb:.0f} MB"
    line = f"{cell.rows:>9,} {cell.case:<14} {cell.package:<13} {words}"
    print(line, file=sys.stderr, flush=True)


def _profile(options: argparse.Namespace) -> int:
    from benchmarks.profiling import profile

    profile(find(options.case), options.package, options.size, options.lines)
    return 0


def _cell(options: argparse.Namespace) -> int:
    found = measure(find(options.case), options.package, options.data, options.budget)
    print(json.dumps(asdict(found)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
