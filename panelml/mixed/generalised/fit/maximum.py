"""Maximum of an integrated likelihood: quasi-Newton steps, and a Newton step for certificate.

Gradients are exact and come with scores of units, whose outer product is a first metric; steps of
Broyden, Fletcher, Goldfarb and Shanno improve it (Nocedal and Wright 2006, *Numerical
Optimization*, section 6.1). Laplace's approximation, which takes one node, is maximised first.
The Hessian is of central differences of the exact gradient, at the maximum.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from panelml._typing import BoolArray, FloatArray
from panelml.core.newton import Minimum, Step, Steps, newton
from panelml.core.quadrature import Nodes
from panelml.engine.progress import evaluations
from panelml.errors import ConvergenceError, IdentificationError
from panelml.mixed.generalised.core.integral import UnitLikelihoods
from panelml.mixed.generalised.fit.pooled import RowsMaximum, maximise_rows
from panelml.mixed.generalised.fit.problem import GeneralisedProblem

__all__ = ["IntegratedMaximum", "maximise_integrated"]

ROUGH = Steps(tolerance=1e-4, limit=200)
CLOSE = Steps(tolerance=1e-6, limit=200)
CERTIFIED = Steps(tolerance=1e-9, limit=60, polish=2, noise=1e-11)
# Standard deviations of effects with which the search starts, in widths of a row's likelihood.
STARTS = (0.15, 0.5, 1.2)
# In the same widths: differences for the Hessian, and what is no deviation at all.
DIFFERENCE = 1e-5
NOTHING_LEFT = 1e-4
# Share of the largest curvature, in units of standard errors, that is none.
FLAT = 1e-9
ATTEMPTS = 4


@dataclass(frozen=True, slots=True)
class _Quadratic:
    """A value of the parameters with an inverse Hessian of minus the log-likelihood, (k, k)."""

    vector: FloatArray
    units: UnitLikelihoods
    metric: FloatArray

    @property
    def loglik(self) -> float:
        return float(self.units.values.sum())

    @property
    def gradient(self) -> FloatArray:
        return np.asarray(-self.units.scores.sum(axis=1))


@dataclass(frozen=True, slots=True)
class _Integrated:
    """Minus the integrated log-likelihood, as quasi-Newton steps take it."""

    problem: GeneralisedProblem
    nodes: Nodes
    evaluated: Callable[[], None]

    def point(self, vector: FloatArray, modes: FloatArray) -> _Quadratic:
        units = self.problem.likelihoods(vector, self.nodes, modes)
        self.evaluated()
        if not np.isfinite(units.values).all() or not np.isfinite(units.scores).all():
            raise np.linalg.LinAlgError("The likelihood is not finite.")
        outer = units.scores @ units.scores.T
        return _Quadratic(vector, units, _inverse(outer, 1e-8)[0])

    def with_metric(self, point: _Quadratic, metric: FloatArray) -> _Quadratic:
        return _Quadratic(point.vector, point.units, metric)

    def value(self, point: _Quadratic) -> float:
        return -point.loglik

    def step(self, point: _Quadratic) -> Step:
        move = -point.metric @ point.gradient
        return Step(move, float(-move @ point.gradient) / 2)

    def moved(self, point: _Quadratic, move: FloatArray) -> _Quadratic:
        ahead = self.point(point.vector + move, point.units.modes)
        change = ahead.gradient - point.gradient
        return self.with_metric(ahead, _updated(point.metric, move, change))


@dataclass(frozen=True, slots=True)
class IntegratedMaximum:
    """Where an integrated likelihood is highest.

    Attributes
    ----------
    problem : GeneralisedProblem
    nodes : Nodes
    vector : FloatArray, shape (k,)
        Parameters.
    units : UnitLikelihoods
        With their scores.
    cov : FloatArray, shape (k, k)
        Inverse of the observed information; zero for entries of the root that are zero.
    decrement : float
        What one more Newton step would gain.
    evaluations : int
        Passes over the data.
    pooled : RowsMaximum
        The maximum without random effects.
    """

    problem: GeneralisedProblem
    nodes: Nodes
    vector: FloatArray
    units: UnitLikelihoods
    cov: FloatArray
    decrement: float
    evaluations: int
    pooled: RowsMaximum

    @property
    def loglik(self) -> float:
        """The log-likelihood, with all constants."""
        return float(self.units.values.sum())


def maximise_integrated(problem: GeneralisedProblem, points: int) -> IntegratedMaximum:
    """Maximise the likelihood with its random effects integrated out.

    Parameters
    ----------
    problem : GeneralisedProblem
    points : int
        Of quadrature in each dimension.

    Raises
    ------
    IdentificationError
        If the likelihood without effects has no maximum, or is flat at that with them.
    ConvergenceError
        Without a certificate.
    """
    pooled = maximise_rows(problem)
    passes = 0
    q = problem.parameters.size
    with evaluations("Integrating random effects") as report:

        def evaluated() -> None:
            nonlocal passes
            passes += 1
            report()

        laplace = _Integrated(problem, Nodes.of(1, q), evaluated)
        point = newton(laplace, _started(laplace, pooled), CLOSE if points == 1 else ROUGH).point
        objective = laplace
        if points > 1:
            metric = _metric(laplace, point, pooled)[0]
            objective = _Integrated(problem, Nodes.of(points, q), evaluated)
            point = objective.point(point.vector, point.units.modes)
            point = newton(objective, objective.with_metric(point, metric), CLOSE).point
        minimum, cov = _certified(objective, point, pooled)
    end = minimum.point
    return IntegratedMaximum(
        problem, objective.nodes, end.vector, end.units, cov, minimum.step.decrement, passes, pooled
    )


def _width(pooled: RowsMaximum) -> float:
    """Width of a row's likelihood in the index, by its average information."""
    return float(1 / np.sqrt(max(pooled.information, 1e-300)))


def _started(objective: _Integrated, pooled: RowsMaximum) -> _Quadratic:
    """Add random effects to the pooled model, of the size that the likelihood likes best."""
    problem, p = objective.problem, objective.problem.rows.fixed
    rows, columns = problem.parameters.entries
    best: _Quadratic | None = None
    for share in STARTS:
        root = np.where(rows == columns, share * _width(pooled) / np.sqrt(1.0 + rows), 0.0)
        vector = np.concatenate([pooled.vector[:p], root, pooled.vector[p:]])
        modes = problem.no_modes if best is None else best.units.modes
        point = objective.point(vector, modes)
        if best is None or point.loglik > best.loglik:
            best = point
    assert best is not None
    return best


def _certified(
    objective: _Integrated, point: _Quadratic, pooled: RowsMaximum
) -> tuple[Minimum[_Quadratic, Step], FloatArray]:
    """Take Newton steps until the next would gain nothing, and leave saddles and flat ends."""
    span = objective.problem.parameters.root_places
    least = NOTHING_LEFT * _width(pooled)
    for attempt in range(ATTEMPTS):
        point = _without_rounding(objective, point, least)
        metric, negative, flat = _metric(objective, point, pooled)
        if negative is not None and attempt + 1 < ATTEMPTS:
            # A saddle: variance was lost on the way, and the likelihood rises with some of it.
            move = negative * 0.3 * _width(pooled) / np.abs(negative).max()
            point = objective.point(point.vector + move, point.units.modes)
            point = newton(objective, point, CLOSE).point
            continue
        if flat is not None and not _lies_in(flat, span):
            raise IdentificationError(
                "The likelihood is flat at its maximum: the data cannot tell the coefficients and "
                "the variances of the random effects apart. Leave some out."
            )
        moved = objective.step(objective.with_metric(point, metric)).decrement
        minimum = newton(objective, objective.with_metric(point, metric), CERTIFIED)
        point = minimum.point
        if minimum.converged and moved < 1e-5 and not _small(objective, point, least):
            return minimum, metric
    if minimum.converged:
        return minimum, metric
    raise ConvergenceError(
        "The likelihood was not maximised: one more step would gain "
        f"{minimum.step.decrement:.2g} in log-likelihood. Use fewer random coefficients, or other "
        "points."
    )


def _metric(
    objective: _Integrated, point: _Quadratic, pooled: RowsMaximum
) -> tuple[FloatArray, FloatArray | None, FloatArray | None]:
    """Invert the Hessian of central differences of the gradient, over entries that are not zero.

    Returns
    -------
    metric : FloatArray, shape (k, k)
    negative : FloatArray, shape (k,), or None
        A direction in which the log-likelihood is convex.
    flat : FloatArray, shape (k,), or None
        One in which it is linear.
    """
    layout, width = objective.problem.parameters, _width(pooled)
    k = layout.total
    steps = np.full(k, DIFFERENCE * width)
    steps[layout.root_places.stop :] = DIFFERENCE
    hessian = np.empty((k, k))
    for j in range(k):
        move = np.zeros(k)
        move[j] = steps[j]
        ends = [
            objective.point(point.vector + sign * move, point.units.modes).gradient
            for sign in (1, -1)
        ]
        hessian[j] = (ends[0] - ends[1]) / (2 * steps[j])
    hessian = (hessian + hessian.T) / 2
    zero = np.zeros(k, dtype=bool)
    zero[layout.root_places] = point.vector[layout.root_places] == 0
    return _split_inverse(hessian, zero)


def _split_inverse(
    hessian: FloatArray, zero: BoolArray
) -> tuple[FloatArray, FloatArray | None, FloatArray | None]:
    """Invert a Hessian, look for convex directions among all, for flat ones among the free."""
    k = zero.size
    size = np.sqrt(np.maximum(np.abs(np.diag(hessian)), 1e-300))
    values, vectors = np.linalg.eigh(hessian / np.outer(size, size))
    negative = vectors[:, 0] / size if values[0] < -1e-6 else None
    free = ~zero
    metric = np.zeros((k, k))
    inverse, least = _inverse(hessian[np.ix_(free, free)], FLAT)
    metric[np.ix_(free, free)] = inverse
    flat = None
    if least is not None:
        flat = np.zeros(k)
        flat[free] = least
    return metric, negative, flat


def _inverse(matrix: FloatArray, floor: float) -> tuple[FloatArray, FloatArray | None]:
    """Invert by absolute eigenvalues in units of its diagonal, but for directions below a floor.

    Returns
    -------
    inverse : FloatArray, shape (k, k)
    flat : FloatArray, shape (k,), or None
        A direction that was left out.
    """
    size = np.sqrt(np.maximum(np.abs(np.diag(matrix)), 1e-300))
    values, vectors = np.linalg.eigh(matrix / np.outer(size, size))
    kept = np.abs(values) > floor
    scaled = vectors / size[:, None]
    inverse = (scaled[:, kept] / np.abs(values[kept])) @ scaled[:, kept].T
    return inverse, None if kept.all() else vectors[:, ~kept][:, 0]


def _updated(metric: FloatArray, move: FloatArray, change: FloatArray) -> FloatArray:
    """Update an inverse Hessian by the change of the gradient over a move (BFGS)."""
    product = float(move @ change)
    if product <= 1e-12 * np.linalg.norm(move) * np.linalg.norm(change):
        return metric
    left = np.eye(move.size) - np.outer(move, change) / product
    return np.asarray(left @ metric @ left.T + np.outer(move, move) / product)


def _small(objective: _Integrated, point: _Quadratic, least: float) -> BoolArray | bool:
    """Whether a whole row of the root, a random coefficient, is as good as nothing, not zero."""
    root = np.abs(objective.problem.parameters.split(point.vector).root)
    size = root.max(axis=1)
    return bool(((size < least) & (size > 0)).any())


def _without_rounding(objective: _Integrated, point: _Quadratic, least: float) -> _Quadratic:
    """Set to zero random coefficients that are as good as nothing, unless it costs likelihood."""
    if not _small(objective, point, least):
        return point
    layout = objective.problem.parameters
    root = layout.split(point.vector).root
    small = np.abs(root).max(axis=1) < least
    vector = point.vector.copy()
    vector[layout.root_places] = np.where(small[layout.entries[0]], 0.0, root[layout.entries])
    ahead = objective.point(vector, point.units.modes)
    close = ahead.loglik >= point.loglik - 1e-7 - 1e-11 * abs(point.loglik)
    return objective.with_metric(ahead, point.metric) if close else point


def _lies_in(direction: FloatArray, span: slice) -> bool:
    """Whether a direction moves the root alone: factors of a singular covariance may turn."""
    others = np.delete(direction, np.arange(span.start, span.stop))
    return bool(np.abs(others).max(initial=0.0) < 1e-3 * np.abs(direction).max())
