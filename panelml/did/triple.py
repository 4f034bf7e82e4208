"""Triple differences: cohorts whose units are only in part eligible for the policy."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from panelml._typing import BoolArray, FloatArray, IntArray
from panelml.core.aggregation import Cells
from panelml.core.group_time import Contrast, difference_effect
from panelml.data.adoption import NEVER, Adoption, read_adoption
from panelml.data.formula import parse_formula
from panelml.data.panel import Panel
from panelml.data.sample import Sample
from panelml.data.weights import Weights, parse_weights
from panelml.did.base import assemble_effects, cell_labels, sample_start
from panelml.did.comparisons import Cell, comparable, complete_units, planned_cells
from panelml.did.contrasts import BalancedRows, Remarks, independent_columns
from panelml.did.group_time import Base, Control, Method
from panelml.engine.collect import collect
from panelml.engine.fold import capped
from panelml.engine.sampling import make_sample, require_panel
from panelml.errors import (
    ConvergenceError,
    DataError,
    IdentificationError,
    SpecificationError,
    check_choice,
    listing,
)
from panelml.inference.correction import Counts
from panelml.inference.covariance import CovLike
from panelml.inference.influence import UnitInfluence
from panelml.results.averages import label_text
from panelml.results.effects import EffectResults

__all__ = ["TripleDifference"]


@dataclass(frozen=True, slots=True)
class TripleDifference:
    """Effects on eligible units, net of what moves ineligible units of the same cohorts.

    Parameters
    ----------
    formula : str
        ``"y ~ 1"``, or ``"y ~ x"``: trends then differ in the same way given x.
    eligible : str
        Column of 0 and 1: which units the policy applies to once their cohort adopts.
    cohort, treatment : str, optional
        Column with the first period in which each unit's group adopts, eligible or not, or of 0
        and 1: see ``Timing``.
    control : {"never", "not-yet"}
        Compare with groups that never adopt; or with each group that has not adopted yet, one by
        one, averaged with the weights of least variance.
    method, base, anticipation, weights, cov
        As for ``CallawaySantAnna``.

    Notes
    -----
    Source: Ortiz-Villavicencio and Sant'Anna (2025), "Better understanding triple differences
    estimators", arXiv 2505.09942. Groups not yet treated are not pooled: their trends may
    differ from each other.
    """

    formula: str
    eligible: str
    cohort: str | None = None
    treatment: str | None = None
    control: Control = "never"
    method: Method = "dr"
    base: Base = "varying"
    anticipation: int = 0
    weights: str | Weights | None = None
    cov: CovLike = "cluster"

    def __post_init__(self) -> None:
        for name, choices in (("control", Control), ("method", Method), ("base", Base)):
            check_choice(name, getattr(self, name), choices)

    @capped
    def fit(self, data: Any) -> EffectResults:
        """Estimate the effects on a Panel, or a pandas frame with a (unit, time) MultiIndex.

        Raises
        ------
        DataError
            If eligibility is not 0 or 1, or varies within a unit.
        IdentificationError
            If there is no comparison group, or a cohort has no eligible or ineligible units.
        """
        panel = require_panel(data)
        adoption = read_adoption(panel, self.cohort, self.treatment)
        eligible = _eligible(panel, self.eligible)
        formula = parse_formula(self.formula)
        if formula.effects is not None:
            raise SpecificationError("Units and periods are compared, not absorbed: leave out '|'.")
        sample, notes = make_sample(
            panel, replace(formula, intercept=True), parse_weights(self.weights)
        )
        sample, adoption, more = comparable(sample, adoption, self.control, self.anticipation)
        sample, dropped = complete_units(sample)
        start = sample_start(adoption, sample)
        present = np.flatnonzero(sample.level_rows((panel.time,)) > 0)
        steps = adoption.steps[present]
        cells, without = planned_cells(
            np.unique(start[start < NEVER]), steps, base=self.base, anticipation=self.anticipation
        )
        rows = BalancedRows.of(collect(sample), ("Intercept", *sample.names), start)
        remarks = Remarks()
        problem = _Problem(rows, eligible[sample.unit_rows > 0], self, adoption, steps, remarks)
        found = [(cell, *pair) for cell in cells if (pair := problem.effect(cell)) is not None]
        if without:
            names = listing(label_text(adoption.label(g)) for g in without)
            remarks.add("Left out cohorts without a period before adoption", names)
        notes = (*adoption.notes, *notes, *more, *dropped, *remarks.notes())
        if not found:
            raise IdentificationError(" ".join(["No effect can be estimated.", *notes]))
        return _assemble(self, sample, adoption, problem, found, notes)


@dataclass(frozen=True, slots=True)
class _Problem:
    """Outcomes, eligibility, and what was asked for."""

    rows: BalancedRows
    eligible: BoolArray
    spec: TripleDifference
    adoption: Adoption
    steps: IntArray
    remarks: Remarks

    def effect(self, cell: Cell) -> tuple[float, FloatArray] | None:
        """Estimate one effect and the influence of each unit; None where it is not defined."""
        start = self.rows.start
        controls = cell.controls(start, self.spec.control)
        found = [
            pair for g in np.unique(start[controls])
            if (pair := self._against(cell, start == g)) is not None
        ]  # fmt: skip
        if not found:
            self.remarks.add("Nobody to compare: effects left out", self._name(cell))
            return None
        effects, psi = np.array([f[0] for f in found]), np.stack([f[1] for f in found])
        weights = np.linalg.pinv(psi @ psi.T).sum(axis=0)
        weights /= weights.sum()
        return float(weights @ effects), weights @ psi

    def _against(self, cell: Cell, control: BoolArray) -> tuple[float, FloatArray] | None:
        """Compare with one control group: three differences of differences."""
        cohort = self.rows.start == cell.cohort
        target = cohort & self.eligible
        effect, psi = 0.0, np.zeros(target.size)
        for sign, group in (
            (1.0, cohort & ~self.eligible), (1.0, control & self.eligible),
            (-1.0, control & ~self.eligible),
        ):  # fmt: skip
            pair = self._difference(cell, target, group)
            if pair is None:
                return None
            effect += sign * pair[0]
            psi += sign * pair[1]
        return effect, psi

    def _difference(
        self, cell: Cell, target: BoolArray, group: BoolArray
    ) -> tuple[float, FloatArray] | None:
        rows = self.rows.rows(cell, target | group)
        treated = target[rows]
        if not treated.any() or treated.all():
            return None
        x, w = self.rows.covariates(cell, rows), self.rows.weights(rows)
        x = x[:, independent_columns(x[~treated], w[~treated])]
        try:
            contrast = Contrast.of(x, treated, w, self.spec.method)
        except ConvergenceError as error:
            self.remarks.add(f"Comparisons left out because {error}", self._name(cell))
            return None
        change = (self.rows.y[cell.time] - self.rows.y[cell.base])[rows]
        effect, moved = difference_effect(contrast, change)
        psi = np.zeros(target.size)
        psi[rows] = moved
        return effect, psi

    def _name(self, cell: Cell) -> str:
        words = (label_text(self.adoption.label(s)) for s in (cell.cohort, self.steps[cell.time]))
        return f"cohort {next(words)}, period {next(words)}"


def _eligible(panel: Panel, column: str) -> BoolArray:
    values = panel.numbers(column, "Eligibility").astype(np.float64)
    first = panel.index.starts[:-1]
    low, high = np.minimum.reduceat(values, first), np.maximum.reduceat(values, first)
    wrong = ~np.isin(values, (0.0, 1.0))
    if wrong.any():
        rows = sorted(panel.index.position(int(i)) for i in np.flatnonzero(wrong))
        raise DataError(
            f"Eligibility {column!r} must be 0 or 1; it is not in {int(wrong.sum())} rows (row "
            f"{listing(rows)})."
        )
    if (low != high).any():
        raise DataError(
            f"Eligibility {column!r} varies within {int((low != high).sum()):,} units "
            f"({panel.unit} {listing(panel.index.units[low != high])})."
        )
    return np.asarray(low == 1)


def _assemble(
    spec: TripleDifference, sample: Sample, adoption: Adoption, problem: _Problem,
    found: list[tuple[Cell, float, FloatArray]], notes: tuple[str, ...],
) -> EffectResults:  # fmt: skip
    rows, steps = problem.rows, problem.steps
    weight = rows.w / rows.w.sum()
    cohort = np.array([cell.cohort for cell, _, _ in found])
    member = (cohort[:, None] == rows.start) & problem.eligible
    cells = Cells(cohort, steps[[cell.time for cell, _, _ in found]], member @ weight)
    references = (-1 - spec.anticipation,) if spec.base == "universal" else ()
    return assemble_effects(
        model="Triple differences", spec=spec, sample=sample,
        labels=cell_labels(adoption, cells), params=np.array([effect for _, effect, _ in found]),
        influence=UnitInfluence(sample, np.stack([psi for _, _, psi in found])),
        sizes=UnitInfluence(sample, member * weight),
        counts=Counts(sample.nobs, len(found), False, normal=True, rule="asymptotic"),
        cov=spec.cov, cells=cells, references=references, anticipation=spec.anticipation,
        notes=notes,
    )  # fmt: skip
