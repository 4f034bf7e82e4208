"""Whether the packages agree, and whether panelml reaches its targets."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from benchmarks.cases import FIRST_CALL_ROWS, FIRST_CALL_SECONDS, MEMORY_SHARE, find
from benchmarks.cell import Cell, Measurement

__all__ = ["Agreement", "Verdict", "agreements", "memory_ratio", "speed_ratio", "verdicts"]

EXACT = 1e-8
ITERATED = 1e-6


@dataclass(frozen=True, slots=True)
class Agreement:
    """How far a package is from panelml under that package's conventions.

    Attributes
    ----------
    case, package : str
    params, std_errors : float
        Largest relative difference; infinite where names differ or a value is not finite.
    tolerance : float
    """

    case: str
    package: str
    params: float
    std_errors: float
    tolerance: float

    @property
    def agrees(self) -> bool:
        """Whether no difference is beyond the tolerance."""
        return self.largest <= self.tolerance

    @property
    def largest(self) -> float:
        """The larger of both differences."""
        return max(self.params, self.std_errors)


@dataclass(frozen=True, slots=True)
class Verdict:
    """A target and what was found: passed is None where it could not be measured."""

    case: str
    target: str
    found: str
    passed: bool | None


Table = Mapping[tuple[str, str], Cell]


def by_case(cells: Iterable[Cell]) -> Table:
    """Index cells of one size by case and package."""
    return {(cell.case, cell.package): cell for cell in cells}


def agreements(cells: Iterable[Cell]) -> list[Agreement]:
    """Compare each package's estimates with panelml's under its conventions."""
    table = by_case(cells)
    found = []
    for (case, package), cell in table.items():
        own = _measured(table, case, "panelml")
        if own is None or cell.measured is None or package == "panelml":
            continue
        theirs = cell.measured.estimates
        ours = own.conventions[package]
        found.append(
            Agreement(
                case,
                package,
                _distance(ours.params, theirs.params),
                _distance(ours.std_errors, theirs.std_errors),
                ITERATED if find(case).iterates else EXACT,
            )
        )
    return found


def speed_ratio(table: Table, case: str, rival: str) -> float | None:
    """Return the rival's warm seconds over panelml's."""
    own, other = _measured(table, case, "panelml"), _measured(table, case, rival)
    return other.seconds / own.seconds if own and other else None


def memory_ratio(table: Table, case: str, rival: str) -> float | None:
    """Return panelml's peak memory over the rival's."""
    own, other = _measured(table, case, "panelml"), _measured(table, case, rival)
    return own.peak_mb / other.peak_mb if own and other else None


def verdicts(cells: Iterable[Cell], missing: Iterable[str] = ()) -> list[Verdict]:
    """Hold panelml to its targets; ``missing`` packages are not installed."""
    table = by_case(cells)
    absent = set(missing)
    return [
        verdict
        for (case, package), cell in table.items()
        if package == "panelml"
        for verdict in (
            *_speed(table, case, cell.rows, absent),
            *_first_call(cell),
            *_memory(table, case, cell.rows, absent),
            *_most_memory(cell),
        )
    ]


def _speed(table: Table, case: str, rows: int, absent: set[str]) -> list[Verdict]:
    found = []
    for target in find(case).targets:
        if not find(case).takes(target.rival, rows):
            continue
        words = f"at least {target.factor:g}x as fast as {target.rival}"
        ratio = speed_ratio(table, case, target.rival)
        if ratio is None:
            found.append(Verdict(case, words, _why(table, case, target.rival, absent), None))
        else:
            found.append(Verdict(case, words, f"{ratio:.1f}x", ratio >= target.factor))
    return found


def _first_call(cell: Cell) -> list[Verdict]:
    if cell.rows > FIRST_CALL_ROWS or find(cell.case).only_rows is not None:
        return []
    words = f"first call below {FIRST_CALL_SECONDS:g} s"
    if cell.measured is None:
        return [Verdict(cell.case, words, cell.failure, False)]
    cold = cell.measured.cold
    return [Verdict(cell.case, words, f"{cold:.2f} s", cold < FIRST_CALL_SECONDS)]


def _memory(table: Table, case: str, rows: int, absent: set[str]) -> list[Verdict]:
    if not find(case).takes("pyfixest", rows):
        return []
    words = f"peak memory at most {MEMORY_SHARE:.0%} of pyfixest's"
    share = memory_ratio(table, case, "pyfixest")
    if share is None:
        return [Verdict(case, words, _why(table, case, "pyfixest", absent), None)]
    return [Verdict(case, words, f"{share:.0%}", share <= MEMORY_SHARE)]


def _most_memory(cell: Cell) -> list[Verdict]:
    most = find(cell.case).most_mb
    if most is None:
        return []
    words = f"peak memory at most {most:.0f} MB"
    if cell.measured is None:
        return [Verdict(cell.case, words, cell.failure, False)]
    peak = cell.measured.peak_mb
    return [Verdict(cell.case, words, f"{peak:.0f} MB", peak <= most)]


def _why(table: Table, case: str, rival: str, absent: set[str]) -> str:
    if rival in absent:
        return f"{rival} is not installed on this machine"
    failures = [
        f"{package} {cell.failure}"
        for package in ("panelml", rival)
        if (cell := table.get((case, package))) is not None and cell.failure
    ]
    return "; ".join(failures) or f"{rival} was not run"


def _measured(table: Table, case: str, package: str) -> Measurement | None:
    cell = table.get((case, package))
    return None if cell is None else cell.measured


def _distance(ours: Mapping[str, float], theirs: Mapping[str, float]) -> float:
    if set(ours) != set(theirs):
        return math.inf
    gaps = [abs(ours[name] - theirs[name]) / abs(theirs[name]) for name in ours]
    return max(gaps, default=0.0) if all(map(math.isfinite, gaps)) else math.inf
