"""Predictions of mixed models with their standard errors and intervals."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from panelml._typing import FloatArray
from panelml.arguments import checked_methods
from panelml.core.block import Block
from panelml.data.sample import Sample
from panelml.engine.fold import fold
from panelml.inference.distributions import normal_critical
from panelml.mixed.core.blup import UnitPrediction
from panelml.mixed.core.prediction_error import error_variances, unit_errors
from panelml.mixed.results.random_part import RandomCoefficients
from panelml.results.levels_of import by_code, unit_levels
from panelml.results.prediction import sample_values

__all__ = ["PredictionErrors", "interval_table"]


@checked_methods
@dataclass(frozen=True, slots=True)
class PredictionErrors:
    """Variances of the errors of predictions.

    Attributes
    ----------
    sample : Sample
        The estimation sample.
    random : RandomCoefficients
    fixed : FloatArray, shape (p, p)
        Covariance of the working fixed effects.
    """

    sample: Sample
    random: RandomCoefficients
    fixed: FloatArray

    def marginal(self, rows: Sample) -> FloatArray:
        """Error of the fixed part x' beta, in the user's row order."""

        def value(block: Block) -> FloatArray:
            x = self._fixed_columns(block)
            return np.asarray((x * (self.fixed @ x)).sum(axis=0))

        return sample_values(rows, value)

    def random_variance(self, rows: Sample) -> FloatArray:
        """Variance of the random part of a unit that is not in the sample, z' T z."""
        basis, random = self.random.prediction.basis, self.random
        return sample_values(
            rows, lambda block: np.asarray(random.variances(basis.random(block.z)).sum(axis=0))
        )

    def conditional(self, rows: Sample, prediction: UnitPrediction) -> FloatArray:
        """Error of x' beta + z' b of the rows' own units; missing for units never seen."""
        group = self.random.parts[0].group
        found = fold(self.sample, lambda block: unit_errors(prediction, block)).values
        table = by_code(rows.panel, group, unit_levels(self.sample, group), found, np.nan)

        def value(block: Block) -> FloatArray:
            own = table[:, block.keys["^".join(group)]]
            z = prediction.basis.random(block.z)
            return error_variances(
                self._fixed_columns(block), z, own, self.fixed, self.random.sigma2
            )

        return sample_values(rows.with_keys(group), value)

    def _fixed_columns(self, block: Block) -> FloatArray:
        return self.random.prediction.basis.fixed(block.z)


def interval_table(
    values: pd.Series[float], error: FloatArray, around: FloatArray, level: float
) -> pd.DataFrame:
    """Tabulate predictions with intervals by the normal distribution.

    Parameters
    ----------
    values : Series
    error : FloatArray, shape (n,)
        Variance of the prediction's error.
    around : FloatArray, shape (n,)
        Variance of a new outcome around what is predicted.
    level : float
    """
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
