"""Effects by horizon from windows around each adoption: local projections, and stacks.

Outcomes are a table of units by periods, missing where not observed; adoption is the number of
the first treated period. Every estimate is least squares of changes on adoption with effects of
periods, or of stacked windows on horizons.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from panelml._typing import BoolArray, FloatArray, IntArray
from panelml.core.linalg import solve_normal
from panelml.core.moments import CONSTANT
from panelml.did.core.entries import Treatment

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
    dropped : frozenset of int
        Covariates that are collinear with others before them, or with adoption.
    """

    effect: float
    psi: FloatArray
    treated: int
    dropped: frozenset[int] = frozenset()


def local_projection(
    y: FloatArray,
    x: FloatArray,
    w: FloatArray,
    treatment: Treatment,
    horizon: int,
    *,
    equal: bool,
    mean_before: bool,
) -> HorizonEffect | None:
    """Regress changes from before adoption on adoption, against clean comparisons.

    Parameters
    ----------
    y : FloatArray, shape (units, T)
    x : FloatArray, shape (k, units, T)
        Covariates, of the period before.
    w : FloatArray, shape (units,)
        Weights of the units.
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
    rows: list[tuple[IntArray, FloatArray, FloatArray, FloatArray]] = []
    treated, squares = 0, np.zeros(1 + len(x))
    for t in range(1, periods):
        if not 0 <= t + horizon < periods:
            continue
        before = _mean(y[:, :t]) if mean_before else y[:, t - 1]
        change = y[:, t + horizon] - before
        adopts, others = treatment.groups(t, horizon)
        used = (adopts | others) & np.isfinite(change)
        used &= np.isfinite(x[:, :, t - 1]).all(axis=0)
        at = np.flatnonzero(used & (w > 0))
        if not 0 < adopts[at].sum() < at.size:
            continue
        mass = w[at] / w[at].sum()
        columns = np.concatenate([adopts[at][None].astype(np.float64), x[:, at, t - 1]])
        share = columns[0] @ mass
        squares += columns**2 @ w[at]
        columns -= (columns @ mass)[:, None]
        weight = w[at] / (1 - share) if equal else w[at]
        rows.append((at, change[at] - change[at] @ mass, columns, weight))
        treated += int(adopts[at].sum())
    if not rows:
        return None
    at, change, weight = (np.concatenate([r[j] for r in rows]) for j in (0, 1, 3))
    columns = np.concatenate([r[2] for r in rows], axis=1)
    table = np.concatenate([change[None], columns])
    solution = solve_normal((table * weight) @ table.T, CONSTANT * squares)
    inverse = solution.padded(len(columns))
    coef = inverse @ (columns @ (weight * change))
    moved = inverse[0] @ columns * weight * (change - coef @ columns)
    psi = np.asarray(np.bincount(at, moved, minlength=units), dtype=np.float64)
    gone = frozenset(j - 1 for j in solution.dropped)
    return HorizonEffect(float(coef[0]), psi, treated, gone)


def _mean(values: FloatArray) -> FloatArray:
    """Mean of each row's observed values, missing where there are none."""
    seen = np.isfinite(values)
    count = seen.sum(axis=1).astype(np.float64)
    total = np.where(seen, values, 0.0).sum(axis=1)
    return np.asarray(np.divide(total, count, out=np.full(count.size, np.nan), where=count > 0))


def stacked(
    y: FloatArray,
    x: FloatArray,
    w: FloatArray,
    start: IntArray,
    pre: int,
    post: int,
    reference: int,
) -> tuple[IntArray, list[HorizonEffect], list[int]]:
    """Regress stacked windows on horizons and their products with adoption.

    Comparisons weigh as the adoptions of their window.

    Parameters
    ----------
    y : FloatArray, shape (units, T)
        Missing for all units in periods that the panel has not, and for none in the others.
    x : FloatArray, shape (k, units, T)
        Covariates, missing where y is.
    w : FloatArray, shape (units,)
        Weights of the units.
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
    periods, there = y.shape[1], np.isfinite(y[0])
    cohorts = [
        int(g)
        for g in np.unique(start[(start < periods) & (w > 0)])
        if g - pre >= 0
        and g + post < periods
        and there[g - pre : g + post + 1].all()
        and ((start > g + post) & (w > 0)).any()
    ]
    horizons = np.array([h for h in range(-pre, post + 1) if h != reference])
    if not cohorts:
        return horizons, [], cohorts
    window = np.append(horizons, reference)
    table = np.concatenate([y[None], x])
    mass = np.array([[w[start == g].sum(), w[start > g + post].sum()] for g in cohorts])
    stacks = [
        _stack(table[:, :, g + window], w, start == g, start > g + post, mass.sum(axis=0))
        for g in cohorts
    ]
    squares = np.diag(np.sum([stack.cross() for stack in stacks], axis=0))[1:]
    means = np.sum([stack.sums() for stack in stacks], axis=0)
    stacks = [stack.less(means) for stack in stacks]
    cross = np.sum([stack.cross() for stack in stacks], axis=0)
    solution = solve_normal(cross, CONSTANT * squares)
    inverse = solution.padded(len(x))
    combine = np.append(1.0, -inverse @ cross[1:, 0])
    # Differences of adopters from comparisons, and of each horizon from the reference.
    apart = means[0] - means[1]
    apart = apart[:-1] - apart[-1]
    psi = np.sum([stack.influence(combine, apart[:, 1:] @ inverse) for stack in stacks], axis=0)
    treated = int(np.isin(start[w > 0], cohorts).sum())
    gone = frozenset(solution.dropped)
    effects = [
        HorizonEffect(float(e), p, treated, gone) for e, p in zip(apart @ combine, psi, strict=True)
    ]
    return horizons, effects, cohorts


@dataclass(frozen=True, slots=True)
class _Stack:
    """The window of a cohort.

    Attributes
    ----------
    units : IntArray, shape (n,)
    role : IntArray, shape (n,)
        0 for adopters, 1 for comparisons.
    share : FloatArray, shape (n,)
        Weights, whose sum over all stacks is one for either role.
    mass : FloatArray, shape (2,)
        Weight of each role in the regression.
    rows : FloatArray, shape (n, horizons, 1 + k)
        Outcome and covariates, the reference period last.
    n_units : int
    """

    units: IntArray
    role: IntArray
    share: FloatArray
    mass: FloatArray
    rows: FloatArray
    n_units: int

    def sums(self) -> FloatArray:
        """Weighted sums by role, shape (2, horizons, 1 + k)."""
        weight = self.share * (self.role == np.arange(2)[:, None])
        return np.asarray(np.einsum("rn,nhv->rhv", weight, self.rows))

    def less(self, means: FloatArray) -> _Stack:
        """Take off the means of each role, shape (2, horizons, 1 + k)."""
        return replace(self, rows=self.rows - means[self.role])

    def cross(self) -> FloatArray:
        """Weighted cross-products, shape (1 + k, 1 + k)."""
        weight = self.share * self.mass[self.role]
        return np.asarray(np.einsum("n,nhv,nhu->vu", weight, self.rows, self.rows))

    def influence(self, combine: FloatArray, through: FloatArray) -> FloatArray:
        """How each unit moved the effects, directly and through the slopes of covariates.

        Parameters
        ----------
        combine : FloatArray, shape (1 + k,)
            From outcome and covariates to residuals.
        through : FloatArray, shape (horizons - 1, k)
            What the scores of covariates move.
        """
        error = self.rows @ combine
        sign = self.share * np.where(self.role == 0, 1.0, -1.0)
        moved = sign * (error[:, :-1] - error[:, -1:]).T
        scores = np.einsum("nh,nhv->vn", error, self.rows[:, :, 1:])
        moved -= through @ (self.share * self.mass[self.role] * scores)
        psi = np.zeros((len(moved), self.n_units))
        psi[:, self.units] = moved
        return psi


def _stack(
    table: FloatArray, w: FloatArray, adopts: BoolArray, others: BoolArray, mass: FloatArray
) -> _Stack:
    units = np.flatnonzero((adopts | others) & (w > 0))
    role = np.where(adopts[units], 0, 1)
    part = w[adopts].sum() / mass[0]
    share = w[units] / np.where(role == 0, mass[0], w[others].sum() / part)
    return _Stack(units, role, share, mass, np.moveaxis(table[:, units], 0, 2), w.size)
