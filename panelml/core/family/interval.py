"""Probabilities of intervals: ``log(F(u) - F(v))`` and its derivatives by both ends.

Ordered and censored outcomes are intervals of a latent variable. The difference is taken of
logarithms, in the tail where both are small, so that it keeps its digits far from the mean.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import log_ndtr

from panelml._typing import FloatArray
from panelml.core.family.binomial import LARGEST
from panelml.core.links import CLOGLOG, LOGIT, Link

__all__ = ["Interval", "log_probability"]


@dataclass(frozen=True, slots=True)
class Interval:
    """Logarithms of probabilities of intervals, with derivatives by the upper end u and lower v.

    Attributes
    ----------
    value : FloatArray, shape (..., n)
    u, v : FloatArray, shape (..., n)
        First derivatives.
    uu, uv, vv : FloatArray, shape (..., n)
        Second.
    uuu, uuv, uvv, vvv : FloatArray, shape (..., n)
        Third.
    """

    value: FloatArray
    u: FloatArray
    v: FloatArray
    uu: FloatArray
    uv: FloatArray
    vv: FloatArray
    uuu: FloatArray
    uuv: FloatArray
    uvv: FloatArray
    vvv: FloatArray

    @classmethod
    def of(cls, upper: FloatArray, lower: FloatArray, link: Link) -> Interval:
        """Evaluate intervals, of which one end may be infinite."""
        value = log_probability(upper, lower, link)
        above = np.exp(_log_density(upper, link) - value)
        below = np.exp(_log_density(lower, link) - value)
        slope_u, bend_u = _log_density_slopes(upper, link)
        slope_v, bend_v = _log_density_slopes(lower, link)
        uu, uv, vv = above * (slope_u - above), above * below, -below * (slope_v + below)
        rise = below * (slope_v + below)
        return cls(
            value,
            above,
            -below,
            uu,
            uv,
            vv,
            uu * (slope_u - above) + above * (bend_u - uu),
            uv * (slope_u - 2 * above),
            uv * (slope_v + 2 * below),
            -rise * (slope_v + below) - below * (bend_v + rise),
        )


def log_probability(upper: FloatArray, lower: FloatArray, link: Link) -> FloatArray:
    """Return ``log(F(upper) - F(lower))``, shape (..., n), of LOGIT, PROBIT or CLOGLOG."""
    with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
        if link == LOGIT:
            inside = np.log(-np.expm1(lower - upper))
            return np.asarray(inside - np.logaddexp(0.0, -upper) - np.logaddexp(0.0, lower))
        if link == CLOGLOG:
            low, high = np.exp(np.minimum(lower, LARGEST)), np.exp(np.minimum(upper, LARGEST))
            rest = np.where(np.isneginf(lower), high, low * np.expm1(upper - lower))
            return np.asarray(np.log(-np.expm1(-rest)) - low)
        flip = upper + lower > 0
        high = log_ndtr(np.where(flip, -lower, upper))
        low = log_ndtr(np.where(flip, -upper, lower))
        gap = low - high
        near = np.log(-np.expm1(np.maximum(gap, -1.0)))
        return np.asarray(high + np.where(gap > -1.0, near, np.log1p(-np.exp(gap))))


def _log_density(z: FloatArray, link: Link) -> FloatArray:
    with np.errstate(over="ignore", invalid="ignore"):
        if link == LOGIT:
            return np.asarray(-np.abs(z) - 2 * np.log1p(np.exp(-np.abs(z))))
        if link == CLOGLOG:
            return np.where(np.isinf(z), -np.inf, z - np.exp(np.minimum(z, LARGEST)))
        return np.asarray(-(z**2) / 2 - np.log(2 * np.pi) / 2)


def _log_density_slopes(z: FloatArray, link: Link) -> tuple[FloatArray, FloatArray]:
    """First and second derivative of the log-density; zero at infinite ends, which do not move."""
    z = np.where(np.isinf(z), 0.0, z)
    if link == LOGIT:
        slope = -np.tanh(z / 2)
        return slope, (slope**2 - 1) / 2
    if link == CLOGLOG:
        rate = np.exp(np.minimum(z, LARGEST))
        return 1 - rate, -rate
    return -z, np.full_like(z, -1.0)
