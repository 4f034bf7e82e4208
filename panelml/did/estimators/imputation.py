"""Imputation and two-stage estimators: untreated rows predict what treated ones would have been."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass, replace
from typing import Any, Literal, TypeAlias

import numpy as np

from panelml._typing import BoolArray, FloatArray
from panelml.arguments import checked
from panelml.data.formula.formula import parse_formula
from panelml.data.panel.weights import Weights, parse_weights
from panelml.data.sample import Sample
from panelml.data.source.given import DataLike
from panelml.did.core.adoption import Adoption, read_adoption
from panelml.did.core.aggregation import Cells
from panelml.did.core.imputation import (
    Assignment,
    EffectSquares,
    Imputer,
    TreatedSums,
    solve_effects,
    unit_influence,
)
from panelml.did.estimators.assignment import CohortGrid, assign
from panelml.did.estimators.base import (
    EffectFit,
    assemble_effects,
    asymptotic_estimate,
    cell_labels,
    horizon_labels,
    policy_fit,
    sample_start,
    single_label,
)
from panelml.did.estimators.leads import Leads, pretrends
from panelml.did.estimators.untreated import (
    FirstStage,
    first_stage,
    imputable,
    untreated_rows,
    with_effects,
)
from panelml.did.results.effects import EffectResults
from panelml.engine.fold import capped, fold
from panelml.engine.sampling import make_sample, require_source
from panelml.errors import listing
from panelml.inference.covariance import CovLike
from panelml.inference.influence import UnitInfluence
from panelml.results.facts import Facts
from panelml.results.show.frames import joined_labels

__all__ = ["BorusyakJaravelSpiess", "TwoStageDiD"]

Level: TypeAlias = Literal["group-time", "event", "static"]


@checked
@dataclass(frozen=True, slots=True)
class BorusyakJaravelSpiess:
    """Imputation: effects by cohort and time, from the outcomes that untreated rows predict.

    Parameters
    ----------
    formula : str
        ``"y ~ 1"``, or with covariates that the policy does not move, ``"y ~ x"``; unit and
        period effects are absorbed, or what stands after ``|``, the unit's among it.
    cohort, treatment : str, optional
        Column with each unit's first treated period, or of 0 and 1: see ``Timing``.
    anticipation : int
        Periods before adoption in which there may be effects already.
    leads : int
        Number of periods before adoption whose pre-trend coefficients are estimated, in a
        regression on untreated rows alone.
    leave_out : bool
        Whether the variance compares each row's effect with the mean of the others of its cohort
        and period, which is less biased downwards where these are few.
    weights : str or Weights, optional
    cov : str or covariance

    Notes
    -----
    Source: Borusyak, Jaravel and Spiess (2024), *Review of Economic Studies* 91, 3253-3285;
    theorem 3 and equation 8 for the variance.

    Examples
    --------
    >>> import panelml as pm
    >>> panel = pm.Panel(pm.simulate.staggered(90, 7, seed=1), unit="unit", time="time")
    >>> fit = pm.BorusyakJaravelSpiess("y ~ 1", cohort="cohort").fit(panel)
    >>> print(fit.aggregate().params.round(2).to_dict())
    {'att': 1.13}
    """

    formula: str
    _: KW_ONLY
    cohort: str | None = None
    treatment: str | None = None
    anticipation: int = 0
    leads: int = 0
    leave_out: bool = False
    weights: str | Weights | None = None
    cov: CovLike = "cluster"

    @capped
    def fit(self, data: DataLike) -> EffectResults:
        """Estimate the effects on a Panel, or a pandas frame with a (unit, time) MultiIndex.

        Raises
        ------
        IdentificationError
            If no untreated row is left to impute from, or no treated row can be imputed.
        """
        return _fit(self, data, "Imputation", "group-time", self.leads, leave_out=self.leave_out)


@checked
@dataclass(frozen=True, slots=True)
class TwoStageDiD:
    """Two stages: adjust by effects estimated on untreated rows, then average by treatment.

    Parameters
    ----------
    formula : str
        As for ``BorusyakJaravelSpiess``.
    cohort, treatment : str, optional
        Column with each unit's first treated period, or of 0 and 1: see ``Timing``.
    effects : {"static", "event", "group-time"}
        What the second stage estimates: one effect, one for each horizon, or one for each cohort
        and period.
    anticipation : int
        Periods before adoption that do not count as untreated.
    weights : str or Weights, optional
    cov : str or covariance

    Notes
    -----
    Source: Gardner (2022), "Two-stage differences in differences", with the variance of
    Newey and McFadden (1994), section 6.1, for both stages.

    Examples
    --------
    >>> import panelml as pm
    >>> panel = pm.Panel(pm.simulate.staggered(90, 7, seed=1), unit="unit", time="time")
    >>> fit = pm.TwoStageDiD("y ~ 1", cohort="cohort").fit(panel)
    >>> print(fit.params.round(2).to_dict())
    {'att': 1.13}
    """

    formula: str
    _: KW_ONLY
    cohort: str | None = None
    treatment: str | None = None
    effects: Level = "static"
    anticipation: int = 0
    weights: str | Weights | None = None
    cov: CovLike = "cluster"

    @capped
    def fit(self, data: DataLike) -> EffectResults:
        """Estimate the effects on a Panel, or a pandas frame with a (unit, time) MultiIndex.

        Raises
        ------
        IdentificationError
            If no untreated row is left for the first stage, or no treated row can be adjusted.
        """
        return _fit(self, data, "Two-stage", self.effects, 0, leave_out=None)


def _fit(
    spec: BorusyakJaravelSpiess | TwoStageDiD,
    data: DataLike,
    model: str,
    level: Level,
    leads: int,
    *,
    leave_out: bool | None,
) -> EffectResults:
    source = require_source(data)
    adoption = read_adoption(source, spec.cohort, spec.treatment)
    adoption.require_cohorts()
    formula = with_effects(parse_formula(spec.formula), source.unit, source.time, source.columns)
    effects = formula.effects or ()
    others = tuple(e.columns for e in effects if e.columns != (source.unit,))
    whole, notes = make_sample(source, formula, parse_weights(spec.weights), others)
    sample, more = imputable(whole, untreated_rows(whole, adoption, spec.anticipation), effects)
    free = sample.only(untreated_rows(sample, adoption, spec.anticipation))
    first = first_stage(free, effects)
    assignment, cells = _numbered(sample, adoption, spec.anticipation, level)
    rows = first.precise(sample)
    sums = fold(rows, lambda b: TreatedSums.of(b, assignment, first.absorbed.plan))
    imputer = solve_effects(sums, first.slopes, first.bread, first.coef, first.solve(sums.levels))
    psi = _influence(rows, assignment, first, sums, imputer, leave_out)
    pre = Leads.none(psi.shape[1])
    if leads:
        pre = pretrends(free, sample, assignment.start, effects, leads, spec.anticipation)
    imputed = ImputedEffects(
        adoption, level, replace(cells, size=sums.size), imputer.effects, psi, sums.rows == 1, pre
    )
    return _assemble(spec, model, sample, imputed, (*adoption.notes, *notes, *more, *first.notes))


def _numbered(
    sample: Sample, adoption: Adoption, anticipation: int, level: Level
) -> tuple[Assignment, Cells]:
    grid = CohortGrid.of(sample, adoption)
    since = grid.horizon
    label = {"group-time": np.arange(since.size), "event": since, "static": np.zeros_like(since)}
    used = since >= (0 if level == "static" else -anticipation)
    return assign(grid, label[level], used, anticipation)


def _influence(
    sample: Sample,
    assignment: Assignment,
    first: FirstStage,
    sums: TreatedSums,
    imputer: Imputer,
    leave_out: bool | None,
) -> FloatArray:
    """How each unit moved the effects, shape (m, units); ``leave_out`` is None for two stages."""
    plan, centre = first.absorbed.plan, imputer.effects
    if leave_out is not None and sample.weights is not None:
        squares = fold(sample, lambda b: EffectSquares.of(b, assignment, plan, imputer))
        centre = squares.means
    return fold(
        sample,
        lambda b: unit_influence(
            b, assignment, plan, sums, imputer, centre=centre, leave_out=bool(leave_out)
        ),
    ).sums


@dataclass(frozen=True, slots=True)
class ImputedEffects:
    """Effects, and the coefficients of the last periods before adoption.

    Attributes
    ----------
    adoption : Adoption
    level : {"group-time", "event", "static"}
        What effects are of.
    cells : Cells
    effects : FloatArray, shape (m,)
    psi : FloatArray, shape (m, units)
        How each unit moved them.
    lonely : BoolArray, shape (m,)
        Effects of a single row.
    leads : Leads
    """

    adoption: Adoption
    level: Level
    cells: Cells
    effects: FloatArray
    psi: FloatArray
    lonely: BoolArray
    leads: Leads

    @property
    def labels(self) -> Any:
        """Labels of the effects."""
        if self.level == "group-time":
            return cell_labels(self.adoption, self.cells)
        if self.level == "event":
            return horizon_labels(self.cells.horizon.tolist(), self.cells.size)
        return single_label()

    def with_leads(self, labels: Any) -> tuple[Any, Cells]:
        """Add the coefficients before adoption to labels and cells."""
        leads = self.leads
        if not leads.horizons.size:
            return labels, self.cells
        before = horizon_labels(leads.horizons.tolist(), np.ones(leads.coef.size))
        return joined_labels(labels, before), _with_leads(self.cells, leads)


def _assemble(
    spec: BorusyakJaravelSpiess | TwoStageDiD,
    model: str,
    sample: Sample,
    imputed: ImputedEffects,
    notes: tuple[str, ...],
) -> EffectResults:
    leads, own = imputed.leads, imputed.labels
    labels, cells = imputed.with_leads(own)
    influence = UnitInfluence(sample, np.concatenate([imputed.psi, leads.psi]))
    more = (note for note in leads.notes if note not in notes)
    notes = (*notes, *_single_rows(own.index[imputed.lonely]), *more)
    absorbed = sample.design.formula.effects or ()
    fit = policy_fit(
        spec,
        Facts("policy", model, absorbed=absorbed),
        asymptotic_estimate(labels.index, influence),
        np.concatenate([imputed.effects, leads.coef]),
        notes,
    )
    effects = EffectFit(
        fit,
        labels,
        cells=cells if imputed.level == "group-time" else None,
        anticipation=spec.anticipation,
        start=sample_start(imputed.adoption, sample),
    )
    return assemble_effects(effects, spec.cov)


def _with_leads(cells: Cells, leads: Leads) -> Cells:
    """Add coefficients of all cohorts together as cells of their horizon alone."""
    cohort = np.full(leads.horizons.size, cells.cohort[0])
    return Cells(
        np.concatenate([cells.cohort, cohort]),
        np.concatenate([cells.time, cohort + leads.horizons]),
        np.concatenate([cells.size, np.ones(leads.horizons.size)]),
    )


def _single_rows(names: Sequence[str]) -> tuple[str, ...]:
    """Note effects of a single row, whose own deviation is not seen."""
    if not len(names):
        return ()
    return (
        f"{len(names):,} effects are of a single row ({listing(names)}): how far it is from the "
        "effect by chance is not seen, and their standard errors are too small.",
    )
