"""The profiled likelihood of a mixed model with several grouping factors.

The Cholesky factor of the mixed model equations gives the likelihood, and their inverse gives the
derivatives.

Source: Bates and others (2015), *Journal of Statistical Software* 67(1), section 3; average
information after Gilmour, Thompson and Cullis (1995), *Biometrics* 51, 1440-1450.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from panelml._typing import BoolArray, FloatArray, IntArray
from panelml.mixed.core.criterion import profile, unit_changes
from panelml.mixed.core.crossed_moments import CrossedProducts
from panelml.mixed.core.crossed_start import moment_start
from panelml.mixed.core.crossed_state import CrossedCriterion
from panelml.mixed.core.crossed_system import CrossedSystem, Parts, times
from panelml.mixed.core.factors import CrossedFactors
from panelml.mixed.core.optimum import start_factor

__all__ = ["CrossedInverse", "CrossedModel"]


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
        units, system = self.products.units, self._system(factor)
        b = system.units.b
        total = units.m - np.einsum("akg,alg->kl", b, b) - system.explained
        logdet = system.units.logdet + system.logdet - units.log_weight
        profiled = profile(total, logdet, units.n, restricted=restricted)
        parts = system.parts(self.factors)
        direction, phi, sigma2 = np.append(-profiled.coef, 1.0), profiled.phi, profiled.sigma2
        scores = tuple(np.einsum("akj,k->aj", h, direction) for _, _, h in parts)
        average, scale = self._average(system, parts, scores, phi)
        return CrossedCriterion(
            profiled.deviance,
            factor,
            profiled.coef,
            sigma2,
            phi,
            _gradient(parts, scores, phi if restricted else None, sigma2),
            np.asarray(average / sigma2),
            np.asarray(scale / sigma2),
            self.free,
            scores,
            tuple(g for _, g, _ in parts),
            tuple(random for random, _, _ in parts),
            profiled.df,
        )

    def between_coefficients(self, factor: FloatArray) -> tuple[IntArray, FloatArray, FloatArray]:
        """Return which random regressor each coefficient has, ``Z' V^-1 Z`` and ``Z' V^-1 X``.

        Shapes are (K,), (K, K) and (K, p) for all K coefficients; V is over the residual variance.
        """
        system, first = self._system(factor), self.factors.first.random
        units, p = system.units, system.p
        g, m = units.g.shape[2], len(units.own)
        k = sparse.csr_array(sparse.vstack([sparse.csr_array((0, m)), *units.k]))
        start = g * len(first)
        whole = np.empty((start + m, start + m))
        whole[:start, :start] = -np.asarray(k @ (k @ p).T)
        for a, b in np.ndindex(len(first), len(first)):
            place = np.arange(g)
            whole[a * g + place, b * g + place] += units.g[a, b]
        whole[:start, start:] = k @ (np.eye(m) - p @ units.own)
        whole[start:, :start] = whole[:start, start:].T
        whole[start:, start:] = units.own - units.own @ p @ units.own
        h1 = system.first.swapaxes(1, 2).reshape(start, system.first.shape[1])
        others = self.factors.others
        parts = [np.repeat(first, g), *(np.tile(o.random, o.levels) for o in others)]
        return np.concatenate(parts), whole, np.concatenate([h1, system.others])[:, :-1]

    def inverse(self, factor: FloatArray) -> CrossedInverse:
        """Return what the inverse covariance of the rows is made of."""
        system, relative = self._system(factor), factor @ factor.T
        first = self.factors.first.random
        units = np.einsum("ab,bkg->akg", relative[np.ix_(first, first)], system.first)
        levels = times(self.factors.others, relative, system.others)
        return CrossedInverse(system.units.u, system.p, units, levels)

    def _system(self, factor: FloatArray) -> CrossedSystem:
        return CrossedSystem.of(self.products, self.factors, factor)

    def _average(
        self,
        system: CrossedSystem,
        parts: Parts,
        scores: tuple[FloatArray, ...],
        phi: FloatArray,
    ) -> tuple[FloatArray, FloatArray]:
        """Average information and the derivatives of the sum of squares, before s2 divides both."""
        change = unit_changes(self.free, sum(random.size for random, _, _ in parts))
        v = [
            np.einsum("tab,bj->taj", change[:, random[:, None], random], score)
            for (random, _, _), score in zip(parts, scores, strict=True)
        ]
        v1 = v[0]
        v2 = np.concatenate([w.swapaxes(1, 2).reshape(len(w), -1) for w in v[1:]], axis=1).T
        applied1, applied2 = system.apply(v1, v2)
        inner = np.einsum("tag,sag->ts", v1, applied1) + v2.T @ applied2
        x = np.einsum("tag,akg->tk", v1, system.first[:, :-1]) + v2.T @ system.others[:, :-1]
        scale = sum(
            (np.einsum("taj,aj->t", w, score) for w, score in zip(v, scores, strict=True)),
            np.zeros(len(change)),
        )
        return inner - x @ phi @ x.T, scale


def _gradient(
    parts: Parts, scores: tuple[FloatArray, ...], phi: FloatArray | None, sigma2: float
) -> FloatArray:
    """Derivative of the deviance in the relative covariance, within factors, shape (q, q)."""
    q = sum(random.size for random, _, _ in parts)
    gradient = np.zeros((q, q))
    for (random, g, h), score in zip(parts, scores, strict=True):
        slope = g - score @ score.T / sigma2
        if phi is not None:
            slope = slope - np.einsum("akj,kl,blj->ab", h[:, :-1], phi, h[:, :-1], optimize=True)
        gradient[np.ix_(random, random)] = slope
    return gradient
