"""Residuals are too small where rows have leverage: adjustments by cluster.

The residuals of cluster g have the covariance ``G_g = V_g - X_g M X_g'`` with ``M`` the inverse of
the sum of ``X_g' V_g^-1 X_g``. CR2 replaces them by ``A_g e_g``, whose covariance is V_g where the
model holds; CR3 by what they are without the cluster.

Source: Bell and McCaffrey (2002), *Survey Methodology* 28, 169-181; Pustejovsky and Tipton (2018),
*Journal of Business & Economic Statistics* 36, 672-683, equations 6 and 11.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from panelml._typing import FloatArray

__all__ = ["Adjusted", "DependentRows", "Power", "adjust", "adjust_dependent"]

Power = Literal["CR2", "CR3"]

# A share of a cluster's variation that its own regressors explain whole, but for rounding.
WHOLE = 1 - 1e-10
# The same of the covariance of its residuals, which is a square.
NOTHING = 1e-12


@dataclass(frozen=True, slots=True)
class Adjusted:
    """Scores of clusters that allow for their leverage.

    Attributes
    ----------
    scores : FloatArray, shape (c, m)
        ``P_g' e_g`` with ``P_g = A_g V_g^-1 X_g``.
    squares : FloatArray, shape (c, m, m)
        ``P_g' V_g P_g``.
    cross : FloatArray, shape (c, m, m)
        ``X_g' P_g``.
    """

    scores: FloatArray
    squares: FloatArray
    cross: FloatArray

    def degrees(self, bread: FloatArray, contrast: FloatArray) -> float:
        """Degrees of freedom of a contrast's estimated covariance, where the model holds.

        They are those of the Wishart distribution with the total variance of the estimate, after
        a linear change by which its mean is the identity: ``q (q + 1)`` over that total; for one
        row Satterthwaite's ``(tr S)^2 / tr S^2`` with S the products of clusters. NaN where the
        contrast has no variance.

        Source: Pustejovsky and Tipton (2018), section 3.2.

        Parameters
        ----------
        bread : FloatArray, shape (m, m)
            M.
        contrast : FloatArray, shape (q, m)
        """
        directions = contrast @ bread
        own = directions @ self.squares @ directions.T
        root = np.linalg.cholesky((bread + bread.T) / 2)
        taken = (self.cross @ directions.T).transpose(0, 2, 1) @ root
        mean = (own - taken @ taken.transpose(0, 2, 1)).sum(axis=0)
        length = np.sqrt(np.maximum(np.diag(mean), 0.0))
        if not length.all():
            return float("nan")
        values, vectors = np.linalg.eigh(mean / np.outer(length, length))
        if values[0] < NOTHING:
            return float("nan")
        inverse = (vectors / np.sqrt(values)).T / length
        own, taken = inverse @ own @ inverse.T, inverse @ taken
        inner = taken @ taken.transpose(0, 2, 1)
        trace, lost = np.einsum("cqq->c", own), np.einsum("cqq->c", inner)
        total = float((trace * (trace - 2 * lost)).sum() + (own * (own - 2 * inner)).sum())
        # Products of clusters i and j, sum_ij (u_is' u_js)(u_it' u_jt) and so on, by their sums.
        flat = taken.reshape(len(taken), -1)
        for row in taken.transpose(1, 2, 0):
            products = (row @ flat).reshape(len(bread), *contrast.shape)
            total += float((products**2).sum() + np.einsum("atb,bta->", products, products))
        return float(len(contrast) * (len(contrast) + 1) / total)


def adjust(scores: FloatArray, grams: FloatArray, bread: FloatArray, power: Power) -> Adjusted:
    """Adjust the scores of clusters whose rows are independent with equal variances.

    With ``M = L L'`` every function of the leverage acts through ``L' X_g'X_g L``, so that there
    is no matrix of rows.

    Parameters
    ----------
    scores : FloatArray, shape (c, m)
        ``X_g'e_g``.
    grams : FloatArray, shape (c, m, m)
        ``X_g'X_g``.
    bread : FloatArray, shape (m, m)
        M.
    power : {"CR2", "CR3"}
    """
    root = np.linalg.cholesky((bread + bread.T) / 2)
    share, vectors = np.linalg.eigh(root.T @ grams @ root)
    gain = _gain(np.clip(share, 0.0, None), power)
    # A_g - I acts as U f U', with U = X_g L Q and f the gain per unit of the share.
    basis = root @ vectors
    inner = (basis * gain[:, None, :]) @ basis.transpose(0, 2, 1)
    moved = grams @ inner
    cross = grams + moved @ grams
    return Adjusted(scores + np.einsum("cij,cj->ci", moved, scores), cross + moved @ cross, cross)


def _gain(share: FloatArray, power: Power) -> FloatArray:
    """((1 - s)^-p - 1) / s, with p a half or one; -1 / s where nothing is left of a residual."""
    left = np.where(share < WHOLE, 1 - share, 1.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        found = 1 / left if power == "CR3" else (1 / np.sqrt(left) - 1) / share
    limit = 1.0 if power == "CR3" else 0.5
    found = np.where(share > 1e-12, found, limit)
    return np.where(share < WHOLE, found, -1.0)


@dataclass(frozen=True, slots=True)
class DependentRows:
    """Clusters with as many rows each, which depend on each other.

    Attributes
    ----------
    error : FloatArray, shape (c, n)
    x : FloatArray, shape (c, n, m)
    z : FloatArray, shape (c, n, q)
        Random regressors times a root of the covariance of their coefficients.
    noise : FloatArray, shape (c, n) or (c, n, n)
        Variances of the residuals, or their covariance: V_g is z z' and the noise.
    """

    error: FloatArray
    x: FloatArray
    z: FloatArray
    noise: FloatArray

    def information(self) -> FloatArray:
        """Sum ``X_g' V_g^-1 X_g``, shape (m, m)."""
        solved = np.linalg.solve(self.covariance(), self.x)
        return np.asarray(np.einsum("cnm,cnk->mk", self.x, solved))

    def covariance(self) -> FloatArray:
        """V_g, shape (c, n, n)."""
        v = self.z @ self.z.transpose(0, 2, 1)
        if self.noise.ndim > 2:
            return np.asarray(v + self.noise)
        places = np.arange(v.shape[1])
        v[:, places, places] += self.noise
        return v

    def reduced(self) -> DependentRows:
        """Rotate rows to the span of the regressors: V_g is the identity elsewhere, and so A_g."""
        columns = np.concatenate([self.z, self.x], axis=2)
        if columns.shape[1] <= columns.shape[2] or self.noise.ndim > 2 or (self.noise != 1).any():
            return self
        q = np.linalg.qr(columns).Q.transpose(0, 2, 1)
        noise = np.ones(q.shape[:2])
        return DependentRows((q @ self.error[:, :, None])[:, :, 0], q @ self.x, q @ self.z, noise)


def adjust_dependent(rows: DependentRows, bread: FloatArray, power: Power) -> Adjusted:
    """Adjust the scores of clusters whose rows depend on each other.

    ``A_g`` is ``D'(D G_g D')^(-1/2) D`` with any root ``V_g = D'D``, or ``V_g G_g^-1`` for CR3.

    Parameters
    ----------
    rows : DependentRows
    bread : FloatArray, shape (m, m)
        M.
    power : {"CR2", "CR3"}
    """
    x, v = rows.x, rows.covariance()
    root = np.linalg.cholesky(v)
    back = root.transpose(0, 2, 1)
    left = back @ (v - x @ bread @ x.transpose(0, 2, 1)) @ root
    values, vectors = np.linalg.eigh((left + left.transpose(0, 2, 1)) / 2)
    some = values > NOTHING * np.abs(values).max(axis=1, keepdims=True)
    scale = np.where(some, np.where(some, values, 1.0) ** (-0.5 if power == "CR2" else -1.0), 0.0)
    # Both powers of A_g V_g^-1, from the right: root f(left) root^-1, root f(left) root'.
    raised = root @ (vectors * scale[:, None, :]) @ vectors.transpose(0, 2, 1)
    p = raised @ (np.linalg.solve(root, x) if power == "CR2" else back @ x)
    scores = np.einsum("cnm,cn->cm", p, rows.error)
    return Adjusted(scores, p.transpose(0, 2, 1) @ v @ p, x.transpose(0, 2, 1) @ p)
