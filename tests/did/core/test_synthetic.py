"""Weights on the simplex: optimality conditions, another solver, and both ways to find them."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize

from panelml.did.core import synthetic
from panelml.did.core.synthetic import Penalties, noise_level, simplex_weights, weigh

rng = np.random.default_rng(5)


def problem(m: int, n: int) -> tuple[np.ndarray, np.ndarray]:
    a = rng.standard_normal((m, n)) + np.linspace(0, 3, m)[:, None]
    return a, a[:, : n // 3].mean(axis=1) + 0.2 * rng.standard_normal(m) + 5


@pytest.mark.parametrize("intercept", [False, True])
@pytest.mark.parametrize(("m", "n", "penalty"), [(12, 6, 0.5), (8, 30, 0.1), (30, 400, 0.4)])
def test_no_weight_can_be_moved_for_the_better(
    m: int, n: int, penalty: float, intercept: bool
) -> None:
    a, b = problem(m, n)
    x = simplex_weights(a, b, penalty, intercept=intercept)
    if intercept:
        a, b = a - a.mean(axis=0), b - b.mean()
    assert x.sum() == pytest.approx(1, rel=1e-12)
    assert (x >= 0).all()
    slope = a.T @ (a @ x - b) / m + penalty**2 * x
    level = slope[x > 1e-9].mean()
    np.testing.assert_allclose(slope[x > 1e-9], level, atol=1e-8)
    assert (slope[x <= 1e-9] >= level - 1e-8).all()


def test_another_solver_finds_the_same() -> None:
    a, b = problem(12, 5)
    found = minimize(
        lambda x: ((a @ x - b) ** 2).mean() + 0.3**2 * (x**2).sum(),
        np.full(5, 0.2),
        bounds=[(0, 1)] * 5,
        constraints={"type": "eq", "fun": lambda x: x.sum() - 1},
        method="SLSQP",
        options={"ftol": 1e-14},
    )
    x = simplex_weights(a, b, 0.3, intercept=False)
    np.testing.assert_allclose(x, found.x, atol=1e-6)


def test_both_methods_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    a, b = problem(20, 200)
    swapped = simplex_weights(a, b, 0.5, intercept=True)
    monkeypatch.setattr(synthetic, "STACKED", 1000)
    np.testing.assert_allclose(swapped, simplex_weights(a, b, 0.5, intercept=True), atol=1e-12)


def test_equal_weights_are_the_difference_of_differences() -> None:
    others, treated = rng.standard_normal((6, 8)), rng.standard_normal(8)
    found = weigh(others, treated, 5, "did", Penalties(1.0, 1.0))
    gap = treated - others.mean(axis=0)
    np.testing.assert_allclose(found.effects, gap[5:] - gap[:5].mean())


def test_penalties_follow_the_noise() -> None:
    others = rng.standard_normal((6, 8))
    noise = noise_level(others)
    assert noise == pytest.approx(np.diff(others, axis=1).std(ddof=1))
    assert Penalties.of("sdid", noise, 2, 8).units == pytest.approx(2 * noise)
    assert Penalties.of("sc", noise, 2, 8).units == pytest.approx(1e-6 * noise)
