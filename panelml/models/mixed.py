"""Multilevel models: random intercepts and slopes at any number of levels."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from panelml._typing import FloatArray, IntArray
from panelml.core.blup import CrossedPrediction
from panelml.core.linalg import Solution, solve_normal
from panelml.core.mixed_basis import RandomBlock, WorkingColumns, working_columns
from panelml.core.moments import PanelMoments
from panelml.data.formula import Formula, has_constant, parse_formula, read_terms
from panelml.data.grouping import count_levels, group_rows, refuse_panel_functions
from panelml.data.sample import Sample
from panelml.data.weights import Weights, parse_weights
from panelml.engine.fold import capped, fold
from panelml.engine.multilevel import FactorLayout, LevelCurvature, LevelsFit, fit_levels
from panelml.engine.sampling import make_sample
from panelml.errors import ConvergenceError, IdentificationError, SpecificationError
from panelml.inference.correction import Counts
from panelml.inference.covariance import CovLike
from panelml.models.base import LeastSquares, assemble, describe, dropped_notes
from panelml.results.mixed import MixedResults
from panelml.results.random_part import Certificate, RandomCoefficients, RandomPart

__all__ = ["MixedModel"]

# Relative to the residual variance, in columns of mean square one.
ZERO_VARIANCE = 1e-10
# Share of the information on variances that must be left when the residual variance is unknown.
LEAST_INFORMATION = 1e-8


@dataclass(frozen=True, slots=True)
class MixedModel:
    """Linear model with random intercepts and slopes, by (restricted) maximum likelihood.

    Parameters
    ----------
    formula : str
        lme4's grammar: ``"y ~ t * g + (1 + t | id)"``, ``(1 | school/class)`` for nested and
        ``(1 | a) + (1 | b)`` for crossed levels, ``||`` for uncorrelated coefficients.
    reml : bool
        Restricted maximum likelihood rather than maximum likelihood.
    cov : str or covariance
        ``"iid"``, what the model implies, as in lme4; or clustered and the others.
    weights : str or Weights, optional
        Prior weights, inverse to the variance of a row's error.
    """

    formula: str
    reml: bool = True
    cov: CovLike = "iid"
    weights: str | Weights | None = None

    @capped
    def fit(self, data: Any) -> MixedResults:
        """Estimate the model on a Panel or on any data frame that has the columns.

        Raises
        ------
        SpecificationError
            Without a random term.
        IdentificationError
            If rows do not repeat within levels, or nothing varies.
        ConvergenceError
            If the likelihood was not maximised with a certificate.
        """
        formula = parse_formula(self.formula, mixed=True)
        groups = _ordered_groups(formula, data)
        panel = group_rows(data, groups[0])
        if panel is not data:
            refuse_panel_functions(self.formula, panel.unit)
        sample, notes = make_sample(panel, formula, parse_weights(self.weights), groups[1:])
        moments = fold(sample, PanelMoments.of)
        fixed = np.arange(1, 1 + len(sample.design.regressors.names))
        _require_repeats(moments, sample, groups)
        chosen = _independent(moments, fixed, formula.intercept)
        layout = _layout(sample, formula, groups)
        columns = working_columns(
            moments.overall, formula.intercept, fixed[chosen.kept], layout.blocks
        )
        levels = fit_levels(sample, columns, layout.factors, restricted=self.reml)
        _require_certificate(levels)
        solved = _solved(levels, columns, sample, chosen, formula.intercept)
        random = _random(levels, columns, layout, restricted=self.reml)
        counts = Counts(
            levels.nobs, len(solved.names) - solved.constant, solved.constant, normal=True
        )
        at = levels.optimum.criterion
        statistics = describe(
            sample, moments, solved.slopes, rss=at.sigma2 * at.df, rsquared=float("nan"),
            loglik=random.loglik, extras=random.extras(),
        )  # fmt: skip
        base = assemble(
            model=f"Mixed model by {'REML' if self.reml else 'ML'}", spec=self, formula=formula,
            cov=self.cov, sample=sample, transform=levels.prediction, solved=solved,
            sigma2=at.sigma2, counts=counts, statistics=statistics,
            intercept=float(solved.params[0]) if solved.constant else 0.0, effects=random,
            notes=(*notes, *random.notes()),
            curvature=_curvature(sample, columns, levels, restricted=self.reml),
        )  # fmt: skip
        return MixedResults.of(base, random)


@dataclass(frozen=True, slots=True)
class _Layout:
    """Where each random regressor stands.

    Attributes
    ----------
    blocks : tuple of RandomBlock
        Terms whose coefficients may be correlated.
    factors : tuple of FactorLayout
        Grouping factors, the one with most levels first.
    labels : tuple of str
        Random coefficients, in the order of the blocks.
    """

    blocks: tuple[RandomBlock, ...]
    factors: tuple[FactorLayout, ...]
    labels: tuple[str, ...]


def _ordered_groups(formula: Formula, data: Any) -> tuple[tuple[str, ...], ...]:
    """Grouping factors, the one with most levels first."""
    if not formula.random:
        raise SpecificationError(
            f"{formula.text!r} has no random term. Add one, as (1 | id), or use PooledOLS."
        )
    groups = dict.fromkeys(term.group for term in formula.random)
    return tuple(sorted(groups, key=lambda group: -count_levels(data, group)))


def _layout(sample: Sample, formula: Formula, groups: tuple[tuple[str, ...], ...]) -> _Layout:
    blocks: list[RandomBlock] = []
    labels: list[str] = []
    owner: list[tuple[str, ...]] = []
    first = 1 + len(sample.design.regressors.names)
    for term, part in zip(formula.random, sample.design.random, strict=True):
        places = first + np.arange(len(part.names))
        first += len(part.names)
        intercept = has_constant(read_terms(term.regressors))
        if term.correlated:
            blocks.append(RandomBlock(intercept, places))
        else:
            blocks += [RandomBlock(True, places[:0])] * intercept
            blocks += [RandomBlock(False, places[j : j + 1]) for j in range(places.size)]
        own = ["Intercept"] * intercept + list(part.names)
        labels += own
        owner += [term.group] * len(own)
    factors = tuple(
        FactorLayout(group, np.flatnonzero([group == other for other in owner])) for group in groups
    )
    return _Layout(tuple(blocks), factors, tuple(labels))


def _require_repeats(
    moments: PanelMoments, sample: Sample, groups: tuple[tuple[str, ...], ...]
) -> None:
    for group in groups:
        levels = sample.panel.levels(group)
        if levels < 2:
            raise IdentificationError(f"The grouping factor {':'.join(group)!r} has one level.")
    if moments.n == moments.n_units:
        raise IdentificationError(
            f"Each level of {sample.panel.unit!r} has a single row: its random effect cannot be "
            "told from the residual."
        )
    if moments.overall.centred[0, 0] <= 1e-14 * moments.weight * moments.overall.mean[0] ** 2:
        raise IdentificationError("The outcome does not vary.")


def _independent(moments: PanelMoments, fixed: IntArray, constant: bool) -> Solution:
    table = moments.overall.centred
    if not constant:
        mean = moments.overall.mean
        table = table + moments.weight * np.outer(mean, mean)
    places = np.concatenate([[0], fixed])
    return solve_normal(table[np.ix_(places, places)])


def _require_certificate(levels: LevelsFit) -> None:
    optimum = levels.optimum
    if optimum.identified < LEAST_INFORMATION:
        raise IdentificationError(
            "The data cannot tell the variances of the random coefficients apart, or from the "
            "residual variance: there are too few rows or levels for so many random "
            "coefficients, or grouping factors that coincide. Leave some out."
        )
    if not optimum.converged:
        raise ConvergenceError(
            f"The likelihood was not maximised: one more step would gain {optimum.decrement:.2g} "
            f"in deviance, more variance {optimum.cone:.2g}. Rows are few for so many random "
            "coefficients: try fewer, or uncorrelated ones with ||."
        )


def _solved(
    levels: LevelsFit, columns: WorkingColumns, sample: Sample, chosen: Solution, constant: bool
) -> LeastSquares:
    at, names = levels.optimum.criterion, sample.names
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
        dropped_notes(chosen, names, ""),
    )  # fmt: skip


def _curvature(
    sample: Sample, columns: WorkingColumns, levels: LevelsFit, *, restricted: bool
) -> LevelCurvature | None:
    if isinstance(levels.prediction, CrossedPrediction):
        return None
    return LevelCurvature(sample, columns, levels.optimum.criterion.factor, restricted)


def _random(
    levels: LevelsFit, columns: WorkingColumns, layout: _Layout, *, restricted: bool
) -> RandomCoefficients:
    optimum = levels.optimum
    at, relative, back = optimum.criterion, levels.relative, columns.random_back
    cov = at.sigma2 * _without_zeros(back @ relative @ back.T, back)
    parts = tuple(
        RandomPart(
            factor.group, tuple(layout.labels[j] for j in factor.random), factor.random,
            cov[np.ix_(factor.random, factor.random)],
            columns.structure[np.ix_(factor.random, factor.random)],
            relative[np.ix_(factor.random, factor.random)],
            back[np.ix_(factor.random, factor.random)],
        )
        for factor in layout.factors
    )  # fmt: skip
    deviance = at.deviance + (2 * columns.log_scale if restricted else 0.0)
    return RandomCoefficients(
        parts, levels.prediction, at.sigma2, -deviance / 2,
        Certificate(optimum.converged, optimum.decrement, optimum.cone, optimum.evaluations),
    )  # fmt: skip


def _without_zeros(cov: FloatArray, back: FloatArray) -> FloatArray:
    """Make zero what is too small, in well-scaled columns, to be told from it."""
    zero = np.diag(cov) <= ZERO_VARIANCE * (back**2).sum(axis=1)
    return np.where(zero[:, None] | zero, 0.0, cov)
