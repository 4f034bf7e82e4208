"""From a specification to the effects of cohorts in periods to estimate, and back to results."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, TypeAlias

import numpy as np

from panelml._typing import BoolArray, FloatArray, IntArray
from panelml.data.panel.weights import Weights, parse_weights
from panelml.data.sample import Sample
from panelml.data.source.source import Source
from panelml.did.core.adoption import NEVER, Adoption
from panelml.did.core.aggregation import Cells
from panelml.did.estimators.base import (
    EffectFit,
    assemble_effects,
    asymptotic_estimate,
    cell_labels,
    policy_fit,
    sample_start,
)
from panelml.did.estimators.comparisons import (
    Cell,
    comparable,
    compared_formula,
    complete_units,
    planned_cells,
    single_units,
)
from panelml.did.estimators.contrasts import Estimates
from panelml.did.results.averages import label_text
from panelml.did.results.effects import EffectResults
from panelml.engine.sampling import make_sample
from panelml.errors import (
    IdentificationError,
    listing,
)
from panelml.inference.covariance import CovLike
from panelml.inference.influence import UnitInfluence
from panelml.results.facts import Facts

__all__ = ["Base", "Control", "Method", "Plan", "make_plan"]

Control: TypeAlias = Literal["never", "not-yet"]
Method: TypeAlias = Literal["dr", "dr-improved", "ipw", "reg"]
Base: TypeAlias = Literal["varying", "universal"]


class _Comparing(Protocol):
    """A specification that compares cohorts with others, period by period."""

    @property
    def formula(self) -> str: ...

    @property
    def control(self) -> Control: ...

    @property
    def method(self) -> Method: ...

    @property
    def base(self) -> Base: ...

    @property
    def anticipation(self) -> int: ...

    @property
    def weights(self) -> str | Weights | None: ...

    @property
    def cov(self) -> CovLike: ...


@dataclass(frozen=True, slots=True)
class Plan:
    """What there is to estimate.

    Attributes
    ----------
    spec : _Comparing
    sample : Sample
    adoption : Adoption
    start : IntArray, shape (units,)
        Step at which each unit of the sample adopts.
    present : IntArray, shape (T,)
        Codes of the periods in the sample.
    steps : IntArray, shape (T,)
        Their steps.
    cells : list of Cell
    notes : tuple of str
    """

    spec: _Comparing
    sample: Sample
    adoption: Adoption
    start: IntArray
    present: IntArray
    steps: IntArray
    cells: list[Cell]
    notes: tuple[str, ...]

    def name(self, cell: Cell) -> str:
        """Call an effect as its label does."""
        cohort, period = (self.label(step) for step in (cell.cohort, self.steps[cell.time]))
        return f"att({cohort}, {period})"

    def label(self, step: int) -> str:
        """Write a cohort or a period as the user does."""
        return label_text(self.adoption.label(step))

    def assemble(
        self, model: str, found: Estimates, weight: FloatArray, eligible: BoolArray | None = None
    ) -> EffectResults:
        """Put the estimated effects together.

        Parameters
        ----------
        model : str
            Name of the estimator.
        found : Estimates
        weight : FloatArray, shape (units,)
            Share of each unit in the weights.
        eligible : BoolArray, shape (units,), optional
            Units on which effects are, if not all of a cohort.

        Raises
        ------
        IdentificationError
            If nothing was estimated.
        """
        spec, sample = self.spec, self.sample
        notes = (*self._lost(found.cells), *self.notes, *found.notes)
        if not found.cells:
            raise IdentificationError(" ".join(["No effect can be estimated.", *notes]))
        cohort = np.array([cell.cohort for cell in found.cells])
        member = cohort[:, None] == self.start
        if eligible is not None:
            member &= eligible
        times = self.steps[[cell.time for cell in found.cells]]
        cells = Cells(cohort, times, member @ weight)
        references, mixed = self._references(found.cells)
        labels = cell_labels(self.adoption, cells)
        estimate = asymptotic_estimate(labels.index, UnitInfluence(sample, found.psi))
        facts = Facts("policy", model)
        effects = EffectFit(
            policy_fit(spec, facts, estimate, found.effects, (*notes, *mixed)),
            labels,
            cells=cells,
            sizes=UnitInfluence(sample, member * weight),
            references=references,
            anticipation=spec.anticipation,
            start=self.start,
        )
        return assemble_effects(effects, spec.cov)

    def _lost(self, kept: Sequence[Cell]) -> tuple[str, ...]:
        """Say how many effects of which cohorts were not estimated, if some were."""
        if not 0 < len(kept) < len(self.cells):
            return ()
        planned, left = (Counter(cell.cohort for cell in cells) for cells in (self.cells, kept))
        lost = listing(
            f"{n - left[g]} of {n} of cohort {self.label(g)}"
            for g, n in planned.items()
            if left[g] < n
        )
        return (
            f"{len(self.cells) - len(kept)} of {len(self.cells)} effects could not be estimated, "
            f"and averages are without them: {lost}.",
        )

    def _references(self, cells: Sequence[Cell]) -> tuple[tuple[int, ...], tuple[str, ...]]:
        """Horizons with which a cohort's effects compare, and a note where cohorts differ."""
        if self.spec.base == "varying":
            return (), ()
        base = {cell.cohort: int(self.steps[cell.base]) - cell.cohort for cell in cells}
        references = tuple(sorted(set(base.values())))
        usual = -1 - self.spec.anticipation
        if references == (usual,):
            return references, ()
        words = listing(
            f"{self.label(cohort)} with {horizon}"
            for cohort, horizon in base.items()
            if horizon != usual
        )
        return references, (
            f"Nobody is observed at horizon {usual} of some cohorts, whose effects compare with an "
            f"earlier one: {words}.",
        )


def make_plan(
    spec: _Comparing, source: Source, adoption: Adoption, *, whole: bool, remedy: str = ""
) -> Plan:
    """Read the rows that can be compared, and list the effects.

    Parameters
    ----------
    spec : _Comparing
    source : Source
    adoption : Adoption
    whole : bool
        Whether units must be observed in all periods.
    remedy : str
        What else can be done with units that are not.

    Raises
    ------
    SpecificationError
        If the formula absorbs effects.
    IdentificationError
        If there is no comparison group, or no cohort is left.
    """
    formula = compared_formula(spec.formula)
    sample, notes = make_sample(source, formula, parse_weights(spec.weights))
    sample, adoption, more = comparable(sample, adoption, spec.control, spec.anticipation)
    dropped: tuple[str, ...] = ()
    if whole:
        sample, dropped = complete_units(sample, remedy)
    start = sample_start(adoption, sample)
    present = np.flatnonzero(sample.level_rows((source.time,)) > 0)
    steps = adoption.steps[present]
    cells, without = planned_cells(
        np.unique(start[start < NEVER]), steps, base=spec.base, anticipation=spec.anticipation
    )
    notes = (
        *adoption.notes,
        *notes,
        *more,
        *dropped,
        *_without(without, adoption),
        *single_units(start, adoption),
    )
    return Plan(spec, sample, adoption, start, present, steps, cells, notes)


def _without(cohorts: Sequence[int], adoption: Adoption) -> tuple[str, ...]:
    if not cohorts:
        return ()
    names = listing(label_text(adoption.label(g)) for g in cohorts)
    return (f"Left out cohorts without a period before adoption and its anticipation: {names}.",)
