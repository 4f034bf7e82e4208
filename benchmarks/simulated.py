"""The data sets of the cases."""

from __future__ import annotations

import numpy as np
import pandas as pd

from benchmarks.mixed_data import MIXED_DATA
from benchmarks.policy_data import POLICY_DATA
from panelml import simulate

__all__ = ["draw"]

PERIODS = 10
LONG_PERIODS = 2_000
FIRMS = 500
MISSING = 0.1


def draw(name: str, rows: int) -> pd.DataFrame:
    """Draw a data set of about so many rows.

    ``panel`` has units of about 9 of 10 periods, sorted, and 500 firms between which units
    move freely; ``shuffled`` is the same with its rows in random order; ``long`` has 2,000
    periods; ``matched`` has ten workers per firm, a fifth of whom move in a period. Those of
    ``mixed_data`` and ``policy_data`` have their own sizes.
    """
    own = {**MIXED_DATA, **POLICY_DATA}
    if name in own:
        return own[name](rows)
    if name == "matched":
        workers = max(rows // (PERIODS - 1), 10)
        return simulate.matched(
            workers, workers // 10, PERIODS - 1, matching=simulate.Matching(mobility=0.2)
        )
    periods = LONG_PERIODS if name == "long" else PERIODS
    units = max(round(rows / periods / (1 - MISSING)), 2)
    frame = simulate.panel(units, periods, unbalanced=MISSING)
    rng = np.random.default_rng(1)
    frame["firm"] = rng.integers(1, FIRMS, len(frame), endpoint=True)
    return frame.sample(frac=1, random_state=1) if name == "shuffled" else frame
