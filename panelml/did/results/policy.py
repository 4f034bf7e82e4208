"""What several estimators say of one policy: a table, and a page."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from panelml.arguments import checked_methods
from panelml.data.describe.show import Listing, html_prose, number, prose
from panelml.did.results.decomposition import BaconDecomposition, TwfeWeights
from panelml.did.results.effects import EffectResults
from panelml.did.results.event_studies import event_study_plot
from panelml.did.results.honest import Sensitivity
from panelml.did.results.randomization import RandomizationTest
from panelml.did.results.timing import Timing
from panelml.results.show.formats import pvalue
from panelml.results.show.grid import saved
from panelml.results.show.page import Page

if TYPE_CHECKING:
    from panelml.results.plot.intervals import Axes

__all__ = ["PolicyEvaluation", "effects_listing", "effects_table", "not_run"]


@checked_methods
@dataclass(frozen=True, slots=True)
class PolicyEvaluation:
    """The evaluation of a policy.

    Attributes
    ----------
    formula : str
    timing : Timing
    fits : dict of str to EffectResults
        As estimated, by the name of the estimator, with its own standard errors.
    averages : dict of str to EffectResults
        The average effect of each, with standard errors that allow for few clusters or are
        missing with too few of them.
    events : dict of str to EffectResults
        Effects by horizon, likewise.
    skipped : dict of str to str
        What was not run, and why.
    bacon : BaconDecomposition, or None
    weights : TwfeWeights, or None
    sensitivity : Sensitivity, or None
    randomization : RandomizationTest, or None
        Where too few clusters are treated for standard errors.
    notes : tuple of str
        What estimators say of themselves, rows and units that they leave out first.
    conclusions : tuple of str
    page : Page
    level : float
    """

    formula: str
    timing: Timing
    fits: Mapping[str, EffectResults]
    averages: Mapping[str, EffectResults]
    events: Mapping[str, EffectResults]
    skipped: Mapping[str, str]
    bacon: BaconDecomposition | None
    weights: TwfeWeights | None
    sensitivity: Sensitivity | None
    randomization: RandomizationTest | None
    notes: tuple[str, ...]
    conclusions: tuple[str, ...]
    page: Page
    level: float

    def table(self) -> pd.DataFrame:
        """Average effects side by side, with the p-value of each estimator's pre-trend test."""
        return effects_table(self.averages, self.events, self.level)

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw the event studies on common axes.

        Raises
        ------
        MissingDependencyError
            If matplotlib is not installed.
        """
        return event_study_plot(**self.events, level=self.level, band=False, ax=ax)

    def to_html(self, path: str | Path | None = None) -> str:
        """Return the whole evaluation as one page with its pictures, and write it to a file.

        Raises
        ------
        MissingDependencyError
            If matplotlib is not installed.
        """
        return saved(self.page.to_html(), path)

    def __str__(self) -> str:
        lines = [self._title, effects_listing(self.table(), self.level).text()]
        return "\n".join([*lines, *map(prose, self._remarks)])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return effects_listing(self.table(), self.level).html(self._title) + "".join(
            map(html_prose, self._remarks)
        )

    @property
    def _remarks(self) -> tuple[str, ...]:
        return (*not_run(self.skipped), *self.notes, *self.conclusions)

    @property
    def _title(self) -> str:
        adoption = self.timing.adoption
        treated = int((~(adoption.never | adoption.always)).sum())
        return (
            f"Policy evaluation: {self.formula}; {treated:,} of {self.timing.panel.n_units:,} "
            f"units adopt ({adoption.column})"
        )


def not_run(skipped: Mapping[str, str]) -> tuple[str, ...]:
    """Say what was not run, and why."""
    return tuple(f"Not run: {name}. {why}" for name, why in skipped.items())


def effects_table(
    averages: Mapping[str, EffectResults], events: Mapping[str, EffectResults], level: float
) -> pd.DataFrame:
    """Put average effects side by side."""
    rows = []
    for name, found in averages.items():
        [(low, high)] = found.conf_int(level).to_numpy().tolist()
        test = events[name].model_test() if name in events else None
        rows.append(
            (
                name,
                float(found.params.iloc[0]),
                float(found.std_errors.iloc[0]),
                low,
                high,
                float(found.pvalues.iloc[0]),
                test.pvalue if test else np.nan,
            )
        )
    names = ["estimator", "effect", "std_error", "conf_low", "conf_high", "p_value", "pretrend_p"]
    return pd.DataFrame(rows, columns=names).set_index("estimator")


def effects_listing(table: pd.DataFrame, level: float) -> Listing:
    """Write average effects as a small table."""
    ends = (f"{100 * level:g}% low", f"{100 * level:g}% high")
    rows = tuple(
        (
            str(name),
            number(values[0]),
            *(_known(value, number) for value in values[1:4]),
            *(_known(value, pvalue) for value in values[4:]),
        )
        for name, values in zip(table.index, table.to_numpy(np.float64).tolist(), strict=True)
    )
    return Listing(("Estimator", "Effect", "Std. error", *ends, "P", "P, pre-trends"), rows)


def _known(value: float, write: Callable[[float], str]) -> str:
    return "" if np.isnan(value) else write(value)
