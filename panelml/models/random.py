"""Random effects by generalised least squares; Mundlak's and the hybrid form of them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal, get_args

import numpy as np

from panelml._typing import FloatArray, VarianceMethod
from panelml.core.augment import SplitMeans
from panelml.core.components import Components, estimate_components
from panelml.core.linalg import RANK_TOLERANCE
from panelml.core.moments import PanelMoments
from panelml.core.transforms import QuasiDemean
from panelml.data.formula import Formula
from panelml.data.sample import Sample
from panelml.data.weights import Weights, parse_weights
from panelml.engine.fold import capped, fold
from panelml.engine.sampling import make_sample, require_panel
from panelml.errors import IdentificationError, SpecificationError, suggest
from panelml.inference.correction import Counts
from panelml.inference.covariance import CovLike
from panelml.models.base import assemble, describe, least_squares, plain_formula
from panelml.results.base import Results
from panelml.results.levels import RandomIntercepts

__all__ = ["Hybrid", "Mundlak", "RandomEffects"]


@dataclass(frozen=True, slots=True)
class RandomEffects:
    """Generalised least squares with a random intercept for each unit.

    Parameters
    ----------
    formula : str
        ``"y ~ x1 + x2"``.
    method : str
        Estimator of the variance components: ``"swamy-arora"`` (Stata's default),
        ``"baltagi-chang"`` (Stata's sa), ``"wallace-hussain"``, ``"amemiya"``, ``"nerlove"``,
        ``"ml"`` or ``"reml"``.
    cov : str or covariance
        By default clustered by unit.
    weights : str or Weights, optional
    """

    formula: str
    method: VarianceMethod = "swamy-arora"
    cov: CovLike = "cluster"
    weights: str | Weights | None = None

    @capped
    def fit(self, data: Any) -> Results:
        """Estimate the model on a Panel, or on a pandas frame with a (unit, time) MultiIndex."""
        formula = plain_formula(self.formula, "RandomEffects")
        sample, notes = make_sample(require_panel(data), formula, parse_weights(self.weights))
        return fit_random(self, "Random effects", formula, sample, self.method, self.cov, notes)


@dataclass(frozen=True, slots=True)
class Mundlak:
    """Random effects with the unit means of all regressors that vary within units.

    The coefficient of ``x`` is its effect within units, the one of ``mean(x)`` by how much the
    effect between units differs.

    Parameters
    ----------
    formula : str
    method : str
        Estimator of the variance components, as in RandomEffects.
    cov : str or covariance
        By default clustered by unit.
    weights : str or Weights, optional

    Notes
    -----
    Source: Mundlak (1978), *Econometrica* 46, 69-85.
    """

    formula: str
    method: VarianceMethod = "swamy-arora"
    cov: CovLike = "cluster"
    weights: str | Weights | None = None

    @capped
    def fit(self, data: Any) -> Results:
        """Estimate the model on a Panel, or on a pandas frame with a (unit, time) MultiIndex."""
        return _fit(self, "Mundlak", "mundlak", data)


@dataclass(frozen=True, slots=True)
class Hybrid:
    """Random effects with each regressor split into ``within(x)`` and ``between(x)``.

    Regressors that vary within units are found from the estimation sample; the others stay as
    they are. The within part equals fixed effects, on unbalanced panels too.

    Parameters
    ----------
    formula : str
    method : str
        Estimator of the variance components, as in RandomEffects.
    cov : str or covariance
        By default clustered by unit.
    weights : str or Weights, optional

    Notes
    -----
    Source: Allison (2009), *Fixed Effects Regression Models*, chapter 2; Bell and Jones (2015),
    *Political Science Research and Methods* 3, 133-153.
    """

    formula: str
    method: VarianceMethod = "swamy-arora"
    cov: CovLike = "cluster"
    weights: str | Weights | None = None

    @capped
    def fit(self, data: Any) -> Results:
        """Estimate the model on a Panel, or on a pandas frame with a (unit, time) MultiIndex."""
        return _fit(self, "Hybrid (within-between)", "within-between", data)


def _fit(
    spec: Mundlak | Hybrid, model: str, form: Literal["within-between", "mundlak"], data: Any
) -> Results:
    formula = plain_formula(spec.formula, type(spec).__name__)
    sample, notes = make_sample(require_panel(data), formula, parse_weights(spec.weights))
    return fit_random(spec, model, formula, split_means(sample, form), spec.method, spec.cov, notes)


def split_means(sample: Sample, form: Literal["within-between", "mundlak"]) -> Sample:
    """Find the regressors that vary within units and split them.

    Raises
    ------
    IdentificationError
        If none does.
    """
    moments = fold(sample, PanelMoments.of)
    within = np.diag(moments.within)[1:]
    total = np.diag(moments.overall.centred)[1:]
    moves = within > RANK_TOLERANCE * total
    if not moves.any():
        raise IdentificationError(
            f"No regressor varies within {sample.panel.unit}: there is no within effect to "
            "tell from the between effect. Use Between or PooledOLS."
        )
    varying, others = np.flatnonzero(moves), np.flatnonzero(~moves)
    names = np.array(sample.names, dtype=object)
    labels = ("within({})", "between({})") if form == "within-between" else ("{}", "mean({})")
    first, second = ([label.format(name) for name in names[varying]] for label in labels)
    renamed = (*first, *second, *names[others])
    return sample.then(renamed, SplitMeans(varying, others, form))


def fit_random(
    spec: object, model: str, formula: Formula, sample: Sample, method: VarianceMethod,
    cov: CovLike, notes: tuple[str, ...],
) -> Results:  # fmt: skip
    """Estimate the variance components and generalised least squares on a sample.

    Raises
    ------
    SpecificationError
        If there is no such method.
    IdentificationError
        If a variance is not identified.
    """
    methods = get_args(VarianceMethod)
    if method not in methods:
        raise SpecificationError(f"No method {method!r}.{suggest(str(method), methods)}")
    moments = fold(sample, PanelMoments.of)
    components = estimate_components(moments, method, constant=formula.intercept)
    centre = moments.overall.mean if formula.intercept else np.zeros_like(moments.overall.mean)
    transform = QuasiDemean(
        centre, components.sigma2_u, components.sigma2_e, constant=formula.intercept
    )
    gram = quasi_gram(moments, transform)
    solved = least_squares(sample, transform, gram, centre=centre)
    n = round(moments.weight)
    counts = Counts(n, len(solved.names) - solved.constant, solved.constant, normal=True)
    # Moment methods scale by the residual variance of the transformed regression, as Stata and
    # plm do; likelihood methods have estimated the variance.
    sigma2 = components.sigma2_e
    if method not in ("ml", "reml"):
        sigma2 = solved.solution.rss / max(counts.df_resid, 1)
    statistics = describe(
        sample, moments, solved.slopes, rss=solved.solution.rss, rsquared=float("nan"),
        loglik=components.loglik, extras=_extras(components, transform, moments.means.weight),
    )  # fmt: skip
    return assemble(
        model=model, spec=spec, formula=formula, cov=cov, sample=sample, transform=transform,
        solved=solved, sigma2=sigma2, counts=counts,
        statistics=replace(statistics, rsquared=statistics.rsquared_overall),
        intercept=float(solved.params[0]) if solved.constant else 0.0,
        effects=RandomIntercepts(components.sigma2_u, components.sigma2_e),
        notes=(*notes, *_component_notes(components)),
    )  # fmt: skip


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


def _extras(components: Components, transform: QuasiDemean, weight: FloatArray) -> dict[str, float]:
    theta = transform.theta(weight)
    total = components.sigma2_u + components.sigma2_e
    extras = {
        "sigma_u": float(np.sqrt(components.sigma2_u)),
        "sigma_e": float(np.sqrt(components.sigma2_e)),
        "rho": components.sigma2_u / total if total > 0 else float("nan"),
    }
    if (weight == weight[0]).all():
        return {**extras, "theta": float(theta[0])}
    low, middle, high = np.quantile(theta, [0.0, 0.5, 1.0])
    return {
        **extras, "theta_min": float(low), "theta_median": float(middle), "theta_max": float(high)
    }  # fmt: skip


def _component_notes(components: Components) -> tuple[str, ...]:
    if components.sigma2_u > 0:
        return ()
    if components.raw_u < 0:
        return (
            f"The variance of the unit effect was estimated as {components.raw_u:.4g} and set to "
            "zero: the estimates are those of pooled OLS.",
        )
    return (
        "The variance of the unit effect is estimated at zero: the likelihood is highest there.",
    )
