"""Staggered adoption in few rows, with a column for each effect and dummy."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from panelml.core.block import Block
from panelml.did.core.imputation import Assignment
from tests.core.blocks import block_of

PERIODS, NEVER = 6, 99
START = np.array([3, 4, NEVER, 3, NEVER, 4, 3, NEVER, 4, NEVER, 2])
COHORTS = np.array([2, 3, 4, NEVER])
EFFECTS = np.array(
    [[-1, -1, 0, 0, 1, 1], [-1, -1, -1, 2, 3, 3], [-1, -1, -1, -1, 4, 5], [-1] * PERIODS]
)
ASSIGNMENT = Assignment(START, COHORTS, EFFECTS, 6, 0)


def rows(weighted: bool) -> Block:
    """An unbalanced panel with two regressors; the fourth unit has treated rows alone."""
    rng = np.random.default_rng(5)
    kept = rng.random((START.size, PERIODS)) < 0.85
    kept[:, 0] = kept[:, 5] = True
    kept[3, :3] = False
    periods = [t for row in kept for t in np.flatnonzero(row)]
    sizes = list(kept.sum(axis=1))
    w = list(rng.uniform(0.4, 2.0, len(periods))) if weighted else None
    block = block_of(sizes, periods, w)
    z = block.z.copy()
    z[0] += 2.0 * (block.step >= START[block.unit]) + 0.5 * z[1] + block.unit
    return replace(block.with_z(z), keys={"time": block.time})


@dataclass(frozen=True)
class Dense:
    """Rows with dummies of units and periods, and the effect of each treated row."""

    y: np.ndarray
    design: np.ndarray
    effect: np.ndarray
    free: np.ndarray
    w: np.ndarray
    unit: np.ndarray

    @classmethod
    def of(cls, block: Block) -> Dense:
        unit = (block.unit[:, None] == np.arange(block.n_units)).astype(float)
        time = (block.time[:, None] == np.arange(PERIODS)).astype(float)
        cohort = np.searchsorted(COHORTS, START[block.unit])
        design = np.column_stack([unit, time, block.z[1:].T])
        free = block.step < START[block.unit]
        effect = EFFECTS[cohort, block.time]
        return cls(block.z[0], design, effect, free, block.row_weights, block.unit)

    def weights_of(self, j: int, *, known: np.ndarray) -> np.ndarray:
        """Share of each row in an effect."""
        inside = self.w * ((self.effect == j) & known)
        return inside / inside.sum()
