"""Predicted random effects of units beside Poisson counts (empirical Bayes), on the log scale."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from panelml._typing import FloatArray
from panelml.core.block import Block
from panelml.core.row_values import RowValues
from panelml.data.formula.formula import Effect
from panelml.data.sample import Sample
from panelml.engine.fold import fold
from panelml.glm.core.index import Columns
from panelml.glm.core.unit_sums import UnitModel

__all__ = ["GammaEffects"]


@dataclass(frozen=True, slots=True)
class GammaEffects:
    """Gamma effects of units at their posterior mean ``(1 / alpha + Y) / (1 / alpha + L)``.

    Attributes
    ----------
    columns : Columns
        How blocks of the sample are arranged for the model.
    model : UnitModel
    params : FloatArray, shape (p,)
        The last is the logarithm of alpha, minus infinity where effects do not vary.
    """

    columns: Columns
    model: UnitModel
    params: FloatArray

    def tables(
        self, sample: Sample, error: Callable[[Block], FloatArray]
    ) -> dict[Effect, pd.DataFrame]:
        """Return the logarithms of the posterior means by unit."""
        alpha = np.exp(self.params[-1])

        def means(block: Block) -> RowValues:
            rates, totals = self.model.totals(self.columns(block), self.params)
            return RowValues(np.log1p(alpha * totals)[None] - np.log1p(alpha * rates)[None])

        effects = fold(sample, means).values[0]
        frame = pd.DataFrame({"effect": effects}, sample.unit_labels)
        return {Effect((sample.source.unit,)): frame}
