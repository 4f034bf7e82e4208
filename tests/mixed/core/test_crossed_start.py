"""The start of the iteration: quadratic forms of residuals equated with their expectations."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from panelml.mixed.core.crossed_start import moment_start
from panelml.mixed.core.optimum import free_entries
from tests.mixed.core.dense import (
    FACTORS,
    STRUCTURE,
    Dense,
    make_basis,
    make_block,
    products,
)


def test_the_start_equates_squares_with_traces() -> None:
    block = make_block()
    dense = Dense.of(block, 5, np.eye(5))
    coef = np.linalg.lstsq(dense.x, dense.y, rcond=None)[0]
    # The working outcome is the residual of least squares.
    source = make_basis(5).source.copy()
    source[3] -= coef @ source[:3]
    basis = replace(make_basis(5), source=source)
    free = free_entries(STRUCTURE)
    r = dense.y - dense.x @ coef
    parts = [np.eye(r.size), *(dense.move(a, b) for a, b in zip(*free, strict=True))]
    system = [[np.trace(p @ q) for q in parts] for p in parts]
    variances = np.linalg.solve(system, [r @ p @ r for p in parts])
    expected = np.zeros((5, 5))
    expected[free] = variances[1:]
    expected = np.where(expected == 0, expected.T, expected)
    noise = max(variances[0], 0.05 * r @ r / r.size)
    found = moment_start(products(block, basis), FACTORS, free)
    np.testing.assert_allclose(found, expected / noise, rtol=1e-7, atol=1e-9)
