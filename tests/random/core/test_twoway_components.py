"""Variances of units, periods and errors, against matrices of all rows."""

from __future__ import annotations

import numpy as np
import pytest

from panelml._typing import VarianceMethod
from panelml.core.block import Block
from panelml.core.moments import PanelMoments
from panelml.errors import IdentificationError
from panelml.random.core.twoway import TwoWayMoments
from panelml.random.core.twoway_components import TwoWayComponents, estimate_two_way
from tests.core.blocks import block_of
from tests.random.dense_twoway import Dense

UNITS, PERIODS = 14, 5


def rows(*, balanced: bool, weighted: bool = False) -> Block:
    rng = np.random.default_rng(12)
    kept = rng.random((UNITS, PERIODS)) < (1.0 if balanced else 0.75)
    kept[:, 0] |= ~kept.any(axis=1)
    kept[2] = [False, False, True, False, False]  # one row alone
    if balanced:
        kept[2] = True
    periods = [t for row in kept for t in np.flatnonzero(row)]
    w = rng.uniform(0.4, 2.0, len(periods))
    block = block_of(list(kept.sum(axis=1)), periods, list(w / w.mean()) if weighted else None)
    z = block.z.copy()
    z[2] += rng.normal(size=UNITS)[block.unit] + rng.normal(size=PERIODS)[block.time]
    z[0] += z[1] - z[2] + 1.5 * rng.normal(size=UNITS)[block.unit]
    z[0] += rng.normal(size=PERIODS)[block.time]
    return block.with_z(z)


def estimate(block: Block, method: VarianceMethod) -> TwoWayComponents:
    panel = PanelMoments.of(block)
    moments = TwoWayMoments.of(block, panel.overall.mean, constant=True)
    return estimate_two_way(moments, panel, method, constant=True)


def dense(block: Block) -> Dense:
    x = np.column_stack([np.ones(block.n), block.z[1:].T])
    return Dense(block.z[0], x, block.unit, block.time, block.row_weights)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("method", ["swamy-arora", "wallace-hussain", "amemiya", "nerlove"])
def test_forms_of_residuals_are_equated_with_their_expectations(
    method: VarianceMethod, weighted: bool
) -> None:
    block = rows(balanced=False, weighted=weighted)
    found = estimate(block, method)
    expected = dense(block).components(method)
    assert (found.sigma2_e, found.raw_u, found.raw_t) == pytest.approx(tuple(expected), rel=1e-8)
    assert found.sigma2_t == max(found.raw_t, 0.0)
    assert found.ratio_u == found.sigma2_u / found.sigma2_e


@pytest.mark.parametrize("method", ["wallace-hussain", "amemiya"])
def test_balanced_forms_are_divided_by_degrees_of_freedom(method: VarianceMethod) -> None:
    block = rows(balanced=True)
    found, matrices = estimate(block, method), dense(block)
    n, x = block.n, matrices.x
    on_units = matrices.units @ np.linalg.pinv(matrices.units)
    on_times = matrices.times @ np.linalg.pinv(matrices.times)
    mean = np.full((n, n), 1 / n)
    off = np.eye(n) - on_units - on_times + mean
    if method == "wallace-hussain":
        residual = matrices.y - x @ np.linalg.pinv(x) @ matrices.y
    else:
        slopes = np.linalg.pinv(off @ x[:, 1:]) @ matrices.y
        residual = matrices.y - x[:, 1:] @ slopes
        residual -= residual.mean()
    e = residual @ off @ residual / ((UNITS - 1) * (PERIODS - 1))
    u = residual @ on_units @ residual / UNITS
    t = residual @ on_times @ residual / PERIODS
    assert found.sigma2_e == pytest.approx(e, rel=1e-9)
    assert found.raw_u == pytest.approx((u - e) / PERIODS, rel=1e-9)
    assert found.raw_t == pytest.approx((t - e) / UNITS, rel=1e-9)


@pytest.mark.parametrize("restricted", [False, True])
@pytest.mark.parametrize("weighted", [False, True])
def test_the_likelihood_is_the_normal_density_at_its_maximum(
    weighted: bool, restricted: bool
) -> None:
    block = rows(balanced=False, weighted=weighted)
    found, matrices = estimate(block, "reml" if restricted else "ml"), dense(block)
    at = np.array([found.sigma2_e, found.sigma2_u, found.sigma2_t])
    best = matrices.loglik(*at, restricted=restricted) - matrices.log_weight / 2
    assert found.loglik == pytest.approx(best, rel=1e-10)
    for step in 1e-5 * np.eye(3):
        ahead, behind = (matrices.loglik(*(at + s), restricted=restricted) for s in (step, -step))
        assert (ahead - behind) / 2e-5 == pytest.approx(0.0, abs=1e-6)


def test_one_period_is_refused() -> None:
    block = block_of([1] * 8, [0] * 8)
    with pytest.raises(IdentificationError, match="two units and two periods"):
        estimate(block, "swamy-arora")
