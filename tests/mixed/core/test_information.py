"""Information on variance parameters, by matrices of all rows and numerical derivatives."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest

from panelml.mixed.core.criterion import evaluate
from panelml.mixed.core.crossed_criterion import CrossedModel
from panelml.mixed.core.crossed_information import crossed_information
from panelml.mixed.core.information import VarianceInformation, variance_information
from panelml.mixed.core.optimum import free_entries
from panelml.mixed.core.unit_products import UnitProducts
from tests.mixed.core.dense import (
    FACTORS,
    STRUCTURE,
    Dense,
    make_basis,
    make_block,
    products,
    random_factor,
)

SINGLE = np.ones((2, 2), dtype=bool)
cases = pytest.mark.parametrize("crossed", [False, True])
both = pytest.mark.parametrize("restricted", [False, True])


@dataclass(frozen=True)
class Parameters:
    """Moves of V in the residual variance and in each entry of the covariance, and V itself."""

    dense: Dense
    moves: list[np.ndarray]
    sigma2: float

    @property
    def inverse(self) -> np.ndarray:
        return self.dense.inverse / self.sigma2

    @property
    def x(self) -> np.ndarray:
        return self.dense.x

    def phi(self, change: np.ndarray | None = None) -> np.ndarray:
        """Covariance of the fixed effects, V changed."""
        v = self.sigma2 * self.dense.v + (0 if change is None else change)
        return np.linalg.inv(self.x.T @ np.linalg.inv(v) @ self.x)


def made(crossed: bool, restricted: bool) -> tuple[VarianceInformation, Parameters]:
    structure = STRUCTURE if crossed else SINGLE
    q, block, free = len(structure), make_block(), free_entries(structure)
    factor = random_factor(structure)
    dense = Dense.of(block, q, factor @ factor.T)
    if crossed:
        model = CrossedModel(products(block, make_basis(q)), FACTORS, free)
        at = model.evaluate(factor, restricted=restricted)
        found = crossed_information(model, at, restricted=restricted)
    else:
        moments = UnitProducts.of(block, make_basis(q)).reduce()
        one = evaluate(moments, factor, restricted=restricted)
        found = variance_information(moments, one, free, restricted=restricted)
    moves = [np.eye(dense.y.size), *(dense.move(a, b) for a, b in zip(*free, strict=True))]
    return found, Parameters(dense, moves, dense.sigma2(restricted))


@cases
@both
def test_information_is_half_of_traces_and_forms(crossed: bool, restricted: bool) -> None:
    found, at = made(crossed, restricted)
    projected = at.dense.projected(restricted=True) / at.sigma2
    trace = projected if restricted else at.inverse
    expected = [[np.trace(trace @ k @ trace @ m) / 2 for m in at.moves] for k in at.moves]
    y = at.dense.y
    forms = [
        [y @ projected @ k @ projected @ m @ projected @ y for m in at.moves] for k in at.moves
    ]
    np.testing.assert_allclose(found.expected, expected, rtol=1e-7, atol=1e-9)
    observed = np.array(forms) - np.array(expected)
    np.testing.assert_allclose(found.observed, observed, rtol=1e-7, atol=1e-8)
    np.testing.assert_allclose(found.parameter_cov() @ observed, np.eye(len(observed)), atol=1e-7)


@cases
def test_the_covariance_of_fixed_effects_moves_as_its_numerical_derivatives(crossed: bool) -> None:
    found, at = made(crossed, restricted=True)
    np.testing.assert_allclose(found.phi, at.phi(), rtol=1e-8)
    for k, move in enumerate(at.moves):
        step = 1e-5
        slope = (at.phi(step * move) - at.phi(-step * move)) / (2 * step)
        ours = found.phi @ found.first[k] @ found.phi
        np.testing.assert_allclose(ours, slope, rtol=1e-6, atol=1e-9)
        for m, other in enumerate(at.moves):
            half = at.inverse @ at.x
            expected = half.T @ move @ at.inverse @ other @ half
            np.testing.assert_allclose(found.second[k, m], expected, rtol=1e-6, atol=1e-8)


@cases
def test_satterthwaites_degrees_are_of_the_variance_of_a_variance(crossed: bool) -> None:
    found, at = made(crossed, restricted=True)
    contrast = np.array([[0.3, 1.0, -2.0]])
    variance = float((contrast @ at.phi() @ contrast.T)[0, 0])
    slopes = np.array(
        [
            float((contrast @ (at.phi(1e-5 * m) - at.phi(-1e-5 * m)) @ contrast.T)[0, 0]) / 2e-5
            for m in at.moves
        ]
    )
    # Away from an optimum the expected information is positive definite, the observed may not be.
    cov = np.linalg.inv(found.expected)
    expected = 2 * variance**2 / (slopes @ cov @ slopes)
    sensitivity = replace(found.sensitivity(), cov=cov)
    assert sensitivity.degrees(contrast) == pytest.approx(expected, rel=1e-6)


@cases
def test_kenward_and_rogers_adjustment(crossed: bool) -> None:
    found, at = made(crossed, restricted=True)
    w, phi, half = np.linalg.inv(found.expected), at.phi(), at.inverse @ at.x
    first = [-half.T @ k @ half for k in at.moves]
    total = np.zeros((3, 3))
    for k, one in enumerate(at.moves):
        for m, two in enumerate(at.moves):
            inner = half.T @ one @ at.inverse @ two @ half
            total += w[k, m] * (inner - first[k] @ phi @ first[m])
    np.testing.assert_allclose(found.adjusted_phi(), phi + 2 * phi @ total @ phi, rtol=1e-6)
    contrast = np.array([[0.0, 1.0, 0.0], [0.0, 0.0, 1.0]])
    theta = contrast.T @ np.linalg.inv(contrast @ phi @ contrast.T) @ contrast
    parts = [theta @ phi @ p @ phi for p in first]
    a1 = sum(
        w[k, m] * np.trace(parts[k]) * np.trace(parts[m])
        for k in range(len(parts))
        for m in range(len(parts))
    )
    a2 = sum(
        w[k, m] * np.trace(parts[k] @ parts[m])
        for k in range(len(parts))
        for m in range(len(parts))
    )
    q = 2
    b, g = (a1 + 6 * a2) / (2 * q), ((q + 1) * a1 - (q + 4) * a2) / ((q + 2) * a2)
    c1, c2, c3 = np.array([g, q - g, q + 2 - g]) / (3 * q + 2 * (1 - g))
    mean = 1 / (1 - a2 / q)
    spread = 2 / q * (1 + c1 * b) / ((1 - c2 * b) ** 2 * (1 - c3 * b))
    rho = spread / (2 * mean**2)
    df = 4 + (q + 2) / (q * rho - 1)
    ours = found.kenward_roger(contrast)
    assert ours == pytest.approx((df, df / (mean * (df - 2))), rel=1e-6)
