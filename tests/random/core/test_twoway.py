"""Moments, transformation and likelihood of the two-way model."""

from __future__ import annotations

import numpy as np
import pytest

from panelml._typing import FloatArray
from panelml.core.absorb import Absorb, AbsorbSystem
from panelml.core.absorb_plan import AbsorbPlan, Factor
from panelml.core.block import Block
from panelml.core.transforms import QuasiDemean, Rows
from panelml.random.core import twoway
from panelml.random.core.twoway import TwoWayMoments, TwoWayQuasiDemean
from panelml.random.core.twoway_likelihood import TwoWayProfile, maximise_two_way

PERIODS = 6


def make_block(
    units: int, *, balanced: bool = False, weighted: bool = False, seed: int = 1
) -> Block:
    draw = np.random.default_rng(seed)
    kept = draw.random((units, PERIODS)) < (1.0 if balanced else 0.7)
    kept[:, 0] |= ~kept.any(axis=1)
    unit, time = np.nonzero(kept)
    starts = np.searchsorted(unit, np.arange(units + 1))
    z = draw.normal(size=(3, unit.size)) + draw.normal(size=(3, units))[:, unit]
    z += draw.normal(size=(3, PERIODS))[:, time] + 10
    weights = np.exp(draw.normal(size=unit.size)) if weighted else None
    return Block(z, starts, 0, time, np.arange(PERIODS), weights, {"t": time}, {})


def moments_of(block: Block, constant: bool = True) -> TwoWayMoments:
    return TwoWayMoments.of(block, block.z.mean(axis=1), constant=constant)


def transform_of(block: Block, unit: float, period: float) -> TwoWayQuasiDemean:
    levels = moments_of(block).system(unit).levels(period)
    return TwoWayQuasiDemean(block.z.mean(axis=1), unit, 1.0, levels)


def products(rows: Rows) -> FloatArray:
    return (rows.z if rows.weights is None else rows.z * rows.weights) @ rows.z.T


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("cells", [1, 40, 10**6])
def test_moments_add_up(weighted: bool, cells: int, monkeypatch: pytest.MonkeyPatch) -> None:
    block = make_block(60, weighted=weighted)
    centre = np.ones(3)
    whole = TwoWayMoments.of(block, centre, constant=True)
    monkeypatch.setattr(twoway, "MOST_CELLS", cells)
    parts = [
        TwoWayMoments.of(twoway._units(block, first, first + 20), centre, constant=True)
        for first in (0, 20, 40)
    ]
    for total in ((parts[0] + parts[1]) + parts[2], parts[0] + (parts[1] + parts[2])):
        assert total.units == 60
        for ratio in (0.0, 0.3, 50.0):
            assert np.allclose(total.quasi(ratio), whole.quasi(ratio), rtol=1e-12, atol=1e-12)
            assert np.allclose(total.slope(ratio), whole.slope(ratio), rtol=1e-12, atol=1e-12)


def test_many_units_of_equal_weight_are_compressed() -> None:
    found = moments_of(make_block(2000))
    assert found.means.shape[0] <= PERIODS * found.means.shape[1]
    assert np.bincount(np.rint(found.weight).astype(int)).max() == found.means.shape[1]


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("ratios", [(0.0, 0.0), (2.0, 0.0), (0.0, 3.0), (0.7, 0.2), (1e6, 1e6)])
def test_rows_have_the_cross_products_of_the_moments(
    weighted: bool, ratios: tuple[float, float]
) -> None:
    block = make_block(40, weighted=weighted)
    unit, period = ratios
    gram = moments_of(block).system(unit).gram(period)
    assert np.allclose(
        products(transform_of(block, unit, period)(block)), gram, rtol=1e-7, atol=1e-8
    )


def test_no_variance_of_periods_gives_the_one_way_rows() -> None:
    block = make_block(40, weighted=True)
    one_way = QuasiDemean(block.z.mean(axis=1), 0.8, 1.0)(block)
    assert np.allclose(transform_of(block, 0.8, 0.0)(block).z, one_way.z, rtol=0, atol=1e-13)


@pytest.mark.parametrize("weighted", [False, True])
def test_large_variances_give_the_rows_of_fixed_effects(weighted: bool) -> None:
    block = make_block(40, weighted=weighted)
    plan = AbsorbPlan(True, (), (Factor("t", PERIODS, None, 0),))
    fixed = Absorb(plan, AbsorbSystem.of(block, plan).solve(plan).coef)(block)
    found = transform_of(block, 1e10, 1e10)(block)
    assert np.allclose(found.z[[0, 2, 3]], fixed.z, rtol=0, atol=2e-4)
    assert np.abs(found.z[1]).max() < 2e-4


def test_balanced_rows_have_a_closed_form() -> None:
    units, unit, period = 25, 0.9, 0.3
    block = make_block(units, balanced=True)
    z = (block.z - block.z.mean(axis=1)[:, None]).reshape(3, units, PERIODS)
    one, two = 1 - (1 + PERIODS * unit) ** -0.5, 1 - (1 + units * period) ** -0.5
    both = one + two - 1 + (1 + PERIODS * unit + units * period) ** -0.5
    expected = (
        z
        - one * z.mean(axis=2, keepdims=True)
        - two * z.mean(axis=1, keepdims=True)
        + both * z.mean(axis=(1, 2), keepdims=True)
    )
    rows = transform_of(block, unit, period)(block)
    assert np.allclose(rows.z[[0, 2, 3]], expected.reshape(3, -1), rtol=0, atol=1e-12)
    assert np.allclose(rows.z[1], 1 - one - two + both, rtol=0, atol=1e-12)


def profile_of(block: Block, *, restricted: bool) -> TwoWayProfile:
    w = np.ones(block.n) if block.weights is None else block.weights
    weight, count = np.unique(np.add.reduceat(w, block.starts[:-1]), return_counts=True)
    return TwoWayProfile(moments_of(block), weight, count.astype(float), float(w.sum()), restricted)


@pytest.mark.parametrize("restricted", [False, True])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("ratios", [(0.5, 0.2), (5.0, 0.01), (0.0, 0.4), (0.3, 0.0)])
def test_derivatives_of_the_likelihood(
    restricted: bool, weighted: bool, ratios: tuple[float, float]
) -> None:
    profile = profile_of(make_block(40, weighted=weighted), restricted=restricted)
    at = np.array(ratios)
    slope = profile.evaluate(at)[1]
    for i in range(2):
        step = 1e-4 * np.eye(2)[i]
        points = [profile.evaluate(at + k * step)[0] for k in range(5)]
        forward = np.dot([-25, 48, -36, 16, -3], points) / (12 * 1e-4)
        assert slope[i] == pytest.approx(forward, rel=1e-5, abs=1e-4)


@pytest.mark.parametrize("restricted", [False, True])
def test_grid_has_the_values_of_the_likelihood(restricted: bool) -> None:
    profile = profile_of(make_block(30), restricted=restricted)
    units, periods = np.array([0.0, 0.7]), np.array([0.0, 0.1, 2.0])
    found = profile.grid(units, periods)
    expected = [[profile.evaluate(np.array([u, p]))[0] for p in periods] for u in units]
    assert np.allclose(found, expected, rtol=1e-13)


@pytest.mark.parametrize("remove", ["unit", "time", "both"])
def test_maxima_on_the_boundary(remove: str) -> None:
    block = make_block(30, balanced=True)
    z = block.z.reshape(3, 30, PERIODS).copy()
    if remove in ("unit", "both"):
        z -= z.mean(axis=2, keepdims=True)
    if remove in ("time", "both"):
        z -= z.mean(axis=1, keepdims=True)
    block = block.with_z(z.reshape(3, -1))
    sigma2, _ = maximise_two_way(moments_of(block), np.full(30, 6.0), restricted=False)
    assert (sigma2[1] == 0) == (remove in ("unit", "both"))
    assert (sigma2[2] == 0) == (remove in ("time", "both"))
