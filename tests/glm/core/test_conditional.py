"""Conditional likelihoods of units against all ways to choose their ones, written out."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest

from panelml.core.block import Block
from panelml.glm.core.conditional import conditional_units
from tests.core.blocks import block_of


def problem(sizes: list[int], seed: int = 0) -> tuple[Block, np.ndarray]:
    rng = np.random.default_rng(seed)
    block = block_of(sizes)
    y = rng.integers(0, 2, block.n).astype(float)
    y[block.starts[:-1]], y[block.starts[1:] - 1] = 1.0, 0.0
    return replace(block, z=y[None]), rng.normal(size=(2, block.n))


def written_out(block: Block, x: np.ndarray, b: np.ndarray) -> list[tuple[float, ...]]:
    found = []
    for i in range(block.n_units):
        rows = slice(block.starts[i], block.starts[i + 1])
        y, z = block.outcome[rows], x[:, rows]
        ways = [list(chosen) for chosen in combinations(range(y.size), int(y.sum()))]
        sums = np.array([z[:, chosen].sum(axis=1) for chosen in ways])
        weight = np.exp(sums @ b)
        share = weight / weight.sum()
        mean = share @ sums
        value = z[:, y > 0].sum(axis=1) @ b - np.log(weight.sum())
        spread = (sums - mean).T * share @ (sums - mean)
        found.append((value, z[:, y > 0].sum(axis=1) - mean, spread))
    return found


@pytest.mark.parametrize("seed", range(4))
def test_units_are_those_of_all_ways(seed: int) -> None:
    block, x = problem([2, 3, 5, 3, 8, 2, 7, 5], seed)
    b = np.array([0.7, -1.3])
    units = conditional_units(block, b @ x, x)
    for i, (value, score, information) in enumerate(written_out(block, x, b)):
        assert np.isclose(units.values[i], value, rtol=1e-12)
        assert np.allclose(units.scores[:, i], score, rtol=1e-10, atol=1e-12)
        assert np.allclose(units.information[..., i], information, rtol=1e-9, atol=1e-12)
    first = conditional_units(block, b @ x, x, second=False)
    assert np.array_equal(first.scores, units.scores) and first.information.size == 0


def test_many_rows_neither_overflow_nor_lose_digits() -> None:
    """Half of 400 rows: scores are the slopes of the likelihood."""
    block, x = problem([400], 1)
    x = 3 * x

    def value(b: np.ndarray) -> float:
        return float(conditional_units(block, b @ x, x, second=False).values[0])

    b, h = np.array([1.5, -2.0]), 1e-5
    units = conditional_units(block, b @ x, x)
    slopes = [(value(b + h * e) - value(b - h * e)) / (2 * h) for e in np.eye(2)]
    assert np.isfinite(units.values).all()
    assert np.allclose(units.scores[:, 0], slopes, rtol=1e-6, atol=1e-4)
    moved = conditional_units(block, b @ x + 500.0, x)
    assert np.allclose(moved.values, units.values, rtol=1e-10)
