"""Plots of who is treated when, and of raw means, with matplotlib."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from panelml._typing import FloatArray, IntArray
from panelml.results.plot.intervals import label_some, new_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes as Axes

__all__ = ["plot_means", "plot_status", "plot_trajectories"]

# Up to so many units stand in rows of their own, with a label each up to so many.
MOST_UNITS = 2_000
MOST_LABELS = 60
STATES = ("not observed", "not treated", "treated")
SHADES = ("white", "#cfd8e3", "#1f5a94")


def plot_status(
    status: IntArray,
    units: Sequence[str],
    periods: Sequence[str],
    *,
    unit: str,
    time: str,
    ax: Axes | None,
) -> Axes:
    """Draw each unit's status over time.

    Parameters
    ----------
    status : IntArray, shape (units, periods)
        0 where not observed, 1 before and 2 after adoption; units in the order in which they are
        drawn.
    units, periods : sequence of str
    unit, time : str
        Names of the axes.
    ax : matplotlib Axes, optional
    """
    from matplotlib.colors import ListedColormap
    from matplotlib.patches import Patch

    rows = np.linspace(0, len(status) - 1, min(len(status), MOST_UNITS)).astype(int)
    axes = new_axes(8, min(1.5 + 0.14 * rows.size, 8)) if ax is None else ax
    axes.imshow(
        status[rows],
        cmap=ListedColormap(SHADES),
        vmin=0,
        vmax=2,
        aspect="auto",
        interpolation="nearest",
    )
    few = rows.size <= MOST_LABELS
    axes.set_yticks(range(rows.size) if few else [], [units[i] for i in rows] if few else [])
    axes.tick_params(axis="y", labelsize="small")
    label_some(axes, range(len(periods)), periods, 15)
    axes.set_xlabel(time)
    axes.set_ylabel(unit)
    shown = [k for k in range(3) if (status == k).any()]
    patches = [Patch(facecolor=SHADES[k], edgecolor="0.6", label=STATES[k]) for k in shown]
    axes.legend(handles=patches, loc="upper left", bbox_to_anchor=(1.01, 1), frameon=False)
    return axes


def plot_means(
    means: pd.DataFrame, starts: Sequence[float], *, label: str, ax: Axes | None
) -> Axes:
    """Draw means of an outcome over time by cohort, each with the last period before adoption.

    Parameters
    ----------
    means : DataFrame
        Periods by cohorts.
    starts : sequence of float
        For each cohort the number of its first treated period; NaN without.
    label : str
        Of the vertical axis.
    ax : matplotlib Axes, optional
    """
    axes = new_axes(8, 4) if ax is None else ax
    at = np.arange(len(means))
    for i, (name, start) in enumerate(zip(means.columns, starts, strict=True)):
        colour = "0.4" if np.isnan(start) else f"C{i}"
        axes.plot(at, means[name], color=colour, marker="o", markersize=3, label=str(name))
        if not np.isnan(start) and start > 0:
            axes.axvline(start - 0.5, color=colour, linewidth=0.8, linestyle="--")
    label_some(axes, at, means.index)
    axes.set_xlabel(str(means.index.name))
    axes.set_ylabel(label)
    axes.legend(title="Adopts", loc="upper left", bbox_to_anchor=(1.01, 1), frameon=False)
    return axes


def plot_trajectories(
    lines: pd.DataFrame, before: int, weights: FloatArray, *, label: str, ax: Axes | None
) -> Axes:
    """Draw the treated and their synthetic comparison, with the weights of periods below.

    Parameters
    ----------
    lines : DataFrame
        ``time``, ``treated`` and ``synthetic``.
    before : int
        Number of periods before adoption.
    weights : FloatArray, shape (before,)
        Of these periods.
    label : str
        Of the vertical axis.
    ax : matplotlib Axes, optional
    """
    axes = new_axes(8, 4) if ax is None else ax
    at = np.arange(len(lines))
    axes.plot(at, lines["treated"], color="C0", label="treated")
    axes.plot(at, lines["synthetic"], color="0.3", linestyle="--", label="synthetic")
    axes.axvline(before - 0.5, color="0.6", linewidth=0.8, linestyle=":")
    low, high = axes.get_ylim()
    if weights.max() > 0:
        axes.bar(
            at[:before],
            0.15 * (high - low) * weights / weights.max(),
            bottom=low,
            color="C0",
            alpha=0.25,
            label="weights of periods",
        )
        axes.set_ylim(low, high)
    label_some(axes, at, lines["time"])
    axes.set_ylabel(label)
    axes.legend(frameon=False)
    return axes
