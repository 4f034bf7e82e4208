"""Covariances of residuals within units: a few parameters, their matrices and derivatives.

The covariance of the rows of unit i, over the residual variance, is ``R_i = s_i s_i' o C_i``: s are
ratios of standard deviations, by level of a row and with logarithms linear in covariates, and C_i
is a correlation that depends on how far apart the rows are, or, for the unstructured form, any
covariance of the periods with a one in its first place. All parameters are free on their scale:
logarithms of ratios and of the rate of decay, inverse hyperbolic tangents of correlations.

Source: Pinheiro and Bates (2000), *Mixed-Effects Models in S and S-PLUS*, chapter 5.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from panelml._typing import FloatArray, IntArray

__all__ = ["Kind", "Patterns", "ResidualForm"]

Kind = Literal["independent", "exchangeable", "ar1", "car1", "ma1", "toeplitz", "unstructured"]


@dataclass(frozen=True, slots=True)
class Patterns:
    """Rows of units with as many rows each, as far as their covariance goes.

    Attributes
    ----------
    time : FloatArray, shape (g, T)
        When; for the unstructured form which period, from zero.
    level : IntArray, shape (g, T)
        Level of the row's variance.
    covariates : FloatArray, shape (g, T, k)
        On which the logarithm of the row's standard deviation depends.
    stratum : IntArray, shape (g,)
        Which correlation the unit has.
    """

    time: FloatArray
    level: IntArray
    covariates: FloatArray
    stratum: IntArray

    def take(self, units: IntArray) -> Patterns:
        """Return those of some units."""
        return Patterns(
            self.time[units], self.level[units], self.covariates[units], self.stratum[units]
        )

    def key(self) -> FloatArray:
        """Numbers that are equal where patterns are, shape (g, c)."""
        flat = self.covariates.reshape(len(self.time), -1)
        return np.column_stack([self.time, self.level, flat, self.stratum])


@dataclass(frozen=True, slots=True)
class ResidualForm:
    """A form of residual covariance; its parameters are a vector of numbers without bounds.

    The parameters of the correlation come first, stratum by stratum, then the logarithms of the
    standard deviations of all levels but the first over that of the first, then the slopes of the
    logarithm in covariates.

    Attributes
    ----------
    kind : str
    periods : int
        Periods of the unstructured form; longest lag of a Toeplitz form.
    strata : int
        Groups of units with a correlation of their own.
    levels : int
        Levels of rows with a variance of their own.
    scale : float
        Length of time by which the rate of decay is measured.
    covariates : int
        Variables on which the logarithm of the standard deviation depends.
    """

    kind: Kind
    periods: int = 1
    strata: int = 1
    levels: int = 1
    scale: float = 1.0
    covariates: int = 0

    @property
    def own(self) -> int:
        """Parameters of the correlation of one stratum."""
        t = self.periods
        counts = {"independent": 0, "toeplitz": t, "unstructured": t * (t + 1) // 2 - 1}
        return counts.get(self.kind, 1)

    @property
    def size(self) -> int:
        """Number of parameters."""
        return self.strata * self.own + self.levels - 1 + self.covariates

    def ratios(self, theta: FloatArray) -> FloatArray:
        """Standard deviations by level over that of the first, shape (levels,)."""
        first = self.strata * self.own
        return np.asarray(np.exp(np.append(0.0, theta[first : first + self.levels - 1])))

    def slopes(self, theta: FloatArray) -> FloatArray:
        """Slopes of the logarithm of the standard deviation in covariates, shape (k,)."""
        return theta[theta.size - self.covariates :]

    def deviations(self, theta: FloatArray, patterns: Patterns) -> FloatArray:
        """Standard deviations of rows over that of the first level, shape (g, T)."""
        along = patterns.covariates @ self.slopes(theta)
        return np.asarray(self.ratios(theta)[patterns.level] * np.exp(along))

    def strata_of(self, theta: FloatArray) -> FloatArray:
        """Parameters of the correlation, shape (strata, own)."""
        return theta[: self.strata * self.own].reshape(self.strata, self.own)

    def roots(self, theta: FloatArray) -> FloatArray:
        """Lower factors of the unstructured form, shape (strata, periods, periods)."""
        root = np.zeros((self.strata, self.periods, self.periods))
        rows, columns = self._entries()
        root[:, rows, columns] = self.strata_of(theta)
        diagonal = np.arange(self.periods)
        root[:, diagonal, diagonal] = np.exp(root[:, diagonal, diagonal])
        return root

    def matrices(self, theta: FloatArray, patterns: Patterns) -> FloatArray:
        """Covariances over the residual variance, shape (g, T, T)."""
        s = self.deviations(theta, patterns)
        return np.asarray(s[:, :, None] * s[:, None] * self._correlations(theta, patterns)[0])

    def variances(
        self,
        theta: FloatArray,
        time: FloatArray,
        level: IntArray,
        covariates: FloatArray,
        stratum: IntArray,
    ) -> FloatArray:
        """Variances of single rows over the residual variance, shape (n,); covariates (k, n)."""
        each = Patterns(time[:, None], level[:, None], covariates.T[:, None], stratum)
        return self.matrices(theta, each)[:, 0, 0]

    def pull(self, theta: FloatArray, patterns: Patterns, weight: FloatArray) -> FloatArray:
        """Derivative of the sum of ``weight o R``, symmetric weights (g, T, T): shape (size,)."""
        s = self.deviations(theta, patterns)
        c, changes = self._correlations(theta, patterns)
        inner = s[:, :, None] * s[:, None] * weight
        own = np.zeros((self.strata, self.own))
        if self.kind == "unstructured":
            own = self._pull_roots(theta, patterns, inner)
        for j, change in enumerate(changes):
            np.add.at(own[:, j], patterns.stratum, (inner * change).sum(axis=(1, 2)))
        ratios = np.zeros(self.levels)
        by_row = 2 * (inner * c).sum(axis=2)
        np.add.at(ratios, patterns.level, by_row)
        slopes = np.einsum("gt,gtk->k", by_row, patterns.covariates)
        return np.concatenate([own.ravel(), ratios[1:], slopes])

    def starts(self) -> list[FloatArray]:
        """First guesses, of which the best is taken."""
        guesses = {"ar1": (0.1, 0.5, 1.2), "car1": (-2.0, -0.5, 1.0), "ma1": (0.2,)}
        found = []
        for value in guesses.get(self.kind, (0.0,)):
            theta = np.zeros(self.size)
            theta[: self.strata * self.own] = value
            found.append(theta)
        return found

    def _entries(self) -> tuple[IntArray, IntArray]:
        rows, columns = np.tril_indices(self.periods)
        return rows[1:].astype(np.int64), columns[1:].astype(np.int64)

    def _correlations(
        self, theta: FloatArray, patterns: Patterns
    ) -> tuple[FloatArray, list[FloatArray]]:
        """Correlations and their derivatives, each (g, T, T)."""
        own = self.strata_of(theta)[patterns.stratum]
        time = patterns.time
        if self.kind == "unstructured":
            full = self.roots(theta)
            places = time.astype(np.int64)
            rows = full[patterns.stratum[:, None], places]
            return rows @ rows.swapaxes(1, 2), []
        apart = np.abs(time[:, :, None] - time[:, None])
        same = np.broadcast_to(np.eye(time.shape[1]), apart.shape)
        if self.kind == "independent":
            return same, []
        if self.kind == "car1":
            rate = np.exp(own[:, :1, None]) * apart / self.scale
            c = np.exp(-rate)
            return c, [-rate * c]
        return _lagged(self.kind, own, apart, same)

    def _pull_roots(self, theta: FloatArray, patterns: Patterns, inner: FloatArray) -> FloatArray:
        t = self.periods
        places = patterns.time.astype(np.int64)
        total = np.zeros((self.strata, t, t))
        stratum = patterns.stratum[:, None, None]
        np.add.at(total, (stratum, places[:, :, None], places[:, None]), inner)
        root = self.roots(theta)
        moved = 2 * total @ root
        diagonal = np.arange(t)
        moved[:, diagonal, diagonal] *= root[:, diagonal, diagonal]
        rows, columns = self._entries()
        return np.asarray(moved[:, rows, columns])


def _lagged(
    kind: str, own: FloatArray, apart: FloatArray, same: FloatArray
) -> tuple[FloatArray, list[FloatArray]]:
    """Correlations that are functions of whole numbers of periods, and their derivatives."""
    r = np.tanh(own)[:, :, None, None]
    steep = 1 - r**2
    lags = np.rint(apart)
    if kind == "exchangeable":
        return same + r[:, 0] * (1 - same), [steep[:, 0] * (1 - same)]
    if kind == "ar1":
        before = np.power(r[:, 0], np.maximum(lags - 1, 0))
        return np.where(lags == 0, 1.0, before * r[:, 0]), [steep[:, 0] * lags * before]
    if kind == "ma1":
        next_to = (lags == 1).astype(np.float64)
        square = 1 + r[:, 0] ** 2
        slope = (1 - r[:, 0] ** 2) / square**2
        return same + r[:, 0] / square * next_to, [steep[:, 0] * slope * next_to]
    c, changes = same.copy(), []
    for j in range(own.shape[1]):
        here = (lags == j + 1).astype(np.float64)
        c += r[:, j] * here
        changes.append(steep[:, j] * here)
    return c, changes
