"""Where one warm call spends its time."""

from __future__ import annotations

import cProfile
import os
import pstats
from importlib import import_module

from benchmarks.cases import Case
from benchmarks.simulated import draw

__all__ = ["profile"]


def profile(case: Case, package: str, rows: int, lines: int) -> None:
    """Print the functions of a second call, by the time in their own code."""
    # cProfile sees the main thread only.
    os.environ["PANELML_THREADS"] = "1"
    fit = import_module(f"benchmarks.fits.with_{package}").fit
    frame = draw(case.data, case.only_rows or rows)
    fit(case, frame)
    profiler = cProfile.Profile()
    profiler.runcall(fit, case, frame)
    pstats.Stats(profiler).strip_dirs().sort_stats("tottime").print_stats(lines)
