"""What a two-way coefficient is made of: comparisons of cohorts, and weights of single effects."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from panelml._typing import FloatArray, IntArray

__all__ = [
    "CellSums",
    "SignFlip",
    "WeightedComparisons",
    "compare_cohorts",
    "compare_timing",
    "sign_flip",
]

EARLIER, LATER, NEVER_TREATED, ALWAYS_TREATED, PAIR, WITHIN = range(6)


# Residuals of treatment below this, relative to their mean, are zero.
ROUNDING = 1e-10


@dataclass(frozen=True, slots=True)
class CellSums:
    """Weighted sums of some variables by cohort and period.

    Attributes
    ----------
    weight : FloatArray, shape (cells,)
    sums : FloatArray, shape (p, cells)
    """

    weight: FloatArray
    sums: FloatArray

    @classmethod
    def of(
        cls, values: FloatArray, cell: IntArray, cells: int, weights: FloatArray | None = None
    ) -> CellSums:
        """Sum rows given as variables first, shape (p, n), by their cells, shape (n,)."""
        w = np.ones(cell.size) if weights is None else weights
        sums = [np.bincount(cell, row * w, minlength=cells) for row in values]
        weight = np.bincount(cell, w, minlength=cells)
        return cls(np.asarray(weight, dtype=np.float64), np.stack(sums))

    def __add__(self, other: CellSums) -> CellSums:
        return CellSums(self.weight + other.weight, self.sums + other.sums)


@dataclass(frozen=True, slots=True)
class WeightedComparisons:
    """Two-by-two comparisons whose weighted sum is the two-way coefficient.

    Attributes
    ----------
    kind : IntArray, shape (m,)
        EARLIER: earlier against later adopters before these adopt; LATER: later adopters against
        earlier ones after these adopted; NEVER_TREATED, ALWAYS_TREATED: against these; PAIR: two
        cohorts over all periods; WITHIN: within cohorts and periods.
    treated, control : IntArray, shape (m,)
        Numbers of the cohorts.
    weight, estimate : FloatArray, shape (m,)
    """

    kind: IntArray
    treated: IntArray
    control: IntArray
    weight: FloatArray
    estimate: FloatArray


def compare_timing(means: FloatArray, share: FloatArray, first: IntArray) -> WeightedComparisons:
    """Split the coefficient of treatment, without regressors, in a balanced panel.

    Parameters
    ----------
    means : FloatArray, shape (c, T)
        Mean outcome by cohort and period.
    share : FloatArray, shape (c,)
        Share of the units.
    first : IntArray, shape (c,)
        Number of the first treated period; 0 if always treated, T if never.

    Notes
    -----
    Source: Goodman-Bacon (2021), *Journal of Econometrics* 225, 254-277, theorem 1.
    """
    periods = means.shape[1]
    rows: list[tuple[int, int, int, float, float]] = []
    for k in range(first.size):
        for j in range(first.size):
            if first[k] < first[j] and first[k] < periods and first[k] > 0:
                kind = NEVER_TREATED if first[j] == periods else EARLIER
                rows.append((kind, k, j, *_two_by_two(means, share, k, j, 0, first[k], first[j])))
            if first[j] < first[k] < periods:
                kind = ALWAYS_TREATED if first[j] == 0 else LATER
                rows.append(
                    (kind, k, j, *_two_by_two(means, share, k, j, first[j], first[k], periods))
                )
    return _weighted(rows)


def _weighted(rows: list[tuple[int, int, int, float, float]]) -> WeightedComparisons:
    """Collect kind, cohorts, variation and estimate of comparisons; weights are shares of it."""
    kind, treated, control, variation, estimate = zip(*rows, strict=True)
    weight = np.array(variation) / sum(variation)
    return WeightedComparisons(
        np.array(kind), np.array(treated), np.array(control), weight, np.array(estimate)
    )


def _two_by_two(
    means: FloatArray, share: FloatArray, k: int, j: int, low: int, start: int, high: int
) -> tuple[float, float]:
    """Variation of treatment in, and estimate of, one comparison over periods low to high."""
    post, span = (high - start) / (high - low), (high - low) / means.shape[1]
    both = share[k] + share[j]
    part = share[k] / both
    variation = (both * span) ** 2 * part * (1 - part) * post * (1 - post)
    gap = means[k] - means[j]
    return float(variation), float(gap[start:high].mean() - gap[low:start].mean())


def compare_cohorts(
    outcome: FloatArray,
    treatment: FloatArray,
    share: FloatArray,
    first: IntArray,
    within: tuple[float, float],
) -> WeightedComparisons:
    """Split the coefficient of treatment given regressors, in a balanced panel.

    The residual d of treatment on regressors and both effects adds up to zero over units in each
    period, so that sums over cohorts of ``d y`` are sums over pairs of differences.

    Parameters
    ----------
    outcome, treatment : FloatArray, shape (c, T)
        Means by cohort and period of the outcome, and of d.
    share : FloatArray, shape (c,)
    first : IntArray, shape (c,)
    within : tuple of float
        Mean over rows of squares of d within cohorts and periods, and of its products with y.

    Notes
    -----
    Source: Goodman-Bacon (2021), *Journal of Econometrics* 225, 254-277, section 5.2.
    """
    periods = outcome.shape[1]
    rows: list[tuple[int, int, int, float, float]] = []
    for k in range(first.size):
        for j in range(k + 1, first.size):
            d, y = treatment[k] - treatment[j], outcome[k] - outcome[j]
            square = float(share[k] * share[j] * (d @ d) / periods)
            if square > 0:
                early, late = (k, j) if first[k] < first[j] else (j, k)
                rows.append((PAIR, early, late, square, float(d @ y) / float(d @ d)))
    square, product = within
    if square > 0:
        rows.append((WITHIN, -1, -1, square, product / square))
    return _weighted(rows)


@dataclass(frozen=True, slots=True)
class SignFlip:
    """How heterogeneous effects would have to be for the coefficient to mislead.

    Attributes
    ----------
    weights : FloatArray, shape (m,)
        Weight of each effect in the coefficient; they add up to one.
    any : float
        Least standard deviation of effects with which their average may be zero.
    all : float
        Least standard deviation with which all may have the other sign; NaN if no weight is
        negative.
    """

    weights: FloatArray
    any: float
    all: float


def sign_flip(residual: FloatArray, size: FloatArray, coefficient: float) -> SignFlip:
    """Weigh the effects of treated cells.

    Parameters
    ----------
    residual : FloatArray, shape (m,)
        Mean residual of treatment in each treated cell.
    size : FloatArray, shape (m,)
    coefficient : float

    Notes
    -----
    Source: de Chaisemartin and D'Haultfoeuille (2020), *American Economic Review* 110,
    2964-2996, theorem 1 and corollary 1.
    """
    share = size / size.sum()
    relative = residual / (share @ residual)
    # A weight that is zero has no sign.
    relative = np.where(np.abs(relative) < ROUNDING, 0.0, relative)
    weights = share * relative
    spread = float(np.sqrt(share @ (relative - 1) ** 2))
    order = np.argsort(-relative, kind="stable")
    w, s = relative[order], share[order]
    head, tail = np.cumsum(s) - s, np.cumsum((s * w)[::-1])[::-1]
    head[0] = 0.0
    squares = np.cumsum((s * w**2)[::-1])[::-1]
    opposite = float("nan")
    if (w < 0).any():
        with np.errstate(divide="ignore", invalid="ignore"):
            below = np.flatnonzero(w < -tail / head)
        i = int(below[0])
        bound = squares[i] + tail[i] ** 2 / head[i]
        opposite = abs(coefficient) / float(np.sqrt(bound))
    apart = abs(coefficient) / spread if spread > 0 else float("inf")
    return SignFlip(weights, apart, opposite)
