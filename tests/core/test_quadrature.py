"""Rules of quadrature against moments, and averaged means against sums."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.integrate import quad
from scipy.stats import norm

from panelml.core.links import CLOGLOG, IDENTITY, LOG, LOGIT, PROBIT, Link
from panelml.core.quadrature import Nodes, averaged


@pytest.mark.parametrize("q", [1, 2, 3])
def test_product_rule_integrates_polynomials(q: int) -> None:
    nodes = Nodes.of(5, q)
    assert nodes.size == 5**q and nodes.dimensions == q
    weight = np.exp(nodes.log_weights - (nodes.points**2).sum(axis=0) / 2)
    assert_allclose(weight.sum(), 1)
    assert_allclose((weight * nodes.points[0] ** 4).sum(), 3)
    assert_allclose((weight * nodes.points[-1] ** 8).sum(), 105)


def test_one_node_is_the_mode() -> None:
    nodes = Nodes.of(1, 2)
    assert nodes.size == 1 and not nodes.points.any() and not nodes.log_weights.any()


@pytest.mark.parametrize(
    "link", [IDENTITY, LOG, LOGIT, PROBIT, CLOGLOG], ids=lambda link: link.name
)
def test_averaged_means_are_integrals(link: Link) -> None:
    index, variance = np.array([-1.0, 0.3, 2.0]), np.array([0.0, 0.7, 2.0])
    means = averaged(link, index, variance)
    for i in range(3):
        deviation = np.sqrt(variance[i])

        def density(z: float, i: int = i, deviation: float = deviation) -> float:
            return float(link.inverse(np.array(index[i] + deviation * z)) * norm.pdf(z))

        assert_allclose(means[i], quad(density, -12, 12, epsabs=1e-13)[0], rtol=1e-7)
