"""The criterion of a mixed model with several grouping factors at one value of its covariance."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from panelml._typing import FloatArray, IntArray
from panelml.mixed.core.criterion import bending, covariance_changes, least_share, shares

__all__ = ["CrossedCriterion"]


@dataclass(frozen=True, slots=True)
class CrossedCriterion:
    """The criterion at one value of the relative covariance factors.

    Attributes
    ----------
    deviance : float
        Minus twice the (restricted) log-likelihood in the working columns.
    factor : FloatArray, shape (q, q)
        Block diagonal, a block for each grouping factor in the order of the random regressors.
    coef : FloatArray, shape (p,)
    sigma2 : float
    phi : FloatArray, shape (p, p)
    gradient : FloatArray, shape (q, q)
        T, the derivative of the deviance in the relative covariance, within factors.
    average : FloatArray, shape (t, t)
        Average information on the free entries of the relative covariance.
    scale : FloatArray, shape (t,)
        Derivatives of ``r' Sigma^-1 r / s2`` in them, with the sign turned.
    free : pair of IntArray, shape (t,)
        Rows and columns of the free entries.
    scores : tuple of FloatArray, each (q, levels)
        Z_j' V^-1 r of the levels of each factor.
    sums : tuple of FloatArray, each (q, q)
        Sum over levels of Z_j' V^-1 Z_j.
    randoms : tuple of IntArray
        Positions of each factor's regressors among the random ones.
    df : float
    """

    deviance: float
    factor: FloatArray
    coef: FloatArray
    sigma2: float
    phi: FloatArray
    gradient: FloatArray
    average: FloatArray
    scale: FloatArray
    free: tuple[IntArray, IntArray]
    scores: tuple[FloatArray, ...]
    sums: tuple[FloatArray, ...]
    randoms: tuple[IntArray, ...]
    df: float

    def hessian(self, free: tuple[IntArray, IntArray], *, restricted: bool) -> FloatArray:
        """Approximate second derivatives in the free entries of the factor, shape (t, t)."""
        change = covariance_changes(self.factor, free)
        return self.average_information(change, restricted=restricted) + bending(
            self.gradient, free
        )

    def average_information(self, change: FloatArray, *, restricted: bool) -> FloatArray:
        """Average information on changes of D, the residual variance profiled out, (t, t)."""
        entries = change[:, *self.free]
        profiled = self.average - np.outer(self.scale, self.scale) / self.df
        return np.asarray(entries @ profiled @ entries.T)

    def identification(self, change: FloatArray, *, restricted: bool) -> FloatArray:
        """Average information on changes of D, shape (t, t).

        What the unknown residual variance leaves, as a share of what there would be without it.
        """
        entries = change[:, *self.free]
        return shares(entries @ self.average @ entries.T, entries @ self.scale, self.df)

    def unexplained(self) -> float:
        """Least share of random regressors' variation that the fixed effects leave.

        Of the restricted likelihood.
        """
        found = (
            least_share(self.gradient[np.ix_(a, a)] + score @ score.T / self.sigma2, g)
            for a, score, g in zip(self.randoms, self.scores, self.sums, strict=True)
        )
        return min(found, default=1.0)

    def coefficients(self) -> tuple[FloatArray, ...]:
        """Predict the working random coefficients of each factor's levels, (q, levels)."""
        relative = self.factor @ self.factor.T
        return tuple(
            relative[np.ix_(random, random)] @ score
            for random, score in zip(self.randoms, self.scores, strict=True)
        )
