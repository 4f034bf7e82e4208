"""Leverage of absorbed effects, against the hat matrix of all their dummies."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from panelml.core.absorb import AbsorbSystem
from panelml.core.absorb_plan import AbsorbPlan, Factor
from panelml.core.absorbed_leverage import AbsorbedLeverage, is_diagonal
from panelml.core.block import Block
from tests.core.blocks import block_of

SIZES = [1, 6, 2, 5, 6, 1, 4, 3]
TIME, FIRM = Factor("time", 6, None, 0), Factor("firm", 3, None, 6)
TREND = Factor("firm", 3, "trend", 6)
PLANS = {
    "units": AbsorbPlan(True, (), ()),
    "unit slopes": AbsorbPlan(True, ("trend",), ()),
    "slopes alone": AbsorbPlan(False, ("trend",), ()),
    "two ways": AbsorbPlan(True, (), (TIME,)),
    "three ways": AbsorbPlan(True, (), (TIME, FIRM)),
    "all": AbsorbPlan(True, ("trend",), (TIME, TREND)),
    "one factor": AbsorbPlan(False, (), (TIME,)),
    "two factors": AbsorbPlan(False, (), (TIME, FIRM)),
}


def rows(weighted: bool) -> Block:
    rng = np.random.default_rng(4)
    n = sum(SIZES)
    block = block_of(SIZES, weights=list(rng.uniform(0.3, 2.0, n)) if weighted else None)
    keys = {"time": block.time, "firm": rng.integers(0, 3, n)}
    return replace(block, keys=keys, slopes={"trend": rng.normal(size=n)})


def dummies(plan: AbsorbPlan, block: Block) -> np.ndarray:
    unit = (block.unit[:, None] == np.arange(block.n_units)).astype(float)
    columns = [unit] if plan.unit_intercept else []
    columns += [unit * block.slopes[name][:, None] for name in plan.unit_slopes]
    for factor in plan.factors:
        level = (block.keys[factor.key][:, None] == np.arange(factor.levels)).astype(float)
        columns.append(level if factor.slope is None else level * block.slopes["trend"][:, None])
    return np.hstack(columns)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("name", PLANS)
def test_leverage_is_the_diagonal_of_the_hat_matrix(name: str, weighted: bool) -> None:
    plan, block = PLANS[name], rows(weighted)
    system = AbsorbSystem.of(block, plan) if plan.factors else None
    d = dummies(plan, block) * np.sqrt(block.row_weights)[:, None]
    expected = np.diag(d @ np.linalg.pinv(d))
    found = AbsorbedLeverage.of(plan, system)(block)
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-10)


def test_only_one_factor_without_units_has_orthogonal_columns() -> None:
    assert [name for name, plan in PLANS.items() if is_diagonal(plan)] == ["one factor"]
