"""Odds of treatment given covariates: logistic regression and inverse probability tilting."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from panelml._typing import BoolArray, FloatArray, IntArray
from panelml.core.linalg import independent_columns
from panelml.core.newton import Minimum, Step, Steps, newton
from panelml.errors import ConvergenceError

__all__ = ["PERFECT", "Odds", "logit_odds", "tilted_odds"]

# Share of the treated weight by which a Newton step may still improve the objective.
TOLERANCE = 5e-12
# An index that moves by more where the objective does not improve any longer tends to infinity.
MOVING = 0.5
# A whole step that moves no index by more improves the objective: exp(m) - m - 1 < m^2.
SURE = 1.79
PERFECT = "covariates predict treatment perfectly for some units"
UNBALANCED = "no weights of the comparison group balance the covariates"


@dataclass(frozen=True, slots=True)
class Odds:
    """Estimated odds of treatment.

    Attributes
    ----------
    odds : FloatArray, shape (n,)
    psi : FloatArray, shape (n, k), or None
        How each row moved the coefficients; None where these leave effects unmoved to first
        order.
    unlike : BoolArray, shape (n,)
        Rows of the comparison group that no treated row resembles: their odds are zero.
    """

    odds: FloatArray
    psi: FloatArray | None
    unlike: BoolArray

    @property
    def probability(self) -> FloatArray:
        """Probability of treatment, shape (n,)."""
        return self.odds / (1 + self.odds)


@dataclass(frozen=True, slots=True)
class _Objective:
    """``sum of w K(x'c) - target'c``, whose K is that of a logistic regression or of tilting.

    Attributes
    ----------
    rows : FloatArray, shape (k, n)
    w : FloatArray, shape (n,)
    target : FloatArray, shape (k,)
    logistic : bool
        K is ``log(1 + exp)``, or else ``exp``.
    """

    rows: FloatArray
    w: FloatArray
    target: FloatArray
    logistic: bool

    @property
    def refusal(self) -> str:
        """What it means that there is no minimum."""
        return PERFECT if self.logistic else UNBALANCED

    def value(self, coef: FloatArray) -> float:
        """Return the objective, infinite where it cannot be represented."""
        index = coef @ self.rows
        k = np.logaddexp(0.0, index) if self.logistic else np.exp(index)
        return float(self.w @ k - self.target @ coef)

    def parts(self, index: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return w times the first and the second derivative of K, shape (n,) each."""
        if not self.logistic:
            tilt = self.w * np.exp(index)
            return tilt, tilt
        with np.errstate(over="ignore"):
            p = 1 / (1 + np.exp(-index))
        mean = self.w * p
        return mean, mean * (1 - p)

    def step(self, point: FloatArray) -> Step:
        """Return the Newton step from coefficients.

        What does not improve the objective is cut to a length that does for certain: Sun and
        Tran-Dinh (2019), *Mathematical Programming* 178, 145-213, equation 12.
        """
        mean, curvature = self.parts(point @ self.rows)
        score = self.target - self.rows @ mean
        try:
            move = _inverse((self.rows * curvature) @ self.rows.T) @ score
        except np.linalg.LinAlgError:
            return Step(np.zeros_like(point), np.nan)
        farthest = float(np.abs(move @ self.rows).max())
        sure = np.log1p(farthest) / farthest if farthest > SURE else 1.0
        return Step(move, float(score @ move) / 2, sure)

    def moved(self, point: FloatArray, move: FloatArray) -> FloatArray:
        """Return the coefficients after a move."""
        return point + move

    def without(self, rows: BoolArray, columns: IntArray) -> _Objective:
        """Leave out rows, and keep some columns."""
        rows_left = np.ascontiguousarray(self.rows[np.ix_(columns, ~rows)])
        return _Objective(rows_left, self.w[~rows], self.target[columns], self.logistic)


def logit_odds(x: FloatArray, treated: BoolArray, w: FloatArray) -> Odds:
    """Fit a logistic regression by Newton's method.

    Where comparison rows are separated from all treated ones, the likelihood approaches its
    supremum as their odds go to zero. These are their odds then, and the others' are those of the
    regression without them.

    Parameters
    ----------
    x : FloatArray, shape (n, k)
        Of full rank, the constant included.
    treated : BoolArray, shape (n,)
    w : FloatArray, shape (n,)
        Weights, positive.

    Notes
    -----
    Source: Albert and Anderson (1984), *Biometrika* 71, 1-10, for the existence of estimates;
    Correia, Guimarães and Zylkin (2019), arXiv 1903.01633, for what is left without separated
    rows.

    Raises
    ------
    ConvergenceError
        If covariates separate treated rows from the comparison group.
    """
    taken = w * treated
    whole = _Objective(np.ascontiguousarray(x.T), w, taken @ x, logistic=True)
    coef, columns, unlike = _minimised(whole, treated, float(taken.sum()))
    rows = whole.rows[columns]
    index = coef @ rows
    mean, curvature = whole.parts(index)
    curvature[unlike] = 0.0
    psi = np.zeros((len(x), len(whole.rows)))
    psi[:, columns] = (_inverse((rows * curvature) @ rows.T) @ (rows * (taken - mean))).T
    psi[unlike] = 0.0
    return Odds(np.where(unlike, 0.0, np.exp(np.minimum(index, 700.0))), psi, unlike)


def tilted_odds(x: FloatArray, treated: BoolArray, w: FloatArray) -> Odds:
    """Choose odds that balance covariates exactly.

    They minimise ``sum over others of w exp(x'c) - sum over treated of w x'c``. Where the mean of
    the treated is on a face of what comparison rows span, rows off the face have no odds.

    Parameters
    ----------
    x, treated, w
        As for ``logit_odds``.

    Notes
    -----
    Source: Graham, Pinto and Egel (2012), *Review of Economic Studies* 79, 1053-1079, as in
    Sant'Anna and Zhao (2020), *Journal of Econometrics* 219, 101-122, section 3.1.

    Raises
    ------
    ConvergenceError
        If no odds balance the covariates.
    """
    target = w[treated] @ x[treated]
    others = _Objective(np.ascontiguousarray(x[~treated].T), w[~treated], target, logistic=False)
    nobody = np.zeros(others.w.size, dtype=bool)
    coef, columns, far = _minimised(others, nobody, float(w[treated].sum()))
    unlike = np.zeros(treated.size, dtype=bool)
    unlike[~treated] = far
    odds = np.exp(np.minimum(x[:, columns] @ coef, 700.0))
    return Odds(np.where(unlike, 0.0, odds), None, unlike)


def _minimised(
    objective: _Objective, treated: BoolArray, weight: float
) -> tuple[FloatArray, IntArray, BoolArray]:
    """Minimise, without the rows whose index tends to minus infinity.

    Returns
    -------
    coef : FloatArray, shape (m,)
    columns : IntArray, shape (m,)
        Independent of each other without these rows.
    unlike : BoolArray, shape (n,)
        These rows.
    """
    unlike: BoolArray = np.zeros(objective.w.size, dtype=bool)
    columns = np.arange(len(objective.rows))
    part = objective
    while True:
        minimum = _minimum(part, weight)
        coef = minimum.certified(objective.refusal)
        moves = minimum.step.move @ part.rows
        moving = np.zeros_like(unlike)
        moving[~unlike] = np.abs(moves) > MOVING
        if not moving.any():
            return coef, columns, unlike
        unlike |= moving
        if (moving & treated).any() or unlike.all():
            raise ConvergenceError(objective.refusal)
        rows_left = objective.rows[:, ~unlike].T
        columns = independent_columns(rows_left, objective.w[~unlike])
        part = objective.without(unlike, columns)


@np.errstate(over="ignore", invalid="ignore")
def _minimum(objective: _Objective, weight: float) -> Minimum[FloatArray, Step]:
    """Minimise from equal odds for all, those of the treated weight."""
    start = np.zeros(len(objective.rows))
    others = objective.w.sum() - objective.logistic * weight
    start[0] = np.log(weight / max(others, weight * 1e-9))
    return newton(objective, start, Steps(TOLERANCE * weight, slope=0.0, noise=0.0, polish=1))


def _inverse(hessian: FloatArray) -> FloatArray:
    """Invert, with columns scaled to unit length first."""
    length = np.sqrt(np.diag(hessian))
    length[length == 0] = 1.0
    scale = np.outer(length, length)
    return np.asarray(np.linalg.inv(hessian / scale) / scale)
