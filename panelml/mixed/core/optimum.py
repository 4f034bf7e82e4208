"""Maximising the likelihood of a mixed model, with a certificate of the optimum.

A factor L of the relative covariance, D = L L', is free but for its blocks; Newton steps use the
exact Hessian, or the average information. A fit counts as converged only with two certificates,
both in units of deviance: what one more step would gain, which is nothing where the derivative T in
D vanishes along D, and, since variances may be zero, what more variance in some direction would
gain, which is nothing where T is positive semi-definite.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Generic, Protocol, TypeVar

import numpy as np

from panelml._typing import BoolArray, FloatArray, IntArray
from panelml.core.batched import transposed_multiply
from panelml.core.newton import Step, Steps, descent, newton
from panelml.mixed.core.criterion import Criterion, evaluate, unit_changes
from panelml.mixed.core.unit_products import MixedMoments

__all__ = [
    "FittedState",
    "MixedOptimum",
    "MixedProblem",
    "MixedState",
    "SingleFactor",
    "StartedAt",
    "Watched",
    "free_entries",
    "maximise_mixed",
    "start_factor",
]

DECREMENT = 1e-10
STEPS = Steps(DECREMENT, halvings=24, slope=2e-4)
MOST_ESCAPES = 100


class MixedState(Protocol):
    """The criterion at one factor, with what a Newton step needs."""

    @property
    def deviance(self) -> float:
        """Minus twice the log-likelihood."""
        ...

    @property
    def factor(self) -> FloatArray:
        """L, shape (q, q)."""
        ...

    @property
    def gradient(self) -> FloatArray:
        """T, shape (q, q)."""
        ...

    def hessian(self, free: tuple[IntArray, IntArray], *, restricted: bool) -> FloatArray:
        """Second derivatives, shape (t, t)."""
        ...

    def average_information(self, change: FloatArray, *, restricted: bool) -> FloatArray:
        """Average information on changes of D, shape (t, t)."""
        ...

    def identification(self, change: FloatArray, *, restricted: bool) -> FloatArray:
        """Information on changes of D that an unknown residual variance leaves, as a share."""
        ...

    def unexplained(self) -> float:
        """Least share of random regressors' variation that the fixed effects leave."""
        ...


class FittedState(MixedState, Protocol):
    """The same with the fixed effects."""

    @property
    def coef(self) -> FloatArray:
        """Fixed effects, shape (p,)."""
        ...

    @property
    def phi(self) -> FloatArray:
        """Their covariance over the residual variance, shape (p, p)."""
        ...

    @property
    def sigma2(self) -> float:
        """Residual variance."""
        ...

    @property
    def df(self) -> float:
        """By which the sum of squares is divided for it."""
        ...


State = TypeVar("State", bound=MixedState)
StateOut = TypeVar("StateOut", bound=MixedState, covariant=True)


class MixedProblem(Protocol[StateOut]):
    """A likelihood to be maximised over the relative covariance factor."""

    def start(self, structure: BoolArray) -> FloatArray:
        """Return a first factor."""
        ...

    def evaluate(self, factor: FloatArray, *, restricted: bool) -> StateOut:
        """Evaluate the criterion."""
        ...


@dataclass(frozen=True, slots=True)
class SingleFactor:
    """The problem of one grouping factor."""

    moments: MixedMoments

    def start(self, structure: BoolArray) -> FloatArray:
        """Return the MINQUE(0) estimate."""
        return _start(self.moments, structure)

    def evaluate(self, factor: FloatArray, *, restricted: bool) -> Criterion:
        """Evaluate the criterion."""
        return evaluate(self.moments, factor, restricted=restricted)


@dataclass(frozen=True, slots=True)
class StartedAt(Generic[State]):
    """A problem whose iteration starts where another ended.

    Attributes
    ----------
    problem : MixedProblem
    factor : FloatArray, shape (q, q)
    """

    problem: MixedProblem[State]
    factor: FloatArray

    def start(self, structure: BoolArray) -> FloatArray:
        """Return the factor."""
        return self.factor

    def evaluate(self, factor: FloatArray, *, restricted: bool) -> State:
        """Evaluate the criterion."""
        return self.problem.evaluate(factor, restricted=restricted)


@dataclass(frozen=True, slots=True)
class Watched(Generic[State]):
    """A problem that calls a function after each evaluation.

    Attributes
    ----------
    problem : MixedProblem
    evaluated : callable
    """

    problem: MixedProblem[State]
    evaluated: Callable[[], None]

    def start(self, structure: BoolArray) -> FloatArray:
        """Start where the problem does."""
        return self.problem.start(structure)

    def evaluate(self, factor: FloatArray, *, restricted: bool) -> State:
        """Evaluate the criterion."""
        state = self.problem.evaluate(factor, restricted=restricted)
        self.evaluated()
        return state


@dataclass(frozen=True, slots=True)
class MixedOptimum(Generic[StateOut]):
    """The end of the iteration.

    Attributes
    ----------
    criterion : Criterion or CrossedCriterion
        At the optimum.
    decrement : float
        Deviance that one more Newton step would gain.
    cone : float
        Deviance that more variance in some direction would gain.
    evaluations : int
    converged : bool
        Whether both certificates hold.
    identified : float
        Least information on a change of D, as a share of what there would be if the residual
        variance were known, or the fixed effects were; zero where the data cannot tell variances.
    """

    criterion: StateOut
    decrement: float
    cone: float
    evaluations: int
    converged: bool
    identified: float


def maximise_mixed(
    problem: MixedProblem[State], structure: BoolArray, *, restricted: bool, polish: int = 1
) -> MixedOptimum[State]:
    """Fit the relative covariance factor.

    Parameters
    ----------
    problem : MixedProblem
    structure : BoolArray, shape (q, q)
        Which entries of D may differ from zero: blocks of correlated terms.
    restricted : bool
    polish : int
        Steps beyond what the certificate asks for.
    """
    interior = _Interior(problem, structure, restricted)
    steps = replace(STEPS, polish=polish)
    state = problem.evaluate(problem.start(structure), restricted=restricted)
    evaluations = 1
    for _ in range(MOST_ESCAPES):
        minimum = newton(interior, state, steps)
        state, decrement = minimum.point, minimum.step.decrement
        evaluations += minimum.evaluations
        direction, cone = _escape(state, structure, restricted)
        if not minimum.converged or cone < DECREMENT:
            break
        ahead, tries = _descend(interior, state, direction)
        evaluations += tries
        if ahead is None:
            break
        state = ahead
    certain = bool(max(decrement, cone) < 100 * DECREMENT)
    change = unit_changes(free_entries(structure), len(structure))
    least = float(np.linalg.eigvalsh(state.identification(change, restricted=restricted))[0])
    if restricted:
        least = min(least, state.unexplained())
    return MixedOptimum(state, decrement, cone, evaluations, certain, least)


def free_entries(structure: BoolArray) -> tuple[IntArray, IntArray]:
    """Rows and columns of the entries of D that may differ from zero, the lower triangle."""
    rows, columns = np.nonzero(np.tril(structure))
    return rows.astype(np.int64), columns.astype(np.int64)


@dataclass(frozen=True, slots=True)
class _Interior(Generic[State]):
    """The deviance as a function of all entries of L within the blocks.

    Those of a triangle alone are no coordinates where its first variance is zero. Rotations, which
    change nothing, have no slope and get no step.
    """

    problem: MixedProblem[State]
    structure: BoolArray
    restricted: bool

    def value(self, point: State) -> float:
        """Return the deviance."""
        return point.deviance

    def step(self, point: State) -> Step:
        """Return the Newton step of the factor."""
        rows, columns = np.nonzero(self.structure)
        free = rows.astype(np.int64), columns.astype(np.int64)
        size = 0.1 + np.sqrt((point.factor**2).sum(axis=1))[rows]
        bend = point.hessian(free, restricted=self.restricted) * np.outer(size, size)
        slope = (2 * point.gradient @ point.factor)[free] * size
        scaled = descent(slope, bend, floor=1e-308, relative=1e-8)
        move = np.zeros_like(point.factor)
        move[free] = size * scaled.move
        return replace(scaled, move=move)

    def moved(self, point: State, move: FloatArray) -> State:
        """Evaluate the criterion at another factor."""
        return self.problem.evaluate(point.factor + move, restricted=self.restricted)


def _escape(state: MixedState, structure: BoolArray, restricted: bool) -> tuple[FloatArray, float]:
    """Find the direction in which more variance gains most deviance, and how much."""
    best, most = np.zeros(len(structure)), 0.0
    for block in _blocks(structure):
        values, vectors = np.linalg.eigh(state.gradient[np.ix_(block, block)])
        direction = np.zeros(len(structure))
        direction[block] = vectors[:, 0]
        change = np.outer(direction, direction)[None]
        curved = float(state.average_information(change, restricted=restricted)[0, 0])
        gain = float(values[0] ** 2) / (2 * max(curved, 1e-300)) if values[0] < 0 else 0.0
        if gain > most:
            best, most = direction, gain
    return best, most


def _descend(
    interior: _Interior[State], state: State, direction: FloatArray
) -> tuple[State | None, int]:
    """Add variance along a direction, as much as lowers the deviance.

    Only the block of the direction is rooted anew: a root of all of a singular covariance need not
    have its blocks.
    """
    d, factor = state.factor @ state.factor.T, state.factor.copy()
    block = interior.structure[np.abs(direction).argmax()]
    inside = np.ix_(block, block)
    size = max(float(np.trace(d)) / len(d), 1e-2)
    for tries in range(1, 41):
        wider = d + size * np.outer(direction, direction)
        factor[inside] = _lower_root(wider[inside])
        ahead = interior.problem.evaluate(factor.copy(), restricted=interior.restricted)
        if ahead.deviance < state.deviance:
            return ahead, tries
        size /= 4
    return None, tries


def _blocks(structure: BoolArray) -> list[IntArray]:
    rest = set(range(len(structure)))
    blocks = []
    while rest:
        block = np.flatnonzero(structure[min(rest)])
        blocks.append(block)
        rest -= set(block.tolist())
    return blocks


def _start(moments: MixedMoments, structure: BoolArray) -> FloatArray:
    """Start from MINQUE(0): moments of the outcome, which is the residual of least squares.

    Source: Rao (1971), *Journal of Multivariate Analysis* 1, 257-275.
    """
    q = moments.n_random
    sigma2 = _residual_variance(moments)
    s = transposed_multiply(moments.r, moments.r)
    z = np.einsum("abg,ag->bg", moments.r, moments.c[:, -1])
    flat = s.reshape(q * q, -1)
    system = (
        ((flat * moments.count) @ flat.T)
        .reshape(q, q, q, q)
        .transpose(0, 2, 1, 3)
        .reshape(q * q, q * q)
    )
    right = (z @ z.T / sigma2 - s @ moments.count).ravel()
    d = np.linalg.lstsq(system, right, rcond=1e-10)[0].reshape(q, q)
    return start_factor((d + d.T) / 2, structure)


def _residual_variance(moments: MixedMoments) -> float:
    """Variance orthogonal to the random regressors, a guess where too few rows are left."""
    q = moments.n_random
    df = moments.n - sum(float((moments.r[a, a] > 0) @ moments.count) for a in range(q))
    within = moments.within
    rss = float(within[-1, -1] + (moments.c[:, -1] ** 2).sum())
    coef = np.linalg.lstsq(within[:-1, :-1], within[:-1, -1], rcond=1e-10)[0]
    squares_left = float(within[-1, -1] - within[-1, :-1] @ coef)
    enough = df > 0.05 * moments.n and squares_left > 0
    return squares_left / df if enough else 0.5 * rss / moments.n


def start_factor(d: FloatArray, structure: BoolArray) -> FloatArray:
    """Return a factor of the positive definite part of a relative covariance."""
    values, vectors = np.linalg.eigh(np.where(structure, d, 0.0))
    floor = 1e-3 * max(float(values.max()), 1e-2)
    return np.where(structure, _lower_root((vectors * np.maximum(values, floor)) @ vectors.T), 0.0)


def _lower_root(d: FloatArray) -> FloatArray:
    values, vectors = np.linalg.eigh(d)
    root: FloatArray = np.linalg.qr((vectors * np.sqrt(np.maximum(values, 0.0))).T)[1].T
    return root * np.where(np.diag(root) < 0, -1.0, 1.0)
