"""Degrees of freedom, and covariances for small samples, from the curvature of a likelihood."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from panelml._typing import FloatArray, IntArray
from panelml.errors import SpecificationError

__all__ = [
    "ContrastDegrees",
    "ContrastRule",
    "Curvature",
    "KenwardRogerRule",
    "SatterthwaiteRule",
    "SmallSampleInformation",
    "approximate_hotelling",
]


class ContrastDegrees(Protocol):
    """How the covariance of fixed effects moves with variance parameters."""

    def degrees(self, contrast: FloatArray) -> float:
        """Satterthwaite's degrees of freedom of a contrast of working effects, shape (q, p)."""
        ...


class SmallSampleInformation(Protocol):
    """Information on the variance parameters of a likelihood."""

    @property
    def rows(self) -> IntArray:
        """Rows of the covariance's free entries, shape (t,)."""
        ...

    @property
    def columns(self) -> IntArray:
        """Their columns, shape (t,)."""
        ...

    def parameter_cov(self) -> FloatArray:
        """Covariance of the residual variance and of the entries, shape (1 + t, 1 + t)."""
        ...

    def adjusted_phi(self) -> FloatArray:
        """Covariance of the working fixed effects for small samples, shape (p, p)."""
        ...

    def kenward_roger(self, contrast: FloatArray) -> tuple[float, float]:
        """Degrees of freedom and scale of the F statistic of a contrast, shape (q, p)."""
        ...


class Curvature(Protocol):
    """What gives the information on a fit's variance parameters."""

    @property
    def back(self) -> FloatArray:
        """From the likelihood's fixed effects to the reported parameters, shape (k, p)."""
        ...

    @property
    def known(self) -> bool:
        """Whether the information can be computed."""
        ...

    def information(self) -> SmallSampleInformation:
        """Compute the information, in a pass over the data."""
        ...

    def sensitivity(self) -> ContrastDegrees:
        """Compute what degrees of freedom by Satterthwaite take, in a pass over the data."""
        ...


class ContrastRule(Protocol):
    """Degrees of freedom that depend on the contrast."""

    def f_statistic(self, contrast: FloatArray, statistic: float) -> tuple[float, float]:
        """Return the F statistic and its denominator degrees of freedom.

        Parameters
        ----------
        contrast : FloatArray, shape (r, k)
        statistic : float
            The Wald statistic over r.
        """
        ...


@dataclass(frozen=True, slots=True)
class SatterthwaiteRule:
    """Match two moments of the estimated covariance of a contrast by a Wishart distribution.

    For one restriction these are Satterthwaite's degrees of freedom, as lmerTest; for several the
    approximate Hotelling test. lmerTest tests these after Fai and Cornelius (1996), whose degrees
    of freedom depend on how the restrictions are written and on units of measurement.

    Attributes
    ----------
    moved : ContrastDegrees
    back : FloatArray, shape (k, p)
    """

    moved: ContrastDegrees
    back: FloatArray

    def f_statistic(self, contrast: FloatArray, statistic: float) -> tuple[float, float]:
        """Return the F statistic and its denominator degrees of freedom."""
        degrees = self.moved.degrees(contrast @ self.back)
        return approximate_hotelling(statistic, len(contrast), degrees)


@dataclass(frozen=True, slots=True)
class KenwardRogerRule:
    """Match two moments of the Wald statistic with the adjusted covariance.

    Source: Kenward and Roger (1997), *Biometrics* 53, 983-997.

    Attributes
    ----------
    info : SmallSampleInformation
    back : FloatArray, shape (k, p)
    """

    info: SmallSampleInformation
    back: FloatArray

    def f_statistic(self, contrast: FloatArray, statistic: float) -> tuple[float, float]:
        """Return the F statistic, scaled, and its denominator degrees of freedom."""
        df, scale = self.info.kenward_roger(contrast @ self.back)
        return statistic * scale, df


def approximate_hotelling(statistic: float, q: int, degrees: float) -> tuple[float, float]:
    """Refer a Wald statistic of q restrictions to Hotelling's T-squared by F.

    Parameters
    ----------
    statistic : float
        The Wald statistic over q.
    q : int
    degrees : float
        Of the Wishart distribution of the estimated covariance.

    Returns
    -------
    statistic, df : float
        F and its denominator degrees of freedom, NaN where they are not positive.

    Notes
    -----
    Source: Pustejovsky and Tipton (2018), *Journal of Business & Economic Statistics* 36,
    672-683, section 3.2: the approximate Hotelling test (AHT).
    """
    if np.isinf(degrees):
        return statistic, degrees
    df = degrees - q + 1
    if not df > 0:
        return float("nan"), float("nan")
    return statistic * df / degrees, df


def term_df(rule: ContrastRule, k: int) -> FloatArray:
    """Degrees of freedom of each parameter, shape (k,)."""
    return np.array([rule.f_statistic(row[None], 0.0)[1] for row in np.eye(k)])


def require_curvature(curvature: Curvature | None, name: str) -> Curvature:
    """Return the curvature of a fit that has one.

    Raises
    ------
    SpecificationError
        For any other fit.
    """
    if curvature is None:
        raise SpecificationError(f"{name} is for mixed models. Use 'cluster' or 'iid'.")
    return curvature
