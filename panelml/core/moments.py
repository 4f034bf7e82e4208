"""Sufficient statistics of a linear panel model, built in one pass."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from panelml._typing import BoolArray, FloatArray, IntArray
from panelml.core.block import Block
from panelml.core.groups import ROUNDING, demean_twice, group_means, group_sums, is_constant, spread
from panelml.core.transforms import Rows

__all__ = [
    "CONSTANT",
    "FAINT",
    "CrossProducts",
    "Gram",
    "PanelMoments",
    "Resolution",
    "UnitRecords",
]

# A mean is accurate to about 1e-15, so that squared deviations from it, relative to its square,
# are rounding below this.
CONSTANT = 1e-26
# Where squared means exceed the variance by so much, unit means are computed twice.
FAR = 1e8
# Below this share of the sum of squares, what is left of a variable is computed twice.
FAINT = 1e-10
EPSILON = float(np.finfo(np.float64).eps)


@dataclass(frozen=True, slots=True)
class Resolution:
    """What float64 resolves of variables that were transformed.

    Attributes
    ----------
    floor : FloatArray, shape (p,)
        Sums of squares that are rounding.
    level : FloatArray, shape (p,)
        Sums of squares of the levels beside which variables have their digits.
    hidden : BoolArray, shape (p,)
        Whether a variable that is rounding may have varied.
    """

    floor: FloatArray
    level: FloatArray
    hidden: BoolArray

    def insert(self, place: int) -> Resolution:
        """Return the resolution with a constant, of which nothing is lost, at a place."""
        return Resolution(
            np.insert(self.floor, place, 0.0),
            np.insert(self.level, place, 0.0),
            np.insert(self.hidden, place, False),
        )

    def digits(self, squares: FloatArray) -> FloatArray:
        """Digits of variables with these sums of squares that are known, shape (p,)."""
        resolved = EPSILON * np.sqrt(self.level)
        known = np.full(squares.size, np.inf)
        np.divide(np.sqrt(squares), resolved, out=known, where=resolved > 0)
        return np.asarray(np.log10(np.maximum(known, 1.0)))


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
    def rounding(self) -> FloatArray:
        """Sums of squares about the mean that a constant's rounding leaves, shape (p,)."""
        return CONSTANT * self.weight * self.mean**2

    @property
    def resolution(self) -> Resolution:
        """What float64 resolves of deviations from the mean."""
        level = self.weight * self.mean**2 + np.diag(self.centred)
        return Resolution(self.rounding, level, np.zeros(len(level), dtype=bool))

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
class UnitRecords:
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

    def __add__(self, other: UnitRecords) -> UnitRecords:
        return UnitRecords(
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
    means : UnitRecords
        One record per unit.
    level : FloatArray, shape (p,)
        Sum of squared unit means over the rows of units in which a variable varies: its digits
        within units are those that are left beside.
    lost : IntArray, shape (p,)
        Units in which a variable's values differ by no more than their rounding.
    log_weight : float
        Sum of the logarithms of the weights.
    """

    n: int
    overall: CrossProducts
    within: FloatArray
    means: UnitRecords
    level: FloatArray
    lost: IntArray
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
        level, lost = mean**2 @ weight, np.zeros(len(mean), dtype=np.int64)
        for j in np.flatnonzero(np.diag(within) < FAINT * level):
            if is_constant(block.z[j], block.starts):
                mean[j], level[j] = block.z[j, block.starts[:-1]], 0.0
                deviation[j] = within[j] = within[:, j] = 0.0
                continue
            again = demean_twice(block.z[j : j + 1], block.starts, block.unit, w)
            deviation[j], mean[j] = again.values[0], again.mean[0]
            within[j] = within[:, j] = deviation @ (deviation[j] if w is None else deviation[j] * w)
            level[j] = again.mean[0] ** 2 * again.vary[0] @ weight
            lost[j] = again.lost.sum()
        between = CrossProducts.of(mean, weight)
        variation = np.diag(between.centred + within)
        if (between.weight * between.mean**2 > FAR * variation).any():
            # Sums of deviations keep the digits that sums of large numbers lose.
            mean += group_means(deviation, block.starts, w)
            between = CrossProducts.of(mean, weight)
        overall = CrossProducts(between.weight, between.mean, between.centred + within)
        log_weight = 0.0 if w is None else float(np.log(w).sum())
        means = UnitRecords(mean, rows, weight)
        return cls(block.n, overall, within, means, level, lost, log_weight)

    def __add__(self, other: PanelMoments) -> PanelMoments:
        return PanelMoments(
            self.n + other.n,
            self.overall + other.overall,
            self.within + other.within,
            self.means + other.means,
            self.level + other.level,
            self.lost + other.lost,
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

    @property
    def squares(self) -> FloatArray:
        """Sums of squares of the variables as they are, shape (p,)."""
        return np.diag(self.overall.centred) + self.weight * self.overall.mean**2

    @property
    def rounding(self) -> FloatArray:
        """Sums of squares that the rounding of values leaves within units, shape (p,)."""
        return ROUNDING**2 * (self.level + np.diag(self.within))

    @property
    def resolution(self) -> Resolution:
        """What float64 resolves of what unit effects leave: nothing where nothing varies."""
        within = np.diag(self.within)
        floor = np.where(within > 0, self.rounding, np.inf)
        return Resolution(floor, self.level + within, self.lost > 0)

    @property
    def faint(self) -> tuple[int, ...]:
        """Variables whose deviations from unit means are few of their digits."""
        within = np.diag(self.within)
        few = (within > 0) & (within < FAINT * (self.squares - within))
        return tuple(int(j) for j in np.flatnonzero(few))
