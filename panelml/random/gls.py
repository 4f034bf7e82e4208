"""Random effects of units, or units and periods: components, and generalised least squares."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from panelml._typing import FloatArray, VarianceMethod
from panelml.core.moments import PanelMoments
from panelml.core.transforms import QuasiDemean
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
    component_measures,
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
from panelml.results.fit import Fit, predictor_of, regression_estimate
from panelml.results.levels import RandomIntercepts
from panelml.results.measures import Measures
from panelml.results.prediction import EffectModel

__all__ = ["EstimatedErrors", "fit_random", "gls_fit", "quasi_gram"]


class RandomSpec(Protocol):
    """A specification of random effects."""

    @property
    def method(self) -> VarianceMethod:
        """Estimator of the variance components."""

    @property
    def cov(self) -> CovLike:
        """The covariance of the results."""


@dataclass(frozen=True, slots=True)
class EstimatedErrors:
    """Estimated variance components, as results report them.

    Attributes
    ----------
    sigma2 : float
        Variance by which the model scales the inverse cross-products of its regression.
    loglik : float, or None
        Log-likelihood, where the method has one.
    extras : Measures
        Standard deviations and shares, by the names of their measures.
    effects : EffectModel
        The random effects' predictions.
    notes : tuple of str
    """

    sigma2: float
    loglik: float | None
    extras: Measures
    effects: EffectModel
    notes: tuple[str, ...]


def fit_random(
    spec: RandomSpec,
    facts: Facts,
    sample: Sample,
    notes: tuple[str, ...],
    levels: Sample | None = None,
) -> Results:
    """Estimate the variance components and generalised least squares on a sample.

    The components come from the regressors of ``levels`` where it is given; Mundlak's
    coefficients of means are how much effects between units differ.

    Raises
    ------
    IdentificationError
        If a variance is not identified.
    """
    constant = sample.design.formula.intercept
    moments = fold(sample, PanelMoments.of)
    require_outcome(float(moments.overall.centred[0, 0]), moments)
    observed = moments if levels is None else fold(levels, PanelMoments.of)
    observed = exact_moments(levels or sample, observed, constant=constant)
    components = estimate_components(observed, spec.method, constant=constant)
    centre = moments.overall.mean if constant else np.zeros_like(moments.overall.mean)
    transform = QuasiDemean(centre, components.sigma2_u, components.sigma2_e, constant=constant)
    gram = quasi_gram(moments, transform)
    resolution = level_resolution(moments.overall, constant)
    solved = least_squares(sample, transform, gram, centre=centre, resolution=resolution)
    # Moment methods scale by the residual variance of the transformed regression, as Stata and
    # plm do; likelihood methods have estimated the variance.
    sigma2 = components.sigma2_e
    if spec.method not in ("ml", "reml"):
        sigma2 = solved.solution.rss / max(counts_of(moments, solved).df_resid, 1)
    errors = EstimatedErrors(
        sigma2,
        components.loglik,
        component_measures(components, transform, moments.means.weight),
        RandomIntercepts(components.sigma2_u, components.sigma2_e),
        component_notes(components),
    )
    predictor = predictor_of(solved)
    if facts.kind == "mundlak":
        solved = as_mundlak(solved, gram, centre, sample.names)
    fit = gls_fit(spec, facts, solved, moments, errors, notes)
    # Predictions are made from the deviations and means that were regressed on.
    return assemble(replace(fit, predictor=predictor), spec.cov)


def gls_fit(
    spec: RandomSpec,
    facts: Facts,
    solved: LeastSquares,
    moments: PanelMoments,
    errors: EstimatedErrors,
    notes: tuple[str, ...],
) -> Fit:
    """Describe generalised least squares with estimated variance components."""
    statistics = describe(
        solved,
        moments,
        rsquared=level_rsquared(moments, solved.slopes).get("rsquared_overall"),
        loglik=weighted_loglik(errors.loglik, solved.sample, moments),
        extras=errors.extras,
    )
    return Fit(
        spec=spec,
        facts=facts,
        estimate=regression_estimate(solved, counts_of(moments, solved), errors.sigma2),
        params=solved.params,
        statistics=statistics,
        predictor=predictor_of(solved),
        notes=(*notes, *errors.notes, *solved.notes),
        effects=errors.effects,
    )


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
