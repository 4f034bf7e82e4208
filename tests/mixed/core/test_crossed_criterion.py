"""The profiled likelihood with several grouping factors, by matrices of all rows."""

from __future__ import annotations

import numpy as np
import pytest

from panelml.mixed.core.crossed_criterion import CrossedModel
from panelml.mixed.core.optimum import free_entries
from tests.mixed.core.dense import (
    FACTORS,
    FIRST,
    LEVELS,
    OTHERS,
    STRUCTURE,
    Dense,
    make_basis,
    make_block,
    products,
    random_factor,
)

both = pytest.mark.parametrize("restricted", [False, True])
FREE = free_entries(STRUCTURE)


def model(*, weighted: bool = True) -> tuple[CrossedModel, np.ndarray, Dense]:
    block, factor = make_block(weighted=weighted), random_factor(STRUCTURE)
    dense = Dense.of(block, 5, factor @ factor.T)
    return CrossedModel(products(block, make_basis(5)), FACTORS, FREE), factor, dense


@both
@pytest.mark.parametrize("weighted", [False, True])
def test_the_criterion_is_the_normal_likelihood(weighted: bool, restricted: bool) -> None:
    problem, factor, dense = model(weighted=weighted)
    at = problem.evaluate(factor, restricted=restricted)
    assert at.deviance == pytest.approx(dense.deviance(restricted), rel=1e-10)
    assert at.sigma2 == pytest.approx(dense.sigma2(restricted), rel=1e-10)
    np.testing.assert_allclose(at.coef, dense.coef, rtol=1e-8)
    np.testing.assert_allclose(at.phi, dense.phi, rtol=1e-8, atol=1e-12)
    for a, b in zip(*FREE, strict=True):
        slope = at.gradient[a, b] * (1 if a == b else 2)
        assert slope == pytest.approx(dense.slope(a, b, restricted), rel=1e-7, abs=1e-8)


@both
def test_the_average_information_is_that_of_the_entries_of_the_covariance(
    restricted: bool,
) -> None:
    problem, factor, dense = model()
    at = problem.evaluate(factor, restricted=restricted)
    e, sigma2 = dense.inverse @ dense.residual, dense.sigma2(restricted)
    moved = np.stack([dense.move(a, b) @ e for a, b in zip(*FREE, strict=True)])
    average = moved @ dense.projected(restricted=True) @ moved.T / sigma2
    np.testing.assert_allclose(at.average, average, rtol=1e-7, atol=1e-8)
    np.testing.assert_allclose(at.scale, moved @ e / sigma2, rtol=1e-8, atol=1e-9)


def test_what_lies_between_coefficients_is_that_of_their_columns() -> None:
    problem, factor, dense = model()
    random, g, h = problem.between_coefficients(factor)
    order = np.lexsort((dense.level, dense.regressor))
    ours = np.concatenate([np.flatnonzero(random == k) for k in range(5)])
    z = dense.z[:, order]
    expected = z.T @ dense.inverse @ z
    np.testing.assert_allclose(g[np.ix_(ours, ours)], expected, rtol=1e-7, atol=1e-8)
    np.testing.assert_allclose(h[ours], z.T @ dense.inverse @ dense.x, rtol=1e-7, atol=1e-8)


def test_the_inverse_gives_the_rows_of_the_precision() -> None:
    problem, factor, dense = model()
    found = problem.inverse(factor)
    w = np.column_stack([dense.x, dense.y])
    expected = dense.covariance @ dense.z.T @ dense.inverse @ w
    for k in range(4):
        units = dense.of_factor(expected[:, k], FIRST)
        np.testing.assert_allclose(found.units[:, k], units, rtol=1e-7, atol=1e-9)
        for other in OTHERS:
            levels = dense.of_factor(expected[:, k], other.random)
            ours = found.levels[other.span, k].reshape(other.levels, -1).T
            np.testing.assert_allclose(ours, levels, rtol=1e-7, atol=1e-9)


def test_predictions_are_conditional_means() -> None:
    problem, factor, dense = model()
    levels = problem.evaluate(factor, restricted=True).coefficients()
    predicted = dense.predicted()
    for random, values in zip(FACTORS.randoms, levels, strict=True):
        expected = dense.of_factor(predicted, random)
        np.testing.assert_allclose(values, expected, rtol=1e-7, atol=1e-9)


def test_a_factor_that_cannot_be_inverted_has_its_gradient_too() -> None:
    problem, factor, _ = model()
    factor[4] = factor[:, 4] = 0.0
    dense = Dense.of(make_block(), 5, factor @ factor.T)
    at = problem.evaluate(factor, restricted=True)
    assert at.deviance == pytest.approx(dense.deviance(restricted=True), rel=1e-10)
    assert at.gradient[4, 4] == pytest.approx(dense.slope(4, 4, restricted=True), rel=1e-7)
    assert at.sums[2].shape == (1, 1)
    assert at.scores[0].shape == (2, LEVELS[0])
