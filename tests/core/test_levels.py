"""The system of absorbed levels, by factorisation and by iteration."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from panelml.core import levels
from panelml.core.levels import solve_dense, solve_iteratively
from panelml.errors import ConvergenceError
from tests.laws.panels import dummies, off


def system(seed: int, workers: int, firms: int, rows: int) -> tuple[np.ndarray, ...]:
    """Dummies of workers (normalised) and of firms, and two variables."""
    rng = np.random.default_rng(seed)
    worker = np.concatenate([np.arange(workers), rng.integers(0, workers, rows - workers)])
    d = dummies(np.sort(worker))
    firm = rng.integers(0, firms, rows)
    return (
        d / np.sqrt(d.sum(axis=0)),
        (firm[:, None] == np.arange(firms)) * 1.0,
        rng.normal(size=(rows, 2)),
    )


@settings(max_examples=30)
@given(
    seed=st.integers(0, 2**32 - 1),
    workers=st.integers(1, 12),
    firms=st.integers(1, 8),
    more=st.integers(0, 30),
)
def test_both_solutions_project_alike(seed: int, workers: int, firms: int, more: int) -> None:
    """Coefficients may differ where levels are redundant; what they predict may not."""
    q, d, z = system(seed, workers, firms, workers + more)
    swept = d - q @ (q.T @ d)
    cross = swept.T @ z
    a = sparse.csr_array(q.T @ d)
    dense = solve_dense(d.T @ d - a.T @ a, (d * d).sum(axis=0), cross)
    iterated = solve_iteratively(sparse.csr_array(d.T @ d), [a], cross, [slice(0, firms)])
    expected = off(z, q) - off(z, np.concatenate([q, d], axis=1))
    assert swept @ dense.coef == pytest.approx(expected, abs=1e-9)
    assert swept @ iterated.coef == pytest.approx(expected, abs=1e-9)
    rank = np.linalg.matrix_rank(np.concatenate([q, d], axis=1), tol=1e-8) - workers
    assert dense.rank == iterated.rank == rank


def test_levels_that_occur_nowhere_get_zero() -> None:
    q, d, z = system(1, 6, 4, 30)
    d[:, 1] += d[:, 2]
    d[:, 2] = 0.0
    a = sparse.csr_array(q.T @ d)
    s, before = d.T @ d - a.T @ a, (d * d).sum(axis=0)
    cross = (d - q @ (q.T @ d)).T @ z
    found = solve_dense(s, before, cross)
    assert found.rank == 2
    np.testing.assert_array_equal(found.coef[2], 0.0)
    by_steps = solve_iteratively(sparse.csr_array(d.T @ d), [a], cross, [slice(0, 4)])
    assert by_steps.rank == 2
    np.testing.assert_array_equal(by_steps.coef[2], 0.0)


def test_an_iteration_without_certificate_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    q, d, z = system(2, 20, 15, 60)
    monkeypatch.setattr(levels, "MOST_ITERATIONS", 2)
    with pytest.raises(ConvergenceError, match="levels are hardly connected"):
        solve_iteratively(
            sparse.csr_array(d.T @ d), [sparse.csr_array(q.T @ d)], d.T @ z, [slice(0, 15)]
        )
