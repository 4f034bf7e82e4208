"""Slopes of covariates beside absorbed effects, in the places of all covariates."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from panelml._typing import FloatArray
from panelml.data.sample import Sample
from panelml.engine.absorbing import Absorbed
from panelml.engine.least_squares import least_squares

__all__ = ["Slopes", "estimate_slopes"]


@dataclass(frozen=True, slots=True)
class Slopes:
    """Slopes, zero for those that were dropped.

    Attributes
    ----------
    coef : FloatArray, shape (k,)
    bread : FloatArray, shape (k, k)
        Inverse cross-products, zero for slopes that were dropped.
    rss : float
    notes : tuple of str
    """

    coef: FloatArray
    bread: FloatArray
    rss: float
    notes: tuple[str, ...] = ()


def estimate_slopes(sample: Sample, absorbed: Absorbed, words: str) -> Slopes:
    """Regress the outcome on the covariates of a sample, if it has any.

    Parameters
    ----------
    sample : Sample
    absorbed : Absorbed
    words : str
        What was absorbed, for notes.
    """
    k = len(sample.names)
    if k == 0:
        return Slopes(np.zeros(0), np.zeros((0, 0)), float(absorbed.gram[0, 0]))
    solved = least_squares(
        sample, absorbed.transform, absorbed.gram,
        resolution=absorbed.resolution, absorbed=words,
    )  # fmt: skip
    return Slopes(solved.slopes, solved.solution.padded(k), solved.solution.rss, solved.notes)
