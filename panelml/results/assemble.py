"""What all estimators of regressions share: describe a fit, and assemble its results."""

from __future__ import annotations

import numpy as np

from panelml._typing import FloatArray
from panelml.core.moments import CrossProducts, PanelMoments, Resolution
from panelml.data.formula.formula import Formula, parse_formula
from panelml.data.sample import Sample
from panelml.engine.least_squares import LeastSquares
from panelml.errors import IdentificationError, SpecificationError
from panelml.inference.covariance import CovLike, estimate_covariance
from panelml.inference.wald import Wald
from panelml.results.base import Attached, FitStatistics, Results, named
from panelml.results.fit import Fit
from panelml.results.measures import NO_MEASURES, Measures

__all__ = [
    "assemble",
    "describe",
    "gaussian_loglik",
    "level_resolution",
    "level_rsquared",
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
    solved: LeastSquares,
    moments: PanelMoments,
    *,
    rsquared: float | None = None,
    loglik: float | None = None,
    extras: Measures = NO_MEASURES,
    unit_weights: FloatArray | None = None,
) -> FitStatistics:
    """Compute sizes and measures of fit from the moments of outcome and regressors.

    Units count equally in the R-squared between them, or by ``unit_weights``, shape (g,). What is
    None the model does not have.
    """
    sample, rows = solved.sample, moments.means.rows
    periods = sample.level_rows((sample.source.time,)) > 0
    return FitStatistics(
        nobs=round(moments.weight),
        n_units=moments.n_units,
        n_periods=int(periods.sum()),
        unit_rows=(int(rows.min()), float(rows.mean()), int(rows.max())),
        measures=Measures.of(
            {
                "rsquared": rsquared,
                **level_rsquared(moments, solved.slopes, unit_weights),
                "loglik": loglik,
                "rss": solved.solution.rss,
            }
        ).plus(extras),
    )


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
) -> dict[str, float]:
    """Squared correlations of xb and y within units, between units and overall.

    There are none without regressors. Source: Stata's definitions for xtreg.
    """
    if not slopes.any():
        return {}
    between_units = moments.means.cross_products(unit_weights).centred
    floor = 1e-14 * np.diag(moments.overall.centred)
    return {
        "rsquared_within": _squared_correlation(moments.within, slopes, moments.rounding),
        "rsquared_between": _squared_correlation(between_units, slopes, floor),
        "rsquared_overall": _squared_correlation(moments.overall.centred, slopes, floor),
    }


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


def assemble(fit: Fit, cov: CovLike) -> Results:
    """Estimate the covariance of a fit, and put its results together.

    Raises
    ------
    IdentificationError
        If there are no more rows than parameters.
    """
    fit.require_degrees()
    estimate = fit.estimate
    return Results(
        facts=fit.facts,
        spec=fit.spec,
        params=named(fit.params, estimate.names, "param"),
        inference=Wald(fit.params, estimate_covariance(cov, estimate)),
        counts=estimate.counts,
        statistics=fit.statistics,
        predictor=fit.predictor,
        depvar=fit.depvar,
        formula=fit.formula,
        weights=fit.weights,
        fit_notes=fit.notes,
        _attached=Attached(estimate, fit.effects),
    )


def _squared_correlation(c: FloatArray, slopes: FloatArray, floor: FloatArray) -> float:
    """Squared correlation of xb and y, NaN where one has no more than rounding, shape (p,)."""
    explained = float(slopes @ c[1:, 1:] @ slopes)
    covariance = float(slopes @ c[1:, 0])
    if explained <= slopes**2 @ floor[1:] or c[0, 0] <= floor[0]:
        return float("nan")
    return covariance / explained * (covariance / float(c[0, 0]))
