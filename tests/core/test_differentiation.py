"""Numerical derivatives against those by hand."""

from __future__ import annotations

import numpy as np
import pytest

from panelml.core.differentiation import derivative

X = np.array([1e-3, 1.0, 2.0, 1e4, 2e4, 1e7])


@pytest.mark.parametrize("start", [2.0**-4, 176.0, 2.0**20])
def test_derivatives_have_their_digits_whatever_the_first_step(start: float) -> None:
    x = X[(1e-6 * start < X) & (1e5 * start > X)]
    with np.errstate(all="ignore"):
        log = derivative(lambda step: np.log(x + step), start)
        square = derivative(lambda step: (x + step) ** 2, start)
        root = derivative(lambda step: np.sqrt(x + step), start)
    assert np.allclose(log * x, 1, rtol=1e-9)
    assert np.allclose(square / (2 * x), 1, rtol=1e-9)
    assert np.allclose(2 * root * np.sqrt(x), 1, rtol=1e-9)


def test_periodic_functions_of_whole_numbers_are_not_taken_for_constants() -> None:
    month = np.arange(12.0)
    found = derivative(lambda step: np.sin(2 * np.pi * (month + step) / 12), 11 / 16)
    assert np.allclose(found, np.pi / 6 * np.cos(np.pi * month / 6), rtol=1e-11, atol=1e-12)


def test_a_jump_elsewhere_is_no_derivative() -> None:
    found = derivative(lambda step: np.where(X + step > 1.5, 1.0, 0.0), 176.0)
    assert np.array_equal(found, np.zeros(X.size))


def test_there_is_no_derivative_where_one_side_has_no_value() -> None:
    with np.errstate(all="ignore"):
        found = derivative(lambda step: np.sqrt(np.array([0.0, 1.0]) + step), 1.0)
    assert np.isnan(found[0])
    assert found[1] == pytest.approx(0.5, rel=1e-12)
