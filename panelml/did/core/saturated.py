"""Regressions on indicators of cohorts and periods, which are treated as an absorbed effect.

With M the projection off the unit effects and D the dummies of effects and periods, D a + x b is
least squares on ``S a = D' M (y - x b)``: the effects are entries of a, so that no column of
indicators is ever as long as the data. Their influence needs each unit's sums of errors by level.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from panelml._typing import FloatArray
from panelml.core.absorb import level_products
from panelml.core.absorb_plan import AbsorbPlan
from panelml.core.block import Block
from panelml.core.groups import group_sums
from panelml.core.keyed import KeyedSums
from panelml.core.transforms import Transform
from panelml.did.core.imputation import Assignment

__all__ = ["EFFECT", "AddEffects", "LevelEffects", "level_effects", "level_influence"]

# Key of the effects' codes, and of their indicator, in blocks.
EFFECT = "(effect)"


@dataclass(frozen=True, slots=True)
class AddEffects:
    """Gives the rows of a block the number of their effect; rows of none get the entry zero.

    Attributes
    ----------
    assignment : Assignment
    """

    assignment: Assignment

    def __call__(self, block: Block) -> Block:
        """Add codes and indicator."""
        effect = self.assignment.effects(block)
        inside = (effect >= 0).astype(np.float64)
        return replace(
            block,
            keys={**block.keys, EFFECT: np.maximum(effect, 0)},
            slopes={**block.slopes, EFFECT: inside},
        )


@dataclass(frozen=True, slots=True)
class LevelEffects:
    """Effects that are levels of an absorbed factor.

    Attributes
    ----------
    effects : FloatArray, shape (m,)
    direction : FloatArray, shape (1 + k,)
        ``[1, -b]``.
    by_levels : FloatArray, shape (levels, m)
        From sums of errors by level to the effects.
    by_z : FloatArray, shape (1 + k, m)
        From sums of errors times regressors; zero for the outcome.
    bread : FloatArray, shape (m, m)
        Covariance of the effects for independent errors of variance one.
    """

    effects: FloatArray
    direction: FloatArray
    by_levels: FloatArray
    by_z: FloatArray
    bread: FloatArray


def level_effects(
    at: slice, coef: FloatArray, inverse: FloatArray, slopes: FloatArray, bread: FloatArray
) -> LevelEffects:
    """Read the effects off the absorbed levels.

    Parameters
    ----------
    at : slice
        The effects' columns of D.
    coef : FloatArray, shape (levels, 1 + k)
        Coefficients of D in outcome and regressors.
    inverse : FloatArray, shape (levels, m)
        Columns of the inverse of D'MD.
    slopes : FloatArray, shape (k,)
        Zero where dropped.
    bread : FloatArray, shape (k, k)
        Inverse cross-products of the regressors, D taken off, zero where dropped.
    """
    direction = np.concatenate([[1.0], -slopes])
    across = bread @ coef[at, 1:].T
    by_levels = inverse + coef[:, 1:] @ across
    by_z = np.concatenate([np.zeros((1, across.shape[1])), -across])
    return LevelEffects(coef[at] @ direction, direction, by_levels, by_z, by_levels[at])


def level_influence(
    block: Block, transform: Transform, plan: AbsorbPlan, fit: LevelEffects
) -> KeyedSums:
    """How each unit of a block moved the effects: ``sums`` of shape (m, units)."""
    error = fit.direction @ transform(block).z
    psi = (level_products(error, block, plan) @ fit.by_levels).T
    weighted = error if block.weights is None else error * block.weights
    # Errors are orthogonal to the unit effects, of which digits are lost where they are large.
    z = plan.sweep(block.z, block) if plan.far else block.z
    psi += fit.by_z.T @ group_sums(z * weighted, block.starts)
    return KeyedSums(block.units, psi)
