"""How far trends may depart from parallel: restrictions, and intervals that allow for them.

Coefficients of an event study are ``beta = delta + [0, tau]``: departures delta from parallel
trends before and after adoption, and effects tau after it. Periods are numbered so that the
reference has number 0, with delta_0 = 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
from scipy.optimize import LinearConstraint, brentq, minimize
from scipy.special import ndtr, ndtri

from panelml._typing import FloatArray

__all__ = [
    "Restriction",
    "differences",
    "fixed_length",
    "folded_quantile",
    "relative_restrictions",
    "shape_rows",
    "smooth_restriction",
]


@dataclass(frozen=True, slots=True)
class Restriction:
    """The departures with ``rows @ delta <= bounds``.

    Attributes
    ----------
    rows : FloatArray, shape (m, pre + post)
    bounds : FloatArray, shape (m,)
    """

    rows: FloatArray
    bounds: FloatArray

    def and_(self, rows: FloatArray) -> Restriction:
        """Add rows with bound zero."""
        return Restriction(
            np.concatenate([self.rows, rows]), np.concatenate([self.bounds, np.zeros(len(rows))])
        )


def differences(pre: int, post: int, order: int) -> FloatArray:
    """First or second differences of departures between successive periods.

    Parameters
    ----------
    pre, post : int
        Number of periods before and after the reference.
    order : {1, 2}

    Returns
    -------
    FloatArray, shape (pre + post + 1 - order, pre + post)
        The first ``pre + 1 - order`` rows end at the reference or before it.
    """
    full = np.diff(np.eye(pre + post + 1), n=order, axis=0)
    return np.delete(full, pre, axis=1)


def smooth_restriction(pre: int, post: int, m: float) -> Restriction:
    """Departures whose slope changes by at most m from a period to the next."""
    second = differences(pre, post, 2)
    return Restriction(np.concatenate([second, -second]), np.full(2 * len(second), m))


def relative_restrictions(pre: int, post: int, mbar: float, order: int) -> list[Restriction]:
    """Departures after the reference that change by at most mbar times the largest change before.

    Parameters
    ----------
    order : {1, 2}
        Changes of the departure, or of its slope.

    Returns
    -------
    list of Restriction
        One for each change before and each of its signs; the departures are their union.
    """
    change = differences(pre, post, order)
    before = pre + 1 - order
    factor = np.where(np.arange(len(change)) < before, 1.0, mbar)[:, None]
    found = []
    for s, sign in product(range(before), (1.0, -1.0)):
        largest = sign * change[s]
        rows = np.concatenate([change - factor * largest, -change - factor * largest])
        rows = rows[np.abs(rows).max(axis=1) > 1e-12]
        found.append(Restriction(rows, np.zeros(len(rows))))
    return found


def shape_rows(pre: int, post: int, *, sign: float = 0.0, monotone: float = 0.0) -> FloatArray:
    """Rows that give departures after the reference a sign, or all a direction.

    Parameters
    ----------
    sign, monotone : {-1, 0, 1}
        Positive or negative; increasing or decreasing.
    """
    rows = []
    if sign:
        rows.append(-sign * np.eye(pre + post)[pre:])
    if monotone:
        rows.append(-monotone * differences(pre, post, 1))
    return np.concatenate(rows) if rows else np.zeros((0, pre + post))


def folded_quantile(bias: float, probability: float) -> float:
    """Quantile of the absolute value of a normal variable of variance one and mean ``bias``."""
    bias = abs(bias)
    start = float(ndtri((1 + probability) / 2))

    def gap(c: float) -> float:
        return float(ndtr(c - bias) - ndtr(-c - bias)) - probability

    return float(brentq(gap, 0.0, start + bias + 1, xtol=1e-13))


def fixed_length(
    beta: FloatArray, sigma: FloatArray, pre: int, weights: FloatArray, m: float, level: float
) -> tuple[float, float]:
    """Return the shortest interval around a linear estimate, for smooth departures.

    Parameters
    ----------
    beta : FloatArray, shape (pre + post,)
    sigma : FloatArray, shape (pre + post, pre + post)
    pre : int
    weights : FloatArray, shape (post,)
        Of the effects in the parameter of interest.
    m, level : float

    Notes
    -----
    Source: Rambachan and Roth (2023), *Review of Economic Studies* 90, 2555-2591, section 4.1.
    The half length is convex in the weights on coefficients before adoption, which take linear
    departures out.
    """
    post = weights.size
    # Departures are a line through the reference plus what changes of the slope add.
    times = np.concatenate([np.arange(-pre, 0), np.arange(1, post + 1)]).astype(np.float64)
    bends = _bends(pre, post)
    free = _null(times[:pre])
    base = -(times[pre:] @ weights) * times[:pre] / (times[:pre] @ times[:pre])

    def full(z: FloatArray) -> FloatArray:
        return np.concatenate([base + free @ z[: free.shape[1]], weights])

    def half(z: FloatArray) -> float:
        v = full(z)
        spread = float(np.sqrt(v @ sigma @ v))
        bound = m * float(z[free.shape[1] :].sum())
        return spread * folded_quantile(bound / spread, level)

    start = _least_variance(base, free, weights, sigma, pre)
    count = free.shape[1]
    if m > 0:
        start = np.concatenate([start, np.abs(bends.T @ full(start))])
        inner = np.concatenate([bends[:pre].T @ free, -bends[:pre].T @ free])
        fixed = bends.T @ np.concatenate([base, weights])
        size = np.tile(np.eye(fixed.size), (2, 1))
        limits = LinearConstraint(
            np.concatenate([-inner, size], axis=1), np.concatenate([fixed, -fixed]), np.inf
        )
        scale = half(start)
        found: Any = minimize(  # type: ignore[call-overload]
            lambda z: half(z) / scale, start, constraints=limits, method="SLSQP",
            options={"maxiter": 1000, "ftol": 1e-14},
        )  # fmt: skip
        if found.fun < 1:
            start = np.asarray(found.x)
        start[count:] = np.abs(bends.T @ full(start))
    centre, reach = float(full(start) @ beta), half(start)
    return centre - reach, centre + reach


def _bends(pre: int, post: int) -> FloatArray:
    """What a change of the slope by one in each inner period adds: (pre + post, changes)."""
    times = np.concatenate([np.arange(-pre, 0), np.arange(1, post + 1)])
    at = np.arange(-pre + 1, post)
    after = np.maximum(times[:, None] - at[None], 0) * (at[None] > 0)
    before = np.maximum(at[None] - times[:, None], 0) * (at[None] <= 0)
    return np.asarray(after + before, dtype=np.float64)


def _null(row: FloatArray) -> FloatArray:
    """Orthonormal columns orthogonal to a row, shape (k, k - 1)."""
    _, _, vectors = np.linalg.svd(row[None])
    return np.asarray(vectors[1:].T)


def _least_variance(
    base: FloatArray, free: FloatArray, weights: FloatArray, sigma: FloatArray, pre: int
) -> FloatArray:
    own = free.T @ sigma[:pre, :pre] @ free
    across = free.T @ (sigma[:pre, :pre] @ base + sigma[:pre, pre:] @ weights)
    return np.asarray(-np.linalg.solve(own, across)) if free.shape[1] else np.zeros(0)
