"""Odds of treatment given covariates: logistic regression and inverse probability tilting."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from panelml._typing import BoolArray, FloatArray
from panelml.errors import ConvergenceError

__all__ = ["Odds", "logit_odds", "standardised", "tilted_odds"]

MOST_STEPS = 60
TOLERANCE = 1e-13
# An index beyond which treatment is all but certain.
CERTAIN = 30.0


@dataclass(frozen=True, slots=True)
class Odds:
    """Estimated odds of treatment.

    Attributes
    ----------
    odds : FloatArray, shape (n,)
    psi : FloatArray, shape (n, k), or None
        How each row moved the coefficients; None where these leave effects unmoved to first
        order.
    """

    odds: FloatArray
    psi: FloatArray | None

    @property
    def probability(self) -> FloatArray:
        """Probability of treatment, shape (n,)."""
        return self.odds / (1 + self.odds)


def standardised(x: FloatArray) -> FloatArray:
    """Move covariates, behind the constant, to the mean zero and a largest deviation of one."""
    centred = x[:, 1:] - x[:, 1:].mean(axis=0)
    size = np.abs(centred).max(axis=0)
    return np.concatenate([x[:, :1], centred / np.where(size > 0, size, 1.0)], axis=1)


def logit_odds(x: FloatArray, treated: BoolArray, w: FloatArray) -> Odds:
    """Fit a logistic regression by Newton's method.

    Parameters
    ----------
    x : FloatArray, shape (n, k)
        Of full rank, the constant included.
    treated : BoolArray, shape (n,)
    w : FloatArray, shape (n,)
        Weights.

    Raises
    ------
    ConvergenceError
        If covariates separate treated from other rows.
    """
    rows, taken = np.ascontiguousarray(x.T), w * treated
    coef, total = np.zeros(len(rows)), float(w.sum())
    for _ in range(MOST_STEPS):
        index = coef @ rows
        p, hessian = _curved(rows, index, w)
        score = rows @ (taken - w * p)
        step = _solve(hessian, score)
        coef = coef + step
        gain = float(score @ step)
        if gain <= TOLERANCE * total:
            break
        if np.abs(index).max() > CERTAIN and gain < 1e-6 * total:
            break
    index = coef @ rows
    if not np.isfinite(index).all() or np.abs(index).max() > CERTAIN:
        raise ConvergenceError("covariates predict treatment perfectly for some units")
    p, hessian = _curved(rows, index, w)
    psi = np.linalg.inv(hessian) @ (rows * (taken - w * p))
    return Odds(p / (1 - p), np.ascontiguousarray(psi.T))


def _curved(rows: FloatArray, index: FloatArray, w: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Probabilities, (n,), and minus the second derivatives of the likelihood, (k, k)."""
    with np.errstate(over="ignore"):
        p = 1 / (1 + np.exp(-index))
    return p, (rows * (w * p * (1 - p))) @ rows.T


def tilted_odds(x: FloatArray, treated: BoolArray, w: FloatArray) -> Odds:
    """Choose odds that balance covariates exactly.

    They minimise ``sum over others of w exp(x'c) - sum over treated of w x'c``.

    Notes
    -----
    Source: Graham, Pinto and Egel (2012), *Review of Economic Studies* 79, 1053-1079, as in
    Sant'Anna and Zhao (2020), *Journal of Econometrics* 219, 101-122, section 3.1.

    Raises
    ------
    ConvergenceError
        If no odds balance the covariates.
    """
    others, target = x[~treated], w[treated] @ x[treated]
    weight = w[~treated]
    coef = np.zeros(x.shape[1])
    coef[0] = np.log(w[treated].sum() / weight.sum())

    def loss(c: FloatArray) -> float:
        with np.errstate(over="ignore"):
            return float(weight @ np.exp(others @ c) - target @ c)

    value = loss(coef)
    for _ in range(MOST_STEPS):
        tilt = weight * np.exp(others @ coef)
        score = target - others.T @ tilt
        step = _solve((others.T * tilt) @ others, score)
        decrement = float(score @ step)
        if decrement <= TOLERANCE * float(weight.sum()):
            return Odds(np.exp(np.minimum(x @ coef, 700.0)), None)
        size = 1.0
        while loss(coef + size * step) > value - 1e-4 * size * decrement and size > 1e-8:
            size /= 2
        coef = coef + size * step
        value = loss(coef)
    raise ConvergenceError("no weights of the comparison group balance the covariates")


def _solve(hessian: FloatArray, score: FloatArray) -> FloatArray:
    try:
        return np.asarray(np.linalg.solve(hessian, score))
    except np.linalg.LinAlgError as error:
        raise ConvergenceError("covariates predict treatment perfectly") from error
