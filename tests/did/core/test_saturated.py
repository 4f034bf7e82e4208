"""Effects as levels of an absorbed factor, by least squares with a column for each."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from panelml.core.absorb import Absorb, AbsorbSystem
from panelml.core.absorb_plan import AbsorbPlan, Factor
from panelml.did.core.saturated import EFFECT, AddEffects, level_effects, level_influence
from tests.did.core.dense import ASSIGNMENT, PERIODS, Dense, rows

PLAN = AbsorbPlan(True, (), (Factor(EFFECT, 6, EFFECT, 0), Factor("time", PERIODS, None, 6)))


@pytest.mark.parametrize("far", [False, True])
@pytest.mark.parametrize("weighted", [False, True])
def test_effects_are_coefficients_of_their_indicators(weighted: bool, far: bool) -> None:
    block, plan = AddEffects(ASSIGNMENT)(rows(weighted)), replace(PLAN, far=far)
    dense = Dense.of(block)
    columns = np.column_stack([dense.effect[:, None] == np.arange(6), dense.design])
    root = np.sqrt(dense.w)
    inverse = np.linalg.pinv(columns * root[:, None])
    coef = inverse @ (root * dense.y)
    error = dense.y - columns @ coef

    system = AbsorbSystem.of(block, plan)
    levels = system.solve(plan).coef
    transform = Absorb(plan, levels)
    z = transform(block).z
    products = (z * dense.w) @ z.T
    bread = np.linalg.inv(products[1:, 1:])
    by_level = system.solve_for(plan, np.eye(plan.levels, 6))
    fit = level_effects(slice(0, 6), levels, by_level, bread @ products[1:, 0], bread)
    np.testing.assert_allclose(fit.effects, coef[:6], rtol=1e-8)
    np.testing.assert_allclose(fit.bread, (inverse @ inverse.T)[:6, :6], rtol=1e-7, atol=1e-10)
    psi = level_influence(block, transform, plan, fit).sums
    moved = inverse[:6] * (root * error)
    expected = [np.bincount(dense.unit, row) for row in moved]
    np.testing.assert_allclose(psi, expected, rtol=1e-7, atol=1e-10)


def test_rows_without_an_effect_have_the_entry_zero() -> None:
    block = AddEffects(ASSIGNMENT)(rows(weighted=False))
    effect = Dense.of(block).effect
    np.testing.assert_array_equal(block.slopes[EFFECT], effect >= 0)
    np.testing.assert_array_equal(block.keys[EFFECT][effect >= 0], effect[effect >= 0])
