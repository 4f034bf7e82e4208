"""Average treatment effects on the treated in nonlinear models: differences of means, by cell.

With the index of a row x'b, and d the coefficient of its cell, the effect of the policy on the row
is ``g(x'b) - g(x'b - d)``: what the model expects, less what it expects without the policy.

Source: Wooldridge (2023), *Econometrics Journal* 26, C31-C66, equation 3.13.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from panelml._typing import FloatArray, IntArray
from panelml.core.block import Block, arranged
from panelml.core.keyed import KeyedSums
from panelml.did.core.imputation import Assignment

__all__ = ["CellIndicators", "ResponseEffects"]


@dataclass(frozen=True, slots=True)
class CellIndicators:
    """Indicators of cohorts, of periods and of effects, after the regressors of a block.

    Attributes
    ----------
    assignment : Assignment
        Cohorts, and rows to effects.
    periods : IntArray, shape (T - 1,)
        Codes of the periods that have an indicator: all of the sample but the first.
    """

    assignment: Assignment
    periods: IntArray

    @property
    def count(self) -> int:
        """Number of indicators; those of effects are the last."""
        return self.assignment.cohorts.size - 1 + self.periods.size + self.assignment.count

    def __call__(self, block: Block) -> Block:
        """Add the indicators to a block; the last cohort, as the first period, has none."""
        cohort = self.assignment.cohort_numbers(block)
        effect = self.assignment.effects(block)
        indicators = (
            np.arange(self.assignment.cohorts.size - 1)[:, None] == cohort,
            self.periods[:, None] == block.time,
            np.arange(self.assignment.count)[:, None] == effect,
        )
        tables = [np.asarray(table, dtype=np.float64) for table in indicators]
        return replace(block, z=arranged(block.outcome, block.regressors, *tables))


@dataclass(frozen=True, slots=True)
class ResponseEffects:
    """Weighted sums over the rows of each effect: of the effect on the mean, and its derivative.

    Attributes
    ----------
    size : FloatArray, shape (m,)
        Sum of the weights.
    effect : FloatArray, shape (m,)
    derivative : FloatArray, shape (1 + k, m)
        With respect to the constant and the coefficients of all regressors.
    """

    size: FloatArray
    effect: FloatArray
    derivative: FloatArray

    @classmethod
    def of(
        cls,
        block: Block,
        number: IntArray,
        coef: FloatArray,
        index: FloatArray,
        curve: Callable[[FloatArray], tuple[FloatArray, FloatArray]],
    ) -> ResponseEffects:
        """Sum over the rows of a block.

        Parameters
        ----------
        block : Block
            After ``CellIndicators``: the regressors of effects are its last.
        number : IntArray, shape (n,)
            Number of each row's effect, -1 for none.
        coef : FloatArray, shape (m,)
            Coefficients of the effects.
        index : FloatArray, shape (n,)
            With the effect in it.
        curve : callable
            From the index to the mean and its derivative.
        """
        rows = np.flatnonzero(number >= 0)
        number, weight, m = number[rows], block.row_weights[rows], coef.size
        with_policy = index[rows]
        without = with_policy - coef[number]
        (mean, steep), (mean_without, steep_without) = curve(with_policy), curve(without)
        steep, steep_without = weight * steep, weight * steep_without
        x = block.regressors[:, rows]
        common = np.concatenate([np.ones((1, rows.size)), x]) * (steep - steep_without)
        derivative = KeyedSums.of(common, number).dense(m)
        gap = weight * (mean - mean_without)
        sums = KeyedSums.of(np.stack([weight, gap, steep]), number).dense(m)
        # The coefficient of an effect is not in the index without the policy.
        np.fill_diagonal(derivative[len(derivative) - m :], sums[2])
        return cls(sums[0], sums[1], derivative)

    def __add__(self, other: ResponseEffects) -> ResponseEffects:
        return ResponseEffects(
            self.size + other.size,
            self.effect + other.effect,
            self.derivative + other.derivative,
        )

    @property
    def averages(self) -> FloatArray:
        """Average effect on the mean, shape (m,)."""
        return self.effect / self.size

    @property
    def jacobian(self) -> FloatArray:
        """Derivative of the averages, shape (m, 1 + k)."""
        return (self.derivative / self.size).T
