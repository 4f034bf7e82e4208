"""Predicted random coefficients, and what rows are without them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from panelml.mixed.core.blup import CrossedPrediction, UnitPrediction
from tests.mixed.core.dense import (
    FACTORS,
    FIRST,
    STRUCTURE,
    Dense,
    make_basis,
    make_block,
    random_factor,
)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("q", [0, 1, 2])
def test_units_are_predicted_by_conditional_means(q: int, weighted: bool) -> None:
    block, factor = make_block(weighted=weighted), random_factor(np.ones((q, q), dtype=bool))
    dense = Dense.of(block, max(q, 1), factor @ factor.T if q else np.zeros((1, 1)))
    prediction = UnitPrediction(make_basis(q), dense.coef, factor @ factor.T)
    found = prediction.coefficients(block)
    assert found.shape == (q, block.n_units)
    for k in range(q):
        predicted = dense.predicted()[dense.regressor == k]
        np.testing.assert_allclose(found[k], predicted, rtol=1e-8, atol=1e-10)
    rows = prediction(block)
    np.testing.assert_allclose(rows.regressors, dense.x.T, atol=1e-12)
    expected = dense.y - dense.z @ dense.predicted()
    np.testing.assert_allclose(rows.outcome, expected, rtol=1e-8, atol=1e-10)
    # X' (r - Z b) is X' V^-1 r, which is zero at the estimates.
    score = rows.regressors @ (rows.outcome - dense.coef @ rows.regressors)
    np.testing.assert_allclose(score, 0.0, atol=1e-9)


def test_conditional_covariances_of_units() -> None:
    block, factor = make_block(), random_factor(np.ones((2, 2), dtype=bool))
    dense = Dense.of(block, 2, factor @ factor.T)
    found = UnitPrediction(make_basis(2), dense.coef, factor @ factor.T).spreads(block)
    expected = dense.blocks(dense.spreads(), FIRST)
    np.testing.assert_allclose(found, expected, rtol=1e-8, atol=1e-10)


def crossed() -> tuple[CrossedPrediction, Dense]:
    block, factor = make_block(), random_factor(STRUCTURE)
    dense = Dense.of(block, 5, factor @ factor.T)
    predicted = dense.predicted()
    levels = tuple(dense.of_factor(predicted, random) for random in FACTORS.randoms)
    return CrossedPrediction(make_basis(5), FACTORS, levels, factor @ factor.T), dense


def test_crossed_rows_are_without_the_predictions_of_all_factors() -> None:
    prediction, dense = crossed()
    rows = prediction(make_block())
    expected = dense.y - dense.z @ dense.predicted()
    np.testing.assert_allclose(rows.outcome, expected, rtol=1e-8, atol=1e-10)
    np.testing.assert_allclose(rows.regressors, dense.x.T, atol=1e-12)


def test_conditional_covariances_of_all_factors() -> None:
    prediction, dense = crossed()
    found = prediction.spreads(prediction.products(make_block()), prediction.relative)
    for spreads, random in zip(found, FACTORS.randoms, strict=True):
        expected = dense.blocks(dense.spreads(), random)
        np.testing.assert_allclose(spreads, expected, rtol=1e-7, atol=1e-9)


def test_a_later_block_takes_the_coefficients_of_its_own_units() -> None:
    prediction, _ = crossed()
    block = make_block()
    whole = prediction(block)
    later = block.unit >= 6
    part = replace(block.subset(later)[0], first_unit=6)
    np.testing.assert_allclose(prediction(part).outcome, whole.outcome[later], rtol=1e-12)
