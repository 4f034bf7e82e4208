"""The random part of a mixed model: what varies between the levels of its grouping factors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from panelml._typing import FloatArray
from panelml.arguments import checked_methods
from panelml.data.source.given import ValuesLike
from panelml.errors import SpecificationError, UnknownNameError, shown, suggest
from panelml.inference.distributions import normal_critical
from panelml.mixed.results.coefficients import (
    Certificate,
    FactorCoefficients,
    RandomCoefficients,
)
from panelml.mixed.results.component_errors import ComponentErrors
from panelml.mixed.results.plot_levels import plot_diagnostics, plot_shares
from panelml.mixed.results.plot_random import (
    Trajectories,
    plot_caterpillar,
    plot_trajectories,
    plot_variances,
)
from panelml.mixed.results.predicted_coefficients import (
    coefficient_tables,
    standardised_coefficients,
)
from panelml.mixed.results.residual_part import ResidualPart, require_independent
from panelml.mixed.results.variance_function import variance_curve, variances_at
from panelml.mixed.results.variance_sources import variance_sources
from panelml.mixed.results.variance_table import errors_of_components, icc_table, variance_table
from panelml.results.base import Results

if TYPE_CHECKING:
    from panelml.mixed.results.plot_levels import Axes, Figure

__all__ = ["RandomPart"]


@checked_methods
@dataclass(frozen=True, slots=True, eq=False, repr=False)
class RandomPart:
    """The random part of a mixed model: variances, predicted coefficients, shares and plots.

    Attributes
    ----------
    fit : Results
        The fit that it is the random part of.
    coefficients : RandomCoefficients
        What was estimated.
    residual : ResidualPart, or None
        The covariance of the residuals within units, where they are dependent.
    """

    fit: Results
    coefficients: RandomCoefficients
    residual: ResidualPart | None

    def __repr__(self) -> str:
        table = variance_table(self.coefficients, None, 0.95)
        columns = table[["group", "term", "other", "variance", "sd"]]
        return columns.to_string(na_rep="", float_format="%.4f", index=False)

    @property
    def parts(self) -> tuple[FactorCoefficients, ...]:
        """The random coefficients of each grouping factor, that with most levels first."""
        return self.coefficients.parts

    @property
    def certificate(self) -> Certificate:
        """Why the iteration counts as converged."""
        return self.coefficients.certificate

    def variance(self, level: float = 0.95) -> pd.DataFrame:
        """Variance components with their levels named.

        Returns
        -------
        DataFrame
            A row for each variance, for each covariance (``other`` names the second term, ``sd``
            is the correlation) and for the residual. Standard errors of the variances and
            covariances by the observed information, and intervals: of variances on the log
            scale, of correlations by Fisher's transformation. Missing where several grouping
            factors have too many coefficients for the information.
        """
        return variance_table(self.coefficients, self._errors(), level)

    def effects(self, *, sd: bool = False) -> dict[str, pd.DataFrame]:
        """Predicted random coefficients: for each grouping factor, a frame by level.

        Parameters
        ----------
        sd : bool
            Add columns ``sd(...)`` with the conditional standard deviations, given the outcomes,
            the variances and the fixed effects.
        """
        return coefficient_tables(self.coefficients, self.fit._sample, sd=sd)

    def icc(self) -> pd.Series[float]:
        """Intraclass correlations: shares of the random intercepts' variances in the total."""
        return pd.Series(self.coefficients.icc(), name="icc")

    def icc_table(self, level: float = 0.95) -> pd.DataFrame:
        """Intraclass correlations by grouping factor, of rows whose random slopes are zero.

        Returns
        -------
        DataFrame
            ``icc`` is the share of the level in the variance; ``correlation`` that of two rows
            of the same level, which share the levels around theirs too: pupils of a class share
            its school. The standard error of ``icc`` is by the delta method, and the interval
            symmetric on the scale of its logit; missing where those of ``variance`` are.
        """
        return icc_table(self.coefficients, self._errors(), level)

    def variance_at(self, data: ValuesLike) -> pd.DataFrame:
        """Variance function: that of the outcome around its fixed part, by random regressors.

        Parameters
        ----------
        data : data frame or dict of str to array or number
            Values of the random regressors' columns, and of those by which the residual variance
            differs.

        Returns
        -------
        DataFrame
            By row of ``data``: its columns, the variance between the levels of each grouping
            factor, z' D z, the residual one and their total.
        """
        return variances_at(self.fit.predictor, self.coefficients, self.residual, data)

    def shares(self) -> pd.DataFrame:
        """Decomposition of R-squared: shares of the variance by source, within and between units.

        Returns
        -------
        DataFrame
            By source: ``f1`` and ``f2``, the fixed part within and between units; ``v``, random
            slopes; ``m``, random intercepts (at the means of the random regressors); and the
            residual. Columns ``total``, ``within`` and ``between`` each sum to one; a source that
            does not belong to a level is missing there. Sums of rows are the R-squared of Rights
            and Sterba (2019): ``f1`` + ``f2`` is the marginal, with ``v`` and ``m`` the
            conditional one.

        Raises
        ------
        SpecificationError
            With more than one grouping factor, weights, or dependent residuals.
        """
        what, coefficients = "The decomposition of variance", self.coefficients
        require_independent(self.residual, what)
        basis = coefficients.one_factor(what).basis
        if self.fit.weights:
            raise SpecificationError(f"{what} has one residual variance, which weights vary.")
        cov, sigma2 = coefficients.sigma2 * self.parts[0].relative, coefficients.sigma2
        return variance_sources(self.fit._sample, self.fit.predictor, basis, cov, sigma2).table()

    def plot(
        self,
        group: str | None = None,
        term: str = "Intercept",
        *,
        level: float = 0.95,
        ax: Axes | None = None,
    ) -> Axes:
        """Caterpillar plot: the predicted coefficients of levels in order of size.

        Intervals are conditional on the variances and the fixed effects. Those that leave out
        zero are in colour.

        Parameters
        ----------
        group : str, optional
            Grouping factor; that with most levels by default.
        term : str
            Random coefficient.
        level : float
        ax : matplotlib Axes, optional
            Where to draw; a new figure by default.
        """
        predicted, spread = _one_coefficient(self.effects(sd=True), group, term)
        label, half = f"{term}, with {100 * level:g}% intervals", normal_critical(level)
        return plot_caterpillar(predicted, spread, half=half, label=label, ax=ax)

    def curves(self, x: str, *, units: int = 12, ax: Axes | None = None) -> Axes:
        """Growth curves: trajectories of some units (dotted), their fitted curves, the mean one.

        Parameters
        ----------
        x : str
            Column of the horizontal axis, such as age or time.
        units : int
            How many levels of the largest grouping factor are drawn, evenly spread over them.
        ax : matplotlib Axes, optional
        """
        fit, index = self.fit, self.fit.panel.index
        values = fit.panel.numbers(x).astype(np.float64)
        fitted, residual, mean = (
            index.sort(column.to_numpy(np.float64)).astype(np.float64)
            for column in (fit.fitted(), fit.residuals(), fit.fitted(effects=False))
        )
        present = np.flatnonzero(fit._sample.unit_rows > 0)
        drawn = present[np.unique(np.linspace(0, present.size - 1, units).round().astype(int))]
        rows = Trajectories(values, fitted + residual, fitted, mean, index.unit)
        return plot_trajectories(rows, drawn.tolist(), labels=(x, fit.depvar), ax=ax)

    def plot_variance(self, x: str, *, ax: Axes | None = None) -> Axes:
        """Plot the variance function over a random regressor, by level.

        Other random regressors are held at their means; the residual variance is the average.

        Parameters
        ----------
        x : str
            Column of a random regressor.
        ax : matplotlib Axes, optional
        """
        grid, between = variance_curve(self.fit, self.coefficients, x)
        ratio = self.residual.mean if self.residual else 1.0
        residual = np.full(grid.size, self.coefficients.sigma2 * ratio)
        return plot_variances(grid, {"residual": residual, **between}, label=x, ax=ax)

    def plot_shares(self, ax: Axes | None = None) -> Axes:
        """Plot the table of ``shares`` as stacked bars, in a new figure without ``ax``."""
        return plot_shares(self.shares(), ax=ax)

    def plot_diagnostics(self) -> Figure:
        """Plot residuals against fitted values, and quantiles at each level against normal ones.

        Predicted random coefficients are divided by the standard deviations that predictions
        have, which are shrunk: the variance less the conditional one. Those whose variance is
        estimated at zero are left out.
        """
        fitted, residuals = self.fit.fitted(), self.fit.residuals()
        rows = np.array([fitted, residuals], dtype=np.float64)[:, fitted.notna().to_numpy()]
        effects = standardised_coefficients(self.coefficients, self.fit._sample)
        return plot_diagnostics(rows[0], rows[1], effects)

    def _errors(self) -> ComponentErrors | None:
        return errors_of_components(self.fit, self.coefficients, self.residual)


def _one_coefficient(
    tables: dict[str, pd.DataFrame], group: str | None, term: str
) -> tuple[pd.Series[float], FloatArray]:
    """Find a coefficient's predictions by level, and their conditional standard deviations."""
    if not tables:
        raise SpecificationError("The model has no random coefficients.")
    name = next(iter(tables)) if group is None else group
    if name not in tables:
        raise UnknownNameError(f"No grouping factor {name!r}.{suggest(name, list(tables))}")
    table = tables[name]
    if f"sd({term})" not in table:
        terms = list(table.columns[: len(table.columns) // 2])
        raise UnknownNameError(f"No random coefficient {shown(term)}.{suggest(term, terms)}")
    return table[term], table[f"sd({term})"].to_numpy()
