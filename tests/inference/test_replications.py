"""Covariances of repeated estimates."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from panelml.errors import SpecificationError
from panelml.inference.replications import Replicates

DRAWS = np.random.default_rng(1).normal(size=(25, 3))
SAMPLE: Any = None


def test_products_of_draws_are_their_covariance() -> None:
    psi = Replicates.of(SAMPLE, DRAWS).psi
    np.testing.assert_allclose(psi @ psi.T, np.cov(DRAWS.T, ddof=0), rtol=1e-12)


def test_products_of_the_jackknife_are_around_their_mean_or_the_whole() -> None:
    whole = DRAWS.mean(axis=0) + 0.1
    psi = Replicates.of(SAMPLE, DRAWS, jackknife=True).psi
    np.testing.assert_allclose(psi @ psi.T, 24 * np.cov(DRAWS.T, ddof=0), rtol=1e-12)
    around = Replicates.around(SAMPLE, DRAWS, whole)
    gap = DRAWS - whole
    np.testing.assert_allclose(around.psi @ around.psi.T, 24 / 25 * gap.T @ gap, rtol=1e-12)
    matrix = np.array([[1.0, -1.0, 0.0]])
    np.testing.assert_allclose(around.mapped(matrix).psi, matrix @ around.psi, rtol=1e-13)


def test_replications_have_no_rows_clusters_or_order() -> None:
    made = Replicates.of(SAMPLE, DRAWS)
    for ask in (made.row_products, lambda: made.sums(("a",)), lambda: made.serial_products(1)):
        with pytest.raises(SpecificationError, match="replications"):
            ask()
