"""Coefficient plots, with matplotlib."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from panelml.errors import MissingDependencyError

if TYPE_CHECKING:
    from matplotlib.axes import Axes as Axes
    from matplotlib.figure import Figure as Figure

__all__ = ["label_some", "new_axes", "new_grid", "plot_intervals"]


def plot_intervals(
    terms: Sequence[str],
    frames: Mapping[str, pd.DataFrame],
    *,
    level: float,
    title: str,
    ax: Axes | None = None,
) -> Axes:
    """Draw estimates with their intervals, a row for each term and a mark for each model.

    Parameters
    ----------
    terms : sequence of str
        From top to bottom.
    frames : dict of str to DataFrame
        For each model, the columns estimate, conf_low and conf_high, indexed by term.
    level : float
        Of the intervals, for the axis label.
    title : str
    ax : matplotlib Axes, optional

    Raises
    ------
    MissingDependencyError
        If matplotlib is not installed.
    """
    axes = new_axes(7, 1.2 + 0.25 * max(len(terms) * len(frames), 4)) if ax is None else ax
    rows = np.arange(len(terms))
    step = min(0.8 / len(frames), 0.25)
    for i, (name, frame) in enumerate(frames.items()):
        shown = frame.reindex(list(terms))
        place = rows + (i - (len(frames) - 1) / 2) * step
        estimate, low, high = shown[["estimate", "conf_low", "conf_high"]].to_numpy().T
        reach = np.stack([estimate - low, high - estimate])
        axes.errorbar(estimate, place, xerr=reach, fmt="o", markersize=4, capsize=2, label=name)
    axes.axvline(0, color="0.5", linewidth=0.8, linestyle="--", zorder=0)
    axes.set_yticks(rows, list(terms))
    axes.set_ylim(len(terms) - 0.5, -0.5)
    axes.set_xlabel(f"Estimate and {100 * level:g}% confidence interval")
    axes.set_title(title)
    if len(frames) > 1:
        axes.legend(loc="upper left", bbox_to_anchor=(1.01, 1), frameon=False)
    return axes


def new_axes(width: float, height: float) -> Axes:
    """Make a figure of some inches with one pair of axes.

    Raises
    ------
    MissingDependencyError
        If matplotlib is not installed.
    """
    return new_grid(1, 1, (width, height))[1][0]


def new_grid(
    rows: int, columns: int, size: tuple[float, float], *, sharey: bool = False
) -> tuple[Figure, list[Axes]]:
    """Make a figure of some inches with a grid of axes, row by row.

    Raises
    ------
    MissingDependencyError
        If matplotlib is not installed.
    """
    try:
        from matplotlib import pyplot
    except ImportError as error:
        raise MissingDependencyError("Plots need matplotlib: pip install panelml[plot].") from error
    figure, axes = pyplot.subplots(
        rows, columns, figsize=size, layout="constrained", squeeze=False, sharey=sharey
    )
    return figure, list(axes.ravel())


def label_some(axes: Axes, at: Iterable[float], labels: Iterable[object], most: int = 12) -> None:
    """Label places along x, every second, third, ... where there are many."""
    places = list(at)
    step = max(1, len(places) // most)
    axes.set_xticks(places[::step], [str(label) for label in labels][::step])
