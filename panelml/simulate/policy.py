"""Panels in which a policy is adopted at different times."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from panelml._typing import AnyArray, FloatArray, IntArray
from panelml.arguments import checked, into, moved
from panelml.simulate.draws import (
    autoregression,
    observed,
    require,
    require_autocorrelation,
    require_counts,
    require_shares,
    require_spreads,
)

__all__ = ["Adopters", "Sampling", "staggered"]

# By cohort and periods since adoption, to the effect.
Effect = Callable[[int, int], float]


@checked
@dataclass(frozen=True, slots=True, kw_only=True)
class Adopters:
    """How units that adopt a policy differ from others, beside its effect.

    Parameters
    ----------
    anticipation : sequence of float
        Effects 1, 2, ... periods before adoption.
    trend : float
        Slope by which the outcome of units that adopt departs from parallel trends.
    selection : float
        By how much u is higher in units that adopt.
    covariate : float
        The coefficient beta of x, which is higher in units that adopt: trends then are parallel
        given x only.

    Examples
    --------
    >>> import panelml as pm
    >>> early = pm.simulate.Adopters(anticipation=(0.5,))
    >>> pm.simulate.staggered(30, 6, adopters=early, seed=1).shape
    (180, 8)
    """

    anticipation: Sequence[float] = ()
    trend: float = 0.0
    selection: float = 0.5
    covariate: float = 0.0


@checked
@dataclass(frozen=True, slots=True, kw_only=True)
class Sampling:
    """Which rows are observed, and what is random in their outcomes.

    Parameters
    ----------
    unbalanced : float
        Chance, in [0, 1), that a row is missing.
    n_clusters : int, optional
        Number of clusters, which adopt as a whole; by default each unit on its own.
    rho : float
        Autocorrelation of the errors, in (-1, 1).
    sigma_u, sigma_c, sigma_e : float
        Standard deviations of unit effects, shocks of clusters and errors.

    Raises
    ------
    SpecificationError
        If a parameter is outside its range.

    Examples
    --------
    >>> import panelml as pm
    >>> some = pm.simulate.Sampling(unbalanced=0.2)
    >>> len(pm.simulate.staggered(30, 6, sampling=some, seed=1)) < 180
    True
    """

    unbalanced: float = 0.0
    n_clusters: int | None = None
    rho: float = 0.0
    sigma_u: float = 1.0
    sigma_c: float = 0.0
    sigma_e: float = 1.0

    def __post_init__(self) -> None:
        require_counts(n_clusters=1 if self.n_clusters is None else self.n_clusters)
        require_shares(unbalanced=self.unbalanced)
        require_autocorrelation(self.rho)
        require_spreads(sigma_u=self.sigma_u, sigma_c=self.sigma_c, sigma_e=self.sigma_e)


@checked
@moved(into("adopters", Adopters) | into("sampling", Sampling))
def staggered(
    n_units: int,
    n_periods: int,
    cohorts: Mapping[int, float] | Sequence[int] | None = None,
    *,
    effect: Effect | float | None = None,
    adopters: Adopters = Adopters(),
    sampling: Sampling = Sampling(),
    seed: int = 0,
) -> pd.DataFrame:
    r"""Simulate the staggered adoption of a policy with known effects.

    .. math:: y_{it} = u_i + t / 10 + \beta x_i (t - 1) / (T - 1) + \tau(g_i, t - g_i)
        + \delta t\, 1\{g_i < \infty\} + c_{k(i) t} + e_{it}

    Units that adopt have higher x and, by ``selection``, higher u: comparisons of levels are
    biased. Trends are parallel where the ``trend`` of adopters is zero and, unconditionally, where
    the coefficient beta of their ``covariate`` is zero.

    Parameters
    ----------
    n_units, n_periods : int
        Periods are numbered from 1.
    cohorts : mapping of int to float, or sequence of int, optional
        First treated periods with their shares of the units, or with equal shares beside one of
        the same size that never adopts; by default a third, a half and two thirds of the way.
    effect : callable or float, optional
        Effect of adoption, by cohort and periods since; by default
        ``(1 + periods) * (1 + rank of the cohort / 2) / 4``, so that effects grow, and differ.
    adopters : Adopters
        How units that adopt differ from others, beside the effect.
    sampling : Sampling
        Missing rows, clusters, and standard deviations.
    seed : int

    Returns
    -------
    pandas.DataFrame
        Columns ``unit``, ``time``, ``y``, ``cohort`` (missing where never), ``treated``, ``x``,
        ``cluster`` and ``effect``, the row's true effect; ``attrs["att"]`` lists the effect
        ``att`` of each ``cohort`` and ``time``.

    Raises
    ------
    SpecificationError
        If a parameter is outside its range.

    Examples
    --------
    >>> import panelml as pm
    >>> rows = pm.simulate.staggered(30, 6, {3: 0.5}, seed=1)
    >>> rows["cohort"].nunique(), int(rows["treated"].sum())
    (1, 60)
    """
    require_counts(n_units=n_units, n_periods=n_periods)
    shares = _shares(cohorts, n_periods)
    rng = np.random.default_rng(seed)
    clusters = sampling.n_clusters or n_units
    cluster = np.arange(n_units) * clusters // n_units
    first = _drawn_cohorts(rng, shares, clusters)[cluster]

    adopts = first > 0
    x = rng.standard_normal(n_units) + 0.5 * adopts
    u = sampling.sigma_u * rng.standard_normal(n_units) + adopters.selection * adopts
    time = np.arange(1, n_periods + 1)
    effects = _effects(shares, time, effect, adopters.anticipation)
    table = np.stack([effects[int(g)] for g in first])
    shocks = sampling.sigma_c * rng.standard_normal((clusters, n_periods))
    trends = adopters.trend * time * adopts[:, None]
    y = u[:, None] + time / 10 + table + trends + shocks[cluster]
    y += adopters.covariate * x[:, None] * (time - 1) / max(n_periods - 1, 1)
    y += sampling.sigma_e * autoregression(rng, n_units, n_periods, sampling.rho)
    unit, place = np.nonzero(observed(rng, n_units, n_periods, sampling.unbalanced))
    frame = _rows(unit, time[place], first, {"x": x[unit], "cluster": cluster[unit] + 1})
    frame.insert(2, "y", y[unit, place])
    frame["effect"] = table[unit, place]
    frame.attrs = {
        "att": _records(effects),
        "trend": adopters.trend,
        "selection": adopters.selection,
        "covariate": adopters.covariate,
        "rho": sampling.rho,
        "sigma_u": sampling.sigma_u,
        "sigma_c": sampling.sigma_c,
        "sigma_e": sampling.sigma_e,
    }
    return frame


def _records(effects: Mapping[int, FloatArray]) -> list[dict[str, float]]:
    """List the effects of each cohort and period."""
    return [
        {"cohort": g, "time": t, "att": float(value)}
        for g, row in effects.items()
        if g > 0
        for t, value in enumerate(row, start=1)
    ]


def _rows(
    unit: IntArray, time: IntArray, first: IntArray, columns: Mapping[str, AnyArray]
) -> pd.DataFrame:
    adopts = (first > 0)[unit]
    own = {
        "unit": unit + 1,
        "time": time,
        "cohort": np.where(adopts, first[unit], np.nan),
        "treated": (adopts & (time >= first[unit])).astype(np.int64),
    }
    return pd.DataFrame({**own, **columns})


def _shares(
    cohorts: Mapping[int, float] | Sequence[int] | None, n_periods: int
) -> dict[int, float]:
    """Share of the units by first treated period, 0 for those that never adopt."""
    if cohorts is None:
        cohorts = sorted({max(2, 1 + round(n_periods * part)) for part in (1 / 3, 1 / 2, 2 / 3)})
    if not isinstance(cohorts, Mapping):
        cohorts = dict.fromkeys(cohorts, 1 / (len(cohorts) + 1))
    total = sum(cohorts.values())
    require(len(cohorts) > 0, "cohorts needs a first treated period at least.")
    require(all(g >= 1 for g in cohorts), "cohorts are periods, numbered from 1.")
    require(
        min(cohorts.values()) > 0 and total <= 1 + 1e-9, "Shares must be positive, and add up to 1."
    )
    return {0: max(1 - total, 0.0), **{int(g): float(cohorts[g]) for g in sorted(cohorts)}}


def _drawn_cohorts(rng: np.random.Generator, shares: dict[int, float], n: int) -> IntArray:
    """Assign cohorts in proportion, in random order, shape (n,)."""
    ends = np.rint(np.cumsum(list(shares.values())) * n).astype(np.int64)
    first = np.repeat(list(shares), np.diff(ends, prepend=0))
    return np.asarray(rng.permutation(first), dtype=np.int64)


def _effects(
    shares: dict[int, float],
    time: IntArray,
    effect: Effect | float | None,
    anticipation: Sequence[float],
) -> dict[int, FloatArray]:
    """Effect in each period by cohort, zero for units that never adopt, shape (T,)."""
    found = {0: np.zeros(time.size)}
    for rank, g in enumerate((g for g in shares if g > 0), start=1):
        row = np.zeros(time.size)
        for j, t in enumerate(time.tolist()):
            since = t - g
            if since >= 0:
                row[j] = _effect_of(effect, g, since, rank)
            elif -since <= len(anticipation):
                row[j] = anticipation[-since - 1]
        found[g] = row
    return found


def _effect_of(effect: Effect | float | None, cohort: int, since: int, rank: int) -> float:
    if effect is None:
        return (1 + since) * (1 + rank / 2) / 4
    return float(effect(cohort, since) if callable(effect) else effect)
