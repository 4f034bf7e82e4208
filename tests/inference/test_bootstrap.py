"""Multiplier bootstrap: moments of its draws, bands, and independence of cuts."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm

from panelml.errors import SpecificationError
from panelml.inference.bands import critical_value
from panelml.inference.bootstrap import multiplier_draws
from panelml.inference.estimate import Covariance

rng = np.random.default_rng(0)


def test_draws_have_the_covariance_of_the_sums() -> None:
    sums = rng.standard_normal((3, 1500))
    draws = multiplier_draws(sums, 4000, seed=1)
    exact = sums @ sums.T
    scale = np.sqrt(np.outer(np.diag(exact), np.diag(exact)))
    assert np.abs(draws.T @ draws / 4000 - exact).max() / scale.max() < 5 / np.sqrt(4000)
    assert np.abs(draws.mean(axis=0) / np.sqrt(np.diag(exact))).max() < 5 / np.sqrt(4000)


def test_the_seed_decides() -> None:
    sums = rng.standard_normal((2, 40))
    np.testing.assert_array_equal(multiplier_draws(sums, 7, 1), multiplier_draws(sums, 7, 1))
    assert not np.array_equal(multiplier_draws(sums, 7, 1), multiplier_draws(sums, 7, 2))


def test_every_draw_adds_and_subtracts_whole_clusters() -> None:
    draws = multiplier_draws(np.array([[1.0, 2.0, 4.0]]), 200, seed=0)
    assert set(np.unique(draws)) == {-7.0, -5.0, -3.0, -1.0, 1.0, 3.0, 5.0, 7.0}


def test_critical_value_of_independent_estimates() -> None:
    k, level = 4, 0.9
    exact = norm.ppf((1 + level ** (1 / k)) / 2)
    found = critical_value(
        Covariance(np.diag([1.0, 4, 9, 16]), np.inf, "", {}), level, reps=200_000, seed=2
    )
    assert found == pytest.approx(exact, abs=0.01)


def test_critical_value_of_one_repeated_estimate_is_pointwise() -> None:
    matrix = np.outer([1.0, 2.0], [1.0, 2.0])
    found = critical_value(Covariance(matrix, np.inf, "", {}), 0.95, reps=200_000, seed=2)
    assert found == pytest.approx(norm.ppf(0.975), abs=0.015)


def test_levels_and_estimates_that_cannot_be() -> None:
    with pytest.raises(SpecificationError, match="level"):
        critical_value(Covariance(np.eye(2), np.inf, "", {}), 95, reps=10, seed=0)
    with pytest.raises(SpecificationError, match="No estimate varies"):
        critical_value(Covariance(np.zeros((2, 2)), np.inf, "", {}), 0.95, reps=10, seed=0)
