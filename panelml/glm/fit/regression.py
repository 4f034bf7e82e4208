"""One weighted regression with effects: what each step of an iteration solves."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from panelml._typing import BoolArray, FloatArray
from panelml.core.absorb import Absorb
from panelml.core.absorb_plan import AbsorbPlan
from panelml.core.block import Block
from panelml.core.linalg import Solution, solve_normal
from panelml.core.moments import Gram, PanelMoments, Resolution
from panelml.core.pair import Pair
from panelml.core.transforms import Level, Transform
from panelml.engine.absorbing import absorb_plan, subtracted
from panelml.engine.fold import fold
from panelml.engine.iterate import HeldBlocks
from panelml.glm.core.index import Index, Rates
from panelml.glm.core.working_sums import WorkingSums

__all__ = ["WeightedRegression", "WorkingRegression"]


@dataclass(frozen=True, slots=True)
class WorkingRegression:
    """A regression of working rows.

    Attributes
    ----------
    transform : Transform
        What was done to the rows: effects taken off, or a constant added.
    gram : FloatArray, shape (p, p)
        Cross-products after that, the constant among them where there is one.
    resolution : Resolution, or None
        What float64 resolves of these rows.
    rank : int
        Coefficients of effects.
    levels : FloatArray, shape (L, 1 + k)
        Coefficients of levels in outcome and regressors.
    solution : Solution
    far : bool
        Whether effects are so large beside what they leave that each step takes its own passes.
    """

    transform: Transform
    gram: FloatArray
    resolution: Resolution | None
    rank: int
    levels: FloatArray
    solution: Solution
    far: bool = False

    @property
    def coefficients(self) -> FloatArray:
        """Slopes, constant and levels, in this order, zero where dropped."""
        k = len(self.gram) - 1
        coef = np.zeros(k)
        coef[self.solution.kept] = self.solution.coef
        if self.transform.constant:
            return np.concatenate([coef[1:], coef[:1]])
        levels = self.levels @ np.concatenate([[1.0], -coef])
        return np.concatenate([coef, [0.0], levels])

    def index(self, plan: AbsorbPlan | None) -> Index:
        """Return the index that it fits."""
        coefficients, levels = self.coefficients, len(self.levels)
        slopes = coefficients.size - 1 - levels
        return Index(np.zeros(slopes), 0.0, np.zeros(levels), plan).moved(coefficients)


@dataclass(frozen=True, slots=True)
class WeightedRegression:
    """How working rows are regressed.

    Attributes
    ----------
    rows : HeldBlocks
        Held, as they are passed over again and again.
    plan : AbsorbPlan, or None
        Effects to absorb.
    constant : bool
        Whether there is a constant.
    """

    rows: HeldBlocks
    plan: AbsorbPlan | None
    constant: bool

    def only(self, keep: BoolArray) -> WeightedRegression:
        """Return the regression of some of the rows, shape (n,)."""
        return replace(self, rows=self.rows.only(keep))

    def solve(self, step: Callable[[Block], Block]) -> WorkingRegression:
        """Solve the regression of the working rows that a step gives."""
        rows = self.rows.then(step)
        if self.plan is None:
            return _levels(rows, self.constant)
        absorbed = absorb_plan(rows, self.plan)
        return WorkingRegression(
            absorbed.transform,
            absorbed.gram,
            absorbed.resolution,
            absorbed.rank,
            absorbed.coef,
            solve_normal(absorbed.gram, absorbed.resolution.floor[1:]),
            absorbed.plan.far or bool(absorbed.moments.faint),
        )

    def sums(self, rates: Rates) -> WorkingSums:
        """Sum over the rows at some rates, in one pass."""
        return fold(
            self.rows,
            lambda block: WorkingSums.of(block, rates.scored(block), self.plan, self.constant),
        )

    def solved(
        self, sums: WorkingSums, rates: Rates, before: WorkingRegression
    ) -> WorkingRegression:
        """Solve the regression at some rates from its sums, resolved as one before."""
        if before.far:
            return self.solve(rates)
        gram, transform, levels, rank = sums.gram, before.transform, before.levels, before.rank
        if self.plan is not None and sums.system is not None:
            # The residuals alone are rounding at the maximum, to which no tolerance can refer.
            response = np.eye(len(gram))
            response[1:, 0] = rates.index.slopes
            cross = sums.system.cross @ response
            solution = replace(sums.system, cross=cross).solve(self.plan)
            levels, rank = solution.coef, sums.system.unit_rank + solution.rank
            levels[:, 0] -= levels[:, 1:] @ rates.index.slopes
            transform = Absorb(self.plan, levels)
            left = subtracted(gram, sums.system.cross, levels)
            if left is None:
                rows = self.rows.then(rates)
                left = fold(rows, lambda block: Gram.of(transform(block))).products
            gram = left
        floor = None if before.resolution is None else before.resolution.floor[1:]
        return replace(
            before,
            transform=transform,
            gram=gram,
            rank=rank,
            levels=levels,
            solution=solve_normal(gram, floor),
        )


def _levels(rows: HeldBlocks, constant: bool) -> WorkingRegression:
    """Solve a regression without effects."""

    def both(block: Block) -> Pair[PanelMoments, Gram]:
        transform = Level(np.zeros(len(block.z)), constant)
        return Pair(PanelMoments.of(block), Gram.of(transform(block)))

    sums = fold(rows, both)
    moments, gram = sums.first, sums.second.products
    resolution = moments.overall.resolution.insert(1) if constant else None
    floor = None if resolution is None else resolution.floor[1:]
    p = len(moments.overall.mean)
    return WorkingRegression(
        Level(np.zeros(p), constant),
        gram,
        resolution,
        0,
        np.zeros((0, p)),
        solve_normal(gram, floor),
    )
