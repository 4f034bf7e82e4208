"""Maximising the likelihood over the parameters of dependent residuals.

For given parameters the likelihood is maximised over the random part, certified as ever. By the
envelope theorem the profile's gradient is the partial derivative there, which is exact; its
differences give the Hessian for Newton's method, the certificate (what one more step would gain in
deviance) and standard errors.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from scipy import optimize

from panelml._typing import BoolArray, FloatArray, IntArray
from panelml.core.newton import Step, Steps, descent, newton
from panelml.mixed.core.information import CovarianceSensitivity, VarianceInformation
from panelml.mixed.core.optimum import (
    FittedState,
    MixedOptimum,
    MixedProblem,
    StartedAt,
    free_entries,
    maximise_mixed,
)
from panelml.mixed.core.residual_forms import ResidualForm

__all__ = [
    "ResidualLikelihood",
    "ResidualOptimum",
    "WhiteRows",
    "maximise_residual",
    "residual_sensitivity",
]

# Steps are cheap beside what they tell: they go on until rounding is all that is left to gain.
STEPS = Steps(1e-7, exhausted=1e-14, limit=60, most=1.0)
LONGEST = 1.0
DIFFERENCE = 1e-4
# Differences of gradients see what is left of an error in the random part.
POLISH = 3
# With so many parameters gradients come first, until the largest is below this.
MANY = 10
NEAR = 1e-3
# Curvature of the deviance below which it does not tell a parameter, per squared unit.
FLAT = 1e-5


@dataclass(frozen=True, slots=True)
class ResidualOptimum:
    """The maximised likelihood of a model with dependent residuals.

    Attributes
    ----------
    theta : FloatArray, shape (k,)
        Parameters of the residuals' covariance.
    cov : FloatArray, shape (k, k)
        Their covariance by the observed information, the random part profiled out.
    mixed : MixedOptimum
        Of the random part at these.
    parameter_cov : FloatArray, shape (1 + t + k, 1 + t + k)
        Covariance of the residual variance, of the working random (co)variances, and of the
        parameters.
    decrement : float
        Deviance that one more step would gain.
    converged : bool
    least : float
        Least curvature of the deviance in the parameters.
    """

    theta: FloatArray
    cov: FloatArray
    mixed: MixedOptimum[FittedState]
    parameter_cov: FloatArray
    decrement: float
    converged: bool
    least: float

    @property
    def component_cov(self) -> FloatArray:
        """Covariance of the residual variance and the random (co)variances, (1 + t, 1 + t)."""
        size = len(self.parameter_cov) - self.theta.size
        return self.parameter_cov[:size, :size]

    @property
    def joint_cov(self) -> FloatArray:
        """Covariance of the log residual standard deviation and the parameters, (1 + k, 1 + k)."""
        size = len(self.parameter_cov) - self.theta.size
        place = np.append(0, np.arange(size, len(self.parameter_cov)))
        scale = np.ones(place.size)
        scale[0] = 1 / (2 * self.mixed.criterion.sigma2)
        return np.asarray(self.parameter_cov[np.ix_(place, place)] * np.outer(scale, scale))


class WhiteRows(Protocol):
    """A model whose residuals were made independent, at some parameters of their covariance."""

    @property
    def likelihood(self) -> MixedProblem[FittedState]:
        """The likelihood of the random part."""
        ...

    def gradient(self, state: FittedState, *, restricted: bool) -> FloatArray:
        """Derivative of the deviance in the parameters, shape (size,)."""
        ...

    def information(
        self, factor: FloatArray, free: tuple[IntArray, IntArray], *, restricted: bool
    ) -> VarianceInformation | None:
        """Return the information on the random part, the parameters known; None if too large."""
        ...


class ResidualLikelihood(Protocol):
    """A likelihood in the parameters of the residuals' covariance, and those of the model."""

    @property
    def form(self) -> ResidualForm:
        """The covariance."""
        ...

    def whiten(self, theta: FloatArray) -> WhiteRows:
        """Make residuals independent.

        Raises
        ------
        LinAlgError
            If their covariance is not positive definite.
        """
        ...


@dataclass(frozen=True, slots=True)
class _Point:
    """The profile at one value of the parameters."""

    theta: FloatArray
    mixed: MixedOptimum[FittedState]
    gradient: FloatArray

    @property
    def components(self) -> tuple[float, FloatArray]:
        """Residual variance, and covariance of the working random coefficients."""
        state = self.mixed.criterion
        return state.sigma2, state.sigma2 * state.factor @ state.factor.T


@dataclass(frozen=True, slots=True, kw_only=True)
class _ProfileStep(Step):
    """A Newton step of the parameters, and what it was computed from.

    Attributes
    ----------
    hessian : FloatArray, shape (k, k)
    pairs : list of (_Point, _Point)
        Points before and after, by parameter.
    """

    hessian: FloatArray
    pairs: list[tuple[_Point, _Point]]


@dataclass(frozen=True, slots=True)
class _Profile:
    """The likelihood, maximised over the random part."""

    problem: ResidualLikelihood
    structure: BoolArray
    restricted: bool
    evaluated: Callable[[], None]

    def maximised(self, theta: FloatArray, factor: FloatArray | None = None) -> _Point:
        """Evaluate at parameters, starting from a factor."""
        white = self.problem.whiten(theta)
        cold = white.likelihood
        if not len(self.structure):
            alone = cold.evaluate(np.zeros((0, 0)), restricted=self.restricted)
            mixed = MixedOptimum(alone, 0.0, 0.0, 1, True, 1.0)
        else:
            problem = cold if factor is None else StartedAt(cold, factor)
            mixed = maximise_mixed(
                problem, self.structure, restricted=self.restricted, polish=POLISH
            )
        slope = white.gradient(mixed.criterion, restricted=self.restricted)
        self.evaluated()
        return _Point(theta, mixed, slope)

    def value(self, point: _Point) -> float:
        """Return the deviance."""
        return point.mixed.criterion.deviance

    def step(self, point: _Point) -> _ProfileStep:
        """Return the Newton step, by differences of gradients."""
        k = point.theta.size
        pairs = list(self.around(point))
        slopes = [(after.gradient - before.gradient) / (2 * DIFFERENCE) for before, after in pairs]
        hessian = np.array(slopes).reshape(k, k)
        hessian = (hessian + hessian.T) / 2
        whole = descent(point.gradient, hessian, floor=FLAT, relative=0.0)
        longest = float(np.abs(whole.move).max(initial=0.0))
        move = whole.move * min(1.0, LONGEST / max(longest, 1e-300))
        return _ProfileStep(move, whole.decrement, hessian=hessian, pairs=pairs)

    def moved(self, point: _Point, move: FloatArray) -> _Point:
        """Evaluate at other parameters, starting from the random part at these."""
        return self.maximised(point.theta + move, point.mixed.criterion.factor)

    def around(self, point: _Point) -> Iterator[tuple[_Point, _Point]]:
        """Yield points before and after, by parameter."""
        factor = point.mixed.criterion.factor
        for j in range(point.theta.size):
            move = np.zeros(point.theta.size)
            move[j] = DIFFERENCE
            yield (
                self.maximised(point.theta - move, factor),
                self.maximised(point.theta + move, factor),
            )


def maximise_residual(
    problem: ResidualLikelihood,
    structure: BoolArray,
    *,
    restricted: bool,
    starts: Sequence[FloatArray] | None = None,
    evaluated: Callable[[], None] = lambda: None,
) -> ResidualOptimum:
    """Fit the residuals' covariance and the random part.

    Parameters
    ----------
    problem : ResidualLikelihood
    structure : BoolArray, shape (q, q)
        Which random coefficients may be correlated.
    restricted : bool
    starts : sequence of FloatArray, optional
        Parameters of which the iteration starts at the best; the form's own by default.
    evaluated : callable
        Called after each maximisation over the random part.

    Raises
    ------
    LinAlgError
        If no start has a positive definite covariance.
    """
    profile = _Profile(problem, structure, restricted, evaluated)
    point = min(
        (profile.maximised(theta) for theta in starts or problem.form.starts()), key=profile.value
    )
    if problem.form.size >= MANY:
        point = _approached(profile, point)
    minimum = newton(profile, point, STEPS)
    point, step = minimum.point, minimum.step
    values = np.linalg.eigvalsh(step.hessian)
    cov: FloatArray = np.asarray(2 * np.linalg.pinv(step.hessian, hermitian=True), dtype=np.float64)
    return ResidualOptimum(
        point.theta,
        cov,
        point.mixed,
        _parameter_cov(profile, point, step.pairs, cov),
        step.decrement,
        minimum.converged and point.mixed.converged,
        float(values[0]) if values.size else np.inf,
    )


def residual_sensitivity(
    problem: ResidualLikelihood, optimum: ResidualOptimum, structure: BoolArray, *, restricted: bool
) -> CovarianceSensitivity | None:
    """Return how the covariance of fixed effects moves with all variance parameters.

    None where the information is too large.

    Parameters
    ----------
    problem : ResidualLikelihood
    optimum : ResidualOptimum
    structure : BoolArray, shape (q, q)
    restricted : bool
    """
    state, free = optimum.mixed.criterion, free_entries(structure)
    known = problem.whiten(optimum.theta).information(state.factor, free, restricted=restricted)
    if known is None:
        return None

    def total(theta: FloatArray) -> FloatArray:
        likelihood = problem.whiten(theta).likelihood
        return np.asarray(
            np.linalg.inv(likelihood.evaluate(state.factor, restricted=restricted).phi)
        )

    first = [*known.first]
    for move in DIFFERENCE * np.eye(optimum.theta.size):
        before, after = (total(optimum.theta + s * move) for s in (-1, 1))
        first.append((before - after) / (2 * DIFFERENCE * state.sigma2))
    return CovarianceSensitivity(state.sigma2 * state.phi, np.array(first), optimum.parameter_cov)


def _approached(profile: _Profile, point: _Point) -> _Point:
    """Come near the optimum by gradients alone: differences of many of them take long."""
    last = point

    def value(theta: FloatArray) -> tuple[float, FloatArray]:
        nonlocal last
        try:
            last = profile.maximised(theta, last.mixed.criterion.factor)
        except np.linalg.LinAlgError:
            return np.inf, np.zeros_like(theta)
        return profile.value(last), last.gradient

    search = optimize.minimize(value, point.theta, jac=True, method="BFGS", options={"gtol": NEAR})
    near = profile.maximised(search.x, last.mixed.criterion.factor)
    return near if profile.value(near) < profile.value(point) else point


def _parameter_cov(
    profile: _Profile, point: _Point, pairs: list[tuple[_Point, _Point]], cov: FloatArray
) -> FloatArray:
    """Invert the joint information, from that on the random part at known parameters.

    The corner of the inverse is ``I_aa^-1 + (da/dtheta) cov (da/dtheta)'``, and its border
    ``(da/dtheta) cov``, with a(theta) the components that are best at theta.
    """
    free, white = free_entries(profile.structure), profile.problem.whiten(point.theta)
    factor = point.mixed.criterion.factor
    info = white.information(factor, free, restricted=profile.restricted)
    path = np.zeros((1 + len(free[0]), point.theta.size))
    for j, pair in enumerate(pairs):
        (low, before), (high, after) = (point.components for point in pair)
        path[0, j] = (high - low) / (2 * DIFFERENCE)
        path[1:, j] = (after - before)[free] / (2 * DIFFERENCE)
    along = path @ cov
    known = np.full((len(path),) * 2, np.nan) if info is None else info.parameter_cov()
    return np.block([[known + along @ path.T, along], [along.T, cov]])
