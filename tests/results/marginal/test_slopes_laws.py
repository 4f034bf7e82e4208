"""Laws of average marginal effects, whatever the estimator."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pandas as pd
import pytest

import panelml as pm
from panelml.errors import (
    DetachedResultError,
    IdentificationError,
    PanelmlError,
    SpecificationError,
    UnknownNameError,
)

CR0 = pm.cov.Clustered(small_sample="CR0")


def frame(seed: int = 5, units: int = 40) -> pd.DataFrame:
    """Unbalanced counts with gaps, a category, a binary and two continuous regressors."""
    rng = np.random.default_rng(seed)
    rows = pd.DataFrame(
        {"unit": np.repeat(np.arange(units), 6), "time": np.tile(np.arange(6), units)}
    )
    n = len(rows)
    rows["x"], rows["z"] = rng.normal(size=n), rng.uniform(0.5, 3, size=n)
    rows["d"] = (rng.uniform(size=n) < 0.4).astype(int)
    rows["g"] = rng.choice(["a", "b", "c"], size=n)
    rows["w"] = rng.integers(1, 4, size=n)
    effect = rng.normal(size=units)[rows["unit"]]
    index = 0.3 * rows["x"] + 0.2 * rows["d"] + 0.4 * np.log(rows["z"]) + 0.3 * effect
    rows["y"] = rng.poisson(np.exp(index + 0.3 * (rows["g"] == "b")))
    return rows[rng.uniform(size=n) < 0.8].reset_index(drop=True)


FORMULA = "y ~ x * d + I(x**2) + log(z) + g"
DATA = frame()


def panel(data: Any = DATA) -> pm.Panel:
    return pm.Panel(data, unit="unit", time="time")


def poisson(data: Any = DATA, formula: str = FORMULA, **options: Any) -> Any:
    return pm.Poisson(formula, **options).fit(panel(data))


def assert_same(one: Any, other: Any, rtol: float = 1e-9) -> None:
    assert list(one.params.index) == list(other.params.index)
    assert np.allclose(one.params, other.params, rtol=rtol, atol=1e-13)
    assert np.allclose(one.std_errors, other.std_errors, rtol=rtol, atol=1e-13)


@pytest.mark.parametrize("effects", ["", " | unit", " | unit + time"])
def test_effects_are_the_change_of_predictions(effects: str) -> None:
    fit, step = poisson(formula=FORMULA + effects), 1e-4
    found = pm.slopes(fit).params

    def mean(**change: Any) -> float:
        predicted = fit.predict(DATA.assign(**change), effects=bool(effects))
        return float(predicted[fit.fitted().notna()].mean())

    for name in ("x", "z"):
        moved = (DATA[name] + step, DATA[name] - step)
        rate = (mean(**{name: moved[0]}) - mean(**{name: moved[1]})) / (2 * step)
        assert found[name] == pytest.approx(rate, rel=1e-6)
    assert found["d"] == pytest.approx(mean(d=1) - mean(d=0), rel=1e-10)
    assert found["g[c]"] == pytest.approx(mean(g="c") - mean(g="a"), rel=1e-10)


def test_shuffled_rows_and_other_frames_do_not_matter() -> None:
    polars = pytest.importorskip("polars")
    found = pm.slopes(poisson())
    assert_same(pm.slopes(poisson(DATA.sample(frac=1, random_state=1))), found)
    assert_same(pm.slopes(poisson(polars.from_pandas(DATA))), found)
    typed = DATA.assign(d=DATA["d"].astype(bool), g=DATA["g"].astype("category"))
    assert_same(pm.slopes(poisson(typed)), found)
    assert_same(pm.slopes(poisson(DATA.assign(x=DATA["x"].astype("float64[pyarrow]")))), found)


@pytest.mark.parametrize("factor", [1e-6, 1e5])
def test_effects_go_with_the_unit_of_measurement(factor: float) -> None:
    found = pm.slopes(poisson())
    scaled = pm.slopes(poisson(DATA.assign(x=DATA["x"] * factor, z=DATA["z"] * factor)))
    size = np.array([1 / factor if name in ("x", "z") else 1.0 for name in found.params.index])
    assert np.allclose(scaled.params, found.params * size, rtol=1e-8)
    assert np.allclose(scaled.std_errors, found.std_errors * size, rtol=1e-8)


@pytest.mark.parametrize(("formula", "shift"), [("y ~ x + d + g", 2.0**26), ("y ~ x * d", 1e3)])
def test_a_shifted_regressor_has_the_same_effect(formula: str, shift: float) -> None:
    found = pm.slopes(poisson(formula=formula))
    shifted = pm.slopes(poisson(DATA.assign(x=DATA["x"] + shift), formula))
    assert_same(shifted, found, 1e-7)


def test_counted_rows_are_rows() -> None:
    many = DATA.loc[DATA.index.repeat(DATA["w"])].reset_index(drop=True)
    many["time"] = many.groupby("unit").cumcount()
    for covariates in ("fixed", "sampled"):
        weighted = pm.slopes(poisson(weights="w", cov=CR0), covariates=covariates)
        assert_same(pm.slopes(poisson(many, cov=CR0), covariates=covariates), weighted, 1e-8)


def test_groups_average_to_the_whole() -> None:
    fit = poisson(weights="w")
    whole, parts = pm.slopes(fit, ["x", "d"]), pm.slopes(fit, ["x", "d"], by="g")
    share = DATA.groupby("g")["w"].sum() / DATA["w"].sum()
    for name in ("x", "d"):
        values = [parts.params[f"{name} | g={level}"] for level in share.index]
        assert whole.params[name] == pytest.approx(float(np.dot(values, share)), rel=1e-12)
    assert list(parts.labels["g"]) == ["a", "b", "c"] * 2
    two = pm.slopes(fit, "x", by=["g", "d"])
    assert list(two.params.index)[:2] == ["x | g^d=a^0", "x | g^d=a^1"]


def test_values_that_all_rows_are_put_at() -> None:
    fit = poisson()
    b, x = fit.params, DATA["x"]
    found = pm.slopes(fit, ["x", "d"], at={"d": 1, "z": 1.0, "g": "b"})
    params = found.params
    index = b["Intercept"] + b["d"] + (b["x"] + b["x:d"]) * x + b["I(x ** 2)"] * x**2 + b["g[T.b]"]
    rate = b["x"] + b["x:d"] + 2 * b["I(x ** 2)"] * x
    assert params["x"] == pytest.approx(float((np.exp(index) * rate).mean()), rel=1e-10)
    off = index - b["d"] - b["x:d"] * x
    assert found.params["d"] == pytest.approx(
        float((np.exp(index) - np.exp(off)).mean()), rel=1e-10
    )
    assert any("z = 1.0" in note for note in found.notes)


def test_effects_on_the_index_are_semi_elasticities() -> None:
    fit = poisson(formula="y ~ x + d | unit")
    found = pm.slopes(fit, type="link")
    assert np.allclose(found.params, fit.params, rtol=1e-12)
    assert np.allclose(found.std_errors, fit.std_errors, rtol=1e-10)


def test_effects_of_linear_fits_are_coefficients() -> None:
    for spec in (pm.PooledOLS, pm.FixedEffects, pm.RandomEffects, pm.FirstDifference):
        fit = spec("y ~ x + d").fit(panel())
        found = pm.slopes(fit)
        assert np.allclose(found.params, fit.params[["x", "d"]], rtol=1e-12)
        assert np.allclose(found.std_errors, fit.std_errors[["x", "d"]], rtol=1e-12)


def test_unit_means_stay_when_a_row_changes() -> None:
    hybrid, mundlak = (spec("y ~ x + d + z").fit(panel()) for spec in (pm.Hybrid, pm.Mundlak))
    found = pm.slopes(hybrid)
    assert np.allclose(found.params, hybrid.params[[f"within({n})" for n in "xdz"]], rtol=1e-10)
    assert_same(pm.slopes(mundlak), found)
    means = pm.slopes(mundlak, ["x", "mean(x)"])
    assert means.params["mean(x)"] == pytest.approx(hybrid.params["between(x)"], rel=1e-9)


def test_lags_are_variables_of_their_own() -> None:
    fit = pm.PooledOLS("y ~ x + L(x) + within(z)").fit(panel())
    found = pm.slopes(fit)
    assert list(found.params.index) == ["x", "L(x)", "within(z)"]
    assert np.allclose(found.params, fit.params[["x", "L(x)", "within(z)"]], rtol=1e-12)


def test_sampled_covariates_add_the_deviations_of_rows() -> None:
    fit = poisson(formula="y ~ x + d", cov=CR0)
    found = pm.slopes(fit, "x", covariates="sampled")
    x = np.column_stack([np.ones(len(DATA)), DATA["x"], DATA["d"]])
    b, y = fit.params.to_numpy(), DATA["y"].to_numpy()
    mean = np.exp(x @ b)
    psi = np.linalg.solve((x.T * mean) @ x, (x * (y - mean)[:, None]).T)
    jacobian = b[1] * (mean[:, None] * x).mean(axis=0) + mean.mean() * np.eye(3)[1]
    rows = jacobian @ psi + (b[1] * mean - b[1] * mean.mean()) / len(DATA)
    sums = pd.Series(rows).groupby(DATA["unit"].to_numpy()).sum()
    assert found.std_errors["x"] == pytest.approx(float(np.sqrt((sums**2).sum())), rel=1e-9)


def test_another_covariance_is_that_of_the_fit() -> None:
    fit = poisson()
    for cov in ("iid", "HC1", "cluster", "cluster:g"):
        assert_same(pm.slopes(fit.with_cov(cov)), pm.slopes(fit).with_cov(cov))
        assert_same(pm.slopes(fit, cov=cov), pm.slopes(fit).with_cov(cov))


def test_effects_are_results() -> None:
    fit = poisson()
    found = pm.slopes(fit)
    assert 0 < found.wald_test("x = d").pvalue < 1
    assert "Average marginal effects, Poisson" in str(found)
    assert "g[b]" in found.to_latex()
    assert list(found.tidy()["term"]) == ["x", "d", "z", "g[b]", "g[c]"]
    assert list(found.labels["contrast"]) == ["dy/dx", "1 - 0", "dy/dx", "b - a", "c - a"]
    linear = pm.slopes(pm.PooledOLS(FORMULA).fit(panel()))
    assert "g[c]" in str(pm.compare(found, linear))


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda f: pm.slopes(f, "q"), UnknownNameError, "'q'"),
        (lambda f: pm.slopes(f, by="q"), UnknownNameError, "'q'"),
        (lambda f: pm.slopes(f, at={"q": 1}), UnknownNameError, "'q'"),
        (lambda f: pm.slopes(f, at={"g": "e"}), SpecificationError, "no level"),
        (lambda f: pm.slopes(f, at={"x": "e"}), SpecificationError, "no number"),
        (lambda f: pm.slopes(f.with_cov("HC1"), covariates="sampled"), SpecificationError, "cov="),
    ],
)
def test_what_is_wrong_is_refused_in_words(
    call: Any, error: type[PanelmlError], words: str
) -> None:
    with pytest.raises(error, match=words):
        call(poisson())


def test_a_formula_without_value_on_one_side_is_refused() -> None:
    data = DATA.assign(z=DATA["z"].where(DATA.index > 0, 0.0))
    with pytest.raises(SpecificationError, match="no derivative in some row by z"):
        pm.slopes(poisson(data, "y ~ x + sqrt(z)"))


def test_a_pickled_fit_has_no_rows_to_average() -> None:
    with pytest.raises(DetachedResultError):
        pm.slopes(pickle.loads(pickle.dumps(poisson())))


def test_variables_whose_regressors_were_dropped_have_no_effect() -> None:
    data = DATA.assign(u=DATA["unit"] * 1.0)
    fit = pm.FixedEffects("y ~ x + u").fit(panel(data))
    found = pm.slopes(fit)
    assert list(found.params.index) == ["x"]
    assert any(note.startswith("No effect of u") for note in found.notes)
    with pytest.raises(IdentificationError, match="No effect of u"):
        pm.slopes(fit, "u")
