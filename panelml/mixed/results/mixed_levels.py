"""What mixed models report beyond coefficients: shares of variance, intervals, diagnostics."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np
import pandas as pd

from panelml._typing import FloatArray
from panelml.arguments import checked_methods
from panelml.core.block import Block
from panelml.data.sample import Sample
from panelml.errors import SpecificationError, check_choice, check_share
from panelml.mixed.core.blup import UnitPrediction
from panelml.mixed.results.intervals import PredictionErrors, interval_table
from panelml.mixed.results.mixed_inference import MixedInference, require_independent
from panelml.mixed.results.plot_levels import plot_diagnostics, plot_shares
from panelml.mixed.results.shares import variance_sources
from panelml.results.prediction import sample_values

if TYPE_CHECKING:
    from panelml.mixed.results.plot_levels import Axes, Figure

__all__ = ["LevelResults", "PredictionKind"]

PredictionKind: TypeAlias = Literal["marginal", "conditional", "new"]


@checked_methods
@dataclass(frozen=True, eq=False, repr=False)
class LevelResults(MixedInference):
    """Shares of variance by level, intervals of predictions and diagnostics at each level."""

    def rsquared_decomposition(self) -> pd.DataFrame:
        """Shares of the variance by source, in total, within units and between them.

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
        require_independent(self, "The decomposition of variance")
        basis = self._one_factor("The decomposition of variance").basis
        if self.weights:
            raise SpecificationError(
                "The decomposition of variance has one residual variance, which weights vary."
            )
        part = self.random.parts[0]
        return variance_sources(
            self._sample,
            self.predictor,
            basis,
            self.random.sigma2 * part.relative,
            self.random.sigma2,
        ).table()

    def plot_rsquared(self, ax: Axes | None = None) -> Axes:
        """Plot the table of ``rsquared_decomposition`` as stacked bars.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            Where to draw; a new figure by default.

        Raises
        ------
        SpecificationError
            With more than one grouping factor, weights, or dependent residuals.
        MissingDependencyError
            If matplotlib is not installed.
        """
        return plot_shares(self.rsquared_decomposition(), ax=ax)

    def plot_diagnostics(self) -> Figure:
        """Plot residuals against fitted values, and quantiles at each level against normal ones.

        Predicted random coefficients are divided by the standard deviations that predictions
        have, which are shrunk: the variance less the conditional one. Those whose variance is
        estimated at zero are left out.

        Raises
        ------
        MissingDependencyError
            If matplotlib is not installed.
        """
        fitted, residuals = self.fitted(), self.residuals()
        known = fitted.notna().to_numpy()
        effects = {}
        working, spreads = self.random.working(self._sample), self.random.spreads(self._sample)
        for (part, _, values), spread in zip(working, spreads, strict=True):
            for a, label in enumerate(part.labels):
                left = part.cov[a, a] - spread[a, a]
                if part.cov[a, a] > 0 and (left > 0).all():
                    name = f"{label} | {part.name}, standardised"
                    effects[name] = (part.back @ values)[a] / np.sqrt(left)
        rows = np.array([fitted, residuals], dtype=np.float64)[:, known]
        return plot_diagnostics(rows[0], rows[1], effects)

    def predict_interval(
        self, data: Any = None, *, kind: PredictionKind = "marginal", level: float = 0.95
    ) -> pd.DataFrame:
        """Predictions with standard errors and intervals, in the user's row order.

        Parameters
        ----------
        data : data frame or Panel, optional
            As in ``predict``; the fitted rows by default.
        kind : {"marginal", "conditional", "new"}
            What is predicted: the mean over all units; the mean of the row's own unit, by its
            predicted coefficients, missing for units that were not fitted; or the mean of a unit
            that was not fitted, whose coefficients are not known.
        level : float

        Returns
        -------
        DataFrame
            ``prediction``; the ``std_error`` of its error, with ``conf_low`` and ``conf_high``;
            and ``pred_low`` and ``pred_high``, which hold a new outcome: of the row's own unit
            where ``kind`` is conditional, of a unit that was not fitted otherwise. The fixed
            effects have the covariance of the result, and variances count as known. The outcome
            of a row with weights has the weight one. Where residuals depend on each other, the
            residual of a new outcome is one that depends on none of those that were fitted; where
            their variances differ it is missing for levels that were not fitted.

        Raises
        ------
        SpecificationError
            If there is no such kind, ``level`` is no probability, or ``kind`` is conditional
            without random terms or with more than one grouping factor.
        """
        check_choice("kind", kind, PredictionKind)
        check_share("level", level)
        if kind == "conditional" and not self.random.parts:
            raise SpecificationError(
                "Without random terms units have no means of their own: take kind='marginal'."
            )
        values = self.predict(data, effects=kind == "conditional")
        panel = self.panel if data is None else self.predictor.panel_of(data)
        error, spread = self._error_variances(panel, kind, inside=data is None)
        residual = self._residual_variances(panel, inside=data is None)
        around = residual + spread if kind == "marginal" else residual
        return interval_table(values, error, around, level)

    def _residual_variances(self, panel: Any, *, inside: bool) -> FloatArray:
        """Variance of the residual of each row."""
        if self.residual is None:
            return np.full(panel.nobs, self.random.sigma2)
        return self._variances_of_residuals(self._sample if inside else self.rule.rows(panel))

    def _variances_of_residuals(self, rows: Sample) -> FloatArray:
        """Variance of the residual of each row of a sample, in the user's order."""
        whitening = self.random.prediction.basis.whitening
        if self.residual is None or whitening is None:
            return np.full(rows.panel.nobs, self.random.sigma2)
        return self.random.sigma2 * self.residual.row_variances(whitening, rows)

    def _level_variances(self, rows: Sample) -> dict[str, FloatArray]:
        """Variances between the levels of each grouping factor, at rows of random regressors."""
        basis = self.random.prediction.basis

        def variance(block: Block, place: int) -> FloatArray:
            z = np.zeros((basis.centre.size, block.n))
            z[z.shape[0] - len(rows.names) :] = block.regressors
            values: FloatArray = self.random.variances(basis.random(z))[place]
            return values

        return {
            part.name: sample_values(rows, partial(variance, place=place))
            for place, part in enumerate(self.random.parts)
        }

    def _error_variances(
        self, panel: Any, kind: PredictionKind, *, inside: bool
    ) -> tuple[FloatArray, FloatArray]:
        """Variance of the prediction's error, and of the random part of a new unit."""
        errors = PredictionErrors(self._sample, self.random, self._working_cov())

        def of(rows: Sample) -> FloatArray:
            spread = errors.random_variance(rows)
            if kind == "conditional":
                prediction = self._one_factor("An interval that is conditional on units")
                return np.stack([errors.conditional(rows, prediction), spread])
            return np.stack([errors.marginal(rows) + (spread if kind == "new" else 0.0), spread])

        if not inside:
            error, spread = of(self.rule.rows(panel))
            return error, spread
        found = of(self._sample)
        if self._sample.keep is not None:
            # Rows that were left out, for want of an outcome perhaps, are predicted as new ones.
            found = np.where(np.isnan(found), of(self.rule.rows(panel)), found)
        return found[0], found[1]

    def _working_cov(self) -> FloatArray:
        """Covariance of the working fixed effects, from that of the parameters."""
        basis, names = self.random.prediction.basis, list(self._sample.names)
        source = basis.source[: -basis.n_random - 1]
        columns = [
            source[:, 0] - source[:, 1:] @ basis.centre
            if name == "Intercept"
            else source[:, 2 + names.index(str(name))]
            for name in self.params.index
        ]
        half = np.linalg.solve(np.array(columns), self.cov.to_numpy(np.float64))
        return np.asarray(np.linalg.solve(np.array(columns), half.T))

    def _one_factor(self, what: str) -> UnitPrediction:
        """Return the prediction by units, of a model with one grouping factor."""
        if isinstance(self.random.prediction, UnitPrediction):
            return self.random.prediction
        names = ", ".join(part.name for part in self.random.parts)
        raise SpecificationError(f"{what} needs one grouping factor; here are {names}.")
