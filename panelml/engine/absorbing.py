"""Absorb effects: from a sample to the cross-products that are left."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from panelml._typing import FloatArray
from panelml.core.absorb import DENSE_LEVELS, Absorb, AbsorbPlan, AbsorbSystem, Factor
from panelml.core.block import Block
from panelml.core.keyed import KeyedSums
from panelml.core.moments import Gram, PanelMoments
from panelml.core.pair import Pair
from panelml.core.transforms import Transform, Within
from panelml.data.formula import Effect
from panelml.data.sample import Sample
from panelml.engine.fold import fold

__all__ = ["Absorbed", "absorb", "absorb_plan", "absorbed_rank", "make_plan"]


@dataclass(frozen=True, slots=True)
class Absorbed:
    """The transformed regression, before it is solved.

    Attributes
    ----------
    plan : AbsorbPlan
    transform : Transform
    moments : PanelMoments
        Of outcome and regressors before.
    gram : FloatArray, shape (p, p)
        Their cross-products after.
    rank : int
        Coefficients that were absorbed.
    system : AbsorbSystem, or None
        Of the effects beside the units', where there are some.
    """

    plan: AbsorbPlan
    transform: Transform
    moments: PanelMoments
    gram: FloatArray
    rank: int
    system: AbsorbSystem | None = None


def make_plan(sample: Sample, effects: tuple[Effect, ...]) -> AbsorbPlan:
    """Sort effects into those of the units, eliminated row by row, and the columns of D."""
    own = [effect for effect in effects if effect.columns == (sample.panel.unit,)]
    slopes = tuple(dict.fromkeys(name for effect in own for name in effect.slopes))
    factors: list[Factor] = []
    for effect in effects:
        if effect in own:
            continue
        levels = sample.panel.levels(effect.columns)
        centres = _level_means(sample, effect, levels) if effect.intercept else {}
        parts: list[str | None] = [None] if effect.intercept else []
        for slope in (*parts, *effect.slopes):
            first = sum(factor.levels for factor in factors)
            factors.append(Factor(effect.name, levels, slope, first, centres.get(slope)))
    return AbsorbPlan(any(effect.intercept for effect in own), slopes, tuple(factors))


def _level_means(sample: Sample, effect: Effect, levels: int) -> dict[str | None, FloatArray]:
    """Mean of each slope variable in each level, zero in levels without rows."""
    if not effect.slopes:
        return {}

    def sums(block: Block) -> KeyedSums:
        rows = [np.ones(block.n), *(block.slopes[name] for name in effect.slopes)]
        return KeyedSums.of(np.stack(rows), block.keys[effect.name])

    total = fold(sample, sums).dense(levels)
    return dict(zip(effect.slopes, total[1:] / np.maximum(total[0], 1.0), strict=True))


def absorb(sample: Sample, effects: tuple[Effect, ...]) -> Absorbed:
    """Absorb effects of units and others, in one or two passes over the data."""
    return absorb_plan(sample, make_plan(sample, effects))


def absorb_plan(sample: Sample, plan: AbsorbPlan) -> Absorbed:
    """Absorb what a plan says, in one or two passes over the data."""
    if plan.unit_intercept and not plan.unit_slopes and not plan.factors:
        moments = fold(sample, PanelMoments.of)
        return Absorbed(plan, Within(), moments, moments.within, moments.n_units)
    found = fold(sample, lambda b: Pair(PanelMoments.of(b), AbsorbSystem.of(b, plan)))
    levels = found.second.solve(plan)
    transform = Absorb(plan, levels.coef)
    gram = _swept_gram(sample, plan, found.first, found.second.cross, levels.coef)
    if gram is None:
        gram = fold(sample, lambda block: Gram.of(transform(block))).products
    rank = found.second.unit_rank + levels.rank
    return Absorbed(plan, transform, found.first, gram, rank, found.second)


def _swept_gram(
    sample: Sample, plan: AbsorbPlan, moments: PanelMoments, cross: FloatArray, coef: FloatArray
) -> FloatArray | None:
    """Cross-products after absorption by subtraction, None where that would cost digits."""
    if not plan.unit_intercept or plan.unit_slopes or plan.levels > DENSE_LEVELS:
        return None
    gram = moments.within
    left = gram - cross.T @ coef
    if (np.diag(left) < 1e-3 * np.diag(gram)).any():
        return None
    return (left + left.T) / 2


def absorbed_rank(sample: Sample, effects: tuple[Effect, ...]) -> int:
    """Count the coefficients of effects, less those that they make redundant for each other."""
    if len(effects) == 1 and not effects[0].slopes:
        return int((sample.level_rows(effects[0].columns) > 0).sum())
    plan = make_plan(sample, effects)
    system = fold(sample, lambda block: AbsorbSystem.of(block, plan))
    nothing = np.zeros((plan.levels, 0))
    return system.unit_rank + replace(system, cross=nothing).solve(plan).rank
