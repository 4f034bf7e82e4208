"""Kernels and bandwidths for dependence over time."""

from __future__ import annotations

import numpy as np

from panelml._typing import FloatArray

__all__ = ["bartlett", "default_bandwidth", "kernel_sum"]


def default_bandwidth(n_periods: int) -> int:
    """Return the largest lag, the integer part of ``T ** (1 / 4)``, as fixest and plm have it."""
    return int(np.floor(n_periods**0.25 + 1e-9))


def bartlett(lags: int) -> FloatArray:
    """Return the weights ``1 - l / (lags + 1)``, shape (lags + 1,).

    Source: Newey and West (1987), *Econometrica* 55, 703-708.
    """
    return 1.0 - np.arange(lags + 1) / (lags + 1)


def kernel_sum(products: FloatArray) -> FloatArray:
    """Weigh autocovariances into a long-run covariance, shape (lags + 1, k, k) to (k, k)."""
    weights = bartlett(products.shape[0] - 1)
    late = np.tensordot(weights[1:], products[1:], axes=1)
    return np.asarray(products[0] + late + late.T)
