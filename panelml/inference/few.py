"""Inference with few treated, or few comparison, clusters: degrees of freedom of the fewer."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from panelml._typing import BoolArray, FloatArray
from panelml.inference.covariance import Covariance, CovLike, parse
from panelml.inference.estimate import Estimate

__all__ = ["LEAST", "FewClusters", "Visible", "effective"]

# With fewer degrees of freedom nothing is said: t with three has its 5% point beyond three.
LEAST = 4
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
    """

    df: FloatArray
    inflation: FloatArray

    @property
    def known(self) -> BoolArray:
        """Effects with standard errors that hold, shape (k,)."""
        return np.isfinite(self.inflation)


def effective(treated: FloatArray, means: FloatArray, comparison: float) -> Visible:
    """Count the degrees of freedom of differences of treated and comparison clusters.

    Residuals of treated clusters are deviations from the means of their cohorts, so that n
    clusters in c cohorts show the variance with n - c degrees of freedom, and a share c / n of it
    is not seen. Variances are multiplied by what is missing where all clusters vary alike.

    Parameters
    ----------
    treated, means : FloatArray, shape (k,)
        Treated clusters of each effect, and the means that were taken off them.
    comparison : float
        Number of comparison clusters.

    Notes
    -----
    The degrees of freedom of Welch (1947), *Biometrika* 34, 28-35, are no fewer than those of
    the smaller group, which are taken here; Donald and Lang (2007), *Review of Economics and
    Statistics* 89, 221-233, for t of few groups.
    """
    n, m = np.asarray(treated, dtype=np.float64), np.float64(comparison)
    seen = n - means
    df = np.minimum(seen, m - 1)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = (1 / n + 1 / m) / (seen / n**2 + (m - 1) / m**2)
    ratio = np.where((df >= ENOUGH) & (ratio <= MISSING), 1.0, ratio)
    return Visible(df, np.where(df < LEAST, np.nan, ratio))


@dataclass(frozen=True, slots=True)
class Hotelling:
    """Refer Wald tests to Hotelling's T-squared: F of r and df - r + 1, scaled.

    Attributes
    ----------
    df : FloatArray, shape (k,)
        Of the covariance of each parameter; a test takes the fewest of those that it moves.
    """

    df: FloatArray

    def f_statistic(self, contrast: FloatArray, statistic: float) -> tuple[float, float]:
        """Scale the Wald statistic over r; missing where restrictions exhaust the covariance."""
        df = float(self.df[contrast.any(axis=0)].min())
        left = df - len(contrast) + 1
        return (statistic * left / df, left) if left >= 1 else (float("nan"), 1.0)


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
        found = parse(self.cov).estimate(fit)
        k = len(found.matrix)
        own = found.df if found.term_df is None else found.term_df
        df = np.broadcast_to(np.minimum(self.visible.df, own), k)
        scale = np.broadcast_to(np.sqrt(self.visible.inflation), k)
        same = df.min() == df.max()
        return replace(
            found, matrix=found.matrix * np.outer(scale, scale), df=float(df.min()),
            term_df=None if same else df, rule=Hotelling(df), notes=(),
            description=f"{found.description}{self._words}",
        )  # fmt: skip

    @property
    def _words(self) -> str:
        if not self.visible.known.any():
            return ", withheld: too few treated or comparison clusters"
        most = float(np.nanmax(self.visible.inflation))
        return f", variances times up to {most:.3g} for few clusters" if most > 1 else ""
