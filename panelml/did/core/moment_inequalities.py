"""Tests of moment inequalities with nuisance parameters that enter linearly.

``E[y] - x xi <= 0`` for some xi is tested by the largest standardised violation that no xi avoids,
a linear programme. Its dual has the same constraints for every hypothesis, so that its vertices are
listed once, and each test is a few products with them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from scipy import special
from scipy.optimize import brentq

from panelml._typing import BoolArray, FloatArray
from panelml.core.math.extreme_rays import extreme_rays
from panelml.core.math.lattice import directions

__all__ = ["Inequalities", "dual_vertices", "least_favourable"]

# Share of the level that is spent on the least favourable test in the hybrid.
FIRST_STAGE = 0.1
# Directions over which the least favourable critical value is averaged, with their opposites.
DIRECTIONS = 2**12
# Shares closer to one than this are of vertices that move together.
TOGETHER = 1e-9
# A variance below this share of the largest is zero.
NO_VARIANCE = 1e-14


@dataclass(frozen=True, slots=True)
class Inequalities:
    """Inequalities ``y0 - theta * slope - x xi <= 0`` in expectation.

    Attributes
    ----------
    level0, slope : FloatArray, shape (v,)
        The value at each vertex of the dual is ``level0 - theta * slope``.
    loads : FloatArray, shape (v, r)
        How independent standard normal variables enter these values.
    cov : FloatArray, shape (v, v)
        Covariance of the values.
    alpha, first : float
        Sizes of the second stage and of the first.
    critical : float
        Critical value of the least favourable first stage; infinite without it.
    """

    level0: FloatArray
    slope: FloatArray
    loads: FloatArray
    cov: FloatArray
    alpha: float
    first: float
    critical: float

    @classmethod
    def of(
        cls, y0: FloatArray, slope: FloatArray, x: FloatArray, sigma: FloatArray, level: float
    ) -> Inequalities:
        """List the vertices of the dual; there is no first stage yet.

        Parameters
        ----------
        y0, slope : FloatArray, shape (m,)
        x : FloatArray, shape (m, p)
        sigma : FloatArray, shape (m, m)
            Covariance of y0.
        level : float
            Of both stages together.

        Raises
        ------
        SpecificationError
            If there are too many vertices.
        """
        scale = np.sqrt(np.maximum(np.diag(sigma), 0.0))
        # Rows without variance keep the programme bounded by a small weight.
        scale = np.where(scale > 1e-12 * scale.max(), scale, 1e-10 * scale.max())
        vertices = dual_vertices(x, scale)
        value, vector = np.linalg.eigh(sigma)
        kept = value > 1e-14 * value.max()
        loads = vertices @ (vector[:, kept] * np.sqrt(value[kept]))
        first = FIRST_STAGE * (1 - level)
        alpha = (1 - level - first) / (1 - first)
        return cls(vertices @ y0, vertices @ slope, loads, loads @ loads.T, alpha, first, np.inf)

    def hybrid(self) -> Inequalities:
        """Add the first stage."""
        return replace(self, critical=least_favourable(self.loads, self.first))

    def accepts(self, theta: FloatArray) -> BoolArray:
        """Test values of theta by the conditional test, after the first stage if there is one.

        Notes
        -----
        Source: Andrews, Roth and Pakes (2023), *Review of Economic Studies* 90, 2763-2791, as in
        Rambachan and Roth (2023), section 3.2.
        """
        values = self.level0 - np.multiply.outer(theta, self.slope)
        best = values.argmax(axis=1)
        eta = values.max(axis=1)
        variance = self.cov[best, best]
        known = variance <= NO_VARIANCE * self.cov.diagonal().max()
        variance = np.where(known, 1.0, variance)
        share = self.cov[best] / variance[:, None]
        rest = values - share * eta[:, None]
        # Between these values of the best vertex it is the best, given what is independent of it.
        gap = 1.0 - share
        ends = rest / np.where(np.abs(gap) > TOGETHER, gap, 1.0)
        low = np.minimum(np.where(gap > TOGETHER, ends, -np.inf).max(axis=1), eta)
        high = np.maximum(np.where(gap < -TOGETHER, ends, np.inf).min(axis=1), eta)
        sd = np.sqrt(variance)
        tail = _truncated_tail(eta / sd, low / sd, np.minimum(high, self.critical) / sd)
        held: BoolArray = (eta <= 0) | (~known & (eta <= self.critical) & (tail >= self.alpha))
        return held


def dual_vertices(x: FloatArray, scale: FloatArray) -> FloatArray:
    """List the vertices of ``{g >= 0: g'x = 0, g'scale = 1}``, shape (v, m).

    Parameters
    ----------
    x : FloatArray, shape (m, p)
    scale : FloatArray, shape (m,)
        Positive.

    Raises
    ------
    SpecificationError
        If there are too many.
    """
    rays = _rays(x.tobytes(), *x.shape)
    return rays / (rays @ scale)[:, None]


@lru_cache(maxsize=16)
def _rays(x: bytes, m: int, p: int) -> FloatArray:
    """List extreme rays, once for all polyhedra of a union and all sizes of departures."""
    return extreme_rays(np.frombuffer(x).reshape(m, p))


def least_favourable(loads: FloatArray, size: float) -> float:
    """Find what the largest of several normal values with mean zero exceeds with a probability.

    Parameters
    ----------
    loads : FloatArray, shape (v, r)
        How independent standard normal variables enter the values.
    size : float
        The probability.

    Notes
    -----
    Given the direction of a normal vector, the square of its length is chi-squared with r degrees
    of freedom. So only directions are spread, and the tails are exact.
    """
    r = loads.shape[1]
    along = loads @ directions(DIRECTIONS, r).T
    reach = np.concatenate([along.max(axis=0), -along.min(axis=0)])
    square = reach[reach > 0] ** 2
    share = square.size / reach.size
    if share <= size:
        return 0.0

    def excess(critical: float) -> float:
        tail = special.gammaincc(r / 2.0, critical**2 / (2.0 * square))
        return float(np.log(share * tail.mean() / size))

    top = np.sqrt(square.max() * special.chdtri(r, size / share))
    return float(brentq(excess, 0.0, top * (1.0 + 1e-9), rtol=1e-8))


def _truncated_tail(z: FloatArray, low: FloatArray, high: FloatArray) -> FloatArray:
    """Return the probability above z of a standard normal variable between low and high."""
    log_low = special.log_ndtr(-low)
    above = np.exp(special.log_ndtr(-np.clip(z, low, high)) - log_low)
    beyond = np.exp(special.log_ndtr(-high) - log_low)
    whole = 1.0 - beyond
    return np.where(whole > 0, (above - beyond) / np.where(whole > 0, whole, 1.0), 1.0)
