"""Plots of policy effects, with matplotlib: by horizon, and by cohort and period."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from panelml._typing import FloatArray
from panelml.inference.distributions import normal_critical
from panelml.results.plot.intervals import new_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes as Axes

__all__ = [
    "plot_comparisons",
    "plot_grid",
    "plot_horizons",
    "plot_missed_trend",
    "plot_sensitivity",
    "plot_weights",
]

MARKS = "osD^vPX"
# Share of a horizon's width in which estimators stand side by side.
DODGE = 0.6
# More cells than this are coloured without their numbers.
MOST_NUMBERS = 120


def plot_horizons(
    frames: Mapping[str, pd.DataFrame],
    *,
    references: Sequence[int],
    level: float,
    label: str,
    ax: Axes | None,
) -> Axes:
    """Draw effects by horizon with their intervals, estimators side by side.

    Parameters
    ----------
    frames : dict of str to DataFrame
        For each estimator ``horizon``, ``estimate``, ``low``, ``high``, and where there are bands
        that cover all effects at once, ``band_low`` and ``band_high``.
    references : sequence of int
        Horizons that are zero by normalisation.
    level : float
        Of the intervals.
    label : str
        Of the vertical axis.
    ax : matplotlib Axes, optional
    """
    axes = new_axes(8, 4) if ax is None else ax
    axes.axhline(0, color="0.5", linewidth=0.8, zorder=0)
    axes.axvline(-0.5, color="0.5", linewidth=0.8, linestyle="--", zorder=0)
    banded = False
    for i, (name, frame) in enumerate(frames.items()):
        shift = DODGE * ((i + 0.5) / len(frames) - 0.5)
        at = frame["horizon"].to_numpy(np.float64) + shift
        middle = frame["estimate"].to_numpy(np.float64)
        ends = frame[["low", "high"]].to_numpy(np.float64).T
        colour = f"C{i}"
        if "band_low" in frame.columns:
            banded = True
            axes.vlines(at, frame["band_low"], frame["band_high"], color=colour, linewidth=0.8)
        axes.vlines(at, *ends, color=colour, linewidth=2.4)
        axes.plot(at, middle, MARKS[i % len(MARKS)], color=colour, markersize=5, label=name)
    if references:
        axes.plot(
            list(references),
            np.zeros(len(references)),
            "o",
            color="white",
            markeredgecolor="0.3",
            markersize=5,
            zorder=3,
        )
    if len(frames) > 1:
        axes.legend(loc="upper left", bbox_to_anchor=(1.01, 1), frameon=False)
    axes.locator_params(axis="x", integer=True)
    axes.set_xlabel("Periods since adoption")
    thin = ", thin lines: all effects at once" if banded else ""
    axes.set_ylabel(label)
    if any(np.isfinite(frame["low"]).any() for frame in frames.values()):
        axes.set_title(f"Intervals of {100 * level:g}%{thin}", fontsize="small", loc="left")
    return axes


def plot_grid(labels: pd.DataFrame, values: FloatArray, *, label: str, ax: Axes | None) -> Axes:
    """Colour effects, or weights, by cohort and period.

    Parameters
    ----------
    labels : DataFrame
        ``cohort`` and ``time`` of each value, as texts.
    values : FloatArray, shape (k,)
    label : str
        Of the colours.
    ax : matplotlib Axes, optional
    """
    frame = labels[["cohort", "time"]].assign(value=values).dropna()
    table = frame.pivot_table(index="cohort", columns="time", values="value", sort=False)
    table = table[sorted(table.columns)].sort_index()
    axes = new_axes(1.5 + 0.8 * table.shape[1], 1.3 + 0.5 * table.shape[0]) if ax is None else ax
    top = float(np.nanmax(np.abs(table.to_numpy()))) or 1.0
    image = axes.imshow(table.to_numpy(), cmap="RdBu_r", vmin=-top, vmax=top, aspect="auto")
    axes.set_xticks(range(table.shape[1]), [str(c) for c in table.columns])
    axes.set_yticks(range(table.shape[0]), [str(c) for c in table.index])
    axes.set_xlabel("Period")
    axes.set_ylabel("Cohort")
    axes.figure.colorbar(image, ax=axes, label=label)
    if table.size <= MOST_NUMBERS:
        for (i, j), value in np.ndenumerate(table.to_numpy()):
            if np.isfinite(value):
                shade = "white" if abs(value) > 0.6 * top else "black"
                axes.text(
                    j, i, f"{value:.2g}", ha="center", va="center", color=shade, fontsize="small"
                )
    return axes


def plot_comparisons(comparisons: pd.DataFrame, coefficient: float, ax: Axes | None) -> Axes:
    """Draw the estimate of each comparison against its weight, by kind."""
    axes = new_axes(7, 4) if ax is None else ax
    for i, (kind, rows) in enumerate(comparisons.groupby("kind", sort=False)):
        axes.plot(rows["weight"], rows["estimate"], MARKS[i % len(MARKS)], alpha=0.8, label=kind)
    axes.axhline(coefficient, color="0.3", linewidth=1, linestyle="--", label="two-way coefficient")
    axes.axhline(0, color="0.8", linewidth=0.8, zorder=0)
    axes.set_xlabel("Weight")
    axes.set_ylabel("Estimate")
    axes.legend(frameon=False)
    return axes


def plot_weights(weights: pd.DataFrame, ax: Axes | None) -> Axes:
    """Colour the weights of effects by cohort and period."""
    return plot_grid(weights, weights["weight"].to_numpy(), label="Weight", ax=ax)


def plot_sensitivity(
    intervals: pd.DataFrame,
    original: tuple[float, float],
    estimate: float,
    *,
    level: float,
    ax: Axes | None,
) -> Axes:
    """Draw intervals by the size of departures from parallel trends.

    Parameters
    ----------
    intervals : DataFrame
        ``m``, ``lower``, ``upper``.
    original : tuple of float
        The interval under parallel trends.
    estimate : float
    level : float
    ax : matplotlib Axes, optional
    """
    axes = new_axes(7, 4) if ax is None else ax
    at = np.arange(1, len(intervals) + 1)
    axes.vlines([0], *original, color="C1", linewidth=2.4)
    axes.plot([0], [estimate], "o", color="C1", markersize=5)
    axes.vlines(at, intervals["lower"], intervals["upper"], color="C0", linewidth=2.4)
    axes.axhline(0, color="0.5", linewidth=0.8, linestyle="--", zorder=0)
    axes.set_xticks([0, *at], ["original", *(f"{m:.3g}" for m in intervals["m"])])
    axes.set_xlabel("m: size of departures from parallel trends")
    axes.set_ylabel(f"{100 * level:g}% interval of the effect")
    return axes


def plot_missed_trend(
    table: pd.DataFrame, reference: int, *, level: float, ax: Axes | None
) -> Axes:
    """Draw an event study with a hypothesised departure from parallel trends.

    Parameters
    ----------
    table : DataFrame
        ``horizon``, ``estimate``, ``std_error``, ``trend``, ``if_passed``.
    reference : int
    level : float
        Of the intervals.
    ax : matplotlib Axes, optional
    """
    axes = new_axes(8, 4) if ax is None else ax
    at = table["horizon"].to_numpy(np.float64)
    half = normal_critical(level) * table["std_error"]
    axes.axhline(0, color="0.5", linewidth=0.8, zorder=0)
    axes.axvline(-0.5, color="0.5", linewidth=0.8, linestyle="--", zorder=0)
    axes.vlines(at, table["estimate"] - half, table["estimate"] + half, color="C0", linewidth=2.4)
    axes.plot(at, table["estimate"], "o", color="C0", markersize=5, label="estimate")
    whole = pd.concat(
        [table, pd.DataFrame({"horizon": [reference], "trend": [0.0], "if_passed": [0.0]})]
    )
    whole = whole.sort_values("horizon")
    axes.plot(whole["horizon"], whole["trend"], color="C1", label="departure")
    axes.plot(
        whole["horizon"],
        whole["if_passed"],
        "--",
        color="C3",
        label="expected if the test is passed",
    )
    axes.plot([reference], [0.0], "o", color="white", markeredgecolor="0.3", markersize=5, zorder=3)
    axes.legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=3, frameon=False)
    axes.locator_params(axis="x", integer=True)
    axes.set_xlabel("Periods since adoption")
    axes.set_ylabel("Estimate")
    axes.set_title(f"Intervals of {100 * level:g}%", fontsize="small", loc="left")
    return axes
