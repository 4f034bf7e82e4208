"""What a test of pre-trends can see, and what passing it does to the estimates."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import special
from scipy.optimize import brentq

from panelml._typing import FloatArray
from panelml.core.math.normal_box import box_mean, box_probability

__all__ = ["PassedTest", "detectable", "passed_test"]


@dataclass(frozen=True, slots=True)
class PassedTest:
    """A hypothesised trend and the test that no coefficient before adoption is significant.

    Attributes
    ----------
    power : float
        Probability that some coefficient is significant.
    bayes_factor : float
        Probability of passing under the trend over that under parallel trends.
    likelihood_ratio : float
        Of the coefficients before adoption, under the trend over under parallel trends.
    mean : FloatArray, shape (k,)
        Expected coefficients of a policy without effects, given that the test is passed; missing
        where the trend is so steep that it never is.
    """

    power: float
    bayes_factor: float
    likelihood_ratio: float
    mean: FloatArray


def passed_test(
    beta: FloatArray, sigma: FloatArray, n_pre: int, trend: FloatArray, alpha: float
) -> PassedTest:
    """Condition estimates on passing the test.

    Parameters
    ----------
    beta : FloatArray, shape (k,)
        Coefficients before the reference, then those after it.
    sigma : FloatArray, shape (k, k)
    n_pre : int
    trend : FloatArray, shape (k,)
        The difference in trends that is hypothesised.
    alpha : float
        Two-sided size of each single test.

    Notes
    -----
    Source: Roth (2022), *American Economic Review: Insights* 4, 305-322, section II and
    proposition 1.
    """
    before = sigma[:n_pre, :n_pre]
    half = _half(before, alpha)
    own = trend[:n_pre]
    passed = box_probability(own, before, -half, half)
    under_null = box_probability(np.zeros(n_pre), before, -half, half)
    moved = box_mean(own, before, -half, half) - own if passed > 0 else np.full(n_pre, np.nan)
    mean = trend + sigma[:, :n_pre] @ np.linalg.solve(before, moved)
    # Twice the log of the ratio of two normal densities.
    twice = own @ np.linalg.solve(before, 2.0 * beta[:n_pre] - own)
    return PassedTest(1.0 - passed, passed / under_null, float(np.exp(twice / 2.0)), mean)


def detectable(sigma: FloatArray, shape: FloatArray, power: float, alpha: float) -> float:
    """Find the positive multiple of a trend that is detected with a probability.

    Parameters
    ----------
    sigma : FloatArray, shape (n_pre, n_pre)
    shape : FloatArray, shape (n_pre,)
        The trend at the periods before the reference; not all zero.
    power : float
    alpha : float
        Two-sided size of each single test.

    Returns
    -------
    float
        Zero where the test rejects so often without any trend.
    """
    half = _half(sigma, alpha)

    def missing(multiple: float) -> float:
        return 1.0 - box_probability(multiple * shape, sigma, -half, half) - power

    if missing(0.0) >= 0:
        return 0.0
    top = float((half / np.abs(shape).max()).max())
    while missing(top) < 0:
        top *= 2.0
    return float(brentq(missing, 0.0, top, xtol=1e-12 * top, rtol=1e-12))


def _half(sigma: FloatArray, alpha: float) -> FloatArray:
    half: FloatArray = np.sqrt(sigma.diagonal()) * special.ndtri(1.0 - alpha / 2.0)
    return half
