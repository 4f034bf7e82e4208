"""The profiled (restricted) likelihood of a mixed model, its gradient and exact Hessian.

With ``D = L L'`` the relative covariance of the random effects and ``Sigma_i = I + Z_i D Z_i'``,
minus twice the log-likelihood, profiled over the fixed effects and the residual variance, is

    sum_i log|Sigma_i| + [log|X' Sigma^-1 X|] + m (1 + log(2 pi s2)),   s2 = r' Sigma^-1 r / m,

where m is the number of rows, less that of fixed effects for the restricted likelihood, which
alone has the bracket. Everything is read off the products of the units; rows are not seen.

Source: Bates, Maechler, Bolker and Walker (2015), *Journal of Statistical Software* 67(1),
section 3; derivatives by differentiating the above.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import linalg

from panelml._typing import FloatArray, IntArray
from panelml.core.batched import (
    cholesky,
    multiply,
    solve_lower,
    transposed_multiply,
)
from panelml.mixed.core.unit_products import MixedMoments

__all__ = [
    "Criterion",
    "CurvatureSums",
    "bending",
    "covariance_changes",
    "evaluate",
    "information",
    "least_share",
    "shares",
    "unit_changes",
]

# So many units at a time stay in a core's cache.
UNITS = 8192


@dataclass(frozen=True, slots=True)
class CurvatureSums:
    """Sums over units that second derivatives, tests and degrees of freedom are made of.

    Attributes
    ----------
    g : FloatArray, shape (q, q)
        Sum of G_i = Z_i' Sigma_i^-1 Z_i.
    hh : FloatArray, shape (q, p + 1, q, p + 1)
        Sum of H_i (x) H_i with H_i = Z_i' Sigma_i^-1 [X_i, y_i].
    gg, gr, gx : FloatArray, shape (q, q, q, q)
        Sums of G_i (x) G_i; of G_i (x) h_i h_i', h_i = Z_i' Sigma_i^-1 r_i; and of
        G_i (x) Hx_i Phi Hx_i', Hx_i = Z_i' Sigma_i^-1 X_i.
    """

    g: FloatArray
    hh: FloatArray
    gg: FloatArray
    gr: FloatArray
    gx: FloatArray


@dataclass(frozen=True, slots=True)
class Criterion:
    """The criterion at one relative covariance factor.

    Attributes
    ----------
    deviance : float
        Minus twice the (restricted) log-likelihood in the working columns.
    factor : FloatArray, shape (q, q)
        L.
    coef : FloatArray, shape (p,)
        Fixed effects.
    sigma2 : float
        Residual variance.
    phi : FloatArray, shape (p, p)
        (X' Sigma^-1 X)^-1.
    gradient : FloatArray, shape (q, q)
        T, the symmetric derivative of the deviance in D.
    curvature : CurvatureSums
    df : float
        m.
    """

    deviance: float
    factor: FloatArray
    coef: FloatArray
    sigma2: float
    phi: FloatArray
    gradient: FloatArray
    curvature: CurvatureSums
    df: float

    def hessian(self, free: tuple[IntArray, IntArray], *, restricted: bool) -> FloatArray:
        """Exact second derivatives in the free entries of L, shape (t, t)."""
        change = covariance_changes(self.factor, free)
        average, expected, scale = information(self, change, restricted=restricted)
        curved = 2 * average - expected - np.outer(scale, scale) / self.df
        return curved + bending(self.gradient, free)

    def average_information(self, change: FloatArray, *, restricted: bool) -> FloatArray:
        """Average information on changes of D, the residual variance profiled out, (t, t)."""
        average, _, scale = information(self, change, restricted=restricted)
        return average - np.outer(scale, scale) / self.df

    def identification(self, change: FloatArray, *, restricted: bool) -> FloatArray:
        """Expected information on changes of D, shape (t, t).

        What the unknown residual variance leaves, as a share of what there would be without it.
        """
        _, expected, _ = information(self, change, restricted=restricted)
        total = self.left() if restricted else self.curvature.g
        trace = np.einsum("kab,ab->k", change, total)
        return shares(expected, trace, self.df)

    def unexplained(self) -> float:
        """Least share of the random regressors' variation that the fixed effects leave."""
        return least_share(self.left(), self.curvature.g)

    def left(self) -> FloatArray:
        """Sum over units of Z_i' P Z_i, shape (q, q)."""
        p = len(self.coef)
        explained = np.einsum("akbl,kl->ab", self.curvature.hh[:, :p, :, :p], self.phi)
        return np.asarray(self.curvature.g - explained)


@dataclass(frozen=True, slots=True)
class _Slice:
    """One slice of units at a given factor."""

    count: FloatArray
    g: FloatArray
    h: FloatArray
    logdet: float
    explained: FloatArray


def evaluate(moments: MixedMoments, factor: FloatArray, *, restricted: bool) -> Criterion:
    """Evaluate the criterion with all that its derivatives need.

    Parameters
    ----------
    moments : MixedMoments
    factor : FloatArray, shape (q, q)
        L, of any form.
    restricted : bool
    """
    slices = [
        _slice(moments, factor, slice(first, first + UNITS))
        for first in range(0, moments.n_units, UNITS)
    ]
    total = moments.within + np.sum([part.explained for part in slices], axis=0)
    logdet = sum(part.logdet for part in slices) - moments.log_weight
    found = profile(total, logdet, moments.n, restricted=restricted)
    curvature, p = _curvature(slices, found.coef, found.inverse), moments.n_fixed
    direction = np.append(-found.coef, 1.0)
    outer = np.einsum("k,akbl,l->ab", direction, curvature.hh, direction)
    gradient = curvature.g - outer / found.sigma2
    if restricted:
        gradient = gradient - np.einsum("akbl,kl->ab", curvature.hh[:, :p, :, :p], found.phi)
    return Criterion(
        found.deviance, factor, found.coef, found.sigma2, found.phi, gradient, curvature, found.df
    )


@dataclass(frozen=True, slots=True)
class Profiled:
    """The likelihood, maximised over the fixed effects and the residual variance.

    Attributes
    ----------
    deviance : float
    coef : FloatArray, shape (p,)
    sigma2 : float
    inverse : FloatArray, shape (p, p)
        Of the upper root of ``X' V^-1 X``, V over the residual variance.
    df : float
    """

    deviance: float
    coef: FloatArray
    sigma2: float
    inverse: FloatArray
    df: float

    @property
    def phi(self) -> FloatArray:
        """Inverse of ``X' V^-1 X``, shape (p, p)."""
        return self.inverse @ self.inverse.T


def profile(total: FloatArray, logdet: float, n: int, *, restricted: bool) -> Profiled:
    """Maximise over the fixed effects and the residual variance.

    Parameters
    ----------
    total : FloatArray, shape (p + 1, p + 1)
        ``[X, y]' V^-1 [X, y]``.
    logdet : float
        Of V, weights included.
    n : int
        Number of rows.
    restricted : bool
    """
    p = len(total) - 1
    root = linalg.cholesky(total, lower=False)
    df = n - p if restricted else n
    sigma2 = float(root[p, p] ** 2) / df
    inverse = linalg.solve_triangular(root[:p, :p], np.eye(p))
    deviance = logdet + df * (1 + np.log(2 * np.pi * sigma2))
    if restricted:
        deviance += 2 * float(np.log(np.diag(root)[:p]).sum())
    return Profiled(float(deviance), inverse @ root[:p, p], sigma2, inverse, float(df))


def unit_changes(free: tuple[IntArray, IntArray], size: int) -> FloatArray:
    """Return the unit changes of the free entries of D, shape (t, q, q), q being ``size``."""
    rows, columns = free
    place, change = np.arange(len(rows)), np.zeros((len(rows), size, size))
    change[place, rows, columns] = change[place, columns, rows] = 1.0
    return change


def shares(table: FloatArray, single: FloatArray, df: float) -> FloatArray:
    """Profile the residual variance out of information, as a share of each parameter's own."""
    own = np.sqrt(np.where(np.diag(table) > 0, np.diag(table), 1.0))
    return np.asarray((table - np.outer(single, single) / df) / np.outer(own, own))


def least_share(part: FloatArray, whole: FloatArray) -> float:
    """Least of ``x' part x / x' whole x``, both symmetric and whole positive semi-definite."""
    values, vectors = np.linalg.eigh(whole)
    some = values > len(values) * np.finfo(float).eps * values.max(initial=0.0)
    root = vectors[:, some] / np.sqrt(values[some])
    return float(np.linalg.eigvalsh(root.T @ part @ root).min(initial=1.0))


def covariance_changes(factor: FloatArray, free: tuple[IntArray, IntArray]) -> FloatArray:
    """Derivatives of D = L L' in the free entries of L, shape (t, q, q)."""
    rows, columns = free
    change = np.zeros((len(rows), *factor.shape))
    change[np.arange(len(rows)), rows] = factor[:, columns].T
    return change + change.swapaxes(1, 2)


def bending(gradient: FloatArray, free: tuple[IntArray, IntArray]) -> FloatArray:
    """Second derivatives that come from D being quadratic in L, shape (t, t)."""
    rows, columns = free
    same = columns[:, None] == columns[None, :]
    return np.where(same, 2 * gradient[rows[:, None], rows[None, :]], 0.0)


def information(
    at: Criterion, change: FloatArray, *, restricted: bool
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Average and expected information for changes of D, and their share of the residual.

    Returns
    -------
    average, expected : FloatArray, shape (t, t)
        With the fixed effects profiled out.
    scale : FloatArray, shape (t,)
        Derivatives of ``r' Sigma^-1 r / s2``, with the sign turned.
    """
    sums, phi = at.curvature, at.phi
    p = len(at.coef)
    direction = np.append(-at.coef, 1.0)
    outer = np.einsum("k,akbl,l->ab", direction, sums.hh, direction)
    moved = np.einsum("axby,kab,y->kx", sums.hh[:, :p], change, direction)
    average = np.einsum("bcad,kab,lcd->kl", sums.gr, change, change)
    average = (average - moved @ phi @ moved.T) / at.sigma2
    expected = np.einsum("dabc,kab,lcd->kl", sums.gg, change, change)
    if restricted:
        shift = phi @ np.einsum("axby,kab->kxy", sums.hh[:, :p, :, :p], change)
        expected -= 2 * np.einsum("bcda,kab,lcd->kl", sums.gx, change, change)
        expected += np.einsum("kxy,lyx->kl", shift, shift)
    return average, expected, np.einsum("kab,ab->k", change, outer) / at.sigma2


def _slice(moments: MixedMoments, factor: FloatArray, units: slice) -> _Slice:
    r, c, count = moments.r[:, :, units], moments.c[:, :, units], moments.count[units]
    k = multiply(r, factor[:, :, None])
    inner = multiply(k, k.swapaxes(0, 1))
    inner[np.diag_indices(len(factor))] += 1.0
    root = cholesky(inner)
    u, b = solve_lower(root, r), solve_lower(root, c)
    logdet = 2 * sum(float(np.log(root[a, a]) @ count) for a in range(len(factor)))
    return _Slice(
        count,
        transposed_multiply(u, u),
        transposed_multiply(u, b),
        logdet,
        np.einsum("akg,alg->kl", b, b, optimize=True),
    )


def _curvature(slices: list[_Slice], coef: FloatArray, inverse: FloatArray) -> CurvatureSums:
    q, p1 = slices[0].h.shape[:2]
    hh = np.zeros((q * p1, q * p1))
    gg, gr, gx = np.zeros((3, q * q, q * q))
    g = np.zeros((q, q))
    direction = np.append(-coef, 1.0)
    for part in slices:
        units = part.count.size
        flat = part.h.reshape(q * p1, units)
        hh += flat @ flat.T
        g += part.g @ part.count
        gs = part.g.reshape(q * q, units)
        gg += (gs * part.count) @ gs.T
        residual = np.einsum("akg,k->ag", part.h, direction)
        gr += gs @ (residual[:, None] * residual[None]).reshape(q * q, units).T
        x = np.einsum("akg,kl->alg", part.h[:, :-1], inverse, optimize=True)
        gx += gs @ np.einsum("alg,blg->abg", x, x, optimize=True).reshape(q * q, units).T
    shape = (q, q, q, q)
    return CurvatureSums(
        g, hh.reshape(q, p1, q, p1), gg.reshape(shape), gr.reshape(shape), gx.reshape(shape)
    )
