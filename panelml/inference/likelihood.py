"""Degrees of freedom, and covariances for small samples, from the curvature of a likelihood."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from panelml._typing import FloatArray
from panelml.core.mixed_information import (
    Sensitivity,
    VarianceInformation,
    kenward_roger,
    satterthwaite,
)
from panelml.errors import SpecificationError

__all__ = ["ContrastRule", "Curvature", "KenwardRogerRule", "SatterthwaiteRule"]


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

    def information(self) -> VarianceInformation:
        """Compute the information, in a pass over the data."""
        ...

    def sensitivity(self) -> Sensitivity:
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
    """Match the first two moments of the estimated variance of each contrast.

    Source: Fai and Cornelius (1996), *Journal of Statistical Computation and Simulation* 54,
    363-378, for several restrictions.

    Attributes
    ----------
    moved : Sensitivity
    back : FloatArray, shape (k, p)
    """

    moved: Sensitivity
    back: FloatArray

    def f_statistic(self, contrast: FloatArray, statistic: float) -> tuple[float, float]:
        """Return the F statistic and its denominator degrees of freedom."""
        df, _ = satterthwaite(self.moved, contrast @ self.back)
        if df.size == 1:
            return statistic, float(df[0])
        usable = df[df > 2]
        expected = float((usable / (usable - 2)).sum())
        if expected <= df.size:
            return statistic, float(df.min())
        return statistic, 2 * expected / (expected - df.size)


@dataclass(frozen=True, slots=True)
class KenwardRogerRule:
    """Match two moments of the Wald statistic with the adjusted covariance.

    Source: Kenward and Roger (1997), *Biometrics* 53, 983-997.

    Attributes
    ----------
    info : VarianceInformation
    back : FloatArray, shape (k, p)
    """

    info: VarianceInformation
    back: FloatArray

    def f_statistic(self, contrast: FloatArray, statistic: float) -> tuple[float, float]:
        """Return the F statistic, scaled, and its denominator degrees of freedom."""
        df, scale = kenward_roger(self.info, contrast @ self.back)
        return statistic * scale, df


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
