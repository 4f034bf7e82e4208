"""What every estimator hands over: a fit, before the covariance that was asked for."""

from __future__ import annotations

from dataclasses import dataclass

from panelml._typing import FloatArray
from panelml.core.absorb_plan import AbsorbPlan
from panelml.core.equations import Grain, LeastSquaresEquation
from panelml.data.sample import Sample
from panelml.engine.least_squares import LeastSquares
from panelml.errors import IdentificationError
from panelml.inference.correction import Counts
from panelml.inference.estimate import Estimate
from panelml.inference.influence import Influence
from panelml.results.facts import Facts
from panelml.results.fitted import FitStatistics
from panelml.results.measures import NO_MEASURES, Measures
from panelml.results.prediction import EffectModel, Predictor

__all__ = ["Fit", "predictor_of", "regression_estimate", "sample_statistics"]


@dataclass(frozen=True, slots=True)
class Fit:
    """A fit, whatever the estimator.

    Attributes
    ----------
    spec : object
        The specification that was fitted.
    facts : Facts
        What kind of model it is.
    estimate : Estimate
        Names, influence, model covariance and counts, for covariances.
    params : FloatArray, shape (k,)
    statistics : FitStatistics
        Sizes and measures of fit.
    predictor : Predictor
        The linear index of any rows.
    notes : tuple of str
        Everything that was done unasked.
    effects : EffectModel, or None
        How effects are estimated from the residuals.
    """

    spec: object
    facts: Facts
    estimate: Estimate
    params: FloatArray
    statistics: FitStatistics
    predictor: Predictor
    notes: tuple[str, ...] = ()
    effects: EffectModel | None = None

    @property
    def sample(self) -> Sample:
        """The rows that were fitted."""
        return self.estimate.influence.sample

    @property
    def depvar(self) -> str:
        """Name of the outcome."""
        outcome = self.sample.design.outcome
        return outcome.names[0] if outcome else ""

    @property
    def formula(self) -> str:
        """The formula, as it was written."""
        return self.sample.design.formula.text

    @property
    def weights(self) -> str:
        """The weights in words; empty without."""
        return str(self.sample.weights) if self.sample.weights else ""

    def require_degrees(self) -> None:
        """Refuse a fit that leaves no degrees of freedom.

        Raises
        ------
        IdentificationError
            If there are no more rows than parameters.
        """
        counts = self.estimate.counts
        if counts.df_resid <= 0:
            raise IdentificationError(
                f"{counts.nobs} observations are too few for {counts.nobs - counts.df_resid} "
                "parameters (absorbed effects included): no degrees of freedom are left."
            )


def sample_statistics(sample: Sample, measures: Measures = NO_MEASURES) -> FitStatistics:
    """Count the rows, units and periods of a sample, and declare measures of fit beside them."""
    rows = sample.unit_rows
    rows = rows[rows > 0]
    periods = sample.level_rows((sample.source.time,)) > 0
    return FitStatistics(
        sample.nobs,
        rows.size,
        int(periods.sum()),
        (int(rows.min()), float(rows.mean()), int(rows.max())),
        measures,
    )


def predictor_of(solved: LeastSquares) -> Predictor:
    """Predict by the coefficients of a regression, with the constant where it has one."""
    intercept = float(solved.params[0]) if solved.constant else 0.0
    return Predictor.of(solved.sample, solved.slopes, intercept)


def regression_estimate(
    solved: LeastSquares,
    counts: Counts,
    sigma2: float,
    *,
    grain: Grain = "row",
    absorbed: AbsorbPlan | None = None,
) -> Estimate:
    """Describe a solved regression to covariances.

    Parameters
    ----------
    solved : LeastSquares
    counts : Counts
    sigma2 : float
        Variance by which the model scales its inverse cross-products.
    grain : {"row", "unit"}
        Whether the regression's rows are those of the data, or means of units.
    absorbed : AbsorbPlan, optional
        Effects that were taken out of the rows, which have leverage too.
    """
    # Weights count equal rows of the data; the mean of a unit is one whatever its weight.
    counted = solved.sample.weighting == "frequency" and grain == "row"
    equation = LeastSquaresEquation(
        solved.transform,
        solved.solution.coef,
        solved.solution.kept,
        solved.bread,
        frequency=counted,
        grain=grain,
        absorbed=absorbed,
    )
    influence = Influence(solved.sample, equation)
    return Estimate(solved.names, influence, solved.model_cov(sigma2), counts)
