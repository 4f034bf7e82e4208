"""How much of a sparse symmetric system its factor fills."""

from __future__ import annotations

import numpy as np
from scipy import sparse

from panelml._typing import FloatArray

__all__ = ["dense_core"]

# A remainder fuller than this is on its way to be dense.
DENSE_SHARE = 0.1
# Entries that are held before the remainder counts as dense, beside four times the given ones.
MOST_ENTRIES = 10_000_000


def dense_core(system: sparse.csr_array) -> int:
    """Eliminate unknowns of few neighbours, and count those left once the rest is nearly dense.

    Unknowns that are not neighbours, and have fewer of them than all of theirs, go together.

    Parameters
    ----------
    system : sparse array, shape (m, m)
        Symmetric; only where it has entries matters.

    Returns
    -------
    int
        Zero where the factor stays sparse throughout.

    Notes
    -----
    Source: George and Liu (1989), *SIAM Review* 31, 1-19, of minimum degree; several at a time.
    """
    rng = np.random.default_rng(0)
    left = _neighbours(system)
    most = max(MOST_ENTRIES, 4 * left.nnz)
    while left.shape[0]:
        m = left.shape[0]
        if left.nnz > min(DENSE_SHARE * m * m, most):
            return int(m)
        degree = np.diff(left.indptr)
        order = degree + rng.random(m)
        around = np.full(m, np.inf)
        some = degree > 0
        around[some] = np.minimum.reduceat(order[left.indices], left.indptr[:-1][some])
        goes = (order < around) & (degree <= 2 * degree.min() + 1)
        between = left[~goes][:, goes]
        left = _neighbours(left[~goes][:, ~goes] + between @ between.T)
    return 0


def _neighbours(system: sparse.csr_array) -> sparse.csr_array:
    """Ones where different unknowns meet."""
    entries = sparse.coo_array(system)
    row, column = entries.coords
    apart = row != column
    ones: FloatArray = np.ones(int(apart.sum()))
    found = sparse.csr_array((ones, (row[apart], column[apart])), shape=system.shape)
    found.data[:] = 1.0
    return found
