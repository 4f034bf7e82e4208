"""Plots of synthetic comparisons and of their placebos, with matplotlib."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from panelml._typing import BoolArray, FloatArray
from panelml.results.plot.intervals import label_some, new_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes as Axes

__all__ = ["plot_gaps", "plot_ratios", "plot_weights"]

TREATED = "#1f5a94"
OTHERS = "0.75"


def plot_weights(units: Sequence[str], weights: FloatArray, *, ax: Axes | None) -> Axes:
    """Draw weights of units as bars, the largest on top.

    Parameters
    ----------
    units : sequence of str
    weights : FloatArray, shape (units,)
    ax : matplotlib Axes, optional
    """
    axes = new_axes(6, 1.2 + 0.24 * len(units)) if ax is None else ax
    at = np.arange(len(units))[::-1]
    axes.barh(at, weights, color=TREATED, height=0.7)
    axes.set_yticks(at, list(units))
    axes.set_xlabel("Weight")
    return axes


def plot_gaps(
    gaps: pd.DataFrame,
    treated: Sequence[str],
    before: int,
    *,
    name: str,
    others: str,
    label: str,
    ax: Axes | None,
) -> Axes:
    """Draw gaps over time, those of the treated above the others.

    Parameters
    ----------
    gaps : DataFrame
        Periods by columns.
    treated : sequence of str
        Its columns that stand out.
    before : int
        Number of periods before adoption.
    name, others : str
        What these columns and the others are, for the legend.
    label : str
        Of the vertical axis.
    ax : matplotlib Axes, optional
    """
    axes = new_axes(8, 4) if ax is None else ax
    at = np.arange(len(gaps))
    rest = gaps.drop(columns=list(treated))
    for i, column in enumerate(rest.columns):
        axes.plot(at, rest[column], color=OTHERS, linewidth=0.8, label=None if i else others)
    for i, column in enumerate(treated):
        axes.plot(at, gaps[column], color=TREATED, linewidth=2, label=None if i else name)
    axes.axhline(0, color="0.5", linewidth=0.8)
    axes.axvline(before - 0.5, color="0.5", linewidth=0.8, linestyle="--")
    label_some(axes, at, gaps.index)
    axes.set_xlabel(str(gaps.index.name))
    axes.set_ylabel(label)
    axes.legend(loc="upper left", bbox_to_anchor=(1.01, 1), frameon=False)
    return axes


def plot_ratios(
    units: Sequence[str], ratios: FloatArray, treated: BoolArray, *, ax: Axes | None
) -> Axes:
    """Draw how much more gaps spread after adoption than before, for each unit.

    Parameters
    ----------
    units : sequence of str
    ratios : FloatArray, shape (units,)
    treated : BoolArray, shape (units,)
    ax : matplotlib Axes, optional
    """
    axes = new_axes(6, 1.2 + 0.2 * len(units)) if ax is None else ax
    at = np.arange(len(units))[::-1]
    finite = np.isfinite(ratios)
    top = 1.2 * float(ratios[finite].max(initial=0.0)) or 1.0
    ratios = np.where(finite, ratios, top)
    for y in at[~finite]:
        axes.annotate(
            "fitted exactly",
            (top, y),
            va="center",
            fontsize="small",
            xytext=(6, 0),
            textcoords="offset points",
        )
    axes.hlines(at, 0, ratios, color=OTHERS, linewidth=1, zorder=1)
    axes.scatter(ratios[~treated], at[~treated], color="0.5", s=18, zorder=2, label="placebos")
    axes.scatter(ratios[treated], at[treated], color=TREATED, s=40, zorder=2, label="treated")
    axes.set_yticks(at, list(units), fontsize="small")
    axes.set_xlim(left=0)
    axes.set_xlabel("Root mean squared gap after adoption over that before")
    axes.legend(frameon=False, loc="lower right")
    return axes
