"""Yes/no outcomes and numbers of successes: logit, probit and complementary log-log.

All is written in the log-probability of a success, ``f``, and of a failure, which links that are
symmetric give as f at minus the index: no probability is ever subtracted from one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from scipy.special import erfcx, gammaln, log_ndtr

from panelml._typing import FloatArray
from panelml.core.family.family import NOTHING, Derivatives, filled
from panelml.core.links import CLOGLOG, LOGIT, PROBIT, Link

__all__ = ["BinomialFamily"]

# A function with its first derivatives, as many as were asked for.
Curves: TypeAlias = tuple[FloatArray, ...]

# Beyond this the cube of exp() overflows, which third derivatives have.
LARGEST = 230.0


def logit_success(z: FloatArray, order: int) -> Curves:
    """Logarithm of the logistic distribution function, with its derivatives."""
    small = np.exp(-np.abs(z))
    value = np.minimum(z, 0.0) - np.log1p(small)
    if order < 1:
        return (value,)
    failure = np.where(z > 0, small, 1.0) / (1 + small)
    if order < 2:
        return value, failure
    second = failure * (failure - 1)
    return value, failure, second, second * (2 * failure - 1)


def probit_success(z: FloatArray, order: int) -> Curves:
    """Logarithm of the normal distribution function, with its derivatives.

    The first is Mills' ratio, by the scaled complementary error function, which has all its digits
    in the tail.
    """
    value = log_ndtr(z)
    if order < 1:
        return (value,)
    ratio = np.sqrt(2 / np.pi) / erfcx(-z / np.sqrt(2))
    if order < 2:
        return value, ratio
    second = -ratio * (z + ratio)
    return value, ratio, second, -second * (z + ratio) - ratio * (1 + second)


def cloglog_success(z: FloatArray, order: int) -> Curves:
    """Logarithm of ``1 - exp(-exp(z))``, with its derivatives."""
    rate = np.exp(np.minimum(z, LARGEST))
    with np.errstate(divide="ignore"):
        value = np.where(rate < 1e-8, z - rate / 2, np.log(-np.expm1(-rate)))
    if order < 1:
        return (value,)
    with np.errstate(over="ignore"):
        ratio = np.where(rate > 0, rate / np.expm1(np.maximum(rate, 1e-300)), 1.0)
    if order < 2:
        return value, ratio
    # For small rates 1 - rate - ratio is minus half the rate, which the difference would lose.
    bend = np.where(rate < 1e-5, -rate / 2 - rate**2 / 12, 1 - rate - ratio)
    with np.errstate(invalid="ignore"):
        second = np.where(ratio > 0, ratio * bend, 0.0)
        third = np.where(ratio > 0, second * bend - ratio * (rate + second), 0.0)
    return value, ratio, second, third


def cloglog_failure(z: FloatArray, order: int) -> Curves:
    """Logarithm of ``exp(-exp(z))``, with its derivatives."""
    return (-np.exp(np.minimum(z, LARGEST)),) * (order + 1 + (order == 2))


def mirrored(success: Callable[[FloatArray, int], Curves]) -> Callable[[FloatArray, int], Curves]:
    """Return the log-probability of a failure for a symmetric link."""

    def failure(z: FloatArray, order: int) -> Curves:
        return tuple(
            -curve if derivative % 2 else curve
            for derivative, curve in enumerate(success(-z, order))
        )

    return failure


_SUCCESS = {LOGIT: logit_success, PROBIT: probit_success, CLOGLOG: cloglog_success}
_FAILURE = {
    LOGIT: mirrored(logit_success),
    PROBIT: mirrored(probit_success),
    CLOGLOG: cloglog_failure,
}


@dataclass(frozen=True, slots=True)
class BinomialFamily:
    """The binomial distribution.

    The response is 0 or 1 in one row of values, or in two the numbers of successes and of trials.

    Attributes
    ----------
    link : Link
        LOGIT, PROBIT or CLOGLOG.
    """

    link: Link = LOGIT

    @property
    def name(self) -> str:
        """As a specification has it."""
        return "binomial"

    @property
    def auxiliary(self) -> tuple[str, ...]:
        """None."""
        return ()

    def loglik(self, response: FloatArray, index: FloatArray, auxiliary: FloatArray) -> FloatArray:
        """Return the log-likelihood of each row, shape (..., n)."""
        return self._curves(response, index, 0)[0]

    def derivatives(
        self, response: FloatArray, index: FloatArray, auxiliary: FloatArray, order: int = 2
    ) -> Derivatives:
        """Return the log-likelihood of each row and its derivatives."""
        return filled(order, *self._curves(response, index, order))

    def _curves(self, response: FloatArray, index: FloatArray, order: int) -> Curves:
        success, failure = _SUCCESS[self.link], _FAILURE[self.link]
        y = response[0]
        if len(response) == 2:
            trials = response[1]
            pairs = zip(success(index, order), failure(index, order), strict=True)
            value, *others = (y * one + (trials - y) * zero for one, zero in pairs)
            ways = gammaln(trials + 1) - gammaln(y + 1) - gammaln(trials - y + 1)
            return (value + ways, *others)
        if self.link == CLOGLOG:
            pairs = zip(success(index, order), failure(index, order), strict=True)
            return tuple(np.where(y > 0, one, zero) for one, zero in pairs)
        sign = 2 * y - 1
        curves = success(sign * index, order)
        return tuple(sign * curve if d % 2 else curve for d, curve in enumerate(curves))

    def summary(self, response: FloatArray) -> FloatArray:
        """Return successes and trials, shape (2, n)."""
        return (
            response if len(response) == 2 else np.stack([response[0], np.ones_like(response[0])])
        )

    def start(self, averages: FloatArray) -> tuple[float, FloatArray]:
        """Return the index of the share of successes."""
        share = averages[0] / averages[1]
        return float(self.link.forward(np.clip(share, 1e-6, 1 - 1e-6))), NOTHING
