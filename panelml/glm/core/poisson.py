"""Poisson likelihood: sums over rows, with all constants."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.special import gammaln, xlogy

from panelml._typing import FloatArray, IntArray
from panelml.core.block import Block
from panelml.core.groups import group_sums

__all__ = ["OutcomeSums", "PoissonSums", "of_counts", "unit_constants"]


def of_counts(function: Callable[[FloatArray], FloatArray], y: FloatArray) -> FloatArray:
    """Evaluate a function of an outcome, once for each number where these are small counts."""
    top = y.max(initial=0.0)
    if top < y.size and y.min(initial=0.0) >= 0:
        whole = y.astype(np.intp)
        if (whole == y).all():
            return np.asarray(function(np.arange(top + 1))[whole])
    return np.asarray(function(y))


def _log_factorial(y: FloatArray) -> FloatArray:
    return np.asarray(gammaln(y + 1))


def _saturated(y: FloatArray) -> FloatArray:
    """Log-likelihood of outcomes at themselves, less what they alone give, shape (n,)."""
    return np.asarray(xlogy(y, y) - y)


def unit_constants(y: FloatArray, weights: FloatArray, starts: IntArray) -> FloatArray:
    """Return the log-likelihood of each unit's total at its own mean, shape (g,).

    Less these, the log-likelihood of a model with unit effects is that given the totals
    (Hausman, Hall and Griliches 1984, *Econometrica* 52, equation 2.3).
    """
    total = group_sums(y * weights, starts)
    return np.asarray(xlogy(total, total) - total - gammaln(total + 1))


@dataclass(frozen=True, slots=True)
class OutcomeSums:
    """Sums over rows that are the same for any mean.

    Attributes
    ----------
    weight : float
        Sum of the weights.
    outcome : float
        Sum of the outcome.
    saturated : float
        Sum of the log-likelihoods where each mean is the outcome, less what this alone gives them.
    spans : FloatArray, shape (k,)
        Largest absolute values of the regressors.
    """

    weight: float
    outcome: float
    saturated: float
    spans: FloatArray

    @classmethod
    def of(cls, block: Block) -> OutcomeSums:
        """Sum over the rows of a block."""
        y, w = block.outcome, block.row_weights
        x = block.regressors
        spans = np.maximum(x.max(axis=1, initial=0.0), -x.min(axis=1, initial=0.0))
        return cls(float(w.sum()), float(w @ y), float(w @ of_counts(_saturated, y)), spans)

    def __add__(self, other: OutcomeSums) -> OutcomeSums:
        return OutcomeSums(
            self.weight + other.weight,
            self.outcome + other.outcome,
            self.saturated + other.saturated,
            np.maximum(self.spans, other.spans),
        )


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
        constants, mean = of_counts(_log_factorial, y), np.exp(index)
        fitted = y * index - mean
        exposed = np.exp(offset) if offset.any() else np.ones(y.size)
        return cls(
            float(weights.sum()),
            float(weights @ y),
            float(weights @ exposed),
            float(weights @ (y * offset)),
            float(weights @ constants),
            float(weights @ (fitted - constants)),
            float(weights @ (2 * (of_counts(_saturated, y) - fitted))),
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
