"""Robust intervals for policy effects, as a table and a picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from panelml.arguments import checked_methods
from panelml.data.describe.show import Listed, Listing, number
from panelml.did.results.plot_effects import plot_sensitivity

if TYPE_CHECKING:
    from panelml.results.plot.intervals import Axes

__all__ = ["Sensitivity", "interval_table"]

_WORDS = {
    "relative-magnitudes": (
        "departures change by at most m times their largest change before adoption"
    ),
    "smoothness": "the slope of departures changes by at most m from period to period",
    "relative-smoothness": (
        "the slope of departures changes by at most m times its largest change before adoption"
    ),
}


@checked_methods
@dataclass(frozen=True, slots=True, repr=False)
class Sensitivity(Listed):
    """How a conclusion depends on parallel trends.

    Attributes
    ----------
    method : str
    intervals : DataFrame
        For each size ``m`` of departures the robust ``lower`` and ``upper``; missing where no
        value is compatible with the data.
    estimate : float
    original : tuple of float
        The interval under exactly parallel trends.
    breakdown : float
        Largest m with which the interval leaves out zero; missing where even the original one
        does not.
    level : float
    parameter : str
        Which effect the estimate and the intervals are of.
    """

    method: str
    intervals: pd.DataFrame
    estimate: float
    original: tuple[float, float]
    breakdown: float
    level: float
    parameter: str

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw the intervals by size of departures, the original one first.

        Raises
        ------
        MissingDependencyError
            If matplotlib is not installed.
        """
        return plot_sensitivity(
            self.intervals, self.original, self.estimate, level=self.level, ax=ax
        )

    @property
    def _title(self) -> str:
        return (
            f"Sensitivity to departures from parallel trends: estimate {number(self.estimate)} "
            f"{self.parameter}, {100 * self.level:g}% intervals"
        )

    @property
    def _listing(self) -> Listing:
        rows = [("original", number(self.original[0]), number(self.original[1]))]
        rows += [
            (f"{m:g}", number(low), number(high))
            for m, low, high in self.intervals.to_numpy(np.float64).tolist()
        ]
        return Listing(("m", "Lower", "Upper"), tuple(rows))

    @property
    def _remarks(self) -> tuple[str, ...]:
        words = f"m: {_WORDS[self.method]}."
        if np.isnan(self.breakdown):
            verdict = "Even under parallel trends the interval includes zero."
        elif np.isinf(self.breakdown):
            verdict = "No size of departures that was tried brings zero into the interval."
        else:
            verdict = f"The interval leaves out zero up to m = {number(self.breakdown)}."
        return (words, verdict)


def interval_table(sizes: Sequence[float], ends: Sequence[tuple[float, float]]) -> pd.DataFrame:
    """Tabulate the ends of intervals by size of departures."""
    table = pd.DataFrame(list(ends), columns=["lower", "upper"])
    table.insert(0, "m", list(sizes))
    return table
