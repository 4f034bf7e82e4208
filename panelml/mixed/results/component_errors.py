"""Standard errors and intervals of variance components."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import expit

from panelml._typing import FloatArray, IntArray
from panelml.inference.distributions import normal_critical

__all__ = [
    "ComponentErrors",
    "component_errors",
    "correlation_interval",
    "share_interval",
    "variance_interval",
]


@dataclass(frozen=True, slots=True)
class ComponentErrors:
    """Sampling covariance of the user's variance components.

    Attributes
    ----------
    residual : float
        Standard error of the residual variance.
    single : FloatArray, shape (q, q)
        Standard errors of the entries of the random coefficients' covariance.
    joint : FloatArray, shape (1 + q * q, 1 + q * q)
        Covariance of the residual variance and all entries, row by row.
    """

    residual: float
    single: FloatArray
    joint: FloatArray


def component_errors(
    cov: FloatArray, free: tuple[IntArray, IntArray], back: FloatArray
) -> ComponentErrors:
    """Carry the covariance of working components over to the user's.

    Parameters
    ----------
    cov : FloatArray, shape (1 + t, 1 + t)
        Of the residual variance and the free entries.
    free : pair of IntArray, shape (t,)
        Rows and columns of these.
    back : FloatArray, shape (q, q)
        From the working to the user's coefficients.
    """
    q, t = len(back), len(free[0])
    basis = np.zeros((t, q, q))
    place = np.arange(t)
    basis[place, free[0], free[1]] = 1.0
    basis[place, free[1], free[0]] = 1.0
    moved = np.einsum("ab,kbc,dc->adk", back, basis, back).reshape(q * q, t)
    jacobian = np.zeros((1 + q * q, 1 + t))
    jacobian[0, 0] = 1.0
    jacobian[1:, 1:] = moved
    joint = jacobian @ cov @ jacobian.T
    errors = np.sqrt(np.maximum(np.diag(joint), 0.0))
    return ComponentErrors(float(errors[0]), errors[1:].reshape(q, q), joint)


def variance_interval(value: float, error: float, level: float) -> tuple[float, float]:
    """Interval of a variance, symmetric on the scale of its logarithm; NaN at zero."""
    if not value > 0 or not np.isfinite(error):
        return float("nan"), float("nan")
    half = normal_critical(level) * error / value
    # From nothing to infinity, where next to nothing is known.
    with np.errstate(over="ignore"):
        return value * np.exp(-half), float(value * np.exp(half))


def correlation_interval(
    errors: ComponentErrors, cov: FloatArray, pair: tuple[int, int], level: float
) -> tuple[float, float, float]:
    """Standard error and interval of a correlation, the latter by Fisher's transformation."""
    a, b = pair
    q = len(cov)
    scale = np.sqrt(cov[a, a] * cov[b, b])
    correlation = cov[a, b] / scale if scale > 0 else np.nan
    if not abs(correlation) < 1 - 1e-9:
        return float("nan"), float("nan"), float("nan")
    slope = np.zeros(1 + q * q)
    slope[1 + a * q + b] = 1 / scale
    slope[1 + a * q + a] = -correlation / (2 * cov[a, a])
    slope[1 + b * q + b] = -correlation / (2 * cov[b, b])
    error = float(np.sqrt(max(float(slope @ errors.joint @ slope), 0.0)))
    half = normal_critical(level) * error / (1 - correlation**2)
    centre = np.arctanh(correlation)
    return error, float(np.tanh(centre - half)), float(np.tanh(centre + half))


def share_interval(
    errors: ComponentErrors,
    value: float,
    rest: float,
    place: int,
    others: Sequence[int],
    level: float,
) -> tuple[float, float, float]:
    """Standard error and interval of value / (value + rest), symmetric for its logit.

    Parameters
    ----------
    errors : ComponentErrors
    value, rest : float
    place : int
        Which coefficient's variance the value is.
    others : sequence of int
        Coefficients whose variances the rest holds, beside the residual variance.
    level : float
    """
    if not value > 0:
        return float("nan"), float("nan"), float("nan")
    q = len(errors.single)
    slope = np.zeros(1 + q * q)
    slope[[0, *(1 + other * q + other for other in others)]] = -1 / rest
    slope[1 + place * q + place] = 1 / value
    error = float(np.sqrt(max(float(slope @ errors.joint @ slope), 0.0)))
    centre, half = np.log(value / rest), normal_critical(level) * error
    share = value / (value + rest)
    low, high = (float(expit(centre + sign * half)) for sign in (-1, 1))
    return share * (1 - share) * error, low, high
