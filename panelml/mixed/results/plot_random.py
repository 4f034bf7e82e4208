"""Plots of mixed models, with matplotlib: effects of levels, growth curves, variance functions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from panelml._typing import FloatArray, IntArray
from panelml.results.plot.intervals import new_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes as Axes

__all__ = ["Trajectories", "plot_caterpillar", "plot_trajectories", "plot_variances"]

MOST_LABELS = 40
MOST_POINTS = 50


def plot_caterpillar(
    values: pd.Series[float], deviations: FloatArray, *, half: float, label: str, ax: Axes | None
) -> Axes:
    """Draw the predicted coefficients of levels in their order of size, with intervals.

    Parameters
    ----------
    values : Series
        By level.
    deviations : FloatArray, shape (levels,)
        Conditional standard deviations.
    half : float
        Half the width of an interval in standard deviations.
    label : str
        Of the horizontal axis.
    ax : matplotlib Axes, optional
    """
    order = np.argsort(values.to_numpy(), kind="stable")
    sizes, reach = values.to_numpy()[order], half * deviations[order]
    rows = np.arange(sizes.size)
    few = sizes.size <= MOST_LABELS
    axes = new_axes(7, 1.2 + 0.16 * max(sizes.size, 8) if few else 7) if ax is None else ax
    away = np.abs(sizes) > reach
    for mask, colour in ((~away, "0.6"), (away, "C0")):
        if mask.any():
            axes.errorbar(
                sizes[mask],
                rows[mask],
                xerr=reach[mask],
                fmt="o",
                markersize=3,
                elinewidth=0.9,
                color=colour,
            )
    axes.axvline(0, color="0.5", linewidth=0.8, linestyle="--", zorder=0)
    axes.set_yticks(rows if few else [], [str(values.index[i]) for i in order] if few else [])
    axes.set_ylabel(str(values.index.name))
    axes.set_xlabel(label)
    return axes


@dataclass(frozen=True, slots=True)
class Trajectories:
    """Rows of units in time, observed and fitted.

    Attributes
    ----------
    x : FloatArray, shape (n,)
        Time, or another regressor.
    outcome : FloatArray, shape (n,)
    fitted, mean : FloatArray, shape (n,)
        The prediction with and without the random part.
    unit : IntArray, shape (n,)
    """

    x: FloatArray
    outcome: FloatArray
    fitted: FloatArray
    mean: FloatArray
    unit: IntArray


def plot_trajectories(
    rows: Trajectories, units: Sequence[int], *, labels: tuple[str, str], ax: Axes | None
) -> Axes:
    """Draw the trajectories of some units, the curves fitted to them, and the mean curve.

    Parameters
    ----------
    rows : Trajectories
    units : sequence of int
        Units that are drawn.
    labels : (str, str)
        Of both axes.
    ax : matplotlib Axes, optional
    """
    axes = new_axes(7, 5) if ax is None else ax
    for number, unit in enumerate(units):
        of_unit = np.flatnonzero((rows.unit == unit) & np.isfinite(rows.fitted))
        of_unit = of_unit[np.argsort(rows.x[of_unit], kind="stable")]
        x, colour = rows.x[of_unit], f"C{number % 10}"
        axes.plot(
            x, rows.outcome[of_unit], "o:", markersize=3, linewidth=0.8, color=colour, alpha=0.5
        )
        axes.plot(x, rows.fitted[of_unit], color=colour, linewidth=1.2)
    known = np.isfinite(rows.mean)
    place, height = _by_value(rows.x[known], rows.mean[known])
    axes.plot(place, height, color="black", linewidth=2.5, label="fixed part, mean")
    axes.set_xlabel(labels[0])
    axes.set_ylabel(labels[1])
    axes.legend(frameon=False)
    return axes


def plot_variances(
    x: FloatArray, parts: dict[str, FloatArray], *, label: str, ax: Axes | None
) -> Axes:
    """Draw variances over a covariate as stacked areas, so that the top is the total.

    Parameters
    ----------
    x : FloatArray, shape (n,)
    parts : dict of str to FloatArray, shape (n,)
        From the bottom to the top.
    label : str
        Of the covariate.
    ax : matplotlib Axes, optional
    """
    axes = new_axes(7, 4.5) if ax is None else ax
    axes.stackplot(x, *parts.values(), labels=list(parts), alpha=0.75)
    axes.set_xlim(float(x.min()), float(x.max()))
    axes.set_ylim(bottom=0)
    axes.set_xlabel(label)
    axes.set_ylabel("variance")
    handles, names = axes.get_legend_handles_labels()
    axes.legend(
        handles[::-1], names[::-1], loc="upper left", bbox_to_anchor=(1.01, 1), frameon=False
    )
    return axes


def _by_value(x: FloatArray, y: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Average y by the values of x, or where these are many by neighbours of equal number."""
    values, group = np.unique(x, return_inverse=True)
    if values.size > MOST_POINTS:
        rank = np.argsort(np.argsort(x, kind="stable"), kind="stable")
        group = rank * MOST_POINTS // x.size
    rows = np.bincount(group)
    return np.bincount(group, x) / rows, np.bincount(group, y) / rows
