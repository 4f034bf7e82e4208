"""From a sample to the maximised likelihood of its mixed model: layout, checks, certificate."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from panelml._typing import IntArray
from panelml.core.block import Block
from panelml.core.linalg import Solution, solve_normal
from panelml.core.moments import Gram, PanelMoments
from panelml.data.formula.formula import Formula
from panelml.data.formula.terms import has_constant, read_terms
from panelml.data.panel.grouping import count_levels
from panelml.data.sample import Sample
from panelml.data.source.given import DataLike
from panelml.engine.fold import fold
from panelml.errors import ConvergenceError, IdentificationError, SpecificationError
from panelml.mixed.core.factors import GroupingFactor
from panelml.mixed.core.working_columns import RandomBlock, WorkingColumns, working_columns
from panelml.mixed.fit.multilevel import LevelsFit, fit_levels
from panelml.mixed.fit.residual_fit import ResidualFit, ResidualPlan, fit_residual

__all__ = [
    "Layout",
    "MultilevelFit",
    "fit_sample",
    "fixed_places",
    "independent_regressors",
    "lay_out",
    "ordered_groups",
]

# Share of the information on variances that must be left when the residual variance is unknown.
LEAST_INFORMATION = 1e-8
# The largest standard deviation of an outcome, and the inverse of the least.
MOST_SPREAD = 1e45
# Share of the outcome's variation in residuals below which iterations may fail for rounding.
LOST_DIGITS = 1e-6
# Share of the outcome's variation that is rounding in residuals, and below which differences of
# squares have lost them.
EXACT = 1e-24
EXACT_IN_SQUARES = 1e-10


@dataclass(frozen=True, slots=True)
class Layout:
    """Where each random regressor stands.

    Attributes
    ----------
    blocks : tuple of RandomBlock
        Terms whose coefficients may be correlated.
    factors : tuple of GroupingFactor
        Grouping factors, the one with most levels first.
    labels : tuple of str
        Random coefficients, in the order of the blocks.
    """

    blocks: tuple[RandomBlock, ...]
    factors: tuple[GroupingFactor, ...]
    labels: tuple[str, ...]

    def has_intercept(self, group: tuple[str, ...]) -> bool:
        """Whether a grouping factor has a random intercept."""
        own = (factor.random for factor in self.factors if factor.group == group)
        return any(self.labels[j] == "Intercept" for random in own for j in random)


@dataclass(frozen=True, slots=True)
class MultilevelFit:
    """A mixed model fitted to a sample.

    Attributes
    ----------
    sample : Sample
    moments : PanelMoments
        Of the outcome and all regressors.
    chosen : Solution
        Which fixed regressors are independent.
    columns : WorkingColumns
    layout : Layout
    levels : LevelsFit
    restricted : bool
    residual : ResidualFit, optional
        The covariance of the residuals within units, where they are dependent.
    """

    sample: Sample
    moments: PanelMoments
    chosen: Solution
    columns: WorkingColumns
    layout: Layout
    levels: LevelsFit
    restricted: bool
    residual: ResidualFit | None = None


def fit_sample(
    sample: Sample,
    groups: tuple[tuple[str, ...], ...],
    *,
    restricted: bool,
    plan: ResidualPlan | None = None,
) -> MultilevelFit:
    """Maximise the likelihood of the model whose random regressors stand last in the blocks.

    Parameters
    ----------
    sample : Sample
        Laid out by the first group; carries the codes of the others.
    groups : tuple of tuple of str
    restricted : bool
    plan : ResidualPlan, optional
        Of dependent residuals.

    Raises
    ------
    IdentificationError
        If rows do not repeat within levels, nothing varies, nothing is left to chance, or
        variances cannot be told apart.
    ConvergenceError
        If the likelihood was not maximised with a certificate.
    """
    constant = sample.design.formula.intercept
    moments = fold(sample, PanelMoments.of)
    fixed = fixed_places(sample)
    _require_repeats(moments, sample, groups)
    chosen = independent_regressors(moments, fixed, constant)
    layout = lay_out(sample, groups)
    columns = working_columns(moments.overall, constant, fixed[chosen.kept], layout.blocks)
    _require_residuals(_residual_squares(sample, moments, chosen, columns), EXACT, moments)
    residual = None
    try:
        if plan is None:
            levels = fit_levels(sample, columns, layout.factors, restricted=restricted)
        else:
            levels, columns, residual = fit_residual(
                sample,
                columns,
                layout.factors,
                plan,
                groups[0],
                intercept=layout.has_intercept(groups[0]),
                restricted=restricted,
            )
    except np.linalg.LinAlgError as error:
        raise ConvergenceError(
            "The likelihood grows without bound, or a covariance became singular: rows are too "
            "few for so many parameters. Use a simpler model."
        ) from error
    at = levels.optimum.criterion
    _require_residuals(at.sigma2 * at.df, EXACT, moments)
    _require_certificate(levels, moments)
    return MultilevelFit(sample, moments, chosen, columns, layout, levels, restricted, residual)


def ordered_groups(formula: Formula, data: DataLike) -> tuple[tuple[str, ...], ...]:
    """Return the grouping factors of a formula, the one with most levels first.

    Raises
    ------
    SpecificationError
        Without a random term.
    """
    if not formula.random:
        raise SpecificationError(
            f"{formula.text!r} has no random term. Add one, as (1 | id), or use PooledOLS."
        )
    groups = dict.fromkeys(term.group for term in formula.random)
    if len(groups) == 1:
        return tuple(groups)
    return tuple(sorted(groups, key=lambda group: -count_levels(data, group)))


def fixed_places(sample: Sample) -> IntArray:
    """Return where the regressors that are not random stand in blocks, the outcome being 0."""
    others = sum(len(part.names) for part in sample.design.random)
    return np.arange(1, 1 + len(sample.names) - others - (sample.design.offset is not None))


def lay_out(sample: Sample, groups: tuple[tuple[str, ...], ...]) -> Layout:
    """Find the random regressors of each term, and its grouping factor.

    Raises
    ------
    SpecificationError
        If a term has no regressor.
    """
    blocks: list[RandomBlock] = []
    labels: list[str] = []
    owner: list[tuple[str, ...]] = []
    first = 1 + fixed_places(sample).size
    for term, part in zip(sample.design.formula.random, sample.design.random, strict=True):
        places = first + np.arange(len(part.names))
        first += len(part.names)
        intercept = has_constant(read_terms(term.regressors))
        if term.correlated:
            blocks.append(RandomBlock(intercept, places))
        else:
            blocks += [RandomBlock(True, places[:0])] * intercept
            blocks += [RandomBlock(False, places[j : j + 1]) for j in range(places.size)]
        if not part.names and not intercept:
            raise SpecificationError(
                f"The random term ({term.regressors} | {term.group_name}) has no regressor."
            )
        own = ["Intercept"] * intercept + [sample.names[j - 1] for j in places]
        labels += own
        owner += [term.group] * len(own)
    factors = tuple(
        GroupingFactor(
            group, sample.source.levels(group), np.flatnonzero([group == other for other in owner])
        )
        for group in groups
        if group in owner
    )
    return Layout(tuple(blocks), factors, tuple(labels))


def _require_repeats(
    moments: PanelMoments, sample: Sample, groups: tuple[tuple[str, ...], ...]
) -> None:
    for group in groups:
        levels = sample.source.levels(group)
        if levels < 2:
            raise IdentificationError(f"The grouping factor {':'.join(group)!r} has one level.")
    if moments.n == moments.n_units:
        raise IdentificationError(
            f"Each level of {sample.source.unit!r} has a single row: its random effect cannot be "
            "told from the residual."
        )
    if moments.overall.centred[0, 0] <= moments.overall.rounding[0]:
        raise IdentificationError("The outcome does not vary.")
    spread = float(np.sqrt(moments.overall.centred[0, 0] / moments.weight))
    if not 1 / MOST_SPREAD < spread < MOST_SPREAD:
        outcome = sample.design.outcome
        raise SpecificationError(
            f"The outcome {outcome.names[0] if outcome else ''!r} has a standard deviation of "
            f"about {spread:.0e}; the information on variances takes its sixth power, which "
            "float64 cannot hold. Measure it in other units: multiply it by a power of ten."
        )


def _residual_squares(
    sample: Sample, moments: PanelMoments, chosen: Solution, columns: WorkingColumns
) -> float:
    """Sum of squares that fixed regressors leave of the outcome, by rows where digits need it."""
    if moments.n <= len(columns.offset):
        return 0.0
    if chosen.rss > EXACT_IN_SQUARES * moments.overall.centred[0, 0]:
        return chosen.rss
    return float(fold(sample, lambda block: _outcome_squares(block, columns)).products[0, 0])


def _outcome_squares(block: Block, columns: WorkingColumns) -> Gram:
    """Sum of squares of the working outcome, the residual of least squares on fixed regressors."""
    outcome = columns.basis.columns(block).outcome
    return Gram(np.array([[outcome @ outcome]]), block.n, float(block.n))


def _require_residuals(rss: float, exact: float, moments: PanelMoments) -> None:
    if rss <= exact * moments.overall.centred[0, 0]:
        raise IdentificationError(
            "The model explains the outcome exactly: no residual variance is left to be estimated."
        )


def independent_regressors(moments: PanelMoments, fixed: IntArray, constant: bool) -> Solution:
    """Choose the fixed regressors that depend on none before them.

    Parameters
    ----------
    moments : PanelMoments
    fixed : IntArray
        Where they stand among the variables of blocks.
    constant : bool
    """
    table = moments.overall.centred
    if not constant:
        mean = moments.overall.mean
        table = table + moments.weight * np.outer(mean, mean)
    places = np.concatenate([[0], fixed])
    floor = moments.overall.rounding[fixed] if constant else None
    return solve_normal(table[np.ix_(places, places)], floor)


def _require_certificate(levels: LevelsFit, moments: PanelMoments) -> None:
    optimum = levels.optimum
    certain = optimum.converged and optimum.identified >= LEAST_INFORMATION
    left = optimum.criterion.sigma2 * optimum.criterion.df / moments.overall.centred[0, 0]
    if not certain and left < LOST_DIGITS:
        raise ConvergenceError(
            f"All but {left:.1g} of the outcome's variation is explained: rows are too few for so "
            "many random coefficients, or digits to estimate the residual variance beside the "
            "others. Try fewer random coefficients, or fixed effects."
        )
    if optimum.identified < LEAST_INFORMATION:
        raise IdentificationError(
            "The data cannot tell the variances of the random coefficients apart, or from the "
            "residual variance: there are too few rows or levels for so many random "
            "coefficients, terms or levels that coincide, or fixed effects that explain all that "
            "varies between levels. Leave some out."
        )
    if not optimum.converged:
        raise ConvergenceError(
            f"The likelihood was not maximised: one more step would gain {optimum.decrement:.2g} "
            f"in deviance, more variance {optimum.cone:.2g}. Rows are few for so many random "
            "coefficients: try fewer, or uncorrelated ones with ||."
        )
