"""The profiled likelihood with one grouping factor, by matrices of all rows."""

from __future__ import annotations

import numpy as np
import pytest

from panelml.mixed.core.criterion import evaluate
from panelml.mixed.core.unit_products import UnitProducts
from tests.mixed.core.dense import Dense, make_basis, make_block, random_factor


@pytest.mark.parametrize("restricted", [False, True])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("q", [1, 2])
def test_the_criterion_is_the_normal_likelihood(q: int, weighted: bool, restricted: bool) -> None:
    block, factor = make_block(weighted=weighted), random_factor(np.ones((q, q), dtype=bool))
    dense = Dense.of(block, q, factor @ factor.T)
    moments = UnitProducts.of(block, make_basis(q)).reduce()
    at = evaluate(moments, factor, restricted=restricted)
    assert at.deviance == pytest.approx(dense.deviance(restricted), rel=1e-10)
    assert at.sigma2 == pytest.approx(dense.sigma2(restricted), rel=1e-10)
    assert at.df == dense.df(restricted)
    np.testing.assert_allclose(at.coef, dense.coef, rtol=1e-9)
    np.testing.assert_allclose(at.phi, dense.phi, rtol=1e-9, atol=1e-12)
    for a in range(q):
        for b in range(a + 1):
            both = at.gradient[a, b] * (1 if a == b else 2)
            assert both == pytest.approx(dense.slope(a, b, restricted), rel=1e-8, abs=1e-9)
