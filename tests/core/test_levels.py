"""Three ways to solve for absorbed levels give the same fit and the same rank."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse

from panelml.core.levels import solve_by_units, solve_dense, solve_iteratively


def crossed_system(
    units: int, levels: int, seed: int, *, split: bool
) -> tuple[np.ndarray, sparse.csr_array, np.ndarray]:
    """Own products, sums by orthonormal unit effects and right-hand sides of a random panel."""
    rng = np.random.default_rng(seed)
    unit, level = np.divmod(np.arange(units * levels), levels)
    keep = rng.random(units * levels) < 0.7
    if split:
        keep &= (unit < units // 2) == (level < levels // 2)
    unit, level = unit[keep], level[keep]
    weight = rng.uniform(0.5, 2.0, unit.size)
    d = np.zeros((unit.size, levels))
    d[np.arange(unit.size), level] = 1.0
    u = np.zeros((unit.size, units))
    u[np.arange(unit.size), unit] = 1.0
    present = u.sum(axis=0) > 0
    q = u[:, present] / np.sqrt((u[:, present] * weight[:, None]).sum(axis=0))
    a = (q * weight[:, None]).T @ d
    z = rng.normal(size=(unit.size, 3))
    swept = z - q @ ((q * weight[:, None]).T @ z)
    own = (d * weight[:, None]).T @ d
    return np.diag(own).copy(), sparse.csr_array(a), (d * weight[:, None]).T @ swept


@pytest.mark.parametrize("split", [False, True])
@pytest.mark.parametrize(("units", "levels"), [(6, 15), (9, 9), (4, 40)])
@pytest.mark.parametrize("seed", range(3))
def test_ways_agree(units: int, levels: int, seed: int, split: bool) -> None:
    own, a, cross = crossed_system(units, levels, seed, split=split)
    s = np.diag(own) - (a.T @ a).toarray()
    dense = solve_dense(s, own, cross)
    by_units = solve_by_units(own, a, cross)
    iterated = solve_iteratively(sparse.csr_array(np.diag(own)), (a,), cross, (slice(0, levels),))
    assert by_units.rank == dense.rank == iterated.rank == np.linalg.matrix_rank(s, tol=1e-8)
    # Solutions may differ by what the unit effects absorb; what they explain may not.
    for other in (by_units, iterated):
        np.testing.assert_allclose(s @ other.coef, s @ dense.coef, rtol=0, atol=1e-9)
        np.testing.assert_allclose(cross.T @ other.coef, cross.T @ dense.coef, rtol=1e-9, atol=1e-9)
