"""Wooldridge's tests for serial correlation."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

import numpy as np

from panelml.arguments import checked
from panelml.core.block import Block
from panelml.core.equations import LeastSquaresEquation
from panelml.core.linalg import solve_normal
from panelml.core.moments import Gram, PanelMoments
from panelml.core.pair import Pair
from panelml.core.transforms import Difference, Rows, Within
from panelml.diagnostics.periods import require_periods
from panelml.engine.fold import fold
from panelml.errors import IdentificationError, SpecificationError
from panelml.inference.correction import Counts, SmallSample
from panelml.inference.covariance import Clustered, Estimate
from panelml.inference.influence import Influence
from panelml.inference.testing import TestResult, f_test
from panelml.results.base import Results

__all__ = ["wooldridge_test"]

Errors: TypeAlias = Literal["levels", "differences", "within"]


@checked
def wooldridge_test(
    fit: Results,
    *,
    errors: Errors = "levels",
    small_sample: str | SmallSample = "fixest",
) -> TestResult:
    """Wooldridge test for serial correlation: residuals are regressed on their lag.

    Parameters
    ----------
    fit : Results
        Any unweighted fit; its outcome and regressors are differenced, or demeaned, as needed.
    errors : {"levels", "differences", "within"}
        What is uncorrelated under the null hypothesis: the errors in levels, in which case
        residuals of first differences have the correlation -1/2; their differences; or, again,
        the errors in levels, by the correlation -1 / (T - 1) of the residuals of fixed effects
        in a balanced panel.
    small_sample : str or SmallSample
        For the covariance of the regression on the lag, clustered by unit.

    Raises
    ------
    SpecificationError
        For a link other than the identity, weights, rows without periods, or "within" in an
        unbalanced panel.
    IdentificationError
        If too few rows have a lag.

    Notes
    -----
    Source: Wooldridge (2010), *Econometric Analysis of Cross Section and Panel Data*, sections
    10.5.4 and 10.6.3; Drukker (2003), *Stata Journal* 3, 168-177. Lags are by time: a gap gives
    none.

    Examples
    --------
    >>> import panelml as pm
    >>> panel = pm.Panel(pm.datasets.wage_panel(), unit="nr", time="year")
    >>> fit = pm.FirstDifference("lwage ~ union + married").fit(panel)
    >>> print(round(pm.wooldridge_test(fit).statistic, 2))
    23.76
    """
    fit.facts.require_linear("wooldridge_test")
    influence = fit.attached.estimate.rows
    require_periods(influence.sample.source)
    if influence.sample.weights is not None:
        raise SpecificationError("The test is not defined for weighted fits.")
    rho = {"levels": -0.5, "differences": 0.0, "within": _within_correlation(fit)}[errors]
    if errors == "within":
        if np.isnan(rho):
            raise SpecificationError(
                "errors='within' needs a balanced panel, in which all residuals of a unit have "
                "the same correlation. Use errors='levels'."
            )
        influence = _refit(influence, Within())
    elif fit.facts.kind != "differences":
        influence = _refit(influence, Difference())
    return _regress_on_lag(influence, errors, rho, small_sample)


@dataclass(frozen=True, slots=True)
class ErrorOnLag:
    """Residuals of a fit beside a constant and the residual of the period before.

    Attributes
    ----------
    regression : LeastSquaresEquation
        The fit.
    """

    regression: LeastSquaresEquation
    constant: bool = True

    def __call__(self, block: Block) -> Rows:
        """Pair the residuals of one block with their lag."""
        fitted = self.regression.fitted_rows(block)
        rows, error = fitted.rows, fitted.error
        unit, step = rows.labels(block.unit), rows.labels(block.step)
        later = np.flatnonzero((np.diff(unit) == 0) & (np.diff(step) == 1)) + 1
        z = np.stack([error[later], np.ones(later.size), error[later - 1]])
        at = later if rows.at is None else rows.at[later]
        return Rows(z, None, at, np.searchsorted(later, rows.starts))


def _within_correlation(fit: Results) -> float:
    least, _, most = fit.statistics.unit_rows
    periods = fit.statistics.n_periods
    return -1 / (periods - 1) if least == most == periods > 1 else float("nan")


def _refit(influence: Influence, transform: Within | Difference) -> Influence:
    sample = influence.sample
    found = fold(sample, lambda block: Pair(PanelMoments.of(block), Gram.of(transform(block))))
    solution = solve_normal(found.second.products, found.first.rounding[1:])
    equation = LeastSquaresEquation(transform, solution.coef, solution.kept, solution.bread)
    return Influence(sample, equation)


def _regress_on_lag(
    influence: Influence, errors: str, rho: float, small_sample: str | SmallSample
) -> TestResult:
    transform = ErrorOnLag(influence.regression)
    gram = fold(influence.sample, lambda block: Gram.of(transform(block)))
    solution = solve_normal(gram.products)
    counts = Counts(gram.rows, 1, constant=True)
    if solution.kept.size < 2 or counts.df_resid < 1:
        raise IdentificationError(
            "Too few residuals have one in the period before. "
            f"{influence.sample.source.index.remedy}".rstrip()
        )
    equation = LeastSquaresEquation(transform, solution.coef, solution.kept, solution.bread)
    sigma2 = solution.rss / counts.df_resid
    own = Influence(influence.sample, equation)
    names = ("Intercept", "lag of the residual")
    covariance = Clustered(small_sample=small_sample).estimate(
        Estimate(names, own, sigma2 * solution.bread, counts)
    )
    slope = float(solution.coef[1])
    statistic = (slope - rho) ** 2 / float(covariance.matrix[1, 1])
    words = {
        "levels": "the errors are not serially correlated",
        "differences": "the differenced errors are not serially correlated",
        "within": "the errors are not serially correlated",
    }[errors]
    null = f"{words} (coefficient of the lag {rho:.4g}; it is {slope:.4g})"
    found = f_test("Wooldridge test", null, statistic, (1, covariance.df), notes=covariance.notes)
    return replace(found, advice=_advice(errors, found.pvalue))


def _advice(errors: str, pvalue: float) -> str:
    if pvalue >= 0.05:
        return "Not rejected at the 5 % level."
    if errors == "differences":
        return (
            "Rejected at the 5 % level: cluster the standard errors of first differences by unit."
        )
    return (
        "Rejected at the 5 % level: iid and HC1 standard errors are wrong; cluster by unit, or "
        "model the dynamics."
    )
