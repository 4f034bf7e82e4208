"""Likelihoods of counts with unit effects integrated out, or conditioned on, in closed form.

Each is a sum over the rows of a unit, and a function of the unit's total rate and total count:
random effects with the gamma distribution beside Poisson counts, and those with the beta
distribution, or none, beside negative binomial counts.

Source: Hausman, Hall and Griliches (1984), *Econometrica* 52, 909-938, equations 2.1, 3.3, 3.5.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Protocol

import numpy as np
from scipy.special import gammaln, polygamma

from panelml._typing import FloatArray
from panelml.core.math.rising import log_rising, log_rising_first, log_rising_second

__all__ = [
    "BetaNegativeBinomial",
    "ConditionalNegativeBinomial",
    "PoissonGamma",
    "RowPart",
    "TotalLikelihood",
    "UnitPart",
]


@dataclass(frozen=True, slots=True)
class RowPart:
    """What rows add to the log-likelihood, with derivatives by their index.

    Attributes
    ----------
    value, first, second : FloatArray, shape (n,)
    """

    value: FloatArray
    first: FloatArray
    second: FloatArray


@dataclass(frozen=True, slots=True)
class UnitPart:
    """What totals of units add, with derivatives by the total rate and m auxiliary parameters.

    Attributes
    ----------
    value : FloatArray, shape (g,)
    first : FloatArray, shape (1 + m, g)
    second : FloatArray, shape (1 + m, 1 + m, g)
    """

    value: FloatArray
    first: FloatArray
    second: FloatArray


class TotalLikelihood(Protocol):
    """A likelihood of counts that is a function of the unit's totals beside a sum over its rows."""

    @property
    def auxiliary(self) -> tuple[str, ...]:
        """Names of the parameters beside the index, whose logarithms are estimated."""
        ...

    def rows(self, y: FloatArray, index: FloatArray) -> RowPart:
        """Return what rows add, shape (n,); the rate of a row is the exponential of its index."""
        ...

    def units(self, rate: FloatArray, total: FloatArray, auxiliary: FloatArray) -> UnitPart:
        """Return what units add, given their total rate and total count, shape (g,)."""
        ...


@dataclass(frozen=True, slots=True)
class PoissonGamma:
    """Poisson counts whose units have gamma effects of mean one and variance alpha."""

    auxiliary: ClassVar[tuple[str, ...]] = ("alpha",)

    def rows(self, y: FloatArray, index: FloatArray) -> RowPart:
        """Return ``y index - log(y!)``."""
        return RowPart(y * index - gammaln(y + 1), y, np.zeros_like(y))

    def units(self, rate: FloatArray, total: FloatArray, auxiliary: FloatArray) -> UnitPart:
        """Integrate the effects out: with d = 1 / alpha, L and Y for the totals.

        ``log Gamma(d + Y) / Gamma(d) - Y log d - (d + Y) log(1 + L / d)``.
        """
        d = np.exp(-auxiliary[0])
        sum_, log1p = d + rate, np.log1p(rate / d)
        value = log_rising(d, total) - total * np.log(d) - (d + total) * log1p
        by_rate = -(d + total) / sum_
        share = rate / (d * sum_)
        by_d = log_rising_first(d, total) - total / d - log1p + (d + total) * share
        by_d2 = (
            log_rising_second(d, total)
            + total / d**2
            + share
            + rate * (d * sum_ - (d + total) * (2 * d + rate)) / (d * sum_) ** 2
        )
        mixed = d * (rate - total) / sum_**2
        second = np.array([[-by_rate / sum_, mixed], [mixed, d * (d * by_d2 + by_d)]])
        return UnitPart(value, np.array([by_rate, -d * by_d]), second)


@dataclass(frozen=True, slots=True)
class ConditionalNegativeBinomial:
    """Negative binomial counts, given the total of each unit."""

    auxiliary: ClassVar[tuple[str, ...]] = ()

    def rows(self, y: FloatArray, index: FloatArray) -> RowPart:
        """Return ``log Gamma(l + y) / (Gamma(l) y!)`` with the rate l."""
        return _negative_binomial(y, index)

    def units(self, rate: FloatArray, total: FloatArray, auxiliary: FloatArray) -> UnitPart:
        """Return ``-log Gamma(L + Y) / (Gamma(L) Y!)``, with L and Y for the totals."""
        value = gammaln(total + 1) - log_rising(rate, total)
        first = -log_rising_first(rate, total)
        second = -log_rising_second(rate, total)
        return UnitPart(value, first[None], second[None, None])


@dataclass(frozen=True, slots=True)
class BetaNegativeBinomial:
    """Negative binomial counts whose units have probabilities with the beta distribution."""

    auxiliary: ClassVar[tuple[str, ...]] = ("r", "s")

    def rows(self, y: FloatArray, index: FloatArray) -> RowPart:
        """Return ``log Gamma(l + y) / (Gamma(l) y!)`` with the rate l."""
        return _negative_binomial(y, index)

    def units(self, rate: FloatArray, total: FloatArray, auxiliary: FloatArray) -> UnitPart:
        """Return ``log B(r + L, s + Y) / B(r, s)``, with L and Y for the totals."""
        r, s = np.exp(auxiliary)
        both, sums = r + s, rate + total
        value = log_rising(r, rate) + log_rising(s, total) - log_rising(both, sums)
        rate1 = -log_rising_first(r + rate, s + total)
        rate2 = -log_rising_second(r + rate, s + total)
        both1, both2 = log_rising_first(both, sums), log_rising_second(both, sums)
        r1, s1 = log_rising_first(r, rate) - both1, log_rising_first(s, total) - both1
        r2, s2 = log_rising_second(r, rate) - both2, log_rising_second(s, total) - both2
        by_s = -polygamma(1, both + sums)
        second = np.array(
            [
                [rate2, r * rate2, s * by_s],
                [r * rate2, r * (r * r2 + r1), -r * s * both2],
                [s * by_s, -r * s * both2, s * (s * s2 + s1)],
            ]
        )
        return UnitPart(value, np.array([rate1, r * r1, s * s1]), second)


def _negative_binomial(y: FloatArray, index: FloatArray) -> RowPart:
    rate = np.exp(index)
    first = rate * log_rising_first(rate, y)
    second = first + rate**2 * log_rising_second(rate, y)
    return RowPart(log_rising(rate, y) - gammaln(y + 1), first, second)
