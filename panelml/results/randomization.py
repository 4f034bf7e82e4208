"""How an effect stands among those of dates of adoption that were dealt out anew."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from panelml._typing import FloatArray
from panelml.data.show import Listed, Listing, number
from panelml.results.plot import new_axes

if TYPE_CHECKING:
    from panelml.results.plot import Axes

__all__ = ["RandomizationTest"]


@dataclass(frozen=True, slots=True, repr=False)
class RandomizationTest(Listed):
    """Test of no effect on any unit, by the assignment of dates of adoption.

    Attributes
    ----------
    model : str
        Name of the estimator.
    estimate : float
        Average effect on the treated, as the dates were.
    statistic : float
        The estimate, or the estimate over its standard error.
    draws : FloatArray, shape (draws,)
        The statistic for dates dealt out anew.
    failed : int
        Number of draws for which nothing could be estimated; they are not among ``draws``.
    studentized : bool
    among : str
        What the dates were dealt out among.
    """

    model: str
    estimate: float
    statistic: float
    draws: FloatArray
    failed: int
    studentized: bool
    among: str

    @property
    def pvalue(self) -> float:
        """Two-sided: share of draws, the true one included, at least as far from zero."""
        # Equal statistics of equal assignments differ in the last digits.
        reached = np.abs(self.draws) >= abs(self.statistic) * (1 - 1e-9)
        return float((1 + reached.sum()) / (1 + self.draws.size))

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw the distribution of the statistic, with the true one as a line.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            Where to draw; a new figure by default.

        Raises
        ------
        MissingDependencyError
            If matplotlib is not installed.
        """
        axes = new_axes(6, 3.5) if ax is None else ax
        axes.hist(self.draws, bins=40, color="0.75")
        axes.axvline(self.statistic, color="C3", label=f"as adopted, p = {self.pvalue:.4f}")
        axes.set_xlabel("t-statistic" if self.studentized else "average effect")
        axes.set_ylabel("draws")
        axes.legend(frameon=False)
        return axes

    @property
    def _title(self) -> str:
        return f"Randomisation test: {self.model}, dates dealt out among {self.among}"

    @property
    def _listing(self) -> Listing:
        heads = ("Effect", "t" if self.studentized else "Statistic", "Draws", "P")
        row = (number(self.estimate), number(self.statistic), f"{self.draws.size:,}",
               f"{self.pvalue:.4f}")  # fmt: skip
        return Listing(heads, (row,), frozenset())

    @property
    def _remarks(self) -> Sequence[str]:
        words = [
            "The p-value is exact for no effect on any unit, if every assignment of these dates "
            "was equally likely."
        ]
        if self.failed:
            words.append(f"{self.failed:,} further draws could not be estimated and do not count.")
        return words
