"""Covariances from estimates that were computed again: placebos, jackknife, bootstrap."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NoReturn

import numpy as np

from panelml._typing import FloatArray
from panelml.core.equations import Grain
from panelml.core.keyed import KeyedSums
from panelml.data.sample import Sample
from panelml.errors import SpecificationError
from panelml.inference.estimate import Covariance, Estimate

__all__ = ["Jackknife", "Replicates", "Replications"]


@dataclass(frozen=True, slots=True)
class Replicates:
    """Deviations of repeated estimates, scaled so that their products sum to the covariance.

    Attributes
    ----------
    sample : Sample
    psi : FloatArray, shape (k, reps)
    """

    sample: Sample
    psi: FloatArray

    @classmethod
    def of(cls, sample: Sample, draws: FloatArray, *, jackknife: bool = False) -> Replicates:
        """Scale repeated estimates, shape (reps, k)."""
        reps = len(draws)
        centred = draws - draws.mean(axis=0)
        factor = (reps - 1) / reps if jackknife else 1 / reps
        return cls(sample, np.sqrt(factor) * centred.T)

    @classmethod
    def around(cls, sample: Sample, without: FloatArray, whole: FloatArray) -> Replicates:
        """Scale estimates without each cluster, shape (clusters, k), around the whole ones."""
        clusters = len(without)
        return cls(sample, np.sqrt((clusters - 1) / clusters) * (without - whole).T)

    @property
    def frequency(self) -> bool:
        """Whether weights are counts of equal rows: there are no rows here."""
        return False

    @property
    def grain(self) -> Grain:
        """Replications are what is counted."""
        return "replication"

    def mapped(self, matrix: FloatArray) -> Replicates:
        """Return the deviations of linear functions of the parameters, ``matrix`` (m, k)."""
        return replace(self, psi=matrix @ self.psi)

    def row_products(self) -> FloatArray:
        """Refuse: replications are no rows.

        Raises
        ------
        SpecificationError
            Always.
        """
        _refuse()

    def sums(self, names: tuple[str, ...]) -> KeyedSums:
        """Refuse: replications belong to no cluster.

        Raises
        ------
        SpecificationError
            Always.
        """
        _refuse()

    def serial_products(self, lags: int) -> FloatArray:
        """Refuse: replications have no order in time.

        Raises
        ------
        SpecificationError
            Always.
        """
        _refuse()


def _refuse() -> NoReturn:
    raise SpecificationError(
        "These standard errors come from replications of the whole estimate, which no other "
        "covariance can replace. Fit again, or take the fit they were made for."
    )


@dataclass(frozen=True, slots=True)
class Replications:
    """The covariance of repeated estimates.

    Attributes
    ----------
    kind : str
        How they were repeated, for tables.
    """

    kind: str

    def estimate(self, fit: Estimate) -> Covariance:
        """Sum products of deviations."""
        psi = _deviations(fit)
        words = f"{self.kind}, {psi.shape[1]:,} replications"
        return Covariance(psi @ psi.T, float("inf"), words, {})


@dataclass(frozen=True, slots=True)
class Jackknife:
    """The covariance of estimates without each cluster, with t by their number less one.

    Attributes
    ----------
    name : str
        Of the clusters.
    """

    name: str

    def estimate(self, fit: Estimate) -> Covariance:
        """Sum products of deviations."""
        psi = _deviations(fit)
        clusters = psi.shape[1]
        words = f"jackknife by {self.name} ({clusters:,} clusters)"
        return Covariance(psi @ psi.T, clusters - 1.0, words, {self.name: clusters})


def _deviations(fit: Estimate) -> FloatArray:
    if not isinstance(fit.influence, Replicates):
        raise SpecificationError("This fit has no replications.")
    return fit.influence.psi
