"""The optimum of a model with dependent residuals, on the likelihood of all rows."""

from __future__ import annotations

import numpy as np
import pytest

from panelml.mixed.core.residual_optimum import maximise_residual
from panelml.mixed.core.residual_rows import UnitRows, residual_problem
from tests.mixed.core.dense import make_basis, make_block
from tests.mixed.core.test_residual_rows import FACTS, FORM, white


@pytest.mark.parametrize("restricted", [False, True])
def test_the_optimum_and_its_curvature_are_those_of_the_dense_likelihood(restricted: bool) -> None:
    block = make_block()
    problem = residual_problem(UnitRows.of(block, make_basis(1), FACTS), FORM)
    found = maximise_residual(problem, np.ones((1, 1), dtype=bool), restricted=restricted)
    at = np.array([found.theta[0], found.mixed.criterion.factor[0, 0]])
    assert found.converged
    assert abs(at[1]) > 0.1

    def deviance(x: np.ndarray) -> float:
        return white(block, 1, x[1:, None], x[:1]).deviance(restricted)

    assert found.mixed.criterion.deviance == pytest.approx(deviance(at), rel=1e-10)
    h = 1e-4
    moves = h * np.eye(2)
    slope = [(deviance(at + m) - deviance(at - m)) / (2 * h) for m in moves]
    np.testing.assert_allclose(slope, 0.0, atol=1e-5)
    bend = np.array(
        [
            [
                deviance(at + a + b)
                - deviance(at + a - b)
                - deviance(at - a + b)
                + deviance(at - a - b)
                for a in moves
            ]
            for b in moves
        ]
    ) / (4 * h * h)
    # Of the parameters, the random part at its best: twice the inverse of the whole curvature.
    np.testing.assert_allclose(found.cov, 2 * np.linalg.inv(bend)[:1, :1], rtol=1e-4)
