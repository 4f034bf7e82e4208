"""Tails and quantiles of the reference distributions.

On ``scipy.special`` rather than ``scipy.stats``, whose import takes longer and more memory than
a fit of 90,000 rows.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from panelml._typing import FloatArray

__all__ = [
    "chi2_tail",
    "f_tail",
    "normal_critical",
    "normal_quantile",
    "normal_tail",
    "t_critical",
    "t_quantile",
    "t_tail",
]


def normal_tail(statistic: float) -> float:
    """Upper tail of the normal distribution."""
    return float(special.ndtr(-statistic))


def normal_quantile(probability: float) -> float:
    """Quantile of the normal distribution."""
    return float(special.ndtri(probability))


def normal_critical(level: float) -> float:
    """Return what an interval of a level reaches in standard errors, by the normal distribution."""
    return normal_quantile(0.5 + level / 2)


def t_critical(level: float, df: ArrayLike) -> FloatArray:
    """Return what an interval of a level reaches in standard errors, by t."""
    return t_quantile(0.5 + level / 2, df)


def t_tail(statistic: ArrayLike, df: ArrayLike) -> FloatArray:
    """Upper tail of t; of the normal distribution where df is infinite."""
    below = -np.asarray(statistic, dtype=np.float64)
    df = np.asarray(df, dtype=np.float64)
    finite = np.where(np.isinf(df), 1.0, df)
    return np.where(np.isinf(df), special.ndtr(below), special.stdtr(finite, below))


def t_quantile(probability: float, df: ArrayLike) -> FloatArray:
    """Quantile of t; of the normal distribution where df is infinite."""
    df = np.asarray(df, dtype=np.float64)
    finite = np.where(np.isinf(df), 1.0, df)
    return np.where(np.isinf(df), special.ndtri(probability), special.stdtrit(finite, probability))


def chi2_tail(statistic: float, df: float) -> float:
    """Upper tail of chi-squared."""
    return float(special.chdtrc(df, max(statistic, 0.0)))


def f_tail(statistic: float, first: float, second: float) -> float:
    """Upper tail of F."""
    return float(special.fdtrc(first, second, max(statistic, 0.0)))
