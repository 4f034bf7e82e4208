"""Newton's method: minimising a smooth objective by second derivatives, with a line search.

What one more step would gain, ``g' H^-1 g / 2`` with gradient g and Hessian H, is the certificate
of the minimum: it has the objective's own units, whatever those of the parameters. Boundaries are
the caller's, who leaves out what runs away, or finds a way back inside, and starts again.

Source: Boyd and Vandenberghe (2004), *Convex Optimization*, section 9.5 (the decrement) and 9.2
(the line search); Nocedal and Wright (2006), *Numerical Optimization*, section 3.4 (modified
eigenvalues).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

import numpy as np

from panelml._typing import FloatArray
from panelml.errors import ConvergenceError

__all__ = ["Minimum", "Objective", "Step", "Steps", "descent", "newton"]


@dataclass(frozen=True, slots=True)
class Step:
    """A Newton step.

    Attributes
    ----------
    move : FloatArray
        By which parameters change.
    decrement : float
        What the objective would lose if it were the parabola that its derivatives make; NaN where
        there is no step.
    sure : float
        Share of the move that lowers the objective for certain, where theory knows of one: it is
        taken without looking if it is the whole, and else where the whole does not do.
    """

    move: FloatArray
    decrement: float
    sure: float = 0.0


Point = TypeVar("Point")
Move = TypeVar("Move", bound=Step)
MoveOut = TypeVar("MoveOut", bound=Step, covariant=True)


class Objective(Protocol[Point, MoveOut]):
    """What is minimised; a point holds what was computed at some value of the parameters."""

    def value(self, point: Point) -> float:
        """Return the objective at a point."""
        ...

    def step(self, point: Point) -> MoveOut:
        """Return the Newton step at a point."""
        ...

    def moved(self, point: Point, move: FloatArray) -> Point:
        """Return the point after a move.

        Raises
        ------
        LinAlgError
            Where the objective does not exist.
        """
        ...


@dataclass(frozen=True, slots=True)
class Steps:
    """How many steps are taken, how long they are, and where they end.

    Attributes
    ----------
    tolerance : float
        Decrement below which a point is a minimum.
    exhausted : float
        Decrement below which steps end. Between this and the tolerance they end once one has not
        brought the decrement down to a quarter.
    limit : int
        Most steps.
    halvings : int
        Most lengths that a line search tries.
    slope : float
        Share of the decrement, times that of the step, by which a step has to lower the objective.
    most : float
        Decrement to which a larger one is cut for that.
    noise : float
        Relative rise of the objective that is taken for rounding.
    polish : int
        Steps beyond the tolerance, taken without a line search.
    """

    tolerance: float
    exhausted: float = np.inf
    limit: int = 100
    halvings: int = 25
    slope: float = 1e-4
    most: float = np.inf
    noise: float = 1e-12
    polish: int = 0

    def end(self, decrement: float, before: float) -> bool:
        """Whether steps end at a decrement that follows another."""
        last = decrement < self.exhausted or decrement > before / 4
        return decrement < self.tolerance and last


@dataclass(frozen=True, slots=True)
class Minimum(Generic[Point, Move]):
    """Where Newton's method ended.

    Attributes
    ----------
    point : Point
    step : Step
        The last one that was computed: what it would gain is the certificate.
    evaluations : int
        Points that were looked at, the first not counted.
    converged : bool
        Whether the certificate holds.
    """

    point: Point
    step: Move
    evaluations: int
    converged: bool

    def certified(self, refusal: str) -> Point:
        """Return the point if its certificate holds.

        Raises
        ------
        ConvergenceError
            With the words of ``refusal`` if not.
        """
        if not self.converged:
            raise ConvergenceError(refusal)
        return self.point


def newton(objective: Objective[Point, Move], point: Point, steps: Steps) -> Minimum[Point, Move]:
    """Minimise from a point.

    Parameters
    ----------
    objective : Objective
    point : Point
    steps : Steps
    """
    evaluations, before = 0, np.inf
    for _ in range(steps.limit):
        step = objective.step(point)
        if not step.decrement > -steps.tolerance:
            break
        if steps.end(step.decrement, before):
            point, tries = _polished(objective, point, step, steps)
            return Minimum(point, step, evaluations + tries, True)
        before, start = step.decrement, point
        point, tries = _search(objective, point, step, steps)
        evaluations += tries
        if point is start:
            break
    return Minimum(point, step, evaluations, abs(step.decrement) < steps.tolerance)


def descent(gradient: FloatArray, hessian: FloatArray, floor: float, relative: float) -> Step:
    """Newton step by the absolute eigenvalues of the Hessian: downhill where it is not convex.

    Parameters
    ----------
    gradient : FloatArray, shape (k,)
    hessian : FloatArray, shape (k, k)
    floor, relative : float
        Eigenvalues are at least the first, and the second times the largest.
    """
    values, vectors = np.linalg.eigh((hessian + hessian.T) / 2)
    sizes = np.abs(values)
    sizes = np.maximum(sizes, max(floor, relative * float(sizes.max(initial=0.0))))
    move = -(vectors / sizes) @ (vectors.T @ gradient)
    return Step(move, float(-gradient @ move) / 2)


def _search(
    objective: Objective[Point, Move], point: Point, step: Move, steps: Steps
) -> tuple[Point, int]:
    """Halve the step until the objective falls enough; rounding is forgiven near the minimum.

    Returns
    -------
    ahead : Point
        ``point`` itself where no length does.
    tries : int
    """
    if step.sure >= 1:
        return objective.moved(point, step.move), 1
    value = objective.value(point)
    noise, most, share = steps.noise * abs(value), min(step.decrement, steps.most), 1.0
    for tries in range(1, steps.halvings + 1):
        try:
            ahead = objective.moved(point, share * step.move)
        except np.linalg.LinAlgError:
            share = step.sure or share / 2
            continue
        if share <= step.sure:
            return ahead, tries
        if objective.value(ahead) <= value - steps.slope * share * most + noise:
            return ahead, tries
        share = step.sure or share / 2
    return point, steps.halvings


def _polished(
    objective: Objective[Point, Move], point: Point, step: Move, steps: Steps
) -> tuple[Point, int]:
    """Take the last steps, which the certificate has found too small to be worth a search."""
    for taken in range(steps.polish):
        ahead = objective.moved(point, step.move)
        if step.sure < 1:
            value = objective.value(point)
            if objective.value(ahead) > value + steps.noise * abs(value):
                return point, taken + 1
        point = ahead
        if taken + 1 < steps.polish:
            step = objective.step(point)
    return point, steps.polish
