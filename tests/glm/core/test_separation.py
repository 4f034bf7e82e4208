"""Separation: rows and regressors that have no maximum, with and without effects.

The designs and the answers are those of Correia, Guimaraes and Zylkin (2019): separated rows are
dropped, the coefficient that is then not identified too, and the others are those of the rest.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import linprog

import panelml as pm
from panelml.glm.core.separation import is_separating, separated_rows

SLOPES = pd.DataFrame(
    {
        "y": [0.0, 0, 0, 1, 2, 3, 4, 5, 2, 6],
        "x1": [1.0, 2, 3, 4, 5, 6, 7, 8, 2, 5],
        "x2": [1.0, 0, 2, 0, 0, 0, 0, 0, 0, 0],
        "g": [1] * 5 + [2] * 5,
        "t": [*range(5)] * 2,
    }
)


def combined() -> pd.DataFrame:
    """Counts in which x1 - x2 is positive in three rows, all zero, and zero in the others."""
    rng = np.random.default_rng(0)
    x1 = rng.integers(0, 4, 40).astype(float)
    y = rng.poisson(2, 40).astype(float)
    x2 = x1.copy()
    x2[np.flatnonzero(y == 0)[:3]] -= [1.0, 2.0, 1.0]
    g, h = np.divmod(np.arange(40), 5)
    return pd.DataFrame({"y": y, "x1": x1, "x2": x2, "g": g, "h": h, "t": h})


def fit(frame: pd.DataFrame, formula: str) -> Any:
    return pm.Poisson(formula, cov="HC1").fit(pm.Panel(frame, unit="g", time="t"))


@pytest.mark.parametrize(
    ("formula", "value"), [("y ~ x1 + x2", 0.24761265), ("y ~ x1 + x2 | g", 0.13660558)]
)
def test_a_regressor_that_separates(formula: str, value: float) -> None:
    result = fit(SLOPES, formula)
    assert result.params.round(8).to_dict() == {"x1": value, **result.params.round(8)}
    assert "x2" not in result.params
    assert result.nobs == 8
    assert "Dropped 2 separated rows with outcome zero (row 0, 2)" in result.notes[0]
    assert result.notes[1].startswith("Dropped 'x2': no variation")
    rest = SLOPES[~SLOPES.index.isin([0, 2])]
    again = fit(rest, formula.replace(" + x2", ""))
    assert np.allclose(result.params, again.params, rtol=1e-12)
    assert np.allclose(result.std_errors, again.std_errors, rtol=1e-12)
    assert result.fitted().isna().to_numpy().nonzero()[0].tolist() == [0, 2]


@pytest.mark.parametrize("formula", ["y ~ x1 + x2", "y ~ x1 + x2 | g + h"])
def test_a_combination_of_regressors_that_separates(formula: str) -> None:
    result = fit(combined(), formula)
    assert result.nobs == 37
    assert "(row 0, 1, 4)" in result.notes[0]
    assert "Dropped 'x2': collinear with x1." in result.notes
    if "|" in formula:
        assert np.isclose(result.params["x1"], -0.0164354026, rtol=1e-8)
        assert np.isclose(result.std_errors["x1"], 0.076961, rtol=1e-6)


def test_levels_without_a_positive_outcome_beside_other_effects() -> None:
    frame = combined().assign(y=lambda data: data["y"].where(data["h"] != 2, 0.0))
    frame.loc[frame["g"] == 3, "y"] = 0.0
    result = fit(frame, "y ~ x1 | g + h")
    rest = frame[(frame["h"] != 2) & (frame["g"] != 3)]
    again = fit(rest, "y ~ x1 | g + h")
    assert result.nobs == len(rest) == 28
    assert np.allclose(result.params, again.params, rtol=1e-12)
    assert "5 rows of 1 levels of g in which the outcome is always zero" in result.notes[0]
    assert "7 rows of 1 levels of h in which the outcome is always zero" in result.notes[1]
    effects = result.effects()
    assert 3 not in effects["g"].index
    assert 2 not in effects["h"].index


def test_dummies_that_are_zero_are_separated_as_absorbed_levels_are() -> None:
    frame = combined().assign(y=lambda data: data["y"].where(data["h"] != 2, 0.0))
    written, absorbed = fit(frame, "y ~ x1 + C(h)"), fit(frame, "y ~ x1 | h")
    assert written.nobs == absorbed.nobs == 32
    assert np.isclose(written.params["x1"], absorbed.params["x1"], rtol=1e-10)


@pytest.mark.parametrize("formula", ["y ~ x1 + z", "y ~ x1 + z | g"])
def test_what_is_zero_in_positive_rows_but_of_both_signs_is_not_separated(formula: str) -> None:
    """Its coefficient is finite: the two rows pull it to either side."""
    rng = np.random.default_rng(2)
    g, t = np.divmod(np.arange(60), 6)
    frame = pd.DataFrame({"y": rng.poisson(2.0, 60), "x1": rng.normal(size=60), "g": g, "t": t})
    zero = np.flatnonzero(frame["y"] == 0)[:2]
    frame["z"] = 0.0
    frame.loc[zero, "z"] = [1.0, -1.0]
    result = fit(frame, formula)
    assert result.nobs == 60
    assert abs(result.params["z"]) < 5
    assert not any("separated" in note for note in result.notes)


def test_a_wide_share_of_zeros_alone_separates_nothing() -> None:
    rng = np.random.default_rng(5)
    g, t = np.divmod(np.arange(400), 8)
    x = rng.normal(size=400)
    frame = pd.DataFrame({"y": rng.poisson(np.exp(-1.5 + x)), "x1": x, "g": g, "t": t})
    result = fit(frame, "y ~ x1 | t")
    assert result.nobs == 400
    assert (frame["y"] == 0).mean() > 0.6


def test_rows_are_separated_where_a_combination_is_positive() -> None:
    zero = np.array([True, True, False])
    assert separated_rows(np.array([1.0, 1e-9, 1.0]), zero).tolist() == [True, False, False]
    assert is_separating(np.array([1.0, -1e-9, -5.0]), zero)
    assert not is_separating(np.array([1e-3, -1e-4, 0.0]), zero)
    assert is_separating(np.array([1e-7, -1e-6, 0.0]), zero)
    assert not is_separating(np.array([1.0, -0.5, 0.0]), zero)


def separable(design: np.ndarray, zero: np.ndarray) -> np.ndarray:
    """Rows that some combination separates, by linear programming: the most that can be."""
    rows, columns = int(zero.sum()), design.shape[1]
    solved = linprog(
        np.append(np.zeros(columns), -np.ones(rows)),
        A_ub=np.hstack([-design[zero], np.eye(rows)]),
        b_ub=np.zeros(rows),
        A_eq=np.hstack([design[~zero], np.zeros((int((~zero).sum()), rows))]),
        b_eq=np.zeros(int((~zero).sum())),
        bounds=[(None, None)] * columns + [(0, 1)] * rows,
    )
    found = np.zeros(zero.size, dtype=bool)
    found[np.flatnonzero(zero)] = solved.x[columns:] > 1e-6
    return found


@pytest.mark.parametrize("seed", [14, 27, 58, 78, 322, 449, 650, *range(30)])
@pytest.mark.parametrize("effects", ["", "g", "g + t"])
def test_rows_are_those_of_linear_programming(seed: int, effects: str) -> None:
    rng = np.random.default_rng(seed)
    g, t = np.divmod(np.arange(35), 5)
    x = rng.integers(-1, 2, (35, 2)) * (rng.random((35, 2)) < 0.3)
    y = rng.poisson(0.7, 35)
    frame = pd.DataFrame({"y": y, "a": x[:, 0], "b": x[:, 1], "g": g, "t": t})
    frame["x"] = rng.normal(size=35)
    dummies = [pd.get_dummies(frame[name]) for name in effects.split(" + ") if name]
    design = np.column_stack([np.ones(35), frame[["a", "b", "x"]], *dummies]).astype(float)
    result = fit(frame, f"y ~ a + b + x | {effects}" if effects else "y ~ a + b + x")
    dropped = result.fitted().isna().to_numpy()
    assert dropped.tolist() == separable(design, y == 0).tolist()
