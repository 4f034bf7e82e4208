"""Maximum likelihood of independent rows: sums of log-likelihoods, scores and information.

Parameters stand in one vector: slopes of scaled regressors about their means, the constant, and
the family's auxiliary parameters.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from panelml._typing import FloatArray
from panelml.core.block import Block
from panelml.core.equations import Grain, Scores
from panelml.core.family.family import Derivatives
from panelml.core.family.outcome import Outcome
from panelml.glm.core.index import Columns, offset_of

__all__ = ["LikelihoodEquation", "LikelihoodSums", "RowModel", "StartingSums"]


@dataclass(frozen=True, slots=True)
class LikelihoodSums:
    """Sums over rows of the log-likelihood and its derivatives.

    Attributes
    ----------
    value : float
    gradient : FloatArray, shape (p,)
    hessian : FloatArray, shape (p, p)
    """

    value: float
    gradient: FloatArray
    hessian: FloatArray

    def __add__(self, other: LikelihoodSums) -> LikelihoodSums:
        return LikelihoodSums(
            self.value + other.value,
            self.gradient + other.gradient,
            self.hessian + other.hessian,
        )


@dataclass(frozen=True, slots=True)
class StartingSums:
    """Sums over rows of what starting values are the averages of.

    Attributes
    ----------
    weight : float
    summary : FloatArray, shape (s,)
    offset : float
    """

    weight: float
    summary: FloatArray
    offset: float

    def __add__(self, other: StartingSums) -> StartingSums:
        weight, offset = self.weight + other.weight, self.offset + other.offset
        return StartingSums(weight, self.summary + other.summary, offset)


@dataclass(frozen=True, slots=True)
class RowModel:
    """A model of independent rows.

    Attributes
    ----------
    outcome : Outcome
    columns : Columns
        Which regressors enter, and their means.
    scale : FloatArray, shape (k,)
        By which they are divided.
    constant : bool
        Whether there is a constant beside them.
    """

    outcome: Outcome
    columns: Columns
    scale: FloatArray
    constant: bool

    @property
    def slopes(self) -> int:
        """Number of regressors."""
        return self.scale.size

    @property
    def size(self) -> int:
        """Number of parameters."""
        return self.slopes + self.constant + len(self.outcome.family.auxiliary)

    def regressors(self, block: Block) -> FloatArray:
        """Return the scaled regressors of a block, and ones for a constant, shape (q, n)."""
        x = self.columns(block).regressors / self.scale[:, None]
        return np.concatenate([x, np.ones((1, block.n))]) if self.constant else x

    def index(self, block: Block, params: FloatArray) -> FloatArray:
        """Return the linear index of the rows of a block, shape (n,)."""
        rows = self.regressors(block)
        value = params[: len(rows)] @ rows
        return value + offset_of(self.columns(block)) if self.columns.offset else value

    def derivatives(self, block: Block, params: FloatArray, order: int) -> Derivatives:
        """Return log-likelihoods of the rows of a block with derivatives by index and family."""
        index = self.index(block, params)
        auxiliary = params[self.slopes + self.constant :]
        return self.outcome.family.derivatives(
            self.outcome.response(block), index, auxiliary, order
        )

    def start(self, block: Block) -> StartingSums:
        """Sum what starting values take."""
        w = block.row_weights
        summary = self.outcome.family.summary(self.outcome.response(block))
        offset = float(w @ offset_of(self.columns(block))) if self.columns.offset else 0.0
        return StartingSums(float(w.sum()), summary @ w, offset)

    def sums(self, block: Block, params: FloatArray) -> LikelihoodSums:
        """Sum over the rows of a block."""
        rows, w = self.regressors(block), block.row_weights
        d = self.derivatives(block, params, 2)
        q, p = len(rows), self.size
        gradient = np.concatenate([rows @ (w * d.first[0]), d.first[1:] @ w])
        hessian = np.empty((p, p))
        hessian[:q, :q] = (rows * (w * d.second[0, 0])) @ rows.T
        hessian[:q, q:] = rows @ (w * d.second[0, 1:]).T
        hessian[q:, :q] = hessian[:q, q:].T
        hessian[q:, q:] = d.second[1:, 1:] @ w
        return LikelihoodSums(float(w @ d.value), gradient, hessian)

    def scores(self, block: Block, params: FloatArray) -> FloatArray:
        """Return the weighted scores of the rows of a block, shape (p, n)."""
        first = self.derivatives(block, params, 1).first * block.row_weights
        return np.concatenate([self.regressors(block) * first[0], first[1:]])


@dataclass(frozen=True, slots=True)
class LikelihoodEquation:
    """Likelihood equations of independent rows.

    Attributes
    ----------
    model : RowModel
    params : FloatArray, shape (p,)
        At the maximum.
    bread : FloatArray, shape (k, p)
        Inverse observed information, carried over to the reported parameters.
    frequency : bool
        Whether weights of the data are counts of equal rows.
    """

    model: RowModel
    params: FloatArray
    bread: FloatArray
    frequency: bool

    @property
    def grain(self) -> Grain:
        """A row."""
        return "row"

    @property
    def regression(self) -> None:
        """None: the rows of a likelihood have no leverage of least squares."""
        return

    def scores(self, block: Block) -> Scores:
        """Return the scores of the rows of a block."""
        return Scores(self.model.scores(block, self.params), block.weights, None, block.starts)

    def mapped(self, matrix: FloatArray) -> LikelihoodEquation:
        """Return the equation of linear functions of the parameters, ``matrix`` (l, k)."""
        return replace(self, bread=matrix @ self.bread)
