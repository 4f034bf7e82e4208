"""Effects as sums of weighted means, with one rule for how estimated parts move them.

Every difference-in-differences estimator of a cohort and period is a signed sum of weighted means
``sum(w v) / sum(w)``. Weights may hold estimated odds, values estimated regressions. Their
influence functions then all have the same three terms.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from panelml._typing import FloatArray
from panelml.errors import ConvergenceError

__all__ = ["Ratio", "Regression", "combine", "regress"]

# Least eigenvalue of a correlation matrix, the constant included, that can be inverted.
SINGULAR = 1e-13
# Share of a row along directions in which the regressed rows do not vary, up to rounding.
DETERMINED = 1e-6
# Entries of unit vectors below this are zero.
ROUNDING = 1e-10


@dataclass(frozen=True, slots=True)
class Regression:
    """A weighted least-squares fit of some rows.

    Attributes
    ----------
    fitted : FloatArray, shape (n,)
        Predictions for all rows.
    psi : FloatArray, shape (n, k), or None
        How each row moved the coefficients; None where these leave effects unmoved to first
        order.
    unknown : FloatArray, shape (k, d), or None
        Directions in which the regressed rows do not vary: predictions are determined for rows
        that are orthogonal to them.
    """

    fitted: FloatArray
    psi: FloatArray | None
    unknown: FloatArray | None = None

    def require_determined(self, x: FloatArray, weight: FloatArray) -> None:
        """Refuse rows with weight, of x (n, k), whose predictions are not determined.

        Raises
        ------
        ConvergenceError
            If there are some.
        """
        if self.unknown is None:
            return
        rows = x[weight > 0]
        along = np.abs(rows) @ np.abs(self.unknown)
        if (np.abs(rows @ self.unknown) > DETERMINED * along).any():
            raise ConvergenceError("covariates are collinear among rows they are regressed on")


@dataclass(frozen=True, slots=True)
class Ratio:
    """A signed weighted mean.

    Attributes
    ----------
    sign : float
    weight, value : FloatArray, shape (n,)
    odds : bool
        Whether the weights are proportional to estimated odds.
    regressions : tuple of (float, Regression)
        Predictions in the value, with their factors.
    """

    sign: float
    weight: FloatArray
    value: FloatArray
    odds: bool = False
    regressions: tuple[tuple[float, Regression], ...] = ()


def regress(x: FloatArray, y: FloatArray, w: FloatArray, *, moves: bool = True) -> Regression:
    """Fit y to x by weighted least squares, rows of weight zero left out.

    Parameters
    ----------
    x : FloatArray, shape (n, k)
    y, w : FloatArray, shape (n,)
    moves : bool
        Whether the coefficients move effects to first order.
    """
    weighted = x * w[:, None]
    gram = weighted.T @ x
    length = np.sqrt(np.diag(gram))
    length[length == 0] = 1.0
    values, vectors = np.linalg.eigh(gram / np.outer(length, length))
    kept = values >= SINGULAR
    unknown = None if kept.all() else _cleared(vectors[:, ~kept]) / length[:, None]
    half = vectors[:, kept] / length[:, None]
    inverse = (half / values[kept]) @ half.T
    fitted = x @ (inverse @ (weighted.T @ y))
    psi = weighted * (y - fitted)[:, None] @ inverse if moves else None
    return Regression(fitted, psi, unknown)


def _cleared(vectors: FloatArray) -> FloatArray:
    """Clear of rounding, so that products with zeros are zero."""
    return np.where(np.abs(vectors) > ROUNDING, vectors, 0.0)


def combine(
    ratios: Sequence[Ratio], x: FloatArray, odds: FloatArray | None
) -> tuple[float, FloatArray]:
    """Add up weighted means.

    Parameters
    ----------
    ratios : sequence of Ratio
    x : FloatArray, shape (n, k)
        Covariates of odds and regressions.
    odds : FloatArray, shape (n, k), or None
        How each row moved the coefficients of the odds.

    Returns
    -------
    effect : float
    psi : FloatArray, shape (n,)
        How each row moved it.

    Raises
    ------
    ConvergenceError
        If a prediction that is used is not determined.
    """
    effect, psi = 0.0, np.zeros(len(x))
    for ratio in ratios:
        total = ratio.weight.sum()
        share = ratio.sign * ratio.weight / total
        mean = float(ratio.weight @ ratio.value / total)
        effect += ratio.sign * mean
        own = share * (ratio.value - mean)
        psi += own
        if ratio.odds and odds is not None:
            psi += odds @ (own @ x)
        for factor, regression in ratio.regressions:
            regression.require_determined(x, ratio.weight)
            if regression.psi is not None:
                psi += regression.psi @ (factor * (share @ x))
    return effect, psi
