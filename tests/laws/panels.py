"""Random small panels, and estimators by brute force on them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from hypothesis import strategies as st

REGRESSORS = ("x1", "x2")


@st.composite
def frames(
    draw: st.DrawFn, *, units: tuple[int, int] = (4, 9), periods: tuple[int, int] = (3, 6)
) -> pd.DataFrame:
    """Draw an unbalanced panel with gaps, in random row order.

    Columns: ``unit``, ``time``, ``y``, ``x1``, ``x2``, ``z`` (constant in units), ``firm`` and
    ``state`` (crossing units), ``trend``, ``w`` (weights), ``n`` (counts)
    and ``m`` (counts that are constant in units).
    """
    seed = draw(st.integers(0, 2**32 - 1))
    n_units, n_periods = draw(st.integers(*units)), draw(st.integers(*periods))
    missing = draw(st.sampled_from([0.0, 0.2, 0.4]))
    return make_frame(np.random.default_rng(seed), n_units, n_periods, missing)


def make_frame(
    rng: np.random.Generator, n_units: int, n_periods: int, missing: float
) -> pd.DataFrame:
    """Simulate a panel in which every unit has two adjacent periods at least."""
    present = rng.random((n_units, n_periods)) >= missing
    first = rng.integers(0, n_periods - 1, n_units)
    present[np.arange(n_units), first] = present[np.arange(n_units), first + 1] = True
    unit, time = np.nonzero(present)
    n = unit.size
    effect, z = rng.normal(size=n_units), rng.normal(size=n_units)
    x1 = rng.normal(size=n) + effect[unit]
    x2 = rng.normal(size=n) + 0.5 * rng.normal(size=n_periods)[time]
    frame = pd.DataFrame(
        {
            "unit": unit + 10,
            "time": time + 2000,
            "y": x1 - 0.5 * x2 + z[unit] + effect[unit] + rng.normal(size=n),
            "x1": x1,
            "x2": x2,
            "z": z[unit],
            "firm": rng.integers(0, 3, n),
            "state": unit % 3,
            "trend": time.astype(float),
            "w": rng.integers(1, 9, n) / 4.0,
            "n": rng.integers(1, 4, n),
            "m": rng.integers(1, 4, n_units)[unit],
        }
    )
    return frame.iloc[rng.permutation(n)].reset_index(drop=True)


def dummies(*columns: Any) -> np.ndarray:
    """Dummies of each column, side by side, shape (n, levels)."""
    return np.concatenate([pd.get_dummies(c).to_numpy(float) for c in columns], axis=1)


@dataclass(frozen=True)
class Fit:
    """Least squares by ``numpy.linalg.lstsq``.

    Attributes
    ----------
    coef : array, shape (k,)
    cov : array, shape (k, k)
        For independent errors.
    scores : array, shape (n, k)
        Influence of each row.
    rss : float
    rank : int
        Of all columns, the nuisance columns included.
    residuals : array, shape (n,)
    """

    coef: np.ndarray
    cov: np.ndarray
    scores: np.ndarray
    rss: float
    rank: int
    residuals: np.ndarray


def least_squares(
    y: np.ndarray, x: np.ndarray, nuisance: np.ndarray | None = None, weights: Any = None
) -> Fit:
    """Regress y on x and on nuisance columns of any rank; the answer is about x."""
    root = np.ones(len(y)) if weights is None else np.sqrt(np.asarray(weights, float))
    y, x = root * y, root[:, None] * x
    rank = x.shape[1]
    if nuisance is not None:
        d = root[:, None] * nuisance
        y, x = off(y, d), off(x, d)
        rank += int(np.linalg.matrix_rank(d))
    coef, *_ = np.linalg.lstsq(x, y, rcond=None)
    residuals = y - x @ coef
    rss = float(residuals @ residuals)
    bread = np.linalg.inv(x.T @ x)
    scores = (x * residuals[:, None]) @ bread
    return Fit(coef, bread * rss / (len(y) - rank), scores, rss, rank, residuals / root)


def off(z: np.ndarray, d: np.ndarray) -> np.ndarray:
    """Residuals of z on d, whatever the rank of d."""
    left, values, _ = np.linalg.svd(d, full_matrices=False)
    basis = left[:, values > 1e-9 * values.max()]
    for _ in range(2):
        z = z - basis @ (basis.T @ z)
    return z
