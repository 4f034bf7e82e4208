"""Pooled maximum likelihood, from which the iterations of a mixed model start."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from panelml._typing import FloatArray
from panelml.core.block import Block
from panelml.core.newton import Step, Steps, descent, newton
from panelml.core.row_values import RowValues
from panelml.engine.fold import fold
from panelml.errors import ConvergenceError, IdentificationError
from panelml.mixed.generalised.fit.problem import GeneralisedProblem

__all__ = ["DerivativeSums", "RowsMaximum", "maximise_rows"]

STEPS = Steps(tolerance=1e-9, limit=60, polish=1)
# Share of the largest curvature below which a direction has none: the likelihood has no maximum.
FLAT = 1e-10


@dataclass(frozen=True, slots=True)
class RowsMaximum:
    """Sums over rows, random effects being zero.

    Attributes
    ----------
    vector : FloatArray, shape (p + m,)
        Coefficients and auxiliary parameters.
    loglik : float
    gradient : FloatArray, shape (p + m,)
    hessian : FloatArray, shape (p + m, p + m)
        Of the log-likelihood.
    information : float
        Average of minus the second derivative by the index over rows.
    """

    vector: FloatArray
    loglik: float
    gradient: FloatArray
    hessian: FloatArray
    information: float


@dataclass(frozen=True, slots=True)
class DerivativeSums:
    """Sums over rows of a log-likelihood and its derivatives.

    Attributes
    ----------
    values : FloatArray, shape (1 + k, 1 + k)
        The value, the gradient beside it, the Hessian; below the value the information by the
        index.
    """

    values: FloatArray

    def __add__(self, other: DerivativeSums) -> DerivativeSums:
        return DerivativeSums(self.values + other.values)


@dataclass(frozen=True, slots=True)
class _PooledLikelihood:
    problem: GeneralisedProblem

    def value(self, point: RowsMaximum) -> float:
        return -point.loglik

    def step(self, point: RowsMaximum) -> Step:
        return descent(-point.gradient, -point.hessian, 0.0, 1e-14)

    def moved(self, point: RowsMaximum, move: FloatArray) -> RowsMaximum:
        return _sums(self.problem, point.vector + move)


def maximise_rows(problem: GeneralisedProblem) -> RowsMaximum:
    """Maximise the likelihood of independent rows.

    Raises
    ------
    IdentificationError
        If it has no maximum, because regressors separate values of the outcome.
    """
    family, held, rows = problem.family, problem.held, problem.rows

    def averages(block: Block) -> RowValues:
        given = rows.rows(block)
        offset = given.index(nothing)
        return RowValues(np.vstack([family.summary(given.response), offset]).sum(axis=1)[:, None])

    nothing = np.zeros(rows.fixed)
    *total, offset = fold(held, averages).values.sum(axis=1) / problem.moments.n
    constant, auxiliary = family.start(np.array(total))
    coef = np.zeros(rows.fixed)
    if problem.constant:
        coef[0] = constant - offset
    elif problem.outcome.cut_points:
        auxiliary[0] += offset
    first = _sums(problem, np.concatenate([coef, auxiliary]))
    minimum = newton(_PooledLikelihood(problem), first, STEPS)
    curvature = np.linalg.eigvalsh(-_scaled(minimum.point.hessian))
    if not minimum.converged and not curvature[0] <= FLAT:
        raise ConvergenceError(
            "The likelihood without random effects was not maximised: one more step would gain "
            f"{minimum.step.decrement:.2g}."
        )
    if curvature[0] <= FLAT:
        raise IdentificationError(
            "The likelihood has no maximum: regressors separate values of the outcome, so that a "
            "coefficient grows without bound. Cross-tabulate the outcome with dummies and with "
            "conditions on regressors, and leave out what predicts it perfectly."
        )
    return minimum.point


def _scaled(hessian: FloatArray) -> FloatArray:
    size = np.sqrt(np.maximum(-np.diag(hessian), 1e-300))
    return np.asarray(hessian / np.outer(size, size))


def _sums(problem: GeneralisedProblem, vector: FloatArray) -> RowsMaximum:
    p, family = problem.rows.fixed, problem.family
    size = vector.size

    def sums(block: Block) -> DerivativeSums:
        rows = problem.rows.rows(block)
        row = family.derivatives(rows.response, rows.index(vector[:p]), vector[p:], order=2)
        w = 1.0 if block.weights is None else block.weights
        table = np.zeros((size + 1, size + 1))
        table[0, 0] = (row.value * w).sum()
        table[0, 1 : p + 1] = rows.fixed @ (row.first[0] * w)
        table[0, p + 1 :] = (row.first[1:] * w).sum(axis=1)
        table[1 : p + 1, 1 : p + 1] = (rows.fixed * (row.second[0, 0] * w)) @ rows.fixed.T
        table[1 : p + 1, p + 1 :] = rows.fixed @ (row.second[0, 1:] * w).T
        table[p + 1 :, 1 : p + 1] = table[1 : p + 1, p + 1 :].T
        table[p + 1 :, p + 1 :] = (row.second[1:, 1:] * w).sum(axis=2)
        table[1:, 0] = -(row.second[0, 0]).sum()
        return DerivativeSums(table)

    table = fold(problem.held, sums).values
    if not np.isfinite(table).all():
        raise np.linalg.LinAlgError("The likelihood is not finite.")
    information = float(table[1, 0]) / problem.moments.n
    return RowsMaximum(vector, float(table[0, 0]), table[0, 1:], table[1:, 1:], information)
