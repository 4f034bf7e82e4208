"""Random effects by generalised least squares; Mundlak's and the hybrid form of them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Literal, get_args

import numpy as np

from panelml._typing import FloatArray, InteractionCentring, VarianceMethod
from panelml.arguments import checked
from panelml.core.moments import PanelMoments
from panelml.core.transforms import QuasiDemean
from panelml.data.formula.formula import Formula
from panelml.data.formula.random_terms import RandomTerm
from panelml.data.panel.grouping import group_rows, refuse_panel_functions
from panelml.data.panel.weights import Weights, parse_weights
from panelml.data.sample import Sample
from panelml.engine.fold import capped, fold
from panelml.engine.least_squares import LeastSquares, least_squares
from panelml.engine.sampling import make_sample, require_panel
from panelml.engine.splitting import as_mundlak, split_means
from panelml.errors import SpecificationError, shown, suggest
from panelml.inference.correction import Counts
from panelml.inference.covariance import CovLike
from panelml.mixed.assemble import fit_mixed
from panelml.mixed.core.structures import ResidualLike
from panelml.mixed.fit.residual import ResidualPlan
from panelml.random.core.components import estimate_components
from panelml.random.core.twoway import MOST_PERIODS, TwoWayMoments, TwoWayQuasiDemean
from panelml.random.core.twoway_components import estimate_two_way
from panelml.random.outcome import exact_moments, exact_two_way
from panelml.random.results.components import (
    component_extras,
    component_notes,
    two_way_extras,
    two_way_notes,
)
from panelml.random.results.crossed import CrossedIntercepts
from panelml.results.assemble import (
    assemble,
    describe,
    level_resolution,
    log_weights,
    plain_formula,
    require_outcome,
)
from panelml.results.base import Results
from panelml.results.levels import RandomIntercepts

__all__ = ["Hybrid", "Mundlak", "RandomEffects"]


@checked
@dataclass(frozen=True, slots=True)
class RandomEffects:
    """Generalised least squares with a random intercept for each unit, and each period if asked.

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
    time_effects : bool
        Whether periods have random intercepts too: the two-way model. Its ``"swamy-arora"`` is
        exact on unbalanced panels; there is no ``"baltagi-chang"`` beside it.
    """

    formula: str
    method: VarianceMethod = "swamy-arora"
    cov: CovLike = "cluster"
    weights: str | Weights | None = None
    time_effects: bool = False

    @capped
    def fit(self, data: Any) -> Results:
        """Estimate the model on a Panel, or on a pandas frame with a (unit, time) MultiIndex."""
        formula = plain_formula(self.formula, "RandomEffects")
        sample, notes = make_sample(require_panel(data), formula, parse_weights(self.weights))
        if self.time_effects:
            return fit_two_way(self, formula, sample, notes)
        return fit_random(self, "Random effects", formula, sample, self.method, self.cov, notes)


@checked
@dataclass(frozen=True, slots=True)
class Mundlak:
    """Random effects with the unit means of all regressors that vary within units.

    The coefficient of ``x`` is its effect within units, the one of ``mean(x)`` by how much the
    effect between units differs. A regressor that is collinear with others within units, as
    experience is with period dummies, has the coefficient that fixed effects give it, and a note.

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


@checked
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
    random : str, optional
        Random regressors of the units, as ``"1 + x"``: a mixed model by REML, or by ML with
        ``method="ml"``. They too are deviations from unit means, where they vary within units.
        ``"1 + x | school"`` names the units of a data frame without a time column.
    interactions : {"double-demeaned", "demeaned", "raw"}, optional
        What is the within part of ``x:z``: the product of deviations from unit means, itself
        made a deviation; the deviation of the product, which differs if both vary within units;
        or the product as it is, not split. By default "double-demeaned" with ``random``, and
        "demeaned" without; the first note says which, where it makes a difference.
    residual : str or residual structure, optional
        With ``random``, as for MixedModel: ``pm.residual.Heteroskedastic(covariates="x")`` lets
        the variance within units depend on x.

    Notes
    -----
    Source: Allison (2009), *Fixed Effects Regression Models*, chapter 2; Bell and Jones (2015),
    *Political Science Research and Methods* 3, 133-153; for interactions Giesselmann and
    Schmidt-Catran (2022), *Sociological Methods & Research* 51, 1100-1127.
    """

    formula: str
    method: VarianceMethod = "swamy-arora"
    cov: CovLike = "cluster"
    weights: str | Weights | None = None
    random: str | None = None
    interactions: InteractionCentring | None = None
    residual: ResidualLike = None

    @property
    def reml(self) -> bool:
        """Whether the likelihood, of a mixed model, is the restricted one."""
        return self.method != "ml"

    @capped
    def fit(self, data: Any) -> Results:
        """Estimate the model on a Panel, or on a pandas frame with a (unit, time) MultiIndex.

        With ``random`` the results are MixedResults, and see MixedModel for the errors.
        """
        if self.interactions not in (None, *get_args(InteractionCentring)):
            raise SpecificationError(
                f"interactions is one of {', '.join(map(repr, get_args(InteractionCentring)))}, "
                f"not {shown(self.interactions)}."
            )
        if self.random is None:
            if self.residual is not None:
                raise SpecificationError(
                    "A structure of residuals goes with a likelihood: add random='1'."
                )
            model, centring = "Hybrid (within-between)", self.interactions or "demeaned"
            return _fit(self, model, "within-between", data, centring)
        return _fit_slopes(self, self.random, data)


def _fit_slopes(spec: Hybrid, random: str, data: Any) -> Results:
    """Fit the within-between model with random slopes, as a mixed model."""
    if spec.method not in ("swamy-arora", "reml", "ml"):
        raise SpecificationError(
            f"With random slopes the method is 'reml' or 'ml', not {shown(spec.method)}."
        )
    correlated = "||" not in random
    regressors, _, group = (t.strip() for t in random.replace("||", "|").partition("|"))
    panel = group_rows(data, (group,)) if group else require_panel(data)
    if panel is not data and group:
        refuse_panel_functions(f"{spec.formula} {random}", group)
    fixed = plain_formula(spec.formula, "Hybrid")
    term = RandomTerm(regressors, (panel.unit,), correlated)
    text = f"{fixed.text} + ({regressors} {'|' if correlated else '||'} {panel.unit})"
    formula = replace(fixed, text=text, random=(term,))
    plan = ResidualPlan.parse(spec.residual, data, panel)
    keys, slopes = (plan.keys, plan.slopes) if plan else ((), ())
    sample, notes = make_sample(panel, formula, parse_weights(spec.weights), keys, slopes)
    centring = spec.interactions or "double-demeaned"
    split, said = split_means(sample, "within-between", centring)
    return fit_mixed(
        spec, "Hybrid (within-between)", formula, split, (term.group,), restricted=spec.reml,
        cov=spec.cov, notes=(*said, *notes), plan=plan,
    )  # fmt: skip


def _fit(
    spec: Mundlak | Hybrid, model: str, form: Literal["within-between", "mundlak"], data: Any,
    interactions: InteractionCentring = "demeaned",
) -> Results:  # fmt: skip
    formula = plain_formula(spec.formula, type(spec).__name__)
    sample, notes = make_sample(require_panel(data), formula, parse_weights(spec.weights))
    # The estimated effects of these methods, mean(y) - mean(x) b, need x itself.
    by_effects = spec.method in ("amemiya", "nerlove")
    levels = split_means(sample, "levels")[0] if by_effects else None
    split, said = split_means(sample, form, interactions)
    notes = (*said, *notes)
    return fit_random(spec, model, formula, split, spec.method, spec.cov, notes, levels)


def fit_random(
    spec: object, model: str, formula: Formula, sample: Sample, method: VarianceMethod,
    cov: CovLike, notes: tuple[str, ...], levels: Sample | None = None,
) -> Results:  # fmt: skip
    """Estimate the variance components and generalised least squares on a sample.

    The components come from the regressors of ``levels`` where it is given.

    Raises
    ------
    SpecificationError
        If there is no such method.
    IdentificationError
        If a variance is not identified.
    """
    _require_method(method, get_args(VarianceMethod))
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
    if isinstance(spec, Mundlak):
        solved = as_mundlak(solved, gram, centre, sample.names)
    counts = _counts(moments, solved)
    # Moment methods scale by the residual variance of the transformed regression, as Stata and
    # plm do; likelihood methods have estimated the variance.
    sigma2 = components.sigma2_e
    if method not in ("ml", "reml"):
        sigma2 = solved.solution.rss / max(counts.df_resid, 1)
    statistics = describe(
        sample, moments, solved.slopes, rss=solved.solution.rss, rsquared=float("nan"),
        loglik=components.loglik + log_weights(sample, moments.log_weight) / 2,
        extras=component_extras(components, transform, moments.means.weight),
    )  # fmt: skip
    return assemble(
        model=model, spec=spec, formula=formula, cov=cov, sample=sample, transform=transform,
        solved=solved, sigma2=sigma2, counts=counts,
        statistics=replace(statistics, rsquared=statistics.rsquared_overall),
        intercept=intercept,
        effects=RandomIntercepts(components.sigma2_u, components.sigma2_e),
        notes=(*notes, *component_notes(components)),
    )  # fmt: skip


def fit_two_way(
    spec: RandomEffects, formula: Formula, sample: Sample, notes: tuple[str, ...]
) -> Results:
    """Estimate random effects of units and periods on a sample.

    Raises
    ------
    SpecificationError
        If there is no such method, or there are too many periods.
    IdentificationError
        If a variance is not identified.
    """
    allowed = tuple(name for name in get_args(VarianceMethod) if name != "baltagi-chang")
    _require_method(spec.method, allowed)
    _require_few_periods(sample)
    moments = fold(sample, PanelMoments.of)
    constant = formula.intercept
    centre = moments.overall.mean if constant else np.zeros_like(moments.overall.mean)
    two_way = fold(sample, partial(TwoWayMoments.of, centre=centre, constant=constant))
    exact = exact_two_way(sample, moments, two_way, constant=constant)
    components = estimate_two_way(*exact, spec.method, constant=constant)
    system, ratio = two_way.system(components.ratio_u), components.ratio_t
    transform = TwoWayQuasiDemean(
        centre, components.sigma2_u, components.sigma2_e, system.levels(ratio), constant
    )
    resolution = level_resolution(moments.overall, constant)
    solved = least_squares(
        sample, transform, system.gram(ratio), centre=centre, resolution=resolution
    )
    counts = _counts(moments, solved)
    statistics = describe(
        sample, moments, solved.slopes, rss=solved.solution.rss, rsquared=float("nan"),
        loglik=components.loglik + log_weights(sample, moments.log_weight) / 2,
        extras=two_way_extras(components, moments.means.weight),
    )  # fmt: skip
    return assemble(
        model="Two-way random effects", spec=spec, formula=formula, cov=spec.cov, sample=sample,
        transform=transform, solved=solved, sigma2=components.sigma2_e, counts=counts,
        statistics=replace(statistics, rsquared=statistics.rsquared_overall),
        intercept=float(solved.params[0]) if solved.constant else 0.0,
        effects=CrossedIntercepts(components.sigma2_u, components.sigma2_t, components.sigma2_e),
        notes=(*notes, *two_way_notes(components)),
    )  # fmt: skip


def _counts(moments: PanelMoments, solved: LeastSquares) -> Counts:
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


def _require_method(method: str, methods: tuple[str, ...]) -> None:
    if method not in methods:
        raise SpecificationError(f"method is not {shown(method)}.{suggest(method, methods)}")


def _require_few_periods(sample: Sample) -> None:
    periods = int(sample.panel.index.times.size)
    if periods > MOST_PERIODS:
        raise SpecificationError(
            f"Two-way random effects solve a system of the periods, at most {MOST_PERIODS:,}; "
            f"there are {periods:,}. If there are fewer units, let unit and time change places: "
            "the model is the same."
        )
