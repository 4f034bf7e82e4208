"""Windows around adoption, by least squares with a dummy for each mean."""

from __future__ import annotations

import numpy as np
import pytest

from panelml.did.core.entries import Absorbing
from panelml.did.core.windows import local_projection, stacked

UNITS, PERIODS, NEVER = 24, 9, 99
Table = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]


def tables(*, holes: bool) -> Table:
    """Outcome (units, T), covariates (2, units, T), weights of units, first treated period."""
    rng = np.random.default_rng(17)
    y, x = rng.normal(size=(UNITS, PERIODS)), rng.normal(size=(2, UNITS, PERIODS))
    start = np.array([3, 4, 5, NEVER])[np.arange(UNITS) % 4]
    y += (np.arange(PERIODS) >= start[:, None]) * 2.0 + x[0]
    if holes:
        y[rng.random(y.shape) < 0.1] = np.nan
        x[1, rng.random(y.shape) < 0.1] = np.nan
    w = rng.uniform(0.3, 2.0, UNITS)
    w[-1] = 0.0
    return y, x, w, start


def weighted_fit(
    columns: np.ndarray, y: np.ndarray, w: np.ndarray, unit: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Coefficients, and how each unit moved them, (k, units)."""
    bread = np.linalg.inv(columns.T @ (columns * w[:, None]))
    coef = bread @ columns.T @ (w * y)
    rows = bread @ (columns * (w * (y - columns @ coef))[:, None]).T
    return coef, np.stack([np.bincount(unit, row, minlength=UNITS) for row in rows])


def entries(
    table: Table, horizon: int, *, equal: bool, mean_before: bool
) -> tuple[np.ndarray, ...]:
    """Rows of the regression: unit, period, adoption, covariates, change, weight."""
    y, x, w, start = table
    found = []
    for t in range(1, PERIODS):
        if not 0 <= t + horizon < PERIODS:
            continue
        chosen = []
        for i in range(UNITS):
            seen = y[i, :t][np.isfinite(y[i, :t])]
            before = y[i, t - 1] if not mean_before else seen.mean() if seen.size else np.nan
            clean = start[i] == t or start[i] > t + max(horizon, 0)
            values = [*x[:, i, t - 1], y[i, t + horizon] - before]
            if clean and w[i] > 0 and np.isfinite(values).all():
                chosen.append([i, t, float(start[i] == t), *values, w[i]])
        rows = np.array(chosen)
        if 0 < rows[:, 2].sum() < len(rows):
            if equal:
                rows[:, -1] /= 1 - np.average(rows[:, 2], weights=rows[:, -1])
            found.append(rows)
    return tuple(np.concatenate(found).T)


@pytest.mark.parametrize("mean_before", [False, True])
@pytest.mark.parametrize("equal", [False, True])
@pytest.mark.parametrize("horizon", [-3, 0, 2])
@pytest.mark.parametrize("holes", [False, True])
def test_local_projections_are_least_squares_with_dummies_of_periods(
    holes: bool, horizon: int, equal: bool, mean_before: bool
) -> None:
    table = y, x, w, start = tables(holes=holes)
    found = local_projection(
        y, x, w, Absorbing(start), horizon, equal=equal, mean_before=mean_before
    )
    unit, period, adopts, one, two, change, weight = entries(
        table, horizon, equal=equal, mean_before=mean_before
    )
    dummies = (period[:, None] == np.unique(period)).astype(float)
    columns = np.column_stack([adopts, one, two, dummies])
    coef, psi = weighted_fit(columns, change, weight, unit.astype(int))
    assert found is not None
    assert found.effect == pytest.approx(coef[0], rel=1e-10)
    np.testing.assert_allclose(found.psi, psi[0], rtol=1e-9, atol=1e-12)
    assert found.treated == adopts.sum()
    assert found.dropped == frozenset()


def test_a_covariate_that_depends_on_others_is_dropped() -> None:
    y, x, w, start = tables(holes=False)
    doubled = np.concatenate([x[:1], 2 * x[:1] + 3, x[1:]])
    args = (Absorbing(start), 1)
    full = local_projection(y, x, w, *args, equal=False, mean_before=False)
    more = local_projection(y, doubled, w, *args, equal=False, mean_before=False)
    assert full is not None
    assert more is not None
    assert more.dropped == {1}
    assert more.effect == pytest.approx(full.effect, rel=1e-10)


def test_a_horizon_that_no_adoption_reaches_has_no_effect() -> None:
    y, x, w, start = tables(holes=False)
    args = (Absorbing(start), PERIODS - 2)
    assert local_projection(y, x, w, *args, equal=False, mean_before=False) is None


@pytest.mark.parametrize("k", [0, 2])
def test_stacks_are_least_squares_with_dummies_of_roles_by_horizon(k: int) -> None:
    y, x, w, start = tables(holes=False)
    pre, post, reference = 2, 3, -1
    horizons, effects, cohorts = stacked(y, x[:k], w, start, pre, post, reference)
    assert cohorts == [3, 4, 5]
    assert horizons.tolist() == [-2, 0, 1, 2, 3]
    treated = sum(w[start == g].sum() for g in cohorts)
    compared = sum(w[start > g + post].sum() for g in cohorts)
    rows = []
    for g in cohorts:
        own, others = w[start == g].sum(), w[start > g + post].sum()
        for i in np.flatnonzero((start == g) | (start > g + post)):
            adopts = start[i] == g
            weight = w[i] if adopts else w[i] * (own / treated) / (others / compared)
            rows += [
                [i, adopts, h, y[i, g + h], weight, *x[:k, i, g + h]]
                for h in range(-pre, post + 1)
                if w[i] > 0
            ]
    table = np.array(rows)
    unit, adopts, horizon, outcome, weight = table[:, :5].T
    by_horizon = (horizon[:, None] == np.arange(-pre, post + 1)).astype(float)
    interacted = (horizon[:, None] == horizons) * adopts[:, None]
    columns = np.column_stack([interacted, by_horizon, adopts, table[:, 5:]])
    coef, psi = weighted_fit(columns, outcome, weight, unit.astype(int))
    for j, effect in enumerate(effects):
        assert effect.effect == pytest.approx(coef[j], rel=1e-10)
        np.testing.assert_allclose(effect.psi, psi[j], rtol=1e-9, atol=1e-12)


def test_cohorts_whose_window_is_not_in_the_panel_are_left_out() -> None:
    y, x, w, start = tables(holes=False)
    assert stacked(y, x, w, start, 3, 4, -1)[2] == [3, 4]
    assert stacked(y, x, w, start, 4, 5, -1)[1:] == ([], [])
