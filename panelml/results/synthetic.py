"""Results of synthetic comparisons: effects, with the weights behind them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from panelml._typing import FloatArray
from panelml.core.synthetic import Weighted
from panelml.results.averages import label_text
from panelml.results.effects import EffectResults
from panelml.results.plot_policy import plot_trajectories

if TYPE_CHECKING:
    from panelml.results.plot import Axes

__all__ = ["SyntheticResults"]


@dataclass(frozen=True, eq=False, repr=False)
class SyntheticResults(EffectResults):
    """Effects of a synthetic comparison.

    Attributes
    ----------
    unit_weights : DataFrame
        Weight of each comparison unit (rows) for each cohort (columns).
    time_weights : DataFrame
        Weight of each period before adoption for each cohort.
    trajectories : DataFrame
        By ``cohort`` and ``time``: mean outcome of the ``treated`` and of their ``synthetic``
        comparison.
    """

    unit_weights: Any = None
    time_weights: Any = None
    trajectories: Any = None

    @classmethod
    def of(
        cls, base: EffectResults, cohorts: Sequence[Any], found: Sequence[Weighted],
        units: Sequence[Any], times: Sequence[Any], treated: Sequence[FloatArray],
    ) -> SyntheticResults:  # fmt: skip
        """Complete effects with their weights."""
        names = [label_text(cohort) for cohort in cohorts]
        own = {f.name: getattr(base, f.name) for f in fields(EffectResults)}
        by_unit = pd.DataFrame(
            np.stack([w.units for w in found], axis=1), index=list(units), columns=names
        )
        periods = np.full((len(times), len(found)), np.nan)
        for j, w in enumerate(found):
            periods[: w.periods.size, j] = w.periods
        by_time = pd.DataFrame(periods, index=list(times), columns=names).dropna(how="all")
        lines = [
            pd.DataFrame({"cohort": name, "time": list(times), "treated": mean,
                          "synthetic": mean - w.gap})
            for name, w, mean in zip(names, found, treated, strict=True)
        ]  # fmt: skip
        return cls(
            **own, unit_weights=by_unit, time_weights=by_time,
            trajectories=pd.concat(lines, ignore_index=True),
        )  # fmt: skip

    def plot_trajectories(self, cohort: Any = None, ax: Axes | None = None) -> Axes:
        """Draw the treated mean and its synthetic comparison over time.

        Parameters
        ----------
        cohort : label, optional
            The first one by default.
        ax : matplotlib Axes, optional

        Raises
        ------
        MissingDependencyError
            If matplotlib is not installed.
        """
        names = list(self.unit_weights.columns)
        name = names[0] if cohort is None else label_text(cohort)
        lines = self.trajectories[self.trajectories["cohort"] == name]
        before = int(self.time_weights[name].notna().sum())
        return plot_trajectories(
            lines, before, self.time_weights[name].dropna().to_numpy(), label=self.depvar, ax=ax
        )
