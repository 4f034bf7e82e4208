"""Covariances of residuals entry by entry, and their derivatives."""

from __future__ import annotations

from typing import get_args

import numpy as np
import pytest

from panelml.mixed.core.residual_forms import Kind, Patterns, ResidualForm

kinds = pytest.mark.parametrize("kind", get_args(Kind))


def form_of(kind: Kind) -> ResidualForm:
    periods = {"toeplitz": 3, "unstructured": 5}.get(kind, 1)
    return ResidualForm(kind, periods, strata=2, levels=3, scale=1.5, covariates=2)


def patterns_of(kind: Kind) -> Patterns:
    """Seven units of four rows each, with a gap and a half period where the form allows."""
    rng = np.random.default_rng(3)
    time = np.sort(np.stack([rng.permutation(5)[:4] for _ in range(7)]), axis=1).astype(float)
    if kind == "car1":
        time[:, -1] += 0.5
    return Patterns(
        time, rng.integers(0, 3, (7, 4)), rng.normal(size=(7, 4, 2)), rng.integers(0, 2, 7)
    )


def parameters(form: ResidualForm) -> np.ndarray:
    return 0.4 * np.random.default_rng(6).normal(size=form.size)


def correlation(kind: Kind, own: np.ndarray, first: float, second: float) -> float:
    lag = abs(first - second)
    r = np.tanh(own[0]) if own.size else 0.0
    if kind == "unstructured":
        root, place = np.zeros((5, 5)), 0
        for i in range(5):
            for j in range(i + 1):
                value = 0.0 if i == j == 0 else own[place - 1]
                root[i, j] = np.exp(value) if i == j else value
                place += 1
        return float((root @ root.T)[int(first), int(second)])
    if lag == 0:
        return 1.0
    match kind:
        case "independent":
            return 0.0
        case "exchangeable":
            return r
        case "ar1":
            return r**lag
        case "car1":
            return float(np.exp(-np.exp(own[0]) * lag / 1.5))
        case "ma1":
            return r / (1 + r**2) if lag == 1 else 0.0
        case _:
            return float(np.tanh(own[int(lag) - 1])) if lag <= 3 else 0.0


@kinds
def test_matrices_are_deviations_times_correlations(kind: Kind) -> None:
    form, patterns = form_of(kind), patterns_of(kind)
    theta = parameters(form)
    own = theta[: 2 * form.own].reshape(2, form.own)
    log_ratio = np.append(0.0, theta[2 * form.own : 2 * form.own + 2])
    found = form.matrices(theta, patterns)
    for g in range(7):
        log_s = log_ratio[patterns.level[g]] + patterns.covariates[g] @ theta[-2:]
        for a in range(4):
            for b in range(4):
                c = correlation(
                    kind, own[patterns.stratum[g]], patterns.time[g, a], patterns.time[g, b]
                )
                expected = np.exp(log_s[a] + log_s[b]) * c
                assert found[g, a, b] == pytest.approx(expected, rel=1e-10, abs=1e-12)


@kinds
def test_pulled_weights_are_numerical_derivatives(kind: Kind) -> None:
    form, patterns = form_of(kind), patterns_of(kind)
    theta = parameters(form)
    weight = np.random.default_rng(2).normal(size=(7, 4, 4))
    weight = weight + weight.swapaxes(1, 2)

    def total(at: np.ndarray) -> float:
        return float((weight * form.matrices(at, patterns)).sum())

    moves = 1e-6 * np.eye(form.size)
    expected = [(total(theta + move) - total(theta - move)) / 2e-6 for move in moves]
    np.testing.assert_allclose(form.pull(theta, patterns, weight), expected, rtol=1e-7, atol=1e-7)


@kinds
def test_variances_of_rows_are_the_diagonal(kind: Kind) -> None:
    form, patterns = form_of(kind), patterns_of(kind)
    theta = parameters(form)
    diagonal = np.einsum("gtt->gt", form.matrices(theta, patterns))
    found = form.variances(
        theta,
        patterns.time.ravel(),
        patterns.level.ravel(),
        patterns.covariates.reshape(-1, 2).T,
        np.repeat(patterns.stratum, 4),
    )
    np.testing.assert_allclose(found, diagonal.ravel(), rtol=1e-12)


@kinds
def test_first_guesses_are_positive_definite(kind: Kind) -> None:
    form = form_of(kind)
    for theta in form.starts():
        assert theta.shape == (form.size,)
        assert (np.linalg.eigvalsh(form.matrices(theta, patterns_of(kind))) > 0).all()
