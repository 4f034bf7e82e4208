"""Sums of working rows: score and information of a model with dummies, unit effects eliminated."""

from __future__ import annotations

import numpy as np
import pytest

from panelml.core.absorb_plan import AbsorbPlan, Factor
from panelml.core.block import Block
from panelml.glm.core.index import Index, Rates, ScoredRows
from panelml.glm.core.working_sums import WorkingSums
from tests.core.blocks import block_of

SIZES = [3, 5, 2, 6]
TIME = AbsorbPlan(True, (), (Factor("time", 6, None, 0),))


def block() -> Block:
    block = block_of(SIZES, weights=list(np.linspace(0.5, 2, 16)))
    block.keys["time"] = block.time
    y = np.arange(16.0) % 5
    return block.with_z(np.concatenate([y[None], block.z[1:]]))


def dummies(codes: np.ndarray) -> np.ndarray:
    return (codes == np.unique(codes)[:, None]).astype(float)


@pytest.mark.parametrize("plan", [AbsorbPlan(True, (), ()), TIME])
def test_a_step_is_that_of_the_model_with_dummies(plan: AbsorbPlan) -> None:
    rows = block()
    levels = np.linspace(-0.3, 0.2, plan.levels)
    rates = Rates(Index(np.array([0.4, -0.2]), 0.0, levels, plan))
    scored = rates.scored(rows)
    assert np.allclose(np.add.reduceat(scored.score, rows.starts[:-1]), 0, atol=1e-14)
    sums = WorkingSums.of(rows, scored, plan, False)
    design = np.concatenate([rows.regressors, dummies(rows.unit)])
    coef = np.zeros((0, 3))
    gram = sums.gram
    if sums.system is not None:
        design = np.concatenate([design, dummies(rows.time)[1:]])
        coef = sums.system.solve(plan).coef
        gram = gram - sums.system.cross.T @ coef
    information = (design * scored.information) @ design.T
    step = np.linalg.solve(information, design @ scored.score)
    slopes = np.linalg.solve(gram[1:, 1:], gram[1:, 0])
    assert np.allclose(slopes, step[:2], rtol=1e-11)
    move = np.concatenate([slopes, [0.0], coef @ np.concatenate([[1.0], -slopes])])
    assert np.isclose(sums.score(move), step @ (design @ scored.score), rtol=1e-11)


def test_a_constant_comes_first() -> None:
    rows = block()
    rates = Rates(Index(np.array([0.4, -0.2]), 0.3, np.zeros(0), None))
    scored = rates.scored(rows)
    sums = WorkingSums.of(rows, scored, None, True)
    assert np.isclose(sums.gram[1, 1], scored.information.sum())
    assert np.isclose(sums.gram[1, 0], scored.score.sum())
    assert np.isclose(sums.score(np.array([0.0, 0.0, 2.0])), 2 * scored.score.sum())


def test_rows_of_no_information_have_no_residual() -> None:
    rows = ScoredRows(0.0, np.array([0.0, 1.0]), np.array([0.0, 2.0]))
    assert np.array_equal(rows.residual, [0.0, 0.5])
