"""Estimated effects of a model of rates, level by level, on the scale of its logarithm."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pandas as pd

from panelml._typing import FloatArray
from panelml.core.block import Block
from panelml.data.formula.formula import Effect
from panelml.data.sample import Sample
from panelml.glm.core.index import Columns, Rates
from panelml.results.levels import AbsorbedEffects

__all__ = ["RateEffects"]


@dataclass(frozen=True, slots=True)
class RateEffects:
    """Effects of the levels that a model of rates absorbed.

    Attributes
    ----------
    columns : Columns
        How blocks of the sample are arranged for the rates.
    rates : Rates
    constant : float
        From which effects are deviations.
    levels : AbsorbedEffects
    """

    columns: Columns
    rates: Rates
    constant: float
    levels: AbsorbedEffects

    def tables(
        self,
        sample: Sample,
        error: Callable[[Block], FloatArray],
    ) -> dict[Effect, pd.DataFrame]:
        """Divide the rows' sum of effects among the levels; all but the first average to zero."""

        def total(block: Block) -> FloatArray:
            rates, rows = self.rates, self.columns(block)
            shift = rates.index.slopes @ self.columns.centre
            return rates.effects(rows) - shift - self.constant

        return self.levels.tables(sample, total)
