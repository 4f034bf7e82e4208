"""Extreme rays of a cone of non-negative weights."""

from __future__ import annotations

import numpy as np

from panelml._typing import FloatArray
from panelml.errors import SpecificationError

__all__ = ["extreme_rays"]

# More rays than this in one step take minutes.
MOST_RAYS = 3_000
# Products below this share of the largest entry count as zero.
ROUNDING = 1e-10


def extreme_rays(x: FloatArray) -> FloatArray:
    """Find the extreme rays of ``{g >= 0: g' x = 0}``.

    Parameters
    ----------
    x : FloatArray, shape (m, p)

    Returns
    -------
    FloatArray, shape (v, m)
        One ray in each row, its entries adding up to one; none if only zero is in the cone.

    Raises
    ------
    SpecificationError
        If there are too many.

    Notes
    -----
    Double description: equalities are imposed one after another. A ray that keeps an equality
    stays; two adjacent rays on both sides of it give one that does. Rays are adjacent if no third
    one is zero wherever both are. Source: Fukuda and Prodon (1996), *Combinatorics and Computer
    Science*, LNCS 1120, 91-111, proposition 7.
    """
    rays = np.eye(len(x))
    left = list(range(x.shape[1]))
    while left:
        # The equality with the fewest pairs to join comes next.
        signs = np.sign(_values(rays, x[:, left]))
        pairs = (signs > 0).sum(axis=0) * (signs < 0).sum(axis=0)
        rays = _impose(rays, x[:, left.pop(int(pairs.argmin()))])
        if len(rays) > MOST_RAYS:
            raise SpecificationError(
                "The average of so many effects under a sign or monotonicity restriction needs "
                f"more than {MOST_RAYS:,} comparisons: take fewer horizons, or no such restriction."
            )
    return rays


def _values(rays: FloatArray, x: FloatArray) -> FloatArray:
    value: FloatArray = rays @ x
    value[np.abs(value) <= ROUNDING * np.abs(x).max(axis=0, initial=0.0)] = 0.0
    return value


def _impose(rays: FloatArray, column: FloatArray) -> FloatArray:
    value = _values(rays, column[:, None])[:, 0]
    above, below = np.flatnonzero(value > 0), np.flatnonzero(value < 0)
    used = (rays > 0).astype(np.int64)
    found = [rays[value == 0]]
    for i in above:
        union = np.maximum(used[i], used[below])
        # A third ray inside the union of both supports: i, j and no other may be.
        inside = (1 - union) @ used.T == 0
        adjacent = below[inside.sum(axis=1) == 2]
        found.append(value[i] * rays[adjacent] - value[adjacent, None] * rays[i])
    joined = np.concatenate(found)
    joined[np.abs(joined) <= ROUNDING * joined.max(axis=1, initial=0.0, keepdims=True)] = 0.0
    scaled: FloatArray = joined / joined.sum(axis=1, keepdims=True)
    return scaled
