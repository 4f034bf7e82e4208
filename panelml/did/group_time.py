"""Callaway and Sant'Anna's effects of cohorts in periods."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from panelml._typing import FloatArray, IntArray
from panelml.core.aggregation import Cells
from panelml.data.adoption import NEVER, Adoption, read_adoption
from panelml.data.formula import parse_formula
from panelml.data.sample import Sample
from panelml.data.weights import Weights, parse_weights
from panelml.did.base import assemble_effects, cell_labels, sample_start
from panelml.did.comparisons import Cell, comparable, complete_units, planned_cells
from panelml.did.contrasts import BalancedRows, Estimates, SectionRows, estimate_cells
from panelml.engine.collect import collect
from panelml.engine.fold import capped
from panelml.engine.sampling import make_sample, require_panel
from panelml.errors import (
    IdentificationError,
    SpecificationError,
    check_choice,
    check_count,
    listing,
)
from panelml.inference.correction import Counts
from panelml.inference.covariance import CovLike
from panelml.inference.influence import UnitInfluence
from panelml.results.averages import label_text
from panelml.results.effects import EffectResults

__all__ = ["CallawaySantAnna"]

Control = Literal["never", "not-yet"]
Method = Literal["dr", "dr-improved", "ipw", "reg"]
Base = Literal["varying", "universal"]


@dataclass(frozen=True, slots=True)
class CallawaySantAnna:
    """Effects by cohort and period, each from a comparison with units that are not treated.

    Parameters
    ----------
    formula : str
        ``"y ~ 1"``, or ``"y ~ x"``: trends are then parallel given x. With ``panel=True`` the
        covariates are those of the earlier of the two periods that are compared.
    cohort, treatment : str, optional
        Column with each unit's first treated period, or of 0 and 1: see ``Timing``.
    control : {"never", "not-yet"}
        Compare with units that never adopt, or with all that have not adopted yet.
    method : {"dr", "dr-improved", "ipw", "reg"}
        How covariates are used: doubly robust; doubly robust with estimates that do not move the
        effect to first order; inverse probability weights; regression of outcomes.
    base : {"varying", "universal"}
        Effects before adoption compare with the period before, or with the last one before
        adoption.
    anticipation : int
        Periods before adoption in which there may be effects already.
    panel : bool
        Whether outcomes are differenced within units, which then must be observed in all
        periods. False compares averages of the rows of each period: for repeated
        cross-sections, and to keep incomplete units.
    weights : str or Weights, optional
        Sampling weights; with ``panel=True`` those of a unit's first period.
    cov : str or covariance
        Clustered by unit by default; ``pm.cov.MultiplierBootstrap()`` for the bootstrap.

    Notes
    -----
    Source: Callaway and Sant'Anna (2021), *Journal of Econometrics* 225, 200-230.
    """

    formula: str
    cohort: str | None = None
    treatment: str | None = None
    control: Control = "never"
    method: Method = "dr"
    base: Base = "varying"
    anticipation: int = 0
    panel: bool = True
    weights: str | Weights | None = None
    cov: CovLike = "cluster"

    def __post_init__(self) -> None:
        for name, choices in (("control", Control), ("method", Method), ("base", Base)):
            check_choice(name, getattr(self, name), choices)
        check_count("anticipation", self.anticipation, 0)

    @capped
    def fit(self, data: Any) -> EffectResults:
        """Estimate the effects on a Panel, or a pandas frame with a (unit, time) MultiIndex.

        Raises
        ------
        IdentificationError
            If there is no comparison group, no cohort with a period before, or covariates
            predict adoption perfectly.
        """
        panel = require_panel(data)
        adoption = read_adoption(panel, self.cohort, self.treatment)
        formula = parse_formula(self.formula)
        if formula.effects is not None:
            raise SpecificationError("Units and periods are compared, not absorbed: leave out '|'.")
        formula = replace(formula, intercept=True)
        sample, notes = make_sample(panel, formula, parse_weights(self.weights))
        sample, adoption, more = comparable(sample, adoption, self.control, self.anticipation)
        dropped: tuple[str, ...] = ()
        if self.panel:
            sample, dropped = complete_units(sample)
        start = sample_start(adoption, sample)
        present = np.flatnonzero(sample.level_rows((panel.time,)) > 0)
        steps = adoption.steps[present]
        cells, without = planned_cells(
            np.unique(start[start < NEVER]), steps, base=self.base, anticipation=self.anticipation
        )
        data = _arranged(sample, start, present, whole=self.panel)

        def name(cell: Cell) -> str:
            words = (label_text(adoption.label(s)) for s in (cell.cohort, steps[cell.time]))
            return f"cohort {next(words)}, period {next(words)}"

        found = estimate_cells(data, cells, self.control, self.method, name)
        notes = (
            *adoption.notes, *notes, *more, *dropped, *_without(without, adoption), *found.notes,
            *_small(start, adoption),
        )  # fmt: skip
        if not found.cells:
            raise IdentificationError(" ".join(["No effect can be estimated.", *notes]))
        return _assemble(self, sample, adoption, data, found, steps, notes)


def _arranged(
    sample: Sample, start: IntArray, present: IntArray, *, whole: bool
) -> BalancedRows | SectionRows:
    names = ("Intercept", *sample.names)
    data = collect(sample)
    if whole:
        return BalancedRows.of(data, names, start)
    period = np.zeros(sample.panel.n_periods, dtype=np.int64)
    period[present] = np.arange(present.size)
    return SectionRows.of(data, names, start, period)


def _assemble(
    spec: CallawaySantAnna, sample: Sample, adoption: Adoption, data: BalancedRows | SectionRows,
    found: Estimates, steps: IntArray, notes: tuple[str, ...],
) -> EffectResults:  # fmt: skip
    weight = _unit_weights(data)
    cohort = np.array([cell.cohort for cell in found.cells])
    member = cohort[:, None] == data.start
    cells = Cells(cohort, steps[[cell.time for cell in found.cells]], member @ weight)
    references = (-1 - spec.anticipation,) if spec.base == "universal" else ()
    return assemble_effects(
        model="Callaway-Sant'Anna", spec=spec, sample=sample, labels=cell_labels(adoption, cells),
        params=found.effects, influence=UnitInfluence(sample, found.psi),
        sizes=UnitInfluence(sample, member * weight),
        counts=Counts(sample.nobs, len(found.cells), False, normal=True, rule="asymptotic"),
        cov=spec.cov, cells=cells, references=references, anticipation=spec.anticipation,
        notes=notes,
    )  # fmt: skip


def _unit_weights(data: BalancedRows | SectionRows) -> FloatArray:
    """Share of each unit in the weights; of several rows, by their mean."""
    weight = data.w
    if isinstance(data, SectionRows):
        total = np.bincount(data.units, data.w)
        weight = total / np.bincount(data.units)
    return np.asarray(weight / weight.sum())


def _without(cohorts: list[int], adoption: Adoption) -> tuple[str, ...]:
    if not cohorts:
        return ()
    names = listing(label_text(adoption.label(g)) for g in cohorts)
    return (f"Left out cohorts without a period before adoption and its anticipation: {names}.",)


def _small(start: IntArray, adoption: Adoption) -> tuple[str, ...]:
    cohorts, counts = np.unique(start[start < NEVER], return_counts=True)
    if not (counts == 1).any():
        return ()
    names = listing(label_text(adoption.label(g)) for g in cohorts[counts == 1])
    return (
        f"Cohorts of a single unit ({names}): their standard errors do not see how far this unit "
        "is from others by chance, and are too small.",
    )
