"""Sums over groups and keys, and what the transforms make of rows."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from panelml.core.augment import SplitMeans
from panelml.core.groups import demean, group_means, group_sums, spread
from panelml.core.keyed import KeyedSums
from panelml.core.transforms import BetweenTransform, Difference, Level, QuasiDemean, Within
from tests.core.blocks import block_of


@settings(max_examples=30)
@given(sizes=st.lists(st.integers(1, 7), min_size=1, max_size=8), weighted=st.booleans())
def test_groups_are_loops(sizes: list[int], weighted: bool) -> None:
    block = block_of(sizes)
    w = np.random.default_rng(1).uniform(0.5, 2, block.n) if weighted else None
    spans = [slice(a, b) for a, b in zip(block.starts[:-1], block.starts[1:], strict=True)]
    sums = np.stack([block.z[:, span].sum(axis=1) for span in spans], axis=1)
    means = np.stack(
        [np.average(block.z[:, s], axis=1, weights=None if w is None else w[s]) for s in spans],
        axis=1,
    )
    assert group_sums(block.z, block.starts) == pytest.approx(sums)
    assert group_means(block.z, block.starts, w) == pytest.approx(means)
    expected = block.z - np.repeat(means, sizes, axis=1)
    assert demean(block.z, block.starts, block.unit, w) == pytest.approx(expected, abs=1e-14)
    np.testing.assert_array_equal(spread(sums, block.unit), np.repeat(sums, sizes, axis=1))


@pytest.mark.parametrize("far", [1, 10**6])
def test_sums_by_key_are_dictionaries(far: int) -> None:
    """Whether the codes lie close together or far apart."""
    rng = np.random.default_rng(2)
    codes, values = rng.integers(0, 9, 50) * far + 3, rng.normal(size=(2, 50))
    found = KeyedSums.of(values, codes)
    expected = {code: values[:, codes == code].sum(axis=1) for code in np.unique(codes)}
    assert list(found.codes) == sorted(expected)
    stacked = np.array([expected[code] for code in sorted(expected)])
    np.testing.assert_allclose(found.sums.T, stacked)
    if far == 1:
        dense = found.dense(20)
        assert dense.shape == (2, 20)
        assert dense[:, found.codes] == pytest.approx(found.sums)
        assert not dense[:, [c for c in range(20) if c not in expected]].any()


def test_sums_by_key_of_nothing() -> None:
    nothing = KeyedSums.of(np.zeros((2, 0)), np.zeros(0, dtype=np.int64))
    some = KeyedSums.of(np.ones((2, 3)), np.array([4, 4, 5]))
    for total in (nothing + some, some + nothing):
        assert list(total.codes) == [4, 5]
        np.testing.assert_array_equal(total.sums, [[2, 1], [2, 1]])


def test_overlapping_and_ordered_keys_add_alike() -> None:
    low = KeyedSums(np.array([1, 3]), np.array([[1.0, 3.0]]))
    high = KeyedSums(np.array([5, 7]), np.array([[5.0, 7.0]]))
    both = KeyedSums(np.array([3, 5]), np.array([[30.0, 50.0]]))
    assert list((low + high).codes) == [1, 3, 5, 7]
    total = low + high + both
    assert list(total.codes) == [1, 3, 5, 7]
    np.testing.assert_array_equal(total.sums, [[1, 33, 55, 7]])


def test_differences_skip_gaps_and_units() -> None:
    block = block_of([3, 1, 4], periods=[0, 1, 3, 5, 2, 4, 5, 6])
    rows = Difference()(block)
    np.testing.assert_array_equal(rows.at, [1, 6, 7])
    np.testing.assert_array_equal(rows.starts, [0, 1, 1, 3])
    np.testing.assert_array_equal(rows.z, block.z[:, [1, 6, 7]] - block.z[:, [0, 5, 6]])
    np.testing.assert_array_equal(rows.labels(np.arange(8) * 10), [10, 60, 70])
    units, sums = rows.unit_sums(rows.z)
    np.testing.assert_array_equal(units, [0, 2])
    assert sums == pytest.approx(np.stack([rows.z[:, 0], rows.z[:, 1] + rows.z[:, 2]], axis=1))
    assert Difference(constant=True)(block).z[1].tolist() == [1, 1, 1]


def test_differences_of_units_seen_once_are_none() -> None:
    rows = Difference()(block_of([1, 1, 1]))
    assert rows.z.shape == (3, 0)
    np.testing.assert_array_equal(rows.starts, [0, 0, 0, 0])
    units, sums = rows.unit_sums(rows.z)
    assert units.size == 0 and sums.shape == (3, 0)


def test_a_difference_weighs_the_harmonic_mean() -> None:
    rows = Difference()(block_of([2, 2], weights=[1.0, 3.0, 2.0, 2.0]))
    assert rows.weights == pytest.approx([1.5, 2.0])


@pytest.mark.parametrize("weights", [None, [1.0, 2.0, 0.5, 1.5, 3.0, 1.0]])
def test_quasi_demeaning_lies_between_levels_and_deviations(weights: list[float] | None) -> None:
    block, centre = block_of([2, 1, 3], weights=weights), np.array([0.3, -0.2, 0.1])
    level, within = Level(centre)(block), Within()(block)
    none, much = QuasiDemean(centre, 0.0, 1.0)(block), QuasiDemean(centre, 1e14, 1.0)(block)
    assert none.z == pytest.approx(level.z, abs=1e-14)
    assert much.z[[0, 2, 3]] == pytest.approx(within.z, abs=1e-6)
    assert much.z[1] == pytest.approx(np.zeros(6), abs=1e-6)
    some = QuasiDemean(centre, 0.7, 1.3)
    size = block.sizes if weights is None else group_sums(np.array(weights), block.starts)
    theta = spread(1 - np.sqrt(1.3 / (1.3 + 0.7 * size)), block.unit)
    mean = spread(group_means(block.z, block.starts, block.weights), block.unit)
    expected = block.z - centre[:, None] - theta * (mean - centre[:, None])
    assert some(block).z[[0, 2, 3]] == pytest.approx(expected)
    assert some(block).z[1] == pytest.approx(1 - theta)


def test_between_has_one_row_for_each_unit() -> None:
    block, centre = block_of([2, 1, 3]), np.array([0.3, -0.2, 0.1])
    rows = BetweenTransform(centre, weighted=True, scale=0.5)(block)
    assert rows.weights is not None
    assert rows.weights == pytest.approx([1.0, 0.5, 1.5])
    assert rows.z[[0, 2, 3]] == pytest.approx(
        group_means(block.z, block.starts) - centre[:, None], abs=1e-14
    )
    np.testing.assert_array_equal(rows.labels(np.arange(6)), [0, 2, 3])
    units, sums = rows.unit_sums(rows.z)
    np.testing.assert_array_equal(units, [0, 1, 2])
    np.testing.assert_array_equal(sums, rows.z)


@pytest.mark.parametrize("form", ["within-between", "mundlak", "levels"])
def test_splitting_keeps_the_outcome_and_the_others(form: str) -> None:
    block = block_of([2, 1, 3])
    split = SplitMeans(np.array([1]), np.array([0]), form)(block)  # type: ignore[arg-type]
    mean = spread(group_means(block.z[2:3], block.starts), block.unit)[0]
    first = block.z[2] if form == "levels" else block.z[2] - mean
    expected = np.stack([block.outcome, first, mean, block.regressors[0]])
    assert split.z == pytest.approx(expected, abs=1e-15)
    assert split.starts is block.starts
