"""Normal equations: rank found in the order of the columns, scaled, with inverse."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import linalg

from panelml._typing import BoolArray, FloatArray, IntArray

__all__ = [
    "RANK_TOLERANCE",
    "Solution",
    "TriangularFactor",
    "covariance_root",
    "quadratic_form",
    "solve_normal",
    "solve_triangular",
]

# A column whose unexplained share of its own sum of squares falls below this is collinear.
# Twice fixest's exponent on the scale of standard deviations: 1e-10 here is 1e-5 there.
RANK_TOLERANCE = 1e-11
# Below this share cross-products have lost half their digits, and a QR pass is worth its time.
DOUBTFUL = 1e-7


@dataclass(frozen=True, slots=True)
class Solution:
    """Least squares from cross-products.

    Attributes
    ----------
    coef : FloatArray, shape (k,)
        Coefficients of the kept columns.
    bread : FloatArray, shape (k, k)
        Inverse of the kept columns' cross-products.
    rss : float
        Residual sum of squares.
    kept : IntArray, shape (k,)
        Positions of the kept columns.
    dropped : dict of int to tuple of int
        For each collinear column, the kept columns it is a combination of.
    doubtful : bool
        Whether a kept column was nearly collinear, so that the answer wants orthogonal factors.
    """

    coef: FloatArray
    bread: FloatArray
    rss: float
    kept: IntArray
    dropped: dict[int, tuple[int, ...]]
    doubtful: bool

    def padded(self, size: int) -> FloatArray:
        """Return the bread in the places of all columns, zero for those dropped: (size, size)."""
        full = np.zeros((size, size))
        full[np.ix_(self.kept, self.kept)] = self.bread
        return full


@dataclass(frozen=True, slots=True)
class TriangularFactor:
    """The R of a QR factorisation, merged by factorising two of them stacked.

    Attributes
    ----------
    r : FloatArray, shape (min(n, p), p)
        Upper triangular, of the columns [x, y].
    """

    r: FloatArray

    @classmethod
    def of(cls, z: FloatArray) -> TriangularFactor:
        """Factorise rows given as variables first, shape (p, n), the outcome first."""
        columns = np.concatenate([z[1:], z[:1]])
        return cls(np.asarray(linalg.qr(columns.T, mode="r", check_finite=False)[0])[: len(z)])

    def __add__(self, other: TriangularFactor) -> TriangularFactor:
        stacked = np.concatenate([self.r, other.r])
        return TriangularFactor(
            np.asarray(linalg.qr(stacked, mode="r", check_finite=False)[0])[: stacked.shape[1]]
        )


def quadratic_form(a: FloatArray, middle: FloatArray) -> FloatArray:
    """Return a M a', made exactly symmetric."""
    product = a @ middle @ a.T
    return (product + product.T) / 2


def covariance_root(cov: FloatArray) -> FloatArray:
    """Symmetric root of a covariance, which may be singular, shape (q, q)."""
    values, vectors = np.linalg.eigh(cov)
    return np.asarray((vectors * np.sqrt(np.maximum(values, 0.0))) @ vectors.T)


def solve_normal(gram: FloatArray, floor: FloatArray | None = None) -> Solution:
    """Solve the normal equations, dropping columns that depend on earlier ones.

    Parameters
    ----------
    gram : FloatArray, shape (1 + k, 1 + k)
        Cross-products of [y, x].
    floor : FloatArray, shape (k,), optional
        Sum of squares of each column that is rounding: with no more than that it has vanished.
        Zero by default.

    Notes
    -----
    Columns are scaled to unit length and eliminated one by one in their own order, as R's lm
    does, so that of two collinear columns the later is dropped.
    """
    sxx, sxy, syy = gram[1:, 1:], gram[1:, 0], float(gram[0, 0])
    own = np.diag(sxx)
    vanished = own <= (0.0 if floor is None else floor)
    length = np.sqrt(np.where(own > 0, own, 1.0))
    kept, dropped, least = _independent(sxx / np.outer(length, length), vanished)
    coef, bread = _solve_kept(sxx[np.ix_(kept, kept)], sxy[kept])
    rss = max(syy - float(coef @ sxy[kept]), 0.0)
    return Solution(coef, bread, rss, kept, dropped, least < DOUBTFUL)


def solve_triangular(factor: TriangularFactor, solution: Solution) -> Solution:
    """Solve again from an orthogonal factorisation, with the columns already chosen."""
    k = factor.r.shape[1] - 1
    columns = np.append(solution.kept, k)
    r = np.asarray(linalg.qr(factor.r[:, columns], mode="r", check_finite=False)[0])
    m = solution.kept.size
    inverse = linalg.solve_triangular(r[:m, :m], np.eye(m))
    rss = float(r[m, m] ** 2) if r.shape[0] > m else 0.0
    return Solution(
        inverse @ r[:m, m], inverse @ inverse.T, rss, solution.kept, solution.dropped, False
    )


def _solve_kept(sxx: FloatArray, sxy: FloatArray) -> tuple[FloatArray, FloatArray]:
    length = np.sqrt(np.diag(sxx))
    factor = linalg.cholesky(sxx / np.outer(length, length), lower=True)
    half = linalg.solve_triangular(factor, np.diag(1.0 / length), lower=True)
    bread = half.T @ half
    coef = bread @ sxy
    coef += bread @ (sxy - sxx @ coef)
    return coef, bread


def _independent(
    corr: FloatArray, vanished: BoolArray
) -> tuple[IntArray, dict[int, tuple[int, ...]], float]:
    kept: list[int] = []
    dropped: dict[int, tuple[int, ...]] = {}
    factor = np.zeros_like(corr)
    least = 1.0
    for j in range(corr.shape[0]):
        if vanished[j]:
            dropped[j] = ()
            continue
        m = len(kept)
        row = linalg.solve_triangular(factor[:m, :m], corr[kept, j], lower=True)
        left = corr[j, j] - float(row @ row)
        if left <= RANK_TOLERANCE:
            weights = linalg.solve_triangular(factor[:m, :m].T, row, lower=False)
            dropped[j] = tuple(kept[i] for i in np.flatnonzero(np.abs(weights) > 1e-6))
            continue
        least = min(least, left)
        factor[m, :m] = row
        factor[m, m] = np.sqrt(left)
        kept.append(j)
    return np.array(kept, dtype=np.int64), dropped, least
