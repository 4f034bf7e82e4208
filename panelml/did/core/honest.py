"""How far trends may depart from parallel: restrictions on departures.

Coefficients of an event study are ``beta = delta + [0, tau]``: departures delta from parallel
trends before and after adoption, and effects tau after it. Periods are numbered so that the
reference has number 0, with delta_0 = 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise, product

import numpy as np

from panelml._typing import FloatArray

__all__ = [
    "Restriction",
    "differences",
    "orthogonal",
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


def orthogonal(weights: FloatArray) -> FloatArray:
    """Span what is orthogonal to some weights by columns with few entries, shape (n, n - 1)."""
    unit = np.eye(weights.size)
    used = np.flatnonzero(weights)
    columns = [weights[j] * unit[i] - weights[i] * unit[j] for i, j in pairwise(used)]
    return np.array([*columns, *unit[weights == 0]]).reshape(-1, weights.size).T
