"""Shares of variance that a mixed model explains."""

from __future__ import annotations

import numpy as np

from panelml._typing import FloatArray

__all__ = ["explained_shares"]


def explained_shares(fixed: FloatArray, random: FloatArray, residual: float) -> tuple[float, float]:
    """Return the marginal and the conditional R-squared.

    Parameters
    ----------
    fixed : FloatArray, shape (n,)
        Fixed part of the prediction; missing outside the sample.
    random : FloatArray, shape (n,)
        Variance of the random part of each row, z' D z, whose mean is its variance.
    residual : float

    Notes
    -----
    Source: Nakagawa and Schielzeth (2013), *Methods in Ecology and Evolution* 4, 133-142,
    equations 29 and 30; Johnson (2014), the same 5, 944-946, for random slopes.
    """
    explained = float(np.nanvar(fixed, ddof=1))
    between = float(np.nanmean(random))
    total = explained + between + residual
    return explained / total, (explained + between) / total
