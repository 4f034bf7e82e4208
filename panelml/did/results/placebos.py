"""How an effect stands among effects of a policy where, or when, there was none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import pandas as pd

from panelml._typing import FloatArray
from panelml.arguments import checked_methods
from panelml.data.describe.show import Listed, Listing, number
from panelml.did.core.synthetic_control import root_mean_square
from panelml.did.results.averages import label_text
from panelml.did.results.plot_policy import plot_trajectories
from panelml.did.results.plot_synthetic import plot_gaps, plot_ratios

if TYPE_CHECKING:
    from panelml.results.plot.intervals import Axes

__all__ = ["GapLabels", "LeaveOneOut", "PlaceboInTime", "PlacebosInSpace", "made_up_trajectories"]


@dataclass(frozen=True, slots=True)
class GapLabels:
    """What rows and columns of a table of gaps are called.

    Attributes
    ----------
    units, times : sequence of labels
    unit, time : str
        Names of their columns in the data.
    depvar : str
        The outcome.
    """

    units: Sequence[Any]
    times: Sequence[Any]
    unit: str
    time: str
    depvar: str


@checked_methods
@dataclass(frozen=True, slots=True, repr=False)
class PlacebosInSpace(Listed):
    """Gaps of the treated unit and of every comparison unit as if it were treated.

    Attributes
    ----------
    treated : label
        Of the treated unit.
    ratios : DataFrame
        For each unit, the largest first: root mean squared gap ``before`` and ``after`` adoption,
        their ``ratio``, and the average ``effect``.
    gaps : DataFrame
        Periods by units.
    before : int
        Number of periods before adoption.
    pvalue : float
        Share of units, the treated one included, whose ratio is at least the treated one's.
    depvar : str
    rounding : float
        A root mean squared gap up to this size is none but for rounding errors. Units without a
        gap before adoption have an infinite ratio, and tie; those without one after it, 0.
    """

    treated: Any
    ratios: pd.DataFrame
    gaps: pd.DataFrame
    before: int
    pvalue: float
    depvar: str
    rounding: float

    @classmethod
    def of(
        cls,
        labels: GapLabels,
        gaps: FloatArray,
        effects: FloatArray,
        before: int,
        *,
        rounding: float,
    ) -> Self:
        """Compare gaps, shape (units, T), of which the first is the treated one's."""
        sizes = root_mean_square(gaps[:, :before]), root_mean_square(gaps[:, before:])
        early, late = (np.where(size > rounding, size, 0.0) for size in sizes)
        ratio = np.divide(late, early, out=np.full(early.size, np.inf), where=early > 0)
        ratio[late == 0] = 0.0
        frame = pd.DataFrame(
            {"before": early, "after": late, "ratio": ratio, "effect": effects},
            index=pd.Index(list(labels.units), name=labels.unit),
        )
        periods = pd.Index(list(labels.times), name=labels.time)
        table = pd.DataFrame(gaps.T, index=periods, columns=frame.index)
        order = np.lexsort((-late, -ratio))
        pvalue = float((ratio >= ratio[0]).mean())
        treated = labels.units[0]
        return cls(treated, frame.iloc[order], table, before, pvalue, labels.depvar, rounding)

    def limited(self, most: float) -> Self:
        """Leave out placebos that follow badly before adoption.

        Parameters
        ----------
        most : float
            Largest mean *squared* gap before adoption, as a multiple of the treated unit's.
        """
        early = self.ratios.loc[list(self.gaps.columns), "before"].to_numpy(np.float64)
        keep = early**2 <= most * early[0] ** 2
        keep[0] = True
        units = [unit for unit, kept in zip(self.gaps.columns, keep, strict=True) if kept]
        unit, time = str(self.ratios.index.name), str(self.gaps.index.name)
        return type(self).of(
            GapLabels(units, list(self.gaps.index), unit, time, self.depvar),
            self.gaps[units].to_numpy(np.float64).T,
            self.ratios.loc[units, "effect"].to_numpy(np.float64),
            self.before,
            rounding=self.rounding,
        )

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw the gaps over time, the treated unit's in colour.

        Raises
        ------
        MissingDependencyError
            If matplotlib is not installed.
        """
        named = self.gaps.set_axis([label_text(unit) for unit in self.gaps.columns], axis=1)
        return plot_gaps(
            named,
            [label_text(self.treated)],
            self.before,
            name=label_text(self.treated),
            others="placebos",
            label=f"Gap in {self.depvar}",
            ax=ax,
        )

    def plot_ratios(self, ax: Axes | None = None) -> Axes:
        """Draw the ratio of each unit.

        Raises
        ------
        MissingDependencyError
            If matplotlib is not installed.
        """
        units = list(self.ratios.index)
        mine = np.array([unit == self.treated for unit in units])
        ratios = self.ratios["ratio"].to_numpy(np.float64)
        return plot_ratios([label_text(unit) for unit in units], ratios, mine, ax=ax)

    @property
    def _title(self) -> str:
        return f"Placebos in space: {self.depvar}"

    @property
    def _listing(self) -> Listing:
        shown = self.ratios.head(10)
        if self.treated not in shown.index:
            shown = pd.concat([shown, self.ratios.loc[[self.treated]]])
        rows = [
            (label_text(unit) + (" (treated)" if unit == self.treated else ""), *map(number, row))
            for unit, row in zip(shown.index, shown.to_numpy(np.float64).tolist(), strict=True)
        ]
        heads = (str(self.ratios.index.name), "Before", "After", "Ratio", "Effect")
        return Listing(heads, tuple(rows))

    @property
    def _remarks(self) -> Sequence[str]:
        place = int((self.ratios["ratio"] >= self.ratios.loc[self.treated, "ratio"]).sum())
        exact = int((self.ratios["before"] == 0).sum())
        rank = (
            f"Root mean squared gaps. The ratio of {label_text(self.treated)} is number {place} of "
            f"{len(self.ratios)}, the largest first: p = {self.pvalue:.4f}."
        )
        if not exact:
            return (rank,)
        return (
            f"{exact} of {len(self.ratios)} units are fitted exactly before adoption: they have no "
            "ratio that could be compared, and count as ties. More periods before adoption tell "
            "units apart.",
            rank,
        )


@checked_methods
@dataclass(frozen=True, slots=True, repr=False)
class PlaceboInTime(Listed):
    """The comparison as if the policy had come earlier, on the periods before it came.

    Attributes
    ----------
    start : label
        First period of the made-up policy.
    trajectories : DataFrame
        ``time``, ``treated``, ``synthetic`` and their ``gap``.
    before : int
        Number of periods before the made-up policy.
    effect : float
        Its average effect, which should be near zero.
    rmspe : tuple of float
        Root mean squared gap before and after it.
    depvar : str
    """

    start: Any
    trajectories: pd.DataFrame
    before: int
    effect: float
    rmspe: tuple[float, float]
    depvar: str

    @classmethod
    def of(
        cls,
        start: Any,
        trajectories: pd.DataFrame,
        before: int,
        effect: float,
        depvar: str,
    ) -> Self:
        """Measure gaps before and after the made-up start."""
        gap = trajectories["gap"].to_numpy(np.float64)
        spread = (float(root_mean_square(gap[:before])), float(root_mean_square(gap[before:])))
        return cls(start, trajectories, before, effect, spread, depvar)

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw the treated mean and its comparison.

        Raises
        ------
        MissingDependencyError
            If matplotlib is not installed.
        """
        none = np.zeros(self.before)
        return plot_trajectories(self.trajectories, self.before, none, label=self.depvar, ax=ax)

    @property
    def _title(self) -> str:
        return f"Placebo in time: {self.depvar}"

    @property
    def _listing(self) -> Listing:
        row = (label_text(self.start), number(self.effect), *map(number, self.rmspe))
        return Listing(("Made-up start", "Effect", "RMSPE before", "after"), (row,))

    @property
    def _remarks(self) -> Sequence[str]:
        return ("No policy had come: the effect and the gaps after should be small.",)


@checked_methods
@dataclass(frozen=True, slots=True, repr=False)
class LeaveOneOut(Listed):
    """Effects without each of the comparison units that have weight.

    Attributes
    ----------
    effects : DataFrame
        For each of them its ``weight``, and the average ``effect`` without it.
    gaps : DataFrame
        Periods by unit left out; column ``""`` is the estimate with all.
    before : int
        Number of periods before adoption.
    effect : float
        With all units.
    depvar : str
    """

    effects: pd.DataFrame
    gaps: pd.DataFrame
    before: int
    effect: float
    depvar: str

    @classmethod
    def of(
        cls,
        labels: GapLabels,
        weights: FloatArray,
        effects: FloatArray,
        gaps: FloatArray,
        before: int,
        effect: float,
    ) -> Self:
        """Tabulate effects, and gaps of shape (T, 1 + units), the first with all units."""
        units = pd.Index(list(labels.units), name=labels.unit)
        frame = pd.DataFrame({"weight": weights, "effect": effects}, index=units)
        paths = pd.DataFrame(
            gaps,
            index=pd.Index(list(labels.times), name=labels.time),
            columns=["", *map(label_text, labels.units)],
        )
        return cls(frame, paths, before, effect, labels.depvar)

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw the gaps over time, the estimate with all units in colour.

        Raises
        ------
        MissingDependencyError
            If matplotlib is not installed.
        """
        return plot_gaps(
            self.gaps,
            [""],
            self.before,
            name="all units",
            others="one left out",
            label=f"Gap in {self.depvar}",
            ax=ax,
        )

    @property
    def _title(self) -> str:
        return f"Leave one out: {self.depvar}"

    @property
    def _listing(self) -> Listing:
        rows = [
            (label_text(unit), *map(number, row))
            for unit, row in zip(
                self.effects.index, self.effects.to_numpy(np.float64).tolist(), strict=True
            )
        ]
        heads = (f"Without {self.effects.index.name}", "Weight", "Effect")
        return Listing(heads, tuple(rows))

    @property
    def _remarks(self) -> Sequence[str]:
        low, high = self.effects["effect"].min(), self.effects["effect"].max()
        return (
            f"The effect is {number(self.effect)} with all units, and between {number(low)} and "
            f"{number(high)} without one of them.",
        )


def made_up_trajectories(
    times: Sequence[Any], treated: FloatArray, gap: FloatArray, shown: FloatArray
) -> pd.DataFrame:
    """Tabulate a comparison, shapes (T,); ``shown`` is the gap less its weighted mean before."""
    return pd.DataFrame(
        {"time": list(times), "treated": treated, "synthetic": treated - gap, "gap": shown}
    )
