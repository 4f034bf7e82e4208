"""Sufficient statistics of a linear panel model, built in one pass."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from panelml._typing import FloatArray, IntArray
from panelml.core.block import Block
from panelml.core.groups import group_means, group_sums, spread
from panelml.core.transforms import Rows

__all__ = ["CrossProducts", "Gram", "PanelMoments", "UnitMeans"]

# A mean is accurate to about 1e-15, so that squared deviations from it, relative to its square,
# are rounding below this.
CONSTANT = 1e-26
# Where squared means exceed the variance by so much, unit means are computed twice.
FAR = 1e8


@dataclass(frozen=True, slots=True)
class CrossProducts:
    """Weight, mean and centred cross-products, merged by Chan's formula.

    Source: Chan, Golub and LeVeque (1983), *The American Statistician* 37, 242-247.

    Attributes
    ----------
    weight : float
        Sum of the weights.
    mean : FloatArray, shape (p,)
    centred : FloatArray, shape (p, p)
    """

    weight: float
    mean: FloatArray
    centred: FloatArray

    @classmethod
    def of(cls, z: FloatArray, weights: FloatArray | None = None) -> CrossProducts:
        """Compute from rows given as variables first, shape (p, n)."""
        weight = float(z.shape[1]) if weights is None else float(weights.sum())
        mean = z.mean(axis=1) if weights is None else (z * weights).sum(axis=1) / weight
        deviation = z - mean[:, None]
        right = deviation if weights is None else deviation * weights
        return cls(weight, mean, deviation @ right.T)

    @property
    def variation(self) -> FloatArray:
        """Sums of squares about the mean, shape (p,); about zero where the former is rounding.

        Against the latter, a variable that is constant counts as vanished.
        """
        centred = np.diag(self.centred)
        level = self.weight * self.mean**2
        return np.where(centred > CONSTANT * level, centred, level)

    def __add__(self, other: CrossProducts) -> CrossProducts:
        weight = self.weight + other.weight
        gap = other.mean - self.mean
        mean = self.mean + gap * (other.weight / weight)
        between = np.outer(gap, gap) * (self.weight * other.weight / weight)
        return CrossProducts(weight, mean, self.centred + other.centred + between)


@dataclass(frozen=True, slots=True)
class Gram:
    """Cross-products of transformed rows.

    Attributes
    ----------
    products : FloatArray, shape (p, p)
    rows : int
        Number of rows.
    weight : float
        Sum of their weights.
    log_weight : float
        Sum of the logarithms of their weights.
    """

    products: FloatArray
    rows: int
    weight: float
    log_weight: float = 0.0

    @classmethod
    def of(cls, rows: Rows) -> Gram:
        """Compute from transformed rows."""
        w = rows.weights
        right = rows.z if w is None else rows.z * w
        n = rows.z.shape[1]
        if w is None:
            return cls(rows.z @ right.T, n, float(n))
        return cls(rows.z @ right.T, n, float(w.sum()), float(np.log(w).sum()))

    def __add__(self, other: Gram) -> Gram:
        return Gram(
            self.products + other.products,
            self.rows + other.rows,
            self.weight + other.weight,
            self.log_weight + other.log_weight,
        )


@dataclass(frozen=True, slots=True)
class UnitMeans:
    """One record per unit, in the order of units.

    Attributes
    ----------
    mean : FloatArray, shape (p, g)
        (Weighted) means of the variables.
    rows : IntArray, shape (g,)
        Number of rows.
    weight : FloatArray, shape (g,)
        Sum of the weights; equal to ``rows`` without weights.
    """

    mean: FloatArray
    rows: IntArray
    weight: FloatArray

    def __add__(self, other: UnitMeans) -> UnitMeans:
        return UnitMeans(
            np.concatenate([self.mean, other.mean], axis=1),
            np.concatenate([self.rows, other.rows]),
            np.concatenate([self.weight, other.weight]),
        )

    @property
    def n_units(self) -> int:
        """Number of units."""
        return self.rows.size

    def cross_products(self, weights: FloatArray | None = None) -> CrossProducts:
        """Cross-products of the means over units, shape (p, p), weighted if asked."""
        return CrossProducts.of(self.mean, weights)


@dataclass(frozen=True, slots=True)
class PanelMoments:
    """What the classical estimators need to know of the rows.

    Attributes
    ----------
    n : int
        Number of rows.
    overall : CrossProducts
        Of all rows.
    within : FloatArray, shape (p, p)
        Cross-products of the deviations from unit means.
    means : UnitMeans
        One record per unit.
    log_weight : float
        Sum of the logarithms of the weights.
    """

    n: int
    overall: CrossProducts
    within: FloatArray
    means: UnitMeans
    log_weight: float = 0.0

    @classmethod
    def of(cls, block: Block) -> PanelMoments:
        """Compute the moments of one block."""
        w = block.weights
        mean = group_means(block.z, block.starts, w)
        deviation = spread(mean, block.unit)
        np.subtract(block.z, deviation, out=deviation)
        within = deviation @ (deviation if w is None else deviation * w).T
        rows = block.sizes
        weight = rows.astype(np.float64) if w is None else group_sums(w, block.starts)
        between = CrossProducts.of(mean, weight)
        variation = np.diag(between.centred + within)
        if (between.weight * between.mean**2 > FAR * variation).any():
            # Sums of deviations keep the digits that sums of large numbers lose.
            mean += group_means(deviation, block.starts, w)
            between = CrossProducts.of(mean, weight)
        overall = CrossProducts(between.weight, between.mean, between.centred + within)
        log_weight = 0.0 if w is None else float(np.log(w).sum())
        return cls(block.n, overall, within, UnitMeans(mean, rows, weight), log_weight)

    def __add__(self, other: PanelMoments) -> PanelMoments:
        return PanelMoments(
            self.n + other.n,
            self.overall + other.overall,
            self.within + other.within,
            self.means + other.means,
            self.log_weight + other.log_weight,
        )

    @property
    def n_units(self) -> int:
        """Number of units."""
        return self.means.n_units

    @property
    def weight(self) -> float:
        """Sum of the weights: the number of observations the moments stand for."""
        return self.overall.weight
