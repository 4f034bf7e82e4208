"""Inference with few treated, or few comparison, clusters: degrees of freedom of the fewer."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from panelml._typing import BoolArray, FloatArray, IntArray
from panelml.inference.clusters import few_clusters
from panelml.inference.covariance import Covariance, CovLike, estimate_covariance
from panelml.inference.estimate import Estimate

__all__ = ["LEAST", "LEAST_CLUSTERS", "FewClusters", "Visible", "effective"]

# With fewer degrees of freedom nothing is said: t with three has its 5% point beyond three.
LEAST = 4
# So many clusters on one side leave that many, where all of them are of one cohort.
LEAST_CLUSTERS = LEAST + 1
# From so many on, variances of which no more is missing are left as the estimator gives them.
ENOUGH = 15
MISSING = 1.2


@dataclass(frozen=True, slots=True)
class Visible:
    """How well residuals show the variance of effects.

    Attributes
    ----------
    df : FloatArray, shape (k,)
        Degrees of freedom of t.
    inflation : FloatArray, shape (k,)
        By which variances are multiplied; missing where no standard error holds.
    joint_df : FloatArray, shape (k,)
        Degrees of freedom of joint tests, to which both groups contribute.
    missing : FloatArray, shape (k,)
        True over shown variance where all clusters vary alike.
    """

    df: FloatArray
    inflation: FloatArray
    joint_df: FloatArray
    missing: FloatArray

    def withheld(self) -> Visible:
        """Let no standard error hold."""
        return replace(self, inflation=np.full(self.df.shape, np.nan))

    def at(self, place: IntArray) -> Visible:
        """Choose some, in another order."""
        return Visible(
            self.df[place], self.inflation[place], self.joint_df[place], self.missing[place]
        )

    def worst(self) -> Visible:
        """Return what holds for all, shape (1,)."""
        return Visible(
            self.df.min(keepdims=True),
            self.inflation.max(keepdims=True),
            self.joint_df.min(keepdims=True),
            self.missing.max(keepdims=True),
        )

    @property
    def known(self) -> BoolArray:
        """Effects with standard errors that hold, shape (k,)."""
        return np.isfinite(self.inflation)


def effective(
    share: FloatArray, size: FloatArray, group: IntArray, most: FloatArray, comparison: float
) -> Visible:
    """Count the degrees of freedom of differences of treated and comparison clusters.

    Residuals of treated clusters are deviations from the means of their cohorts, so that n
    clusters of a cohort show its variance with n - 1 degrees of freedom, and 1 / n of it is not
    seen. Variances are multiplied by what is missing where all clusters vary alike.

    Parameters
    ----------
    share : FloatArray, shape (c,)
        Of each cohort in the average effect to which it contributes.
    size : FloatArray, shape (c,)
        Its clusters; where they weigh differently, as many equal ones as vary like them.
    group : IntArray, shape (c,)
        Number of the average effect.
    most : FloatArray, shape (k,)
        Treated clusters of each average effect less one: fewer than those of its cohorts where
        clusters belong to several.
    comparison : float
        Number of comparison clusters, likewise.

    Notes
    -----
    Cohorts combine as in Satterthwaite (1946), *Biometrics Bulletin* 2, 110-114, and so do, for
    joint tests, treated and comparison clusters. The degrees of freedom of t are no fewer than
    those of the smaller group, which are taken (Welch 1947, *Biometrika* 34, 28-35). For t of few
    groups see Donald and Lang (2007), *Review of Economics and Statistics* 89, 221-233, for
    clusters that weigh differently Carter, Schnepel and Steigerwald (2017), same journal, 99,
    698-709.
    """
    m = np.float64(comparison)
    true, shown = share**2 / size, share**2 * (size - 1) / size**2
    with np.errstate(divide="ignore", invalid="ignore"):
        spread = np.where(size > 1, shown**2 / (size - 1), 0.0)
        sums = [np.bincount(group, part) for part in (true, shown, spread)]
        own = np.minimum(np.where(sums[1] > 0, sums[1] ** 2 / sums[2], 0.0), most)
        other = (m - 1) / m**2
        ratio = (sums[0] + 1 / m) / (sums[1] + other)
        joint = (sums[1] + other) ** 2 / (sums[1] ** 2 / own + other**2 / (m - 1))
    df = np.minimum(np.round(own, 9), m - 1)
    inflation = np.where((df >= ENOUGH) & (ratio <= MISSING), 1.0, ratio)
    return Visible(df, np.where(df < LEAST, np.nan, inflation), np.round(joint, 1), ratio)


@dataclass(frozen=True, slots=True)
class Hotelling:
    """Refer Wald tests to Hotelling's T-squared: F of r and df - r + 1, scaled.

    Attributes
    ----------
    df : FloatArray, shape (k,)
        Of the covariance of each parameter; a test takes the fewest of those that it moves.
    missing : FloatArray, shape (k,)
        By how much each variance is still too small; a test takes the largest.
    """

    df: FloatArray
    missing: FloatArray

    def f_statistic(self, contrast: FloatArray, statistic: float) -> tuple[float, float]:
        """Scale the Wald statistic over r; missing where restrictions exhaust the covariance."""
        moved = contrast.any(axis=0)
        df = float(self.df[moved].min())
        left = df - len(contrast) + 1
        if left < 1:
            return float("nan"), 1.0
        return statistic / float(self.missing[moved].max()) * left / df, left


@dataclass(frozen=True, slots=True)
class FewClusters:
    """Another covariance, with the degrees of freedom that few clusters leave.

    Attributes
    ----------
    cov : str or covariance
    visible : Visible
        For all parameters, shape (1,), or for each.
    """

    cov: CovLike
    visible: Visible

    def estimate(self, fit: Estimate) -> Covariance:
        """Inflate variances; they are missing where no standard error holds."""
        found = estimate_covariance(self.cov, fit)
        k = len(found.matrix)
        own = found.df if found.term_df is None else found.term_df
        seen = self.visible
        df = np.broadcast_to(np.minimum(seen.df, own), k)
        scale = np.broadcast_to(np.sqrt(seen.inflation), k)
        rule = Hotelling(
            np.broadcast_to(np.minimum(seen.joint_df, own), k),
            np.broadcast_to(seen.missing / seen.inflation, k),
        )
        same = df.min() == df.max()
        return replace(
            found,
            matrix=found.matrix * np.outer(scale, scale),
            df=float(df.min()),
            term_df=None if same else df,
            rule=rule,
            notes=tuple(note for note in found.notes if note not in few_clusters(found.clusters)),
            description=f"{found.description}{self._words}",
        )

    @property
    def _words(self) -> str:
        if not self.visible.known.any():
            return ", withheld: too few treated or comparison clusters"
        most = float(np.nanmax(self.visible.inflation))
        return f", variances times up to {most:.3g} for few clusters" if most > 1 else ""
