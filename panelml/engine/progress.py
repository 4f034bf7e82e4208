"""A line on standard error for work that takes more than a moment."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

__all__ = ["counted", "evaluations"]

# Seconds before the first line, and between two.
PATIENCE = 2.0
INTERVAL = 0.5


def counted(total: int, what: str) -> Iterator[int]:
    """Count from zero to ``total`` and report on standard error once it takes two seconds.

    The line is ended when the work is done, or interrupted.
    """
    line = _Line()
    try:
        for i in range(total):
            yield i
            left = line.passed / (i + 1) * (total - i - 1)
            line.show(f"{what}: {i + 1:,} of {total:,}, {left:,.0f} s left")
    finally:
        line.end()


@contextmanager
def evaluations(what: str) -> Iterator[Callable[[], None]]:
    """Give a function to call after each evaluation, which reports once it takes two seconds."""
    line, done = _Line(), 0

    def said() -> None:
        nonlocal done
        done += 1
        line.show(f"{what}: {done:,} evaluations in {line.passed:,.0f} s")

    try:
        yield said
    finally:
        line.end()


class _Line:
    def __init__(self) -> None:
        self._start = self._shown = time.monotonic()
        self._written = False

    @property
    def passed(self) -> float:
        return time.monotonic() - self._start

    def show(self, text: str) -> None:
        now = time.monotonic()
        if now - self._start > PATIENCE and now - self._shown > INTERVAL:
            self._shown, self._written = now, True
            sys.stderr.write(f"\r{text}   ")
            sys.stderr.flush()

    def end(self) -> None:
        if self._written:
            sys.stderr.write("\n")
