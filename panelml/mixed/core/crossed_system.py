"""The mixed model equations of several grouping factors, solved at one relative covariance.

The first factor is eliminated unit by unit; what is left is a system in the coefficients of the
others. With Z_2 their design and L their block diagonal factor it is ``I + L' M L``, where M is
Z_2' times the inverse covariance of the first factor alone, times Z_2.

Source: Bates and others (2015), *Journal of Statistical Software* 67(1), section 3.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from scipy import linalg, sparse

from panelml._typing import FloatArray, IntArray
from panelml.core.batched import (
    cholesky,
    congruence,
    multiply,
    solve_lower,
    transposed_multiply,
)
from panelml.mixed.core.crossed_moments import CrossedProducts
from panelml.mixed.core.factors import CrossedFactors, GroupingFactor
from panelml.mixed.core.sparse_units import combined, gram, traces

__all__ = ["CrossedSystem", "EliminatedUnits", "Parts", "times"]

# For each factor its random regressors, and the sums and scores of its levels.
Parts: TypeAlias = list[tuple[IntArray, FloatArray, FloatArray]]

# Factors with a smaller singular value are not inverted.
LEAST_ROOT = 1e-3


@dataclass(frozen=True, slots=True)
class EliminatedUnits:
    """What is left when the first factor is eliminated, S being its rows' covariance alone.

    Attributes
    ----------
    u : FloatArray, shape (q_1, q_1, g)
        S^-1 of a unit is I - K K' with K = Z_1 u'.
    b : FloatArray, shape (q_1, p + 1, g)
        u Z_1' [X, y].
    g, h : FloatArray, shape (q_1, q_1, g) and (q_1, p + 1, g)
        Z_1' S^-1 Z_1 and Z_1' S^-1 [X, y].
    logdet : float
        Of S.
    k : tuple of csr_array, each (g, m)
        Z_1' S^-1 Z_2, by random regressor of the first factor.
    own : FloatArray, shape (m, m)
        M = Z_2' S^-1 Z_2.
    right : FloatArray, shape (m, p + 1)
        Z_2' S^-1 [X, y].
    """

    u: FloatArray
    b: FloatArray
    g: FloatArray
    h: FloatArray
    logdet: float
    k: tuple[sparse.csr_array, ...]
    own: FloatArray
    right: FloatArray

    @classmethod
    def of(cls, products: CrossedProducts, root: FloatArray) -> EliminatedUnits:
        """Eliminate the first factor at its relative covariance factor, shape (q_1, q_1)."""
        units, cross = products.units, products.cross
        inner = congruence(root, units.s)
        inner[np.diag_indices(len(root))] += 1.0
        lower = cholesky(inner)
        u = solve_lower(lower, root.T[:, :, None])
        b, us = multiply(u, units.c), multiply(u, units.s)
        drop = -transposed_multiply(us, u)
        drop[np.diag_indices(len(root))] += 1.0
        own = products.own.toarray()
        right = products.right.copy()
        for a in range(len(root)):
            part = combined(u[a], cross)
            own -= gram(part, part)
            right -= part.T @ b[a].T
        logdet = sum(2 * float(np.log(lower[a, a]).sum()) for a in range(len(root)))
        return cls(
            u,
            b,
            units.s - transposed_multiply(us, us),
            units.c - transposed_multiply(us, b),
            logdet,
            tuple(combined(drop[a], cross) for a in range(len(root))),
            own,
            right,
        )


@dataclass(frozen=True, slots=True)
class CrossedSystem:
    """The system of the other factors, solved; V is the covariance over the residual variance.

    Attributes
    ----------
    units : EliminatedUnits
    p : FloatArray, shape (m, m)
        L (I + L' M L)^-1 L'.
    logdet : float
        Of I + L' M L.
    explained : FloatArray, shape (p + 1, p + 1)
        What the others take off the products of [X, y].
    sums : list of FloatArray, each (q, q)
        Sum over levels of Z_j' V^-1 Z_j, by factor.
    first : FloatArray, shape (q_1, p + 1, g)
        Z_1' V^-1 [X, y].
    others : FloatArray, shape (m, p + 1)
        Z_2' V^-1 [X, y].
    """

    units: EliminatedUnits
    p: FloatArray
    logdet: float
    explained: FloatArray
    sums: list[FloatArray]
    first: FloatArray
    others: FloatArray

    @classmethod
    def of(
        cls, products: CrossedProducts, factors: CrossedFactors, factor: FloatArray
    ) -> CrossedSystem:
        """Solve the equations at a relative covariance factor, shape (q, q)."""
        first, others = factors.first.random, factors.others
        units = EliminatedUnits.of(products, factor[np.ix_(first, first)])
        system = _sandwich(others, factor.T, units.own)
        system[np.diag_indices(len(system))] += 1.0
        lower = linalg.cholesky(system.T, lower=True, overwrite_a=True, check_finite=False)
        logdet = 2 * float(np.log(np.diag(lower)).sum())
        inverse = linalg.lapack.dpotri(lower, lower=1)[0]
        sums = [_level_sum(others, other, factor, units.own, lower, inverse) for other in others]
        inverse[np.diag_indices(len(inverse))] /= 2
        p = _sandwich(others, factor, inverse + inverse.T)
        applied = p @ units.right
        explained, rest = units.right.T @ applied, units.right - units.own @ applied
        h = units.h - np.reshape([(part @ applied).T for part in units.k], units.h.shape)
        return cls(units, p, logdet, explained, sums, h, rest)

    def parts(self, factors: CrossedFactors) -> Parts:
        """For each factor: its random regressors, the sum of Z_j' V^-1 Z_j, and Z_j' V^-1 [X, y].

        Shapes are (q,), (q, q) and (q, p + 1, levels).
        """
        total = self.units.g.sum(axis=2) - traces(self.units.k, self.p)
        parts = [(factors.first.random, total, self.first)]
        for other, total in zip(factors.others, self.sums, strict=True):
            h = self.others[other.span].reshape(other.levels, other.random.size, -1)
            parts.append((other.random, total, np.moveaxis(h, 0, 2)))
        return parts

    def apply(self, v1: FloatArray, v2: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Multiply coefficients (t, q_1, g) and (m, t) by Z' V^-1 Z."""
        units = self.units
        inside = units.own @ v2
        for a, k in enumerate(units.k):
            inside += k.T @ v1[:, a].T
        moved = v2 - self.p @ inside
        first = np.einsum("abg,tbg->tag", units.g, v1)
        for a, k in enumerate(units.k):
            first[:, a] += (k @ moved).T
        return first, inside - units.own @ (self.p @ inside)


def times(others: Sequence[GroupingFactor], factor: FloatArray, rows: FloatArray) -> FloatArray:
    """Multiply rows by the block diagonal factor of all other coefficients, shape (m, m)."""
    result = np.empty_like(rows, order="C")
    for other in others:
        root = factor[np.ix_(other.random, other.random)]
        shape = (other.levels, other.random.size, rows.shape[1])
        np.matmul(root, rows[other.span].reshape(shape), out=result[other.span].reshape(shape))
    return result


def _sandwich(
    others: Sequence[GroupingFactor], factor: FloatArray, table: FloatArray
) -> FloatArray:
    """Multiply a symmetric table by the factor and its transpose: L table L', (m, m)."""
    if any(other.random.size > 1 for other in others):
        return times(others, factor, times(others, factor, table).T)
    roots = np.repeat(
        [factor[other.random[0], other.random[0]] for other in others],
        [other.levels for other in others],
    )
    result: FloatArray = table * roots
    result *= roots[:, None]
    return result


def _level_sum(
    others: Sequence[GroupingFactor],
    other: GroupingFactor,
    factor: FloatArray,
    own: FloatArray,
    lower: FloatArray,
    inverse: FloatArray,
) -> FloatArray:
    """Sum over one factor's levels of Z_j' V^-1 Z_j, shape (q, q).

    With A = I + L' M L it is M - M L A^-1 L' M, and L' of it L is I - A^-1, which needs no more
    products where L can be inverted.

    Parameters
    ----------
    own : FloatArray, shape (m, m)
        M.
    lower, inverse : FloatArray, shape (m, m)
        The Cholesky factor of A and, in the lower triangle, its inverse.
    """
    q = other.random.size
    root = factor[np.ix_(other.random, other.random)]
    if np.linalg.svd(root, compute_uv=False)[-1] > LEAST_ROOT:
        inside = -np.tril(np.einsum("jajb->ab", other.blocks(inverse)))
        inside += np.tril(inside, -1).T + other.levels * np.eye(q)
        back = np.linalg.inv(root)
        return np.asarray(back.T @ inside @ back)
    scaled = times(others, factor.T, own[:, other.span])
    half = linalg.solve_triangular(lower, scaled, lower=True, check_finite=False)
    rows = half.T.reshape(other.levels, q, -1)
    taken = np.tensordot(rows, rows, ((0, 2), (0, 2)))
    return np.asarray(np.einsum("jajb->ab", other.blocks(own)) - taken)
