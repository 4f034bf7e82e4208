"""Outcomes of a panel as a table, and the weighted comparison of each of its cohorts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Protocol, TypeAlias

import numpy as np

from panelml._typing import BoolArray, FloatArray, IntArray
from panelml.data.formula.formula import parse_formula
from panelml.data.sample import Sample
from panelml.data.source.given import DataLike
from panelml.did.core.adoption import NEVER, Adoption, read_adoption
from panelml.did.core.synthetic import Kind, Penalties, Weighted, noise_level, weigh
from panelml.did.core.synthetic_control import weigh_by_predictors
from panelml.did.estimators.base import sample_start
from panelml.did.estimators.comparisons import comparable, complete_units
from panelml.did.estimators.synthetic_predictors import PredictorTable, read_predictors
from panelml.did.estimators.untreated import first_stage, untreated_rows, with_effects
from panelml.did.results.averages import label_text
from panelml.engine.collect import collect
from panelml.engine.sampling import make_sample, require_panel
from panelml.errors import IdentificationError, SpecificationError

__all__ = ["Outcomes", "Reading", "Weights", "compare", "penalties_of", "read_outcomes"]


# What can be done where no unit is never treated.
LATE = (
    "Synthetic comparisons are made of such units: leave out the periods from the last adoption "
    "on, which makes the last cohort one of them."
)


class Spec(Protocol):
    """What a specification says about its data."""

    @property
    def formula(self) -> str: ...
    @property
    def cohort(self) -> str | None: ...
    @property
    def treatment(self) -> str | None: ...


@dataclass(frozen=True, slots=True)
class Outcomes:
    """A balanced table of outcomes, and what else units are matched by.

    Attributes
    ----------
    y : FloatArray, shape (units, T)
    start : IntArray, shape (units,)
        Number of the first treated period, T where never.
    table : PredictorTable, or None
    importance : dict of int to FloatArray
        How much predictors count for each cohort, where that is not to be searched for.
    """

    y: FloatArray
    start: IntArray
    table: PredictorTable | None = None
    importance: Mapping[int, FloatArray] = field(default_factory=dict)

    @property
    def periods(self) -> int:
        """Number of periods."""
        return int(self.y.shape[1])

    @property
    def never(self) -> BoolArray:
        """Units that are never treated, shape (units,)."""
        return np.asarray(self.start == self.periods)

    @property
    def cohorts(self) -> IntArray:
        """Numbers of the periods of adoption, increasing."""
        return np.unique(self.start[~self.never])

    def of(self, units: IntArray, start: IntArray | None = None) -> Outcomes:
        """Return the table of some units, which may be said to adopt at another time."""
        return replace(
            self,
            y=self.y[units],
            start=self.start[units] if start is None else start,
            table=self.table.of(units) if self.table else None,
        )

    def until(self, stop: int, start: int) -> Outcomes:
        """Return the first periods, as if all treated units adopted at another time."""
        moved = np.where(self.never, stop, start)
        kept = {}
        if self.table is not None and self.importance:
            known = [p.until(start).size > 0 for p in self.table.predictors]
            values = next(iter(self.importance.values()))[known]
            kept = {start: values / values.sum()}
        return replace(self, y=self.y[:, :stop], start=moved, importance=kept)


Weights: TypeAlias = dict[int, tuple[FloatArray, FloatArray]]


def compare(
    data: Outcomes, kind: Kind, penalties: dict[int, Penalties], fixed: Weights | None = None
) -> tuple[list[Weighted], FloatArray]:
    """Weight each cohort's comparison; return these and all effects, cohort after cohort."""
    others = data.y[data.never]
    found = []
    for g in data.cohorts.tolist():
        mine = data.start == g
        treated = data.y[mine].mean(axis=0)
        if data.table is None or fixed:
            weights = fixed[g] if fixed else None
            found.append(weigh(others, treated, g, kind, penalties[g], weights))
            continue
        values = data.table.matrix(g)
        matched = np.column_stack([values[:, mine].mean(axis=1), values[:, data.never]])
        found.append(weigh_by_predictors(others, treated, g, matched, data.importance.get(g)))
    return found, np.concatenate([w.effects for w in found])


def penalties_of(data: Outcomes, kind: Kind) -> dict[int, Penalties]:
    """Choose penalties for each cohort."""
    found = {}
    for g in data.cohorts.tolist():
        noise = noise_level(data.y[data.never][:, :g])
        count = int((data.start == g).sum())
        found[g] = Penalties.of(kind, noise, count, data.periods - g)
    return found


@dataclass(frozen=True, slots=True)
class Reading:
    """What was read off a panel.

    Attributes
    ----------
    sample : Sample
    adoption : Adoption
    steps : IntArray, shape (T,)
        Of the sample's periods.
    times : list of object
        Their labels.
    outcomes : Outcomes
    notes : tuple of str
    """

    sample: Sample
    adoption: Adoption
    steps: IntArray
    times: list[Any]
    outcomes: Outcomes
    notes: tuple[str, ...]

    def cohort(self, number: int) -> Any:
        """Return the user's label of a cohort."""
        return self.adoption.label(int(self.steps[number]))

    @property
    def comparison(self) -> list[Any]:
        """Labels of the units never treated."""
        return list(self.sample.unit_labels[self.outcomes.never])


def read_outcomes(
    spec: Spec, data: DataLike, predictors: Mapping[str, Any] | None = None
) -> Reading:
    """Read the table off a panel.

    Raises
    ------
    IdentificationError
        Without treated units or units never treated that are observed in all periods, or with
        fewer than two periods before adoption.
    """
    panel = require_panel(data)
    adoption = read_adoption(panel, spec.cohort, spec.treatment)
    formula = with_effects(parse_formula(spec.formula), panel.unit, panel.time, panel.columns)
    if formula.effects and len(formula.effects) > 2:
        raise SpecificationError("Effects beside units and periods are not taken off here.")
    sample, notes = make_sample(panel, formula, None, ((panel.time,),))
    sample, adoption, more = comparable(sample, adoption, "never", 0, remedy=LATE)
    sample, dropped = complete_units(sample)
    y = collect(sample).outcome
    taken: tuple[str, ...] = ()
    if sample.names:
        free = sample.only(untreated_rows(sample, adoption, 0))
        first = first_stage(free, formula.effects or ())
        y = y - first.slopes @ collect(sample).regressors
        taken = first.notes
    start = sample_start(adoption, sample)
    _require_groups(start)
    present = np.flatnonzero(sample.level_rows((panel.time,)) > 0)
    steps = adoption.steps[present]
    number = np.where(start == NEVER, steps.size, np.searchsorted(steps, start))
    _require_periods(number, steps, adoption)
    times = list(panel.index.times[present])
    outcomes = Outcomes(y.reshape(start.size, steps.size), number)
    if predictors is not None:
        earliest = int(number.min())
        adopted = label_text(adoption.label(int(steps[earliest])))
        table = read_predictors(panel, sample, predictors, times, earliest, adopted)
        outcomes = replace(outcomes, table=table)
    notes = (*adoption.notes, *notes, *more, *dropped, *taken)
    return Reading(sample, adoption, steps, times, outcomes, notes)


def _require_groups(start: IntArray) -> None:
    for group, there in (("treated", start < NEVER), ("never treated", start == NEVER)):
        if not there.any():
            raise IdentificationError(
                f"No unit that is {group} is observed in all periods. Complete the panel, or leave "
                "out the periods that units miss."
            )


def _require_periods(start: IntArray, steps: IntArray, adoption: Adoption) -> None:
    early = (start < 2) & (start < steps.size)
    if early.any():
        names = {label_text(adoption.label(steps[g])) for g in start[early]}
        raise IdentificationError(
            f"Cohorts with fewer than two periods before adoption ({', '.join(sorted(names))}) "
            "cannot be matched: leave them out."
        )
