"""Panels with effects of units and periods."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from panelml._typing import FloatArray
from panelml.arguments import checked, into, moved
from panelml.simulate.draws import (
    autoregression,
    mixed,
    observed,
    require_autocorrelation,
    require_correlations,
    require_counts,
    require_shares,
    require_spreads,
)
from panelml.simulate.regressors import REGRESSORS, by_column, row_frame, slopes_of

__all__ = ["ErrorComponents", "panel"]


@checked
@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorComponents:
    """What the outcome of a panel consists of beside its regressors.

    Parameters
    ----------
    sigma_u, sigma_t, sigma_e : float
        Standard deviations of unit effects, period effects and errors.
    rho : float
        First-order autocorrelation of the errors within units, in (-1, 1).
    heteroskedastic : float
        h in the error's standard deviation, proportional to exp(h x1 / 2).

    Raises
    ------
    SpecificationError
        If a parameter is outside its range.

    Examples
    --------
    >>> import panelml as pm
    >>> errors = pm.simulate.ErrorComponents(sigma_u=2.0)
    >>> pm.simulate.panel(30, 6, components=errors, seed=1).columns.tolist()
    ['unit', 'time', 'y', 'x1', 'x2', 'x3']
    """

    sigma_u: float = 1.0
    sigma_t: float = 0.5
    sigma_e: float = 1.0
    rho: float = 0.0
    heteroskedastic: float = 0.0

    def __post_init__(self) -> None:
        require_autocorrelation(self.rho)
        require_spreads(sigma_u=self.sigma_u, sigma_t=self.sigma_t, sigma_e=self.sigma_e)


@checked
@moved(into("components", ErrorComponents) | REGRESSORS)
def panel(
    n_units: int,
    n_periods: int,
    regressors: int | Sequence[float] = 3,
    *,
    unbalanced: float = 0.1,
    correlated: float = 0.5,
    components: ErrorComponents = ErrorComponents(),
    seed: int = 0,
) -> pd.DataFrame:
    r"""Simulate a panel whose unit effects may be correlated with the regressors.

    .. math:: y_{it} = x_{it}'\beta + u_i + \tau_t + e_{it}, \qquad x_{kit} = m_{ki} + w_{kit}

    with standard normal :math:`m, w`, unit effects
    :math:`u_i = \sigma_u (c \sum_k m_{ki} / \sqrt K + \sqrt{1 - c^2}\, v_i)` and period effects of
    standard deviation :math:`\sigma_\tau`. Within units the slopes are :math:`\beta`; on
    :math:`m_{ki}` between units they are :math:`\beta_k + c\,\sigma_u / \sqrt K`.

    Parameters
    ----------
    n_units, n_periods : int
        Number of units and of periods.
    regressors : int or sequence of float
        Number of columns ``x1``, ``x2``, ..., with slopes 1, -1/2, 1/3, ...; or their slopes.
    unbalanced : float
        Chance, in [0, 1), that a row is missing; every unit keeps one row at least.
    correlated : float
        Correlation c of the unit effects with the sum of the regressors' unit parts, in [-1, 1].
    components : ErrorComponents
        Effects of units and periods, and errors.
    seed : int
        Seed of the random numbers.

    Returns
    -------
    pandas.DataFrame
        Columns ``unit``, ``time``, ``y``, ``x1``, ...; ``attrs`` holds ``coefficients`` (a dict by
        column) and the other parameters by name.

    Raises
    ------
    SpecificationError
        If a parameter is outside its range.

    Examples
    --------
    >>> import panelml as pm
    >>> pm.simulate.panel(30, 6, unbalanced=0.0, seed=1).shape
    (180, 6)
    """
    slopes = slopes_of(regressors)
    require_counts(n_units=n_units, n_periods=n_periods)
    require_shares(unbalanced=unbalanced)
    require_correlations(correlated=correlated)
    rng = np.random.default_rng(seed)
    present = observed(rng, n_units, n_periods, unbalanced)
    unit, time = np.nonzero(present)

    means = rng.standard_normal((slopes.size, n_units))
    x = rng.standard_normal((slopes.size, len(unit)))
    for k in range(slopes.size):
        x[k] += means[k, unit]
    shared = means.sum(axis=0) / math.sqrt(slopes.size)
    effects = components.sigma_u * mixed(rng, shared, correlated)
    y = autoregression(rng, n_units, n_periods, components.rho)[present]
    y *= components.sigma_e * _spread(x[0], components.heteroskedastic)
    period_effects = components.sigma_t * rng.standard_normal(n_periods)
    y += slopes @ x + effects[unit] + period_effects[time]
    frame = row_frame({"unit": unit + 1, "time": time + 1, "y": y}, x)
    frame.attrs = {
        "coefficients": by_column(slopes),
        "correlated": correlated,
        "rho": components.rho,
        "heteroskedastic": components.heteroskedastic,
        "sigma_u": components.sigma_u,
        "sigma_t": components.sigma_t,
        "sigma_e": components.sigma_e,
    }
    return frame


def _spread(x: FloatArray, heteroskedastic: float) -> FloatArray | float:
    """Give standard deviations exp(h x / 2), scaled to an average variance of 1; var(x) is 2."""
    if heteroskedastic == 0:
        return 1.0
    return np.exp(heteroskedastic * x / 2 - heteroskedastic**2 / 2)
