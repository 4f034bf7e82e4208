"""Extreme rays: against all bases of the same system, one by one."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from panelml.core.math.extreme_rays import extreme_rays
from panelml.core.math.lattice import directions, lattice


def by_bases(x: np.ndarray) -> np.ndarray:
    """Solve ``g'x = 0``, entries adding up to one, for every choice of columns."""
    m, p = x.shape
    system = np.vstack([x.T, np.ones(m)])
    found = []
    for chosen in map(list, combinations(range(m), p + 1)):
        if np.linalg.matrix_rank(system[:, chosen]) < p + 1:
            continue
        part = np.linalg.solve(system[:, chosen], np.eye(p + 1)[-1])
        if (part >= -1e-10).all():
            row = np.zeros(m)
            row[chosen] = part
            found.append(row)
    return np.unique(np.array(found).reshape(-1, m).round(9), axis=0)


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("p", [0, 1, 2, 3])
def test_rays_are_the_vertices_of_all_bases(seed: int, p: int) -> None:
    rng = np.random.default_rng(seed)
    # Whole numbers, so that many entries are zero and many vertices are degenerate.
    x = rng.integers(-2, 3, size=(8, p)).astype(float)
    found = np.unique(extreme_rays(x).round(9), axis=0)
    np.testing.assert_allclose(found, by_bases(x), atol=1e-8)


def test_a_cone_with_nothing_but_zero_has_no_rays() -> None:
    assert extreme_rays(np.ones((4, 1))).shape == (0, 4)


def test_lattice_points_are_inside_and_average_to_the_integral() -> None:
    points = lattice(2**12, 5)
    assert ((points > 0) & (points < 1)).all()
    assert np.prod(1 + (points - 0.5) ** 2, axis=1).mean() == pytest.approx(
        (13 / 12) ** 5, rel=1e-4
    )
    assert lattice(2**10, 50).shape == (2**10, 50)


def test_directions_have_length_one_and_no_preference() -> None:
    points = directions(2**12, 4)
    np.testing.assert_allclose((points**2).sum(axis=1), 1, rtol=1e-12)
    np.testing.assert_allclose(points.T @ points / len(points), np.eye(4) / 4, atol=3e-3)
