"""Conditional covariances of random coefficients, given the outcomes and the variances.

Over the residual variance they are ``L (I + L' Z' Z L)^-1 L'``, with D = L L' the relative
covariance of the coefficients, of which only the blocks of single levels are computed. The fixed
effects count as known.

Source: Bates, Maechler, Bolker and Walker (2015), *Journal of Statistical Software* 67(1),
section 2.2.
"""

from __future__ import annotations

import numpy as np
from scipy import linalg, sparse

from panelml._typing import FloatArray
from panelml.mixed.core.crossed_moments import CrossedProducts
from panelml.mixed.core.factors import CrossedFactors, GroupingFactor

__all__ = ["crossed_spreads", "unit_spreads"]

# So many dense entries are held at once.
DENSE_ENTRIES = 4_000_000


def unit_spreads(s: FloatArray, relative: FloatArray) -> FloatArray:
    """Conditional covariances with one grouping factor, (q, q, g), from Z_i' Z_i, (q, q, g).

    Parameters
    ----------
    s : FloatArray, shape (q, q, g)
    relative : FloatArray, shape (q, q)
        D.
    """
    inner = np.eye(len(relative)) + np.moveaxis(s, 2, 0) @ relative
    return np.moveaxis(relative @ np.linalg.inv(inner), 0, 2)


def crossed_spreads(
    products: CrossedProducts, factors: CrossedFactors, relatives: tuple[FloatArray, ...]
) -> list[FloatArray]:
    """Conditional covariances with several grouping factors.

    Parameters
    ----------
    products : CrossedProducts
    factors : CrossedFactors
    relatives : tuple of FloatArray, each (q, q)
        D of the first factor, then of the others.

    Returns
    -------
    list of FloatArray, each (q, q, levels)
    """
    roots, others = [_root(relative) for relative in relatives], factors.others
    first, spread = roots[0], _spread(others, roots[1:])
    inner = np.eye(len(first)) + first.T @ np.moveaxis(products.units.s, 2, 0) @ first
    inverse = np.moveaxis(np.linalg.inv(inner), 0, 2)
    cross = [sparse.csr_array(part @ spread) for part in products.cross]
    scaled = [
        _combined(np.broadcast_to(row, (inner.shape[0], row.size)).T, cross) for row in first.T
    ]
    solved = [_combined(inverse[a], scaled) for a in range(len(first))]
    system = (spread.T @ products.own @ spread).toarray()
    for left, right in zip(scaled, solved, strict=True):
        system -= (left.T @ right).toarray()
    system[np.diag_indices(len(system))] += 1.0
    p = linalg.inv(system)
    own = inverse + _products(solved, p) if solved else inverse
    found = [np.einsum("ab,bcg,dc->adg", first, own, first)]
    p = spread @ (spread @ p).T
    for other in others:
        found.append(np.asarray(np.diagonal(other.blocks(p), axis1=0, axis2=2)))
    return found


def _root(relative: FloatArray) -> FloatArray:
    values, vectors = np.linalg.eigh(relative)
    return np.asarray(vectors * np.sqrt(np.maximum(values, 0.0)))


def _spread(others: tuple[GroupingFactor, ...], roots: list[FloatArray]) -> sparse.csr_array:
    blocks = [
        sparse.kron(sparse.eye_array(other.levels), root)
        for other, root in zip(others, roots, strict=True)
    ]
    return sparse.csr_array(sparse.block_diag(blocks, format="csr"))


def _combined(weights: FloatArray, parts: list[sparse.csr_array]) -> sparse.csr_array:
    """Sum of parts, each row times its own weight, shape (q, g)."""
    total = sparse.diags_array(weights[0]) @ parts[0]
    for weight, part in zip(weights[1:], parts[1:], strict=True):
        total = total + sparse.diags_array(weight) @ part
    return sparse.csr_array(total)


def _products(rows: list[sparse.csr_array], p: FloatArray) -> FloatArray:
    """W_i P W_i' of each unit, shape (q, q, g), some units at a time."""
    q, g = len(rows), rows[0].shape[0]
    step = max(DENSE_ENTRIES // max(p.shape[0], 1), 1)
    found = np.empty((q, q, g))
    for start in range(0, g, step):
        part = [row[start : start + step] for row in rows]
        for a in range(q):
            dense = part[a] @ p
            for b in range(a + 1):
                found[a, b, start : start + step] = part[b].multiply(dense).sum(axis=1)
                found[b, a, start : start + step] = found[a, b, start : start + step]
    return found
