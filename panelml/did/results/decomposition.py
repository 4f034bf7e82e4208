"""Decompositions of two-way coefficients, as tables and pictures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from panelml._typing import BoolArray, FloatArray
from panelml.arguments import checked_methods
from panelml.data.describe.show import Listed, Listing, number, percent
from panelml.did.core.decomposition import SignFlip, WeightedComparisons
from panelml.did.results.averages import label_text
from panelml.did.results.plot_effects import plot_comparisons, plot_weights

if TYPE_CHECKING:
    from panelml.results.plot.intervals import Axes

__all__ = ["BaconDecomposition", "TwfeWeights"]

KINDS = (
    "earlier vs later",
    "later vs earlier",
    "treated vs never",
    "later vs always treated",
    "both cohorts, all periods",
    "within cohorts and periods",
)


@checked_methods
@dataclass(frozen=True, slots=True, repr=False)
class BaconDecomposition(Listed):
    """Comparisons whose weighted sum is a two-way coefficient.

    Attributes
    ----------
    comparisons : DataFrame
        ``kind``, ``treated`` and ``control`` cohorts, ``weight`` and ``estimate``.
    coefficient : float
        Of treatment, in the two-way regression.
    notes : tuple of str
    """

    comparisons: pd.DataFrame
    coefficient: float
    notes: tuple[str, ...] = ()

    @classmethod
    def of(
        cls,
        found: WeightedComparisons,
        labels: Sequence[Any],
        always: BoolArray,
        coefficient: float,
        notes: tuple[str, ...],
    ) -> BaconDecomposition:
        """Name the cohorts of comparisons."""
        names = [
            label_text(label) if label is not None else "always" if first else "never"
            for label, first in zip(labels, always, strict=True)
        ]
        shown = [*names, ""]
        frame = pd.DataFrame(
            {
                "kind": [KINDS[k] for k in found.kind],
                "treated": [shown[k] for k in found.treated],
                "control": [shown[k] for k in found.control],
                "weight": found.weight,
                "estimate": found.estimate,
            }
        )
        return cls(frame, coefficient, notes)

    def by_kind(self) -> pd.DataFrame:
        """Add up weights, and average estimates, by kind of comparison."""
        table = self.comparisons.assign(part=lambda d: d["weight"] * d["estimate"])
        sums = table.groupby("kind", sort=False)[["weight", "part"]].sum()
        estimate = np.divide(sums["part"], sums["weight"])
        return pd.DataFrame({"weight": sums["weight"], "estimate": estimate})

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw each comparison's estimate against its weight.

        Raises
        ------
        MissingDependencyError
            If matplotlib is not installed.
        """
        return plot_comparisons(self.comparisons, self.coefficient, ax)

    @property
    def _title(self) -> str:
        return f"Goodman-Bacon decomposition of the two-way coefficient {number(self.coefficient)}"

    @property
    def _listing(self) -> Listing:
        rows = tuple(
            (str(kind), percent(row["weight"]), number(row["estimate"]))
            for kind, row in self.by_kind().iterrows()
        )
        return Listing(("Comparison", "Weight, %", "Estimate"), rows)

    @property
    def _remarks(self) -> tuple[str, ...]:
        doubtful = self.comparisons["kind"].isin(KINDS[1:4:2])
        share = float(self.comparisons.loc[doubtful, "weight"].sum())
        if share == 0:
            return self.notes
        return (
            f"{percent(share)} % of the weight is on comparisons with units that are treated "
            "already: where effects change over time, these changes are taken off the estimate.",
            *self.notes,
        )


@checked_methods
@dataclass(frozen=True, slots=True, repr=False)
class TwfeWeights(Listed):
    """How a two-way coefficient weighs the effects of cohorts and periods.

    Attributes
    ----------
    weights : DataFrame
        For each ``cohort`` and ``time``: ``size``, the rows (or their weights), and ``weight``;
        weights add up to one.
    coefficient : float
    spread_to_zero : float
        Least standard deviation of effects with which their average may be zero.
    spread_to_flip : float
        Least standard deviation with which all effects may have the other sign; missing where
        no weight is negative.
    notes : tuple of str
    """

    weights: pd.DataFrame
    coefficient: float
    spread_to_zero: float
    spread_to_flip: float
    notes: tuple[str, ...] = ()

    @classmethod
    def of(
        cls,
        labels: Sequence[tuple[Any, Any]],
        size: FloatArray,
        found: SignFlip,
        coefficient: float,
        notes: tuple[str, ...],
    ) -> TwfeWeights:
        """Label weights by cohort and period."""
        frame = pd.DataFrame(labels, columns=["cohort", "time"])
        frame["size"], frame["weight"] = size, found.weights
        return cls(frame, coefficient, found.any, found.all, notes)

    @property
    def negative(self) -> pd.DataFrame:
        """The effects that enter with a negative weight."""
        return self.weights[self.weights["weight"] < 0]

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw the weights by cohort and period.

        Raises
        ------
        MissingDependencyError
            If matplotlib is not installed.
        """
        return plot_weights(self.weights, ax)

    @property
    def _title(self) -> str:
        return f"Weights of effects in the two-way coefficient {number(self.coefficient)}"

    @property
    def _listing(self) -> Listing:
        below = self.negative["weight"]
        rows = (
            ("Effects of cohorts and periods", str(len(self.weights))),
            ("  with a negative weight", str(len(below))),
            ("Sum of negative weights", number(float(below.sum()))),
            ("Least spread of effects with average zero", number(self.spread_to_zero)),
            ("Least spread of effects all of the other sign", number(self.spread_to_flip)),
        )
        return Listing(("", "Value"), rows)

    @property
    def _remarks(self) -> tuple[str, ...]:
        return self.notes
