"""Information on the variance parameters of a mixed model, and degrees of freedom from it.

The covariance of the rows is linear in its parameters, ``V = s I + sum_k psi_k Z E_k Z'``: the
residual variance and the free (co)variances of the working random coefficients. With
``P = V^-1 - V^-1 X (X' V^-1 X)^-1 X' V^-1``, the expected information is half of
``tr(P V_k P V_l)`` and the observed one half of ``2 y' P V_k P V_l P y - tr(P V_k P V_l)``; since
``P V P = P``, everything that concerns the residual variance follows from the rest.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import linalg

from panelml._typing import FloatArray, IntArray
from panelml.core.batched import transposed_multiply
from panelml.mixed.core.criterion import Criterion, bending, covariance_changes, information
from panelml.mixed.core.optimum import FittedState
from panelml.mixed.core.unit_products import MixedMoments

__all__ = [
    "CovarianceSensitivity",
    "EntryInformation",
    "Tangent",
    "VarianceInformation",
    "variance_information",
]

# Of working random coefficients over the residual variance: what is less is none.
LEAST_VARIANCE = 1e-9
# Moves of a root that change the covariance less, relative to the most, do not change it.
ROTATION = 1e-8


@dataclass(frozen=True, slots=True)
class CovarianceSensitivity:
    """How the covariance of fixed effects moves with variance parameters, and how known these are.

    Attributes
    ----------
    phi : FloatArray, shape (p, p)
        (X' V^-1 X)^-1 of the working fixed regressors.
    first : FloatArray, shape (m, p, p)
        X' V^-1 V_k V^-1 X: phi moves by ``phi first phi``.
    cov : FloatArray, shape (m, m)
        Of the variance parameters.
    """

    phi: FloatArray
    first: FloatArray
    cov: FloatArray

    def degrees(self, contrast: FloatArray) -> float:
        """Degrees of freedom of the Wishart distribution as variable as a contrast's covariance.

        Parameters
        ----------
        contrast : FloatArray, shape (q, p)
            Of the working fixed effects.

        Notes
        -----
        The total variance of the covariance, after a linear change by which it is the identity, is
        ``q (q + 1)`` over the degrees of freedom; for one row this is Satterthwaite's formula.
        """
        size = len(contrast)
        parts = contrast @ self.phi
        inverse = np.linalg.inv(np.linalg.cholesky(parts @ contrast.T)) @ parts
        slope = (inverse @ self.first @ inverse.T).reshape(len(self.first), size * size)
        total = float(np.sum(self.cov * (slope @ slope.T)))
        return size * (size + 1) / total if total > 0 else float("inf")


@dataclass(frozen=True, slots=True)
class Tangent:
    """Directions in which variance parameters can move at the optimum.

    All of them inside; where a covariance is singular, those of a root of it with as many columns
    as it has dimensions, as lmerTest has it by taking derivatives in Cholesky factors.

    Attributes
    ----------
    moves : FloatArray, shape (u, 1 + t)
        Derivatives of the parameters along each.
    bend : FloatArray, shape (u, u)
        Information from the directions' own curvature.
    """

    moves: FloatArray
    bend: FloatArray

    @classmethod
    def of(
        cls,
        factor: FloatArray,
        gradient: FloatArray,
        free: tuple[IntArray, IntArray],
        sigma2: float,
    ) -> Tangent:
        """Find them.

        Parameters
        ----------
        factor : FloatArray, shape (q, q)
            Of the covariance of the working random coefficients over the residual variance.
        gradient : FloatArray, shape (q, q)
            Derivative of the deviance in that.
        free : pair of IntArray, shape (t,)
        sigma2 : float
        """
        root, flat = np.zeros_like(factor), np.zeros_like(factor)
        joint = np.zeros(factor.shape, dtype=bool)
        joint[free] = joint[free[::-1]] = True
        for block in np.unique(joint, axis=0):
            own = np.ix_(block, block)
            values, vectors = np.linalg.eigh((factor @ factor.T)[own])
            some = values > LEAST_VARIANCE
            root[own] = vectors * np.sqrt(np.where(some, values, 0.0))
            flat[own] = vectors[:, ~some] @ vectors[:, ~some].T
        if not flat.any():
            return cls(np.eye(1 + len(free[0])), np.zeros((1 + len(free[0]),) * 2))
        # At the optimum the derivative vanishes but for directions without variance.
        bent = flat @ gradient @ flat / (2 * sigma2)
        rows, columns = np.nonzero(joint & root.any(axis=0))
        change = np.sqrt(sigma2) * covariance_changes(root, (rows, columns))[:, *free]
        # Rotations of the root move nothing.
        along, sizes, across = np.linalg.svd(change, full_matrices=False)
        kept = sizes > ROTATION * sizes.max(initial=0.0)
        along = along[:, kept]
        moves = linalg.block_diag(np.ones((1, 1)), sizes[kept, None] * across[kept])
        bend = np.zeros((len(moves),) * 2)
        bend[1:, 1:] = along.T @ bending(bent, (rows, columns)) @ along
        return cls(moves, bend)


@dataclass(frozen=True, slots=True)
class VarianceInformation:
    """What inference on fixed effects and variances needs of the likelihood's curvature.

    Parameter 0 is the residual variance, the others are the free entries of the covariance of the
    working random coefficients.

    Attributes
    ----------
    rows, columns : IntArray, shape (t,)
        Entries of the covariance.
    tangent : Tangent
        In which directions they can move.
    observed, expected : FloatArray, shape (1 + t, 1 + t)
        Information matrices.
    phi : FloatArray, shape (p, p)
        (X' V^-1 X)^-1 of the working fixed regressors.
    first : FloatArray, shape (1 + t, p, p)
        X' V^-1 V_k V^-1 X.
    second : FloatArray, shape (1 + t, 1 + t, p, p)
        X' V^-1 V_k V^-1 V_l V^-1 X.
    """

    rows: IntArray
    columns: IntArray
    tangent: Tangent
    observed: FloatArray
    expected: FloatArray
    phi: FloatArray
    first: FloatArray
    second: FloatArray

    def parameter_cov(self) -> FloatArray:
        """Covariance of the variance parameters by the observed information, (1 + t, 1 + t).

        A direction in which the random coefficients are estimated not to vary counts as known.
        """
        moves = self.tangent.moves
        info = moves @ self.observed @ moves.T + self.tangent.bend
        return np.asarray(moves.T @ linalg.pinvh(info) @ moves)

    def sensitivity(self) -> CovarianceSensitivity:
        """Return what degrees of freedom by Satterthwaite take."""
        return CovarianceSensitivity(self.phi, self.first, self.parameter_cov())

    def adjusted_phi(self) -> FloatArray:
        """Covariance of the fixed effects for small samples, shape (p, p).

        Source: Kenward and Roger (1997), *Biometrics* 53, equation for a linear covariance.
        """
        w = linalg.pinvh(self.expected)
        through = np.einsum("kab,bc,lcd->klad", self.first, self.phi, self.first)
        middle = np.einsum("kl,klab->ab", w, self.second - through)
        return np.asarray(self.phi + self.phi @ (middle + middle.T) @ self.phi)

    def kenward_roger(self, contrast: FloatArray) -> tuple[float, float]:
        """Denominator degrees of freedom and scale of the F statistic of a contrast, shape (r, p).

        Source: Kenward and Roger (1997), *Biometrics* 53, 983-997, section 3.
        """
        size = contrast.shape[0]
        w = linalg.pinvh(self.expected)
        theta = contrast.T @ np.linalg.solve(contrast @ self.phi @ contrast.T, contrast)
        moved = np.einsum("ab,kbc->kac", theta @ self.phi, self.first @ self.phi)
        traces = np.einsum("kaa->k", moved)
        a1 = float(traces @ w @ traces)
        a2 = float(np.einsum("kl,kab,lba->", w, moved, moved))
        b = (a1 + 6 * a2) / (2 * size)
        g = ((size + 1) * a1 - (size + 4) * a2) / ((size + 2) * a2)
        below = 3 * size + 2 * (1 - g)
        c1, c2, c3 = g / below, (size - g) / below, (size + 2 - g) / below
        mean = 1 / (1 - a2 / size)
        spread = 2 / size * (1 + c1 * b) / ((1 - c2 * b) ** 2 * (1 - c3 * b))
        df = 4 + (size + 2) / (size * spread / (2 * mean**2) - 1)
        return df, df / (mean * (df - 2))


def variance_information(
    moments: MixedMoments, at: Criterion, free: tuple[IntArray, IntArray], *, restricted: bool
) -> VarianceInformation:
    """Compute the information at an optimum.

    Parameters
    ----------
    moments : MixedMoments
    at : Criterion
    free : pair of IntArray, shape (t,)
        Rows and columns of the free entries, the lower triangle.
    restricted : bool
    """
    rows, columns = free
    q, n, p = len(at.factor), moments.n, len(at.coef)
    basis = np.zeros((len(rows), q, q))
    place = np.arange(len(rows))
    basis[place, rows, columns] = 1.0
    basis[place, columns, rows] = 1.0
    average, expected, scale = information(at, basis, restricted=restricted)
    hx = at.curvature.hh[:, :p, :, :p]
    total = at.left() if restricted else at.curvature.g
    entries = EntryInformation(
        free,
        average=average,
        expected=expected,
        scale=scale,
        trace=np.einsum("kab,ab->k", basis, total),
        first=np.einsum("axby,kab->kxy", hx, basis),
        second=_second(moments, at, basis),
    )
    return entries.with_residual(at, rank=n - p if restricted else n)


@dataclass(frozen=True, slots=True)
class EntryInformation:
    """What is known of the entries of the relative covariance, the residual variance apart.

    V is over the residual variance s2, and V_k its derivative in an entry.

    Attributes
    ----------
    free : pair of IntArray, shape (t,)
        Rows and columns of the entries.
    average, expected : FloatArray, shape (t, t)
        ``r' V^-1 V_k P V_l V^-1 r / s2`` and ``tr(P V_k P V_l)``.
    scale, trace : FloatArray, shape (t,)
        ``r' V^-1 V_k V^-1 r / s2`` and ``tr(P V_k)``.
    first : FloatArray, shape (t, p, p)
        ``X' V^-1 V_k V^-1 X``.
    second : FloatArray, shape (t, t, p, p)
        ``X' V^-1 V_k V^-1 V_l V^-1 X``.
    """

    free: tuple[IntArray, IntArray]
    average: FloatArray
    expected: FloatArray
    scale: FloatArray
    trace: FloatArray
    first: FloatArray
    second: FloatArray

    def with_residual(self, at: FittedState, rank: int) -> VarianceInformation:
        """Add the residual variance, at an optimum whose P V has a trace of ``rank``."""
        d = (at.factor @ at.factor.T)[self.free]
        expected = _with_residual(self.expected, self.trace, float(rank), d)
        average = _with_residual(self.average, self.scale, float(at.df), d)
        inverse, sigma2 = np.linalg.inv(at.phi), at.sigma2
        residual = inverse - np.einsum("k,kxy->xy", d, self.first)
        first = np.concatenate([residual[None], self.first])
        return VarianceInformation(
            *self.free,
            Tangent.of(at.factor, at.gradient, self.free, sigma2),
            (2 * average - expected) / (2 * sigma2**2),
            expected / (2 * sigma2**2),
            sigma2 * at.phi,
            first / sigma2**2,
            _second_with_residual(self.second, first, d) / sigma2**3,
        )


def _with_residual(table: FloatArray, single: FloatArray, rank: float, d: FloatArray) -> FloatArray:
    """Border a table for the random parameters by the residual variance, through P V P = P."""
    border = single - table @ d
    corner = rank - single @ d - d @ border
    return np.block([[np.array([[corner]]), border[None]], [border[:, None], table]])


def _second(moments: MixedMoments, at: Criterion, basis: FloatArray) -> FloatArray:
    """Sum over units of Hx_i' E_k G_i E_l Hx_i, shape (t, t, p, p)."""
    p = len(at.coef)
    k = np.einsum("abg,bc->acg", moments.r, at.factor)
    inner = np.einsum("abg,cbg->gac", k, k) + np.eye(len(at.factor))
    solved = np.linalg.solve(inner, np.moveaxis(moments.r, 2, 0))
    g = transposed_multiply(moments.r, np.moveaxis(solved, 0, 2))
    h = transposed_multiply(np.moveaxis(solved, 0, 2), moments.c)[:, :p]
    total = np.einsum("axg,bcg,dyg->axbcdy", h, g, h, optimize=True)
    return np.asarray(np.einsum("axbcdy,kab,lcd->klxy", total, basis, basis, optimize=True))


def _second_with_residual(second: FloatArray, first: FloatArray, d: FloatArray) -> FloatArray:
    t = len(d)
    full = np.zeros((1 + t, 1 + t, *second.shape[2:]))
    full[1:, 1:] = second
    full[0, 1:] = first[1:] - np.einsum("k,klxy->lxy", d, second)
    full[1:, 0] = full[0, 1:].swapaxes(1, 2)
    full[0, 0] = first[0] - np.einsum("k,kxy->xy", d, full[1:, 0])
    return full
