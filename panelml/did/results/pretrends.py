"""What a test of pre-trends can detect, as a table and a picture."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from panelml._typing import FloatArray
from panelml.arguments import checked_methods
from panelml.data.describe.show import Listed, Listing, number
from panelml.did.core.around_reference import AroundReference
from panelml.did.core.pretrends import PassedTest
from panelml.did.results.plot_effects import plot_missed_trend

if TYPE_CHECKING:
    from panelml.results.plot.intervals import Axes

__all__ = ["PretrendsPower"]


@checked_methods
@dataclass(frozen=True, slots=True, repr=False)
class PretrendsPower(Listed):
    """How much a passed test of pre-trends says.

    Attributes
    ----------
    table : DataFrame
        For each ``horizon`` the ``estimate`` and its ``std_error``; the hypothesised departure
        from parallel trends, ``trend``, which is the bias of the estimate; and ``if_passed``, the
        bias given that the test is passed.
    slopes : Series
        The slope of a linear departure that is detected with each probability.
    power : float
        Probability that the test detects the hypothesised departure.
    bayes_factor : float
        Probability of passing under the departure over that under parallel trends.
    likelihood_ratio : float
        Likelihood of the estimates before adoption under the departure over that under parallel
        trends.
    level : float
        One minus the size of each single test.
    reference : int
        The horizon that is zero by normalisation.
    """

    table: pd.DataFrame
    slopes: pd.Series
    power: float
    bayes_factor: float
    likelihood_ratio: float
    level: float
    reference: int

    @classmethod
    def of(
        cls,
        study: AroundReference,
        trend: FloatArray,
        passed: PassedTest,
        slopes: Mapping[float, float],
        level: float,
    ) -> PretrendsPower:
        """Tabulate a hypothesised departure."""
        table = pd.DataFrame(
            {
                "horizon": study.horizons,
                "estimate": study.beta,
                "std_error": np.sqrt(study.sigma.diagonal()),
                "trend": trend,
                "if_passed": passed.mean,
            }
        )
        by_power = pd.Series(slopes, name="slope").rename_axis("power")
        return cls(
            table,
            by_power,
            passed.power,
            passed.bayes_factor,
            passed.likelihood_ratio,
            level,
            study.reference,
        )

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw the estimates with the hypothesised departure, and what is expected if it passes.

        Raises
        ------
        MissingDependencyError
            If matplotlib is not installed.
        """
        return plot_missed_trend(self.table, self.reference, level=self.level, ax=ax)

    @property
    def _title(self) -> str:
        return (
            "Power of the test that no effect before adoption is significant "
            f"({100 * (1 - self.level):g}% each)"
        )

    @property
    def _listing(self) -> Listing:
        rows = tuple(
            (f"{h:.0f}", *map(number, values))
            for h, *values in self.table.to_numpy(dtype=float).tolist()
        )
        heads = ("Horizon", "Estimate", "Std. error", "Departure", "If passed")
        return Listing(heads, rows)

    @property
    def _remarks(self) -> tuple[str, ...]:
        slopes = "; ".join(
            f"{number(slope)} per period with probability {share:g}"
            for share, slope in self.slopes.items()
        )
        return (
            f"A linear departure from parallel trends is detected from a slope of {slopes}.",
            f"The departure in the table is detected with probability {self.power:.3f}. Passing "
            f"the test is {number(self.bayes_factor)} times as likely under it as under parallel "
            f"trends, the estimates before adoption {number(self.likelihood_ratio)} times.",
            "Departure: bias of the estimate; if passed: bias given that the test is passed.",
        )
