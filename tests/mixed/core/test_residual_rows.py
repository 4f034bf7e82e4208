"""Likelihoods with dependent residuals, by matrices of all rows."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from panelml.core.block import Block
from panelml.mixed.core.optimum import free_entries
from panelml.mixed.core.residual_crossed import ResidualLayout
from panelml.mixed.core.residual_forms import ResidualForm
from panelml.mixed.core.residual_rows import UnitRows, residual_problem
from panelml.mixed.core.whitening import RowFacts
from tests.mixed.core.dense import (
    FACTORS,
    OTHERS,
    STRUCTURE,
    Dense,
    make_basis,
    make_block,
    random_factor,
)

FORM, FACTS = ResidualForm("ar1"), RowFacts("", None, None, None)
THETA = np.array([0.6])
both = pytest.mark.parametrize("restricted", [False, True])


def white(block: Block, n_random: int, factor: np.ndarray, theta: np.ndarray = THETA) -> Dense:
    """The dense model after the inverse root of the residuals' covariance of all rows."""
    dense = Dense.of(block, n_random, factor @ factor.T)
    lag = np.abs(block.time[:, None] - block.time)
    same = block.unit[:, None] == block.unit
    r = np.where(same, np.tanh(theta[0]) ** lag, 0.0)
    root = np.linalg.inv(np.linalg.cholesky(r))
    return replace(
        dense,
        y=root @ dense.y,
        x=root @ dense.x,
        z=root @ dense.z,
        log_weight=dense.log_weight - np.linalg.slogdet(r)[1],
    )


def slope_of_deviance(block: Block, q: int, factor: np.ndarray, *, restricted: bool) -> float:
    ahead, behind = (white(block, q, factor, THETA + step) for step in (1e-5, -1e-5))
    return (ahead.deviance(restricted) - behind.deviance(restricted)) / 2e-5


@both
@pytest.mark.parametrize("q", [1, 2])
@pytest.mark.parametrize("weighted", [False, True])
def test_one_factor(weighted: bool, q: int, restricted: bool) -> None:
    block, factor = make_block(weighted=weighted), random_factor(np.ones((q, q), dtype=bool))
    problem = residual_problem(UnitRows.of(block, make_basis(q), FACTS), FORM)
    found = problem.whiten(THETA)
    at = found.likelihood.evaluate(factor, restricted=restricted)
    dense = white(block, q, factor)
    assert at.deviance == pytest.approx(dense.deviance(restricted), rel=1e-10)
    assert at.sigma2 == pytest.approx(dense.sigma2(restricted), rel=1e-9)
    np.testing.assert_allclose(at.coef, dense.coef, rtol=1e-8)
    slope = slope_of_deviance(block, q, factor, restricted=restricted)
    assert found.gradient(at, restricted=restricted)[0] == pytest.approx(slope, rel=1e-6, abs=1e-7)


@both
def test_several_factors(restricted: bool) -> None:
    block, factor = make_block(), random_factor(STRUCTURE)
    rows = UnitRows.of(block, make_basis(5), FACTS, OTHERS)
    found = ResidualLayout(FACTORS, STRUCTURE).likelihood(rows, FORM).whiten(THETA)
    at = found.likelihood.evaluate(factor, restricted=restricted)
    dense = white(block, 5, factor)
    assert at.deviance == pytest.approx(dense.deviance(restricted), rel=1e-10)
    np.testing.assert_allclose(at.coef, dense.coef, rtol=1e-7)
    for a, b in zip(*free_entries(STRUCTURE), strict=True):
        slope = at.gradient[a, b] * (1 if a == b else 2)
        assert slope == pytest.approx(dense.slope(a, b, restricted), rel=1e-7, abs=1e-8)
    slope = slope_of_deviance(block, 5, factor, restricted=restricted)
    assert found.gradient(at, restricted=restricted)[0] == pytest.approx(slope, rel=1e-6, abs=1e-7)


def test_units_with_equal_regressors_are_replaced_by_fewer() -> None:
    rng = np.random.default_rng(8)
    base = make_block(weighted=False)
    units, size = 60, 3
    block = Block(
        rng.normal(size=(3, units * size)),
        np.arange(units + 1) * size,
        0,
        np.tile(np.arange(size), units),
        base.steps,
        None,
        {},
        {},
    )
    basis = make_basis(1)
    problem = residual_problem(UnitRows.of(block, basis, FACTS), FORM)
    assert sum(len(part.count) for part in problem.units) == size * 4
    assert sum(part.count.sum() for part in problem.units) == pytest.approx(units)
    columns = basis.columns(block)
    lag = np.abs(np.arange(size)[:, None] - np.arange(size))
    v = 1.44 + np.tanh(THETA[0]) ** lag
    inverse = np.kron(np.eye(units), np.linalg.inv(v))
    x, y = columns.fixed.T, columns.outcome
    coef = np.linalg.solve(x.T @ inverse @ x, x.T @ inverse @ y)
    at = problem.whiten(THETA).likelihood.evaluate(np.array([[1.2]]), restricted=False)
    np.testing.assert_allclose(at.coef, coef, rtol=1e-8)
    rss = (y - x @ coef) @ inverse @ (y - x @ coef)
    assert at.sigma2 == pytest.approx(rss / block.n, rel=1e-9)
