"""What a covariance estimator is given, and what it returns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from panelml._typing import FloatArray
from panelml.core.leverage import Adjusted, Power
from panelml.errors import SpecificationError
from panelml.inference.correction import Counts
from panelml.inference.influence import Influence, InfluenceFunction
from panelml.inference.likelihood import ContrastRule, Curvature

__all__ = ["ClusterLeverage", "CovSpec", "Covariance", "Estimate"]


class ClusterLeverage(Protocol):
    """Cluster leverage of a model whose rows are dependent: what CR2 and CR3 take."""

    def adjusted(
        self, influence: Influence, columns: tuple[str, ...], power: Power
    ) -> tuple[Adjusted, FloatArray]:
        """Adjust the scores of clusters.

        Parameters
        ----------
        influence : Influence
        columns : tuple of str
            By which rows are clustered.
        power : {"CR2", "CR3"}

        Returns
        -------
        adjusted : Adjusted
        total : FloatArray, shape (m, m)
            Sum over clusters of ``X' V^-1 X``.
        """
        ...


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a covariance estimator needs to know of a fit.

    Attributes
    ----------
    names : tuple of str
        Of the parameters.
    influence : InfluenceFunction
    model_cov : FloatArray, shape (k, k), or None
        The covariance the model itself implies, where it implies one.
    counts : Counts
    curvature : Curvature, or None
        Of the likelihood, for fits that have one.
    leverage : ClusterLeverage, or None
        Of a fit that is not least squares.

    Examples
    --------
    >>> import panelml as pm
    >>> panel = pm.Panel(pm.datasets.wage_panel(), unit="nr", time="year")
    >>> fit = pm.FixedEffects("lwage ~ union").fit(panel)
    >>> print(fit.attached.estimate.names)
    ('union',)
    """

    names: tuple[str, ...]
    influence: InfluenceFunction
    model_cov: FloatArray | None
    counts: Counts
    curvature: Curvature | None = None
    leverage: ClusterLeverage | None = None

    @property
    def measure(self) -> FloatArray | None:
        """The model's own covariance where it has one that is not zero, to measure others by."""
        return None if self.model_cov is None or not self.model_cov.any() else self.model_cov

    @property
    def iid_cov(self) -> FloatArray:
        """The covariance the model itself implies, shape (k, k).

        Raises
        ------
        SpecificationError
            If it implies none.
        """
        if self.model_cov is None:
            raise SpecificationError(
                "This estimator makes no assumption from which 'iid' standard errors follow. Use "
                "'cluster', or 'cluster:column'."
            )
        return self.model_cov

    @property
    def rows(self) -> Influence:
        """The influence of each row.

        Raises
        ------
        SpecificationError
            If units count as a whole.
        """
        if isinstance(self.influence, Influence):
            return self.influence
        raise SpecificationError(
            "This is asked of regressions, whose rows count one by one; here each unit counts as a "
            "whole."
        )


@dataclass(frozen=True, slots=True)
class Covariance:
    """An estimated covariance of parameters.

    Attributes
    ----------
    matrix : FloatArray, shape (k, k)
    df : float
        Degrees of freedom of t; infinite for the normal distribution.
    description : str
        In words, for tables.
    clusters : dict of str to int
        Number of clusters by cluster variable.
    notes : tuple of str
    rule : ContrastRule, or None
        Where degrees of freedom depend on the contrast; ``df`` is then the least of the terms'.
    term_df : FloatArray, shape (k,), or None
        Degrees of freedom of each parameter, where they differ.
    draws : FloatArray, shape (reps, k), or None
        Deviations of a bootstrap's draws from the estimates.

    Examples
    --------
    >>> import panelml as pm
    >>> panel = pm.Panel(pm.datasets.wage_panel(), unit="nr", time="year")
    >>> fit = pm.FixedEffects("lwage ~ union").fit(panel)
    >>> print(fit.covariance.description)
    clustered by nr (545 clusters)
    """

    matrix: FloatArray
    df: float
    description: str
    clusters: Mapping[str, int]
    notes: tuple[str, ...] = ()
    rule: ContrastRule | None = None
    term_df: FloatArray | None = None
    draws: FloatArray | None = None


class CovSpec(Protocol):
    """A covariance estimator: a frozen value.

    Examples
    --------
    >>> import panelml as pm
    >>> print(isinstance(pm.cov.parse("cluster:state"), pm.cov.Clustered))
    True
    """

    def estimate(self, fit: Estimate) -> Covariance:
        """Estimate the covariance of a fit."""
        ...
