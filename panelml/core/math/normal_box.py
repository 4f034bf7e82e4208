"""Probabilities and means of normal vectors in a box."""

from __future__ import annotations

import numpy as np
from scipy import special

from panelml._typing import FloatArray
from panelml.core.math.lattice import lattice

__all__ = ["box_mean", "box_probability"]

# Up to so many dimensions a change of variables pays that makes the integrand smooth.
FEW = 6
POINTS, MANY_POINTS = 2**14, 2**16


def box_probability(
    mean: FloatArray, sigma: FloatArray, low: FloatArray, high: FloatArray
) -> float:
    """Integrate a normal density over a box.

    Parameters
    ----------
    mean : FloatArray, shape (k,)
    sigma : FloatArray, shape (k, k)
        Positive definite.
    low, high : FloatArray, shape (k,)

    Raises
    ------
    numpy.linalg.LinAlgError
        If the covariance is not positive definite.

    Notes
    -----
    Source: Genz (1992), *Journal of Computational and Graphical Statistics* 1, 141-149, on a
    lattice. Up to six dimensions points are moved by t^3 (10 - 15t + 6t^2), by which the integrand
    is periodic and smooth, and seven digits are right; beyond, they are folded, and four are.
    """
    k = mean.size
    if k == 0:
        return 1.0
    root = np.linalg.cholesky(sigma)
    points, total = _points(k - 1)
    drawn = np.zeros((len(points), k))
    for j in range(k):
        shift = mean[j] + drawn[:, :j] @ root[j, :j]
        below = special.ndtr((low[j] - shift) / root[j, j])
        inside = special.ndtr((high[j] - shift) / root[j, j]) - below
        total = total * inside
        if j < k - 1:
            # Quantiles of probabilities that are rounded to zero or one are infinite.
            level = np.clip(below + points[:, j] * inside, 1e-300, 1.0 - 1e-16)
            drawn[:, j] = special.ndtri(level)
    return float(total.mean())


def _points(k: int) -> tuple[FloatArray, FloatArray]:
    """Return points in the unit cube and their weights."""
    if k == 0:
        return np.zeros((1, 0)), np.ones(1)
    if k >= FEW:
        return np.abs(2.0 * lattice(MANY_POINTS, k) - 1.0), np.ones(MANY_POINTS)
    t = lattice(POINTS, k)
    return t**3 * (10.0 - 15.0 * t + 6.0 * t**2), (30.0 * t**2 * (1.0 - t) ** 2).prod(axis=1)


def box_mean(mean: FloatArray, sigma: FloatArray, low: FloatArray, high: FloatArray) -> FloatArray:
    """Average a normal vector over a box.

    Returns
    -------
    FloatArray, shape (k,)

    Notes
    -----
    Source: Manjunath and Wilhelm (2021), *Journal of Behavioral Data Science* 1, 17-33,
    equation 11: the densities at the faces of the box, times the covariance.
    """
    inside = box_probability(mean, sigma, low, high)
    face = np.zeros(mean.size)
    for j in range(mean.size):
        face[j] = _face(mean, sigma, low, high, j, low[j]) - _face(
            mean, sigma, low, high, j, high[j]
        )
    return mean + sigma @ face / inside


def _face(
    mean: FloatArray, sigma: FloatArray, low: FloatArray, high: FloatArray, j: int, value: float
) -> float:
    """Integrate the density over the face of the box on which one variable has a value."""
    if not np.isfinite(value):
        return 0.0
    others = np.arange(mean.size) != j
    slope = sigma[others, j] / sigma[j, j]
    given = mean[others] + slope * (value - mean[j])
    left = sigma[np.ix_(others, others)] - np.outer(slope, sigma[j, others])
    z = (value - mean[j]) / np.sqrt(sigma[j, j])
    density = np.exp(-(z**2) / 2.0) / np.sqrt(2.0 * np.pi * sigma[j, j])
    return float(density * box_probability(given, left, low[others], high[others]))
