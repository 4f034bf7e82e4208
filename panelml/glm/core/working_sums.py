"""Sums over rows of what a step of iteratively reweighted least squares takes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from panelml._typing import FloatArray
from panelml.core.absorb import AbsorbSystem
from panelml.core.absorb_plan import AbsorbPlan
from panelml.core.block import Block
from panelml.glm.core.index import ScoredRows

__all__ = ["WorkingSums"]


@dataclass(frozen=True, slots=True)
class WorkingSums:
    """The log-likelihood with its score and information, unit effects eliminated.

    Attributes
    ----------
    value : float
        As ``ScoredRows.value``, summed.
    gram : FloatArray, shape (1 + k, 1 + k)
        Cross-products of the working residual and the regressors, with the information as weights:
        score and information of the coefficients, the constant first where there is one.
    system : AbsorbSystem, or None
        Score and information of the levels beside the units, where there are some.
    """

    value: float
    gram: FloatArray
    system: AbsorbSystem | None

    @classmethod
    def of(
        cls, block: Block, rows: ScoredRows, plan: AbsorbPlan | None, constant: bool
    ) -> WorkingSums:
        """Sum over the rows of a block.

        Parameters
        ----------
        block : Block
        rows : ScoredRows
        plan : AbsorbPlan, or None
            Effects: intercepts of units are taken off the regressors, weighted.
        constant : bool
            Whether a constant is among the regressors.
        """
        working, x = block.weighted(rows.information), block.regressors
        if constant:
            x = np.concatenate([np.ones((1, block.n)), x])
        if plan is not None:
            x = plan.sweep(x, working)
        k = len(x)
        weighted, gram = np.empty((1 + k, block.n)), np.empty((1 + k, 1 + k))
        weighted[0] = rows.score
        np.multiply(x, rows.information, out=weighted[1:])
        gram[0, 0] = rows.score @ rows.residual
        gram[1:, 0] = gram[0, 1:] = x @ rows.score
        gram[1:, 1:] = weighted[1:] @ x.T
        system = None
        if plan is not None and plan.factors:
            system = AbsorbSystem.of_swept(working, plan, weighted)
        return cls(rows.value, gram, system)

    def score(self, move: FloatArray) -> float:
        """Return the derivative of the log-likelihood along a move, as ``Index.moved`` takes it."""
        levels = 0 if self.system is None else len(self.system.cross)
        k = move.size - 1 - levels
        own = self.gram[1:, 0]
        value = own[own.size - k :] @ move[:k] + own[: own.size - k].sum() * move[k]
        if self.system is not None:
            value += self.system.cross[:, 0] @ move[k + 1 :]
        return float(value)

    def __add__(self, other: WorkingSums) -> WorkingSums:
        system = None
        if self.system is not None and other.system is not None:
            system = self.system + other.system
        return WorkingSums(self.value + other.value, self.gram + other.gram, system)
