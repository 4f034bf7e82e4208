"""The profiled likelihood of a mixed model with several grouping factors.

The first factor is eliminated unit by unit; what is left is a system in the coefficients of the
others, whose Cholesky factor gives the likelihood, and whose inverse gives the derivatives.

Source: Bates and others (2015), *Journal of Statistical Software* 67(1), section 3; average
information after Gilmour, Thompson and Cullis (1995), *Biometrics* 51, 1440-1450.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import linalg, sparse

from panelml._typing import BoolArray, FloatArray, IntArray
from panelml.core.batched import (
    cholesky,
    congruence,
    multiply,
    solve_lower,
    transposed_multiply,
)
from panelml.mixed.core.criterion import profile, unit_changes
from panelml.mixed.core.crossed_moments import CrossedProducts
from panelml.mixed.core.crossed_start import moment_start
from panelml.mixed.core.crossed_state import CrossedCriterion
from panelml.mixed.core.factors import CrossedFactors, GroupingFactor
from panelml.mixed.core.optimum import start_factor
from panelml.mixed.core.sparse_units import combined, gram, traces

__all__ = ["CrossedInverse", "CrossedModel"]

# Factors with a smaller singular value are not inverted.
LEAST_ROOT = 1e-3


@dataclass(frozen=True, slots=True)
class _UnitsOut:
    """What is left when the first factor is eliminated."""

    u: FloatArray
    b: FloatArray
    g: FloatArray
    h: FloatArray
    logdet: float
    k: tuple[sparse.csr_array, ...]
    own: FloatArray
    right: FloatArray


@dataclass(frozen=True, slots=True)
class _Solved:
    """The system of the other factors, solved."""

    p: FloatArray
    logdet: float
    explained: FloatArray
    g: list[FloatArray]
    h: FloatArray


@dataclass(frozen=True, slots=True)
class CrossedInverse:
    """What the inverse covariance V^-1 of the rows, over the residual variance, is made of.

    With K_i = Z_1i u_i', the inverse for the first factor alone is I - K_i K_i', and V^-1 is that
    less F P F', F being Z_2 times it.

    Attributes
    ----------
    u : FloatArray, shape (q_1, q_1, g)
    p : FloatArray, shape (m, m)
    units : FloatArray, shape (q_1, p + 1, g)
        D Z_1' V^-1 [X, y] of the first factor.
    levels : FloatArray, shape (m, p + 1)
        D Z_2' V^-1 [X, y] of the others: V^-1 [X, y] is [X, y] less Z times these two.
    """

    u: FloatArray
    p: FloatArray
    units: FloatArray
    levels: FloatArray


@dataclass(frozen=True, slots=True)
class CrossedModel:
    """Products and layout of a crossed model; evaluates the criterion.

    Attributes
    ----------
    products : CrossedProducts
    factors : CrossedFactors
    free : pair of IntArray, shape (t,)
        Rows and columns of the free entries of the factor.
    """

    products: CrossedProducts
    factors: CrossedFactors
    free: tuple[IntArray, IntArray]

    def start(self, structure: BoolArray) -> FloatArray:
        """Start from moments of the residuals."""
        return start_factor(moment_start(self.products, self.factors, self.free), structure)

    def evaluate(self, factor: FloatArray, *, restricted: bool) -> CrossedCriterion:
        """Evaluate the criterion, its gradient and its average information."""
        units = self.products.units
        left = self._eliminate(factor)
        solved = self._solve(left, factor)
        total = units.m - np.einsum("akg,alg->kl", left.b, left.b) - solved.explained
        logdet = left.logdet + solved.logdet - units.log_weight
        found = profile(total, logdet, units.n, restricted=restricted)
        h1 = _first_scores(left, solved)
        parts = self._parts(left, solved, h1)
        direction, phi, sigma2 = np.append(-found.coef, 1.0), found.phi, found.sigma2
        scores = tuple(np.einsum("akj,k->aj", h, direction) for _, _, h in parts)
        gradient = self._gradient(parts, scores, phi if restricted else None, sigma2)
        average, scale = self._average(parts, scores, left, solved, phi, sigma2)
        return CrossedCriterion(
            found.deviance,
            factor,
            found.coef,
            sigma2,
            phi,
            gradient,
            average,
            scale,
            self.free,
            scores,
            tuple(g for _, g, _ in parts),
            tuple(random for random, _, _ in parts),
            found.df,
        )

    def between_coefficients(self, factor: FloatArray) -> tuple[IntArray, FloatArray, FloatArray]:
        """Return which random regressor each coefficient has, ``Z' V^-1 Z`` and ``Z' V^-1 X``.

        Shapes are (K,), (K, K) and (K, p) for all K coefficients; V is over the residual variance.
        """
        left, first = self._eliminate(factor), self.factors.first.random
        solved = self._solve(left, factor)
        g, m = left.g.shape[2], len(left.own)
        k = sparse.csr_array(sparse.vstack([sparse.csr_array((0, m)), *left.k]))
        start = g * len(first)
        whole = np.empty((start + m, start + m))
        whole[:start, :start] = -np.asarray(k @ (k @ solved.p).T)
        for a, b in np.ndindex(len(first), len(first)):
            place = np.arange(g)
            whole[a * g + place, b * g + place] += left.g[a, b]
        whole[:start, start:] = k @ (np.eye(m) - solved.p @ left.own)
        whole[start:, :start] = whole[:start, start:].T
        whole[start:, start:] = left.own - left.own @ solved.p @ left.own
        h1 = _first_scores(left, solved)
        h = np.concatenate([h1.swapaxes(1, 2).reshape(start, h1.shape[1]), solved.h])
        others = self.factors.others
        parts = [np.repeat(first, g), *(np.tile(o.random, o.levels) for o in others)]
        return np.concatenate(parts), whole, h[:, :-1]

    def inverse(self, factor: FloatArray) -> CrossedInverse:
        """Return what the inverse covariance of the rows is made of."""
        left = self._eliminate(factor)
        solved = self._solve(left, factor)
        relative, first = factor @ factor.T, self.factors.first.random
        h1 = _first_scores(left, solved)
        units = np.einsum("ab,bkg->akg", relative[np.ix_(first, first)], h1)
        return CrossedInverse(left.u, solved.p, units, self._times(relative, solved.h))

    def _eliminate(self, factor: FloatArray) -> _UnitsOut:
        first = self.factors.first.random
        root = factor[np.ix_(first, first)]
        units, cross = self.products.units, self.products.cross
        inner = congruence(root, units.s)
        inner[np.diag_indices(len(root))] += 1.0
        lower = cholesky(inner)
        u = solve_lower(lower, root.T[:, :, None])
        b, us = multiply(u, units.c), multiply(u, units.s)
        drop = -transposed_multiply(us, u)
        drop[np.diag_indices(len(root))] += 1.0
        own = self.products.own.toarray()
        right = self.products.right.copy()
        for a in range(len(root)):
            part = combined(u[a], cross)
            own -= gram(part, part)
            right -= part.T @ b[a].T
        logdet = sum(2 * float(np.log(lower[a, a]).sum()) for a in range(len(root)))
        return _UnitsOut(
            u,
            b,
            units.s - transposed_multiply(us, us),
            units.c - transposed_multiply(us, b),
            logdet,
            tuple(combined(drop[a], cross) for a in range(len(root))),
            own,
            right,
        )

    def _solve(self, left: _UnitsOut, factor: FloatArray) -> _Solved:
        system = self._sandwich(factor.T, left.own)
        system[np.diag_indices(len(system))] += 1.0
        lower = linalg.cholesky(system.T, lower=True, overwrite_a=True, check_finite=False)
        logdet = 2 * float(np.log(np.diag(lower)).sum())
        inverse = linalg.lapack.dpotri(lower, lower=1)[0]
        g = [self._level_sum(o, factor, left.own, lower, inverse) for o in self.factors.others]
        inverse[np.diag_indices(len(inverse))] /= 2
        p = self._sandwich(factor, inverse + inverse.T)
        applied = p @ left.right
        return _Solved(p, logdet, left.right.T @ applied, g, left.right - left.own @ applied)

    def _times(self, factor: FloatArray, rows: FloatArray) -> FloatArray:
        """Multiply rows by the block diagonal factor of all other coefficients, shape (m, m)."""
        result = np.empty_like(rows, order="C")
        for other in self.factors.others:
            root = factor[np.ix_(other.random, other.random)]
            shape = (other.levels, other.random.size, rows.shape[1])
            np.matmul(root, rows[other.span].reshape(shape), out=result[other.span].reshape(shape))
        return result

    def _sandwich(self, factor: FloatArray, table: FloatArray) -> FloatArray:
        """Multiply a symmetric table by the factor and its transpose: L table L', (m, m)."""
        if any(other.random.size > 1 for other in self.factors.others):
            return self._times(factor, self._times(factor, table).T)
        roots = np.repeat(
            [factor[other.random[0], other.random[0]] for other in self.factors.others],
            [other.levels for other in self.factors.others],
        )
        result: FloatArray = table * roots
        result *= roots[:, None]
        return result

    def _level_sum(
        self,
        other: GroupingFactor,
        factor: FloatArray,
        own: FloatArray,
        lower: FloatArray,
        inverse: FloatArray,
    ) -> FloatArray:
        """Sum over a factor's levels of Z_j' V^-1 Z_j, shape (q, q).

        With A = I + L' M L it is M - M L A^-1 L' M, and L' of it L is I - A^-1, which needs no
        more products where L can be inverted.

        Parameters
        ----------
        own : FloatArray, shape (m, m)
            M.
        lower, inverse : FloatArray, shape (m, m)
            The Cholesky factor of A and, in the lower triangle, its inverse.
        """
        q = other.random.size
        root = factor[np.ix_(other.random, other.random)]
        if np.linalg.svd(root, compute_uv=False)[-1] > LEAST_ROOT:
            inside = -np.tril(np.einsum("jajb->ab", other.blocks(inverse)))
            inside += np.tril(inside, -1).T + other.levels * np.eye(q)
            back = np.linalg.inv(root)
            return np.asarray(back.T @ inside @ back)
        scaled = self._times(factor.T, own[:, other.span])
        half = linalg.solve_triangular(lower, scaled, lower=True, check_finite=False)
        rows = half.T.reshape(other.levels, q, -1)
        taken = np.tensordot(rows, rows, ((0, 2), (0, 2)))
        return np.asarray(np.einsum("jajb->ab", other.blocks(own)) - taken)

    def _parts(
        self, left: _UnitsOut, solved: _Solved, h1: FloatArray
    ) -> list[tuple[IntArray, FloatArray, FloatArray]]:
        """For each factor: its random regressors, the sum of G over levels, and H, (q, p1, J)."""
        parts = [(self.factors.first.random, left.g.sum(axis=2) - traces(left.k, solved.p), h1)]
        for other, g in zip(self.factors.others, solved.g, strict=True):
            h = solved.h[other.span].reshape(other.levels, other.random.size, -1)
            parts.append((other.random, g, np.moveaxis(h, 0, 2)))
        return parts

    def _gradient(
        self,
        parts: list[tuple[IntArray, FloatArray, FloatArray]],
        scores: tuple[FloatArray, ...],
        phi: FloatArray | None,
        sigma2: float,
    ) -> FloatArray:
        q = sum(random.size for random, _, _ in parts)
        gradient = np.zeros((q, q))
        for (random, g, h), score in zip(parts, scores, strict=True):
            slope = g - score @ score.T / sigma2
            if phi is not None:
                slope = slope - np.einsum(
                    "akj,kl,blj->ab", h[:, :-1], phi, h[:, :-1], optimize=True
                )
            gradient[np.ix_(random, random)] = slope
        return gradient

    def _average(
        self,
        parts: list[tuple[IntArray, FloatArray, FloatArray]],
        scores: tuple[FloatArray, ...],
        left: _UnitsOut,
        solved: _Solved,
        phi: FloatArray,
        sigma2: float,
    ) -> tuple[FloatArray, FloatArray]:
        change = unit_changes(self.free, sum(random.size for random, _, _ in parts))
        v = [
            np.einsum("tab,bj->taj", change[:, random[:, None], random], score)
            for (random, _, _), score in zip(parts, scores, strict=True)
        ]
        v1 = v[0]
        v2 = np.concatenate([w.swapaxes(1, 2).reshape(len(w), -1) for w in v[1:]], axis=1).T
        applied1, applied2 = _apply(left, solved, v1, v2)
        inner = np.einsum("tag,sag->ts", v1, applied1) + v2.T @ applied2
        x = np.einsum("tag,akg->tk", v1, parts[0][2][:, :-1]) + v2.T @ solved.h[:, :-1]
        scale = sum(
            (np.einsum("taj,aj->t", w, score) for w, score in zip(v, scores, strict=True)),
            np.zeros(len(change)),
        )
        return np.asarray((inner - x @ phi @ x.T) / sigma2), np.asarray(scale / sigma2)


def _apply(
    left: _UnitsOut, solved: _Solved, v1: FloatArray, v2: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Multiply coefficients (t, q_1, g) and (m, t) by Z' V^-1 Z."""
    inside = left.own @ v2
    for a, k in enumerate(left.k):
        inside += k.T @ v1[:, a].T
    moved = v2 - solved.p @ inside
    first = np.einsum("abg,tbg->tag", left.g, v1)
    for a, k in enumerate(left.k):
        first[:, a] += (k @ moved).T
    return first, inside - left.own @ (solved.p @ inside)


def _first_scores(left: _UnitsOut, solved: _Solved) -> FloatArray:
    """Z_1' V^-1 [X, y] of the first factor's units, shape (q_1, p + 1, g)."""
    values = solved.p @ left.right
    return np.asarray(left.h - np.reshape([(part @ values).T for part in left.k], left.h.shape))
