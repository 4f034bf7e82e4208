"""Working columns of a mixed model, and the way back to the user's coefficients."""

from __future__ import annotations

import numpy as np
import pytest

from panelml.core.moments import CrossProducts
from panelml.errors import IdentificationError
from panelml.mixed.core.working_columns import RandomBlock, working_columns
from tests.core.blocks import block_of

N = 40


def rows() -> np.ndarray:
    """An outcome and three regressors, two of them large and far from zero."""
    z = np.random.default_rng(7).normal(size=(4, N))
    z[1] = 1e4 + 50 * z[1]
    z[2] = 3 + 0.01 * z[2] + 1e-4 * (z[1] - 1e4)
    return z


@pytest.mark.parametrize("constant", [False, True])
def test_fixed_columns_are_orthonormal_and_lead_back(constant: bool) -> None:
    z = rows()
    fixed = np.array([1, 2])
    blocks = (RandomBlock(True, np.array([1, 3])), RandomBlock(False, np.array([2])))
    made = working_columns(CrossProducts.of(z), constant, fixed, blocks)
    columns = made.basis.columns(block_of([N]).with_z(z))
    p = len(fixed) + constant
    np.testing.assert_allclose(columns.fixed @ columns.fixed.T / N, np.eye(p), atol=1e-9)
    np.testing.assert_allclose(columns.random[:3] @ columns.random[:3].T / N, np.eye(3), atol=1e-9)
    assert columns.random[3] @ columns.random[3] == pytest.approx(N, rel=1e-9)
    # The working outcome is the residual of least squares on the user's regressors.
    x = z[fixed].T if not constant else np.column_stack([np.ones(N), z[fixed].T])
    coef = np.linalg.lstsq(x, z[0], rcond=None)[0]
    np.testing.assert_allclose(columns.outcome, z[0] - x @ coef, atol=1e-7)
    np.testing.assert_allclose(made.offset, coef, rtol=1e-6)
    # X b is the same in both columns, and b is found back.
    params = np.array([2.0, -0.3, 5.0])[-p:]
    working = made.to_working(params)
    np.testing.assert_allclose(columns.fixed.T @ working, x @ (params - made.offset), atol=1e-6)
    assert made.log_scale == pytest.approx(-np.linalg.slogdet(made.fixed_back)[1], rel=1e-10)


def test_random_columns_lead_back_to_the_users_coefficients() -> None:
    z = rows()
    blocks = (RandomBlock(True, np.array([1, 3])), RandomBlock(False, np.array([2])))
    made = working_columns(CrossProducts.of(z), True, np.array([1, 2]), blocks)
    columns = made.basis.columns(block_of([N]).with_z(z))
    users = np.stack([np.ones(N), z[1], z[3], z[2]])
    # z' b is the same, whatever the working coefficients.
    working = np.random.default_rng(1).normal(size=4)
    np.testing.assert_allclose(
        columns.random.T @ working, users.T @ (made.random_back @ working), atol=1e-8
    )
    expected = np.array([[1, 1, 1, 0]] * 3 + [[0, 0, 0, 1]], dtype=bool)
    np.testing.assert_array_equal(made.structure, expected)


def test_collinear_random_regressors_are_refused() -> None:
    z = rows()
    z[3] = 2 * z[1] - 7
    block = RandomBlock(True, np.array([1, 3]))
    with pytest.raises(IdentificationError, match="collinear"):
        working_columns(CrossProducts.of(z), True, np.array([1]), (block,))
