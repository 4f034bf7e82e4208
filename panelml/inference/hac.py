"""Kernels and bandwidths for dependence over time."""

from __future__ import annotations

from typing import Literal, TypeAlias

import numpy as np

from panelml._typing import FloatArray
from panelml.errors import IdentificationError, SpecificationError, shown

__all__ = ["Bandwidth", "bartlett", "choose_lags", "kernel_sum"]

Bandwidth: TypeAlias = int | Literal["newey-west"] | None


def choose_lags(bandwidth: Bandwidth, periods: int) -> int:
    """Return the largest lag.

    Parameters
    ----------
    bandwidth : int or {"newey-west"}, optional
        None is the integer part of ``T ** (1 / 4)``, the default of fixest and plm; "newey-west"
        that of ``4 * (T / 100) ** (2 / 9)``, the default of linearmodels.
    periods : int
        T.

    Raises
    ------
    IdentificationError
        If there are fewer than two periods.
    SpecificationError
        If the bandwidth is not below the number of periods.
    """
    if periods < 2:
        raise IdentificationError("Dependence over time needs at least two periods.")
    rules = {None: periods**0.25, "newey-west": 4 * (periods / 100) ** (2 / 9)}
    lags: object = bandwidth
    if bandwidth is None or isinstance(bandwidth, str):
        lags = min(int(rules[bandwidth] + 1e-9), periods - 1) if bandwidth in rules else None
    if not isinstance(lags, int | np.integer) or not 0 <= lags < periods:
        raise SpecificationError(
            "The bandwidth must be 'newey-west' or lie between 0 and the number of periods less "
            f"one, {periods - 1}; it is {shown(bandwidth)}."
        )
    return int(lags)


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
