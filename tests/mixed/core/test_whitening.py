"""Rows made independent, by the inverse root of the covariance of each unit."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from panelml.core.block import Block
from panelml.mixed.core.residual_forms import Patterns, ResidualForm
from panelml.mixed.core.whitening import Ranks, RowFacts, Whitening, size_classes
from tests.core.blocks import block_of

SIZES = [1, 4, 2, 4, 1, 3, 4]
FORM = ResidualForm("ar1", strata=2, levels=2, covariates=1)
FACTS = RowFacts(
    "", None, Ranks("sex", np.array([0, 1])), Ranks("arm", np.array([1, 0])), (("age", 40.0, 10.0),)
)
WHITENING = Whitening(FORM, np.array([0.7, -0.4, 0.3, 0.2]), FACTS)


def rows() -> Block:
    rng = np.random.default_rng(4)
    block = block_of(SIZES)
    keys = {"sex": rng.integers(0, 2, block.n), "arm": rng.integers(0, 2, 7)[block.unit]}
    return replace(block, keys=keys, slopes={"age": rng.uniform(20, 60, block.n)})


def covariance(block: Block) -> np.ndarray:
    """Of all rows, units one after the other."""
    theta = WHITENING.theta
    s = np.exp(theta[2] * (block.keys["sex"] == 1) + theta[3] * (block.slopes["age"] - 40) / 10)
    r = np.tanh(theta[[1, 0]])[block.keys["arm"]]
    lag = np.abs(block.time[:, None] - block.time)
    same = block.unit[:, None] == block.unit
    return np.where(same, np.outer(s, s) * r[:, None] ** lag, 0.0)


def test_roots_have_the_covariance_of_the_rows() -> None:
    block = rows()
    root = WHITENING.roots(block.starts, FACTS.of(block)).toarray()
    np.testing.assert_allclose(root @ root.T, covariance(block), rtol=1e-10, atol=1e-12)
    inverse = WHITENING.roots(block.starts, FACTS.of(block), inverse=True).toarray()
    np.testing.assert_allclose(inverse @ root, np.eye(block.n), atol=1e-12)


def test_white_columns_have_the_products_of_the_precision() -> None:
    block = rows()
    white = WHITENING(block.z, block)
    expected = block.z @ np.linalg.inv(covariance(block)) @ block.z.T
    np.testing.assert_allclose(white @ white.T, expected, rtol=1e-10)
    back = WHITENING.colour(white, block.starts, FACTS.of(block))
    np.testing.assert_allclose(back, block.z, atol=1e-12)


def test_variances_of_rows_of_unknown_levels_are_missing() -> None:
    block = rows()
    patterns = FACTS.of(block)
    found = WHITENING.variances(patterns)
    np.testing.assert_allclose(found, np.diag(covariance(block)), rtol=1e-12)
    level = patterns.level.copy()
    level[3] = -1
    unknown = WHITENING.variances(replace(patterns, level=level))
    assert np.flatnonzero(np.isnan(unknown)).tolist() == [3]


@pytest.mark.parametrize("absolute", [False, True])
def test_units_of_a_class_share_the_covariance_of_their_rows(absolute: bool) -> None:
    block = rows()
    moved = replace(block, time=block.time + np.where(block.unit == 3, 2, 0), steps=np.arange(6))
    patterns = replace(
        FACTS.of(moved), covariates=np.zeros((0, block.n)), level=np.zeros(block.n, dtype=int)
    )
    classes = size_classes(moved.starts, patterns, absolute=absolute)
    assert sorted(row for part in classes for row in part.at.ravel()) == list(range(block.n))
    for part in classes:
        for rows_of_unit, which in zip(part.at, part.pattern, strict=True):
            when = moved.step[rows_of_unit].astype(float)
            own = Patterns(
                when[None] - (0 if absolute else when[0]),
                patterns.level[rows_of_unit][None],
                np.zeros((1, when.size, 0)),
                patterns.stratum[rows_of_unit[:1]],
            )
            np.testing.assert_array_equal(part.patterns.take([which]).key(), own.key())
