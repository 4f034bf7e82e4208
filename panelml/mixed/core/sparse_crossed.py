"""The likelihood of random intercepts of several grouping factors with very many levels.

As in ``crossed_criterion`` the first factor is eliminated level by level; the system of the
others stays sparse, and so does its factor. What the derivatives need beyond solutions of it are
traces of its inverse: they are the derivatives of its log-determinant, taken by differences.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse
from scipy.sparse.linalg import SuperLU, splu

from panelml._typing import BoolArray, FloatArray, IntArray
from panelml.mixed.core.criterion import profile
from panelml.mixed.core.crossed_criterion import CrossedModel
from panelml.mixed.core.crossed_moments import CrossedProducts
from panelml.mixed.core.crossed_state import CrossedCriterion
from panelml.mixed.core.optimum import start_factor

__all__ = ["SparseCrossedModel"]

# Step for differences of the log-determinant, relative to the scale on which it bends.
STEP = 3e-4
# Where the iteration starts: the relative standard deviation of every factor.
START = 0.5


@dataclass(frozen=True, slots=True)
class SparseCrossedModel:
    """A crossed model of random intercepts; evaluates its criterion by sparse systems.

    Attributes
    ----------
    model : CrossedModel
    """

    model: CrossedModel

    def start(self, structure: BoolArray) -> FloatArray:
        """Start from equal variances."""
        return start_factor(START**2 * np.eye(len(structure)), structure)

    def evaluate(self, factor: FloatArray, *, restricted: bool) -> CrossedCriterion:
        """Evaluate the criterion, its gradient and its average information."""
        units, variances = self.model.products.units, np.diag(factor) ** 2
        left = _InterceptsOut.of(self.model.products, variances[self._places[0]])
        at = self._factorised(left, variances)
        total = left.total - left.right.T @ at.solve(left.right)
        found = profile(
            (total + total.T) / 2, at.logdet - units.log_weight, units.n, restricted=restricted
        )
        phi, sigma2 = found.phi, found.sigma2
        h = at.products()
        scores = [rows @ np.append(-found.coef, 1.0) for rows in h]
        gradient = np.zeros((len(factor), len(factor)))
        traces = self._traces(at, variances)
        for place, rows, score, trace in zip(self._places, h, scores, traces, strict=True):
            slope = trace - score @ score / sigma2
            if restricted:
                slope -= float(np.einsum("jk,kl,jl->", rows[:, :-1], phi, rows[:, :-1]))
            gradient[place, place] = slope
        average, scale = self._average(at, h, scores, phi, sigma2)
        return CrossedCriterion(
            found.deviance,
            factor,
            found.coef,
            sigma2,
            phi,
            gradient,
            average,
            scale,
            self.model.free,
            tuple(score[None] for score in scores),
            tuple(np.array([[g]]) for g in traces),
            tuple(np.array([place]) for place in self._places),
            found.df,
        )

    @property
    def _places(self) -> list[int]:
        return [int(random[0]) for random in self.model.factors.randoms]

    def _factorised(self, left: _InterceptsOut, variances: FloatArray) -> _Factorised:
        roots = [np.sqrt(variances[other.random[0]]) for other in self.model.factors.others]
        levels = [other.levels for other in self.model.factors.others]
        return _Factorised.of(
            left, np.repeat(roots, levels), tuple(o.span for o in self.model.factors.others)
        )

    def _traces(self, at: _Factorised, variances: FloatArray) -> list[float]:
        """Sum over levels of Z_j' V^-1 Z_j: the derivative of log det V in each variance.

        It is that of the parabola through a point on either side, and near zero, where there is
        no step back, of the cubic through three ahead. With n rows a level the determinant bends
        on the scale of the variance and 1 / n.
        """
        found = []
        levels = [
            self.model.products.units.s.shape[2],
            *(other.levels for other in self.model.factors.others),
        ]
        for place, count in zip(self._places, levels, strict=True):
            step = STEP * (variances[place] + count / self.model.products.units.n)
            moves = step * np.array([-1, 1] if variances[place] >= step else [1, 2, 3])
            logs = []
            for move in moves:
                moved = variances.copy()
                moved[place] += move
                left = at.left
                if place == self._places[0]:
                    left = _InterceptsOut.of(self.model.products, moved[place])
                logs.append(self._factorised(left, moved).logdet - at.logdet)
            powers = moves[:, None] ** np.arange(1, moves.size + 1)
            found.append(float(np.linalg.solve(powers, np.array(logs))[0]))
        return found

    def _average(
        self,
        at: _Factorised,
        h: list[FloatArray],
        scores: list[FloatArray],
        phi: FloatArray,
        sigma2: float,
    ) -> tuple[FloatArray, FloatArray]:
        t = len(scores)
        order = np.argsort(self._places)
        applied = [at.apply([scores[i] if i == k else None for i in range(t)]) for k in range(t)]
        inner = np.array([[scores[k] @ applied[j][k] for j in range(t)] for k in range(t)])
        x = np.array([scores[k] @ h[k][:, :-1] for k in range(t)])
        average = (inner - x @ phi @ x.T) / sigma2
        scale = np.array([score @ score for score in scores]) / sigma2
        return average[np.ix_(order, order)], scale[order]


@dataclass(frozen=True, slots=True)
class _InterceptsOut:
    """What is left when the first factor is eliminated.

    Attributes
    ----------
    s, drop : FloatArray, shape (g,)
        Z_j'Z_j of its levels, and the share of it that V^-1 leaves.
    c : FloatArray, shape (p + 1, g)
        Z_j'[X, y].
    cross : sparse array, shape (g, m)
        Z_j' Z_2.
    own : sparse array, shape (m, m)
    right : FloatArray, shape (m, p + 1)
    total : FloatArray, shape (p + 1, p + 1)
        Products of Z_2, of Z_2 with [X, y], and of the latter, through the inverse covariance.
    logdet : float
    """

    s: FloatArray
    drop: FloatArray
    c: FloatArray
    cross: sparse.csr_array
    own: sparse.csr_array
    right: FloatArray
    total: FloatArray
    logdet: float

    @classmethod
    def of(cls, products: CrossedProducts, variance: float) -> _InterceptsOut:
        units, cross = products.units, products.cross[0]
        s, c = units.s[0, 0], units.c[0]
        inner = 1 + variance * s
        weight = variance / inner
        scaled = sparse.csr_array(sparse.diags_array(weight) @ cross)
        return cls(
            s,
            1 - weight * s,
            c,
            cross,
            sparse.csr_array(products.own - cross.T @ scaled),
            products.right - scaled.T @ c.T,
            units.m - (c * weight) @ c.T,
            float(np.log(inner).sum()),
        )


@dataclass(frozen=True, slots=True)
class _Factorised:
    """The system of the other factors, ``A = I + L' M L``, factorised.

    Attributes
    ----------
    left : _InterceptsOut
    root : FloatArray, shape (m,)
        The diagonal of L.
    spans : tuple of slice
        Coefficients of each factor.
    lu : SuperLU
    logdet : float
        Of V.
    """

    left: _InterceptsOut
    root: FloatArray
    spans: tuple[slice, ...]
    lu: SuperLU
    logdet: float

    @classmethod
    def of(cls, left: _InterceptsOut, root: FloatArray, spans: tuple[slice, ...]) -> _Factorised:
        own = left.own
        place = np.arange(root.size)
        row = np.repeat(place, np.diff(own.indptr))
        data = np.append(root[row] * own.data * root[own.indices], np.ones(root.size))
        column: IntArray = np.concatenate([own.indices, place])
        places = np.concatenate([row, place]), column
        system = sparse.csc_array((data, places), shape=own.shape)
        lu = splu(
            system,
            permc_spec="MMD_AT_PLUS_A",
            diag_pivot_thresh=0.0,
            options={"SymmetricMode": True},
        )
        pivots = lu.U.diagonal()
        if pivots.min(initial=1.0) <= 0:
            raise np.linalg.LinAlgError("the system of the grouping factors lost its digits")
        return cls(left, root, spans, lu, left.logdet + float(np.log(pivots).sum()))

    def solve(self, rows: FloatArray) -> FloatArray:
        """Multiply by L A^-1 L', shape (m, k)."""
        rooted = self.root[:, None] * rows
        return np.asarray(self.root[:, None] * self.lu.solve(rooted))

    def products(self) -> list[FloatArray]:
        """Z_j' V^-1 [X, y] of the levels of each factor, (levels, p + 1)."""
        left = self.left
        solved = self.solve(left.right)
        h2 = left.right - left.own @ solved
        h1 = left.drop[:, None] * (left.c.T - left.cross @ solved)
        return [h1, *(h2[span] for span in self.spans)]

    def apply(self, v: list[FloatArray | None]) -> list[FloatArray]:
        """Multiply a vector of coefficients, by factor and zero where None, by Z' V^-1 Z."""
        left = self.left
        v1 = np.zeros(left.s.size) if v[0] is None else v[0]
        v2 = np.concatenate(
            [
                np.zeros(span.stop - span.start) if part is None else part
                for part, span in zip(v[1:], self.spans, strict=True)
            ]
        )[:, None]
        inside = left.own @ v2 + left.cross.T @ (left.drop * v1)[:, None]
        solved = self.solve(inside)
        first = left.drop * (left.s * v1 + (left.cross @ (v2 - solved))[:, 0])
        other = (inside - left.own @ solved)[:, 0]
        return [first, *(other[span] for span in self.spans)]
