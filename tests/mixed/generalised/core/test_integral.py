"""Integrated likelihoods against quadrature of another kind, and their exact gradients."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.integrate import quad

from panelml.core.family.binomial import BinomialFamily
from panelml.core.family.censored import CensoredFamily
from panelml.core.family.counts import NegativeBinomialFamily, PoissonFamily
from panelml.core.family.ordered import OrderedFamily
from panelml.core.links import CLOGLOG, PROBIT
from panelml.core.quadrature import Nodes
from panelml.mixed.generalised.core.integral import integrated
from panelml.mixed.generalised.core.modes import conditional_mode
from panelml.mixed.generalised.core.parameters import ParameterLayout
from panelml.mixed.generalised.core.rows import ModelRows

FAMILIES: dict[str, tuple[Any, list[float]]] = {
    "logit": (BinomialFamily(), []),
    "probit": (BinomialFamily(PROBIT), []),
    "cloglog": (BinomialFamily(CLOGLOG), []),
    "poisson": (PoissonFamily(), []),
    "negative-binomial": (NegativeBinomialFamily(), [0.4]),
    "ordered": (OrderedFamily(4), [-1.0, 0.1, -0.2]),
    "censored": (CensoredFamily(), [0.1]),
}


def response(name: str, index: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    if name in {"logit", "probit", "cloglog"}:
        return (rng.random(index.size) < 0.5)[None].astype(float)
    if name == "ordered":
        return rng.integers(0, 4, index.size)[None].astype(float)
    if name == "censored":
        y = index + rng.normal(size=index.size)
        return np.stack([np.where(y < 0, -np.inf, y), np.maximum(y, 0)])
    return rng.poisson(np.exp(np.clip(index, -3, 3)))[None].astype(float)


def problem(name: str, q: int) -> tuple[Any, ModelRows, ParameterLayout, np.ndarray]:
    rng = np.random.default_rng(q)
    family, auxiliary = FAMILIES[name]
    sizes = rng.integers(1, 7, 25)
    starts = np.concatenate([[0], np.cumsum(sizes)])
    unit, n = np.repeat(np.arange(25), sizes), int(sizes.sum())
    x = np.stack([np.ones(n), rng.normal(size=n), rng.normal(size=n)])
    root = np.tril(0.5 * rng.normal(size=(q, q))) + 0.3 * np.eye(q)
    coef = np.array([0.2, 0.3, -0.4])
    y = response(name, coef @ x, rng)
    rows = ModelRows(
        y, x, None if q == 1 else x[:q], 0.1 * x[1], starts, unit, 1.0 + np.arange(25) % 3
    )
    entries = np.tril_indices(q)
    layout = ParameterLayout(3, q, entries, len(auxiliary))
    return family, rows, layout, np.concatenate([coef, root[entries], auxiliary])


@pytest.mark.parametrize(("q", "points"), [(1, 1), (1, 9), (2, 1), (2, 5), (3, 3)])
@pytest.mark.parametrize("name", FAMILIES)
def test_gradient_is_that_of_the_sum(name: str, q: int, points: int) -> None:
    family, rows, layout, vector = problem(name, q)
    nodes, start = Nodes.of(points, q), np.zeros((q, 25))

    def total(moved: np.ndarray) -> np.ndarray:
        return integrated(family, rows, layout.split(moved), nodes, start, None).values

    scores = integrated(family, rows, layout.split(vector), nodes, start, layout).scores
    for j, row in enumerate(scores):
        step = 1e-3 * np.eye(vector.size)[j]
        values = [total(vector + k * step) for k in (-2, -1, 1, 2)]
        slope = (values[0] - 8 * values[1] + 8 * values[2] - values[3]) / 12e-3
        assert_allclose(row, slope, atol=2e-9 * max(1, np.abs(values[0]).max()))


@pytest.mark.parametrize("name", FAMILIES)
def test_integral_is_that_of_adaptive_integration(name: str) -> None:
    family, rows, layout, vector = problem(name, 1)
    parameters = layout.split(vector)
    values = integrated(family, rows, parameters, Nodes.of(40, 1), np.zeros((1, 25)), None).values
    index = rows.index(parameters.coef)
    for i in range(6):
        own = slice(rows.starts[i], rows.starts[i + 1])

        def density(v: float, own: slice = own) -> float:
            at = index[own] + parameters.root[0, 0] * v
            log = family.loglik(rows.response[:, own], at, parameters.auxiliary).sum()
            return float(np.exp(log - v * v / 2) / np.sqrt(2 * np.pi))

        exact = np.log(quad(density, -12, 12, epsabs=0, epsrel=1e-11, limit=400, points=[0.0])[0])
        assert_allclose(values[i], exact * rows.unit_weights[i], rtol=1e-8)


@pytest.mark.parametrize("q", [1, 2, 3])
def test_modes_are_where_the_integrand_is_flat(q: int) -> None:
    family, rows, layout, vector = problem("poisson", q)
    parameters = layout.split(vector)
    index = rows.index(parameters.coef)
    mode = conditional_mode(family, rows, index, parameters, np.zeros((q, 25)), 2)
    slope = parameters.root.T @ rows.random_sums(mode.derivatives.first[0]) - mode.effects
    assert_allclose(slope, 0, atol=1e-10)


def test_no_variance_is_the_pooled_likelihood() -> None:
    family, rows, layout, vector = problem("logit", 1)
    vector[3] = 0.0
    value = integrated(
        family, rows, layout.split(vector), Nodes.of(7, 1), np.zeros((1, 25)), layout
    )
    row = family.loglik(rows.response, rows.index(vector[:3]), np.zeros(0))
    assert_allclose(value.values, np.add.reduceat(row, rows.starts[:-1]) * rows.unit_weights)
    assert_allclose(value.scores[3], 0, atol=1e-14)
    assert_allclose(layout.join(layout.split(vector)), vector)


def test_huge_counts_find_their_modes() -> None:
    family, starts = PoissonFamily(), np.arange(0, 9, 2)
    y = np.array([[0.0, 0, 1e6, 2e6, 5, 3, 1e3, 0]])
    unit = np.repeat(np.arange(4), 2)
    rows = ModelRows(y, np.ones((1, 8)), None, None, starts, unit, None)
    layout = ParameterLayout(1, 1, np.tril_indices(1), 0)
    value = integrated(
        family, rows, layout.split(np.array([0.0, 3.0])), Nodes.of(12, 1), np.zeros((1, 4)), layout
    )
    assert np.isfinite(value.values).all() and np.isfinite(value.scores).all()
