"""Residuals of least squares are too small where rows have leverage: adjustments by cluster.

The residuals of cluster g have the covariance ``(I - H_g) sigma^2`` with ``H_g = X_g M X_g'`` and
``M = (X'X)^-1``. With ``M = L L'`` every function of H_g acts through ``S_g = L' X_g'X_g L``, a
matrix in the number of regressors, so that scores are adjusted without a matrix of rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from panelml._typing import FloatArray

__all__ = ["Adjusted", "Power", "adjust"]

Power = Literal["CR2", "CR3"]

# A share of a cluster's variation that its own regressors explain whole, but for rounding.
WHOLE = 1 - 1e-10


@dataclass(frozen=True, slots=True)
class Adjusted:
    """Scores of clusters that allow for their leverage.

    Attributes
    ----------
    scores : FloatArray, shape (c, m)
    df : FloatArray, shape (c', ) or empty
        Satterthwaite's degrees of freedom of each contrast that was asked for.
    """

    scores: FloatArray
    df: FloatArray


def adjust(scores: FloatArray, grams: FloatArray, power: Power, contrasts: FloatArray) -> Adjusted:
    """Adjust the scores ``X_g'e_g`` to ``X_g' A_g e_g``.

    Parameters
    ----------
    scores : FloatArray, shape (c, m)
    grams : FloatArray, shape (c, m, m)
        ``X_g'X_g``.
    power : {"CR2", "CR3"}
        ``A_g = (I - H_g)^(-1/2)``, or its square.
    contrasts : FloatArray, shape (r, m)
        Of the coefficients, for degrees of freedom under equal variances.

    Notes
    -----
    Source: Bell and McCaffrey (2002), *Survey Methodology* 28, 169-181; Pustejovsky and Tipton
    (2018), *Journal of Business & Economic Statistics* 36, 672-683, equations 6 and 11.
    """
    inverse = np.linalg.inv(grams.sum(axis=0))
    root = np.linalg.cholesky((inverse + inverse.T) / 2)
    share, vectors = np.linalg.eigh(root.T @ grams @ root)
    gain = _gain(np.clip(share, 0.0, None), power)
    # A_g - I acts as U f U', with U = X_g L Q and f the gain per unit of the share.
    basis = root @ vectors
    inner = (basis * gain[:, None, :]) @ basis.transpose(0, 2, 1)
    adjusted = scores + np.einsum("cij,cj->ci", grams @ inner, scores)
    return Adjusted(adjusted, _satterthwaite(grams, inner, inverse, contrasts))


def _gain(share: FloatArray, power: Power) -> FloatArray:
    """((1 - s)^-p - 1) / s, with p a half or one; -1 / s where nothing is left of a residual."""
    left = np.where(share < WHOLE, 1 - share, 1.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        found = 1 / left if power == "CR3" else (1 / np.sqrt(left) - 1) / share
    limit = 1.0 if power == "CR3" else 0.5
    found = np.where(share > 1e-12, found, limit)
    return np.where(share < WHOLE, found, -1.0)


def _satterthwaite(
    grams: FloatArray, inner: FloatArray, inverse: FloatArray, contrasts: FloatArray
) -> FloatArray:
    """Degrees of freedom (tr P)^2 / tr P^2 with P the products of clusters, shape (r,)."""
    found = []
    for contrast in contrasts:
        direction = inverse @ contrast
        own = grams @ direction
        moved = np.einsum("cij,cj->ci", inner, own)
        # a_g = A_g X_g M c; b_g = X_g' a_g.
        b = own + np.einsum("cij,cj->ci", grams, moved)
        squares = own @ direction + 2 * (own * moved).sum(axis=1)
        squares += (moved * np.einsum("cij,cj->ci", grams, moved)).sum(axis=1)
        cross = np.einsum("ci,ij,cj->c", b, inverse, b)
        total = inverse @ (b.T @ b)
        trace = squares.sum() - cross.sum()
        product = (squares**2).sum() - 2 * (squares * cross).sum() + np.sum(total * total.T)
        found.append(trace**2 / product)
    return np.array(found)
