"""Sums and means over contiguous groups of rows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from panelml._typing import BoolArray, FloatArray, IntArray

__all__ = [
    "ROUNDING",
    "Deviations",
    "cleared",
    "demean",
    "demean_twice",
    "group_means",
    "group_sums",
    "is_constant",
    "spread",
]

# Values that differ by less than this share of their size differ by the rounding of float64.
ROUNDING = 16 * float(np.finfo(np.float64).eps)


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


def is_constant(values: FloatArray, starts: IntArray) -> bool:
    """Whether all rows of each group have the same value, shape (n,)."""
    change = values[1:] != values[:-1]
    change[starts[1:-1] - 1] = False
    return not change.any()


def cleared(deviation: FloatArray, mean: FloatArray) -> FloatArray:
    """Set to zero the deviations that are the rounding of values near a mean, shape (..., n)."""
    return np.where(np.abs(deviation) <= ROUNDING * np.abs(mean), 0.0, deviation)


@dataclass(frozen=True, slots=True)
class Deviations:
    """Deviations from group means that may be far larger than they are.

    Attributes
    ----------
    values : FloatArray, shape (p, n)
        Zero in groups whose values differ by no more than their rounding.
    mean : FloatArray, shape (p, g)
    vary : BoolArray, shape (p, g)
        Where values differ by more than that.
    lost : BoolArray, shape (p, g)
        Where they differ, but not by more.
    """

    values: FloatArray
    mean: FloatArray
    vary: BoolArray
    lost: BoolArray


def demean_twice(
    values: FloatArray, starts: IntArray, unit: IntArray, weights: FloatArray | None = None
) -> Deviations:
    """Subtract group means, and then the means of what that leaves, which are their rounding."""
    mean = group_means(values, starts, weights)
    deviation = values - spread(mean, unit)
    rest = group_means(deviation, starts, weights)
    deviation -= spread(rest, unit)
    squares = group_sums(deviation**2, starts)
    # Half a unit in the last place of a value is at least this share of it.
    differ = squares > (ROUNDING / 64 * mean) ** 2
    vary = differ & (squares > np.diff(starts) * (ROUNDING * mean) ** 2)
    deviation *= vary[:, unit]
    return Deviations(deviation, mean + rest, vary, differ & ~vary)
