"""Averages of effects by their definitions, and their derivatives by differences."""

from __future__ import annotations

import numpy as np
import pytest

from panelml.did.core.aggregation import average, masks_by, mean_of

rng = np.random.default_rng(3)
EFFECTS, SIZE = rng.standard_normal(6), rng.uniform(0.5, 2, 6)
GROUP = np.array([0, 0, 1, 1, 2, 2])
USED = np.array([True, True, True, False, True, True])


def differences(function, at, step=1e-6):
    """Central differences of a vector function, shape (m, k)."""
    columns = []
    for j in range(at.size):
        move = np.zeros(at.size)
        move[j] = step
        columns.append((function(at + move) - function(at - move)) / (2 * step))
    return np.stack(columns, axis=1)


def by_group(size):
    _, masks = masks_by(GROUP, USED)
    return average(EFFECTS, size, masks)


def overall(size):
    _, masks = masks_by(GROUP, USED)
    by = masks / masks.sum(axis=1, keepdims=True)
    return mean_of(by_group(size), EFFECTS, by @ size, by)


def test_averages_are_weighted_means() -> None:
    means = by_group(SIZE).weights @ EFFECTS
    expected = [
        np.average(EFFECTS[:2], weights=SIZE[:2]),
        EFFECTS[2],
        np.average(EFFECTS[4:], weights=SIZE[4:]),
    ]
    np.testing.assert_allclose(means, expected, rtol=1e-14)
    sizes = [SIZE[:2].mean(), SIZE[2], SIZE[4:].mean()]
    np.testing.assert_allclose(
        overall(SIZE).weights @ EFFECTS, np.average(expected, weights=sizes), rtol=1e-14
    )


@pytest.mark.parametrize("function", [by_group, overall])
def test_derivatives_by_size(function) -> None:
    numeric = differences(lambda size: function(size).weights @ EFFECTS, SIZE)
    np.testing.assert_allclose(function(SIZE).by_size, numeric, atol=1e-9)
