"""Predictions of mixed models with their standard errors and intervals."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
import pandas as pd

from panelml._typing import FloatArray
from panelml.core.block import Block
from panelml.data.panel.panel import Panel
from panelml.data.sample import Sample
from panelml.data.source.given import DataLike
from panelml.engine.fold import fold
from panelml.errors import SpecificationError
from panelml.inference.distributions import normal_critical
from panelml.mixed.core.blup import UnitPrediction
from panelml.mixed.core.prediction_error import error_variances, unit_errors
from panelml.mixed.results.coefficients import RandomCoefficients
from panelml.mixed.results.random_part import RandomPart
from panelml.mixed.results.residual_part import residual_variances
from panelml.results.base import Results
from panelml.results.levels_of import by_code, unit_levels
from panelml.results.prediction import sample_values

__all__ = ["PredictionErrors", "PredictionKind", "on_panel", "prediction_intervals"]

PredictionKind: TypeAlias = Literal["marginal", "conditional", "new"]


def on_panel(fit: Results, panel: Panel, value: Callable[[Sample], FloatArray]) -> FloatArray:
    """Evaluate the rows of a panel, shape (..., n), in the user's order.

    Rows of the fitted panel that were left out, for want of an outcome perhaps, count as new ones.
    """
    sample = fit._sample
    if panel is not sample.panel:
        return value(fit.rule.rows(panel))
    values = value(sample)
    if sample.keep is None:
        return values
    return np.where(np.isnan(values), value(fit.rule.rows(panel)), values)


@dataclass(frozen=True, slots=True)
class PredictionErrors:
    """Variances of the errors of predictions.

    Attributes
    ----------
    sample : Sample
        The estimation sample.
    coefficients : RandomCoefficients
    fixed : FloatArray, shape (p, p)
        Covariance of the working fixed effects.
    """

    sample: Sample
    coefficients: RandomCoefficients
    fixed: FloatArray

    @classmethod
    def of(cls, fit: Results, coefficients: RandomCoefficients) -> PredictionErrors:
        """Take the covariance of the parameters over to the working fixed effects."""
        basis, names = coefficients.prediction.basis, list(fit._sample.names)
        source = basis.source[: -basis.n_random - 1]
        columns = np.array(
            [
                source[:, 0] - source[:, 1:] @ basis.centre
                if name == "Intercept"
                else source[:, 2 + names.index(str(name))]
                for name in fit.params.index
            ]
        )
        half = np.linalg.solve(columns, fit.cov.to_numpy(np.float64))
        return cls(fit._sample, coefficients, np.asarray(np.linalg.solve(columns, half.T)))

    def of_kind(self, rows: Sample, kind: PredictionKind) -> FloatArray:
        """Variances of the prediction's error and of the random part of a new unit, (2, n)."""
        spread = self.random_variance(rows)
        if kind == "conditional":
            what = "An interval that is conditional on units"
            return np.stack([self.conditional(rows, self.coefficients.one_factor(what)), spread])
        return np.stack([self.marginal(rows) + (spread if kind == "new" else 0.0), spread])

    def marginal(self, rows: Sample) -> FloatArray:
        """Error of the fixed part x' beta, in the user's row order."""

        def value(block: Block) -> FloatArray:
            x = self._fixed_columns(block)
            return np.asarray((x * (self.fixed @ x)).sum(axis=0))

        return sample_values(rows, value)

    def random_variance(self, rows: Sample) -> FloatArray:
        """Variance of the random part of a unit that is not in the sample, z' T z."""
        basis, random = self.coefficients.prediction.basis, self.coefficients
        return sample_values(
            rows, lambda block: np.asarray(random.variances(basis.random(block.z)).sum(axis=0))
        )

    def conditional(self, rows: Sample, prediction: UnitPrediction) -> FloatArray:
        """Error of x' beta + z' b of the rows' own units; missing for units never seen."""
        group = self.coefficients.parts[0].group
        errors = fold(self.sample, lambda block: unit_errors(prediction, block)).values
        table = by_code(rows.panel, group, unit_levels(self.sample, group), errors, np.nan)

        def value(block: Block) -> FloatArray:
            of_unit = table[:, block.keys["^".join(group)]]
            z = prediction.basis.random(block.z)
            return error_variances(
                self._fixed_columns(block), z, of_unit, self.fixed, self.coefficients.sigma2
            )

        return sample_values(rows.with_keys(group), value)

    def _fixed_columns(self, block: Block) -> FloatArray:
        return self.coefficients.prediction.basis.fixed(block.z)


def prediction_intervals(
    random: RandomPart, data: DataLike | None, *, kind: PredictionKind, level: float
) -> pd.DataFrame:
    """Predict rows with standard errors and intervals by the normal distribution.

    Raises
    ------
    SpecificationError
        If ``kind`` is conditional without random terms, or with more than one grouping factor.
    """
    fit, coefficients, residual = random.fit, random.coefficients, random.residual
    if kind == "conditional" and not coefficients.parts:
        raise SpecificationError(
            "Without random terms units have no means of their own: take kind='marginal'."
        )
    values = fit.predict(data, effects=kind == "conditional")
    panel = fit.panel if data is None else fit.predictor.panel_of(data)
    errors = PredictionErrors.of(fit, coefficients)
    error, spread = on_panel(fit, panel, lambda rows: errors.of_kind(rows, kind))
    around = on_panel(fit, panel, lambda rows: residual_variances(coefficients, residual, rows))
    return _interval_table(values, error, around + spread if kind == "marginal" else around, level)


def _interval_table(
    values: pd.Series[float], error: FloatArray, around: FloatArray, level: float
) -> pd.DataFrame:
    """Tabulate predictions with the variances of their errors, and of new outcomes around them."""
    z = normal_critical(level)
    half, wide = z * np.sqrt(error), z * np.sqrt(error + around)
    return pd.DataFrame(
        {
            "prediction": values,
            "std_error": np.sqrt(error),
            "conf_low": values - half,
            "conf_high": values + half,
            "pred_low": values - wide,
            "pred_high": values + wide,
        }
    )
