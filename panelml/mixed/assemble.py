"""From the maximum of a mixed model's likelihood to its results."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from panelml.data.formula.formula import Formula
from panelml.data.sample import Sample
from panelml.engine.least_squares import LeastSquares, dropped_notes, parameter_names
from panelml.errors import SpecificationError
from panelml.inference.correction import Counts
from panelml.inference.covariance import CovLike
from panelml.mixed.fit.cluster_leverage import MixedLeverage
from panelml.mixed.fit.multilevel import LevelCurvature
from panelml.mixed.fit.residual_curvature import ResidualCurvature
from panelml.mixed.fit.residual_fit import ResidualPlan
from panelml.mixed.fit.sample_fit import MultilevelFit, fit_sample
from panelml.mixed.results.coefficients import RandomCoefficients
from panelml.mixed.results.mixed_results import MixedResults
from panelml.mixed.results.residual import ResidualPart
from panelml.results.assemble import assemble, describe
from panelml.results.facts import Facts

__all__ = ["fit_mixed"]


def fit_mixed(
    spec: object, model: str, formula: Formula, sample: Sample,
    groups: tuple[tuple[str, ...], ...], *, restricted: bool, cov: CovLike, notes: tuple[str, ...],
    plan: ResidualPlan | None = None,
) -> MixedResults:  # fmt: skip
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
    fit = fit_sample(sample, groups, restricted=restricted, plan=plan)
    residual = ResidualPart.of(fit.residual) if fit.residual else None
    solved, random = _solved(fit, formula.intercept), RandomCoefficients.of(fit)
    counts = Counts(
        fit.levels.nobs, len(solved.names) - solved.constant, solved.constant, normal=True
    )
    at = fit.levels.optimum.criterion
    statistics = describe(
        sample, fit.moments, solved.slopes, rss=at.sigma2 * at.df,
        loglik=random.loglik,
        extras=random.extras() | (residual.extras() if residual else {}),
    )  # fmt: skip
    base = assemble(
        facts=_facts(model, random, residual), spec=spec, formula=formula,
        cov=cov, sample=sample, transform=fit.levels.prediction, solved=solved,
        sigma2=at.sigma2, counts=counts, statistics=statistics,
        intercept=float(solved.params[0]) if solved.constant else 0.0, effects=random,
        notes=(*notes, *random.notes(), *(residual.notes() if residual else ())),
        curvature=_curvature(fit), leverage=MixedLeverage(fit.levels.prediction),
    )  # fmt: skip
    return MixedResults.of(base, random, residual)


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
        chosen, coef=at.coef, bread=at.phi, rss=at.sigma2 * at.df,
        kept=np.arange(at.coef.size), doubtful=False,
    )  # fmt: skip
    return LeastSquares(
        kept_names, params, columns.fixed_back @ at.phi, columns.fixed_back, solution, slopes,
        dropped_notes(chosen, names, ""), constant,
    )  # fmt: skip


def _curvature(fit: MultilevelFit) -> LevelCurvature | ResidualCurvature:
    if fit.residual is not None:
        layout, optimum = fit.residual.layout, fit.residual.optimum
        return ResidualCurvature(fit.sample, fit.columns, layout, optimum, fit.restricted)
    factor = fit.levels.optimum.criterion.factor
    return LevelCurvature(fit.sample, fit.columns, fit.layout.factors, factor, fit.restricted)
