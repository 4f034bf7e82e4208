"""Units with equal random regressors, collapsed to as few as their likelihood needs."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from panelml._typing import FloatArray, IntArray
from panelml.mixed.core.unit_products import MixedMoments

__all__ = ["collapse", "fewer"]

# Random regressors of units count as equal if they agree to so many digits of the largest.
DIGITS = 10
# Units of a class on average, over what is left of them, from which sorting them pays.
WORTHWHILE = 16


def collapse(moments: MixedMoments) -> MixedMoments:
    """Replace the units of each class with equal R_i by at most q (p + 1) that serve as well.

    The likelihood and its derivatives read C_i only through the sum of ``vec(C_i) vec(C_i)'`` over
    the units of a class, and any columns with the same sum will do. Balanced panels have one
    class, unbalanced ones often few.

    Parameters
    ----------
    moments : MixedMoments
        Returned unchanged where classes are too many to be worth it.
    """
    size = moments.c.shape[0] * moments.c.shape[1]
    first, inverse = _classes(moments.r)
    if first.size * size * WORTHWHILE > moments.n_units:
        return moments
    order = np.argsort(inverse, kind="stable")
    ends = np.cumsum(np.bincount(inverse))
    rows = moments.c.reshape(size, -1)[:, order]
    parts = [fewer(part) for part in np.split(rows, ends[:-1], axis=1)]
    left = np.array([part.shape[1] for part in parts])
    count = np.diff(ends, prepend=0) / left
    return replace(
        moments,
        r=np.repeat(moments.r[:, :, first], left, axis=2),
        c=np.concatenate(parts, axis=1).reshape(*moments.c.shape[:2], -1),
        count=np.repeat(count, left),
    )


def _classes(r: FloatArray) -> tuple[IntArray, IntArray]:
    """First unit of each class, and the class of each unit."""
    entries = r[np.triu_indices(r.shape[0])]
    rounded = np.round(entries * (10.0**DIGITS / max(float(np.abs(entries).max()), 1e-300)))
    whole = rounded.astype(np.int64)
    mixed = whole[0].copy()
    for row in whole[1:]:
        mixed = mixed * np.int64(6364136223846793005) + row
    _, first, inverse = np.unique(mixed, return_index=True, return_inverse=True)
    if not np.array_equal(whole, whole[:, first[inverse]]):
        place = np.arange(r.shape[2])
        return place, place
    return first, inverse


def fewer(rows: FloatArray) -> FloatArray:
    """Return no more columns than rows, with the same sum of outer products.

    Rows have unit length before: an outcome in other units than the regressors keeps its digits.
    """
    if rows.shape[1] <= rows.shape[0]:
        return rows
    length = np.sqrt((rows**2).sum(axis=1))[:, None]
    scaled = np.divide(rows, length, out=np.zeros_like(rows), where=length > 0)
    values, vectors = np.linalg.eigh(scaled @ scaled.T)
    return np.asarray(length * vectors * np.sqrt(np.maximum(values, 0.0)))
