"""Errors of predictions, by Henderson's equations of all rows."""

from __future__ import annotations

import numpy as np

from panelml.mixed.core.blup import UnitPrediction
from panelml.mixed.core.prediction_error import error_variances, unit_errors
from tests.mixed.core.dense import Dense, make_basis, make_block, random_factor


def test_error_variances_are_the_inverse_of_hendersons_equations() -> None:
    block, factor = make_block(), random_factor(np.ones((2, 2), dtype=bool))
    relative = factor @ factor.T
    dense = Dense.of(block, 2, relative)
    both = np.hstack([dense.x, dense.z])
    equations = both.T @ both
    equations[3:, 3:] += np.linalg.inv(dense.covariance)
    sigma2 = 1.7
    inverse = sigma2 * np.linalg.inv(equations)
    # Predictions of the rows without their weights, in the units that they belong to.
    plain = both / np.sqrt(block.row_weights)[:, None]
    expected = np.einsum("nk,kl,nl->n", plain, inverse, plain)

    basis = make_basis(2)
    errors = unit_errors(UnitPrediction(basis, dense.coef, relative), block).values
    found = error_variances(
        basis.fixed(block.z),
        basis.random(block.z),
        errors[:, block.unit],
        sigma2 * dense.phi,
        sigma2,
    )
    np.testing.assert_allclose(found, expected, rtol=1e-8)
