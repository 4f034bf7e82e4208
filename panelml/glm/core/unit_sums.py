"""Score and information of likelihoods whose smallest part is a unit, summed over units."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from panelml._typing import FloatArray
from panelml.core.block import Block
from panelml.core.groups import group_sums, spread
from panelml.core.row_values import RowValues
from panelml.glm.core.index import offset_of
from panelml.glm.core.row_likelihood import LikelihoodSums
from panelml.glm.core.unit_totals import TotalLikelihood

__all__ = ["UnitModel"]


@dataclass(frozen=True, slots=True)
class Pieces:
    """A block at some value of the parameters.

    Attributes
    ----------
    x : FloatArray, shape (k, n)
        Regressors, over their scales, the constant last.
    weights : FloatArray, shape (g,)
        Of units.
    value : FloatArray, shape (g,)
    first : FloatArray, shape (n,)
        Derivative by the index of each row.
    second : FloatArray, shape (n,)
        The second one, but for what the total rate adds.
    rate : FloatArray, shape (k, g)
        Derivative of the total rate.
    by_unit : tuple of FloatArray
        Derivatives by the total rate and the auxiliary parameters, shapes (1 + m, g) and
        (1 + m, 1 + m, g).
    """

    x: FloatArray
    weights: FloatArray
    value: FloatArray
    first: FloatArray
    second: FloatArray
    rate: FloatArray
    by_unit: tuple[FloatArray, FloatArray]


@dataclass(frozen=True, slots=True)
class UnitModel:
    """A likelihood of unit totals at parameters: slopes, constant, auxiliary, in this order.

    Frequency weights repeat rows within their unit; other weights, equal in all rows of a unit,
    multiply its log-likelihood.

    Attributes
    ----------
    likelihood : TotalLikelihood
    constant : bool
        Whether the index has one.
    scale : FloatArray, shape (k,)
        By which regressors are divided.
    repeated : bool
        Whether weights count equal rows.
    """

    likelihood: TotalLikelihood
    constant: bool
    scale: FloatArray
    repeated: bool

    @property
    def size(self) -> int:
        """Number of parameters."""
        return self.scale.size + self.constant + len(self.likelihood.auxiliary)

    def index(self, block: Block, params: FloatArray) -> FloatArray:
        """Return the index of the rows of a block, offset included, shape (n,)."""
        k = self.scale.size
        index = (params[:k] / self.scale) @ block.regressors + offset_of(block)
        return np.asarray(index + params[k] if self.constant else index)

    def weights_of(self, block: Block) -> tuple[FloatArray, FloatArray]:
        """Return how often each row counts in its unit, (n,), and how much each unit, (g,)."""
        ones = np.ones(block.n)
        if block.weights is None or self.repeated:
            return block.row_weights, np.ones(block.n_units)
        return ones, block.weights[block.starts[:-1]]

    def totals(self, block: Block, params: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return the total rate and the total count of the units of a block, shape (g,)."""
        times, _ = self.weights_of(block)
        rates = times * np.exp(self.index(block, params))
        return group_sums(rates, block.starts), group_sums(times * block.outcome, block.starts)

    def pieces(self, block: Block, params: FloatArray) -> Pieces:
        """Evaluate a block."""
        m = len(self.likelihood.auxiliary)
        x = block.regressors / self.scale[:, None]
        if self.constant:
            x = np.concatenate([x, np.ones((1, block.n))])
        times, weights = self.weights_of(block)
        index = self.index(block, params)
        rows = self.likelihood.rows(block.outcome, index)
        rates = times * np.exp(index)
        total = group_sums(times * block.outcome, block.starts)
        auxiliary = params[params.size - m :]
        units = self.likelihood.units(group_sums(rates, block.starts), total, auxiliary)
        by_rate = rates * spread(units.first[0], block.unit)
        return Pieces(
            x,
            weights,
            group_sums(times * rows.value, block.starts) + units.value,
            times * rows.first + by_rate,
            times * rows.second + by_rate,
            group_sums(x * rates, block.starts),
            (units.first, units.second),
        )

    def scores(self, block: Block, params: FloatArray) -> RowValues:
        """Return the scores of the units of a block, with their weights."""
        pieces = self.pieces(block, params)
        own = group_sums(pieces.x * pieces.first, block.starts)
        scores = np.concatenate([own, pieces.by_unit[0][1:]])
        return RowValues(scores * pieces.weights)

    def sums(self, block: Block, params: FloatArray) -> LikelihoodSums:
        """Sum the log-likelihood and its derivatives over a block."""
        pieces = self.pieces(block, params)
        x, w = pieces.x, pieces.weights
        first, second = pieces.by_unit
        k = len(x)
        hessian = np.empty((self.size, self.size))
        rows = x * (pieces.second * spread(w, block.unit))
        hessian[:k, :k] = rows @ x.T + (pieces.rate * (w * second[0, 0])) @ pieces.rate.T
        hessian[:k, k:] = (pieces.rate * w) @ second[0, 1:].T
        hessian[k:, :k] = hessian[:k, k:].T
        hessian[k:, k:] = second[1:, 1:] @ w
        gradient = np.concatenate([x @ (pieces.first * spread(w, block.unit)), first[1:] @ w])
        return LikelihoodSums(float(w @ pieces.value), gradient, hessian)
