"""Panels with unit effects, matched workers and firms, and pupils in schools."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from scipy.special import ndtr, ndtri

from panelml._typing import AnyArray, FloatArray, IntArray
from panelml.arguments import checked
from panelml.simulate.draws import (
    autoregression,
    mixed,
    observed,
    require,
    require_counts,
    require_spreads,
)

__all__ = ["matched", "multilevel", "panel"]


@checked
def panel(
    n_units: int,
    n_periods: int,
    n_regressors: int = 3,
    *,
    coefficients: Sequence[float] | None = None,
    unbalanced: float = 0.1,
    correlated: float = 0.5,
    rho: float = 0.0,
    heteroskedastic: float = 0.0,
    sigma_u: float = 1.0,
    sigma_t: float = 0.5,
    sigma_e: float = 1.0,
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
    n_units, n_periods, n_regressors : int
        Number of units, of periods, and of columns ``x1``, ``x2``, ...
    coefficients : sequence of float, optional
        One slope per regressor; 1, -1/2, 1/3, ... by default.
    unbalanced : float
        Chance, in [0, 1), that a row is missing; every unit keeps one row at least.
    correlated : float
        Correlation c of the unit effects with the sum of the regressors' unit parts, in [-1, 1].
    rho : float
        First-order autocorrelation of the errors within units, in (-1, 1).
    heteroskedastic : float
        h in the error's standard deviation, proportional to exp(h x1 / 2).
    sigma_u, sigma_t, sigma_e : float
        Standard deviations of unit effects, period effects and errors.
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
    """
    slopes = _slopes(n_regressors, coefficients)
    require_counts(n_units=n_units, n_periods=n_periods)
    require(0 <= unbalanced < 1, f"unbalanced must be in [0, 1), not {unbalanced}.")
    require(-1 <= correlated <= 1, f"correlated must be in [-1, 1], not {correlated}.")
    require(-1 < rho < 1, f"rho must be in (-1, 1), not {rho}.")
    require_spreads(sigma_u=sigma_u, sigma_t=sigma_t, sigma_e=sigma_e)
    rng = np.random.default_rng(seed)
    present = observed(rng, n_units, n_periods, unbalanced)
    unit, time = np.nonzero(present)

    means = rng.standard_normal((n_regressors, n_units))
    x = rng.standard_normal((n_regressors, len(unit)))
    for k in range(n_regressors):
        x[k] += means[k, unit]
    shared = means.sum(axis=0) / math.sqrt(n_regressors)
    effects = sigma_u * mixed(rng, shared, correlated)
    y = autoregression(rng, n_units, n_periods, rho)[present]
    y *= sigma_e * _spread(x[0], heteroskedastic)
    y += slopes @ x + effects[unit] + sigma_t * rng.standard_normal(n_periods)[time]
    frame = _frame({"unit": unit + 1, "time": time + 1, "y": y}, x)
    frame.attrs = {
        "coefficients": _by_column(slopes),
        "correlated": correlated,
        "rho": rho,
        "heteroskedastic": heteroskedastic,
        "sigma_u": sigma_u,
        "sigma_t": sigma_t,
        "sigma_e": sigma_e,
    }
    return frame


@checked
def matched(
    n_workers: int,
    n_firms: int,
    n_periods: int,
    n_regressors: int = 3,
    *,
    coefficients: Sequence[float] | None = None,
    mobility: float = 0.2,
    sorting: float = 0.3,
    correlated: float = 0.5,
    sigma_worker: float = 1.0,
    sigma_firm: float = 0.5,
    sigma_e: float = 1.0,
    seed: int = 0,
) -> pd.DataFrame:
    r"""Simulate workers who move between firms, with an effect of each.

    .. math:: y_{it} = x_{it}'\beta + \alpha_i + \psi_{j(i,t)} + e_{it}

    where :math:`j(i, t)` is the firm of worker i in period t (Abowd, Kramarz & Margolis 1999,
    Econometrica 67, 251-333). Each regressor is the standardized sum of both effects times
    ``correlated`` plus standard normal noise, so leaving either effect out biases the slopes.

    Parameters
    ----------
    n_workers, n_firms, n_periods, n_regressors : int
        Number of workers, of firms, of periods, and of columns ``x1``, ``x2``, ...
    coefficients : sequence of float, optional
        One slope per regressor; 1, -1/2, 1/3, ... by default.
    mobility : float
        Chance, in [0, 1], of drawing a new firm from one period to the next.
    sorting : float
        Correlation of worker and firm effects over the matches, in [-1, 1].
    correlated : float
        Weight of the effects in the regressors.
    sigma_worker, sigma_firm, sigma_e : float
        Standard deviations of worker effects, firm effects and errors.
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
    """
    slopes = _slopes(n_regressors, coefficients)
    require_counts(n_workers=n_workers, n_firms=n_firms, n_periods=n_periods)
    require(0 <= mobility <= 1, f"mobility must be in [0, 1], not {mobility}.")
    require(-1 <= sorting <= 1, f"sorting must be in [-1, 1], not {sorting}.")
    require_spreads(sigma_worker=sigma_worker, sigma_firm=sigma_firm, sigma_e=sigma_e)
    rng = np.random.default_rng(seed)
    ability = rng.standard_normal(n_workers)
    rank = _ranks_over_time(rng, ability, n_firms, n_periods, mobility, sorting)
    quality = ndtri((np.arange(n_firms) + 0.5) / n_firms)[rank]
    # Ranks are hidden behind random labels, or the firm's number would reveal its effect.
    firm = rng.permutation(n_firms)[rank].ravel()
    worker = np.repeat(np.arange(n_workers), n_periods)
    time = np.tile(np.arange(n_periods), n_workers)

    x = rng.standard_normal((n_regressors, len(worker)))
    effects = sigma_worker * ability[worker] + sigma_firm * quality.ravel()
    x += correlated * effects / np.hypot(sigma_worker, sigma_firm)
    y = slopes @ x + effects + sigma_e * rng.standard_normal(len(worker))
    frame = _frame({"worker": worker + 1, "firm": firm + 1, "time": time + 1, "y": y}, x)
    frame.attrs = {
        "coefficients": _by_column(slopes),
        "mobility": mobility,
        "sorting": sorting,
        "correlated": correlated,
        "sigma_worker": sigma_worker,
        "sigma_firm": sigma_firm,
        "sigma_e": sigma_e,
    }
    return frame


@checked
def multilevel(
    n_schools: int,
    n_pupils: int,
    *,
    coefficients: Sequence[float] = (10.0, 1.0, 0.5, 0.3),
    sd_intercept: float = 1.0,
    sd_slope: float = 0.5,
    correlation: float = 0.3,
    sigma: float = 1.0,
    seed: int = 0,
) -> pd.DataFrame:
    r"""Simulate pupils in schools, with random slopes and a cross-level interaction.

    .. math::

        y_{ij} = (\gamma_{00} + \gamma_{01} z_j + u_{0j})
                 + (\gamma_{10} + \gamma_{11} z_j + u_{1j})\, x_{ij} + e_{ij}

    with ``x`` the pupil's background, which has a school part, and ``z`` a trait of the school
    (Raudenbush & Bryk 2002, Hierarchical Linear Models, chapter 4).

    Parameters
    ----------
    n_schools : int
        Number of schools.
    n_pupils : int
        Average number of pupils in a school; each has between half and one and a half times that.
    coefficients : sequence of four floats
        Intercept, slope of ``x``, slope of ``z``, and of their product ``x:z``.
    sd_intercept, sd_slope, correlation : float
        Standard deviations and correlation of a school's intercept and slope.
    sigma : float
        Standard deviation of the errors.
    seed : int
        Seed of the random numbers.

    Returns
    -------
    pandas.DataFrame
        Columns ``school``, ``pupil`` (numbered through), ``y``, ``x``, ``z``; ``attrs`` holds
        ``coefficients`` (a dict by term) and the other parameters by name.

    Raises
    ------
    SpecificationError
        If a parameter is outside its range.
    """
    require_counts(n_schools=n_schools, n_pupils=n_pupils)
    require(len(coefficients) == 4, f"coefficients needs 4 values, not {len(coefficients)}.")
    require(-1 <= correlation <= 1, f"correlation must be in [-1, 1], not {correlation}.")
    require_spreads(sd_intercept=sd_intercept, sd_slope=sd_slope, sigma=sigma)
    rng = np.random.default_rng(seed)
    sizes = rng.integers((n_pupils + 1) // 2, n_pupils + n_pupils // 2, n_schools, endpoint=True)
    school = np.repeat(np.arange(n_schools), sizes)

    z, background, u0 = rng.standard_normal((3, n_schools))
    u1 = mixed(rng, u0, correlation)
    x = 0.5 * background[school] + rng.standard_normal(len(school))
    intercept, slope_x, slope_z, slope_xz = (float(value) for value in coefficients)
    intercepts = intercept + slope_z * z + sd_intercept * u0
    slopes = slope_x + slope_xz * z + sd_slope * u1
    y = intercepts[school] + slopes[school] * x + sigma * rng.standard_normal(len(school))
    pupil = np.arange(len(school))
    columns = {"school": school + 1, "pupil": pupil + 1, "y": y, "x": x, "z": z[school]}
    frame = pd.DataFrame(columns, copy=False)
    frame.attrs = {
        "coefficients": {"Intercept": intercept, "x": slope_x, "z": slope_z, "x:z": slope_xz},
        "sd_intercept": sd_intercept,
        "sd_slope": sd_slope,
        "correlation": correlation,
        "sigma": sigma,
    }
    return frame


def _slopes(n_regressors: int, coefficients: Sequence[float] | None) -> FloatArray:
    """Give one slope per regressor: (k,)."""
    require_counts(n_regressors=n_regressors)
    if coefficients is None:
        coefficients = [(-1) ** k / (k + 1) for k in range(n_regressors)]
    given = len(coefficients)
    require(given == n_regressors, f"coefficients needs {n_regressors} values, not {given}.")
    return np.asarray(coefficients, dtype=np.float64)


def _by_column(slopes: FloatArray) -> dict[str, float]:
    return {f"x{k}": float(slope) for k, slope in enumerate(slopes, start=1)}


def _frame(keys: Mapping[str, AnyArray], x: FloatArray) -> pd.DataFrame:
    """Put the regressors, (k, n), beside the keys and the response."""
    regressors = {f"x{k}": row for k, row in enumerate(x, start=1)}
    return pd.DataFrame({**keys, **regressors}, copy=False)


def _spread(x: FloatArray, heteroskedastic: float) -> FloatArray | float:
    """Give standard deviations exp(h x / 2), scaled to an average variance of 1; var(x) is 2."""
    if heteroskedastic == 0:
        return 1.0
    return np.exp(heteroskedastic * x / 2 - heteroskedastic**2 / 2)


def _ranks_over_time(
    rng: np.random.Generator,
    ability: FloatArray,
    n_firms: int,
    n_periods: int,
    mobility: float,
    sorting: float,
) -> IntArray:
    """Draw each worker's firm, by its rank in quality, in each period: (workers, periods)."""
    rank = np.empty((len(ability), n_periods), dtype=np.int64)
    for t in range(n_periods):
        drawn = (ndtr(mixed(rng, ability, sorting)) * n_firms).astype(np.int64)
        np.minimum(drawn, n_firms - 1, out=drawn)
        moves = rng.random(len(ability)) < (mobility if t else 1.0)
        rank[:, t] = np.where(moves, drawn, rank[:, t - 1])
    return rank
