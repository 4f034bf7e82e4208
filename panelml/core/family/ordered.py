"""Ordered categories: cut points of a latent index (proportional odds, ordered probit).

Source: McCullagh (1980), *Journal of the Royal Statistical Society B* 42, 109-142.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from panelml._typing import FloatArray, IntArray
from panelml.core.family.family import NOTHING, Derivatives
from panelml.core.family.interval import Interval, log_probability
from panelml.core.links import LOGIT, Link

__all__ = ["OrderedFamily", "cut_points"]


def cut_points(auxiliary: FloatArray) -> FloatArray:
    """Return the cut points of the first one and the logarithms of increments, shape (m,)."""
    steps: FloatArray = np.concatenate([auxiliary[:1], np.exp(auxiliary[1:])])
    return np.asarray(steps.cumsum())


def cut_derivatives(auxiliary: FloatArray) -> FloatArray:
    """Return the derivatives of the cut points by the parameters, shape (m, m)."""
    m = auxiliary.size
    steps = np.concatenate([[1.0], np.exp(auxiliary[1:])])
    return np.asarray(np.tril(np.ones((m, m))) * steps)


@dataclass(frozen=True, slots=True)
class OrderedFamily:
    """Ordered categories: ``P(y <= j) = F(c_j - index)``.

    The response is the number of the category, from 0. The auxiliary parameters are the first cut
    point and the logarithms of the distances between cut points, so that any values are in order.

    Attributes
    ----------
    categories : int
    link : Link
        LOGIT, PROBIT or CLOGLOG.
    """

    categories: int
    link: Link = LOGIT

    @property
    def name(self) -> str:
        """As a specification has it."""
        return "ordered"

    @property
    def auxiliary(self) -> tuple[str, ...]:
        """The first cut point, and the logarithms of the distances between neighbours."""
        return ("cut 1", *(f"log(cut {j} - cut {j - 1})" for j in range(2, self.categories)))

    def loglik(self, response: FloatArray, index: FloatArray, auxiliary: FloatArray) -> FloatArray:
        """Return the log-likelihood of each row, shape (..., n)."""
        upper, lower = self._ends(response, index, auxiliary)
        return log_probability(upper, lower, self.link)

    def derivatives(
        self, response: FloatArray, index: FloatArray, auxiliary: FloatArray, order: int = 2
    ) -> Derivatives:
        """Return the log-likelihood of each row and its derivatives."""
        upper, lower = self._ends(response, index, auxiliary)
        p = Interval.of(upper, lower, self.link)
        padded = np.zeros((auxiliary.size + 2, auxiliary.size))
        padded[1:-1] = cut_derivatives(auxiliary)
        category = response[0].astype(np.intp)
        shape = (auxiliary.size, *(1,) * (index.ndim - 1), category.size)
        du, dv = padded[category + 1].T.reshape(shape), padded[category].T.reshape(shape)
        first = np.concatenate([-(p.u + p.v)[None], p.u * du + p.v * dv])
        if order < 2:
            return Derivatives(p.value, first, NOTHING, NOTHING)
        second = _second(p, du, dv)
        if order < 3:
            return Derivatives(p.value, first, second, NOTHING)
        by_u, by_v = p.uuu + 2 * p.uuv + p.uvv, p.uuv + 2 * p.uvv + p.vvv
        third = np.concatenate([-(by_u + by_v)[None], by_u * du + by_v * dv])
        return Derivatives(p.value, first, second, third)

    def probabilities(self, index: FloatArray, auxiliary: FloatArray) -> FloatArray:
        """Return the probability of each category, shape (categories, n)."""
        rows = np.arange(self.categories, dtype=np.float64)[:, None, None]
        shape = np.broadcast_to(index, (self.categories, 1, index.size))
        return np.concatenate(
            [
                np.exp(self.loglik(np.broadcast_to(j, (1, index.size)), at[0], auxiliary))[None]
                for j, at in zip(rows, shape, strict=True)
            ]
        )

    def summary(self, response: FloatArray) -> FloatArray:
        """Return an indicator of each category, shape (categories, n)."""
        return np.asarray(response[:1] == np.arange(self.categories)[:, None], dtype=np.float64)

    def start(self, averages: FloatArray) -> tuple[float, FloatArray]:
        """Return no constant, and the cut points of the shares."""
        below = np.clip(np.cumsum(averages[:-1]) / averages.sum(), 1e-6, 1 - 1e-6)
        cuts = np.asarray(self.link.forward(below))
        return 0.0, np.concatenate([cuts[:1], np.log(np.maximum(np.diff(cuts), 1e-3))])

    def _ends(
        self, response: FloatArray, index: FloatArray, auxiliary: FloatArray
    ) -> tuple[FloatArray, FloatArray]:
        """Return the ends of each row's interval of the latent error, shape (..., n)."""
        cuts = np.concatenate([[-np.inf], cut_points(auxiliary), [np.inf]])
        category: IntArray = response[0].astype(np.intp)
        return cuts[category + 1] - index, cuts[category] - index


def _second(p: Interval, du: FloatArray, dv: FloatArray) -> FloatArray:
    """Second derivatives by index and parameters, shape (1 + m, 1 + m, ..., n)."""
    m = len(du)
    by_u, by_v = p.uu + p.uv, p.uv + p.vv
    second = np.empty((1 + m, 1 + m, *p.value.shape))
    second[0, 0] = by_u + by_v
    second[0, 1:] = second[1:, 0] = -(by_u * du + by_v * dv)
    for i in range(m):
        for k in range(i, m):
            entry = p.uu * du[i] * du[k] + p.vv * dv[i] * dv[k]
            entry = entry + p.uv * (du[i] * dv[k] + dv[i] * du[k])
            if i == k > 0:
                entry = entry + p.u * du[i] + p.v * dv[i]
            second[1 + i, 1 + k] = second[1 + k, 1 + i] = entry
    return second
