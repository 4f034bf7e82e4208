"""Plots of a mixed model's shares of variance, and of its residuals at each level."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from panelml._typing import FloatArray, IntArray
from panelml.inference.distributions import normal_quantile
from panelml.results.plot.intervals import new_axes, new_grid

if TYPE_CHECKING:
    from matplotlib.axes import Axes as Axes
    from matplotlib.figure import Figure as Figure

__all__ = ["plot_diagnostics", "plot_shares"]

MOST_POINTS = 4000


def plot_shares(table: pd.DataFrame, *, ax: Axes | None) -> Axes:
    """Draw shares of variance as stacked bars: in total, within units and between them.

    Parameters
    ----------
    table : DataFrame
        By source, with its name in ``source`` and shares in ``total``, ``within``, ``between``.
    ax : matplotlib Axes, optional
    """
    axes = new_axes(6.5, 4.5) if ax is None else ax
    columns = ["total", "within", "between"]
    bottom = np.zeros(len(columns))
    for number, (name, words) in enumerate(table["source"].items()):
        heights = table.loc[[str(name)], columns].to_numpy(np.float64)[0]
        heights = np.where(np.isnan(heights), 0.0, heights)
        colour = "0.8" if name == "residual" else f"C{number}"
        label = str(words) if name == "residual" else f"{name}: {words}"
        axes.bar(columns, heights, bottom=bottom, color=colour, width=0.6, label=label)
        bottom += heights
    axes.set_ylabel("share of variance")
    axes.set_ylim(0, 1)
    handles, names = axes.get_legend_handles_labels()
    axes.legend(
        handles[::-1], names[::-1], loc="upper left", bbox_to_anchor=(1.01, 1), frameon=False
    )
    return axes


def plot_diagnostics(
    fitted: FloatArray, residuals: FloatArray, effects: Mapping[str, FloatArray]
) -> Figure:
    """Draw residuals against fitted values, and quantiles at each level against normal ones.

    Parameters
    ----------
    fitted, residuals : FloatArray, shape (n,)
    effects : mapping of str to FloatArray
        Standardised predictions of each random coefficient by level, by its name.
    """
    panels = 2 + len(effects)
    height = (panels + 1) // 2
    figure, axes = new_grid(height, 2, (8.5, 3.6 * height))
    shown = _thinned(fitted.size)
    axes[0].plot(fitted[shown], residuals[shown], "o", markersize=2.5, alpha=0.4, color="C0")
    axes[0].axhline(0, color="0.5", linewidth=0.8, linestyle="--", zorder=0)
    axes[0].set_xlabel("fitted value")
    axes[0].set_ylabel("residual")
    _quantiles(axes[1], residuals / residuals.std(), "residuals, standardised")
    for place, (name, values) in enumerate(effects.items(), start=2):
        _quantiles(axes[place], values, name)
    for unused in axes[panels:]:
        unused.remove()
    return figure


def _quantiles(axes: Axes, values: FloatArray, label: str) -> None:
    """Draw ordered values over the quantiles of a standard normal variable."""
    ordered, n = np.sort(values), values.size
    shown = _thinned(n)
    normal = np.array([normal_quantile(float(p)) for p in (shown + 0.5) / n])
    axes.plot(normal, ordered[shown], "o", markersize=2.5, color="C0")
    ends = normal[[0, -1]] if n else np.zeros(2)
    axes.plot(ends, ends, color="0.5", linewidth=0.8, linestyle="--", zorder=0)
    axes.set_xlabel("normal quantile")
    axes.set_ylabel(label)


def _thinned(n: int) -> IntArray:
    """Return places that are spread evenly over n, the ends among them."""
    return np.unique(np.linspace(0, n - 1, min(n, MOST_POINTS)).round().astype(np.int64))
