"""Two-way random effects: units eliminated row by row, periods by one small ridge system.

In y = xb + u_i + l_t + e_it let Var(e_it) = sigma2_e / w_it, W the diagonal of the weights, D the
dummies of the periods, and r_u, r_t the variances of u and l over sigma2_e. Quasi-demeaning Q by
unit gives (W^-1 + r_u D_u D_u')^-1 = Q'WQ, and by Woodbury's formula

    sigma2_e V^-1 = Q'W (I - Q D r_t (I + r_t A)^-1 D'Q'W) Q,    A = D'Q'WQ D.

Everything is thus read off the cross-products of quasi-demeaned [D, y, 1, x], a sum over units
for any r_u. Source: Woodbury for the crossed design as in Baltagi (2021), *Econometric Analysis
of Panel Data*, section 9.4; the transformation is that of Fuller and Battese (1974), *Journal of
Econometrics* 2, 67-78, on balanced panels.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from panelml._typing import FloatArray, IntArray
from panelml.core.block import Block, arranged
from panelml.core.groups import group_means, group_sums, spread
from panelml.core.transforms import QuasiDemean, Rows

__all__ = ["MOST_PERIODS", "PeriodSystem", "TwoWayMoments", "TwoWayQuasiDemean"]

MOST_PERIODS = 4_000
# Cells of units by periods that are laid out at once.
MOST_CELLS = 2**22


@dataclass(frozen=True, slots=True)
class TwoWayMoments:
    """Within cross-products and unit means of [D, y, 1, x], for any share of demeaning.

    Units of equal weight enter through the cross-products of their means alone, so that more of
    them than columns are replaced by as many rows as columns with the same cross-products.

    Attributes
    ----------
    periods : int
        Number T of columns of D.
    units : int
    within : FloatArray, shape (T + p, T + p)
        Cross-products of deviations from unit means.
    means : FloatArray, shape (m, T + p)
        Unit means, or rows with the same cross-products.
    weight : FloatArray, shape (m,)
        Sum of the weights of each row's unit.
    """

    periods: int
    units: int
    within: FloatArray
    means: FloatArray
    weight: FloatArray

    @classmethod
    def of(cls, block: Block, centre: FloatArray, *, constant: bool) -> TwoWayMoments:
        """Compute one block's share, outcome and regressors taken about the centre."""
        periods = block.steps.size
        if block.n_units > 1 and block.n_units * periods > MOST_CELLS:
            half = block.n_units // 2
            first = cls.of(_units(block, 0, half), centre, constant=constant)
            return first + cls.of(_units(block, half, block.n_units), centre, constant=constant)
        z = _columns(block, centre, constant)
        w = block.row_weights
        weight = group_sums(w, block.starts)
        mean = group_means(z, block.starts, block.weights)
        cell = block.unit * periods + block.time
        counted = np.bincount(cell, w, minlength=block.n_units * periods)
        share = counted.reshape(-1, periods) / weight[:, None]
        within = np.empty((periods + len(z), periods + len(z)))
        deviation = z - spread(mean, block.unit)
        weighted = deviation * w
        within[periods:, periods:] = deviation @ weighted.T
        within[:periods, :periods] = np.diag(weight @ share) - (share.T * weight) @ share
        cross = [np.bincount(block.time, row, minlength=periods) for row in weighted]
        within[periods:, :periods] = cross
        within[:periods, periods:] = np.transpose(cross)
        means, kept = _compressed(np.concatenate([share, mean.T], axis=1), weight)
        return cls(periods, block.n_units, within, means, kept)

    def __add__(self, other: TwoWayMoments) -> TwoWayMoments:
        means, weight = _compressed(
            np.concatenate([self.means, other.means]),
            np.concatenate([self.weight, other.weight]),
        )
        return TwoWayMoments(
            self.periods, self.units + other.units, self.within + other.within, means, weight
        )

    def products(self, weights: FloatArray) -> FloatArray:
        """Cross-products of the unit means, weighted, shape (T + p, T + p)."""
        return (self.means.T * weights) @ self.means

    def quasi(self, ratio: float) -> FloatArray:
        """Cross-products of quasi-demeaned columns for sigma2_u / sigma2_e = ratio."""
        return self.within + self.products(self.weight / (1 + ratio * self.weight))

    def slope(self, ratio: float) -> FloatArray:
        """Return the derivative of ``quasi`` in the ratio."""
        return -self.products((self.weight / (1 + ratio * self.weight)) ** 2)

    def system(self, ratio: float) -> PeriodSystem:
        """Set up the periods' system for sigma2_u / sigma2_e = ratio."""
        table = self.quasi(ratio)
        periods = slice(self.periods)
        values, vectors = np.linalg.eigh(table[periods, periods])
        rest = slice(self.periods, None)
        return PeriodSystem(
            np.maximum(values, 0.0), vectors, vectors.T @ table[periods, rest], table[rest, rest]
        )

    def select(self, kept: IntArray) -> TwoWayMoments:
        """Keep the periods, and these of the other columns."""
        columns = np.concatenate([np.arange(self.periods), self.periods + kept])
        return replace(
            self, within=self.within[np.ix_(columns, columns)], means=self.means[:, columns]
        )


@dataclass(frozen=True, slots=True)
class PeriodSystem:
    """The periods' equations at one r_u, diagonalised: they then serve every r_t.

    Attributes
    ----------
    values : FloatArray, shape (T,)
        Eigenvalues of A = D'Q'WQ D.
    vectors : FloatArray, shape (T, T)
    cross : FloatArray, shape (T, p)
        D'Q'WQ z in the basis of the eigenvectors.
    products : FloatArray, shape (p, p)
        z'Q'WQ z.
    """

    values: FloatArray
    vectors: FloatArray
    cross: FloatArray
    products: FloatArray

    def gram(self, ratio: float) -> FloatArray:
        """Return sigma2_e z'V^-1 z for sigma2_t / sigma2_e = ratio, shape (p, p)."""
        shrink = ratio / (1 + ratio * self.values)
        return np.asarray(self.products - (self.cross.T * shrink) @ self.cross)

    def effects(self, ratio: float) -> FloatArray:
        """Best linear unbiased predictions of the periods' effects in each column, (T, p)."""
        shrink = ratio / (1 + ratio * self.values)
        return np.asarray((self.vectors * shrink) @ self.cross)

    def levels(self, ratio: float) -> FloatArray:
        """Levels to subtract so that least squares on quasi-demeaned rows has ``gram``, (T, p).

        With s the square roots of 1 + r_t a over the eigenvalues a, I - QD r_t (I + r_t A)^-1 D'Q'W
        is the square of I - QD H D'Q'W, where H has the eigenvalues r_t / (s (s + 1)).
        """
        s = np.sqrt(1 + ratio * self.values)
        return np.asarray((self.vectors * (ratio / (s * (s + 1)))) @ self.cross)


@dataclass(frozen=True, slots=True)
class TwoWayQuasiDemean:
    """Subtract levels of the periods, then a share of the unit means: two-way random effects.

    Attributes
    ----------
    centre : FloatArray, shape (p,)
        The reference of outcome and regressors.
    sigma2_u, sigma2_e : float
        As in QuasiDemean.
    levels : FloatArray, shape (T, p) or (T, p + 1) with a constant
        ``PeriodSystem.levels``.
    constant : bool

    Notes
    -----
    On balanced panels a row is z_it less shares of its unit's, its period's and the overall mean.
    The limits of large variances are the rows of two-way fixed effects, and without variance of
    the periods those of one-way random effects; so the products of rows and residuals are scores
    of the same kind as theirs, and may be clustered by unit.
    """

    centre: FloatArray
    sigma2_u: float
    sigma2_e: float
    levels: FloatArray
    constant: bool = True

    def __call__(self, block: Block) -> Rows:
        """Transform one block."""
        z = _columns(block, self.centre, self.constant)
        z -= spread(np.ascontiguousarray(self.levels.T), block.time)
        by_unit = QuasiDemean(np.zeros(len(z)), self.sigma2_u, self.sigma2_e, constant=False)
        return by_unit(block.with_z(z))


def _units(block: Block, first: int, stop: int) -> Block:
    """Return a run of a block's units, without keys and slopes."""
    rows = slice(int(block.starts[first]), int(block.starts[stop]))
    weights = None if block.weights is None else block.weights[rows]
    return replace(
        block,
        z=block.z[:, rows],
        starts=block.starts[first : stop + 1] - rows.start,
        first_unit=block.first_unit + first,
        time=block.time[rows],
        weights=weights,
        keys={},
        slopes={},
    )


def _columns(block: Block, centre: FloatArray, constant: bool) -> FloatArray:
    z = block.z - centre[:, None]
    return arranged(z[0], np.ones((1, block.n)), z[1:]) if constant else z


def _compressed(means: FloatArray, weight: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Replace many units of equal weight by as many rows as columns."""
    width = means.shape[1]
    values, group, counts = np.unique(weight, return_inverse=True, return_counts=True)
    many = np.flatnonzero(counts > width)
    if not many.size:
        return means, weight
    few = counts[group] <= width
    factors = [_factor(means[group == c]) for c in many]
    return (
        np.concatenate([means[few], *factors]),
        np.concatenate([weight[few], np.repeat(values[many], width)]),
    )


def _factor(means: FloatArray) -> FloatArray:
    """Find a square matrix with the same cross-products of columns."""
    length = np.sqrt((means**2).sum(axis=0))
    scale = np.where(length > 0, length, 1.0)
    columns = means / scale
    values, vectors = np.linalg.eigh(columns.T @ columns)
    return np.asarray(np.sqrt(np.maximum(values, 0.0))[:, None] * vectors.T * scale)
