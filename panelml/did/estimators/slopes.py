"""Slopes of covariates beside absorbed effects, in the places of all covariates."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from panelml._typing import FloatArray
from panelml.core.linalg import solve_normal
from panelml.data.sample import Sample
from panelml.engine.absorbing import Absorbed
from panelml.engine.least_squares import dropped_notes, least_squares

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
    resolution = absorbed.resolution
    solution = solve_normal(absorbed.gram, None if resolution is None else resolution.floor[1:])
    if not solution.kept.size:
        # The policy's effects are there all the same.
        notes = dropped_notes(solution, sample.names, words, resolution)
        return Slopes(np.zeros(k), np.zeros((k, k)), solution.rss, notes)
    solved = least_squares(
        sample, absorbed.transform, absorbed.gram, resolution=resolution, absorbed=words
    )
    return Slopes(solved.slopes, solved.solution.padded(k), solved.solution.rss, solved.notes)
