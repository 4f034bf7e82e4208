"""Poisson regression of counts and of other outcomes that are not negative."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass, replace
from typing import Literal

import numpy as np

from panelml.arguments import checked
from panelml.core.block import Block
from panelml.core.family.counts import PoissonFamily
from panelml.core.family.outcome import Outcome, single
from panelml.core.links import LOG
from panelml.core.pair import Pair
from panelml.core.row_values import RowValues
from panelml.data.formula.formula import Effect, Formula
from panelml.data.panel.weights import Weights, parse_weights
from panelml.data.source.given import DataLike
from panelml.data.source.source import Source
from panelml.engine.absorbing import require_effect_columns
from panelml.engine.fold import capped, fold
from panelml.engine.sampling import make_sample, require_source
from panelml.errors import SpecificationError, listing
from panelml.glm.core.index import offset_of
from panelml.glm.core.poisson import PoissonSums, unit_constants
from panelml.glm.exposure import read_offset
from panelml.glm.fit.problem import Maximum
from panelml.glm.fit.separated import refuse_negative
from panelml.glm.gamma import fit_gamma
from panelml.glm.random import POINTS, fit_normal
from panelml.glm.results.effects import RateEffects
from panelml.glm.totals import refuse_absorbed
from panelml.inference.correction import Counts
from panelml.inference.covariance import CovLike
from panelml.inference.influence import Influence
from panelml.results.assemble import assemble
from panelml.results.base import Results
from panelml.results.facts import Facts
from panelml.results.fit import Fit, regression_estimate, sample_statistics
from panelml.results.levels import AbsorbedEffects
from panelml.results.measures import Measure, Measures
from panelml.results.prediction import Predictor

__all__ = ["Poisson"]

_NONE = float("nan")
_DEFINED = (
    Measure(
        "loglik",
        "Log-likelihood",
        _NONE,
        "Maximum of the Poisson log-likelihood with all constants, effects included.",
        "fit",
        False,
    ),
    Measure(
        "pseudo_rsquared",
        "Pseudo R-squared",
        _NONE,
        "1 - loglik / loglik of a constant beside the offset (McFadden).",
        "fit",
    ),
    Measure(
        "deviance", "Deviance", _NONE, "Twice what the log-likelihood lacks at y itself.", "fit"
    ),
    Measure(
        "loglik_conditional",
        "Log-likelihood given the units' totals",
        _NONE,
        "Of the multinomial distribution of each unit's total over its rows.",
        "below",
        False,
    ),
)


@checked
@dataclass(frozen=True, slots=True)
class Poisson:
    """Poisson regression: pseudo maximum likelihood (PPML) of a mean ``exp(xb + effects)``.

    The outcome need not be a count, nor have the Poisson distribution: estimates are consistent
    where the mean is right, and clustered standard errors hold for any variance.

    Parameters
    ----------
    formula : str
        ``"y ~ x"`` is pooled; ``"y ~ x | unit + year"`` absorbs what it says, with any number of
        effects.
    effects : {"gamma", "normal"}, optional
        Random effects of units, independent of the regressors: ``"gamma"`` effects multiply the
        means of a unit, with mean one and variance ``alpha``; ``"normal"`` ones are an intercept in
        the logarithm of the mean, by adaptive quadrature.
    points : int
        Of quadrature, with normal effects; one is Laplace's approximation.
    cov : str or covariance
        By default clustered by unit.
    weights : str or Weights, optional
    offset : str, optional
        A column, or a term as ``"log(pop)"``, that enters the index with the coefficient one.
    exposure : str, optional
        A column whose logarithm does.

    Examples
    --------
    >>> import panelml as pm
    >>> patents = pm.datasets.load("patents_rd")
    >>> firms = pm.Panel(patents, unit="fi", time="year")
    >>> fit = pm.Poisson("patent ~ rdexp + spil | fi + year").fit(firms)
    >>> print(fit.params.round(3).to_dict())
    {'rdexp': 0.492, 'spil': 0.275}
    """

    formula: str
    _: KW_ONLY
    effects: Literal["gamma", "normal"] | None = None
    points: int = POINTS
    cov: CovLike = "cluster"
    weights: str | Weights | None = None
    offset: str | None = None
    exposure: str | None = None

    def __post_init__(self) -> None:
        if self.offset is not None and self.exposure is not None:
            raise SpecificationError(
                "Give an offset or an exposure, whose logarithm is an offset, and not both."
            )

    @capped
    def fit(self, data: DataLike) -> Results:
        """Estimate the model on a Panel, or on a pandas frame with a (unit, time) MultiIndex."""
        source = require_source(data)
        formula = _read(self, source)
        effects = formula.effects or ()
        others = tuple(e.columns for e in effects if e.columns != (source.unit,))
        sample, notes = make_sample(source, formula, parse_weights(self.weights), others)
        refuse_negative(sample, "Poisson")
        if self.effects == "normal":
            facts, outcome = Facts("other", "Poisson", link=LOG), Outcome(PoissonFamily(), single)
            return fit_normal(self, facts, sample, outcome, notes, points=self.points)
        if self.effects == "gamma":
            return assemble(fit_gamma(self, sample, notes), self.cov)
        maximum = Maximum.of_sample(sample, effects)
        return assemble(_finish(self, maximum, effects, (*notes, *maximum.notes)), self.cov)


def _read(spec: Poisson, source: Source) -> Formula:
    """Read the formula with its offset, and refuse what cannot be absorbed."""
    formula = read_offset(spec.formula, source, spec.offset, spec.exposure)
    effects = formula.effects or ()
    require_effect_columns(effects, source.columns)
    if spec.effects is not None:
        refuse_absorbed(formula, f"Poisson with effects={spec.effects!r}")
    sloped = [str(effect) for effect in effects if effect.slopes]
    if sloped:
        raise SpecificationError(
            f"Poisson absorbs intercepts, and {listing(sloped)} has slopes. Write them as "
            "regressors, as in C(state):trend."
        )
    return replace(formula, intercept=formula.intercept or bool(effects))


def _finish(
    spec: Poisson, maximum: Maximum, effects: tuple[Effect, ...], notes: tuple[str, ...]
) -> Fit:
    """Describe the maximum to covariances, tests and tables."""
    problem, solved = maximum.problem, maximum.solved
    sample, weight = problem.sample, round(problem.moments.weight)
    slopes = len(solved.names) - solved.constant
    counts = Counts(
        weight,
        slopes,
        solved.constant,
        effects,
        maximum.rank,
        effects_rank=maximum.rank if effects else None,
        normal=True,
    )
    estimate = regression_estimate(solved, counts, sigma2=1.0)
    equation = maximum.equation
    unit = (Effect((sample.source.unit,)),)
    by_unit = effects == unit and sample.weights is None
    sums = _sums(maximum, by_unit)
    likelihood, (total, constants) = sums.first, sums.second.values.sum(axis=1)
    constant = float(solved.params[0]) if solved.constant else _mean_effect(maximum, total)
    measures = _measures(likelihood, constants if by_unit else None)
    levels = None if problem.plan is None else AbsorbedEffects(effects, problem.plan)
    return Fit(
        spec=spec,
        facts=Facts("other", "Poisson", absorbed=effects, link=LOG),
        estimate=replace(estimate, influence=Influence(sample, equation)),
        params=solved.params,
        statistics=replace(sample_statistics(sample, measures), nobs=weight),
        predictor=Predictor.of(sample, maximum.slopes, constant),
        notes=notes,
        effects=levels and RateEffects(problem.columns, maximum.rates, constant, levels),
    )


def _sums(maximum: Maximum, by_unit: bool) -> Pair[PoissonSums, RowValues]:
    """Sum likelihoods; and the effects, and the likelihoods of units' totals at their means."""
    rates = maximum.rates

    def sums(rows: Block) -> Pair[PoissonSums, RowValues]:
        y, w, effects = rows.outcome, rows.row_weights, rates.effects(rows)
        offset = offset_of(rows)
        index = effects + rates.index.slopes @ rows.regressors + offset
        constants = unit_constants(y, w, rows.starts) if by_unit else np.zeros(1)
        return Pair(
            PoissonSums.of(y, w, index, offset),
            RowValues(np.array([[effects @ w], [constants.sum()]])),
        )

    return fold(maximum.problem.regression.rows, sums)


def _mean_effect(maximum: Maximum, total: float) -> float:
    """Average the effects over rows, from which they are deviations; zero without effects."""
    problem = maximum.problem
    if problem.plan is None:
        return 0.0
    shift = float(maximum.rates.index.slopes @ problem.columns.centre)
    return total / problem.moments.weight - shift


def _measures(likelihood: PoissonSums, constants: float | None) -> Measures:
    """Describe the likelihoods of the model, of a constant, and given the totals of units."""
    loglik = likelihood.loglik
    values = {
        "loglik": loglik,
        "pseudo_rsquared": 1 - loglik / likelihood.null_loglik,
        "deviance": likelihood.deviance,
        "loglik_conditional": None if constants is None else loglik - constants,
    }
    return Measures.of(values, _DEFINED)
