"""The likelihood of a mixed model whose residuals are dependent within units.

Given the parameters of the residuals' covariance R_i, rows are whitened and the likelihood is that
of a model with independent residuals. Units with equal rows of random regressors and equal R_i
matter only through the sum of ``vec([X, y]) vec([X, y])'``, and are replaced by as few as have the
same sum: a balanced panel is T (p + 1) of them, however many units there were.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from panelml._typing import FloatArray, IntArray
from panelml.core.block import Block
from panelml.mixed.core.collapse import fewer
from panelml.mixed.core.crossed_moments import level_codes
from panelml.mixed.core.factors import GroupingFactor
from panelml.mixed.core.information import VarianceInformation, variance_information
from panelml.mixed.core.optimum import FittedState, SingleFactor
from panelml.mixed.core.residual_forms import Patterns, ResidualForm
from panelml.mixed.core.unit_products import (
    RANK_TOLERANCE,
    MixedBasis,
    MixedColumns,
    MixedMoments,
)
from panelml.mixed.core.whitening import RowFacts, RowPatterns, SizeClass, size_classes

__all__ = [
    "Patterned",
    "ResidualProblem",
    "UnitRows",
    "WhiteUnits",
    "pulled",
    "residual_problem",
    "roots",
    "spread_over",
]

# Random regressors of units count as equal if they agree to so many digits of the largest.
DIGITS = 10


@dataclass(frozen=True, slots=True)
class UnitRows:
    """Working columns of all rows, with what their covariance depends on.

    Attributes
    ----------
    columns : MixedColumns
    sizes : IntArray, shape (g,)
    patterns : RowPatterns
    codes : IntArray, shape (factors - 1, n)
        Levels of the grouping factors beside the first.
    log_weight : float
        Sum of the logarithms of the weights.
    """

    columns: MixedColumns
    sizes: IntArray
    patterns: RowPatterns
    codes: IntArray
    log_weight: float

    @classmethod
    def of(
        cls,
        block: Block,
        basis: MixedBasis,
        facts: RowFacts,
        others: tuple[GroupingFactor, ...] = (),
    ) -> UnitRows:
        """Collect the rows of one block, by a basis that leaves them as they are."""
        weight = 0.0 if block.weights is None else float(np.log(block.weights).sum())
        return cls(
            basis.columns(block), block.sizes, facts.of(block), level_codes(block, others), weight
        )

    def __add__(self, other: UnitRows) -> UnitRows:
        return UnitRows(
            self.columns + other.columns,
            np.concatenate([self.sizes, other.sizes]),
            self.patterns + other.patterns,
            np.concatenate([self.codes, other.codes], axis=1),
            self.log_weight + other.log_weight,
        )

    @property
    def starts(self) -> IntArray:
        """First row of each unit, shape (g + 1,)."""
        return np.concatenate([[0], np.cumsum(self.sizes)])


@dataclass(frozen=True, slots=True)
class SizedUnits:
    """Units with as many rows each.

    Attributes
    ----------
    rows : FloatArray, shape (g, T, p + 1 + q)
    count : FloatArray, shape (g,)
        How many units each one stands for.
    patterns : Patterns
    pattern : IntArray, shape (g,)
        Sorted.
    """

    rows: FloatArray
    count: FloatArray
    patterns: Patterns
    pattern: IntArray


@dataclass(frozen=True, slots=True)
class ResidualProblem:
    """All that the likelihood reads.

    Attributes
    ----------
    form : ResidualForm
    units : tuple of SizedUnits
    n_random : int
    n : int
        Number of rows.
    log_weight : float
    """

    form: ResidualForm
    units: tuple[SizedUnits, ...]
    n_random: int
    n: int
    log_weight: float

    def whiten(self, theta: FloatArray) -> WhiteUnits:
        """Whiten the units by the covariance at some parameters.

        Raises
        ------
        LinAlgError
            If it is not positive definite.
        """
        inverses, logs = zip(*(roots(self.form, theta, part) for part in self.units), strict=True)
        log_det = sum(float(own @ part.count) for own, part in zip(logs, self.units, strict=True))
        white = tuple(
            spread_over(inverse, part.pattern) @ part.rows
            for inverse, part in zip(inverses, self.units, strict=True)
        )
        products = [
            _products(rows, part.count, self.n_random)
            for rows, part in zip(white, self.units, strict=True)
        ]
        r, c, within = zip(*products, strict=True)
        moments = MixedMoments(
            np.concatenate(r, axis=2),
            np.concatenate(c, axis=2),
            np.concatenate([part.count for part in self.units]),
            np.sum(within, axis=0),
            self.n,
            self.log_weight - log_det,
            False,
        )
        return WhiteUnits(self, theta, moments, white, inverses)


@dataclass(frozen=True, slots=True)
class WhiteUnits:
    """The problem with its residuals independent, at some parameters of their covariance.

    Attributes
    ----------
    problem : ResidualProblem
    theta : FloatArray, shape (size,)
    moments : MixedMoments
    rows : tuple of FloatArray, each (g, T, p + 1 + q)
        Whitened, for each size of unit.
    inverses : tuple of FloatArray, each (patterns, T, T)
        Of the roots of the covariances.
    """

    problem: ResidualProblem
    theta: FloatArray
    moments: MixedMoments
    rows: tuple[FloatArray, ...]
    inverses: tuple[FloatArray, ...]

    @property
    def likelihood(self) -> SingleFactor:
        """The likelihood of the random part."""
        return SingleFactor(self.moments)

    def gradient(self, at: FittedState, *, restricted: bool) -> FloatArray:
        """Derivative of the deviance in the parameters, shape (size,)."""
        form = self.problem.form
        total = np.zeros(form.size)
        for part, rows, inverse in zip(self.problem.units, self.rows, self.inverses, strict=True):
            inner = _weights(rows, at, restricted=restricted) * part.count[:, None, None]
            total += pulled(form, self.theta, part, inverse, inner)
        return total

    def information(
        self, factor: FloatArray, free: tuple[IntArray, IntArray], *, restricted: bool
    ) -> VarianceInformation:
        """Return the information on the random part, the residuals' parameters known."""
        at = self.likelihood.evaluate(factor, restricted=restricted)
        return variance_information(self.moments, at, free, restricted=restricted)


class Patterned(Protocol):
    """Units with as many rows each, sorted by the pattern of their covariance."""

    @property
    def patterns(self) -> Patterns:
        """Those that differ."""
        ...

    @property
    def pattern(self) -> IntArray:
        """Which one each unit has, shape (g,)."""
        ...


def roots(form: ResidualForm, theta: FloatArray, part: Patterned) -> tuple[FloatArray, FloatArray]:
    """Invert the root of the covariance of each pattern, (patterns, T, T).

    Returns
    -------
    inverse : FloatArray, shape (patterns, T, T)
    logdet : FloatArray, shape (g,)
        Logarithm of the determinant of each unit's covariance.

    Raises
    ------
    LinAlgError
        If one is infinite or not positive definite.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        matrices = form.matrices(theta, part.patterns)
    if not np.isfinite(matrices).all():
        raise np.linalg.LinAlgError("The covariance of residuals is infinite.")
    root = np.linalg.cholesky(matrices)
    logs = 2 * np.log(np.einsum("gtt->gt", root)).sum(axis=1)
    return np.linalg.inv(root), logs[part.pattern]


def spread_over(inverse: FloatArray, pattern: IntArray) -> FloatArray:
    """Give each unit the matrix of its pattern."""
    return inverse if len(inverse) == 1 else inverse[pattern]


def pulled(
    form: ResidualForm, theta: FloatArray, part: Patterned, inverse: FloatArray, inner: FloatArray
) -> FloatArray:
    """Derivative in the parameters, from that in each unit's whitened covariance, (g, T, T)."""
    starts = np.searchsorted(part.pattern, np.arange(len(inverse)))
    summed = np.add.reduceat(inner, starts, axis=0)
    return form.pull(theta, part.patterns, inverse.swapaxes(1, 2) @ summed @ inverse)


def residual_problem(rows: UnitRows, form: ResidualForm) -> ResidualProblem:
    """Sort units by their covariance, and replace those that are alike by fewer."""
    classes = size_classes(rows.starts, rows.patterns, absolute=form.kind == "unstructured")
    units = tuple(_compressed(rows.columns, part) for part in classes)
    n_random, n = rows.columns.n_random, int(rows.sizes.sum())
    return ResidualProblem(form, units, n_random, n, rows.log_weight)


def _compressed(columns: MixedColumns, part: SizeClass) -> SizedUnits:
    observed = columns.n_fixed + 1
    z = np.moveaxis(columns.random[:, part.at], 0, 1).reshape(len(part.at), -1)
    unit = 10.0**DIGITS / max(float(np.abs(z).max(initial=0.0)), 1e-300)
    key = np.column_stack([part.pattern, np.rint(z * unit)])
    _, first, inverse = np.unique(key, axis=0, return_index=True, return_inverse=True)
    w = np.moveaxis(columns.values[:, part.at], 0, 2)
    order = np.argsort(inverse.ravel(), kind="stable")
    members = np.bincount(inverse.ravel())
    ends = np.cumsum(members)
    size = w.shape[1] * observed
    if members.max() <= size:
        return SizedUnits(w[order], np.ones(len(w)), part.patterns, part.pattern[order])
    found, count = [], []
    for units, own in zip(np.split(order, ends[:-1]), first, strict=True):
        if units.size <= size:
            found.append(w[units])
            count.append(np.ones(units.size))
            continue
        kept = fewer(w[units][:, :, :observed].reshape(units.size, size).T)
        kept = kept.T.reshape(-1, w.shape[1], observed)
        shared = np.broadcast_to(w[own, :, observed:], (len(kept), w.shape[1], columns.n_random))
        # Each one stands for several units: its own products are the sum's share.
        share = units.size / len(kept)
        found.append(np.concatenate([kept / np.sqrt(share), shared], axis=2))
        count.append(np.full(len(kept), share))
    left = [len(rows) for rows in found]
    pattern = np.repeat(part.pattern[first], left)
    return SizedUnits(np.concatenate(found), np.concatenate(count), part.patterns, pattern)


def _products(
    rows: FloatArray, count: FloatArray, n_random: int
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """R_i and C_i of units, with the unit axis last, and what is orthogonal to Z_i."""
    fixed = rows.shape[2] - n_random
    w, z = rows[:, :, :fixed], rows[:, :, fixed:]
    q = _orthonormal(z)
    c = q.swapaxes(1, 2) @ w
    rest = w - q @ c
    rest -= q @ (q.swapaxes(1, 2) @ rest)
    r = np.triu(q.swapaxes(1, 2) @ z)
    within = np.einsum("gtk,gtl,g->kl", rest, rest, count, optimize=True)
    roots = np.sqrt(count)[:, None, None]
    return np.moveaxis(r, 0, 2), np.moveaxis(c * roots, 0, 2), within


def _orthonormal(z: FloatArray) -> FloatArray:
    """Orthonormal columns by Gram and Schmidt, zero for dependent ones: (g, T, q)."""
    q = np.zeros_like(z)
    for j in range(z.shape[2]):
        column = z[:, :, j]
        before = (column**2).sum(axis=1)
        for _ in range(2):
            along = np.einsum("gtk,gt->gk", q[:, :, :j], column)
            column = column - np.einsum("gtk,gk->gt", q[:, :, :j], along)
        norm = (column**2).sum(axis=1)
        varies = norm > RANK_TOLERANCE * before
        scale = np.where(varies, 1 / np.sqrt(np.where(varies, norm, 1.0)), 0.0)
        q[:, :, j] = column * scale[:, None]
    return q


def _weights(rows: FloatArray, at: FittedState, *, restricted: bool) -> FloatArray:
    """Derivative of the deviance in each unit's whitened covariance, shape (g, T, T)."""
    p, t = len(at.coef), rows.shape[1]
    x, y, z = rows[:, :, :p], rows[:, :, p], rows[:, :, p + 1 :]
    e = np.concatenate([x, (y - x @ at.coef)[:, :, None]], axis=2)
    inner = np.broadcast_to(np.eye(t), (len(rows), t, t)).copy()
    if z.shape[2]:
        k = z @ at.factor
        small = np.eye(z.shape[2]) + k.swapaxes(1, 2) @ k
        hat = k @ np.linalg.solve(small, k.swapaxes(1, 2))
        e = e - hat @ e
        inner -= hat
    inner -= e[:, :, p:] * e[:, :, p:].swapaxes(1, 2) / at.sigma2
    if restricted:
        inner -= (e[:, :, :p] @ at.phi) @ e[:, :, :p].swapaxes(1, 2)
    return inner
