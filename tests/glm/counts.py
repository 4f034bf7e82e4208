"""Simulated counts, and Poisson regression with all dummies written out."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

__all__ = ["counts", "dense_poisson"]


def counts(seed: int = 1, units: int = 30, periods: int = 5) -> pd.DataFrame:
    """Counts with effects of units and periods, some rows missing, in a random order."""
    rng = np.random.default_rng(seed)
    unit, time = (a.ravel() for a in np.mgrid[0:units, 0:periods])
    effect = rng.normal(0, 0.5, units)[unit] + np.linspace(-0.2, 0.3, periods)[time]
    x1 = rng.normal(size=unit.size) + effect
    x2 = rng.normal(size=unit.size)
    pop = rng.uniform(1, 3, unit.size)
    y = rng.poisson(pop * np.exp(0.5 + 0.3 * x1 - 0.2 * x2 + effect)).astype(float)
    frame = pd.DataFrame(
        {"unit": unit, "time": time, "y": y, "x1": x1, "x2": x2, "pop": pop, "state": unit % 8}
    )
    frame["n"] = rng.integers(1, 4, units)[unit]
    return frame.sample(frac=0.9, random_state=seed).reset_index(drop=True)


def dense_poisson(
    frame: pd.DataFrame, names: list[str], factors: list[str], offset: Any = 0.0
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Iterate weighted least squares on regressors and dummies of every level.

    Returns
    -------
    coef : slopes, then the dummies' coefficients.
    inverse : inverse information.
    scores : scores of the rows, shape (n, k).
    """
    dummies = [
        pd.get_dummies(frame[name]).to_numpy(float)[:, int(j > 0) :]
        for j, name in enumerate(factors)
    ]
    x = np.column_stack([frame[names], *(dummies or [np.ones(len(frame))])])
    y, offset = frame["y"].to_numpy(), np.asarray(offset)
    index = np.log((y + y.mean()) / 2)
    for _ in range(60):
        mean = np.exp(index)
        response = index - offset + (y - mean) / mean
        information = x.T @ (x * mean[:, None])
        coef = np.linalg.solve(information, x.T @ (mean * response))
        index = x @ coef + offset
    mean = np.exp(index)
    inverse = np.linalg.inv(x.T @ (x * mean[:, None]))
    return coef, inverse, x * (y - mean)[:, None]
