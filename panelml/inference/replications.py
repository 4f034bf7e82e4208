"""Covariances from estimates that were computed again: placebos, jackknife, bootstrap."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NoReturn

import numpy as np

from panelml._typing import FloatArray
from panelml.core.keyed import KeyedSums
from panelml.data.sample import Sample
from panelml.errors import SpecificationError
from panelml.inference.estimate import Covariance, Estimate

__all__ = ["Replicates", "Replications"]


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

    @property
    def frequency(self) -> bool:
        """Whether weights are counts of equal rows: there are no rows here."""
        return False

    @property
    def by_unit(self) -> bool:
        """Whether a unit counts as a whole."""
        return True

    def mapped(self, matrix: FloatArray) -> Replicates:
        """Return the deviations of linear functions of the parameters, ``matrix`` (m, k)."""
        return replace(self, psi=matrix @ self.psi)

    def row_products(self) -> FloatArray:
        """Sum products of the deviations, shape (k, k)."""
        return self.psi @ self.psi.T

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
        "covariance can replace. Choose inference= and fit again."
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
        influence = fit.influence
        if not isinstance(influence, Replicates):
            raise SpecificationError("This fit has no replications.")
        words = f"{self.kind}, {influence.psi.shape[1]:,} replications"
        return Covariance(influence.row_products(), float("inf"), words, {})
