from __future__ import annotations

import numpy as np
import pytest

from panelml.core.block import Block
from panelml.core.pair import pairwise_sum
from panelml.glm.core.index import OFFSET
from panelml.glm.core.unit_sums import UnitModel
from panelml.glm.core.unit_totals import BetaNegativeBinomial, PoissonGamma, TotalLikelihood

RNG = np.random.default_rng(3)
STARTS = np.array([0, 3, 4, 9, 12])
Z = np.vstack([RNG.poisson(3.0, 12), RNG.normal(size=(2, 12))])
OFFSETS, WEIGHTS = RNG.normal(0, 0.2, 12), np.repeat([1.0, 2.0, 3.0, 1.0], np.diff(STARTS))


def block(first: int = 0, stop: int = 4) -> Block:
    rows = slice(STARTS[first], STARTS[stop])
    n = rows.stop - rows.start
    starts = STARTS[first : stop + 1] - rows.start
    offset = {OFFSET: OFFSETS[rows]}
    codes = np.zeros(n, dtype=np.int64)
    return Block(Z[:, rows], starts, first, codes, np.arange(1), WEIGHTS[rows], {}, offset)


@pytest.mark.parametrize("repeated", [False, True])
@pytest.mark.parametrize("likelihood", [PoissonGamma(), BetaNegativeBinomial()])
def test_derivatives_are_those_of_the_value(likelihood: TotalLikelihood, repeated: bool) -> None:
    model = UnitModel(likelihood, True, np.array([1.0, 2.0]), repeated)
    params, step = np.random.default_rng(1).normal(0, 0.5, model.size), 1e-5
    sums = model.sums(block(), params)
    ends = [
        (model.sums(block(), params + e), model.sums(block(), params - e))
        for e in step * np.eye(model.size)
    ]
    gradient = [(a.value - b.value) / (2 * step) for a, b in ends]
    hessian = [(a.gradient - b.gradient) / (2 * step) for a, b in ends]
    assert np.allclose(sums.gradient, gradient, rtol=1e-6, atol=1e-7)
    assert np.allclose(sums.hessian, hessian, rtol=1e-6, atol=1e-7)
    assert np.allclose(model.scores(block(), params).values.sum(axis=1), sums.gradient)


def test_sums_of_parts_are_those_of_the_whole() -> None:
    model = UnitModel(PoissonGamma(), True, np.ones(2), False)
    params = np.array([0.2, -0.3, 0.5, -1.0])
    parts = [model.sums(block(*ends), params) for ends in ((0, 1), (1, 3), (3, 4))]
    whole, joined = model.sums(block(), params), pairwise_sum(parts)
    assert np.isclose(joined.value, whole.value, rtol=1e-13)
    assert np.allclose(joined.gradient, whole.gradient, rtol=1e-12)
    assert np.allclose(joined.hessian, whole.hessian, rtol=1e-12)


def test_frequency_weights_repeat_rows_and_others_units() -> None:
    params = np.array([0.2, -0.3, 0.5, -1.0])
    times = WEIGHTS.astype(np.int64)
    rows = np.repeat(np.arange(12), times)
    starts = np.append(0, np.cumsum(np.add.reduceat(times, STARTS[:-1])))
    codes = np.zeros(rows.size, dtype=np.int64)
    offset = {OFFSET: OFFSETS[rows]}
    longer = Block(Z[:, rows], starts, 0, codes, np.arange(1), None, {}, offset)
    counted = UnitModel(PoissonGamma(), True, np.ones(2), True)
    plain = UnitModel(PoissonGamma(), True, np.ones(2), False)
    one, other = counted.sums(block(), params), plain.sums(longer, params)
    assert np.isclose(one.value, other.value, rtol=1e-13)
    assert np.allclose(one.hessian, other.hessian, rtol=1e-12)
    units = [plain.sums(block(i, i + 1), params).value for i in range(4)]
    assert np.isclose(plain.sums(block(), params).value, sum(units), rtol=1e-13)
