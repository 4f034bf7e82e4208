"""One measurement: a case in a package, in a process of its own."""

from __future__ import annotations

import gc
import resource
import statistics
import sys
import time
import tomllib
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from importlib import import_module, metadata
from pathlib import Path
from typing import Any

from benchmarks.cases import Case
from benchmarks.fits.estimates import Estimates

__all__ = ["Cell", "Measurement", "measure", "peak_mb"]

REPEATS = 3
ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True, slots=True)
class Measurement:
    """What a process measured of itself.

    Attributes
    ----------
    version : str
    imports : float
        Seconds to import the package, pandas and numpy included.
    cold : float
        Seconds of the first call, from the data frame to standard errors.
    warm : tuple of float
        Seconds of the calls after it; fewer than three where they are slow.
    baseline_mb, peak_mb : float
        Resident memory before the first call, with imports and data; most at any time after.
    estimates : Estimates
    conventions : dict of str to Estimates
        panelml's, by the package whose conventions it followed.
    """

    version: str
    imports: float
    cold: float
    warm: tuple[float, ...]
    baseline_mb: float
    peak_mb: float
    estimates: Estimates
    conventions: dict[str, Estimates] = field(default_factory=dict)

    @property
    def seconds(self) -> float:
        """Median seconds of a warm call."""
        return statistics.median(self.warm)

    @classmethod
    def from_json(cls, record: dict[str, Any]) -> Measurement:
        """Read what ``dataclasses.asdict`` or run.R wrote."""
        found = record.get("conventions", {}).items()
        return cls(
            **record
            | {
                "warm": tuple(record["warm"]),
                "estimates": _estimates(record["estimates"]),
                "conventions": {name: _estimates(values) for name, values in found},
            }
        )


@dataclass(frozen=True, slots=True)
class Cell:
    """A case in a package at a size: measured, or why not."""

    case: str
    package: str
    rows: int
    measured: Measurement | None
    failure: str = ""


def measure(case: Case, package: str, folder: Path, budget: float) -> Measurement:
    """Time the calls and read this process's memory.

    Parameters
    ----------
    case : Case
    package : str
    folder : Path
        Of the data.
    budget : float
        Seconds after which no further warm call begins; the first always does.
    """
    started = time.perf_counter()
    module = import_module(f"benchmarks.fits.with_{package}")
    imports = time.perf_counter() - started
    read = import_module("benchmarks.data").read
    frame = read(folder)
    gc.collect()
    _forget_peak()
    baseline = peak_mb()
    cold, estimates = _timed(lambda: module.fit(case, frame))
    warm: list[float] = []
    while len(warm) < REPEATS and (not warm or cold + sum(warm) < budget):
        seconds, estimates = _timed(lambda: module.fit(case, frame))
        warm.append(seconds)
    peak = peak_mb()
    found = module.conventions(case, frame) if hasattr(module, "conventions") else {}
    return Measurement(
        _version(package), imports, cold, tuple(warm), baseline, peak, estimates, found
    )


def peak_mb() -> float:
    """Return the most resident memory of this process so far, in MB.

    On Linux ru_maxrss starts at that of the process which started this one; VmHWM does not.
    """
    status = Path("/proc/self/status")
    if status.exists():
        fields = dict(line.split(":", 1) for line in status.read_text().splitlines())
        return int(fields["VmHWM"].split()[0]) / 1024
    per_mb = 1024**2 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / per_mb


def _forget_peak() -> None:
    """Let the peak start from now, so that reading the data does not count, where Linux can."""
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def _timed(call: Callable[[], Estimates]) -> tuple[float, Estimates]:
    gc.collect()
    started = time.perf_counter()
    result = call()
    return time.perf_counter() - started, result


def _version(package: str) -> str:
    if package == "panelml":
        project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
        return str(project["project"]["version"])
    return metadata.version(package)


def _estimates(record: dict[str, Any]) -> Estimates:
    return Estimates(**{part: dict(values or {}) for part, values in record.items()})
