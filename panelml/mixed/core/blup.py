"""Predicted random coefficients, and rows less what they predict.

Less their conditional prediction, rows sum to the generalised least squares scores:
``X' V^-1 r = X' (r - Z b)`` with b the best linear unbiased predictions.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from panelml._typing import FloatArray
from panelml.core.block import Block, arranged
from panelml.core.groups import group_sums, spread
from panelml.core.transforms import Rows
from panelml.mixed.core.conditional import crossed_spreads, unit_spreads
from panelml.mixed.core.crossed_moments import CrossedProducts
from panelml.mixed.core.factors import CrossedFactors
from panelml.mixed.core.unit_products import MixedBasis, MixedColumns

__all__ = ["CrossedPrediction", "UnitPrediction"]


@dataclass(frozen=True, slots=True)
class UnitPrediction:
    """Random coefficients of one grouping factor, predicted from a block's own rows.

    Attributes
    ----------
    basis : MixedBasis
    coef : FloatArray, shape (p,)
        Fixed effects of the working columns.
    relative : FloatArray, shape (q, q)
        Covariance of the working random coefficients over the residual variance.
    constant : bool
        False: the constant, if any, is one of the working columns.
    """

    basis: MixedBasis
    coef: FloatArray
    relative: FloatArray
    constant: bool = False

    def coefficients(self, block: Block) -> FloatArray:
        """Predict the working random coefficients of a block's units, shape (q, g)."""
        return self._predict(self.basis.columns(block), block)

    def spreads(self, block: Block) -> FloatArray:
        """Conditional covariances of the coefficients over the residual variance, (q, q, g)."""
        return unit_spreads(_squares(self.basis.columns(block).random, block), self.relative)

    def __call__(self, block: Block) -> Rows:
        """Return the outcome less its random part, and the working fixed regressors."""
        columns = self.basis.columns(block)
        predicted = spread(self._predict(columns, block), block.unit)
        outcome = columns.outcome - (columns.random * predicted).sum(axis=0)
        return Rows(arranged(outcome, columns.fixed), None, None, block.starts)

    def _predict(self, columns: MixedColumns, block: Block) -> FloatArray:
        q = self.basis.n_random
        if not q:
            return np.zeros((0, block.n_units))
        z = columns.random
        residual = columns.outcome - self.coef @ columns.fixed
        s = _squares(z, block)
        total = group_sums(z * residual, block.starts)
        inner = np.eye(q) + np.moveaxis(s, 2, 0) @ self.relative
        return np.asarray(self.relative @ np.linalg.solve(inner, total.T[:, :, None])[:, :, 0].T)


def _squares(z: FloatArray, block: Block) -> FloatArray:
    """Return Z_i' Z_i, shape (q, q, g)."""
    return np.stack([group_sums(z * row, block.starts) for row in z])


@dataclass(frozen=True, slots=True)
class CrossedPrediction:
    """Random coefficients of several grouping factors, predicted jointly.

    Attributes
    ----------
    basis : MixedBasis
    factors : CrossedFactors
    levels : tuple of FloatArray, each (q, levels)
        Working coefficients of the levels of each factor, those of the first in the order of units.
    relative : FloatArray, shape (q, q)
        Covariance of all working random coefficients over the residual variance.
    constant : bool
        False: the constant, if any, is one of the working columns.
    """

    basis: MixedBasis
    factors: CrossedFactors
    levels: tuple[FloatArray, ...]
    relative: FloatArray
    constant: bool = False

    def __call__(self, block: Block) -> Rows:
        """Return the outcome less its random part, and the working fixed regressors."""
        columns, whitening = self.basis.plain.columns(block), self.basis.whitening
        z = columns.random
        units, *others = self.levels
        own = units[:, block.first_unit : block.first_unit + block.n_units]
        first = z[self.factors.first.random]
        outcome = columns.outcome - (first * spread(own, block.unit)).sum(axis=0)
        for factor, values in zip(self.factors.others, others, strict=True):
            outcome -= (z[factor.random] * spread(values, block.keys[factor.key])).sum(axis=0)
        rows = arranged(outcome, columns.fixed)
        return Rows(rows if whitening is None else whitening(rows, block), None, None, block.starts)

    def products(self, block: Block) -> CrossedProducts:
        """Compute the products of a block, of whose sum ``spreads`` is made."""
        return CrossedProducts.of(block, self.basis, self.factors)

    def spreads(self, products: CrossedProducts, relative: FloatArray) -> list[FloatArray]:
        """Conditional covariances over the residual variance: (q, q, levels) for each factor.

        Parameters
        ----------
        products : CrossedProducts
        relative : FloatArray, shape (q, q)
            Relative covariance of all working coefficients.
        """
        relatives = tuple(relative[np.ix_(random, random)] for random in self.factors.randoms)
        return crossed_spreads(products, self.factors, relatives)
