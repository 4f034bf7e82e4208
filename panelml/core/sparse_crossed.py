"""The likelihood of random intercepts of several grouping factors with very many levels.

As in ``crossed_criterion`` the first factor is eliminated level by level; the system of the
others stays sparse, and so does its factor. What the derivatives need beyond solutions of it are
traces of its inverse: they are the derivatives of its log-determinant, taken by differences.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import linalg, sparse
from scipy.sparse.linalg import SuperLU, splu

from panelml._typing import BoolArray, FloatArray, IntArray
from panelml.core.crossed_criterion import CrossedCriterion, level_coefficients
from panelml.core.crossed_moments import CrossedProducts, OtherFactor
from panelml.core.mixed_fit import start_factor

__all__ = ["SparseCrossedModel"]

# Step for differences of the log-determinant, relative to the scale on which it bends.
STEP = 1e-3
# Where the iteration starts: the relative standard deviation of every factor.
START = 0.5


@dataclass(frozen=True, slots=True)
class SparseCrossedModel:
    """Products and layout of a model of random intercepts; evaluates the criterion.

    Attributes
    ----------
    products : CrossedProducts
    first : IntArray, shape (1,)
        Position of the first factor's intercept among the random ones.
    others : tuple of OtherFactor
    free : pair of IntArray, shape (t,)
        Rows and columns of the free entries of the factor.
    """

    products: CrossedProducts
    first: IntArray
    others: tuple[OtherFactor, ...]
    free: tuple[IntArray, IntArray]

    def start(self, structure: BoolArray) -> FloatArray:
        """Start from equal variances."""
        return start_factor(START**2 * np.eye(len(structure)), structure)

    def coefficients(self, at: CrossedCriterion) -> tuple[FloatArray, list[FloatArray]]:
        """Predict the working random coefficients: (1, g), and (1, levels) for each other."""
        return level_coefficients(at, self.first, self.others)

    def evaluate(self, factor: FloatArray, *, restricted: bool) -> CrossedCriterion:
        """Evaluate the criterion, its gradient and its average information."""
        units = self.products.units
        p, variances = units.n_fixed, np.diag(factor) ** 2
        at = _Elimination.of(self.products, self.first, self.others, variances)
        total = units.m - at.b @ at.b.T - at.right.T @ at.solve(at.right)
        root = linalg.cholesky((total + total.T) / 2, lower=False)
        df = units.n - p if restricted else units.n
        sigma2 = float(root[p, p] ** 2) / df
        inverse = linalg.solve_triangular(root[:p, :p], np.eye(p))
        phi, coef = inverse @ inverse.T, inverse @ root[:p, p]
        deviance = at.logdet + df * (1 + np.log(2 * np.pi * sigma2))
        if restricted:
            deviance += 2 * float(np.log(np.diag(root)[:p]).sum())
        h = at.products()
        scores = [rows @ np.append(-coef, 1.0) for rows in h]
        gradient = np.zeros((len(factor), len(factor)))
        traces = self._traces(variances, at.logdet)
        for place, rows, score, trace in zip(self._places, h, scores, traces, strict=True):
            slope = trace - score @ score / sigma2
            if restricted:
                slope -= float(np.einsum("jk,kl,jl->", rows[:, :-1], phi, rows[:, :-1]))
            gradient[place, place] = slope
        average, scale = self._average(at, h, scores, phi, sigma2)
        return CrossedCriterion(
            float(deviance - units.log_weight), factor, coef, sigma2, phi, gradient, average,
            scale, self.free, tuple(score[None] for score in scores),
            tuple(np.array([place]) for place in self._places), float(df),
        )  # fmt: skip

    @property
    def _places(self) -> list[int]:
        return [int(self.first[0]), *(int(other.random[0]) for other in self.others)]

    def _traces(self, variances: FloatArray, logdet: float) -> list[float]:
        """Sum over levels of Z_j' V^-1 Z_j: the derivative of log det V in each variance.

        It is that of the cubic through three points around; at zero there is no step back. With
        n rows a level the determinant bends on the scale of the variance and 1 / n.
        """
        found = []
        levels = [self.products.units.s.shape[2], *(other.levels for other in self.others)]
        for place, count in zip(self._places, levels, strict=True):
            step = STEP * (variances[place] + count / self.products.units.n)
            moves = step * (np.array([-1, 1, 2]) if variances[place] >= step else
                            np.array([1, 2, 3]))  # fmt: skip
            logs = []
            for move in moves:
                moved = variances.copy()
                moved[place] += move
                at = _Elimination.of(self.products, self.first, self.others, moved)
                logs.append(at.logdet - logdet)
            powers = moves[:, None] ** np.arange(1, 4)
            found.append(float(np.linalg.solve(powers, np.array(logs))[0]))
        return found

    def _average(
        self, at: _Elimination, h: list[FloatArray], scores: list[FloatArray], phi: FloatArray,
        sigma2: float,
    ) -> tuple[FloatArray, FloatArray]:  # fmt: skip
        t = len(scores)
        order = np.argsort(self._places)
        applied = [at.apply([scores[i] if i == k else None for i in range(t)]) for k in range(t)]
        inner = np.array([[scores[k] @ applied[j][k] for j in range(t)] for k in range(t)])
        x = np.array([scores[k] @ h[k][:, :-1] for k in range(t)])
        average = (inner - x @ phi @ x.T) / sigma2
        scale = np.array([score @ score for score in scores]) / sigma2
        return average[np.ix_(order, order)], scale[order]


@dataclass(frozen=True, slots=True)
class _Elimination:
    """The system at some variances, the first factor eliminated and the others factorised."""

    first: IntArray
    s: FloatArray
    drop: FloatArray
    b: FloatArray
    c: FloatArray
    cross: sparse.csr_array
    own: sparse.csr_array
    right: FloatArray
    root: FloatArray
    lu: SuperLU
    logdet: float
    spans: tuple[slice, ...]

    @classmethod
    def of(
        cls, products: CrossedProducts, first: IntArray, others: tuple[OtherFactor, ...],
        variances: FloatArray,
    ) -> _Elimination:  # fmt: skip
        units, cross = products.units, products.cross[0]
        s, c = units.s[0, 0], units.c[0]
        inner = 1 + variances[first[0]] * s
        weight = variances[first[0]] / inner
        b = c * np.sqrt(weight)
        scaled = sparse.csr_array(sparse.diags_array(weight) @ cross)
        own = sparse.csr_array(products.own - cross.T @ scaled)
        right = products.right - scaled.T @ c.T
        root = np.concatenate([
            np.full(other.levels, np.sqrt(variances[other.random[0]])) for other in others
        ])  # fmt: skip
        around = sparse.diags_array(root)
        system = sparse.csc_array(around @ own @ around) + sparse.eye_array(root.size, format="csc")
        lu = splu(
            sparse.csc_array(system), permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0,
            options={"SymmetricMode": True},
        )  # fmt: skip
        pivots = lu.U.diagonal()
        if pivots.min(initial=1.0) <= 0:
            raise np.linalg.LinAlgError("the system of the grouping factors lost its digits")
        logdet = float(np.log(inner).sum() + np.log(pivots).sum())
        return cls(
            first, s, 1 - weight * s, b, c, cross, own, right, root, lu, logdet,
            tuple(other.span for other in others),
        )  # fmt: skip

    def solve(self, rows: FloatArray) -> FloatArray:
        """Multiply by L A^-1 L', shape (m, k)."""
        rooted = self.root[:, None] * rows
        return np.asarray(self.root[:, None] * self.lu.solve(rooted))

    def products(self) -> list[FloatArray]:
        """Z_j' V^-1 [X, y] of the levels of each factor, (levels, p + 1)."""
        solved = self.solve(self.right)
        h2 = self.right - self.own @ solved
        h1 = self.drop[:, None] * (self.c.T - self.cross @ solved)
        return [h1, *(h2[span] for span in self.spans)]

    def apply(self, v: list[FloatArray | None]) -> list[FloatArray]:
        """Multiply a vector of coefficients, by factor and zero where None, by Z' V^-1 Z."""
        v1 = np.zeros(self.s.size) if v[0] is None else v[0]
        v2 = np.concatenate([
            np.zeros(span.stop - span.start) if part is None else part
            for part, span in zip(v[1:], self.spans, strict=True)
        ])[:, None]  # fmt: skip
        inside = self.own @ v2 + self.cross.T @ (self.drop * v1)[:, None]
        solved = self.solve(inside)
        first = self.drop * (self.s * v1 + (self.cross @ (v2 - solved))[:, 0])
        other = (inside - self.own @ solved)[:, 0]
        return [first, *(other[span] for span in self.spans)]
