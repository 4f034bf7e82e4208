"""Laws of Poisson regression: equations that every fit has to solve, and what must not matter."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

import panelml as pm
from tests.glm.counts import counts, dense_poisson

FORMULAS = ("y ~ x1 + x2", "y ~ x1 + x2 | unit", "y ~ x1 + x2 | unit + time", "y ~ x1 | state")


def fit(frame: pd.DataFrame, formula: str, **options: Any) -> Any:
    return pm.Poisson(formula, **options).fit(pm.Panel(frame, unit="unit", time="time"))


def positive(frame: pd.DataFrame) -> pd.DataFrame:
    """Leave out units without a positive outcome."""
    return frame[frame.groupby("unit")["y"].transform("sum") > 0].reset_index(drop=True)


@pytest.mark.parametrize(
    ("formula", "factors"),
    [
        ("y ~ x1 + x2", []),
        ("y ~ x1 + x2 | unit", ["unit"]),
        ("y ~ x1 + x2 | time", ["time"]),
        ("y ~ x1 + x2 | unit + time", ["unit", "time"]),
        ("y ~ x1 + x2 | state + time", ["state", "time"]),
    ],
)
def test_effects_are_dummies(formula: str, factors: list[str]) -> None:
    frame = positive(counts())
    result = fit(frame, formula, exposure="pop")
    coef, inverse, scores = dense_poisson(frame, ["x1", "x2"], factors, np.log(frame["pop"]))
    names = ["x1", "x2"]
    assert np.allclose(result.params[names], coef[:2], rtol=1e-10)
    errors = result.with_cov("iid").std_errors[names]
    assert np.allclose(errors, np.sqrt(np.diag(inverse)[:2]), rtol=1e-9)
    sums = pd.DataFrame(scores).groupby(frame["unit"].to_numpy()).sum().to_numpy()
    clustered = inverse @ sums.T @ sums @ inverse
    errors = result.with_cov(pm.cov.Clustered(small_sample="CR0")).std_errors[names]
    assert np.allclose(errors, np.sqrt(np.diag(clustered)[:2]), rtol=1e-9)


@pytest.mark.parametrize("formula", FORMULAS)
def test_scores_sum_to_zero_and_residuals_to_zero_in_every_level(formula: str) -> None:
    frame = counts()
    result = fit(frame, formula)
    influence = result.attached.estimate.influence
    scale = np.sqrt(np.diag(influence.row_products()))
    assert (np.abs(influence.sums(("unit",)).sums.sum(axis=1)) < 1e-8 * scale).all()
    residuals = result.residuals()
    for name in formula.partition("|")[2].split("+") if "|" in formula else ():
        assert np.allclose(residuals.groupby(frame[name.strip()]).sum(), 0, atol=1e-8)
    assert abs(residuals.sum()) < 1e-8


@pytest.mark.parametrize("formula", FORMULAS)
def test_the_order_of_rows_does_not_matter(formula: str) -> None:
    frame = counts()
    mixed = frame.sample(frac=1, random_state=7)
    one, other = fit(frame, formula), fit(mixed, formula)
    assert one.params.equals(other.params)
    assert one.std_errors.equals(other.std_errors)
    assert np.array_equal(one.fitted()[mixed.index], other.fitted(), equal_nan=True)


@pytest.mark.parametrize("formula", FORMULAS)
@pytest.mark.parametrize(("factor", "shift"), [(1e-6, 0.0), (1e6, 0.0), (1.0, 1e6)])
def test_units_of_regressors_do_not_matter(formula: str, factor: float, shift: float) -> None:
    frame = counts()
    frame["x1"] = frame["x1"].round(6)
    one = fit(frame, formula)
    other = fit(frame.assign(x1=frame["x1"] * factor + shift), formula)
    tolerance = 1e-8 if not shift else 1e-7
    assert np.isclose(one.params["x1"], other.params["x1"] * factor, rtol=tolerance)
    assert np.isclose(one.std_errors["x1"], other.std_errors["x1"] * factor, rtol=tolerance)
    assert np.isclose(one.loglik, other.loglik, rtol=1e-10)
    assert np.allclose(one.fitted(), other.fitted(), rtol=1e-7, equal_nan=True)


@pytest.mark.parametrize("formula", FORMULAS)
@pytest.mark.parametrize("cov", ["iid", "HC1", "cluster", "cluster:time", "cluster:unit+time"])
def test_frequency_weights_are_repeated_rows(formula: str, cov: str) -> None:
    frame = counts()
    weighted = fit(frame, formula, weights="frequency:n", cov=cov)
    rows = frame.loc[frame.index.repeat(frame["n"])]
    rows["copy"] = rows.groupby(level=0).cumcount()
    rows["row"] = rows["time"] * 10 + rows["copy"]
    panel = pm.Panel(rows.reset_index(drop=True), unit="unit", time="row")
    repeated = pm.Poisson(formula, cov=cov).fit(panel)
    assert weighted.nobs == repeated.nobs
    assert np.allclose(weighted.params, repeated.params, rtol=1e-9)
    assert np.allclose(weighted.std_errors, repeated.std_errors, rtol=1e-8)
    assert np.isclose(weighted.loglik, repeated.loglik, rtol=1e-11)


@pytest.mark.parametrize("formula", FORMULAS)
def test_only_ratios_of_analytic_weights_matter(formula: str) -> None:
    frame = counts()
    one = fit(frame, formula, weights="pop")
    other = fit(frame.assign(pop=frame["pop"] * 7), formula, weights="pop")
    assert np.allclose(one.params, other.params, rtol=1e-9)
    assert np.allclose(one.std_errors, other.std_errors, rtol=1e-9)


@pytest.mark.parametrize("formula", FORMULAS)
def test_influence_is_the_first_order_of_leaving_a_unit_out(formula: str) -> None:
    frame = counts(units=60)
    whole = fit(frame, formula)
    psi = whole.attached.estimate.influence.sums(("unit",)).sums
    units = whole.attached.estimate.influence.sample.unit_labels
    moved = np.array(
        [whole.params - fit(frame[frame["unit"] != unit], formula).params for unit in units]
    ).T
    # The second order is the unit's share of the information.
    assert np.allclose(moved, psi, atol=0.25 * np.abs(psi).max())
    assert np.corrcoef(moved.ravel(), psi.ravel())[0, 1] > 0.99


def test_an_exposure_is_an_offset_of_its_logarithm() -> None:
    frame = counts()
    frame["known"] = np.log(frame["pop"])
    fits = [
        fit(frame, "y ~ x1 | unit + time", **options)
        for options in ({"exposure": "pop"}, {"offset": "log(pop)"}, {"offset": "known"})
    ]
    for other in fits[1:]:
        assert np.allclose(fits[0].params, other.params, rtol=1e-12)
        assert np.allclose(fits[0].predict(), other.predict(), rtol=1e-10)


def test_an_offset_may_be_a_regressor_too() -> None:
    frame = counts().assign(size=lambda data: np.log(data["pop"]))
    without = fit(frame, "y ~ x1 + size | unit")
    beside = fit(frame, "y ~ x1 + size | unit", offset="size")
    assert np.isclose(without.params["size"], beside.params["size"] + 1, rtol=1e-9)
    assert np.allclose(without.fitted(), beside.fitted(), rtol=1e-8, equal_nan=True)


def test_fractions_are_fitted_as_counts_are() -> None:
    frame = counts()
    one, tenth = fit(frame, "y ~ x1 | unit"), fit(frame.assign(y=frame["y"] / 10), "y ~ x1 | unit")
    assert np.allclose(one.params, tenth.params, rtol=1e-9)
    assert np.allclose(one.std_errors, tenth.std_errors, rtol=1e-9)


def test_large_crossed_effects_solve_their_equations() -> None:
    """So many levels that their system is solved by conjugate gradients."""
    rng = np.random.default_rng(4)
    unit, time = np.divmod(np.arange(12_000), 4)
    firm = rng.integers(0, 2600, unit.size)
    x1 = rng.normal(size=unit.size)
    y = rng.poisson(np.exp(1 + 0.3 * x1 + rng.normal(0, 0.3, 2600)[firm]))
    frame = pd.DataFrame({"unit": unit, "time": time, "firm": firm, "x1": x1, "y": y})
    result = fit(frame, "y ~ x1 | unit + firm")
    assert abs(result.params["x1"] - 0.3) < 0.05
    for name in ("unit", "firm"):
        assert result.residuals().groupby(frame[name]).sum().abs().max() < 1e-6
