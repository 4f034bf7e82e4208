"""Maximum likelihood where a unit is the smallest part: Newton's method on sums over units."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from panelml._typing import FloatArray
from panelml.core.newton import Step, Steps, descent, newton
from panelml.engine.fold import fold
from panelml.engine.iterate import HeldBlocks
from panelml.errors import ConvergenceError
from panelml.glm.core.row_likelihood import LikelihoodSums
from panelml.glm.core.unit_sums import UnitModel
from panelml.glm.fit.problem import Maximum, PoissonProblem

__all__ = ["UnitMaximum", "UnitPoint", "UnitProblem"]

# What one more step would gain of the log-likelihood, and where steps end.
GAIN, ENOUGH = 1e-8, 1e-18
# How far a step may go, and how far the last one would at a maximum; both change logarithms.
MOST, MOVE = 2.0, 1e-3
# Logarithm of a parameter that has run away where no step leads on.
FAR = 12.0


@dataclass(frozen=True, slots=True)
class UnitPoint:
    """Parameters, and the sums there.

    Attributes
    ----------
    params : FloatArray, shape (p,)
    sums : LikelihoodSums
    """

    params: FloatArray
    sums: LikelihoodSums


@dataclass(frozen=True, slots=True)
class UnitObjective:
    """Minus the log-likelihood.

    Attributes
    ----------
    rows : HeldBlocks
    model : UnitModel
    """

    rows: HeldBlocks
    model: UnitModel

    def value(self, point: UnitPoint) -> float:
        """Return minus the log-likelihood."""
        return -point.sums.value

    def step(self, point: UnitPoint) -> Step:
        """Return the Newton step, shortened where it leaves what the derivatives describe."""
        step = descent(-point.sums.gradient, -point.sums.hessian, 1e-12, 1e-14)
        longest = float(np.abs(step.move).max(initial=0.0))
        return replace(step, move=step.move * min(1.0, MOST / longest) if longest else step.move)

    def moved(self, point: UnitPoint, move: FloatArray) -> UnitPoint:
        """Move the parameters."""
        return self.at(point.params + move)

    def at(self, params: FloatArray) -> UnitPoint:
        """Return the point with some parameters.

        Raises
        ------
        LinAlgError
            Where float64 cannot hold the rates.
        """
        with np.errstate(all="ignore"):
            sums = fold(self.rows, lambda block: self.model.sums(block, params))
        if not (np.isfinite(sums.value) and np.isfinite(sums.hessian).all()):
            raise np.linalg.LinAlgError("The rates overflow.")
        return UnitPoint(params, sums)


@dataclass(frozen=True, slots=True)
class UnitProblem:
    """A likelihood of units, with the rows and regressors of a pooled Poisson regression.

    Attributes
    ----------
    pooled : Maximum
        Of the Poisson likelihood without effects: which regressors are identified.
    model : UnitModel
    """

    pooled: Maximum
    model: UnitModel

    @property
    def problem(self) -> PoissonProblem:
        """The rows and regressors."""
        return self.pooled.problem

    @property
    def rows(self) -> HeldBlocks:
        """The rows with the regressors about their means."""
        return self.problem.held.then(self.problem.columns)

    @property
    def start(self) -> FloatArray:
        """The index of the pooled regression, in the scales of the model, shape (p - m,)."""
        index = self.pooled.rates.index
        slopes = index.slopes * self.model.scale
        return np.append(slopes, index.constant) if self.model.constant else slopes

    @property
    def basis(self) -> FloatArray:
        """From the parameters of the model to those that are reported, shape (p, p)."""
        k, size = self.model.scale.size, self.model.size
        basis = np.zeros((size, size))
        first = int(self.model.constant)
        basis[first : first + k, :k] = np.diag(1 / self.model.scale)
        if self.model.constant:
            basis[0, k] = 1.0
            basis[0, :k] = -self.problem.columns.centre / self.model.scale
        basis[first + k :, first + k :] = np.eye(size - k - first)
        return basis

    def maximise(self, auxiliary: FloatArray) -> UnitMaximum | None:
        """Maximise from the pooled regression and auxiliary parameters; None where they run away.

        Parameters
        ----------
        auxiliary : FloatArray, shape (m,)

        Raises
        ------
        ConvergenceError
            If the maximum has no certificate.
        """
        objective = UnitObjective(self.rows, self.model)
        first = objective.at(np.concatenate([self.start, auxiliary]))
        optimum = newton(objective, first, Steps(GAIN, ENOUGH, limit=200, most=1.0))
        point, step = optimum.point, optimum.step
        moving = np.abs(step.move).max(initial=0.0) > MOVE
        far = np.abs(point.params[self.model.scale.size :]).max(initial=0.0) > FAR
        if moving and (optimum.converged or far):
            return None
        curved = np.linalg.eigvalsh(-point.sums.hessian)
        if not optimum.converged or curved[0] <= 0:
            raise ConvergenceError(
                "The likelihood was not maximised: one more step would gain "
                f"{step.decrement:.1e} of it. Measure regressors in other units, or leave out "
                "those that are nearly collinear."
            )
        return UnitMaximum(self, point)

    def scores(self, params: FloatArray) -> FloatArray:
        """Return the scores of units at some parameters, shape (p, g)."""
        scores: FloatArray = fold(self.rows, lambda block: self.model.scores(block, params)).values
        return scores


@dataclass(frozen=True, slots=True)
class UnitMaximum:
    """The maximum of a likelihood of units.

    Attributes
    ----------
    problem : UnitProblem
    point : UnitPoint
    """

    problem: UnitProblem
    point: UnitPoint

    @property
    def loglik(self) -> float:
        """The log-likelihood."""
        return self.point.sums.value

    @property
    def params(self) -> FloatArray:
        """Constant, slopes and auxiliary parameters themselves, shape (p,)."""
        params = self.problem.basis @ self.point.params
        params[params.size - self.auxiliary.size :] = np.exp(self.auxiliary)
        return np.asarray(params)

    @property
    def basis(self) -> FloatArray:
        """Derivative of these by the parameters of the model, shape (p, p)."""
        basis = self.problem.basis
        place = np.arange(len(basis) - self.auxiliary.size, len(basis))
        basis[place, place] = np.exp(self.auxiliary)
        return basis

    @property
    def auxiliary(self) -> FloatArray:
        """Auxiliary parameters, shape (m,)."""
        m = len(self.problem.model.likelihood.auxiliary)
        return self.point.params[self.point.params.size - m :]

    @property
    def covariance(self) -> FloatArray:
        """Inverse observed information of the parameters, shape (p, p)."""
        basis = self.basis
        inverse = np.linalg.inv(-self.point.sums.hessian)
        return np.asarray(basis @ (inverse + inverse.T) @ basis.T / 2)

    @property
    def psi(self) -> FloatArray:
        """How each unit moved the parameters, shape (p, g)."""
        scores = self.problem.scores(self.point.params)
        return np.asarray(self.basis @ np.linalg.solve(-self.point.sums.hessian, scores))
