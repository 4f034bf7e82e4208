"""Rising factorials: logarithms of ``Gamma(z + y) / Gamma(z)``, without cancellation at large z."""

from __future__ import annotations

import numpy as np
from scipy.special import digamma, gammaln, polygamma

from panelml._typing import FloatArray

__all__ = ["log_rising", "log_rising_first", "log_rising_second"]

# From here on Stirling's series has all digits of float64 in six terms.
LARGE = 20.0
# Bernoulli numbers B_2, B_4, ..., B_12.
BERNOULLI = (1 / 6, -1 / 30, 1 / 42, -1 / 30, 5 / 66, -691 / 2730)


def log_rising(z: FloatArray, y: FloatArray) -> FloatArray:
    """Return ``log Gamma(z + y) - log Gamma(z)``, element by element.

    Parameters
    ----------
    z : FloatArray
        Positive.
    y : FloatArray
        Not negative.

    Notes
    -----
    Source: Stirling's series, Abramowitz and Stegun (1964), 6.1.40.
    """
    z, y = np.broadcast_arrays(z, y)
    large = z >= LARGE
    low = np.where(large, 1.0, z)
    high = np.where(large, z, LARGE)
    series = (high + y - 0.5) * np.log1p(y / high) + y * (np.log(high) - 1)
    for k, b in enumerate(BERNOULLI, 1):
        power = 2 * k - 1
        series = series + b / (2 * k * power) * _fall(high, y, power)
    return np.where(large, series, gammaln(low + y) - gammaln(low))


def log_rising_first(z: FloatArray, y: FloatArray) -> FloatArray:
    """Return the first derivative by z, ``digamma(z + y) - digamma(z)``.

    Source: Abramowitz and Stegun (1964), 6.3.18.
    """
    z, y = np.broadcast_arrays(z, y)
    large = z >= LARGE
    low = np.where(large, 1.0, z)
    high = np.where(large, z, LARGE)
    series = np.log1p(y / high) - _fall(high, y, 1) / 2
    for k, b in enumerate(BERNOULLI, 1):
        series = series - b / (2 * k) * _fall(high, y, 2 * k)
    return np.where(large, series, digamma(low + y) - digamma(low))


def log_rising_second(z: FloatArray, y: FloatArray) -> FloatArray:
    """Return the second derivative by z, ``trigamma(z + y) - trigamma(z)``.

    Source: Abramowitz and Stegun (1964), 6.4.12.
    """
    z, y = np.broadcast_arrays(z, y)
    large = z >= LARGE
    low = np.where(large, 1.0, z)
    high = np.where(large, z, LARGE)
    series = _fall(high, y, 1) + _fall(high, y, 2) / 2
    for k, b in enumerate(BERNOULLI, 1):
        series = series + b * _fall(high, y, 2 * k + 1)
    return np.where(large, series, polygamma(1, low + y) - polygamma(1, low))


def _fall(z: FloatArray, y: FloatArray, power: int) -> FloatArray:
    """Return ``(z + y)^-power - z^-power`` by its relative change."""
    return np.asarray(np.expm1(-power * np.log1p(y / z)) * z ** -float(power))
