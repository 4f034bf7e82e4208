"""Workers who move between firms."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.special import ndtr, ndtri

from panelml._typing import FloatArray, IntArray
from panelml.arguments import checked, into, moved
from panelml.simulate.draws import (
    mixed,
    require,
    require_correlations,
    require_counts,
    require_spreads,
)
from panelml.simulate.regressors import REGRESSORS, by_column, row_frame, slopes_of

__all__ = ["MatchComponents", "Matching", "matched"]


@checked
@dataclass(frozen=True, slots=True, kw_only=True)
class Matching:
    """Who works where.

    Parameters
    ----------
    mobility : float
        Chance, in [0, 1], of drawing a new firm from one period to the next.
    sorting : float
        Correlation of worker and firm effects over the matches, in [-1, 1].

    Raises
    ------
    SpecificationError
        If a parameter is outside its range.

    Examples
    --------
    >>> import panelml as pm
    >>> moves = pm.simulate.Matching(mobility=0.5)
    >>> pm.simulate.matched(30, 5, 4, matching=moves, seed=1)["firm"].nunique()
    5
    """

    mobility: float = 0.2
    sorting: float = 0.3

    def __post_init__(self) -> None:
        require(0 <= self.mobility <= 1, f"mobility must be in [0, 1], not {self.mobility}.")
        require_correlations(sorting=self.sorting)


@checked
@dataclass(frozen=True, slots=True, kw_only=True)
class MatchComponents:
    """What the outcome of a match consists of beside its regressors.

    Parameters
    ----------
    sigma_worker, sigma_firm, sigma_e : float
        Standard deviations of worker effects, firm effects and errors.
    correlated : float
        Weight of the effects in the regressors.

    Raises
    ------
    SpecificationError
        If a standard deviation is negative.

    Examples
    --------
    >>> import panelml as pm
    >>> errors = pm.simulate.MatchComponents(sigma_firm=0.5)
    >>> pm.simulate.matched(30, 5, 4, components=errors, seed=1).columns.tolist()
    ['worker', 'firm', 'time', 'y', 'x1', 'x2', 'x3']
    """

    sigma_worker: float = 1.0
    sigma_firm: float = 0.5
    sigma_e: float = 1.0
    correlated: float = 0.5

    def __post_init__(self) -> None:
        require_spreads(
            sigma_worker=self.sigma_worker, sigma_firm=self.sigma_firm, sigma_e=self.sigma_e
        )


@checked
@moved(into("matching", Matching) | into("components", MatchComponents) | REGRESSORS)
def matched(
    n_workers: int,
    n_firms: int,
    n_periods: int,
    regressors: int | Sequence[float] = 3,
    *,
    matching: Matching = Matching(),
    components: MatchComponents = MatchComponents(),
    seed: int = 0,
) -> pd.DataFrame:
    r"""Simulate workers who move between firms, with an effect of each.

    .. math:: y_{it} = x_{it}'\beta + \alpha_i + \psi_{j(i,t)} + e_{it}

    where :math:`j(i, t)` is the firm of worker i in period t (Abowd, Kramarz & Margolis 1999,
    Econometrica 67, 251-333). Each regressor is the standardized sum of both effects times
    ``correlated`` plus standard normal noise, so leaving either effect out biases the slopes.

    Parameters
    ----------
    n_workers, n_firms, n_periods : int
        Number of workers, of firms and of periods.
    regressors : int or sequence of float
        Number of columns ``x1``, ``x2``, ..., with slopes 1, -1/2, 1/3, ...; or their slopes.
    matching : Matching
        Moves between firms, and which workers are in which.
    components : MatchComponents
        Effects of workers and firms, and errors.
    seed : int
        Seed of the random numbers.

    Returns
    -------
    pandas.DataFrame
        Columns ``worker``, ``firm``, ``time``, ``y``, ``x1``, ...; one row per worker and period;
        a firm that never draws a worker is absent. ``attrs`` as in `panel`.

    Raises
    ------
    SpecificationError
        If a parameter is outside its range.

    Examples
    --------
    >>> import panelml as pm
    >>> pm.simulate.matched(30, 5, 4, seed=1).shape
    (120, 7)
    """
    slopes = slopes_of(regressors)
    require_counts(n_workers=n_workers, n_firms=n_firms, n_periods=n_periods)
    rng = np.random.default_rng(seed)
    ability = rng.standard_normal(n_workers)
    rank = _ranks_over_time(rng, ability, n_firms, n_periods, matching)
    quality = ndtri((np.arange(n_firms) + 0.5) / n_firms)[rank]
    # Ranks are hidden behind random labels, or the firm's number would reveal its effect.
    firm = rng.permutation(n_firms)[rank].ravel()
    worker = np.repeat(np.arange(n_workers), n_periods)
    time = np.tile(np.arange(n_periods), n_workers)

    x = rng.standard_normal((slopes.size, len(worker)))
    sigma_worker, sigma_firm = components.sigma_worker, components.sigma_firm
    effects = sigma_worker * ability[worker] + sigma_firm * quality.ravel()
    x += components.correlated * effects / np.hypot(sigma_worker, sigma_firm)
    y = slopes @ x + effects + components.sigma_e * rng.standard_normal(len(worker))
    frame = row_frame({"worker": worker + 1, "firm": firm + 1, "time": time + 1, "y": y}, x)
    frame.attrs = {
        "coefficients": by_column(slopes),
        "mobility": matching.mobility,
        "sorting": matching.sorting,
        "correlated": components.correlated,
        "sigma_worker": sigma_worker,
        "sigma_firm": sigma_firm,
        "sigma_e": components.sigma_e,
    }
    return frame


def _ranks_over_time(
    rng: np.random.Generator,
    ability: FloatArray,
    n_firms: int,
    n_periods: int,
    matching: Matching,
) -> IntArray:
    """Draw each worker's firm, by its rank in quality, in each period: (workers, periods)."""
    rank = np.empty((len(ability), n_periods), dtype=np.int64)
    for t in range(n_periods):
        drawn = (ndtr(mixed(rng, ability, matching.sorting)) * n_firms).astype(np.int64)
        np.minimum(drawn, n_firms - 1, out=drawn)
        moves = rng.random(len(ability)) < (matching.mobility if t else 1.0)
        rank[:, t] = np.where(moves, drawn, rank[:, t - 1])
    return rank
