"""Random effects of units, or units and periods: components, and generalised least squares."""

from __future__ import annotations

import numpy as np

from panelml._typing import FloatArray, VarianceMethod
from panelml.core.moments import PanelMoments
from panelml.core.transforms import QuasiDemean
from panelml.data.formula.formula import Formula
from panelml.data.sample import Sample
from panelml.engine.fold import fold
from panelml.engine.least_squares import LeastSquares, least_squares
from panelml.engine.splitting import as_mundlak
from panelml.errors import SpecificationError
from panelml.inference.correction import Counts
from panelml.inference.covariance import CovLike
from panelml.random.core.components import estimate_components
from panelml.random.core.outcome import exact_moments
from panelml.random.core.twoway import MOST_PERIODS
from panelml.random.results.components import (
    component_extras,
    component_notes,
)
from panelml.results.assemble import (
    assemble,
    describe,
    level_resolution,
    level_rsquared,
    log_weights,
    require_outcome,
)
from panelml.results.base import Results
from panelml.results.facts import Facts
from panelml.results.levels import RandomIntercepts

__all__ = ["counts_of", "fit_random", "quasi_gram", "weighted_loglik"]


def fit_random(
    spec: object,
    facts: Facts,
    formula: Formula,
    sample: Sample,
    method: VarianceMethod,
    cov: CovLike,
    notes: tuple[str, ...],
    levels: Sample | None = None,
    *,
    mundlak: bool = False,
) -> Results:
    """Estimate the variance components and generalised least squares on a sample.

    The components come from the regressors of ``levels`` where it is given; coefficients of means
    are read as ``mundlak`` says.

    Raises
    ------
    IdentificationError
        If a variance is not identified.
    """
    moments = fold(sample, PanelMoments.of)
    require_outcome(float(moments.overall.centred[0, 0]), moments)
    observed = moments if levels is None else fold(levels, PanelMoments.of)
    observed = exact_moments(levels or sample, observed, constant=formula.intercept)
    components = estimate_components(observed, method, constant=formula.intercept)
    centre = moments.overall.mean if formula.intercept else np.zeros_like(moments.overall.mean)
    transform = QuasiDemean(
        centre, components.sigma2_u, components.sigma2_e, constant=formula.intercept
    )
    gram = quasi_gram(moments, transform)
    resolution = level_resolution(moments.overall, formula.intercept)
    solved = least_squares(sample, transform, gram, centre=centre, resolution=resolution)
    # Predictions are made from the deviations and means that were regressed on.
    intercept = float(solved.params[0]) if solved.constant else 0.0
    if mundlak:
        solved = as_mundlak(solved, gram, centre, sample.names)
    counts = counts_of(moments, solved)
    # Moment methods scale by the residual variance of the transformed regression, as Stata and
    # plm do; likelihood methods have estimated the variance.
    sigma2 = components.sigma2_e
    if method not in ("ml", "reml"):
        sigma2 = solved.solution.rss / max(counts.df_resid, 1)
    statistics = describe(
        sample, moments, solved.slopes, rss=solved.solution.rss,
        rsquared=level_rsquared(moments, solved.slopes).get("rsquared_overall"),
        loglik=weighted_loglik(components.loglik, sample, moments),
        extras=component_extras(components, transform, moments.means.weight),
    )  # fmt: skip
    return assemble(
        facts=facts, spec=spec, formula=formula, cov=cov, sample=sample, transform=transform,
        solved=solved, sigma2=sigma2, counts=counts,
        statistics=statistics, intercept=intercept,
        effects=RandomIntercepts(components.sigma2_u, components.sigma2_e),
        notes=(*notes, *component_notes(components)),
    )  # fmt: skip


def weighted_loglik(loglik: float | None, sample: Sample, moments: PanelMoments) -> float | None:
    """Add half the logarithms of the weights to a log-likelihood, where there is one."""
    return None if loglik is None else loglik + log_weights(sample, moments.log_weight) / 2


def counts_of(moments: PanelMoments, solved: LeastSquares) -> Counts:
    """Count rows and parameters; tests of random effects are normal."""
    slopes = len(solved.names) - solved.constant
    return Counts(round(moments.weight), slopes, solved.constant, normal=True)


def quasi_gram(moments: PanelMoments, transform: QuasiDemean) -> FloatArray:
    """Cross-products of quasi-demeaned [y, 1, x] about the centre, from the moments."""
    mean = moments.means.mean - transform.centre[:, None]
    within = moments.within
    if transform.constant:
        mean = np.insert(mean, 1, 1.0, axis=0)
        within = np.insert(np.insert(within, 1, 0.0, axis=0), 1, 0.0, axis=1)
    weight = moments.means.weight
    left = weight * (1 - transform.theta(weight)) ** 2
    return within + (mean * left) @ mean.T


def require_few_periods(sample: Sample) -> None:
    periods = int(sample.source.index.times.size)
    if periods > MOST_PERIODS:
        raise SpecificationError(
            f"Two-way random effects solve a system of the periods, at most {MOST_PERIODS:,}; "
            f"there are {periods:,}. If there are fewer units, let unit and time change places: "
            "the model is the same."
        )
