"""Plots of profile likelihoods, with matplotlib."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from scipy import interpolate

from panelml._typing import FloatArray
from panelml.inference.distributions import normal_critical
from panelml.results.plot.intervals import new_grid

if TYPE_CHECKING:
    from matplotlib.axes import Axes as Axes

__all__ = ["plot_zeta"]

LEVELS = (0.5, 0.8, 0.9, 0.95, 0.99)
PANELS_IN_ROW = 3


def plot_zeta(curves: Sequence[tuple[str, FloatArray, FloatArray]], level: float) -> list[Axes]:
    """Draw zeta over each parameter, with the ends of intervals.

    Parameters
    ----------
    curves : sequence of (str, FloatArray, FloatArray)
        Name, values in increasing order, and zeta of each parameter.
    level : float
        Of the widest interval that is drawn.

    Raises
    ------
    MissingDependencyError
        If matplotlib is not installed.
    """
    wide = min(PANELS_IN_ROW, len(curves))
    rows = -(-len(curves) // wide)
    figure, panels = new_grid(rows, wide, (3.2 * wide, 2.7 * rows), sharey=True)
    for axes, (name, values, zeta) in zip(panels, curves, strict=False):
        _draw(axes, values, zeta, level)
        axes.set_title(name, fontsize="medium")
    for axes in panels[len(curves) :]:
        axes.remove()
    figure.supylabel("zeta")
    return panels[: len(curves)]


def _draw(axes: Axes, values: FloatArray, zeta: FloatArray, level: float) -> None:
    curve = interpolate.PchipInterpolator(values, zeta)
    fine = np.linspace(values[0], values[-1], 201)
    axes.axhline(0, color="0.6", linewidth=0.8)
    axes.plot(fine, curve(fine), color="C0")
    for each in LEVELS:
        if each > level + 1e-9:
            continue
        size = normal_critical(each)
        for side in (-size, size):
            inside = np.flatnonzero(np.diff(np.sign(curve(fine) - side)))
            if inside.size:
                axes.vlines(fine[inside[0]], 0, side, color="0.5", linewidth=0.8)
