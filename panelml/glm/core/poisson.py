"""Poisson likelihood: sums over rows, with all constants."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import gammaln, xlogy

from panelml._typing import FloatArray, IntArray
from panelml.core.groups import group_sums

__all__ = ["PoissonSums", "deviance_residuals", "unit_constants"]


def deviance_residuals(y: FloatArray, index: FloatArray) -> FloatArray:
    """Twice the log-likelihood that each row lacks at its own best mean, shape (n,).

    Source: McCullagh and Nelder (1989), *Generalized Linear Models*, section 2.3.3.
    """
    return np.asarray(2 * (xlogy(y, y) - y * index - (y - np.exp(index))))


def unit_constants(y: FloatArray, weights: FloatArray, starts: IntArray) -> FloatArray:
    """Return the log-likelihood of each unit's total at its own mean, shape (g,).

    Less these, the log-likelihood of a model with unit effects is that given the totals
    (Hausman, Hall and Griliches 1984, *Econometrica* 52, equation 2.3).
    """
    total = group_sums(y * weights, starts)
    return np.asarray(xlogy(total, total) - total - gammaln(total + 1))


@dataclass(frozen=True, slots=True)
class PoissonSums:
    """Sums over rows of what the likelihoods of a model and of a constant take.

    Attributes
    ----------
    weight : float
        Sum of the weights.
    outcome : float
        Sum of the outcome.
    exposed : float
        Sum of the exponentials of the offset.
    outcome_offset : float
        Sum of the outcome times the offset.
    constants : float
        Sum of ``log(y!)``.
    loglik, deviance : float
        Of the model.
    """

    weight: float
    outcome: float
    exposed: float
    outcome_offset: float
    constants: float
    loglik: float
    deviance: float

    @classmethod
    def of(
        cls, y: FloatArray, weights: FloatArray, index: FloatArray, offset: FloatArray
    ) -> PoissonSums:
        """Sum over rows, each shape (n,).

        Parameters
        ----------
        y, weights : FloatArray
        index : FloatArray
            Logarithm of the model's mean.
        offset : FloatArray
        """
        constants = gammaln(y + 1)
        return cls(
            float(weights.sum()),
            float(weights @ y),
            float(weights @ np.exp(offset)),
            float(weights @ (y * offset)),
            float(weights @ constants),
            float(weights @ (y * index - np.exp(index) - constants)),
            float(weights @ deviance_residuals(y, index)),
        )

    def __add__(self, other: PoissonSums) -> PoissonSums:
        return PoissonSums(
            self.weight + other.weight,
            self.outcome + other.outcome,
            self.exposed + other.exposed,
            self.outcome_offset + other.outcome_offset,
            self.constants + other.constants,
            self.loglik + other.loglik,
            self.deviance + other.deviance,
        )

    @property
    def null_loglik(self) -> float:
        """Log-likelihood of a constant beside the offset."""
        level = np.log(self.outcome / self.exposed)
        return float(self.outcome * level + self.outcome_offset - self.outcome - self.constants)
