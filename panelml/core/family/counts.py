"""Counts: the Poisson distribution, and the negative binomial one (NB2)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import gammaln

from panelml._typing import FloatArray
from panelml.core.family.family import NOTHING, Derivatives, filled
from panelml.core.links import LOG, Link
from panelml.core.math.rising import log_rising, log_rising_first, log_rising_second

__all__ = ["NegativeBinomialFamily", "PoissonFamily"]


@dataclass(frozen=True, slots=True)
class PoissonFamily:
    """The Poisson distribution of a count whose mean is ``exp(index)``."""

    @property
    def name(self) -> str:
        """As a specification has it."""
        return "poisson"

    @property
    def link(self) -> Link:
        """The logarithm."""
        return LOG

    @property
    def auxiliary(self) -> tuple[str, ...]:
        """None."""
        return ()

    def loglik(self, response: FloatArray, index: FloatArray, auxiliary: FloatArray) -> FloatArray:
        """Return the log-likelihood of each row, shape (..., n)."""
        y = response[0]
        with np.errstate(over="ignore"):
            return np.asarray(y * index - np.exp(index) - gammaln(y + 1))

    def derivatives(
        self, response: FloatArray, index: FloatArray, auxiliary: FloatArray, order: int = 2
    ) -> Derivatives:
        """Return the log-likelihood of each row and its derivatives."""
        y = response[0]
        with np.errstate(over="ignore"):
            mean = np.exp(index)
        return filled(order, y * index - mean - gammaln(y + 1), y - mean, -mean, -mean)

    def summary(self, response: FloatArray) -> FloatArray:
        """Return the outcome, shape (1, n)."""
        return response[:1]

    def start(self, averages: FloatArray) -> tuple[float, FloatArray]:
        """Return the logarithm of the mean."""
        return float(np.log(max(averages[0], 1e-12))), NOTHING


@dataclass(frozen=True, slots=True)
class NegativeBinomialFamily:
    """The negative binomial distribution NB2: variance ``mean + mean^2 / theta``.

    The auxiliary parameter is ``log theta``; the distribution tends to Poisson's as it grows, which
    is computed without cancellation. Source: Cameron and Trivedi (2013), *Regression Analysis of
    Count Data*, section 3.3.
    """

    @property
    def name(self) -> str:
        """As a specification has it."""
        return "negative-binomial"

    @property
    def link(self) -> Link:
        """The logarithm."""
        return LOG

    @property
    def auxiliary(self) -> tuple[str, ...]:
        """Logarithm of theta."""
        return ("log(theta)",)

    def loglik(self, response: FloatArray, index: FloatArray, auxiliary: FloatArray) -> FloatArray:
        """Return the log-likelihood of each row, shape (..., n)."""
        y, log_theta = response[0], float(auxiliary[0])
        theta = np.exp(log_theta)
        constants = log_rising(np.array(theta), y) - y * log_theta - gammaln(y + 1)
        return np.asarray(constants + y * index - (y + theta) * _log_ratio(index, log_theta))

    def derivatives(
        self, response: FloatArray, index: FloatArray, auxiliary: FloatArray, order: int = 2
    ) -> Derivatives:
        """Return the log-likelihood of each row and its derivatives."""
        y, log_theta = response[0], float(auxiliary[0])
        theta = np.exp(log_theta)
        scale, total = np.array(theta), y + theta
        excess = _log_ratio(index, log_theta)
        share = -np.expm1(-excess)
        constants = log_rising(scale, y) - y * log_theta - gammaln(y + 1)
        value = constants + y * index - total * excess
        rising = theta * log_rising_first(scale, y)
        by_theta = rising - y - theta * excess + total * share
        first = np.stack([y - total * share, by_theta])
        if order < 2:
            return Derivatives(value, first, NOTHING, NOTHING)
        bend = share * np.exp(-excess)
        curved = rising + theta**2 * log_rising_second(scale, y) - theta * excess
        across = total * bend - theta * share
        second = np.stack(
            [
                np.stack([-total * bend, across]),
                np.stack([across, curved + 2 * theta * share - total * bend]),
            ]
        )
        if order < 3:
            return Derivatives(value, first, second, NOTHING)
        twist = total * bend * (1 - 2 * share)
        return Derivatives(value, first, second, np.stack([-twist, twist - theta * bend]))

    def summary(self, response: FloatArray) -> FloatArray:
        """Return the outcome and its square, shape (2, n)."""
        return np.stack([response[0], response[0] ** 2])

    def start(self, averages: FloatArray) -> tuple[float, FloatArray]:
        """Return the logarithm of the mean, and log theta by moments."""
        mean = max(float(averages[0]), 1e-12)
        excess = float(averages[1]) - mean**2 - mean
        theta = np.clip(mean**2 / max(excess, 1e-8), 1e-2, 1e3)
        return float(np.log(mean)), np.array([np.log(theta)])


def _log_ratio(index: FloatArray, log_theta: float) -> FloatArray:
    """Return ``log(1 + mean / theta)``."""
    return np.logaddexp(0.0, index - log_theta)
