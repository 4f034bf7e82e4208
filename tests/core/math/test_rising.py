"""Rising factorials against their products, whose logarithms lose nothing."""

from __future__ import annotations

import numpy as np
import pytest

from panelml.core.math.rising import log_rising, log_rising_first, log_rising_second


@pytest.mark.parametrize("z", [1e-3, 0.4, 3.0, 19.9, 20.1, 500.0, 1e6, 1e12])
def test_rising_factorials_are_products(z: float) -> None:
    for y in (0, 1, 2, 7, 150):
        terms = z + np.arange(y)
        found = (
            log_rising(np.array(z), np.array(float(y))),
            log_rising_first(np.array(z), np.array(float(y))),
            log_rising_second(np.array(z), np.array(float(y))),
        )
        wanted = np.log(terms).sum(), (1 / terms).sum(), -(terms**-2.0).sum()
        assert np.allclose(found, wanted, rtol=1e-12, atol=1e-15)


def test_fractions_join_at_the_change_of_formula() -> None:
    y = np.array([0.5, 2.25, 40.5])
    below, above = np.array(20 - 1e-9), np.array(20 + 1e-9)
    for function in (log_rising, log_rising_first, log_rising_second):
        assert np.allclose(function(below, y), function(above, y), rtol=1e-9)
