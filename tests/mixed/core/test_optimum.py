"""The maximum of a mixed model's likelihood: by matrices of all rows, and from other starts."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from panelml.core.block import Block
from panelml.mixed.core.crossed_criterion import CrossedModel
from panelml.mixed.core.optimum import (
    SingleFactor,
    StartedAt,
    Watched,
    free_entries,
    maximise_mixed,
    start_factor,
)
from panelml.mixed.core.unit_products import UnitProducts
from tests.mixed.core.dense import FACTORS, STRUCTURE, Dense, make_basis, make_block, products

both = pytest.mark.parametrize("restricted", [False, True])
INTERCEPT = np.ones((1, 1), dtype=bool)


def single(block: Block, n_random: int = 1) -> SingleFactor:
    return SingleFactor(UnitProducts.of(block, make_basis(n_random)).reduce())


def crossed() -> CrossedModel:
    return CrossedModel(products(make_block(), make_basis(5)), FACTORS, free_entries(STRUCTURE))


def without_variance() -> Block:
    """Rows whose unit means differ by less than chance alone would make them."""
    block = make_block()
    means = np.bincount(block.unit, block.row_weights * block.z[0])
    means = means / np.bincount(block.unit, block.row_weights)
    return block.with_z(np.stack([block.z[0] - means[block.unit], *block.z[1:]]))


@both
def test_no_other_variance_is_more_likely(restricted: bool) -> None:
    block = make_block()
    optimum = maximise_mixed(single(block), INTERCEPT, restricted=restricted)
    assert optimum.converged
    best = optimum.criterion.factor**2
    at_best = Dense.of(block, 1, best).deviance(restricted)
    assert optimum.criterion.deviance == pytest.approx(at_best, rel=1e-11)
    for share in (0.5, 0.99, 1.01, 2.0):
        assert Dense.of(block, 1, share * best).deviance(restricted) > at_best


@both
def test_where_units_are_alike_their_variance_is_zero_and_more_would_cost(restricted: bool) -> None:
    block = without_variance()
    optimum = maximise_mixed(single(block), INTERCEPT, restricted=restricted)
    assert optimum.converged
    assert optimum.cone == 0.0
    assert optimum.criterion.factor[0, 0] ** 2 < 1e-10
    costs = [Dense.of(block, 1, np.full((1, 1), d)).deviance(restricted) for d in (0.0, 0.01, 0.1)]
    assert costs == sorted(costs)


@both
def test_from_no_variance_at_all_the_same_maximum_is_found(restricted: bool) -> None:
    problem, structure = single(make_block(), 2), np.ones((2, 2), dtype=bool)
    usual = maximise_mixed(problem, structure, restricted=restricted)
    nothing = StartedAt(problem, np.zeros((2, 2)))
    escaped = maximise_mixed(nothing, structure, restricted=restricted)
    assert usual.converged
    assert escaped.converged
    assert escaped.criterion.deviance == pytest.approx(usual.criterion.deviance, abs=1e-8)


def test_from_no_variance_of_any_factor_the_same_maximum_is_found() -> None:
    problem = crossed()
    usual = maximise_mixed(problem, STRUCTURE, restricted=False)
    nothing = StartedAt(problem, np.zeros_like(STRUCTURE, dtype=np.float64))
    escaped = maximise_mixed(nothing, STRUCTURE, restricted=False)
    assert usual.converged
    assert escaped.converged
    assert escaped.criterion.deviance == pytest.approx(usual.criterion.deviance, abs=1e-8)


def test_evaluations_are_counted() -> None:
    seen: list[None] = []
    watched = Watched(crossed(), lambda: seen.append(None))
    optimum = maximise_mixed(watched, STRUCTURE, restricted=True, polish=1)
    assert optimum.evaluations == len(seen)


def test_two_rows_that_tell_one_variance_identify_no_two() -> None:
    block = make_block()
    basis = make_basis(1)
    source = np.concatenate([basis.source, basis.source[-1:]])
    twice = replace(basis, source=source, n_random=2)
    problem = SingleFactor(UnitProducts.of(block, twice).reduce())
    optimum = maximise_mixed(problem, np.eye(2, dtype=bool), restricted=False)
    assert optimum.identified < 1e-8
    assert maximise_mixed(single(block), INTERCEPT, restricted=False).identified > 1e-3


def test_a_start_is_a_root_of_the_positive_part_within_blocks() -> None:
    d = np.array([[2.0, 0.5, 0.3], [0.5, 1.0, 0.1], [0.3, 0.1, -4.0]])
    structure = np.array([[1, 1, 0], [1, 1, 0], [0, 0, 1]], dtype=bool)
    factor = start_factor(d, structure)
    assert (factor[~structure] == 0).all()
    np.testing.assert_allclose((factor @ factor.T)[:2, :2], d[:2, :2], rtol=1e-12)
    assert 0 < factor[2, 2] ** 2 < 0.01
