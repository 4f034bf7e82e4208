"""A line on standard error for work that takes more than a moment."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator

__all__ = ["counted"]

# Seconds before the first line, and between two.
PATIENCE = 2.0
INTERVAL = 0.5


def counted(total: int, what: str) -> Iterator[int]:
    """Count from zero to ``total`` and report on standard error once it takes two seconds.

    The line is ended when the work is done, or interrupted.
    """
    start = shown = time.monotonic()
    written = False
    try:
        for i in range(total):
            yield i
            now = time.monotonic()
            if now - start > PATIENCE and now - shown > INTERVAL:
                shown, written = now, True
                left = (now - start) / (i + 1) * (total - i - 1)
                sys.stderr.write(f"\r{what}: {i + 1:,} of {total:,}, {left:,.0f} s left   ")
                sys.stderr.flush()
    finally:
        if written:
            sys.stderr.write("\n")
