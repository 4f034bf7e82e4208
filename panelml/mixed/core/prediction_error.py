"""Covariance of the errors of predictions in a mixed model with one grouping factor.

The error of x' beta + z' b_i is that of (x - C_i' z)' beta, with C_i = D Z_i' V_i^-1 X_i, and
independently that of z' b_i given the fixed effects. Source: Henderson (1975), *Biometrics* 31,
423-447.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from panelml._typing import FloatArray
from panelml.core.block import Block
from panelml.core.groups import group_sums
from panelml.mixed.core.blup import UnitPrediction

__all__ = ["UnitErrors", "error_variances", "unit_errors"]


@dataclass(frozen=True, slots=True)
class UnitErrors:
    """How well the random coefficients of units are known.

    Attributes
    ----------
    values : FloatArray, shape (q * q + q * p, g)
        By unit, row by row: their conditional covariance over the residual variance, and how
        their prediction falls with the fixed effects, C_i.
    """

    values: FloatArray

    def __add__(self, other: UnitErrors) -> UnitErrors:
        return UnitErrors(np.concatenate([self.values, other.values], axis=1))


def unit_errors(prediction: UnitPrediction, block: Block) -> UnitErrors:
    """Compute those of a block's units."""
    q, columns = prediction.basis.n_random, prediction.basis.columns(block)
    spreads = prediction.spreads(block)
    products = np.stack([group_sums(columns.fixed * z, block.starts) for z in columns.random])
    slopes = np.einsum("abg,bpg->apg", spreads, products)
    flat = [spreads.reshape(q * q, -1), slopes.reshape(-1, block.n_units)]
    return UnitErrors(np.concatenate(flat))


def error_variances(
    x: FloatArray, z: FloatArray, own: FloatArray, fixed: FloatArray, sigma2: float
) -> FloatArray:
    """Variances of the errors of predictions by row, shape (n,).

    Parameters
    ----------
    x : FloatArray, shape (p, n)
        Working fixed regressors.
    z : FloatArray, shape (q, n)
        Working random regressors.
    own : FloatArray, shape (q * q + q * p, n)
        The values of each row's unit, as in UnitErrors.
    fixed : FloatArray, shape (p, p)
        Covariance of the working fixed effects.
    sigma2 : float
    """
    q, n = z.shape
    spreads, slopes = own[: q * q].reshape(q, q, n), own[q * q :].reshape(q, -1, n)
    left = x - np.einsum("an,apn->pn", z, slopes)
    known = np.einsum("an,abn,bn->n", z, spreads, z)
    return np.asarray(sigma2 * known + (left * (fixed @ left)).sum(axis=0))
