"""Tests of moment inequalities with nuisance parameters that enter linearly.

``E[y] - x xi <= 0`` for some xi is tested by the largest standardised violation that no xi avoids,
a linear programme. Its dual has the same constraints for every hypothesis, so that its vertices are
listed once, and each test is a few products with them.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations, islice
from math import comb

import numpy as np
from scipy.special import ndtr, ndtri

from panelml._typing import BoolArray, FloatArray
from panelml.errors import SpecificationError

__all__ = ["Inequalities", "dual_vertices", "is_small"]

# More bases than this are not listed.
MOST_BASES = 4_000_000
FEW_BASES = 200_000
AT_ONCE = 50_000
DRAWS = 5_000
# Share of the level that is spent on the least favourable test in the hybrid.
FIRST_STAGE = 0.1


@dataclass(frozen=True, slots=True)
class Inequalities:
    """Inequalities ``y0 - theta * slope - x xi <= 0`` in expectation.

    Attributes
    ----------
    vertices : FloatArray, shape (v, m)
        Of the dual.
    y0, slope : FloatArray, shape (m,)
    sigma : FloatArray, shape (m, m)
        Covariance of y0.
    least_favourable : float
        Critical value of the first stage of the hybrid test.
    level : float
        Of the second stage.
    """

    vertices: FloatArray
    y0: FloatArray
    slope: FloatArray
    sigma: FloatArray
    least_favourable: float
    level: float

    @classmethod
    def of(
        cls, y0: FloatArray, slope: FloatArray, x: FloatArray, sigma: FloatArray, level: float,
        seed: int,
    ) -> Inequalities:  # fmt: skip
        """List the vertices, and simulate the least favourable critical value."""
        scale = np.sqrt(np.maximum(np.diag(sigma), 0.0))
        # Rows without variance keep the programme bounded by a small weight.
        scale = np.where(scale > 1e-12 * scale.max(), scale, 1e-10 * scale.max())
        vertices = dual_vertices(x, scale)
        alpha = 1 - level
        first = FIRST_STAGE * alpha
        values, vectors = np.linalg.eigh(sigma)
        root = vectors * np.sqrt(np.maximum(values, 0.0))
        draws = np.random.default_rng(seed).standard_normal((DRAWS, len(y0))) @ root.T
        largest = np.full(DRAWS, -np.inf)
        for start in range(0, len(vertices), 2000):
            part = vertices[start : start + 2000]
            largest = np.maximum(largest, (draws @ part.T).max(axis=1))
        critical = float(np.quantile(largest, 1 - first))
        return cls(vertices, y0, slope, sigma, critical, 1 - (alpha - first) / (1 - first))

    def accepts(self, theta: FloatArray) -> BoolArray:
        """Test values of theta by the hybrid of the conditional and the least favourable test.

        Notes
        -----
        Source: Andrews, Roth and Pakes (2023), *Review of Economic Studies* 90, 2763-2791, as in
        Rambachan and Roth (2023), section 3.2.
        """
        found: BoolArray = np.zeros(theta.size, dtype=bool)
        values = (self.vertices @ self.y0)[:, None] - np.outer(self.vertices @ self.slope, theta)
        best = values.argmax(axis=0)
        known: dict[int, tuple[float, FloatArray]] = {}
        for i, b in enumerate(best.tolist()):
            if b not in known:
                across = self.vertices @ (self.sigma @ self.vertices[b])
                known[b] = (float(across[b]), across)
            found[i] = self._accepts_one(values[:, i], b, *known[b])
        return found

    def _accepts_one(
        self, values: FloatArray, best: int, variance: float, across: FloatArray
    ) -> bool:
        eta = float(values[best])
        if eta > self.least_favourable:
            return False
        if eta <= 0 or variance <= 1e-20:
            return eta <= 0
        share = across / variance
        rest = values - share * eta
        with np.errstate(divide="ignore", invalid="ignore"):
            ends = rest / (1 - share)
        below, above = share < 1 - 1e-10, share > 1 + 1e-10
        low = float(ends[below].max(initial=-np.inf))
        high = min(float(ends[above].min(initial=np.inf)), self.least_favourable)
        spread = np.sqrt(variance)
        critical = spread * _truncated_quantile(low / spread, high / spread, self.level)
        return bool(eta <= max(critical, 0.0))


def is_small(post: int) -> bool:
    """Whether restrictions on so many periods after adoption have few vertices."""
    return comb(2 * post, post) <= FEW_BASES


def dual_vertices(x: FloatArray, scale: FloatArray) -> FloatArray:
    """List the vertices of ``{g >= 0: g'x = 0, g'scale = 1}``, shape (v, m).

    Parameters
    ----------
    x : FloatArray, shape (m, p)
    scale : FloatArray, shape (m,)

    Raises
    ------
    SpecificationError
        If there are too many combinations to go through.
    """
    m, p = x.shape
    size = p + 1
    if comb(m, size) > MOST_BASES:
        raise SpecificationError(
            f"{m} inequalities with {p} nuisance parameters are too many: ask for fewer periods "
            "after adoption, with horizons=."
        )
    system = np.concatenate([x.T, scale[None]])
    target = np.zeros(size)
    target[-1] = 1.0
    found = []
    bases = combinations(range(m), size)
    while chunk := list(islice(bases, AT_ONCE)):
        index = np.array(chunk)
        matrices = system[:, index].transpose(1, 0, 2)
        determinant = np.linalg.det(matrices / np.abs(matrices).max(axis=(1, 2), keepdims=True))
        regular = np.abs(determinant) > 1e-12
        right = np.broadcast_to(target[:, None], (int(regular.sum()), size, 1))
        solved = np.linalg.solve(matrices[regular], right)[..., 0]
        positive = (solved >= -1e-11 * np.abs(solved).max(axis=1, keepdims=True)).all(axis=1)
        rows = np.zeros((int(positive.sum()), m))
        np.put_along_axis(rows, index[regular][positive], np.maximum(solved[positive], 0), axis=1)
        found.append(rows)
    vertices = np.concatenate(found)
    return np.unique(vertices.round(12), axis=0)


def _truncated_quantile(low: float, high: float, probability: float) -> float:
    """Quantile of the standard normal distribution between two ends."""
    if low > 0:
        # By symmetry in the left tail, where probabilities keep their digits.
        return -_truncated_quantile(-high, -low, 1 - probability)
    p_low, p_high = float(ndtr(low)), float(ndtr(high))
    if p_high - p_low <= 0:
        return high
    return float(np.clip(ndtri(p_low + probability * (p_high - p_low)), low, high))
