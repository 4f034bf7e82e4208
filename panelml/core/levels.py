"""The coefficients of absorbed levels: exactly if few, by conjugate gradients if many."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import sparse
from scipy.linalg import lapack, solve_triangular
from scipy.sparse.csgraph import connected_components

from panelml._typing import BoolArray, FloatArray
from panelml.errors import ConvergenceError

__all__ = ["RANK_TOLERANCE", "LevelSolution", "solve_by_units", "solve_dense", "solve_iteratively"]

RANK_TOLERANCE = 1e-10
# Entries of a system whose diagonal is what unit effects leave have the rounding of what they took.
SYSTEM_ROUNDING = 64 * float(np.finfo(np.float64).eps)
MOST_TOLERANCE = 1e-7
RESIDUAL_TOLERANCE = 1e-12
MOST_ITERATIONS = 10_000


@dataclass(frozen=True, slots=True)
class LevelSolution:
    """Coefficients of the levels for each variable.

    Attributes
    ----------
    coef : FloatArray, shape (levels, p)
    rank : int
        Rank of the system: levels less what the unit effects and each other make redundant.
    """

    coef: FloatArray
    rank: int


def solve_dense(s: FloatArray, before: FloatArray, cross: FloatArray) -> LevelSolution:
    """Solve ``s a = cross`` by a pivoted Cholesky factorisation; redundant levels get zero.

    Parameters
    ----------
    s : FloatArray, shape (levels, levels)
        Positive semi-definite.
    before : FloatArray, shape (levels,)
        Its diagonal before the unit effects were absorbed.
    cross : FloatArray, shape (levels, p)
    """
    diagonal = np.diag(s)
    used = diagonal > RANK_TOLERANCE * before
    scale = np.where(used, 1 / np.sqrt(np.where(used, diagonal, 1.0)), 0.0)
    rounding = SYSTEM_ROUNDING * (before * scale**2).max(initial=0.0)
    tolerance = min(max(RANK_TOLERANCE, rounding), MOST_TOLERANCE)
    factor, pivots, rank, _ = lapack.dpstrf(
        s * scale[:, None] * scale[None, :], lower=1, tol=tolerance
    )
    chosen = pivots[:rank] - 1
    lower = np.tril(factor[:rank, :rank])
    half = solve_triangular(lower, (cross * scale[:, None])[chosen], lower=True)
    coef = np.zeros_like(cross)
    coef[chosen] = solve_triangular(lower.T, half, lower=False)
    return LevelSolution(coef * scale[:, None], int(rank))


def solve_by_units(own: FloatArray, unit: sparse.csr_array, cross: FloatArray) -> LevelSolution:
    """Solve ``(diag(own) - A' A) a = cross`` by a system in the fewer rows of A.

    Parameters
    ----------
    own : FloatArray, shape (levels,)
    unit : sparse array, shape (g, levels)
        A, of orthonormal unit effects.
    cross : FloatArray, shape (levels, p)
    """
    used = own > 0
    inverse = np.where(used, 1 / np.where(used, own, 1.0), 0.0)
    a = unit.toarray()
    scaled = a * inverse
    inner = solve_dense(np.eye(len(a)) - scaled @ a.T, np.ones(len(a)), scaled @ cross)
    coef = inverse[:, None] * cross + scaled.T @ inner.coef
    return LevelSolution(coef, int(used.sum()) - len(a) + inner.rank)


def solve_iteratively(
    own: sparse.csr_array,
    unit: Sequence[sparse.csr_array],
    cross: FloatArray,
    level_sets: Sequence[slice],
) -> LevelSolution:
    """Solve ``(own - sum A' A) a = cross`` by conjugate gradients, all columns side by side.

    Parameters
    ----------
    own : sparse array, shape (levels, levels)
    unit : sequence of sparse arrays, shape (g, levels)
        The A, one for each coefficient of the unit effects.
    cross : FloatArray, shape (levels, p)
    level_sets : sequence of slice
        The levels of each effect's intercepts, to count the redundant ones.

    Raises
    ------
    ConvergenceError
        If the residual does not fall below its tolerance.
    """
    transposed = [sparse.csr_array(a.T) for a in unit]

    def apply(v: FloatArray) -> FloatArray:
        result = own @ v
        for a, back in zip(unit, transposed, strict=True):
            result -= back @ (a @ v)
        return np.asarray(result)

    before = own.diagonal()
    diagonal = before.copy()
    for a in unit:
        diagonal -= np.asarray(a.multiply(a).sum(axis=0)).ravel()
    used = diagonal > RANK_TOLERANCE * before
    inverse = np.where(used, 1 / np.where(used, diagonal, 1.0), 0.0)[:, None]
    coef = _conjugate_gradients(apply, inverse, np.where(used[:, None], cross, 0.0))
    return LevelSolution(coef, int(used.sum()) - _redundant(own, unit, level_sets, used))


def _conjugate_gradients(
    apply: Callable[[FloatArray], FloatArray], inverse: FloatArray, right: FloatArray
) -> FloatArray:
    target = RESIDUAL_TOLERANCE**2 * (right * inverse * right).sum(axis=0)
    coef = inverse * right
    residual = right - apply(coef)
    step = ahead = inverse * residual
    size = (residual * ahead).sum(axis=0)
    for _ in range(MOST_ITERATIONS):
        if (size <= target).all():
            return coef
        moved = apply(step)
        curvature = (step * moved).sum(axis=0)
        rate = np.divide(size, curvature, out=np.zeros_like(size), where=curvature > 0)
        coef = coef + rate * step
        residual = residual - rate * moved
        ahead = inverse * residual
        last, size = size, (residual * ahead).sum(axis=0)
        step = ahead + np.divide(size, last, out=np.zeros_like(size), where=last > 0) * step
    raise ConvergenceError(
        "The absorbed effects did not converge: their levels are hardly connected. Drop an "
        "effect, or keep the largest connected set of levels."
    )


def _redundant(
    own: sparse.csr_array,
    unit: Sequence[sparse.csr_array],
    level_sets: Sequence[slice],
    used: BoolArray,
) -> int:
    """Count redundant levels: connected sets of each effect's levels with the one before.

    The effect before is the units', or the first where no unit effect is absorbed. Exact for one
    effect beside the units, and the count that reghdfe makes for several.
    """
    redundant = 0
    for j, levels in enumerate(level_sets):
        if unit:
            links = unit[0][:, levels]
        elif j:
            links = own[level_sets[0], levels]
        else:
            continue
        present = np.flatnonzero(used[levels])
        links = sparse.csr_array(links)[:, present]
        links = links[np.diff(links.indptr) > 0]
        redundant += _connected_sets(links)
    return redundant


def _connected_sets(links: sparse.csr_array) -> int:
    """Count the connected sets of the bipartite graph of rows and columns, shape (a, b)."""
    corner = sparse.csr_array((links.shape[0], links.shape[0]))
    graph = sparse.vstack(
        [sparse.hstack([corner, links]), sparse.csr_array((links.shape[1], sum(links.shape)))]
    )
    return int(connected_components(graph, directed=False)[0])
