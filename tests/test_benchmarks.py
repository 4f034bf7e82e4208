"""The benchmark harness: it measures, it finds disagreement, and it hides no failure."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from benchmarks.cases import CASES, QUICK, Faster, find
from benchmarks.cell import Cell, Measurement
from benchmarks.compare import agreements, verdicts
from benchmarks.data import read, write
from benchmarks.fits.estimates import Estimates
from benchmarks.report import Run, markdown
from benchmarks.run import Limits, _cause, run_cell, run_cells
from benchmarks.simulated import draw

ROWS = 300
CASE = find("fe1-cluster")
OPEN = Limits(seconds=300, memory_mb=float("inf"))
ESTIMATES = Estimates({"x1": 1.0, "x2": -0.5}, {"x1": 0.1, "x2": 0.2})


def cell(package: str, warm: float = 1.0, peak: float = 100.0, case: str = CASE.name) -> Cell:
    packages = ("pyfixest", "linearmodels", "fixest", "plm")
    own = dict.fromkeys(packages, ESTIMATES) if package == "panelml" else {}
    found = Measurement("1.0", 1.0, 0.5, (9 * warm, warm, warm), 50.0, peak, ESTIMATES, own)
    return Cell(case, package, 900_000, found)


def with_estimates(other: Cell, **changes: dict[str, float]) -> Cell:
    assert other.measured is not None
    estimates = replace(other.measured.estimates, **changes)
    return replace(other, measured=replace(other.measured, estimates=estimates))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write(draw("panel", ROWS), tmp_path / "panel")
    return tmp_path / "panel"


@pytest.mark.slow
def test_packages_are_measured_and_agree() -> None:
    case = find("fd")
    measured = list(run_cells([case], ROWS, ["panelml", "linearmodels"], OPEN))
    assert [c.failure for c in measured] == ["", ""]
    for each in measured:
        assert each.measured is not None
        assert each.measured.seconds > 0
        assert 0 < each.measured.baseline_mb <= each.measured.peak_mb
        assert len(each.measured.warm) == 3
        assert set(each.measured.estimates.params) == {"x1", "x2", "x3"}
    (agreement,) = agreements(measured)
    assert agreement.agrees
    errors = {
        name: value * (1 + 1e-7)
        for name, value in measured[1].measured.estimates.std_errors.items()
    }
    (agreement,) = agreements([measured[0], with_estimates(measured[1], std_errors=errors)])
    assert not agreement.agrees
    assert agreement.std_errors == pytest.approx(1e-7, rel=1e-3)


@pytest.mark.parametrize(
    "planted",
    [
        {"params": {"x1": 1.0, "x2": -0.5000001}},
        {"std_errors": {"x1": 0.1, "x2": 0.2000001}},
        {"std_errors": {"x1": 0.1, "x2": float("nan")}},
        {"params": {"x1": 1.0}},
    ],
)
def test_a_planted_disagreement_is_found(planted: dict[str, dict[str, float]]) -> None:
    same, other = cell("linearmodels"), with_estimates(cell("linearmodels"), **planted)
    (agreement,) = agreements([cell("panelml"), same])
    assert agreement.agrees
    (agreement,) = agreements([cell("panelml"), other])
    assert not agreement.agrees
    assert "**no**" in markdown(Run(900_000, {}, (), (cell("panelml"), other)))


def test_packages_that_iterate_are_held_to_less() -> None:
    near = {"params": {"x1": 1.0 + 1e-7, "x2": -0.5}}
    for case, agrees in (("fe1-cluster", False), ("fe2-cluster", True)):
        other = with_estimates(cell("pyfixest", case=case), **near)
        (agreement,) = agreements([cell("panelml", case=case), other])
        assert agreement.agrees is agrees


@pytest.mark.parametrize(("seconds", "passed"), [(5.1, True), (4.9, False)])
def test_speed_is_held_to_its_target(seconds: float, passed: bool) -> None:
    assert Faster("pyfixest", 5) in CASE.targets
    found = verdicts([cell("panelml"), cell("pyfixest", warm=seconds)])
    assert [v.passed for v in found if "as fast as pyfixest" in v.target] == [passed]
    assert [v.found for v in found if "as fast as pyfixest" in v.target] == [f"{seconds}x"]


@pytest.mark.parametrize(("peak", "passed"), [(170.0, True), (160.0, False)])
def test_memory_is_held_to_its_target(peak: float, passed: bool) -> None:
    found = verdicts([cell("panelml"), cell("pyfixest", peak=peak)])
    assert [v.passed for v in found if "memory" in v.target] == [passed]


@pytest.mark.parametrize(("cold", "passed"), [(0.69, True), (0.71, False)])
def test_the_first_call_is_held_to_its_target(cold: float, passed: bool) -> None:
    own = cell("panelml")
    assert own.measured is not None
    found = verdicts([replace(own, measured=replace(own.measured, cold=cold))])
    assert [v.passed for v in found if "first call" in v.target] == [passed]


def test_what_is_missing_or_failed_is_said() -> None:
    failed = Cell(CASE.name, "pyfixest", 900_000, None, "stopped: out of time (900 s)")
    found = verdicts([cell("panelml"), failed], missing=["fixest"])
    said = {v.target: (v.found, v.passed) for v in found}
    assert said["at least 5x as fast as pyfixest"] == (f"pyfixest {failed.failure}", None)
    absent = ("fixest is not installed on this machine", None)
    assert said["at least 2x as fast as fixest"] == absent
    text = markdown(Run(900_000, {}, ("fixest",), (cell("panelml"), failed)))
    assert text.count("out of time") == 3
    assert "fixest is not installed on this machine." in text


def test_a_failed_fit_of_our_own_misses() -> None:
    failed = Cell(CASE.name, "panelml", 900_000, None, "failed: out of memory")
    found = verdicts([failed, cell("pyfixest")])
    assert [v.passed for v in found if "first call" in v.target] == [False]


def test_a_cell_is_stopped_at_its_limits(folder: Path) -> None:
    stopped = run_cell(CASE, "panelml", ROWS, folder, replace(OPEN, seconds=0))
    assert stopped.failure == "stopped: out of time (0 s)"
    if Path("/proc/self/status").exists():
        stopped = run_cell(CASE, "panelml", ROWS, folder, replace(OPEN, memory_mb=1))
        assert stopped.failure == "stopped: out of memory (1 MB)"


@pytest.mark.parametrize(
    ("code", "complaints", "cause"),
    [
        (-9, "", "failed: out of memory"),
        (1, "numpy.exceptions.MemoryError: Unable", "failed: out of memory"),
        (1, "Error: cannot allocate vector of size 60 Gb", "failed: out of memory"),
        (1, "Traceback\nValueError: no\n\n", "failed: ValueError: no"),
        (3, "", "failed: exit status 3"),
    ],
)
def test_the_cause_of_a_failure_is_in_words(code: int, complaints: str, cause: str) -> None:
    assert _cause(code, complaints) == cause


@pytest.mark.parametrize("name", ["panel", "shuffled", "matched"])
def test_data_come_back_as_they_were_drawn(name: str, tmp_path: Path) -> None:
    frame = draw(name, ROWS)
    assert abs(len(frame) - ROWS) < 30
    write(frame, tmp_path / name)
    again = read(tmp_path / name)
    expected = frame.reset_index(drop=True)[list(again.columns)]
    pd.testing.assert_frame_equal(again, expected.rename_axis(columns=None))
    assert again.columns.size == frame.columns.size


def test_cases_are_told_apart() -> None:
    names = [case.name for case in CASES]
    assert len(set(names)) == len(names)
    assert set(QUICK) <= set(names)
    with pytest.raises(SystemExit, match="There are: pooled"):
        find("fe9")
