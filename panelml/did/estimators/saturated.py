"""Fit a regression on indicators of cohorts, periods or horizons, and assemble its effects."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np

from panelml._typing import FloatArray
from panelml.core.absorb_plan import AbsorbPlan, Factor
from panelml.data.formula.formula import Effect
from panelml.data.sample import Sample
from panelml.did.core.adoption import NEVER
from panelml.did.core.aggregation import Cells
from panelml.did.core.imputation import Assignment
from panelml.did.core.saturated import (
    EFFECT,
    AddEffects,
    LevelEffects,
    level_effects,
    level_influence,
)
from panelml.did.estimators.base import EffectFit, assemble_effects, policy_fit
from panelml.did.estimators.moderators import add_moderators, moderator_factors
from panelml.did.estimators.slopes import estimate_slopes
from panelml.did.results.effects import EffectResults
from panelml.engine.absorbing import Absorbed, absorb_plan, make_plan
from panelml.engine.fold import fold
from panelml.errors import IdentificationError, listing
from panelml.inference.correction import Counts
from panelml.inference.covariance import CovLike, Estimate
from panelml.inference.influence import UnitInfluence
from panelml.results.facts import Facts

__all__ = ["Saturated", "fit_saturated"]


class RegressionSpec(Protocol):
    """A specification of a two-way regression."""

    @property
    def cov(self) -> CovLike:
        """The covariance of the results."""
        ...


@dataclass(frozen=True, slots=True)
class Saturated:
    """What a regression on indicators estimates, and how it is called.

    Attributes
    ----------
    model : str
    spec : object
    sample : Sample
        Of a formula with the effects that are absorbed beside the indicators.
    assignment : Assignment
        Rows to effects.
    labels : DataFrame
    notes : tuple of str
    cells : Cells, or None
    references : tuple of int
    moderators : tuple of str
        Variables that effects depend on.
    """

    model: str
    spec: RegressionSpec
    sample: Sample
    assignment: Assignment
    labels: Any
    notes: tuple[str, ...]
    cells: Cells | None = None
    references: tuple[int, ...] = ()
    moderators: tuple[str, ...] = ()

    @property
    def effects(self) -> tuple[Effect, ...]:
        """What is absorbed beside the indicators."""
        return self.sample.design.formula.effects or ()


def fit_saturated(task: Saturated) -> EffectResults:
    """Estimate the effects.

    Raises
    ------
    IdentificationError
        If effects are not identified: their names are in the message.
    """
    own = Factor(EFFECT, task.assignment.count, EFFECT, 0)
    plan = _with_effects(make_plan(task.sample, task.effects), own, task)
    sample = task.sample.then(task.sample.names, AddEffects(task.assignment))
    sample = add_moderators(sample, task.moderators, task.assignment)
    absorbed = absorb_plan(sample, plan)
    slopes = estimate_slopes(sample, absorbed, " + ".join(["the effects", *map(str, task.effects)]))
    fit = _effects(task, absorbed, slopes.coef, slopes.bread)
    psi = fold(sample, lambda b: level_influence(b, absorbed.transform, absorbed.plan, fit)).sums
    kept = int((np.diag(slopes.bread) > 0).sum())
    count, rank = task.assignment.count, absorbed.rank - task.assignment.count
    counts = Counts(
        sample.nobs,
        count + kept,
        False,
        task.effects,
        rank,
        effects_rank=None if task.moderators else rank,
    )
    if counts.df_resid <= 0:
        raise IdentificationError(
            f"{counts.nobs} rows are too few for {counts.nobs - counts.df_resid} parameters."
        )
    labels, cells = _sized(task, absorbed)
    influence = UnitInfluence(task.sample, psi)
    model_cov = slopes.rss / counts.df_resid * fit.bread
    estimate = Estimate(tuple(labels.index), influence, model_cov, counts)
    facts = Facts("policy", task.model, absorbed=task.effects)
    notes = (*task.notes, *slopes.notes)
    effects = EffectFit(
        policy_fit(task.spec, facts, estimate, fit.effects, notes),
        labels,
        cells=cells,
        references=task.references,
        start=task.assignment.start,
    )
    return assemble_effects(effects, task.spec.cov)


def _sized(task: Saturated, absorbed: Absorbed) -> tuple[Any, Cells | None]:
    """Give labels and cells the weight of their rows."""
    if absorbed.system is None or "size" not in task.labels.columns:
        return task.labels, task.cells
    size = absorbed.system.before[: task.assignment.count]
    cells = None if task.cells is None else replace(task.cells, size=size)
    return task.labels.assign(size=size), cells


def _with_effects(plan: AbsorbPlan, own: Factor, task: Saturated) -> AbsorbPlan:
    """Put the indicators before the other effects, and their interactions after these."""
    moved = tuple(replace(factor, first=factor.first + own.levels) for factor in plan.factors)
    source = task.sample.source
    more = moderator_factors(
        task.moderators, own.levels, source.time, source.n_periods, own.levels + plan.levels
    )
    return AbsorbPlan(plan.unit_intercept, plan.unit_slopes, (own, *moved, *more))


def _effects(
    task: Saturated, absorbed: Absorbed, slopes: FloatArray, bread: FloatArray
) -> LevelEffects:
    system, plan, m = absorbed.system, absorbed.plan, task.assignment.count
    if system is None or not m:
        raise IdentificationError("No effect is left to estimate: no row is of a treated unit.")
    unit = np.eye(plan.levels, m)
    inverse = system.solve_for(plan, unit)
    _require_identified(task, system.apply(inverse) - unit)
    return level_effects(slice(0, m), absorbed.coef, inverse, slopes, bread)


def _require_identified(task: Saturated, gap: FloatArray) -> None:
    """Refuse effects for which no combination of rows gives them alone."""
    lost = np.abs(gap).max(axis=0) > 1e-6
    if not lost.any():
        return
    names = listing(str(name) for name in task.labels.index[lost])
    words = f"combinations of each other and of {' + '.join(map(str, task.effects))}"
    remedy = "A cohort needs rows before and after adoption beside rows of units not treated then."
    if (task.assignment.start < NEVER).all():
        remedy = (
            "Without never-treated units, another reference period is needed."
            if task.references
            else "No unit is never treated: rows of units not treated yet are needed beside each "
            "treated row."
        )
    raise IdentificationError(
        f"{int(lost.sum())} of {lost.size} effects are not identified ({names}): they are {words}. "
        f"{remedy}"
    )
