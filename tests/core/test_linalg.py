"""Normal equations: rank in the order of the columns, whatever their scale."""

from __future__ import annotations

from functools import reduce

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from panelml.core.linalg import (
    TriangularFactor,
    quadratic_form,
    solve_normal,
    solve_triangular,
)


def problem(seed: int, n: int = 40, k: int = 4) -> tuple[np.ndarray, np.ndarray]:
    """Outcome first, then regressors: rows (1 + k, n), and their cross-products."""
    z = np.random.default_rng(seed).normal(size=(1 + k, n))
    return z, z @ z.T


@settings(max_examples=30)
@given(seed=st.integers(0, 2**32 - 1), powers=st.lists(st.integers(-9, 9), min_size=4, max_size=4))
def test_scales_of_the_columns_do_not_matter(seed: int, powers: list[int]) -> None:
    z, gram = problem(seed)
    scale = 10.0 ** np.array([0, *powers])
    plain, scaled = solve_normal(gram), solve_normal(gram * np.outer(scale, scale))
    assert list(scaled.kept) == [0, 1, 2, 3]
    assert scaled.coef * scale[1:] == pytest.approx(plain.coef, rel=1e-9, abs=1e-12)
    assert scaled.rss == pytest.approx(plain.rss, rel=1e-9)
    expected = np.linalg.lstsq(z[1:].T, z[0], rcond=None)[0]
    assert plain.coef == pytest.approx(expected, rel=1e-9, abs=1e-12)


def test_the_later_of_collinear_columns_is_dropped_and_says_with_which() -> None:
    z, _ = problem(3)
    z[3] = z[1] - 2 * z[2]  # regressor 2 of 0, 1
    gram = z @ z.T
    found = solve_normal(gram)
    assert list(found.kept) == [0, 1, 3]
    assert found.dropped == {2: (0, 1)}
    first = np.array([0, 3, 1, 2, 4])
    assert solve_normal(gram[np.ix_(first, first)]).dropped == {2: (0, 1)}


def test_a_column_that_vanished_is_dropped_against_what_it_was() -> None:
    z, gram = problem(4)
    before = np.diag(gram)[1:].copy()
    z[2] *= 1e-7  # what rounding leaves of a column that a transformation removed
    found = solve_normal(z @ z.T, 1e-11 * before)
    assert found.dropped == {1: ()}
    assert list(solve_normal(z @ z.T).kept) == [0, 1, 2, 3]


def test_nothing_is_left() -> None:
    found = solve_normal(np.diag([5.0, 0.0, 0.0]))
    assert found.kept.size == 0 and found.coef.size == 0
    assert found.rss == 5.0
    assert found.dropped == {0: (), 1: ()}


@pytest.mark.parametrize("rows", [1, 3, 17, 40])
def test_triangular_factors_merge(rows: int) -> None:
    """Also of pieces with fewer rows than columns."""
    z, gram = problem(5)
    parts = [TriangularFactor.of(z[:, i : i + rows]) for i in range(0, 40, rows)]
    total = reduce(lambda a, b: a + b, parts)
    order = [1, 2, 3, 4, 0]
    assert total.r.T @ total.r == pytest.approx(gram[np.ix_(order, order)], abs=1e-12)
    again, plain = solve_triangular(total, solve_normal(gram)), solve_normal(gram)
    assert again.coef == pytest.approx(plain.coef, rel=1e-11)
    assert again.bread == pytest.approx(plain.bread, rel=1e-10, abs=1e-14)
    assert again.rss == pytest.approx(plain.rss, rel=1e-12)
    assert not again.doubtful


@pytest.mark.parametrize("gap", [1e-4, 1e-5])
def test_orthogonal_factors_save_the_digits_of_nearly_collinear_columns(gap: float) -> None:
    """Cross-products lose 2 log10(gap) digits, and say that they are doubtful."""
    rng = np.random.default_rng(6)
    base, noise = rng.normal(size=(2, 500))
    z = np.stack([base + rng.normal(size=500), base, base + gap * noise])
    plain = solve_normal(z @ z.T)
    assert plain.doubtful and list(plain.kept) == [0, 1]
    found = solve_triangular(TriangularFactor.of(z), plain)
    # In the basis (base, noise) the problem is harmless: b2 = c2 / gap, b1 = c1 - b2.
    exact = (z[2] - z[1]) / gap
    easy = np.linalg.lstsq(np.stack([base, exact], axis=1), z[0], rcond=None)[0]
    expected = np.array([easy[0] - easy[1] / gap, easy[1] / gap])
    assert found.coef == pytest.approx(expected, rel=1e-9)


def test_a_quadratic_form_is_symmetric_to_the_bit() -> None:
    rng = np.random.default_rng(7)
    a, m = rng.normal(size=(3, 5)), rng.normal(size=(5, 5))
    found = quadratic_form(a, m + m.T)
    np.testing.assert_array_equal(found, found.T)
    assert found == pytest.approx(a @ (m + m.T) @ a.T)
