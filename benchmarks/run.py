"""Run the cells one after another, each in a fresh process, within limits of time and memory."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path

from benchmarks.cases import Case
from benchmarks.cell import ROOT, Cell, Measurement
from benchmarks.data import write
from benchmarks.simulated import draw

__all__ = ["Limits", "installed", "run_cell", "run_cells"]

R_SCRIPT = Path(__file__).parent / "fits" / "run.R"
R_PACKAGES = ("fixest", "plm", "lme4", "nlme")
BUDGET = 60.0
"""Seconds after which a cell is not repeated."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Beyond which a cell is stopped: seconds in all, and resident memory in MB."""

    seconds: float
    memory_mb: float

    @classmethod
    def of_machine(cls, seconds: float) -> Limits:
        """Take half of the memory that is free, and leave the rest to others."""
        return cls(seconds, 0.5 * memory_mb("MemAvailable"))


def memory_mb(field: str) -> float:
    """Return a field of Linux's /proc/meminfo in MB; infinite elsewhere."""
    path = Path("/proc/meminfo")
    lines = path.read_text().splitlines() if path.exists() else []
    found = [line for line in lines if line.startswith(f"{field}:")]
    return int(found[0].split()[1]) / 1024 if found else float("inf")


def installed(package: str) -> bool:
    """Whether a package can be run here."""
    if package not in R_PACKAGES:
        return find_spec(package) is not None
    if shutil.which("Rscript") is None:
        return False
    check = f"loadNamespace('{package}'); loadNamespace('jsonlite')"
    return subprocess.run(["Rscript", "-e", check], capture_output=True).returncode == 0


def run_cells(
    cases: Iterable[Case],
    rows: int,
    packages: Iterable[str],
    limits: Limits,
    report: Callable[[Cell], None] = lambda cell: None,
) -> Iterator[Cell]:
    """Measure the cases that have this size; each data set is written once.

    Yields
    ------
    Cell
        ``report`` sees each as soon as it is measured.
    """
    asked = tuple(packages)
    with tempfile.TemporaryDirectory() as folder:
        for case in cases:
            if case.only_rows not in (None, rows):
                continue
            data = Path(folder) / case.data
            if not data.exists():
                write(draw(case.data, rows), data)
            for package in asked:
                if case.takes(package, rows):
                    cell = run_cell(case, package, rows, data, limits)
                    report(cell)
                    yield cell


def run_cell(case: Case, package: str, rows: int, data: Path, limits: Limits) -> Cell:
    """Measure one case in one package, in a new process."""
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        process = subprocess.Popen(_command(case, package, data), cwd=ROOT, stdout=out, stderr=err)
        stopped = _watch(process, limits)
        out.seek(0)
        err.seek(0)
        printed, complaints = out.read(), err.read()
    if stopped:
        return Cell(case.name, package, rows, None, stopped)
    if process.returncode != 0:
        return Cell(case.name, package, rows, None, _cause(process.returncode, complaints))
    record = json.loads(printed.strip().splitlines()[-1])
    return Cell(case.name, package, rows, Measurement.from_json(record))


def _command(case: Case, package: str, data: Path) -> list[str]:
    if package in R_PACKAGES:
        return ["Rscript", str(R_SCRIPT), package, json.dumps(asdict(case)), str(data), f"{BUDGET}"]
    return [sys.executable, "-m", "benchmarks", "cell", package, case.name, str(data), f"{BUDGET}"]


def _watch(process: subprocess.Popen[bytes], limits: Limits) -> str:
    """Wait for the end; stop the process at a limit and return which."""
    started = time.monotonic()
    stopped = ""
    while process.poll() is None and not stopped:
        if time.monotonic() - started > limits.seconds:
            stopped = f"stopped: out of time ({limits.seconds:g} s)"
        elif _resident_mb(process.pid) > limits.memory_mb:
            stopped = f"stopped: out of memory ({limits.memory_mb:,.0f} MB)"
        time.sleep(0.05)
    if stopped:
        process.kill()
        process.wait()
    return stopped


def _resident_mb(pid: int) -> float:
    try:
        fields = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0.0
    lines = [line for line in fields if line.startswith("VmRSS")]
    return int(lines[0].split()[1]) / 1024 if lines else 0.0


def _cause(code: int, complaints: str) -> str:
    """Say in words why a process failed."""
    if code == -9 or "MemoryError" in complaints or "cannot allocate" in complaints:
        return "failed: out of memory"
    lines = [line for line in complaints.splitlines() if line.strip()]
    return f"failed: {lines[-1] if lines else f'exit status {code}'}"
