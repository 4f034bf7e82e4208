"""Odds of treatment where a logistic regression has no maximum: against linear programmes."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import linprog
from scipy.special import expit

from panelml.core.linalg import independent_columns
from panelml.did.core.propensity import logit_odds, tilted_odds
from panelml.errors import ConvergenceError


def widest(rows: np.ndarray, equal: np.ndarray) -> np.ndarray:
    """Rows strictly below some hyperplane that has no row above it and holds those of ``equal``."""
    n, k = rows.shape
    found = linprog(
        np.r_[np.zeros(k), -np.ones(n)],
        A_ub=np.hstack([rows, np.eye(n)]),
        b_ub=np.zeros(n),
        A_eq=np.hstack([equal, np.zeros((len(equal), n))]) if len(equal) else None,
        b_eq=np.zeros(len(equal)) if len(equal) else None,
        bounds=[(None, None)] * k + [(0, 1)] * n,
    )
    return np.asarray(found.x[k:] > 0.5)


def problem(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
    """Covariates of many kinds; treated rows are often all on one side of one of them."""
    rng = np.random.default_rng(seed)
    n, k = int(rng.integers(12, 60)), int(rng.integers(1, 5))
    columns = [
        [
            rng.standard_normal(n),
            rng.random(n) < 0.25,
            rng.integers(0, 3, n),
            rng.standard_normal(n) ** 3 * 10,
        ][rng.integers(0, 4)]
        for _ in range(k)
    ]
    x = np.column_stack([np.ones(n), *columns])
    treated = rng.random(n) < rng.choice([0.1, 0.3, 0.5])
    if rng.random() < 0.6:
        own = x[:, rng.integers(1, k + 1)]
        treated &= own <= (np.median(own) if rng.random() < 0.5 else own.min())
    if not treated.any() or (~treated).sum() < 2:
        return None
    return x[:, independent_columns(x, np.ones(n))], treated, rng.uniform(0.5, 2, n)


def damped(x: np.ndarray, treated: np.ndarray, w: np.ndarray) -> np.ndarray:
    """Odds by short Newton steps with least squares."""
    coef = np.zeros(x.shape[1])
    for _ in range(300):
        p = expit(x @ coef)
        hessian = (x * (w * p * (1 - p))[:, None]).T @ x
        coef = coef + 0.7 * np.linalg.lstsq(hessian, x.T @ (w * (treated - p)), rcond=None)[0]
    return np.asarray(np.exp(x @ coef))


SEEDS = range(150)


@pytest.mark.parametrize("seed", SEEDS)
def test_only_treated_rows_that_are_told_apart_are_refused(seed: int) -> None:
    drawn = problem(seed)
    if drawn is None:
        return
    x, treated, w = drawn
    apart = widest(np.where(treated[:, None], -x, x), np.zeros((0, x.shape[1])))
    if (apart & treated).any():
        with pytest.raises(ConvergenceError, match="predict treatment perfectly"):
            logit_odds(x, treated, w)
        return
    found = logit_odds(x, treated, w)
    left = ~apart
    kept = independent_columns(x[left], w[left])
    own = damped(x[left][:, kept], treated[left], w[left])
    np.testing.assert_allclose(found.odds[left], own, rtol=1e-8, atol=1e-9)
    assert found.odds[apart].max(initial=0) < 1e-9
    assert found.psi is not None
    assert np.isfinite(found.psi).all()
    assert np.abs(found.psi[found.unlike]).max(initial=0) == 0


@pytest.mark.parametrize("seed", SEEDS)
def test_odds_balance_wherever_some_do(seed: int) -> None:
    drawn = problem(seed)
    if drawn is None:
        return
    x, treated, w = drawn
    target, others = w[treated] @ x[treated], x[~treated]
    inside = linprog(
        np.zeros(len(others)), A_eq=others.T, b_eq=target, bounds=[(0, None)] * len(others)
    )
    if inside.status == 2:
        with pytest.raises(ConvergenceError, match="balance the covariates"):
            tilted_odds(x, treated, w)
        return
    found = tilted_odds(x, treated, w)
    balanced = (w * found.odds)[~treated] @ others
    np.testing.assert_allclose(balanced, target, atol=1e-8 * np.abs(target).max())
    apart = widest(others, target[None])
    assert found.odds[~treated][apart].max(initial=0) < 1e-8


def test_an_extreme_row_does_not_stop_the_iteration() -> None:
    rng = np.random.default_rng(1)
    z = rng.standard_normal(200)
    treated = rng.random(200) < 1 / (1 + np.exp(z))
    z[np.flatnonzero(~treated)[0]] = 500.0
    x = np.column_stack([np.ones(200), z])
    found = logit_odds(x, treated, np.ones(200))
    np.testing.assert_allclose(found.odds, damped(x, treated, np.ones(200)), rtol=1e-8)
    assert not found.unlike.any()
    assert found.odds.min() < 1e-100
