"""Averages of effects by cohort and time, as linear maps of the effects and of their weights."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from panelml._typing import BoolArray, FloatArray, IntArray

__all__ = ["Cells", "LinearMap", "average", "masks_by", "mean_of"]


@dataclass(frozen=True, slots=True)
class Cells:
    """Where and for how many units effects were estimated.

    Attributes
    ----------
    cohort, time : IntArray, shape (k,)
        Steps of the time axis: of adoption, and of the period whose effect it is.
    size : FloatArray, shape (k,)
        Weight of each effect in averages.
    """

    cohort: IntArray
    time: IntArray
    size: FloatArray

    @property
    def horizon(self) -> IntArray:
        """Steps since adoption, shape (k,)."""
        return self.time - self.cohort

    @property
    def post(self) -> BoolArray:
        """Effects of periods from adoption on, shape (k,)."""
        return self.horizon >= 0


@dataclass(frozen=True, slots=True)
class LinearMap:
    """Averages of effects, to first order.

    Attributes
    ----------
    weights : FloatArray, shape (m, k)
        The averages are ``weights @ effects``.
    by_size : FloatArray, shape (m, k)
        Derivative of the averages with respect to the sizes of the effects' cells.
    """

    weights: FloatArray
    by_size: FloatArray


def masks_by(labels: IntArray, used: BoolArray) -> tuple[IntArray, BoolArray]:
    """Return the distinct labels of the cells that are used, and which cells have each: (m, k)."""
    values = np.unique(labels[used])
    return values, (labels[None] == values[:, None]) & used


def average(effects: FloatArray, size: FloatArray, masks: BoolArray) -> LinearMap:
    """Average effects over sets of cells, weighted by size.

    Parameters
    ----------
    effects, size : FloatArray, shape (k,)
    masks : BoolArray, shape (m, k)
    """
    total = (masks * size).sum(axis=1, keepdims=True)
    weights = masks * size / total
    means = weights @ effects
    return LinearMap(weights, masks * (effects - means[:, None]) / total)


def mean_of(inner: LinearMap, effects: FloatArray, size: FloatArray, by: FloatArray) -> LinearMap:
    """Average averages.

    Parameters
    ----------
    inner : LinearMap
        Of m averages.
    effects : FloatArray, shape (k,)
    size : FloatArray, shape (m,)
        Weight of each average; equal ones for the plain mean.
    by : FloatArray, shape (m, k)
        Derivative of these weights with respect to the sizes of the cells.

    Returns
    -------
    LinearMap
        Of one average.
    """
    share = size / size.sum()
    means = inner.weights @ effects
    overall = share @ means
    moved = ((means - overall) / size.sum()) @ by
    return LinearMap((share @ inner.weights)[None], (share @ inner.by_size + moved)[None])
