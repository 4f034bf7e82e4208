"""Kernels and bandwidths, written out."""

from __future__ import annotations

import numpy as np
import pytest

from panelml.errors import IdentificationError, SpecificationError
from panelml.inference.hac import bartlett, choose_lags, kernel_sum


def test_the_weighted_sum_is_the_double_sum_over_periods() -> None:
    scores, lags = np.random.default_rng(1).normal(size=(9, 3)), 4
    products = np.stack([scores[lag:].T @ scores[: 9 - lag] for lag in range(lags + 1)])
    expected = np.zeros((3, 3))
    for s in range(9):
        for t in range(9):
            weight = max(0.0, 1 - abs(s - t) / (lags + 1))
            expected += weight * np.outer(scores[s], scores[t])
    np.testing.assert_allclose(kernel_sum(products), expected, rtol=1e-12, atol=1e-13)
    np.testing.assert_allclose(kernel_sum(products[:1]), scores.T @ scores, rtol=1e-13)


def test_weights_fall_to_zero_behind_the_last_lag() -> None:
    assert bartlett(3).tolist() == [1.0, 0.75, 0.5, 0.25]


@pytest.mark.parametrize(
    ("bandwidth", "periods", "lags"),
    [
        (None, 16, 2),
        (None, 15, 1),
        ("newey-west", 100, 4),
        ("newey-west", 2, 1),
        (0, 5, 0),
        (4, 5, 4),
    ],
)
def test_lags_by_rule(bandwidth: int | None, periods: int, lags: int) -> None:
    assert choose_lags(bandwidth, periods) == lags


@pytest.mark.parametrize("bandwidth", [5, -1, "andrews", 1.5])
def test_lags_that_the_panel_has_not_are_refused(bandwidth: int) -> None:
    with pytest.raises(SpecificationError, match="bandwidth"):
        choose_lags(bandwidth, 5)
    with pytest.raises(IdentificationError, match="two periods"):
        choose_lags(None, 1)
