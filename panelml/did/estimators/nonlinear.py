"""Extended two-way regressions of counts and yes/no outcomes: effects on their mean.

Parallel trends are those of the index: of logarithms of means for counts, of log-odds or of a
latent variable for yes/no outcomes. The regression has an indicator of each cohort and period
rather than effects of units, which would be inconsistent for most links.

Source: Wooldridge (2023), *Econometrics Journal* 26, C31-C66.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from panelml._typing import FloatArray, IntArray
from panelml.core.block import Block
from panelml.core.family.family import Family
from panelml.core.family.outcome import Outcome, single
from panelml.core.responses import LinkResponse
from panelml.data.sample import Sample
from panelml.did.core.response_effects import CellIndicators, ResponseEffects
from panelml.did.estimators.base import EffectFit, assemble_effects, policy_fit
from panelml.did.estimators.saturated import Saturated
from panelml.did.results.effects import EffectResults
from panelml.engine.fold import fold
from panelml.errors import IdentificationError, listing
from panelml.glm.binary_outcome import require_binary
from panelml.glm.core.row_likelihood import LikelihoodEquation
from panelml.glm.fit.pooled import PooledMaximum, maximise_pooled
from panelml.glm.fit.separated import outcome_values, refuse_negative
from panelml.inference.correction import Counts
from panelml.inference.estimate import Estimate
from panelml.inference.influence import Influence
from panelml.results.facts import Facts

__all__ = ["fit_nonlinear"]


@dataclass(frozen=True, slots=True)
class CellRegression:
    """A regression on indicators of cohorts, periods and effects, at its maximum.

    Attributes
    ----------
    task : Saturated
    indicators : CellIndicators
    maximum : PooledMaximum
    """

    task: Saturated
    indicators: CellIndicators
    maximum: PooledMaximum

    @property
    def effects(self) -> FloatArray:
        """Coefficients of the effects, shape (m,)."""
        slopes = self.maximum.slopes
        return slopes[slopes.size - self.task.assignment.count :]

    def sums(self) -> ResponseEffects:
        """Sum over the rows of each effect."""
        response = LinkResponse(self.maximum.model.outcome.family.link)
        slopes, constant = self.maximum.slopes, float(self.maximum.params[0])
        nothing = np.zeros(0)

        def curve(index: FloatArray) -> tuple[FloatArray, FloatArray]:
            values = response.values(index, nothing)
            return values.value[0], values.first[0]

        def of_block(block: Block) -> ResponseEffects:
            number = self.task.assignment.effects(block)
            index = constant + slopes @ block.regressors
            return ResponseEffects.of(block, number, self.effects, index, curve)

        return fold(self.maximum.problem.sample, of_block)


def fit_nonlinear(task: Saturated, family: Family) -> EffectResults:
    """Estimate the average effects on the mean of the outcome, by cohort and period.

    Raises
    ------
    IdentificationError
        If effects are not identified: their names are in the message.
    """
    sample, indicators = _with_indicators(task)
    outcome = Outcome(family, single)
    maximum = maximise_pooled(sample, outcome, _require(family), separated="refuse")
    kept = maximum.problem.columns.columns
    _require_identified(task, sample, kept)
    sums = CellRegression(task, indicators, maximum).sums()
    jacobian = sums.jacobian[:, np.concatenate([[0], 1 + kept])]
    bread = jacobian @ maximum.bread
    equation = LikelihoodEquation(
        maximum.model, maximum.point.params, bread, sample.weighting == "frequency"
    )
    names = tuple(task.labels.index)
    model_cov = bread @ (jacobian @ maximum.basis).T
    counts = Counts(round(maximum.problem.moments.weight), kept.size, True, normal=True)
    rows = maximum.problem.sample
    estimate = Estimate(names, Influence(rows, equation), (model_cov + model_cov.T) / 2, counts)
    facts = Facts("policy", task.model, (family.name, f"{family.link.name} link"))
    effects = EffectFit(
        policy_fit(task.spec, facts, estimate, sums.averages, (*task.notes, *maximum.notes)),
        task.labels,
        cells=task.cells,
        references=task.references,
        start=task.assignment.start,
    )
    return assemble_effects(effects, task.spec.cov)


def _with_indicators(task: Saturated) -> tuple[Sample, CellIndicators]:
    """Add indicators after the covariates."""
    source = task.sample.source
    periods = np.flatnonzero(task.sample.level_rows((source.time,)))[1:]
    indicators = CellIndicators(task.assignment, periods)
    cohorts = task.assignment.cohorts[:-1]
    names = (
        *(f"cohort {step}" for step in cohorts),
        *(f"period {code}" for code in periods),
        *map(str, task.labels.index),
    )
    return task.sample.then((*task.sample.names, *names), indicators), indicators


def _require(family: Family) -> Callable[[Sample], None]:
    """Return what refuses outcomes that the family does not have."""

    def counts(sample: Sample) -> None:
        refuse_negative(sample, "A log link")
        if not outcome_values(sample).any():
            raise IdentificationError("The outcome is zero in every row.")

    return require_binary if family.name == "binomial" else counts


def _require_identified(task: Saturated, sample: Sample, kept: IntArray) -> None:
    first = len(sample.names) - task.assignment.count
    lost = np.setdiff1d(np.arange(first, len(sample.names)), kept) - first
    if lost.size:
        names = listing(str(name) for name in task.labels.index[lost])
        raise IdentificationError(
            f"{lost.size} of {task.assignment.count} effects are not identified ({names}): they "
            "are combinations of each other and of effects of cohorts and periods."
        )
