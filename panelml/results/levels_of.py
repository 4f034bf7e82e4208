"""Levels of grouping factors, found again by the values of their columns."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from panelml._typing import FloatArray, IntArray
from panelml.data.panel.panel import Panel
from panelml.data.sample import Sample

__all__ = ["by_code", "readable", "sample_levels", "unit_levels"]


def unit_levels(sample: Sample, group: tuple[str, ...]) -> pd.Index[Any]:
    """Return the levels of the factor by which the rows are laid out, in the order of units."""
    return _levels(sample, group, sample.panel.index.unit)[0]


def sample_levels(sample: Sample, group: tuple[str, ...]) -> tuple[pd.Index[Any], IntArray]:
    """Return the levels of a factor that the sample has, and their codes."""
    return _levels(sample, group, sample.panel.codes(group))


def by_code(
    panel: Panel, group: tuple[str, ...], levels: pd.Index[Any], values: FloatArray, new: float
) -> FloatArray:
    """Arrange values of known levels by the codes of another panel.

    Parameters
    ----------
    panel : Panel
    group : tuple of str
    levels : Index
    values : FloatArray, shape (q, levels)
    new : float
        For other levels.

    Returns
    -------
    FloatArray, shape (q, levels of the panel + 1)
        The last, which the code -1 finds, is missing.
    """
    codes, first = np.unique(panel.codes(group), return_index=True)
    first, codes = first[codes >= 0], codes[codes >= 0]
    place = levels.get_indexer(_keys(panel, group, first))
    arranged = np.full((len(values), panel.levels(group) + 1), np.nan)
    arranged[:, codes] = np.where(place >= 0, values[:, place], new)
    return arranged


def readable(levels: pd.Index[Any], name: str) -> pd.Index[Any]:
    """Label levels for a frame: those of several columns joined, as ``school:class``."""
    if not isinstance(levels, pd.MultiIndex):
        return levels.rename(name)
    return pd.Index([":".join(map(str, level)) for level in levels], name=name)


def _levels(
    sample: Sample, group: tuple[str, ...], codes: IntArray
) -> tuple[pd.Index[Any], IntArray]:
    rows = np.arange(codes.size) if sample.keep is None else np.flatnonzero(sample.keep)
    present, first = np.unique(codes[rows], return_index=True)
    return _keys(sample.panel, group, rows[first]), present


def _keys(panel: Panel, group: tuple[str, ...], rows: IntArray) -> pd.Index[Any]:
    """Return the values of a factor's columns in some sorted rows."""
    columns = [panel.labels((name,))[panel.codes((name,))[rows]] for name in group]
    return pd.Index(columns[0]) if len(columns) == 1 else pd.MultiIndex.from_arrays(columns)
