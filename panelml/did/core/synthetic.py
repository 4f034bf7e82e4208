"""Weights of units and periods that make a comparison follow the treated before adoption."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.optimize import nnls

from panelml._typing import FloatArray
from panelml.core.linalg import quadratic_form

__all__ = [
    "Kind",
    "Penalties",
    "Weighted",
    "nearest_mix",
    "noise_level",
    "simplex_weights",
    "weigh",
]

Kind = Literal["sdid", "sc", "did"]

# Up to so many weights an active-set method on the stacked system is fastest.
STACKED = 150
# Small enough to leave weights as they are, and to make them unique.
TINY = 1e-6
MOST_SWAPS = 60


@dataclass(frozen=True, slots=True)
class Penalties:
    """How much weights are drawn to equal ones, in the units of the outcome.

    Attributes
    ----------
    units, periods : float
    """

    units: float
    periods: float

    @classmethod
    def of(cls, kind: Kind, noise: float, treated: int, post: int) -> Penalties:
        """Choose penalties as Arkhangelsky et al. (2021), equation 5, and their footnote 3."""
        units = (treated * post) ** 0.25 * noise if kind == "sdid" else TINY * noise
        return cls(units, TINY * noise)


@dataclass(frozen=True, slots=True)
class Weighted:
    """A comparison of one cohort.

    Attributes
    ----------
    units : FloatArray, shape (n0,)
        Weights of the comparison units.
    periods : FloatArray, shape (t0,)
        Weights of the periods before adoption.
    gap : FloatArray, shape (T,)
        Treated mean less the weighted comparison.
    effects : FloatArray, shape (T - t0,)
        The gap after adoption less its weighted mean before.
    importance : FloatArray, shape (k,), or None
        How much each predictor counts, where units are weighted by predictors.
    """

    units: FloatArray
    periods: FloatArray
    gap: FloatArray
    effects: FloatArray
    importance: FloatArray | None = None


def noise_level(outcomes: FloatArray) -> float:
    """Standard deviation of first differences of comparison outcomes, shape (n0, t0).

    Zero where there is one difference only.
    """
    changes = np.diff(outcomes, axis=1)
    return float(changes.std(ddof=1)) if changes.size > 1 else 0.0


def weigh(
    others: FloatArray,
    treated: FloatArray,
    before: int,
    kind: Kind,
    penalties: Penalties,
    fixed: tuple[FloatArray, FloatArray] | None = None,
) -> Weighted:
    """Weight comparison units and periods, and read off the effects.

    Parameters
    ----------
    others : FloatArray, shape (n0, T)
        Outcomes of the comparison units.
    treated : FloatArray, shape (T,)
        Mean outcome of the treated.
    before : int
        Number of periods before adoption.
    kind : {"sdid", "sc", "did"}
        Synthetic differences in differences, synthetic control, or equal weights.
    penalties : Penalties
    fixed : pair of FloatArray, optional
        Weights of units and periods that are not estimated again.

    Notes
    -----
    Source: Arkhangelsky, Athey, Hirshberg, Imbens and Wager (2021), *American Economic Review*
    111, 4088-4118, algorithm 1.
    """
    pre, post = others[:, :before], others[:, before:]
    if fixed is not None:
        units, periods = fixed
    elif kind == "did":
        units = np.full(len(others), 1 / len(others))
        periods = np.full(before, 1 / before)
    else:
        intercept = kind == "sdid"
        units = simplex_weights(pre.T, treated[:before], penalties.units, intercept=intercept)
        periods = np.zeros(before)
        if intercept:
            periods = simplex_weights(pre, post.mean(axis=1), penalties.periods, intercept=True)
    gap = treated - units @ others
    return Weighted(units, periods, gap, gap[before:] - periods @ gap[:before])


def simplex_weights(a: FloatArray, b: FloatArray, penalty: float, *, intercept: bool) -> FloatArray:
    """Minimise ``|a x + c - b|^2 / m + penalty^2 |x|^2`` over weights that add up to one.

    Parameters
    ----------
    a : FloatArray, shape (m, n)
    b : FloatArray, shape (m,)
    penalty : float
    intercept : bool
        Whether the constant c is free, or zero.
    """
    if intercept:
        a, b = a - a.mean(axis=0), b - b.mean()
    ridge = len(a) * penalty**2
    # With weights adding up to one, a x - b = (a - b 1') x, whatever the level of outcomes.
    points = a - b[:, None]
    if a.shape[1] > STACKED and penalty > 0:
        found = _by_active_set(points, ridge)
        if found is not None:
            return found
    return nearest_mix(np.concatenate([points, np.sqrt(ridge) * np.eye(a.shape[1])]))


def nearest_mix(points: FloatArray) -> FloatArray:
    """Weights, adding up to one, of the point of a convex hull that is next to the origin.

    Non-negative least squares finds it up to its scale.

    Parameters
    ----------
    points : FloatArray, shape (m, n)
        Corners of the hull.
    """
    n = points.shape[1]
    # Only the ratio of the last row to the others matters, and only for rounding.
    scale = float(np.abs(points).max()) or 1.0
    target = np.zeros(len(points) + 1)
    target[-1] = 1.0
    found, _ = nnls(np.concatenate([points / scale, np.ones((1, n))]), target, maxiter=100 * n)
    return np.asarray(found / found.sum())


def _by_active_set(a: FloatArray, ridge: float) -> FloatArray | None:
    """Swap weights in and out of zero by their multipliers; None where that does not settle."""
    inside = np.ones(a.shape[1], dtype=bool)
    inner = quadratic_form(a, np.eye(a.shape[1]))
    for _ in range(MOST_SWAPS):
        used = a[:, inside]
        core = inner if inside.all() else used @ used.T
        try:
            solve = np.linalg.solve(ridge * np.eye(len(a)) + core, used.sum(axis=1))
        except np.linalg.LinAlgError:
            return None
        # (A'A + r I)^-1 1 = (1 - A' (A A' + r I)^-1 A 1) / r.
        ones = (1 - used.T @ solve) / ridge
        total = float(ones.sum())
        if not total > 0:
            return None
        x = np.zeros(inside.size)
        x[inside] = ones / total
        slack = a.T @ (a @ x) + ridge * x - 1 / total
        after = np.where(inside, x > 0, slack < -1e-12 / total)
        if (after == inside).all():
            return x
        inside = after
        if not inside.any():
            return None
    return None
