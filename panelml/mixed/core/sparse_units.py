"""Products of units with the coefficients of other grouping factors, a sparse row for each unit."""

from __future__ import annotations

import numpy as np
from scipy import sparse

from panelml._typing import FloatArray

__all__ = ["combined", "gram", "traces"]

# So many dense entries are held at once.
DENSE_ENTRIES = 4_000_000
# Sparse matrices fuller than this are multiplied faster as dense ones.
DENSE_SHARE = 0.1


def combined(u: FloatArray, cross: tuple[sparse.csr_array, ...]) -> sparse.csr_array:
    """Sum of the cross-products with coefficients of each unit, u of shape (q, g)."""
    first = cross[0]
    each = np.diff(first.indptr)
    data = sum(
        (
            np.repeat(coefficient, each) * part.data
            for coefficient, part in zip(u, cross, strict=True)
        ),
        np.zeros(first.nnz),
    )
    return sparse.csr_array((data, first.indices, first.indptr), shape=first.shape)


def gram(left: sparse.csr_array, right: sparse.csr_array) -> FloatArray:
    """Return left' right, dense, shape (m, m)."""
    g, m = left.shape
    if left.nnz < DENSE_SHARE * g * m:
        return np.asarray((left.T @ right).toarray())
    total, step = np.zeros((m, m)), max(DENSE_ENTRIES // m, 1)
    for start in range(0, g, step):
        rows = slice(start, start + step)
        total += left[rows].toarray().T @ right[rows].toarray()
    return total


def traces(k: tuple[sparse.csr_array, ...], p: FloatArray) -> FloatArray:
    """Sum over units of K_i P K_i', shape (q, q)."""
    total = np.zeros((len(k), len(k)))
    for a in range(len(k)):
        for b in range(a + 1):
            total[a, b] = total[b, a] = np.vdot(gram(k[a], k[b]), p)
    return total
