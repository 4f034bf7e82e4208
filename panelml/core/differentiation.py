"""Numerical differentiation: central differences, extrapolated to a step of zero."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from panelml._typing import FloatArray

__all__ = ["derivative"]

# Halvings of the step at most, and how many without a gain end the search.
_MOST, _PATIENCE = 60, 12
EPSILON = float(np.finfo(np.float64).eps)


def derivative(function: Callable[[float], FloatArray], start: float) -> FloatArray:
    """Differentiate functions of a step at zero, element by element.

    Parameters
    ----------
    function : callable
        From a step to values of any shape; missing where there is none.
    start : float
        The first step, about as large as the scale of the variable.

    Returns
    -------
    FloatArray
        Missing where no step gives values on both sides.

    Notes
    -----
    Each element takes the step at which its extrapolation changed least: where large steps leave
    the domain, as those of a logarithm near zero do, or small ones lose digits. Source: Ridders
    (1982), *Advances in Engineering Software* 4, 75-76.
    """
    step, tiers, best, error = start, [np.zeros(0)] * 3, np.zeros(0), np.zeros(0)
    largest: FloatArray = np.zeros(1)
    idle = 0
    for number in range(_MOST):
        above, below = function(step), function(-step)
        with np.errstate(all="ignore"):
            last, tiers = tiers[-1], _extrapolated((above - below) / (2 * step), tiers, number)
            size = np.fmax(np.abs(above), np.abs(below))
            largest = np.where(np.isfinite(size), np.fmax(largest, size), largest)
            noise = EPSILON * largest / step
        step /= 2
        if number < 3:
            best, error = tiers[-1], np.full(noise.shape, np.inf)
            continue
        # Noise bounds the error from below where differences happen to be equal, or steps are
        # so small that they are lost in the variable.
        bound = np.abs(tiers[-1] - last) + noise
        better = bound < error
        best, error = np.where(better, tiers[-1], best), np.where(better, bound, error)
        idle = 0 if better.any() else idle + 1
        if idle >= _PATIENCE and np.isfinite(error).all():
            break
    return np.where(np.isfinite(error), best, np.nan)


def _extrapolated(slope: FloatArray, tiers: list[FloatArray], number: int) -> list[FloatArray]:
    """Return the slope at a step, and its extrapolations by those at twice and four times it."""
    found = [slope]
    for order in (1, 2):
        gain = (found[-1] - tiers[order - 1]) / (4**order - 1) if number >= order else 0.0
        found.append(found[-1] + gain)
    return found
