"""What was estimated: parameters, their covariance, and what follows from both without the data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self, overload

import numpy as np
import pandas as pd

from panelml._typing import FloatArray
from panelml.arguments import checked_methods
from panelml.errors import DetachedResultError
from panelml.inference.correction import Counts
from panelml.inference.covariance import Covariance, CovLike, Estimate, estimate_covariance
from panelml.inference.inference import Inference, InferenceSpec, infer
from panelml.inference.restrictions import Restrictions
from panelml.inference.testing import TestResult
from panelml.inference.wald import Wald
from panelml.results.facts import Facts
from panelml.results.measures import Measures, measure
from panelml.results.prediction import EffectModel, Predictor

__all__ = ["Attached", "FitStatistics", "FittedModel", "named"]


@dataclass(frozen=True, slots=True)
class FitStatistics:
    """Sizes and fit of a model.

    Attributes
    ----------
    nobs, n_units, n_periods : int
    unit_rows : tuple of (int, float, int)
        Least, mean and most rows of a unit.
    measures : Measures
        What the model declares: R-squared, log-likelihood, sigma_u, sigma_e, rho, theta, ...
    """

    nobs: int
    n_units: int
    n_periods: int
    unit_rows: tuple[int, float, int]
    measures: Measures

    def with_measures(self, values: Mapping[str, float]) -> FitStatistics:
        """Return the statistics with other values of measures, and with further ones."""
        return replace(self, measures=self.measures.updated(values))


@dataclass(frozen=True, slots=True)
class Attached:
    """What ties a result to its data; left out of pickles.

    Attributes
    ----------
    estimate : Estimate
        For other covariances.
    effects : EffectModel, or None
    """

    estimate: Estimate
    effects: EffectModel | None


class MeasureAttribute:
    """A fit statistic as an attribute of a fitted model, which raises where it has none."""

    def __init__(self, key: str) -> None:
        self.key = key
        self.__doc__ = measure(key, 0.0).definition

    @overload
    def __get__(self, fit: None, owner: type) -> Self: ...

    @overload
    def __get__(self, fit: FittedModel, owner: type) -> float: ...

    def __get__(self, fit: FittedModel | None, owner: type) -> float | Self:
        return self if fit is None else fit.measures.number(self.key, fit.model)


@checked_methods
@dataclass(frozen=True, eq=False, repr=False)
class FittedModel:
    """An estimated model.

    Attributes
    ----------
    facts : Facts
        What kind of model it is.
    spec : object
        The specification that was fitted.
    params : Series
        Estimates by name; the constant is called Intercept.
    inference : Inference
        Standard errors, tests and intervals of the parameters.
    counts : Counts
        What the small-sample rules count.
    statistics : FitStatistics
    predictor : Predictor
    depvar, formula, weights : str
    fit_notes : tuple of str
        Everything that was done unasked in the fit, whatever its covariance.
    """

    facts: Facts
    spec: object
    params: pd.Series[float]
    inference: Inference
    counts: Counts
    statistics: FitStatistics
    predictor: Predictor
    depvar: str
    formula: str
    weights: str
    fit_notes: tuple[str, ...]
    _attached: Attached | None

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_attached": None}

    rsquared = MeasureAttribute("rsquared")
    rsquared_within = MeasureAttribute("rsquared_within")
    rsquared_between = MeasureAttribute("rsquared_between")
    rsquared_overall = MeasureAttribute("rsquared_overall")
    loglik = MeasureAttribute("loglik")
    rss = MeasureAttribute("rss")
    pseudo_rsquared = MeasureAttribute("pseudo_rsquared")
    aic = MeasureAttribute("aic")
    bic = MeasureAttribute("bic")

    @property
    def covariance(self) -> Covariance:
        """The estimated covariance, with its degrees of freedom and description."""
        return self.inference.covariance

    @property
    def model(self) -> str:
        """Name of the estimator, with what tells this fit from others of it."""
        return self.facts.title

    @property
    def effects_absorbed(self) -> str:
        """The absorbed effects, as in a formula; empty without."""
        return self.facts.absorbed_words

    @property
    def cov(self) -> pd.DataFrame:
        """Covariance of the parameters."""
        return pd.DataFrame(self.covariance.matrix, self.params.index, self.params.index)

    @property
    def notes(self) -> tuple[str, ...]:
        """Everything that was done unasked, and what limits the inference in use."""
        return tuple(dict.fromkeys([*self.fit_notes, *self.inference.notes]))

    @property
    def std_errors(self) -> pd.Series[float]:
        """Standard errors."""
        return self._named(self.inference.errors, "std_error")

    @property
    def tstats(self) -> pd.Series[float]:
        """Estimates over their standard errors; missing where these are zero."""
        return self._named(_ratios(self._estimates, self.inference.errors), "tstat")

    @property
    def pvalues(self) -> pd.Series[float]:
        """Two-sided p-values: of covariances, by t with ``df_terms`` degrees of freedom."""
        return self._named(self.inference.pvalues, "pvalue")

    def conf_int(self, level: float = 0.95) -> pd.DataFrame:
        """Return confidence intervals, columns lower and upper.

        They are missing where an estimate other than zero has no variance.

        Raises
        ------
        SpecificationError
            If the level is not between 0 and 1.
        """
        return pd.DataFrame(self.inference.interval(level), self.params.index, ["lower", "upper"])

    @property
    def df_t(self) -> float:
        """Degrees of freedom of t under the inference in use: the least, where terms differ."""
        return self.inference.df

    @property
    def df_terms(self) -> pd.Series[float]:
        """Degrees of freedom of t of each parameter."""
        return self._named(self.inference.term_df, "df")

    @property
    def df_resid(self) -> int:
        """Observations less all coefficients, absorbed ones included."""
        return self.counts.df_resid

    @property
    def df_model(self) -> int:
        """Number of coefficients, without the constant."""
        return self.counts.slopes

    @property
    def nobs(self) -> int:
        """Number of observations."""
        return self.statistics.nobs

    @property
    def n_units(self) -> int:
        """Number of units."""
        return self.statistics.n_units

    @property
    def measures(self) -> Measures:
        """The fit statistics that the model declares, in order, with their definitions."""
        return self.statistics.measures

    @property
    def extras(self) -> Mapping[str, float]:
        """What only some models have, such as sigma_u, sigma_e, rho and theta."""
        return {known.key: known.value for known in self.measures.at("below")}

    @property
    def attached(self) -> Attached:
        """The tie to the data.

        Raises
        ------
        DetachedResultError
            If the result was pickled.
        """
        if self._attached is None:
            raise DetachedResultError(
                f"{self.model} was pickled without its data: fit again to ask for another "
                "covariance, residuals, effects or tests that go back to the rows."
            )
        return self._attached

    def with_cov(self, cov: CovLike) -> Self:
        """Return the result with another covariance, without fitting again.

        Raises
        ------
        DetachedResultError
            If the result was pickled.
        """
        covariance = estimate_covariance(cov, self.attached.estimate)
        return replace(self, inference=Wald(self._estimates, covariance))

    def with_inference(self, inference: InferenceSpec) -> Self:
        """Return the result with another kind of inference, without fitting again.

        It is a value with ``infer(estimates, fit)``; see ``panelml.inference.inference``.

        Raises
        ------
        DetachedResultError
            If the result was pickled.
        """
        return replace(self, inference=infer(inference, self._estimates, self.attached.estimate))

    def wald_test(self, restrictions: str | Sequence[str] | FloatArray) -> TestResult:
        """Test linear restrictions such as ``"x1 = x2"`` or ``"x1 = 0; x2 = 0"``.

        See ``panelml.inference.restrictions.Restrictions.read`` for the forms and the errors.
        """
        return self.inference.test(Restrictions.read(restrictions, list(self.params.index)))

    def model_test(self) -> TestResult | None:
        """Test that all slopes are zero; None without slopes."""
        first, count = int(self.counts.constant), self.counts.slopes
        if not count:
            return None
        test = self.wald_test(np.eye(len(self.params))[first : first + count])
        return replace(test, name="Test of the model", null="all slopes are zero")

    @property
    def _estimates(self) -> FloatArray:
        return np.asarray(self.params, dtype=np.float64)

    def _named(self, values: FloatArray, name: str) -> pd.Series[float]:
        return named(values, list(self.params.index), name)


def _ratios(estimates: FloatArray, errors: FloatArray) -> FloatArray:
    return estimates / np.where(errors > 0, errors, np.nan)


def named(values: FloatArray, index: Sequence[str], name: str) -> pd.Series[float]:
    """Label values by parameter."""
    return pd.Series(values, index=list(index), name=name)
