"""Pooled models of outcomes that are not continuous: from a specification to its fit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Protocol

import numpy as np

from panelml.core.family.outcome import Outcome
from panelml.data.formula.formula import Formula, OutcomeLevels, parse_formula
from panelml.data.formula.outcome import level_notes
from panelml.data.panel.weights import Weights, parse_weights
from panelml.data.sample import Sample
from panelml.data.source.source import Source
from panelml.engine.sampling import make_sample
from panelml.errors import SpecificationError
from panelml.glm.core.row_likelihood import LikelihoodEquation
from panelml.glm.exposure import require_offset
from panelml.glm.fit.pooled import PooledMaximum, maximise_pooled
from panelml.glm.results.likelihood_measures import likelihood_measures
from panelml.inference.correction import Counts
from panelml.inference.covariance import CovLike
from panelml.inference.estimate import Estimate
from panelml.inference.influence import Influence
from panelml.mixed.generalised.fit.reported import NONE_REPORTED, Reported, require_names
from panelml.results.facts import Facts
from panelml.results.fit import Fit, sample_statistics
from panelml.results.prediction import Predictor

__all__ = ["NonlinearSpec", "fit_pooled", "read_sample"]


class NonlinearSpec(Protocol):
    """A specification of a model whose outcome is not continuous."""

    @property
    def formula(self) -> str:
        """Outcome and regressors."""
        ...

    @property
    def cov(self) -> CovLike:
        """The covariance of the results."""
        ...

    @property
    def weights(self) -> str | Weights | None:
        """Weights of the rows."""
        ...

    @property
    def offset(self) -> str | None:
        """A term that enters the index with the coefficient one."""
        ...


def read_sample(
    spec: NonlinearSpec,
    source: Source,
    model: str,
    columns: tuple[str, ...] = (),
    levels: OutcomeLevels = "",
) -> tuple[Sample, tuple[str, ...]]:
    """Return the rows that are complete, of a formula that absorbs nothing.

    Parameters
    ----------
    spec : NonlinearSpec
    source : Source
    model : str
        Of the estimator, for errors.
    columns : tuple of str
        Further columns that blocks carry.
    levels : {"", "any", "ordered"}
        Whether the outcome may be a category, and whether its order matters.

    Raises
    ------
    SpecificationError
        If the formula absorbs effects.
    """
    formula = parse_formula(spec.formula)
    _refuse_absorbed(formula, model)
    require_offset(source, spec.offset)
    if levels == "ordered":
        # Cut points are a constant, with or without one in the formula.
        formula = replace(formula, intercept=True)
    formula = replace(formula, offset=spec.offset or "", outcome_levels=levels)
    sample, notes = make_sample(source, formula, parse_weights(spec.weights), (), columns)
    return sample, (*level_notes(sample.design), *notes)


def _refuse_absorbed(formula: Formula, model: str) -> None:
    if formula.effects:
        words = " + ".join(map(str, formula.effects))
        raise SpecificationError(
            f"{model} absorbs no effects, but the formula has '| {words}'. Leave it out and see "
            "effects=, or write C(...) for effects of few levels."
        )


def fit_pooled(
    spec: NonlinearSpec,
    facts: Facts,
    sample: Sample,
    outcome: Outcome,
    notes: tuple[str, ...],
    *,
    require: Callable[[Sample], None],
    reported: Reported = NONE_REPORTED,
) -> tuple[Fit, PooledMaximum]:
    """Maximise a likelihood of independent rows.

    Parameters
    ----------
    spec : NonlinearSpec
    facts : Facts
    sample : Sample
    outcome : Outcome
    notes : tuple of str
        What was done to the rows.
    require : callable
        Refuses a sample whose outcome does not vary.
    reported : Reported
        How auxiliary parameters are reported.

    Raises
    ------
    IdentificationError
        If all rows are separated, or no coefficient is left.
    ConvergenceError
        If the maximum has no certificate.
    """
    maximum = maximise_pooled(sample, outcome, require)
    problem, model = maximum.problem, maximum.model
    sample, weight = problem.sample, round(problem.moments.weight)
    constant, first = model.constant, model.slopes + model.constant
    to_reported = np.eye(model.size)
    to_reported[first:, first:] = reported.jacobian(maximum.auxiliary)
    bread = to_reported @ maximum.bread
    names = ("Intercept",) * constant + problem.names + reported.names
    require_names(names)
    frequency = sample.weighting == "frequency"
    equation = LikelihoodEquation(model, maximum.point.params, bread, frequency)
    model_cov = bread @ (to_reported @ maximum.basis).T
    counts = Counts(weight, model.slopes, constant, normal=True)
    estimate = Estimate(names, Influence(sample, equation), (model_cov + model_cov.T) / 2, counts)
    params = np.concatenate([maximum.params[:first], reported.values(maximum.auxiliary)])
    measures = likelihood_measures(maximum.loglik, model.size, weight, null=maximum.null)
    fit = Fit(
        spec=spec,
        facts=facts,
        estimate=estimate,
        params=params,
        statistics=replace(sample_statistics(sample, measures), nobs=weight),
        predictor=Predictor.of(sample, maximum.slopes, float(params[0]) if constant else 0.0),
        notes=(*notes, *maximum.notes),
    )
    return fit, maximum
