"""Newton's method against closed forms and scipy, and where it must not claim a minimum."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import pytest
from scipy import optimize

from panelml.core.newton import Minimum, Step, Steps, descent, newton
from panelml.errors import ConvergenceError

TIGHT = Steps(1e-20, polish=1)


@dataclass(frozen=True)
class Smooth:
    """A function of a vector with its derivatives, which records where it was looked at."""

    function: Callable[[np.ndarray], float]
    gradient: Callable[[np.ndarray], np.ndarray] | None
    hessian: Callable[[np.ndarray], np.ndarray] | None
    seen: list[np.ndarray] = field(default_factory=list)

    def value(self, at: np.ndarray) -> float:
        return float(self.function(at))

    def step(self, at: np.ndarray) -> Step:
        return descent(self.gradient(at), self.hessian(at), floor=1e-12, relative=1e-12)

    def moved(self, at: np.ndarray, move: np.ndarray) -> np.ndarray:
        self.seen.append(at + move)
        return at + move


def parabola(curved: np.ndarray, centre: np.ndarray) -> Smooth:
    return Smooth(
        lambda x: (x - centre) @ curved @ (x - centre) / 2,
        lambda x: curved @ (x - centre),
        lambda x: curved,
    )


def rosenbrock() -> Smooth:
    return Smooth(optimize.rosen, optimize.rosen_der, optimize.rosen_hess)


def logistic(x: np.ndarray, y: np.ndarray) -> Smooth:
    def mean(b: np.ndarray) -> np.ndarray:
        return 1 / (1 + np.exp(-x @ b))

    return Smooth(
        lambda b: np.logaddexp(0, x @ b).sum() - y @ x @ b,
        lambda b: x.T @ (mean(b) - y),
        lambda b: (x.T * (mean(b) * (1 - mean(b)))) @ x,
    )


def test_a_parabola_takes_one_step_and_its_decrement_is_what_the_step_gains() -> None:
    curved, centre = np.array([[4.0, 1.0], [1.0, 3.0]]), np.array([1.0, -2.0])
    objective, start = parabola(curved, centre), np.array([7.0, 5.0])
    assert objective.step(start).decrement == pytest.approx(objective.value(start), rel=1e-13)
    minimum = newton(objective, start, Steps(1e-12))
    assert minimum.converged
    assert minimum.evaluations == 1
    assert minimum.certified("") == pytest.approx(centre, abs=1e-13)


def test_the_decrement_does_not_depend_on_units_of_parameters() -> None:
    curved, centre, start = np.diag([4.0, 3.0]), np.array([1.0, -2.0]), np.array([7.0, 5.0])
    units = np.array([1e3, 1e-3])
    rescaled = parabola(curved / np.outer(units, units), centre * units)
    plain = parabola(curved, centre).step(start).decrement
    assert rescaled.step(start * units).decrement == pytest.approx(plain, rel=1e-9)


def test_rosenbrock_needs_shorter_steps_and_never_rises() -> None:
    objective, start = rosenbrock(), np.array([-1.2, 1.0])
    minimum = newton(objective, start, TIGHT)
    assert minimum.certified("") == pytest.approx(np.ones(2), abs=1e-12)
    assert minimum.evaluations == len(objective.seen)
    path = [newton(rosenbrock(), start, Steps(1e-20, limit=limit)) for limit in range(1, 15)]
    values = [objective.value(minimum.point) for minimum in path]
    assert (np.diff([objective.value(start), *values]) < 0).all()
    assert path[-1].evaluations > len(path)


@pytest.mark.parametrize("seed", range(5))
def test_a_logistic_regression_is_that_of_scipy(seed: int) -> None:
    rng = np.random.default_rng(seed)
    x = np.column_stack([np.ones(80), rng.normal(size=(80, 2))])
    y = (rng.random(80) < 1 / (1 + np.exp(-x @ [0.3, 1.0, -0.5]))).astype(float)
    objective = logistic(x, y)
    coef = newton(objective, np.zeros(3), TIGHT).certified("")
    root = optimize.root(objective.gradient, np.zeros(3), jac=objective.hessian, tol=1e-13)
    assert coef == pytest.approx(root.x, rel=1e-10)


def test_a_limit_that_is_reached_is_said_in_the_words_of_the_caller() -> None:
    minimum = newton(rosenbrock(), np.array([-1.2, 1.0]), Steps(1e-12, limit=3))
    assert not minimum.converged
    with pytest.raises(ConvergenceError, match="the weights do not settle"):
        minimum.certified("the weights do not settle")


def test_a_function_without_a_minimum_has_no_certificate() -> None:
    apart = np.linspace(-2, 2, 20)
    x, y = np.column_stack([np.ones(20), apart]), (apart > 0).astype(float)
    assert not newton(logistic(x, y), np.zeros(2), Steps(1e-30, limit=20)).converged


def test_a_step_that_is_no_number_ends_without_a_certificate() -> None:
    class Nowhere(Smooth):
        def step(self, at: np.ndarray) -> Step:
            return Step(np.zeros_like(at), np.nan)

    broken = Nowhere(lambda x: 0.0, None, None)
    minimum = newton(broken, np.zeros(2), Steps(1e-8))
    assert not minimum.converged
    assert broken.seen == []


def test_a_search_that_finds_nothing_lower_stays_and_has_no_certificate() -> None:
    uphill = Smooth(lambda x: -float(x[0]), lambda x: np.ones(1), lambda x: np.eye(1))
    minimum = newton(uphill, np.zeros(1), Steps(1e-8, halvings=7))
    assert minimum.point == 0
    assert (minimum.evaluations, minimum.converged) == (7, False)


def test_from_a_saddle_descent_goes_down_the_side_that_bends_down() -> None:
    bent = np.diag([1.0, -2.0])
    step = descent(np.array([0.5, 0.5]), bent, floor=1e-8, relative=0.0)
    assert step.move == pytest.approx([-0.5, -0.25], rel=1e-13)
    assert step.decrement > 0


def test_flat_directions_move_by_no_more_than_the_floor_allows() -> None:
    flat = np.diag([1.0, 0.0])
    assert descent(np.ones(2), flat, floor=0.5, relative=0.0).move == pytest.approx([-1, -2])
    assert descent(np.ones(2), flat, floor=0.0, relative=0.1).move == pytest.approx([-1, -10])


def test_where_the_objective_does_not_exist_the_step_is_halved() -> None:
    class Positive(Smooth):
        def moved(self, at: np.ndarray, move: np.ndarray) -> np.ndarray:
            if (at + move <= 0).any():
                raise np.linalg.LinAlgError("not positive")
            return super().moved(at, move)

    # x - log x from 3: the whole step leads to -3.
    objective = Positive(
        lambda x: float(x[0] - np.log(x[0])), lambda x: 1 - 1 / x, lambda x: np.diag(1 / x**2)
    )
    assert newton(objective, np.array([3.0]), TIGHT).certified("") == pytest.approx(
        [1.0], abs=1e-12
    )
    assert objective.seen[0] == pytest.approx([1.5])


@pytest.mark.parametrize(
    ("sure", "expected"), [(1.0, 10.0), (0.25, 2.5), (0.0, 1.25)], ids=["whole", "part", "none"]
)
def test_a_sure_share_is_taken_where_the_whole_step_does_not_do(
    sure: float, expected: float
) -> None:
    class Wall(Smooth):
        def step(self, at: np.ndarray) -> Step:
            return Step(np.array([10.0]), 1.0, sure)

    objective = Wall(lambda x: float(-x[0] if x[0] < 2 else x[0]), None, None)
    assert newton(objective, np.zeros(1), Steps(1e-8, limit=1)).point == pytest.approx([expected])


@pytest.mark.parametrize(("exhausted", "ends"), [(np.inf, True), (1e-14, False)])
def test_steps_go_on_below_the_tolerance_as_long_as_they_tell(exhausted: float, ends: bool) -> None:
    steps = Steps(1e-7, exhausted=exhausted)
    assert steps.end(1e-9, 1e-3) is ends
    assert steps.end(1e-9, 2e-9)
    assert steps.end(1e-15, 1e-3)
    assert not steps.end(1e-6, 1e-6)


def test_polishing_stops_before_a_rise() -> None:
    class Overshooting(Smooth):
        def step(self, at: np.ndarray) -> Step:
            return Step(np.array([1.0]), 1e-12)

    objective = Overshooting(lambda x: float((x[0] - 1) ** 2), None, None)
    minimum: Minimum[np.ndarray, Step] = newton(objective, np.zeros(1), Steps(1e-8, polish=3))
    assert minimum.point == 1
    assert (minimum.evaluations, minimum.converged) == (2, True)
