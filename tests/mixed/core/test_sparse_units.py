"""Sparse rows of units, by their dense tables."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse

from panelml.mixed.core import sparse_units
from panelml.mixed.core.sparse_units import combined, gram, traces

G, M = 12, 7


def parts(density: float) -> tuple[sparse.csr_array, ...]:
    """Two tables with the same entries."""
    rng = np.random.default_rng(3)
    there = rng.random((G, M)) < density
    return tuple(sparse.csr_array(np.where(there, rng.normal(size=(G, M)), 0.0)) for _ in range(2))


@pytest.mark.parametrize("entries", [1, 30, 10**6])
@pytest.mark.parametrize("density", [0.05, 0.7])
def test_products_are_those_of_dense_tables(
    density: float, entries: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sparse_units, "DENSE_ENTRIES", entries)
    left, right = parts(density)
    a, b = left.toarray(), right.toarray()
    np.testing.assert_allclose(gram(left, right), a.T @ b, atol=1e-13)
    p = np.random.default_rng(1).normal(size=(M, M))
    p = p + p.T
    expected = [[np.trace(x @ p @ y.T) for y in (a, b)] for x in (a, b)]
    np.testing.assert_allclose(traces((left, right), p), expected, rtol=1e-10, atol=1e-12)
    u = np.random.default_rng(2).normal(size=(2, G))
    found = combined(u, (left, right)).toarray()
    np.testing.assert_allclose(found, u[0][:, None] * a + u[1][:, None] * b, atol=1e-13)
