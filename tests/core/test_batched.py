"""Small matrices of many units, one unit at a time."""

from __future__ import annotations

import numpy as np
import pytest

from panelml.core.batched import cholesky, congruence, multiply, solve_lower, transposed_multiply

G = 6


def tables(*shape: int) -> np.ndarray:
    return np.random.default_rng(sum(shape)).normal(size=(*shape, G))


def test_products() -> None:
    a, b, left = tables(2, 3), tables(3, 4), np.random.default_rng(1).normal(size=(3, 3))
    s = tables(3, 3)
    for g in range(G):
        np.testing.assert_allclose(multiply(a, b)[:, :, g], a[:, :, g] @ b[:, :, g], rtol=1e-12)
        np.testing.assert_allclose(
            transposed_multiply(b, s)[:, :, g], b[:, :, g].T @ s[:, :, g], rtol=1e-12
        )
        np.testing.assert_allclose(
            congruence(left, s)[:, :, g], left.T @ s[:, :, g] @ left, rtol=1e-11, atol=1e-13
        )


def test_factors_and_solutions() -> None:
    root, right = tables(3, 3), tables(3, 2)
    a = transposed_multiply(root, root)
    lower = cholesky(a)
    for g in range(G):
        np.testing.assert_allclose(lower[:, :, g], np.linalg.cholesky(a[:, :, g]), rtol=1e-9)
        solved = np.linalg.solve(lower[:, :, g], right[:, :, g])
        np.testing.assert_allclose(solve_lower(lower, right)[:, :, g], solved, rtol=1e-9)
        shared = np.linalg.solve(lower[:, :, g], right[:, :, 0])
        np.testing.assert_allclose(solve_lower(lower, right[:, :, :1])[:, :, g], shared, rtol=1e-9)


def test_a_matrix_that_is_not_positive_definite_is_refused() -> None:
    a = np.repeat(np.eye(2)[:, :, None], G, axis=2)
    a[1, 1, 3] = 0.0
    with pytest.raises(np.linalg.LinAlgError):
        cholesky(a)
