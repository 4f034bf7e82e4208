"""Sums and means over contiguous groups of rows."""

from __future__ import annotations

import numpy as np

from panelml._typing import FloatArray, IntArray

__all__ = ["demean", "group_means", "group_sums", "spread"]


def group_sums(values: FloatArray, starts: IntArray) -> FloatArray:
    """Sum the last axis over contiguous groups.

    Parameters
    ----------
    values : FloatArray, shape (..., n)
    starts : IntArray, shape (g + 1,)
        Group i owns ``starts[i]:starts[i + 1]``; none is empty.

    Returns
    -------
    FloatArray, shape (..., g)
    """
    return np.add.reduceat(values, starts[:-1], axis=-1)


def group_means(
    values: FloatArray, starts: IntArray, weights: FloatArray | None = None
) -> FloatArray:
    """Average the last axis over contiguous groups, weighted if weights are given."""
    if weights is None:
        return group_sums(values, starts) / np.diff(starts)
    return group_sums(values * weights, starts) / group_sums(weights, starts)


def spread(values: FloatArray, unit: IntArray) -> FloatArray:
    """Give each row its group's value: shape (..., g) to (..., n)."""
    return np.take(values, unit, axis=-1, mode="clip")


def demean(
    values: FloatArray, starts: IntArray, unit: IntArray, weights: FloatArray | None = None
) -> FloatArray:
    """Subtract from each row its group's (weighted) mean."""
    result = spread(group_means(values, starts, weights), unit)
    np.subtract(values, result, out=result)
    return result
