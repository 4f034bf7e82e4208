"""Normal likelihood of the one-way model, profiled to the ratio of its variances."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from scipy import linalg, optimize

from panelml._typing import FloatArray

__all__ = ["maximise", "profile_deviance"]


class Means(Protocol):
    """Unit means and within cross-products, as ``components.MeanDesign``."""

    @property
    def mean(self) -> FloatArray: ...
    @property
    def weight(self) -> FloatArray: ...
    @property
    def within(self) -> FloatArray: ...
    @property
    def n(self) -> float: ...


@dataclass(frozen=True, slots=True)
class SumsByWeight:
    """The model's sums by distinct unit weight, all that the likelihood reads.

    Attributes
    ----------
    weight : FloatArray, shape (c,)
        The distinct sums of weights (T_i).
    count : FloatArray, shape (c,)
        Units of each.
    squares : FloatArray, shape (c, p, p)
        Cross-products of the means of these units.
    within : FloatArray, shape (p, p)
    n : float
    restricted : bool
    """

    weight: FloatArray
    count: FloatArray
    squares: FloatArray
    within: FloatArray
    n: float
    restricted: bool

    @classmethod
    def of(cls, design: Means, restricted: bool) -> SumsByWeight:
        """Collapse units of equal weight."""
        weight, group = np.unique(design.weight, return_inverse=True)
        order = np.argsort(group, kind="stable")
        starts = np.searchsorted(group[order], np.arange(weight.size))
        mean = design.mean[:, order]
        squares = np.add.reduceat(mean[:, None] * mean[None], starts, axis=2)
        count = np.bincount(group).astype(np.float64)
        return cls(weight, count, np.moveaxis(squares, 2, 0), design.within, design.n, restricted)

    def parts(self, ratio: float) -> tuple[FloatArray, FloatArray]:
        """Cross-products at a ratio of variances, and their derivative in it."""
        shrink = self.weight / (1 + ratio * self.weight)
        gram = self.within + np.tensordot(shrink, self.squares, axes=1)
        return gram, -np.tensordot(shrink**2, self.squares, axes=1)

    def evaluate(self, ratio: float) -> tuple[float, float, float]:
        """Return minus twice the log-likelihood, its derivative, and sigma2_e."""
        gram, slope = self.parts(ratio)
        logdet = float(self.count @ np.log1p(ratio * self.weight))
        logdet_slope = self.count @ (self.weight / (1 + ratio * self.weight))
        deviance, change, sigma2_e = profile_deviance(
            gram, slope[None], logdet, np.array([logdet_slope]), self.n, self.restricted
        )
        return deviance, float(change[0]), sigma2_e


def profile_deviance(
    gram: FloatArray,
    slopes: FloatArray,
    logdet: float,
    logdet_slopes: FloatArray,
    n: float,
    restricted: bool,
) -> tuple[float, FloatArray, float]:
    """Minus twice the (restricted) log-likelihood at the best sigma2_e, given ratios of variances.

    Parameters
    ----------
    gram : FloatArray, shape (1 + k, 1 + k)
        sigma2_e [y, X]'V^-1 [y, X].
    slopes : FloatArray, shape (r, 1 + k, 1 + k)
        Its derivatives in the ratios.
    logdet : float
        Log-determinant of V / sigma2_e.
    logdet_slopes : FloatArray, shape (r,)
    n : float
    restricted : bool

    Returns
    -------
    deviance : float
    slope : FloatArray, shape (r,)
    sigma2_e : float
    """
    length = np.sqrt(np.diag(gram)[1:])
    factor = linalg.cholesky(gram[1:, 1:] / np.outer(length, length), lower=True)
    half = linalg.solve_triangular(factor, np.diag(1 / length), lower=True)
    inverse = half.T @ half
    direction = np.concatenate([[1.0], -inverse @ gram[1:, 0]])
    rss = float(direction @ gram @ direction)
    df = n - (len(inverse) if restricted else 0)
    deviance = df * (np.log(2 * np.pi * rss / df) + 1) + logdet
    change = df * (slopes @ direction @ direction) / rss + logdet_slopes
    if restricted:
        deviance += 2 * float(np.log(np.diag(factor) * length).sum())
        change = change + (slopes[:, 1:, 1:] * inverse).sum(axis=(1, 2))
    return float(deviance), change, rss / df


def maximise(design: Means, *, restricted: bool) -> tuple[float, float, float]:
    """Maximise the (restricted) likelihood over sigma2_u / sigma2_e >= 0.

    Returns
    -------
    sigma2_e, sigma2_u, loglik : float

    Notes
    -----
    The grid finds the basin, the root of the analytic derivative the optimum to full precision.
    A derivative that is not negative at zero means that the likelihood is highest there.
    """
    profile = SumsByWeight.of(design, restricted)
    size = float(profile.weight.mean())
    grid = np.concatenate([[0.0], np.logspace(-6, 8, 71) / size])
    values = [profile.evaluate(ratio) for ratio in grid]
    best = int(np.argmin([value[0] for value in values]))
    low, high = grid[max(best - 1, 0)], grid[min(best + 1, grid.size - 1)]
    ratio = grid[best]
    slopes = profile.evaluate(low)[1], profile.evaluate(high)[1]
    if slopes[0] < 0 < slopes[1]:
        ratio = optimize.brentq(
            lambda r: profile.evaluate(r)[1], low, high, xtol=1e-300, rtol=1e-14, maxiter=500
        )
    deviance, _, sigma2_e = profile.evaluate(float(ratio))
    return sigma2_e, float(ratio) * sigma2_e, -deviance / 2
