"""Random numbers with given laws, and checks of what was asked for."""

from __future__ import annotations

import math

import numpy as np

from panelml._typing import BoolArray, FloatArray
from panelml.errors import SpecificationError

__all__ = [
    "autoregression",
    "mixed",
    "observed",
    "require",
    "require_autocorrelation",
    "require_correlations",
    "require_counts",
    "require_shares",
    "require_spreads",
]


def require(condition: bool, message: str) -> None:
    """Refuse what does not hold."""
    if not condition:
        raise SpecificationError(message)


def require_counts(**counts: int) -> None:
    """Refuse counts below one."""
    for name, count in counts.items():
        require(count >= 1, f"{name} must be at least 1, not {count}.")


def require_spreads(**spreads: float) -> None:
    """Refuse negative standard deviations."""
    for name, spread in spreads.items():
        require(spread >= 0, f"{name} must not be negative, but is {spread}.")


def require_shares(**shares: float) -> None:
    """Refuse chances of missing rows outside [0, 1)."""
    for name, share in shares.items():
        require(0 <= share < 1, f"{name} must be in [0, 1), not {share}.")


def require_correlations(**correlations: float) -> None:
    """Refuse correlations outside [-1, 1]."""
    for name, value in correlations.items():
        require(-1 <= value <= 1, f"{name} must be in [-1, 1], not {value}.")


def require_autocorrelation(rho: float) -> None:
    """Refuse autocorrelations with which errors are not stationary."""
    require(-1 < rho < 1, f"rho must be in (-1, 1), not {rho}.")


def observed(rng: np.random.Generator, units: int, periods: int, missing: float) -> BoolArray:
    """Mark the rows that exist, (units, periods), at least one per unit."""
    if missing == 0:
        return np.ones((units, periods), dtype=np.bool_)
    present = rng.random((units, periods)) >= missing
    kept = rng.integers(periods, size=units)
    present[np.arange(units), kept] |= ~present.any(axis=1)
    return present


def mixed(rng: np.random.Generator, values: FloatArray, correlation: float) -> FloatArray:
    """Draw standard normals with a given correlation to standard normals."""
    noise = rng.standard_normal(values.shape)
    return correlation * values + math.sqrt(1 - correlation**2) * noise


def autoregression(rng: np.random.Generator, units: int, periods: int, rho: float) -> FloatArray:
    """Draw stationary AR(1) errors of unit variance: (units, periods)."""
    errors = rng.standard_normal((units, periods))
    if rho != 0:
        errors[:, 1:] *= math.sqrt(1 - rho**2)
        for t in range(1, periods):
            errors[:, t] += rho * errors[:, t - 1]
    return errors
