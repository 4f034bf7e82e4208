"""Shortest intervals of fixed length, for smooth departures from parallel trends."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from scipy import special
from scipy.optimize import brentq

from panelml._typing import FloatArray

__all__ = ["FixedLength", "fixed_length", "folded_quantile"]


@dataclass(frozen=True, slots=True)
class FixedLength:
    """An interval around a linear estimator.

    Attributes
    ----------
    estimate : float
    half : float
        Half its length.
    bias : float
        The largest bias the estimator may have.
    std_error : float
    weights : FloatArray, shape (k,)
        Of the coefficients in the estimator.
    """

    estimate: float
    half: float
    bias: float
    std_error: float
    weights: FloatArray

    @property
    def ends(self) -> tuple[float, float]:
        """Lower and upper end."""
        return self.estimate - self.half, self.estimate + self.half


def folded_quantile(bias: float, probability: float) -> float:
    """Quantile of the absolute value of a normal variable of variance one and mean ``bias``."""
    bias = abs(bias)
    low = bias + float(special.ndtri(probability))

    def missing(c: float) -> float:
        return float(special.ndtr(bias - c) + special.ndtr(-bias - c)) - (1 - probability)

    if bias > 8.0:
        # The other tail is nothing.
        return low
    return float(brentq(missing, low - 1e-12, low + 3.0, xtol=1e-15))


def fixed_length(
    beta: FloatArray, sigma: FloatArray, pre: int, weights: FloatArray, m: float, level: float
) -> FixedLength:
    """Return the shortest interval around a linear estimate, for smooth departures.

    Parameters
    ----------
    beta : FloatArray, shape (pre + post,)
    sigma : FloatArray, shape (pre + post, pre + post)
    pre : int
    weights : FloatArray, shape (post,)
        Of the effects in the parameter of interest.
    m, level : float

    Notes
    -----
    Estimates are the combination of effects, less a combination of coefficients before adoption
    that takes linear departures out. Their weights w on changes of the slope before adoption are
    free, and the largest bias is ``m (|w| + c)``. So the best one lies on the path of the lasso in
    w, and along it the length has one minimum: where the penalty is
    ``m cv'(t) sd / (cv(t) - t cv'(t))``, t being the bias in standard deviations.
    Source: Rambachan and Roth (2023), *Review of Economic Studies* 90, 2555-2591, section 4.1;
    Armstrong and Kolesár (2018), *Econometrica* 86, 655-683.
    """
    start, free, fixed = _candidates(pre, weights)
    path = _lasso_path(free.T @ sigma @ free, free.T @ sigma @ start)

    def at(penalty: float) -> tuple[FloatArray, float, float]:
        w = _on_path(path, penalty)
        load = start + free @ w
        return load, m * float(np.abs(w).sum() + fixed), float(np.sqrt(load @ sigma @ load))

    def slope(penalty: float) -> float:
        _, bias, sd = at(penalty)
        t = bias / sd
        cv = folded_quantile(t, level)
        change = float(np.tanh(cv * t))
        return penalty * (cv - t * change) / sd - m * change

    top = path[0][0]
    penalty = 0.0
    if m > 0 and top > 0:
        penalty = top if slope(top) <= 0 else float(brentq(slope, 0.0, top, xtol=1e-15 * top))
    load, bias, sd = at(penalty)
    return FixedLength(float(load @ beta), sd * folded_quantile(bias / sd, level), bias, sd, load)


def _candidates(pre: int, weights: FloatArray) -> tuple[FloatArray, FloatArray, float]:
    """Write estimators as ``start + free w``, and add up what bias does not depend on w.

    Returns
    -------
    start : FloatArray, shape (k,)
    free : FloatArray, shape (k, pre - 1)
    fixed : float
    """
    post = weights.size
    ahead = np.arange(1, post + 1)
    # The weight of the second difference around the j-th period, counted from the reference.
    later = np.maximum(ahead[:, None] - np.arange(post), 0)
    start = np.concatenate([np.zeros(pre), weights])
    start[pre - 1] = ahead @ weights
    # Weights on coefficients whose combination is the second difference around period -1 - i.
    free = np.zeros((pre + post, pre - 1))
    for i in range(pre - 1):
        middle = pre - 1 - i
        free[middle - 1, i] = 1.0
        free[middle, i] = -2.0
        if i > 0:
            free[middle + 1, i] = 1.0
    return start, free, float(np.abs(weights @ later).sum())


def _lasso_path(q: FloatArray, c: FloatArray) -> list[tuple[float, FloatArray]]:
    """Follow the minimum of ``w'qw / 2 + c'w + penalty |w|`` from w = 0 to no penalty.

    Returns
    -------
    list of (penalty, w)
        At its kinks, penalties decreasing to zero.
    """
    w = np.zeros(c.size)
    penalty = float(np.abs(c).max(initial=0.0))
    path = [(penalty, w)]
    active = [int(np.abs(c).argmax())] if penalty > 0 else []
    while penalty > 0:
        # With its signs s, the active part solves q w = -c - penalty s until the next kink.
        sign = -np.sign((q @ w + c)[active])
        own = q[np.ix_(active, active)]
        # Least squares, as few clusters leave a singular covariance.
        inner = np.linalg.lstsq(own, np.stack([-c[active], sign], axis=1), rcond=None)[0]
        rest = np.setdiff1d(np.arange(c.size), active)
        level, turn = (q[rest][:, active] @ inner).T
        level = level + c[rest]
        enter = np.maximum(_kinks(level, 1.0 + turn, penalty), _kinks(level, turn - 1.0, penalty))
        leave = _kinks(inner[:, 0], inner[:, 1], penalty)
        penalty = float(max(enter.max(initial=0.0), leave.max(initial=0.0)))
        w = np.zeros(c.size)
        w[active] = inner @ [1.0, -penalty]
        path.append((penalty, w))
        if penalty > 0 and leave.max(initial=0.0) == penalty:
            active.pop(int(leave.argmax()))
        elif penalty > 0:
            active.append(int(rest[enter.argmax()]))
    return path


def _kinks(numerator: FloatArray, denominator: FloatArray, penalty: float) -> FloatArray:
    """Divide, and put zero where the ratio is not strictly between zero and the penalty."""
    nonzero = np.where(denominator == 0, 1.0, denominator)
    ratio = np.where(denominator == 0, 0.0, numerator / nonzero)
    return np.where((ratio > 0) & (ratio < penalty * (1.0 - 1e-11)), ratio, 0.0)


def _on_path(path: list[tuple[float, FloatArray]], penalty: float) -> FloatArray:
    """Interpolate between kinks."""
    for (high, before), (low, after) in pairwise(path):
        if penalty >= low:
            share = (high - penalty) / (high - low)
            return before + share * (after - before)
    return path[-1][1]
