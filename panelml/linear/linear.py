"""Pooled, between, and first-difference regressions."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass, replace

import numpy as np

from panelml._typing import FloatArray
from panelml.arguments import checked
from panelml.core.equations import Grain
from panelml.core.moments import CrossProducts, Gram, PanelMoments, Resolution
from panelml.core.pair import Pair
from panelml.core.transforms import BetweenTransform, Difference, Level
from panelml.data.panel.weights import Weights, parse_weights
from panelml.data.source.given import DataLike
from panelml.engine.fold import capped, fold
from panelml.engine.least_squares import LeastSquares, least_squares
from panelml.engine.sampling import make_sample, require_source
from panelml.errors import IdentificationError
from panelml.inference.correction import Counts
from panelml.inference.covariance import CovLike
from panelml.results.assemble import (
    assemble,
    describe,
    gaussian_loglik,
    level_resolution,
    log_weights,
    plain_formula,
    require_outcome,
)
from panelml.results.base import Results
from panelml.results.facts import Assumption, Facts
from panelml.results.fit import Fit, predictor_of, regression_estimate
from panelml.results.measures import Measures
from panelml.results.prediction import Predictor

__all__ = ["Between", "FirstDifference", "PooledOLS"]


@checked
@dataclass(frozen=True, slots=True)
class PooledOLS:
    """Pooled ordinary least squares on all rows.

    Parameters
    ----------
    formula : str
        ``"y ~ x1 + x2"``.
    cov : str or covariance
        By default clustered by unit, because rows of a unit are not independent.
    weights : str or Weights, optional
        ``"pop"`` for analytic weights, ``"frequency:n"`` for counts.

    Examples
    --------
    >>> import panelml as pm
    >>> panel = pm.Panel(pm.datasets.wage_panel(), unit="nr", time="year")
    >>> fit = pm.PooledOLS("lwage ~ union + married").fit(panel)
    >>> print(fit.params.round(3).to_dict())
    {'Intercept': 1.514, 'union': 0.169, 'married': 0.214}
    """

    formula: str
    _: KW_ONLY
    cov: CovLike = "cluster"
    weights: str | Weights | None = None

    @capped
    def fit(self, data: DataLike) -> Results:
        """Estimate the model on a Panel, or on a pandas frame with a (unit, time) MultiIndex."""
        formula = plain_formula(self.formula, "PooledOLS")
        sample, notes = make_sample(require_source(data), formula, parse_weights(self.weights))
        moments = fold(sample, PanelMoments.of)
        centre = moments.overall.mean if formula.intercept else np.zeros_like(moments.overall.mean)
        transform = Level(centre, constant=formula.intercept)
        gram = _level_gram(moments.overall, formula.intercept)
        resolution = level_resolution(moments.overall, formula.intercept)
        require_outcome(float(gram[0, 0]), moments)
        solved = least_squares(sample, transform, gram, centre=centre, resolution=resolution)
        observations = Observations(
            round(moments.weight), float(gram[0, 0]), log_weights(sample, moments.log_weight)
        )
        facts = Facts("pooled", "Pooled OLS", assumption=Assumption.NO_EFFECTS)
        return assemble(_fit(self, facts, solved, moments, observations, notes), self.cov)


@checked
@dataclass(frozen=True, slots=True)
class Between:
    """Between estimator: least squares on the means of the units.

    Parameters
    ----------
    formula : str
    cov : str or covariance
        By default clustered by unit; each unit is one row, so that this is robustness to
        heteroskedasticity.
    weights : str or Weights, optional
    weighted : bool
        Weight each unit by its number of rows (the sum of its weights) rather than equally.

    Examples
    --------
    >>> import panelml as pm
    >>> panel = pm.Panel(pm.datasets.wage_panel(), unit="nr", time="year")
    >>> fit = pm.Between("lwage ~ union + married").fit(panel)
    >>> print(fit.params.round(3).to_dict())
    {'Intercept': 1.507, 'union': 0.24, 'married': 0.191}
    """

    formula: str
    _: KW_ONLY
    cov: CovLike = "cluster"
    weights: str | Weights | None = None
    weighted: bool = False

    @capped
    def fit(self, data: DataLike) -> Results:
        """Estimate the model on a Panel, or on a pandas frame with a (unit, time) MultiIndex."""
        formula = plain_formula(self.formula, "Between")
        sample, notes = make_sample(require_source(data), formula, parse_weights(self.weights))
        moments = fold(sample, PanelMoments.of)
        means = moments.means
        unit_weights = means.weight if self.weighted else None
        products = means.cross_products(unit_weights)
        log_weight = 0.0
        if unit_weights is not None:
            products = _normalised(products, means.n_units)
            log_weight = float(np.log(unit_weights / unit_weights.mean()).sum())
        centre = products.mean if formula.intercept else np.zeros_like(products.mean)
        transform = BetweenTransform(
            centre,
            weighted=self.weighted,
            constant=formula.intercept,
            scale=1 / float(means.weight.mean()),
        )
        gram = _level_gram(products, formula.intercept)
        resolution = level_resolution(products, formula.intercept)
        require_outcome(float(gram[0, 0]), moments, " between units")
        solved = least_squares(sample, transform, gram, centre=centre, resolution=resolution)
        observations = Observations(
            means.n_units, float(gram[0, 0]), log_weight, unit_weights, grain="unit"
        )
        facts = Facts("between", "Between", assumption=Assumption.UNRELATED_MEANS)
        return assemble(_fit(self, facts, solved, moments, observations, notes), self.cov)


@checked
@dataclass(frozen=True, slots=True)
class FirstDifference:
    """First differences: least squares on changes between consecutive periods, none over gaps.

    Parameters
    ----------
    formula : str
        The constant drops out of the differences; ``drift=True`` adds one to them.
    cov : str or covariance
    weights : str or Weights, optional
    drift : bool
        Estimate a constant of the differenced equation, a linear trend in levels.

    Examples
    --------
    >>> import panelml as pm
    >>> panel = pm.Panel(pm.datasets.wage_panel(), unit="nr", time="year")
    >>> fit = pm.FirstDifference("lwage ~ union + married").fit(panel)
    >>> print(fit.params.round(3).to_dict())
    {'union': 0.043, 'married': 0.082}
    """

    formula: str
    _: KW_ONLY
    cov: CovLike = "cluster"
    weights: str | Weights | None = None
    drift: bool = False

    @capped
    def fit(self, data: DataLike) -> Results:
        """Estimate the model on a Panel, or on a pandas frame with a (unit, time) MultiIndex."""
        formula = plain_formula(self.formula, "FirstDifference")
        sample, notes = make_sample(require_source(data), formula, parse_weights(self.weights))
        counted = sample.weighting == "frequency"
        transform = Difference(constant=self.drift, frequency=counted)
        found = fold(sample, lambda block: Pair(PanelMoments.of(block), Gram.of(transform(block))))
        moments, changes = found.first, found.second
        n = round(changes.weight) if counted else changes.rows
        if n == 0:
            raise IdentificationError(
                "No unit is observed in two consecutive periods, so there is no change to "
                f"explain. {sample.source.index.remedy}".rstrip()
            )
        require_outcome(float(changes.products[0, 0]), moments, " over consecutive periods")
        solved = least_squares(
            sample,
            transform,
            changes.products,
            absorbed="consecutive periods",
            resolution=_change_resolution(moments, self.drift),
        )
        skipped = moments.n - moments.n_units - changes.rows
        if skipped:
            notes += (f"{skipped:,} changes across gaps in time were left out.",)
        observations = Observations(
            n, _total(changes, self.drift), log_weights(sample, changes.log_weight)
        )
        facts = Facts("differences", "First differences")
        fit = _fit(self, facts, solved, moments, observations, notes)
        mean = moments.overall.mean
        fit = replace(
            fit,
            statistics=replace(fit.statistics, nobs=n),
            predictor=Predictor.of(
                sample, solved.slopes, float(mean[0] - solved.slopes @ mean[1:])
            ),
        )
        return assemble(fit, self.cov)


@dataclass(frozen=True, slots=True)
class Observations:
    """What least squares counts as observations.

    Attributes
    ----------
    count : int
    squares : float
        Total sum of squares of the outcome.
    log_weight : float
        Sum of the logarithms of weights that are inverse variances.
    unit_weights : FloatArray, shape (g,), or None
        By which units count in the R-squared between them; None for equally.
    grain : {"row", "unit"}
        Whether they are rows, or means of units.
    """

    count: int
    squares: float
    log_weight: float
    unit_weights: FloatArray | None = None
    grain: Grain = "row"


def _fit(
    spec: PooledOLS | Between | FirstDifference,
    facts: Facts,
    solved: LeastSquares,
    moments: PanelMoments,
    observations: Observations,
    notes: tuple[str, ...],
) -> Fit:
    """Describe a solved regression."""
    n, rss = observations.count, solved.solution.rss
    counts = Counts(n, len(solved.names) - solved.constant, solved.constant)
    sigma2 = rss / max(counts.df_resid, 1)
    statistics = describe(
        solved,
        moments,
        rsquared=1 - rss / observations.squares,
        loglik=gaussian_loglik(rss, n, observations.log_weight),
        extras=Measures.of({"sigma": float(np.sqrt(sigma2))}),
        unit_weights=observations.unit_weights,
    )
    return Fit(
        spec=spec,
        facts=facts,
        estimate=regression_estimate(solved, counts, sigma2, grain=observations.grain),
        params=solved.params,
        statistics=statistics,
        predictor=predictor_of(solved),
        notes=(*notes, *solved.notes),
    )


def _level_gram(products: CrossProducts, constant: bool) -> FloatArray:
    """Cross-products of [y, x] about zero, or of [y, 1, x] about the means."""
    if not constant:
        return products.centred + products.weight * np.outer(products.mean, products.mean)
    p = products.mean.size
    gram = np.zeros((p + 1, p + 1))
    others = np.delete(np.arange(p + 1), 1)
    gram[np.ix_(others, others)] = products.centred
    gram[1, 1] = products.weight
    return gram


def _normalised(products: CrossProducts, n: int) -> CrossProducts:
    factor = n / products.weight
    return CrossProducts(float(n), products.mean, products.centred * factor)


def _total(changes: Gram, drift: bool) -> float:
    """Sum of squares of the outcome's changes, about their mean with a drift."""
    y = float(changes.products[0, 0])
    return y - float(changes.products[0, 1]) ** 2 / changes.weight if drift else y


def _change_resolution(moments: PanelMoments, drift: bool) -> Resolution:
    """What float64 resolves of changes, as of what else varies within units."""
    return moments.resolution.insert(1) if drift else moments.resolution
