"""Effects by horizon from windows around each adoption: local projections, and stacks.

Outcomes are a table of units by periods, missing where not observed; adoption is the number of
the first treated period. Every estimate is least squares of changes on adoption with effects of
periods, or of means of stacked windows, so that no stack of rows is ever built.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from panelml._typing import FloatArray, IntArray
from panelml.core.entries import Treatment

__all__ = ["HorizonEffect", "local_projection", "stacked"]


@dataclass(frozen=True, slots=True)
class HorizonEffect:
    """The effect at one horizon.

    Attributes
    ----------
    effect : float
    psi : FloatArray, shape (units,)
        How each unit moved it.
    treated : int
        Adoptions it is estimated from.
    """

    effect: float
    psi: FloatArray
    treated: int


def local_projection(
    y: FloatArray, x: FloatArray, treatment: Treatment, horizon: int, *, equal: bool,
    mean_before: bool,
) -> HorizonEffect | None:  # fmt: skip
    """Regress changes from before adoption on adoption, against clean comparisons.

    Parameters
    ----------
    y : FloatArray, shape (units, T)
    x : FloatArray, shape (k, units, T)
        Covariates, of the period before.
    treatment : Treatment
        Who enters when, and who is compared.
    horizon : int
    equal : bool
        Whether every adoption counts equally, rather than by its variance.
    mean_before : bool
        Whether changes are from the mean of all earlier periods, not from the one before.

    Returns
    -------
    HorizonEffect, or None where no adoption has the horizon and a comparison.

    Notes
    -----
    Source: Dube, Girardi, Jordà and Taylor (2025), *Journal of Applied Econometrics*, "A local
    projections approach to difference-in-differences", equation 8.
    """
    units, periods = y.shape
    rows: list[tuple[IntArray, FloatArray, FloatArray, FloatArray, FloatArray]] = []
    for t in range(1, periods):
        if not 0 <= t + horizon < periods:
            continue
        before = _mean(y[:, :t]) if mean_before else y[:, t - 1]
        change = y[:, t + horizon] - before
        adopts, others = treatment.groups(t, horizon)
        used = (adopts | others) & np.isfinite(change)
        used &= np.isfinite(x[:, :, t - 1]).all(axis=0)
        share = float(adopts[used].mean()) if used.any() else 0.0
        if not 0 < share < 1:
            continue
        at = np.flatnonzero(used)
        columns = np.concatenate([adopts[at][None].astype(np.float64), x[:, at, t - 1]])
        columns -= columns.mean(axis=1, keepdims=True)
        weight = np.full(at.size, 1 / (1 - share) if equal else 1.0)
        rows.append((at, change[at] - change[at].mean(), columns, weight, columns[0] + share))
    if not rows:
        return None
    at, change, weight, adopts = (np.concatenate([r[j] for r in rows]) for j in (0, 1, 3, 4))
    columns = np.concatenate([r[2] for r in rows], axis=1)
    inverse = np.linalg.pinv((columns * weight) @ columns.T)
    coef = inverse @ (columns @ (weight * change))
    moved = inverse[0] @ columns * weight * (change - coef @ columns)
    psi = np.asarray(np.bincount(at, moved, minlength=units), dtype=np.float64)
    return HorizonEffect(float(coef[0]), psi, int(adopts.sum()))


def _mean(values: FloatArray) -> FloatArray:
    """Mean of each row's observed values, missing where there are none."""
    seen = np.isfinite(values)
    count = seen.sum(axis=1).astype(np.float64)
    total = np.where(seen, values, 0.0).sum(axis=1)
    return np.asarray(np.divide(total, count, out=np.full(count.size, np.nan), where=count > 0))


def stacked(
    y: FloatArray, start: IntArray, pre: int, post: int, reference: int
) -> tuple[IntArray, list[HorizonEffect], list[int]]:
    """Average windows around adoptions, comparisons weighted as the adoptions of their window.

    Parameters
    ----------
    y : FloatArray, shape (units, T)
        Without missing values.
    start : IntArray, shape (units,)
    pre, post : int
        Periods before, and after, adoption in each window.
    reference : int
        The horizon that is zero.

    Returns
    -------
    horizons : IntArray
    effects : list of HorizonEffect
    cohorts : list of int
        Whose windows lie in the panel, with a comparison throughout.

    Notes
    -----
    Source: Wing, Freedman and Hollingsworth (2024), NBER Working Paper 32054, with weights by
    the number of adoptions (their equation 9).
    """
    units, periods = y.shape
    cohorts = [
        int(g) for g in np.unique(start[start < periods])
        if g - pre >= 0 and g + post < periods and (start > g + post).any()
    ]  # fmt: skip
    horizons = np.array([h for h in range(-pre, post + 1) if h != reference])
    total = sum(int((start == g).sum()) for g in cohorts)
    treated_mean, other_mean = np.zeros(horizons.size), np.zeros(horizons.size)
    changes, roles = [], []
    for g in cohorts:
        change = (y[:, g + horizons] - y[:, [g + reference]]).T
        adopts, others = start == g, start > g + post
        share = adopts.sum() / total
        treated_mean += share * change[:, adopts].mean(axis=1)
        other_mean += share * change[:, others].mean(axis=1)
        changes.append(change)
        roles.append((adopts / total, others * (share / others.sum())))
    psi = np.zeros((horizons.size, units))
    for change, (adopts, others) in zip(changes, roles, strict=True):
        psi += adopts * (change - treated_mean[:, None]) - others * (change - other_mean[:, None])
    effects = zip(treated_mean - other_mean, psi, strict=True)
    return horizons, [HorizonEffect(float(e), p, total) for e, p in effects], cohorts
