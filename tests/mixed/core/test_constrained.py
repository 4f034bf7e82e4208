"""Likelihoods with one parameter held: never above the optimum, and the optimum where it is."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from scipy import optimize

from panelml.mixed.core.constrained import (
    Line,
    hold_correlation,
    hold_deviation,
    hold_fixed,
    hold_residual,
)
from panelml.mixed.core.optimum import SingleFactor, maximise_mixed
from panelml.mixed.core.unit_products import UnitProducts
from tests.mixed.core.dense import Dense, make_basis, make_block

FULL = np.ones((2, 2), dtype=bool)
NATURAL = np.array([1.0, 0.7])


def problem() -> SingleFactor:
    return SingleFactor(UnitProducts.of(make_block(), make_basis(2)).reduce())


def deviance(cov: np.ndarray, sigma2: float) -> float:
    """Minus twice the log-likelihood at a covariance, by all rows; fixed effects at their best."""
    dense = Dense.of(make_block(), 2, cov / sigma2)
    n, e = dense.y.size, dense.residual
    value = n * np.log(2 * np.pi * sigma2) + np.linalg.slogdet(dense.v)[1] - dense.log_weight
    return float(value + e @ dense.inverse @ e / sigma2)


def held(line: Line) -> float:
    start = line.coordinates(np.diag([1.0, 0.5]), 1.0)
    return line.hold(problem(), np.eye(2), start).deviance


def root(x: np.ndarray) -> np.ndarray:
    lower = np.array([[x[0], 0.0], [x[1], x[2]]])
    return lower @ lower.T


def least(value: Callable[[np.ndarray], float]) -> float:
    """Minimum by searches that know no derivative."""
    options = {"xatol": 1e-8, "fatol": 1e-10, "maxiter": 20_000, "maxfev": 20_000}
    starts = ([0.7, 0.5, 0.5], [0.2, 0.5, 0.0], [0.0, -2.0, 0.0])
    return min(
        float(optimize.minimize(value, start, method="Nelder-Mead", options=options).fun)
        for start in starts
    )


def test_a_held_deviation_leaves_the_best_of_the_others() -> None:
    line = hold_deviation(0, FULL, NATURAL, 1.3)
    expected = least(lambda x: deviance(root(np.array([1.3, *x[:2]])), np.exp(2 * x[2])))
    assert held(line) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("r", [0.7, 0.2, -0.4])
def test_a_held_correlation_leaves_the_best_of_the_others(r: float) -> None:
    """Deviations of opposite signs would have the opposite correlation, which fits better here."""
    line = hold_correlation((0, 1), FULL, NATURAL, r)

    def value(x: np.ndarray) -> float:
        a, b = np.exp(x[:2])
        return deviance(np.array([[a * a, r * a * b], [r * a * b, b * b]]), np.exp(2 * x[2]))

    assert held(line) == pytest.approx(least(value), abs=1e-6)


def test_a_held_residual_leaves_the_best_of_the_others() -> None:
    line = hold_residual(FULL, NATURAL, 0.8)
    expected = least(lambda x: deviance(root(x), 0.64))
    assert held(line) == pytest.approx(expected, abs=1e-6)


def test_a_held_fixed_effect_is_taken_off_the_outcome() -> None:
    model = problem()
    best = maximise_mixed(model, FULL, restricted=False)
    direction = np.array([0.0, 1.0, 0.0])
    start = best.criterion.factor.ravel()
    at = float(direction @ best.criterion.coef)
    same = hold_fixed(model, direction, at, FULL, start)
    assert same.deviance == pytest.approx(best.criterion.deviance, abs=1e-8)

    def value(x: np.ndarray) -> float:
        dense = Dense.of(make_block(), 2, root(x))
        others = dense.x[:, [0, 2]]
        y = dense.y - dense.x[:, 1] * (at + 0.5)
        inverse = dense.inverse
        coef = np.linalg.solve(others.T @ inverse @ others, others.T @ inverse @ y)
        e, n = y - others @ coef, y.size
        rss = e @ inverse @ e
        logdet = np.linalg.slogdet(dense.v)[1] - dense.log_weight
        return float(n * (1 + np.log(2 * np.pi * rss / n)) + logdet)

    moved = hold_fixed(model, direction, at + 0.5, FULL, start)
    assert moved.deviance == pytest.approx(least(value), abs=1e-6)
    assert moved.deviance > same.deviance


def test_a_search_that_starts_at_no_deviation_finds_the_optimum_inside() -> None:
    line = hold_correlation((0, 1), FULL, NATURAL, 0.7)
    start = line.coordinates(np.diag([1.0, 0.5]), 1.0)
    inside = line.hold(problem(), np.eye(2), start)
    start[list(line.deviations)] = 1e-8
    assert line.hold(problem(), np.eye(2), start).deviance <= inside.deviance + 1e-7
