"""The solved mixed model equations of several grouping factors, by matrices of all rows."""

from __future__ import annotations

import numpy as np
import pytest

from panelml.mixed.core.crossed_system import CrossedSystem, times
from tests.mixed.core.dense import (
    FACTORS,
    FIRST,
    OTHERS,
    STRUCTURE,
    Dense,
    make_basis,
    make_block,
    products,
    random_factor,
)


@pytest.fixture(scope="module")
def solved() -> tuple[CrossedSystem, Dense]:
    block, factor = make_block(weighted=True), random_factor(STRUCTURE)
    dense = Dense.of(block, 5, factor @ factor.T)
    return CrossedSystem.of(products(block, make_basis(5)), FACTORS, factor), dense


def test_the_determinants_are_that_of_the_covariance(solved: tuple[CrossedSystem, Dense]) -> None:
    system, dense = solved
    logdet = system.units.logdet + system.logdet
    assert logdet == pytest.approx(np.linalg.slogdet(dense.v)[1], rel=1e-10)


def test_scores_and_sums_are_those_of_each_factors_columns(
    solved: tuple[CrossedSystem, Dense],
) -> None:
    system, dense = solved
    w = np.column_stack([dense.x, dense.y])
    scores = dense.z.T @ dense.inverse @ w
    between = dense.z.T @ dense.inverse @ dense.z
    for random, total, h in system.parts(FACTORS):
        for k in range(w.shape[1]):
            expected = dense.of_factor(scores[:, k], random)
            np.testing.assert_allclose(h[:, k], expected, rtol=1e-7, atol=1e-9)
        for a, b in np.ndindex(total.shape):
            rows, columns = (np.flatnonzero(dense.regressor == random[c]) for c in (a, b))
            same = dense.level[rows][:, None] == dense.level[columns]
            expected = between[np.ix_(rows, columns)][same].sum()
            assert total[a, b] == pytest.approx(expected, rel=1e-7, abs=1e-8)


def test_what_is_applied_to_coefficients_lies_between_them(
    solved: tuple[CrossedSystem, Dense],
) -> None:
    system, dense = solved
    rng = np.random.default_rng(3)
    v1 = rng.normal(size=(1, *system.units.b[:, 0].shape))
    v2 = rng.normal(size=(len(system.p), 1))
    whole = np.zeros(dense.z.shape[1])
    for place, j in enumerate(FIRST):
        rows = np.flatnonzero(dense.regressor == j)
        whole[rows] = v1[0, place, dense.level[rows]]
    for other in OTHERS:
        values = v2[other.span, 0].reshape(other.levels, -1)
        for place, j in enumerate(other.random):
            rows = np.flatnonzero(dense.regressor == j)
            whole[rows] = values[dense.level[rows], place]
    expected = dense.z.T @ dense.inverse @ dense.z @ whole
    first, others = system.apply(v1, v2)
    np.testing.assert_allclose(first[0], dense.of_factor(expected, FIRST), rtol=1e-7, atol=1e-8)
    for other in OTHERS:
        ours = others[other.span, 0].reshape(other.levels, -1).T
        np.testing.assert_allclose(
            ours, dense.of_factor(expected, other.random), rtol=1e-7, atol=1e-8
        )


def test_rows_are_multiplied_by_the_block_of_their_level() -> None:
    factor = random_factor(STRUCTURE)
    size = sum(other.size for other in OTHERS)
    dense = np.zeros((size, size))
    for other in OTHERS:
        block = factor[np.ix_(other.random, other.random)]
        dense[other.span, other.span] = np.kron(np.eye(other.levels), block)
    np.testing.assert_allclose(times(OTHERS, factor, np.eye(size)), dense, atol=1e-15)
