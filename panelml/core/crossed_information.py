"""Information on the variance parameters of a mixed model with several grouping factors.

All random coefficients stand in one dense system: ``G = Z' V^-1 Z`` by the identity
``M - M L A^-1 L' M`` with ``M = Z'Z`` and ``A = I + L' M L``.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import linalg, sparse

from panelml._typing import FloatArray, IntArray
from panelml.core.crossed_criterion import CrossedCriterion
from panelml.core.crossed_moments import CrossedProducts, OtherFactor
from panelml.core.mixed_information import VarianceInformation, joint_information

__all__ = ["MOST_COEFFICIENTS", "crossed_information"]

# Random coefficients whose dense system takes seconds.
MOST_COEFFICIENTS = 5_000


def crossed_information(
    products: CrossedProducts, first: IntArray, others: tuple[OtherFactor, ...],
    at: CrossedCriterion, *, restricted: bool,
) -> VarianceInformation:  # fmt: skip
    """Compute the information at an optimum.

    Parameters
    ----------
    products : CrossedProducts
    first : IntArray, shape (q_1,)
        Positions of the first factor's regressors among the random ones.
    others : tuple of OtherFactor
    at : CrossedCriterion
    restricted : bool
    """
    system = _System.of(products, first, others)
    p = len(at.coef)
    g, h = system.through(at.factor)
    projected = g - h @ at.phi @ h.T if restricted else g
    changes = [_Change.of(system.random, a, b) for a, b in zip(*at.free, strict=True)]
    moved = [change.columns(projected) for change in changes]
    expected = np.array([[np.vdot(left, right.T) for right in moved] for left in moved])
    trace = np.array([np.trace(columns) for columns in moved])
    turned = [change.columns(h.T).T for change in changes]
    left = [h.T @ rows for rows in turned]
    second = np.array([[a.T @ g @ b for b in turned] for a in turned])
    t = len(changes)
    return joint_information(
        at.free, (at.factor @ at.factor.T)[at.free], average=at.average, scale=at.scale,
        expected=expected, trace=trace, first=np.array(left).reshape(t, p, p),
        second=second.reshape(t, t, p, p), phi=at.phi, sigma2=at.sigma2, df=at.df,
        rank=products.units.n - (p if restricted else 0),
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Change:
    """A change of the covariance of coefficients that lets those of two regressors move together.

    Attributes
    ----------
    ours, theirs : IntArray, shape (levels,)
        Their coefficients by level.
    """

    ours: IntArray
    theirs: IntArray

    @classmethod
    def of(cls, random: IntArray, a: int, b: int) -> _Change:
        return cls(np.flatnonzero(random == a), np.flatnonzero(random == b))

    def columns(self, table: FloatArray) -> FloatArray:
        """Multiply from the right, shape (n, K) of either."""
        result = np.zeros_like(table)
        result[:, self.theirs] = table[:, self.ours]
        result[:, self.ours] = table[:, self.theirs]
        return result


@dataclass(frozen=True, slots=True)
class _System:
    """Products of all random coefficients, level by level.

    Attributes
    ----------
    random : IntArray, shape (K,)
        Which random regressor each coefficient belongs to.
    m : FloatArray, shape (K, K)
        Z'Z.
    c : FloatArray, shape (K, p)
        Z'X.
    """

    random: IntArray
    m: FloatArray
    c: FloatArray

    @classmethod
    def of(
        cls, products: CrossedProducts, first: IntArray, others: tuple[OtherFactor, ...]
    ) -> _System:
        units, q = products.units, first.size
        levels = units.s.shape[2]
        own = sparse.block_diag(list(np.moveaxis(units.s, 2, 0))).toarray()
        cross = np.stack([part.toarray() for part in products.cross], axis=1)
        cross = cross.reshape(levels * q, -1)
        rows = np.moveaxis(units.c, 2, 0).reshape(levels * q, -1)
        parts = [np.tile(first, levels), *(np.tile(o.random, o.levels) for o in others)]
        return cls(
            np.concatenate(parts),
            np.block([[own, cross], [cross.T, products.own.toarray()]]),
            np.concatenate([rows, products.right])[:, : units.n_fixed],
        )

    def through(self, factor: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return ``Z' V^-1 Z`` and ``Z' V^-1 X``, (K, K) and (K, p), over the residual variance."""
        scaled = self._times(factor, self.m)
        inner = self._times(factor, scaled.T)
        inner[np.diag_indices(len(inner))] += 1.0
        root = linalg.cholesky(inner, lower=True, overwrite_a=True, check_finite=False)
        half = linalg.solve_triangular(root, scaled, lower=True, check_finite=False)
        right = linalg.solve_triangular(root, self._times(factor, self.c), lower=True)
        return self.m - half.T @ half, self.c - half.T @ right

    def _times(self, factor: FloatArray, rows: FloatArray) -> FloatArray:
        """Multiply rows, shape (K, n), by the transpose of the factor of all coefficients."""
        result = np.zeros_like(rows)
        for a in range(len(factor)):
            for b in np.flatnonzero(factor[:, a]):
                result[self.random == a] += factor[b, a] * rows[self.random == b]
        return result
