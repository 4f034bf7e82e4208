"""Imputed effects, by least squares with all dummies."""

from __future__ import annotations

import numpy as np
import pytest

from panelml.core.absorb import Absorb, AbsorbSystem
from panelml.core.absorb_plan import AbsorbPlan, Factor
from panelml.core.block import Block
from panelml.did.core.imputation import (
    EffectSquares,
    Imputer,
    TreatedSums,
    solve_effects,
    unit_influence,
)
from tests.did.core.dense import ASSIGNMENT, PERIODS, Dense, rows

PLAN = AbsorbPlan(True, (), (Factor("time", PERIODS, None, 0),))
both = pytest.mark.parametrize("weighted", [False, True])


def imputed(block: Block) -> tuple[TreatedSums, Imputer]:
    """Both stages of the estimator, in one block."""
    free = block.subset(ASSIGNMENT.untreated(block))[0]
    system = AbsorbSystem.of(free, PLAN)
    coef = system.solve(PLAN).coef
    z = Absorb(PLAN, coef)(free).z
    products = (z * free.row_weights) @ z.T
    bread = np.linalg.inv(products[1:, 1:])
    sums = TreatedSums.of(block, ASSIGNMENT, PLAN)
    solved = system.solve_for(PLAN, sums.levels)
    return sums, solve_effects(sums, bread @ products[1:, 0], bread, coef, solved)


@both
def test_effects_are_treated_outcomes_less_imputed_ones(weighted: bool) -> None:
    block = rows(weighted)
    dense, sums, fit = Dense.of(block), *imputed(block)
    root, free = np.sqrt(dense.w), dense.free
    inverse = np.linalg.pinv((dense.design * root[:, None])[free])
    known = np.isin(dense.unit, dense.unit[free])
    for j in range(6):
        share = dense.weights_of(j, known=known)
        # The weights of all outcomes in the effect: of treated rows, and of the imputed ones.
        through = -(share @ dense.design @ inverse) * root[free]
        outcome = share.copy()
        outcome[free] += through
        assert fit.effects[j] == pytest.approx(outcome @ dense.y, rel=1e-9)
    assert sums.rows.tolist() == [int(((dense.effect == j) & known).sum()) for j in range(6)]
    np.testing.assert_allclose(
        sums.squares, [(dense.w**2)[(dense.effect == j) & known].sum() for j in range(6)]
    )


@both
@pytest.mark.parametrize("leave_out", [False, True])
def test_influence_of_units_sums_errors_by_their_weight_in_the_effect(
    weighted: bool, leave_out: bool
) -> None:
    block = rows(weighted)
    dense, sums, fit = Dense.of(block), *imputed(block)
    root, free = np.sqrt(dense.w), dense.free
    inverse = np.linalg.pinv((dense.design * root[:, None])[free])
    coef = inverse @ (root * dense.y)[free]
    error, known = dense.y - dense.design @ coef, np.isin(dense.unit, dense.unit[free])
    centre = np.linspace(1.0, 3.0, 6)
    found = unit_influence(
        block, ASSIGNMENT, PLAN, sums, fit, centre=centre, leave_out=leave_out
    ).sums
    squares = EffectSquares.of(block, ASSIGNMENT, PLAN, fit)
    for j in range(6):
        share = dense.weights_of(j, known=known)
        deviation = share * (error - centre[j])
        inside = (dense.effect == j) & known
        if leave_out:
            rest = 1 - dense.w**2 / (dense.w**2)[inside].sum()
            deviation = np.where(inside & (rest > 1e-12), deviation / rest, 0.0)
        moved = deviation
        moved[free] -= (share @ dense.design @ inverse) * root[free] * error[free]
        by_unit = np.bincount(dense.unit, moved)
        np.testing.assert_allclose(found[j], by_unit, rtol=1e-8, atol=1e-11)
        mean = np.average(error[inside], weights=dense.w[inside] ** 2)
        assert squares.means[j] == pytest.approx(mean, rel=1e-9)
