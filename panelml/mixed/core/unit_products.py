"""Sufficient statistics of a mixed model with one grouping factor."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from panelml._typing import FloatArray
from panelml.core.block import Block
from panelml.core.groups import group_sums, spread
from panelml.core.moments import Gram
from panelml.mixed.core.whitening import Whitening

__all__ = [
    "MixedBasis",
    "MixedColumns",
    "MixedMoments",
    "UnitProducts",
    "residual_products",
    "solve_root",
]

RANK_TOLERANCE = 1e-11
LOST_DIGITS = 1e-4


@dataclass(frozen=True, slots=True)
class MixedColumns:
    """Working columns of rows, seen by the role that each has in a mixed model.

    Attributes
    ----------
    values : FloatArray, shape (p + 1 + q, n)
        Fixed regressors, the outcome, random regressors.
    n_random : int
        q, the number of random regressors.
    """

    values: FloatArray
    n_random: int

    def __add__(self, other: MixedColumns) -> MixedColumns:
        return self.with_values(np.concatenate([self.values, other.values], axis=1))

    @property
    def n_fixed(self) -> int:
        """p, the number of fixed regressors."""
        return len(self.values) - self.n_random - 1

    @property
    def fixed(self) -> FloatArray:
        """X', shape (p, n), a view."""
        return self.values[: self.n_fixed]

    @property
    def outcome(self) -> FloatArray:
        """The dependent variable y, shape (n,), a view."""
        outcome: FloatArray = self.values[self.n_fixed]
        return outcome

    @property
    def observed(self) -> FloatArray:
        """[X, y]', which the random effects are taken off, shape (p + 1, n), a view."""
        return self.values[: self.n_fixed + 1]

    @property
    def random(self) -> FloatArray:
        """Z', shape (q, n), a view."""
        return self.values[self.n_fixed + 1 :]

    def with_values(self, values: FloatArray) -> MixedColumns:
        """Return other values of the same columns."""
        return replace(self, values=values)

    def with_outcome(self, outcome: FloatArray) -> MixedColumns:
        """Return the columns with another outcome, shape (n,)."""
        return self.with_values(np.concatenate([self.fixed, outcome[None], self.random]))


@dataclass(frozen=True, slots=True)
class MixedBasis:
    """The columns a mixed model works on, well scaled whatever the units of measurement.

    Attributes
    ----------
    source : FloatArray, shape (p + 1 + q, v)
        Each working column (fixed regressors, outcome, random regressors) as a combination of
        the constant and the centred variables of the block.
    centre : FloatArray, shape (v - 1,)
        What is subtracted from the block's outcome and regressors.
    n_random : int
        q, the number of random regressors.
    whitening : Whitening, optional
        Makes rows independent whose residuals are not.
    """

    source: FloatArray
    centre: FloatArray
    n_random: int
    whitening: Whitening | None = None

    @property
    def plain(self) -> MixedBasis:
        """The same columns, whose rows stay as they are."""
        return replace(self, whitening=None)

    def columns(self, block: Block) -> MixedColumns:
        """Return the working columns of a block, weighted and made independent."""
        z = np.empty((block.z.shape[0] + 1, block.n))
        z[0] = 1.0
        np.subtract(block.z, self.centre[:, None], out=z[1:])
        columns = self.source @ z
        if block.weights is not None:
            columns *= np.sqrt(block.weights)
        if self.whitening is not None:
            columns = self.whitening(columns, block)
        return MixedColumns(columns, self.n_random)

    def random(self, z: FloatArray) -> FloatArray:
        """Return the random working columns of variables as in a block, shape (q, n), unweighted.

        Parameters
        ----------
        z : FloatArray, shape (v - 1, n)
        """
        source = self.source[len(self.source) - self.n_random :]
        return np.asarray(source[:, :1] + source[:, 1:] @ (z - self.centre[:, None]))

    def fixed(self, z: FloatArray) -> FloatArray:
        """Return the fixed working columns of variables as in a block, shape (p, n), unweighted.

        Parameters
        ----------
        z : FloatArray, shape (v - 1, n)
            The outcome, which stands first, is not used.
        """
        source = self.source[: -self.n_random - 1]
        return np.asarray(source[:, :1] + source[:, 2:] @ (z - self.centre[:, None])[1:])


@dataclass(frozen=True, slots=True)
class UnitProducts:
    """Cross-products of each unit's working columns.

    Attributes
    ----------
    s : FloatArray, shape (q, q, g)
        Z_i' Z_i.
    c : FloatArray, shape (q, p + 1, g)
        Z_i' [X_i, y_i].
    m : FloatArray, shape (p + 1, p + 1)
        [X, y]' [X, y], summed over units.
    n : int
        Number of rows.
    log_weight : float
        Sum of the logarithms of the weights.
    """

    s: FloatArray
    c: FloatArray
    m: FloatArray
    n: int
    log_weight: float

    @classmethod
    def of(cls, block: Block, basis: MixedBasis) -> UnitProducts:
        """Compute one block's products."""
        columns = basis.columns(block)
        return cls.of_columns(columns.observed, columns.random, block)

    @classmethod
    def of_columns(cls, w: FloatArray, z: FloatArray, block: Block) -> UnitProducts:
        """Compute from working columns: [X, y], shape (p + 1, n), and Z, shape (q, n)."""
        q = len(z)
        c = np.empty((q, len(w), block.n_units))
        s = np.empty((q, q, block.n_units))
        for a in range(q):
            c[a] = group_sums(w * z[a], block.starts)
            s[a, : a + 1] = group_sums(z[: a + 1] * z[a], block.starts)
            s[: a + 1, a] = s[a, : a + 1]
        weight = 0.0 if block.weights is None else float(np.log(block.weights).sum())
        return cls(s, c, w @ w.T, block.n, weight)

    def __add__(self, other: UnitProducts) -> UnitProducts:
        return UnitProducts(
            np.concatenate([self.s, other.s], axis=2),
            np.concatenate([self.c, other.c], axis=2),
            self.m + other.m,
            self.n + other.n,
            self.log_weight + other.log_weight,
        )

    @property
    def n_units(self) -> int:
        """Number of units."""
        return int(self.s.shape[2])

    @property
    def n_fixed(self) -> int:
        """p, the number of fixed regressors."""
        return int(self.m.shape[0] - 1)

    def reduce(self) -> MixedMoments:
        """Split the products into what random effects can and cannot explain."""
        root = _semidefinite_root(self.s)
        c = solve_root(root, self.c)
        within = self.m - np.einsum("akg,alg->kl", c, c, optimize=True)
        coef = np.linalg.lstsq(within[:-1, :-1], within[:-1, -1], rcond=1e-10)[0]
        left = within[-1, -1] - within[-1, :-1] @ coef
        imprecise = bool(left < LOST_DIGITS * self.m[-1, -1])
        return MixedMoments(
            root.swapaxes(0, 1),
            c,
            np.ones(self.n_units),
            within,
            self.n,
            self.log_weight,
            imprecise,
        )


@dataclass(frozen=True, slots=True)
class MixedMoments:
    """All that the likelihood of a mixed model reads.

    With ``Z_i = Q_i R_i`` and Q_i orthonormal, rows matter only through R_i, ``Q_i' [X_i, y_i]``
    and what is orthogonal to Q_i, so that no difference of large sums is ever taken.

    Attributes
    ----------
    r : FloatArray, shape (q, q, g)
        R_i, upper triangular, with zero rows where Z_i is short of rank.
    c : FloatArray, shape (q, p + 1, g)
        Q_i' [X_i, y_i].
    count : FloatArray, shape (g,)
        How many units each one stands for: one, unless they were collapsed.
    within : FloatArray, shape (p + 1, p + 1)
        Cross-products of [X, y] orthogonal to all Q_i.
    n : int
        Number of rows.
    log_weight : float
        Sum of the logarithms of the weights.
    imprecise : bool
        Whether ``within`` came from a difference that lost digits of the residuals.
    """

    r: FloatArray
    c: FloatArray
    count: FloatArray
    within: FloatArray
    n: int
    log_weight: float
    imprecise: bool

    @property
    def n_units(self) -> int:
        """Number of units."""
        return int(self.r.shape[2])

    @property
    def n_fixed(self) -> int:
        """p, the number of fixed regressors."""
        return int(self.within.shape[0] - 1)

    @property
    def n_random(self) -> int:
        """q, the number of random regressors."""
        return int(self.r.shape[0])


def residual_products(block: Block, basis: MixedBasis) -> Gram:
    """Cross-products of a block's [X, y] less their projections on Z_i, by rows."""
    columns = basis.columns(block)
    unit = block.unit
    w = columns.observed
    used: list[FloatArray] = []
    for z in columns.random:
        before = group_sums(z * z, block.starts)
        for _ in range(2):
            for u in used:
                z = z - u * spread(group_sums(u * z, block.starts), unit)
        norm = group_sums(z * z, block.starts)
        varies = norm > RANK_TOLERANCE * before
        used.append(
            z * spread(np.where(varies, 1 / np.sqrt(np.where(varies, norm, 1.0)), 0.0), unit)
        )
    for _ in range(2):
        for u in used:
            w = w - u * spread(group_sums(u * w, block.starts), unit)
    return Gram(w @ w.T, block.n, float(block.n))


def _semidefinite_root(s: FloatArray) -> FloatArray:
    """Lower Cholesky factors of semi-definite matrices, (q, q, g); dependent columns are zero."""
    root = np.zeros_like(s)
    for j in range(s.shape[0]):
        rest = s[j, j] - (root[j, :j] ** 2).sum(axis=0)
        varies = rest > RANK_TOLERANCE * s[j, j]
        pivot = np.sqrt(np.where(varies, rest, 1.0))
        root[j, j] = np.where(varies, pivot, 0.0)
        for i in range(j + 1, s.shape[0]):
            below = s[i, j] - (root[i, :j] * root[j, :j]).sum(axis=0)
            root[i, j] = np.where(varies, below / pivot, 0.0)
    return root


def solve_root(root: FloatArray, c: FloatArray) -> FloatArray:
    """Solve L x = c by forward substitution, with zero for zero pivots: (q, k, g)."""
    x = np.zeros_like(c)
    for i in range(c.shape[0]):
        rest = c[i].copy()
        for k in range(i):
            rest -= root[i, k] * x[k]
        used = root[i, i] > 0
        x[i] = np.where(used, rest / np.where(used, root[i, i], 1.0), 0.0)
    return x
