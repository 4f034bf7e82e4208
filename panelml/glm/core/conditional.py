"""Conditional logit: the likelihood of a unit's outcomes, given how many of them are one.

With ``e_t = exp(x_t'b)`` the likelihood of a unit with k ones in T rows is the product of its e_t
with outcome one over B(T, k), the sum of such products over all ways to choose k rows. B and its
derivatives follow from ``B(t, k) = B(t - 1, k) + e_t B(t - 1, k - 1)`` (Howard 1972, *Journal of
the Royal Statistical Society B* 34, 210-211; Krailo and Pike 1984, *Applied Statistics* 33,
95-103): one step for each row, for all units of T rows and all k at once.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from panelml._typing import FloatArray, IntArray
from panelml.core.block import Block
from panelml.core.groups import group_means, group_sums, spread
from panelml.glm.core.row_likelihood import LikelihoodSums

__all__ = ["ConditionalUnits", "conditional_units", "ordered_units"]

# Units whose sums a cache holds.
CACHED = 2_000


@dataclass(frozen=True, slots=True)
class ConditionalUnits:
    """Log-likelihoods of units, given their numbers of ones.

    Attributes
    ----------
    values : FloatArray, shape (g,)
    scores : FloatArray, shape (p, g)
    information : FloatArray, shape (p, p, g)
        Minus the second derivatives; empty where they were not asked for.
    """

    values: FloatArray
    scores: FloatArray
    information: FloatArray

    def sums(self, weights: FloatArray | None) -> LikelihoodSums:
        """Add units up, each with its weight, shape (g,)."""
        w = np.ones(self.values.size) if weights is None else weights
        return LikelihoodSums(float(w @ self.values), self.scores @ w, -(self.information @ w))


def conditional_units(
    block: Block, index: FloatArray, x: FloatArray, *, second: bool = True
) -> ConditionalUnits:
    """Evaluate the units of a block, in which the outcome varies.

    Parameters
    ----------
    block : Block
        Whose outcome is 0 or 1.
    index : FloatArray, shape (n,)
    x : FloatArray, shape (p, n)
        Regressors of which it is a combination, beside an offset.
    second : bool
        Whether second derivatives are wanted.
    """
    p, g = len(x), block.n_units
    sizes = block.sizes
    # Ways to choose the rarer outcome are as many, and need fewer sums: zeros are ones of -x.
    ones = group_sums(block.outcome, block.starts)
    flip = 2 * ones > sizes
    sign = np.where(flip, -1.0, 1.0)
    chosen = np.where(flip, sizes - ones, ones).astype(np.intp)
    sign_rows = spread(sign, block.unit)
    taken = np.where(sign_rows > 0, block.outcome, 1 - block.outcome)
    index = sign_rows * (index - spread(group_means(index, block.starts), block.unit))
    x = x - spread(group_means(x, block.starts), block.unit)
    values = group_sums(taken * index, block.starts)
    scores = group_sums(x * (taken * sign_rows), block.starts)
    information = np.empty((p, p, g)) if second else np.empty((p, p, 0))
    for units in _alike(sizes, chosen):
        size = int(sizes[units[0]])
        rows = block.starts[units][:, None] + np.arange(size)
        k = chosen[units]
        log_total, mean, spread_of = _ways(index[rows].T, x[:, rows], k, second)
        values[units] -= log_total
        scores[:, units] -= sign[units] * mean
        if second:
            information[:, :, units] = spread_of
    return ConditionalUnits(values, scores, information)


def ordered_units(
    block: Block, index: FloatArray, x: FloatArray, cuts: FloatArray, *, second: bool = True
) -> ConditionalUnits:
    """Add the units of a block up over the ways to cut an ordered outcome in two.

    The outcome above each cut point is a logit with the same slopes and an effect for each unit
    (Baetschmann, Staub and Winkelmann 2015, *Journal of the Royal Statistical Society A* 178,
    685-703: copies of each unit, of which sums are taken here without copying).

    Parameters
    ----------
    block : Block
    index : FloatArray, shape (n,)
    x : FloatArray, shape (p, n)
    cuts : FloatArray, shape (c,)
        Between which categories lie.
    second : bool
    """
    p, g = len(x), block.n_units
    total = ConditionalUnits(np.zeros(g), np.zeros((p, g)), np.zeros((p, p, g if second else 0)))
    for cut in cuts:
        above = (block.outcome > cut).astype(np.float64)
        ones = group_sums(above, block.starts)
        varies = (ones > 0) & (ones < block.sizes)
        rows = varies[block.unit]
        if not rows.any():
            continue
        part, units = block.with_z(above[None]).subset(rows)
        found = conditional_units(part, index[rows], x[:, rows], second=second)
        total.values[units] += found.values
        total.scores[:, units] += found.scores
        if second:
            total.information[:, :, units] += found.information
    return total


def _alike(sizes: IntArray, chosen: IntArray) -> Iterator[IntArray]:
    """Give units of the same size, of similar numbers of ones, so many as a cache holds."""
    order = np.lexsort((chosen, sizes))
    for units in np.split(order, np.flatnonzero(np.diff(sizes[order])) + 1):
        yield from np.split(units, np.arange(CACHED, units.size, CACHED))


def _ways(
    index: FloatArray, x: FloatArray, k: IntArray, second: bool
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Sum over all ways to choose k rows of units of the same size.

    Parameters
    ----------
    index : FloatArray, shape (T, g)
    x : FloatArray, shape (p, g, T)
    k : IntArray, shape (g,)
    second : bool

    Returns
    -------
    log_total : FloatArray, shape (g,)
        Logarithm of the sum of ``exp`` of the index over the rows that are chosen.
    mean : FloatArray, shape (p, g)
        Mean of the sum of x over these rows.
    covariance : FloatArray, shape (p, p, g)
        Its covariance; empty unless asked for.
    """
    size, g = index.shape
    p, most = len(x), int(k.max())
    # Odds at which k rows are expected: sums for other numbers of rows are then no larger.
    tilt = np.log(k / (size - k))
    odds = np.exp(index + tilt)
    total = np.zeros((most + 1, g))
    total[0] = 1.0
    first = np.zeros((p, most + 1, g))
    rows, columns = np.tril_indices(p if second else 0)
    products = np.zeros((rows.size, most + 1, g))
    scale = np.zeros(g)
    for t in range(size):
        last = min(t + 1, most)
        here, below = slice(1, last + 1), slice(0, last)
        e, z = odds[t], x[:, :, t]
        before, slope = total[below] * e, first[:, below] * e
        added = z[:, None] * before
        if second:
            step = products[:, below] * e
            step += z[rows, None] * (slope[columns] + added[columns])
            step += z[columns, None] * slope[rows]
            products[:, here] += step
        slope += added
        first[:, here] += slope
        total[here] += before
        if t % 16 == 15:
            largest = total.max(axis=0)
            total /= largest
            first /= largest
            products /= largest
            scale += np.log(largest)
    units = np.arange(g)
    ways = total[k, units]
    mean = first[:, k, units] / ways
    covariance = np.empty((p, p, g if second else 0))
    if not second:
        return np.log(ways) + scale - k * tilt, mean, covariance
    lower = products[:, k, units] / ways - mean[rows] * mean[columns]
    covariance[rows, columns] = covariance[columns, rows] = lower
    return np.log(ways) + scale - k * tilt, mean, covariance
