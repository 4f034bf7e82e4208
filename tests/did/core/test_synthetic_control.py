"""Weights that match predictors: optimality, another solver, gradients, and the search."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize

from panelml.did.core import synthetic_control
from panelml.did.core.synthetic_control import (
    Match,
    fit_mix,
    match_weights,
    root_mean_square,
    weigh_by_predictors,
)


def problem(k: int = 4, t: int = 9, n: int = 12, seed: int = 3) -> tuple[np.ndarray, np.ndarray]:
    """Predictors and outcomes that share factors, the treated in column 0."""
    rng = np.random.default_rng(seed)
    loadings = rng.standard_normal((3, n + 1))
    loadings[:, 0] *= 0.5
    predictors = rng.standard_normal((k, 3)) @ loadings + 0.3 * rng.standard_normal((k, n + 1))
    outcomes = rng.standard_normal((t, 3)) @ loadings + 0.2 * rng.standard_normal((t, n + 1))
    return predictors * np.array([1.0, 100.0, 0.01, 5.0])[:k, None], outcomes


@pytest.mark.parametrize("seed", range(5))
def test_no_weight_can_be_moved_for_the_better(seed: int) -> None:
    match = Match.of(*problem(seed=seed))
    importance = np.random.default_rng(seed).dirichlet(np.ones(4))
    weights = match_weights(match, importance)
    assert weights.sum() == pytest.approx(1, rel=1e-12)
    assert (weights >= 0).all()
    slope = match.predictors.T @ (importance * (match.predictors @ weights))
    level = slope @ weights
    assert (slope >= level - 1e-9).all()


def test_another_solver_finds_the_same_distance() -> None:
    match = Match.of(*problem(n=6))
    importance = np.array([0.1, 0.5, 0.3, 0.1])

    def distance(w: np.ndarray) -> float:
        return float(importance @ (match.predictors @ w) ** 2)

    found = minimize(
        distance,
        np.full(6, 1 / 6),
        bounds=[(0, 1)] * 6,
        method="SLSQP",
        constraints={"type": "eq", "fun": lambda w: w.sum() - 1},
        options={"ftol": 1e-15},
    )
    weights = match_weights(match, importance)
    assert distance(weights) <= found.fun + 1e-10
    np.testing.assert_allclose(importance @ (match.predictors @ weights) ** 2, found.fun, atol=1e-7)


@pytest.mark.parametrize("seed", range(4))
def test_gradient_is_that_of_differences(seed: int) -> None:
    match = Match.of(*problem(seed=seed))
    point = np.random.default_rng(seed).normal(size=4)
    value, slope = synthetic_control._loss(point, match)
    weights = match_weights(match, synthetic_control._values(point))
    assert value == pytest.approx(root_mean_square(match.outcomes @ weights) ** 2, rel=1e-12)
    step = 1e-5
    numeric = [
        (
            synthetic_control._loss(point + step * e, match)[0]
            - synthetic_control._loss(point - step * e, match)[0]
        )
        / (2 * step)
        for e in np.eye(4)
    ]
    np.testing.assert_allclose(slope, numeric, rtol=1e-5, atol=1e-7 * value)


@pytest.mark.parametrize("seed", range(4))
def test_the_search_beats_thousands_of_random_importances(seed: int) -> None:
    match = Match.of(*problem(seed=seed))
    found = fit_mix(match)
    rng = np.random.default_rng(seed)
    draws = np.exp(rng.uniform(-12, 0, (3000, 4)))
    others = [root_mean_square(match.outcomes @ match_weights(match, v / v.sum())) for v in draws]
    assert found.rmspe <= min(others) * (1 + 1e-6)
    assert found.importance.sum() == pytest.approx(1, rel=1e-12)
    assert found.importance.min() >= 0.99 * np.exp(-synthetic_control.SPAN) * found.importance.max()


def test_units_of_measurement_do_not_matter() -> None:
    predictors, outcomes = problem()
    plain = Match.of(predictors, outcomes)
    other = Match.of(predictors * np.array([[7.0], [1e3], [1e-4], [1.0]]) + 50, outcomes)
    importance = np.full(4, 0.25)
    np.testing.assert_allclose(
        match_weights(plain, importance), match_weights(other, importance), atol=1e-9
    )


def test_outcomes_decide_where_predictors_do_not() -> None:
    predictors, outcomes = problem(k=1)
    match = Match.of(predictors, outcomes)
    weights = match_weights(match, np.ones(1))
    assert abs(match.predictors @ weights).max() < 1e-6
    n = weights.size
    found = minimize(
        lambda w: ((match.outcomes @ w) ** 2).sum(),
        np.full(n, 1 / n),
        bounds=[(0, 1)] * n,
        constraints=[
            {"type": "eq", "fun": lambda w: w.sum() - 1},
            {"type": "eq", "fun": lambda w: (match.predictors @ w)[0]},
        ],
        method="SLSQP",
        options={"ftol": 1e-14, "maxiter": 500},
    )
    np.testing.assert_allclose(weights, found.x, atol=1e-4)


def test_a_mix_that_is_exact_is_found() -> None:
    predictors, outcomes = problem(k=4)
    truth = np.zeros(12)
    truth[[2, 5, 7]] = 0.5, 0.3, 0.2
    predictors[:, 0], outcomes[:, 0] = predictors[:, 1:] @ truth, outcomes[:, 1:] @ truth
    late = np.random.default_rng(1).standard_normal((3, 13))
    late[:, 0] = late[:, 1:] @ truth + 2
    table = np.concatenate([outcomes, late])
    found = weigh_by_predictors(table.T[1:], table.T[0], 9, predictors)
    np.testing.assert_allclose(found.units, truth, atol=1e-5)
    np.testing.assert_allclose(found.effects, 2, atol=1e-4)
    assert not found.periods.any()
