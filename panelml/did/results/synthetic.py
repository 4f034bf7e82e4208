"""Results of synthetic comparisons: effects, with the weights behind them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import pandas as pd

from panelml._typing import FloatArray
from panelml.arguments import checked_methods
from panelml.did.core.synthetic import Weighted
from panelml.did.results.averages import label_text
from panelml.did.results.effects import EffectResults
from panelml.did.results.plot_policy import plot_trajectories
from panelml.did.results.plot_synthetic import plot_weights
from panelml.errors import UnknownNameError, suggest

if TYPE_CHECKING:
    from panelml.results.plot.intervals import Axes

__all__ = ["Balance", "SyntheticResults"]

# Names of predictors, their values for the treated, shape (k,), and for the others, (k, n).
Balance: TypeAlias = tuple[Sequence[str], FloatArray, FloatArray]


@checked_methods
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
    predictors : DataFrame, or None
        By ``cohort`` and ``predictor``: its value for the ``treated``, their ``synthetic``
        comparison and the plain ``average`` of comparison units, and its ``importance``.
    """

    unit_weights: Any = None
    time_weights: Any = None
    trajectories: Any = None
    predictors: Any = None

    @classmethod
    def of(
        cls,
        base: EffectResults,
        cohorts: Sequence[Any],
        found: Sequence[Weighted],
        units: Sequence[Any],
        times: Sequence[Any],
        treated: Sequence[FloatArray],
    ) -> SyntheticResults:
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
            pd.DataFrame(
                {"cohort": name, "time": list(times), "treated": mean, "synthetic": mean - w.gap}
            )
            for name, w, mean in zip(names, found, treated, strict=True)
        ]
        return cls(
            **own,
            unit_weights=by_unit,
            time_weights=by_time,
            trajectories=pd.concat(lines, ignore_index=True),
        )

    def with_predictors(
        self, cohorts: Sequence[Any], found: Sequence[Weighted], balances: Sequence[Balance]
    ) -> SyntheticResults:
        """Add how well predictors are matched."""
        parts = [
            pd.DataFrame(
                {
                    "cohort": label_text(cohort),
                    "predictor": list(names),
                    "treated": treated,
                    "synthetic": others @ w.units,
                    "average": others.mean(axis=1),
                    "importance": w.importance,
                }
            )
            for cohort, w, (names, treated, others) in zip(cohorts, found, balances, strict=True)
        ]
        return replace(self, predictors=pd.concat(parts, ignore_index=True))

    def plot_weights(self, cohort: Any = None, *, most: int = 20, ax: Axes | None = None) -> Axes:
        """Draw the largest weights of comparison units.

        Parameters
        ----------
        cohort : label, optional
            The first one by default.
        most : int
            Number of units.
        ax : matplotlib Axes, optional

        Raises
        ------
        UnknownNameError
            If there is no such cohort.
        MissingDependencyError
            If matplotlib is not installed.
        """
        weights = self.unit_weights[self._cohort(cohort)]
        largest = weights[weights > 0].nlargest(most)
        return plot_weights([label_text(unit) for unit in largest.index], largest.to_numpy(), ax=ax)

    def plot_trajectories(self, cohort: Any = None, ax: Axes | None = None) -> Axes:
        """Draw the treated mean and its synthetic comparison over time.

        Parameters
        ----------
        cohort : label, optional
            The first one by default.
        ax : matplotlib Axes, optional

        Raises
        ------
        UnknownNameError
            If there is no such cohort.
        MissingDependencyError
            If matplotlib is not installed.
        """
        name = self._cohort(cohort)
        lines = self.trajectories[self.trajectories["cohort"] == name]
        before = int(self.time_weights[name].notna().sum())
        return plot_trajectories(
            lines, before, self.time_weights[name].dropna().to_numpy(), label=self.depvar, ax=ax
        )

    def _cohort(self, cohort: Any) -> str:
        """Name of a cohort, by default of the first."""
        names = [str(name) for name in self.unit_weights.columns]
        name = names[0] if cohort is None else label_text(cohort)
        if name not in names:
            raise UnknownNameError(f"There is no cohort {name!r}.{suggest(name, names)}")
        return name
