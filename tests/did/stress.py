"""The simulated panels on which R's packages were run; see tests/golden/make/did_stress.R.

2,000 units over eight periods: cohorts 4 to 7, units that never adopt (0) and that always did (1),
selection on x1, whose effect grows, a time-varying x2, sampling weights and 40 clusters.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import pandas as pd

from tests.did.published import mpdta

UNITS, PERIODS, CLUSTERS = 2000, 8, 40


@cache
def _drawn() -> tuple[pd.DataFrame, pd.DataFrame]:
    rng = np.random.default_rng(7)
    x1 = rng.normal(size=UNITS)
    cluster = rng.integers(0, CLUSTERS, UNITS)
    slope, shift = [0, 0.9, 0.6, -0.7, 0.3, 0], [0, -0.5, -0.5, -0.5, -0.8, -1.5]
    odds = np.exp(np.outer(x1, slope) + shift)
    odds /= odds.sum(axis=1, keepdims=True)
    first = np.array([0, 4, 5, 6, 7, 1])[[rng.choice(6, p=p) for p in odds]]
    a = rng.normal(size=UNITS) + 0.5 * x1
    w = rng.uniform(0.5, 2, UNITS)
    frames = []
    for t in range(1, PERIODS + 1):
        x2 = 0.3 * x1 + rng.normal(size=UNITS) * 0.8 + 0.1 * t * (first > 0)
        effect = np.where((first > 0) & (t >= first), 0.5 + 0.2 * (t - first), 0)
        y = a + 0.2 * t + 0.15 * t * x1 + 0.3 * x2 + effect
        y = y + rng.normal(size=UNITS) + 0.3 * rng.normal(size=CLUSTERS)[cluster]
        frames.append(
            pd.DataFrame(
                {
                    "id": np.arange(UNITS) + 1,
                    "t": t,
                    "g": first,
                    "y": y,
                    "x1": x1,
                    "x2": x2,
                    "w": w,
                    "cl": cluster,
                }
            )
        )
    balanced = pd.concat(frames).sort_values(["id", "t"])
    unbalanced = balanced[rng.uniform(size=len(balanced)) > 0.1]
    return balanced, unbalanced


def stress() -> pd.DataFrame:
    """The balanced panel."""
    return _drawn()[0].reset_index(drop=True)


def stress_unb() -> pd.DataFrame:
    """The same with a tenth of the rows missing."""
    return _drawn()[1].reset_index(drop=True)


def stress_rc() -> pd.DataFrame:
    """Half of its rows, each as a unit of its own."""
    rows = _drawn()[0].sample(frac=0.5, random_state=1)
    return rows.assign(id=np.arange(len(rows)) + 1).reset_index(drop=True)


def switching() -> pd.DataFrame:
    """A policy ``d`` that starts and ends by chance in 300 units over 12 periods."""
    rng = np.random.default_rng(5)
    units, periods = 300, 12
    state = np.zeros(units, dtype=int)
    columns = []
    for _ in range(periods):
        state = np.where(rng.random(units) < 0.1, 1 - state, state)
        columns.append(state)
    frame = pd.DataFrame(
        {
            "id": np.repeat(np.arange(units), periods),
            "t": np.tile(np.arange(periods), units),
            "d": np.column_stack(columns).ravel(),
        }
    )
    noise = rng.normal(size=units)[frame["id"]] + rng.normal(size=len(frame))
    return frame.assign(y=0.5 * frame["d"] + 0.1 * frame["t"] + noise)


#: Data of golden cases by name.
POLICIES = {
    "stress": stress,
    "stress_unb": stress_unb,
    "stress_rc": stress_rc,
    "switching": switching,
    "mpdta": mpdta,
}
