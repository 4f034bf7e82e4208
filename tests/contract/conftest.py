"""Data as users have them: shuffled, with holes, and with labels that say nothing of the order."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from tests.laws.panels import make_frame


def make_messy(units: int = 30) -> pd.DataFrame:
    """Make a panel with text units, missing values and labels that repeat."""
    frame = make_frame(np.random.default_rng(7), units, 6, 0.2)
    frame["unit"] = "u" + frame["unit"].astype(str)
    frame["region"] = frame["firm"].map({0: "north", 1: "south", 2: "west"})
    frame["member"] = frame["x2"] > 0
    for column, rows in {"y": [0, 5], "x1": [9], "x2": [9, 20, 21]}.items():
        frame.loc[rows, column] = np.nan
    frame.index = pd.Index([f"row {i % (len(frame) - 3)}" for i in range(len(frame))], name="label")
    return frame


@pytest.fixture(scope="session")
def messy() -> pd.DataFrame:
    """A frame that no test may change: six of its rows are incomplete."""
    return make_messy()
