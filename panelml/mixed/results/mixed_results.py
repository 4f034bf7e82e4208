"""Results of mixed models: fixed effects as everywhere, a random part, and refits."""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import partial
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np
import pandas as pd

from panelml._typing import FloatArray
from panelml.arguments import checked_methods
from panelml.data.panel.panel import Panel
from panelml.data.source.given import DataLike, ValuesLike
from panelml.mixed.results.case_deletion import CaseDeletion
from panelml.mixed.results.coefficients import RandomCoefficients
from panelml.mixed.results.parametric_bootstrap import Bootstrap, Statistic
from panelml.mixed.results.predicted_coefficients import row_effects
from panelml.mixed.results.prediction_intervals import (
    PredictionKind,
    on_panel,
    prediction_intervals,
)
from panelml.mixed.results.profile import Profile
from panelml.mixed.results.random_part import RandomPart
from panelml.mixed.results.refitting import Refitting, Simulated
from panelml.mixed.results.residual_part import ResidualPart, residual_table
from panelml.mixed.results.rsquared import explained_shares
from panelml.results.base import Results, Scale

if TYPE_CHECKING:
    from panelml.mixed.results.plot_levels import Axes, Figure

__all__ = ["MixedResults"]

NewLevels: TypeAlias = Literal["missing", "zero"]


@checked_methods
@dataclass(frozen=True, eq=False, repr=False)
class MixedResults(Results):
    """Results of a mixed model.

    What varies between levels is asked of ``random``, and whatever fits or simulates again of
    ``refits``; the methods that forward to them have their documentation there.

    Attributes
    ----------
    residual : ResidualPart, or None
        Covariance of dependent residuals of a unit; other attributes are those of Results.
    """

    _coefficients: RandomCoefficients
    residual: ResidualPart | None = None

    @classmethod
    def of(
        cls, base: Results, coefficients: RandomCoefficients, residual: ResidualPart | None = None
    ) -> MixedResults:
        """Complete the results of the fixed side."""
        fixed = {f.name: getattr(base, f.name) for f in fields(base)}
        return cls(**fixed, _coefficients=coefficients, residual=residual)

    @property
    def random(self) -> RandomPart:
        """The random part: variances, predicted coefficients, shares of variance and plots."""
        return RandomPart(self, self._coefficients, self.residual)

    @property
    def refits(self) -> Refitting:
        """What fits or simulates again: bootstrap, profile likelihood, case deletion."""
        return Refitting(self, self._coefficients, self.residual)

    @property
    def converged(self) -> bool:
        """Whether both certificates of the optimum hold."""
        return self._coefficients.certificate.converged

    @property
    def sigma2(self) -> float:
        """Residual variance; where there are several, that of the first level or period."""
        return self._coefficients.sigma2

    @property
    def n_parameters(self) -> int:
        """Fixed effects, (co)variances of random coefficients, and parameters of the residuals."""
        residual = self.residual.form.size if self.residual else 0
        return len(self.params) + self._coefficients.n_parameters + residual + 1

    @property
    def aic(self) -> float:  # type: ignore[override]
        """Akaike's criterion, of the restricted likelihood where that was maximised, as lme4."""
        return 2 * self.n_parameters - 2 * self.loglik

    @property
    def bic(self) -> float:  # type: ignore[override]
        """Schwarz's criterion with the number of rows, as lme4."""
        return float(np.log(self.nobs)) * self.n_parameters - 2 * self.loglik

    @property
    def rsquared_marginal(self) -> float:
        """Share of the variance that the fixed part explains (Nakagawa and Schielzeth 2013)."""
        return explained_shares(self.random)[0]

    @property
    def rsquared_conditional(self) -> float:
        """Share of the variance that the fixed and the random part explain together."""
        return explained_shares(self.random)[1]

    def residual_structure(self, level: float = 0.95) -> pd.DataFrame:
        """Standard deviations and correlations of a unit's residuals: see ``residual_table``."""
        return residual_table(self.residual, level)

    def predict(
        self,
        data: DataLike | None = None,
        *,
        effects: bool = False,
        type: Scale = "response",  # noqa: A002
        new_levels: NewLevels = "missing",
    ) -> pd.Series[float]:
        """Predict the outcome as ``Results.predict``, with the random part if asked.

        Parameters
        ----------
        data, type
            As in ``Results.predict``.
        effects : bool
            Add the random part z . b, with the columns of all grouping factors.
        new_levels : {"missing", "zero"}
            What random coefficients of a level outside the sample are: unknown, or zero, which
            predicts it at the mean of all levels. A row without a level is missing.
        """
        panel = self.panel if data is None else self.predictor.panel_of(data)
        unknown = 0.0 if new_levels == "zero" else np.nan
        added = self._row_effects(panel, unknown) if effects else None
        return self._prediction(None if data is None else panel, added, type)

    def predict_interval(
        self,
        data: DataLike | None = None,
        *,
        kind: PredictionKind = "marginal",
        level: float = 0.95,
    ) -> pd.DataFrame:
        """Predictions with standard errors and intervals, in the user's row order.

        Parameters
        ----------
        data : data frame or Panel, optional
        kind : {"marginal", "conditional", "new"}
            What is predicted: the mean over all units; the mean of the row's own unit, by its
            predicted coefficients, missing for units that were not fitted; or the mean of a unit
            that was not fitted, whose coefficients are not known.
        level : float

        Returns
        -------
        DataFrame
            ``prediction``, the ``std_error`` of its error, ``conf_low`` and ``conf_high``;
            ``pred_low`` and ``pred_high`` hold a new outcome of weight one, of the row's own unit
            where ``kind`` is conditional. Fixed effects have the covariance of the result, and
            variances count as known. New residuals depend on none that were fitted; where
            variances differ they are missing for levels that were not fitted.
        """
        return prediction_intervals(self.random, data, kind=kind, level=level)

    def variance(self, level: float = 0.95) -> pd.DataFrame:
        """Variance components: see ``random.variance``."""
        return self.random.variance(level)

    def random_effects(self, *, sd: bool = False) -> dict[str, pd.DataFrame]:
        """Predicted random coefficients: see ``random.effects``."""
        return self.random.effects(sd=sd)

    def icc(self) -> pd.Series[float]:
        """Intraclass correlations: see ``random.icc``."""
        return self.random.icc()

    def icc_table(self, level: float = 0.95) -> pd.DataFrame:
        """Intraclass correlations with intervals: see ``random.icc_table``."""
        return self.random.icc_table(level)

    def variance_at(self, data: ValuesLike) -> pd.DataFrame:
        """Variance function: see ``random.variance_at``."""
        return self.random.variance_at(data)

    def rsquared_decomposition(self) -> pd.DataFrame:
        """Decomposition of R-squared: see ``random.shares``."""
        return self.random.shares()

    def plot_rsquared(self, ax: Axes | None = None) -> Axes:
        """Plot the decomposition of R-squared: see ``random.plot_shares``."""
        return self.random.plot_shares(ax)

    def plot_effects(
        self,
        group: str | None = None,
        term: str = "Intercept",
        *,
        level: float = 0.95,
        ax: Axes | None = None,
    ) -> Axes:
        """Caterpillar plot: see ``random.plot``."""
        return self.random.plot(group, term, level=level, ax=ax)

    def plot_growth(self, x: str, *, units: int = 12, ax: Axes | None = None) -> Axes:
        """Growth curves: see ``random.curves``."""
        return self.random.curves(x, units=units, ax=ax)

    def plot_variance(self, x: str, *, ax: Axes | None = None) -> Axes:
        """Plot the variance function: see ``random.plot_variance``."""
        return self.random.plot_variance(x, ax=ax)

    def plot_diagnostics(self) -> Figure:
        """Plot residuals and quantiles at each level: see ``random.plot_diagnostics``."""
        return self.random.plot_diagnostics()

    def simulate(self, reps: int = 1, *, seed: int, effects: Simulated = "new") -> pd.DataFrame:
        """Simulate outcomes from the fitted model: see ``refits.simulate``."""
        return self.refits.simulate(reps, seed=seed, effects=effects)

    def bootstrap(
        self, reps: int = 999, *, seed: int, statistic: Statistic | None = None
    ) -> Bootstrap:
        """Parametric bootstrap: see ``refits.bootstrap``."""
        return self.refits.bootstrap(reps, seed=seed, statistic=statistic)

    def profile(self, parameters: list[str] | None = None, *, level: float = 0.99) -> Profile:
        """Profile likelihood: see ``refits.profile``."""
        return self.refits.profile(parameters, level=level)

    def influence(self, group: str | None = None) -> CaseDeletion:
        """Case-deletion diagnostics: see ``refits.without``."""
        return self.refits.without(group)

    def _row_effects(self, panel: Panel, new: float = np.nan) -> FloatArray:
        value = partial(row_effects, self._coefficients, self._sample, new=new)
        return on_panel(self, panel, value)
