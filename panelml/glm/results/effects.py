"""Estimated effects of a model of rates, level by level, on the scale of its logarithm."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from panelml._typing import FloatArray, IntArray
from panelml.core.block import Block, arranged
from panelml.core.row_values import RowValues
from panelml.data.formula.formula import Effect
from panelml.data.sample import Sample
from panelml.engine.fold import fold
from panelml.engine.iterate import HeldBlocks, hold
from panelml.glm.core.index import Columns, Rates
from panelml.glm.fit.regression import WeightedRegression
from panelml.results.levels import AbsorbedEffects
from panelml.results.marginal.mean import IndexProjection

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

    def index(self, block: Block) -> FloatArray:
        """Return the logarithm of the means of a block of the sample, effects included."""
        return self.rates.log_mean(self.columns(block))

    def projected(self, sample: Sample, targets: FloatArray) -> IndexProjection:
        """Regress ``targets``, shape (e, n), over the means on regressors and effects.

        With weights that are the means. Fitted values times the scores of the rows are what the
        rows contribute to a function of the index with such derivatives, as effects move too.
        """
        held = hold(sample).then(self.columns)
        found = [_projected(held, self, target, _starts(sample)) for target in targets]
        fitted = np.stack([projection[0] for projection in found])

        def scores(block: Block) -> RowValues:
            log_mean = self.rates.log_mean(block)
            w = block.row_weights
            return RowValues(
                np.stack([w * (block.outcome - np.exp(log_mean)), w * np.exp(log_mean)])
            )

        score, information = fold(held, scores).values
        coef = np.zeros((len(targets), len(sample.names)))
        coef[:, self.columns.columns] = np.stack([projection[1] for projection in found])
        return IndexProjection(fitted * score, coef, (fitted * information) @ fitted.T)

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


@dataclass(frozen=True, slots=True)
class ProjectedRows:
    """Working rows whose outcome is a value of each row over its information."""

    rates: Rates
    values: FloatArray
    starts: IntArray

    def __call__(self, block: Block) -> Block:
        """Replace the outcome of a block, and set its weights."""
        information = np.exp(self.rates.log_mean(block)) * block.row_weights
        first = self.starts[block.first_unit]
        outcome = self.values[first : first + block.n] / information
        return replace(block, z=arranged(outcome, block.regressors), weights=information)


def _projected(
    held: HeldBlocks, effects: RateEffects, values: FloatArray, starts: IntArray
) -> tuple[FloatArray, FloatArray]:
    """Return the fitted values of a weighted regression, shape (n,), and its slopes."""
    target = ProjectedRows(effects.rates, values, starts)
    solved = WeightedRegression(held, effects.levels.plan, constant=False).solve(target)
    k = len(solved.gram) - 1
    coef = np.zeros(k)
    coef[solved.solution.kept] = solved.solution.coef

    def fitted(block: Block) -> RowValues:
        rows = target(block)
        within = solved.transform(rows)
        error = within.outcome - coef @ within.regressors
        return RowValues((rows.outcome - error)[None])

    return fold(held, fitted).values[0], coef


def _starts(sample: Sample) -> IntArray:
    rows = sample.unit_rows
    return np.concatenate([[0], np.cumsum(rows[rows > 0])])
