"""What all estimators share: describe and assemble."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from panelml._typing import FloatArray
from panelml.core.moments import CrossProducts, PanelMoments, Resolution
from panelml.core.transforms import Between, Transform
from panelml.data.formula import Formula, parse_formula
from panelml.data.sample import Sample
from panelml.engine.least_squares import LeastSquares, dropped_notes, parameter_names
from panelml.engine.mixed import MultilevelFit, fit_sample
from panelml.engine.multilevel import LevelCurvature
from panelml.engine.residual import ResidualPlan
from panelml.engine.residual_curvature import ResidualCurvature
from panelml.errors import IdentificationError, SpecificationError
from panelml.inference.correction import Counts
from panelml.inference.covariance import CovLike, Estimate, estimate_covariance
from panelml.inference.influence import Influence
from panelml.inference.likelihood import Curvature
from panelml.results.base import Attached, FitStatistics, Results, named
from panelml.results.mixed import MixedResults
from panelml.results.prediction import EffectModel, Predictor
from panelml.results.random_part import RandomCoefficients
from panelml.results.residual import ResidualPart

__all__ = [
    "assemble",
    "describe",
    "fit_mixed",
    "gaussian_loglik",
    "level_resolution",
    "log_weights",
    "plain_formula",
    "require_outcome",
]


def plain_formula(text: str, estimator: str) -> Formula:
    """Parse a formula that absorbs nothing.

    Raises
    ------
    SpecificationError
        If it has effects after ``|``.
    """
    formula = parse_formula(text)
    if formula.effects:
        raise SpecificationError(
            f"{estimator} absorbs no effects, but the formula has '| "
            f"{' + '.join(str(effect) for effect in formula.effects)}'. Use FixedEffects."
        )
    return formula


def level_resolution(products: CrossProducts, constant: bool) -> Resolution | None:
    """What float64 resolves of [y, 1, x] about their means; None without a constant."""
    return products.resolution.insert(1) if constant else None


def describe(
    sample: Sample, moments: PanelMoments, slopes: FloatArray, *, rss: float, rsquared: float,
    loglik: float, extras: dict[str, float], unit_weights: FloatArray | None = None,
) -> FitStatistics:  # fmt: skip
    """Compute sizes and R-squared from the moments of outcome and regressors.

    Units count equally in the R-squared between them, or by ``unit_weights``, shape (g,).
    """
    rows = moments.means.rows
    within, between, overall = level_rsquared(moments, slopes, unit_weights)
    periods = sample.level_rows((sample.panel.time,)) > 0
    return FitStatistics(
        nobs=round(moments.weight), n_units=moments.n_units, n_periods=int(periods.sum()),
        unit_rows=(int(rows.min()), float(rows.mean()), int(rows.max())), rss=rss,
        rsquared=rsquared, rsquared_within=within,
        rsquared_between=between, rsquared_overall=overall,
        loglik=loglik, extras=extras,
    )  # fmt: skip


def require_outcome(total: float, moments: PanelMoments, where: str = "") -> None:
    """Refuse an outcome that is constant but for rounding.

    Parameters
    ----------
    total : float
        Its sum of squares in the regression.
    moments : PanelMoments
    where : str
        What it would have to vary over.

    Raises
    ------
    IdentificationError
        If nothing is left to explain.
    """
    size = moments.weight * float(moments.overall.mean[0] ** 2) + moments.overall.centred[0, 0]
    if total <= 1e-29 * size:
        raise IdentificationError(
            f"The outcome does not vary{where}: there is nothing left to explain."
        )


def level_rsquared(
    moments: PanelMoments, slopes: FloatArray, unit_weights: FloatArray | None = None
) -> tuple[float, float, float]:
    """Squared correlations of xb and y within units, between units and overall.

    Source: Stata's definitions for xtreg.
    """
    between_units = moments.means.cross_products(unit_weights).centred
    floor = 1e-14 * np.diag(moments.overall.centred)
    return (
        _squared_correlation(moments.within, slopes, moments.rounding),
        _squared_correlation(between_units, slopes, floor),
        _squared_correlation(moments.overall.centred, slopes, floor),
    )


def gaussian_loglik(rss: float, n: float, log_weight: float = 0.0) -> float:
    """Log-likelihood of n normal errors at the variance rss / n over their weights.

    ``log_weight`` is the sum of the logarithms of analytic weights.
    """
    if rss <= 0:
        return float("inf")
    return float(-n / 2 * (np.log(2 * np.pi * rss / n) + 1) + log_weight / 2)


def log_weights(sample: Sample, total: float) -> float:
    """Return the sum of the logarithms of weights that are inverse variances, zero for counts."""
    return total if sample.weighting == "analytic" else 0.0


def assemble(
    *,
    model: str,
    spec: object,
    formula: Formula,
    cov: CovLike,
    sample: Sample,
    transform: Transform,
    solved: LeastSquares,
    sigma2: float,
    counts: Counts,
    statistics: FitStatistics,
    intercept: float,
    effects: EffectModel | None = None,
    absorbed: str = "",
    notes: tuple[str, ...] = (),
    curvature: Curvature | None = None,
) -> Results:
    """Put a fit together and estimate its covariance.

    Raises
    ------
    IdentificationError
        If there are no more rows than parameters.
    """
    if counts.df_resid <= 0:
        raise IdentificationError(
            f"{counts.nobs} observations are too few for {counts.nobs - counts.df_resid} "
            "parameters (absorbed effects included): no degrees of freedom are left."
        )
    influence = Influence(
        sample, transform, solved.solution.coef, solved.solution.kept, solved.bread,
        frequency=_counts_rows(sample, transform),
    )  # fmt: skip
    estimate = Estimate(tuple(solved.names), influence, solved.model_cov(sigma2), counts, curvature)
    outcome = sample.design.outcome
    return Results(
        model=model,
        spec=spec,
        params=named(solved.params, solved.names, "param"),
        covariance=estimate_covariance(cov, estimate),
        counts=counts,
        statistics=statistics,
        predictor=Predictor.of(sample, solved.slopes, intercept),
        depvar=outcome.names[0] if outcome else "",
        formula=formula.text,
        effects_absorbed=absorbed,
        weights=str(sample.weights) if sample.weights else "",
        fit_notes=(*notes, *solved.notes),
        _attached=Attached(estimate, effects),
    )


def fit_mixed(
    spec: object, model: str, formula: Formula, sample: Sample,
    groups: tuple[tuple[str, ...], ...], *, restricted: bool, cov: CovLike, notes: tuple[str, ...],
    plan: ResidualPlan | None = None,
) -> MixedResults:  # fmt: skip
    """Fit a mixed model to a sample, and put its results together.

    See ``panelml.engine.mixed.fit_sample`` for the parameters and the errors.

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
        sample, fit.moments, solved.slopes, rss=at.sigma2 * at.df, rsquared=float("nan"),
        loglik=random.loglik,
        extras=random.extras() | (residual.extras() if residual else {}),
    )  # fmt: skip
    base = assemble(
        model=f"{model} by {'REML' if restricted else 'ML'}"
        + (f", {residual.words}" if residual else ""), spec=spec, formula=formula,
        cov=cov, sample=sample, transform=fit.levels.prediction, solved=solved,
        sigma2=at.sigma2, counts=counts, statistics=statistics,
        intercept=float(solved.params[0]) if solved.constant else 0.0, effects=random,
        notes=(*notes, *random.notes(), *(residual.notes() if residual else ())),
        curvature=_curvature(fit),
    )  # fmt: skip
    return MixedResults.of(base, random, residual)


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


def _counts_rows(sample: Sample, transform: Transform) -> bool:
    """Whether weights say how many equal rows of the fit there are: means of units are one each."""
    return sample.weighting == "frequency" and not isinstance(transform, Between)


def _squared_correlation(c: FloatArray, slopes: FloatArray, floor: FloatArray) -> float:
    """Squared correlation of xb and y, NaN where one has no more than rounding, shape (p,)."""
    explained = float(slopes @ c[1:, 1:] @ slopes)
    covariance = float(slopes @ c[1:, 0])
    if explained <= slopes**2 @ floor[1:] or c[0, 0] <= floor[0]:
        return float("nan")
    return covariance / explained * (covariance / float(c[0, 0]))
