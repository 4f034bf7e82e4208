"""Effects on the mean of an outcome, and their derivatives, against sums written out."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy.special import expit

from panelml.did.core.imputation import Assignment
from panelml.did.core.response_effects import CellIndicators, ResponseEffects
from tests.core.blocks import block_of

COEF = np.array([0.2, -0.4, 0.3, 0.5, -0.2, 0.7, -0.6])


def curve(index: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return expit(index), expit(index) * expit(-index)


def test_averages_and_derivatives_are_those_of_all_rows() -> None:
    start, table = np.array([2, 9, 1]), np.array([[-1, 0, 1], [-1, -1, 1], [-1, -1, -1]])
    assignment = Assignment(start, np.array([1, 2, 9]), table, 2, 0)
    plain = block_of([3, 3, 3], weights=[1, 2, 1, 3, 1, 1, 2, 1, 1])
    block = CellIndicators(assignment, np.array([1, 2]))(replace(plain, z=plain.z[:2]))
    # Regressor, two cohorts, two periods, two effects.
    assert block.z.shape == (8, 9)
    number = assignment.effects(block)
    assert number.tolist() == [-1, -1, 1, -1, -1, -1, -1, 0, 1]

    def averages(params: np.ndarray) -> np.ndarray:
        index = params[0] + params[1:] @ block.regressors
        gap = expit(index) - expit(index - params[-2:][np.maximum(number, 0)])
        weight = block.row_weights
        return np.array(
            [np.average(gap[number == j], weights=weight[number == j]) for j in range(2)]
        )

    params = np.concatenate([[0.1], COEF])
    index = params[0] + params[1:] @ block.regressors
    sums = ResponseEffects.of(block, number, COEF[-2:], index, curve)
    assert np.allclose(sums.averages, averages(params), rtol=1e-13)
    steps = 1e-6 * np.eye(params.size)
    slopes = [(averages(params + h) - averages(params - h)) / 2e-6 for h in steps]
    assert np.allclose(sums.jacobian.T, slopes, atol=1e-9)
