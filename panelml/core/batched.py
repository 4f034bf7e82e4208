"""Small matrices by the thousand: products and Cholesky factors with the unit axis last.

An array of shape (a, b, g) is one a x b matrix for each of g units. With the units last, every
step of a small algorithm is one vector operation over all of them.
"""

from __future__ import annotations

import numpy as np

from panelml._typing import FloatArray

__all__ = ["cholesky", "congruence", "multiply", "solve_lower", "transposed_multiply"]


def multiply(a: FloatArray, b: FloatArray) -> FloatArray:
    """Return A B for each unit: (q, r, g) and (r, s, g) to (q, s, g)."""
    result = np.empty((a.shape[0], b.shape[1], max(a.shape[2], b.shape[2])))
    for i in range(a.shape[0]):
        np.multiply(a[i, 0], b[0], out=result[i])
        for k in range(1, a.shape[1]):
            result[i] += a[i, k] * b[k]
    return result


def transposed_multiply(a: FloatArray, b: FloatArray) -> FloatArray:
    """Return A' B for each unit: (r, q, g) and (r, s, g) to (q, s, g)."""
    return multiply(a.swapaxes(0, 1), b)


def congruence(left: FloatArray, s: FloatArray) -> FloatArray:
    """Return L' S L for one matrix L, shape (q, q), and each unit's S, shape (q, q, g)."""
    half = np.einsum("abg,bc->acg", s, left, optimize=True)
    return np.asarray(np.einsum("ab,acg->bcg", left, half, optimize=True))


def cholesky(a: FloatArray) -> FloatArray:
    """Factorise each unit's positive definite matrix, shape (q, q, g), into lower triangles.

    Raises
    ------
    LinAlgError
        If one is not positive definite, to rounding.
    """
    lower = np.zeros_like(a)
    for j in range(a.shape[0]):
        rest = a[j, j] - (lower[j, :j] ** 2).sum(axis=0)
        if not (rest > 0).all():
            raise np.linalg.LinAlgError("A matrix is not positive definite.")
        lower[j, j] = np.sqrt(rest)
        for i in range(j + 1, a.shape[0]):
            rest = a[i, j] - (lower[i, :j] * lower[j, :j]).sum(axis=0)
            lower[i, j] = rest / lower[j, j]
    return lower


def solve_lower(lower: FloatArray, b: FloatArray) -> FloatArray:
    """Solve L X = B for each unit: (q, q, g) and (q, r, g) or (q, r, 1) to (q, r, g)."""
    x = np.empty((b.shape[0], b.shape[1], lower.shape[2]))
    for i in range(b.shape[0]):
        rest = np.broadcast_to(b[i], x[i].shape).copy()
        for k in range(i):
            rest -= lower[i, k] * x[k]
        x[i] = rest / lower[i, i]
    return x
