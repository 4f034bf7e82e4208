"""From the maximum of a mixed model's likelihood to its results."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Protocol

import numpy as np

from panelml.data.sample import Sample
from panelml.engine.least_squares import LeastSquares, dropped_notes, parameter_names
from panelml.errors import SpecificationError
from panelml.inference.correction import Counts
from panelml.inference.covariance import CovLike, Estimate
from panelml.mixed.fit.cluster_leverage import MixedLeverage
from panelml.mixed.fit.multilevel import LevelCurvature
from panelml.mixed.fit.residual_curvature import ResidualCurvature
from panelml.mixed.fit.residual_fit import ResidualPlan
from panelml.mixed.fit.sample_fit import MultilevelFit, fit_sample
from panelml.mixed.results.coefficients import RandomCoefficients
from panelml.mixed.results.mixed_results import MixedResults
from panelml.mixed.results.residual_part import ResidualPart
from panelml.results.assemble import assemble, describe
from panelml.results.facts import Facts
from panelml.results.fit import Fit, predictor_of, regression_estimate
from panelml.results.measures import Measure, Measures

__all__ = ["fit_mixed"]


class MixedSpec(Protocol):
    """A specification of a mixed model."""

    @property
    def reml(self) -> bool:
        """Whether the likelihood is the restricted one."""
        ...

    @property
    def cov(self) -> CovLike:
        """The covariance of the results."""
        ...


def fit_mixed(
    spec: MixedSpec,
    model: str,
    sample: Sample,
    groups: tuple[tuple[str, ...], ...],
    notes: tuple[str, ...],
    plan: ResidualPlan | None = None,
) -> MixedResults:
    """Fit a mixed model to a sample, and put its results together.

    See ``panelml.mixed.fit.sample_fit.fit_sample`` for the parameters and the errors.

    Raises
    ------
    SpecificationError
        For frequency weights too.
    """
    if sample.weights is not None and sample.weights.kind == "frequency":
        raise SpecificationError(
            f"{model} takes weights that are inverse to variances, not frequencies: repeat each "
            f"row instead of weights='frequency:{sample.weights.column}'."
        )
    # The results of mixed models know intercepts, fixed and random ones, by this name.
    parameter_names(sample.names, constant=True)
    optimum = fit_sample(sample, groups, restricted=spec.reml, plan=plan)
    random = RandomCoefficients.of(optimum)
    residual = ResidualPart.of(optimum.residual) if optimum.residual else None
    solved = _solved(optimum, sample.design.formula.intercept)
    extras = _component_measures(random.extras() | (residual.extras() if residual else {}))
    fit = Fit(
        spec=spec,
        facts=_facts(model, random, residual),
        estimate=_estimate(optimum, solved),
        params=solved.params,
        statistics=describe(solved, optimum.moments, loglik=random.loglik, extras=extras),
        predictor=predictor_of(solved),
        notes=(*notes, *random.notes(), *(residual.notes() if residual else ()), *solved.notes),
        effects=random,
    )
    return MixedResults.of(assemble(fit, spec.cov), random, residual)


def _component_measures(values: Mapping[str, float]) -> Measures:
    """Declare standard deviations and correlations, by the names that say which they are."""
    words = {
        "sd": "Standard deviation between the levels of a grouping factor, or of the residuals.",
        "corr": "Correlation of random coefficients of a grouping factor, or of the residuals.",
    }
    defined = (Measure(key, key, 0.0, words.get(key.partition("(")[0], key)) for key in values)
    return Measures.of(values, defined)


def _estimate(optimum: MultilevelFit, solved: LeastSquares) -> Estimate:
    """Describe the fixed coefficients to covariances, and the likelihood that they maximise."""
    slopes = len(solved.names) - solved.constant
    counts = Counts(optimum.levels.nobs, slopes, solved.constant, normal=True)
    estimate = regression_estimate(solved, counts, optimum.levels.optimum.criterion.sigma2)
    leverage = MixedLeverage(optimum.levels.prediction)
    return replace(estimate, curvature=_curvature(optimum), leverage=leverage)


def _facts(model: str, random: RandomCoefficients, residual: ResidualPart | None) -> Facts:
    return Facts(
        "mixed",
        f"{model} by {'REML' if random.restricted else 'ML'}",
        details=(residual.words,) if residual else (),
        random=tuple(part.group for part in random.parts if "Intercept" in part.labels),
    )


def _solved(fit: MultilevelFit, constant: bool) -> LeastSquares:
    at, names = fit.levels.optimum.criterion, fit.sample.names
    chosen, columns = fit.chosen, fit.columns
    params = columns.fixed_back @ at.coef + columns.offset
    slopes = np.zeros(len(names))
    slopes[chosen.kept] = params[int(constant) :]
    kept_names = (("Intercept",) if constant else ()) + tuple(names[j] for j in chosen.kept)
    solution = replace(
        chosen,
        coef=at.coef,
        bread=at.phi,
        rss=at.sigma2 * at.df,
        kept=np.arange(at.coef.size),
        doubtful=False,
    )
    return LeastSquares(
        sample=fit.sample,
        transform=fit.levels.prediction,
        names=kept_names,
        params=params,
        bread=columns.fixed_back @ at.phi,
        basis=columns.fixed_back,
        solution=solution,
        slopes=slopes,
        notes=dropped_notes(chosen, names, ""),
        constant=constant,
    )


def _curvature(fit: MultilevelFit) -> LevelCurvature | ResidualCurvature:
    if fit.residual is not None:
        layout, optimum = fit.residual.layout, fit.residual.optimum
        return ResidualCurvature(fit.sample, fit.columns, layout, optimum, fit.restricted)
    factor = fit.levels.optimum.criterion.factor
    return LevelCurvature(fit.sample, fit.columns, fit.layout.factors, factor, fit.restricted)
