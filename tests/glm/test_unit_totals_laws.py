"""Laws of counts with unit effects in closed form, and what they refuse in words."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

import panelml as pm
from panelml.errors import PanelmlError
from tests.glm.counts import counts

FRAME = counts(units=60)
MODELS: dict[str, Callable[..., Any]] = {
    "gamma": lambda formula, **o: pm.Poisson(formula, effects="gamma", **o),
    "beta": lambda formula, **o: pm.HHGNegativeBinomial(formula, effects="beta", **o),
    "conditional": lambda formula, **o: pm.HHGNegativeBinomial(formula, effects="conditional", **o),
}


def overdispersed(seed: int = 5, units: int = 80) -> pd.DataFrame:
    """Counts that are negative binomial within units."""
    rng = np.random.default_rng(seed)
    frame = counts(seed, units)
    mean = np.exp(0.7 + 0.4 * frame["x1"] + rng.normal(0, 0.4, units)[frame["unit"]])
    return frame.assign(y=rng.negative_binomial(2 * mean, 2 / 3).astype(float))


DISPERSED = overdispersed()


def fit(name: str, frame: Any = DISPERSED, formula: str = "y ~ x1 + x2", **options: Any) -> Any:
    return MODELS[name](formula, **options).fit(pm.Panel(frame, unit="unit", time="time"))


@pytest.mark.parametrize("name", MODELS)
def test_the_order_of_rows_and_large_means_of_regressors_do_not_matter(name: str) -> None:
    one = fit(name)
    moved = DISPERSED.assign(x1=DISPERSED["x1"] + 1e6, x2=DISPERSED["x2"] * 1e-6)
    other = fit(name, moved.sample(frac=1, random_state=2))
    assert np.allclose(one.params["x1"], other.params["x1"], rtol=1e-6)
    assert np.allclose(one.params["x2"], other.params["x2"] * 1e-6, rtol=1e-6)
    assert np.allclose(one.std_errors["x1"], other.std_errors["x1"], rtol=1e-6)
    assert np.isclose(one.loglik, other.loglik, rtol=1e-11)


@pytest.mark.parametrize("name", MODELS)
def test_scores_sum_to_zero_and_influence_is_that_of_leaving_a_unit_out(name: str) -> None:
    whole = fit(name)
    influence = whole.attached.estimate.influence
    psi = influence.sums(("unit",)).sums
    scale = np.sqrt(np.diag(influence.row_products()))
    assert (np.abs(psi.sum(axis=1)) < 1e-8 * scale).all()
    units = influence.sample.unit_labels
    moved = np.array(
        [whole.params - fit(name, DISPERSED[DISPERSED["unit"] != u]).params for u in units]
    ).T
    # Constant and slopes: r and s have a long ridge, along which the first order is not all.
    moved, psi = moved[:3], psi[:3]
    assert np.corrcoef(moved.ravel(), psi.ravel())[0, 1] > 0.98
    assert np.allclose(moved, psi, atol=0.4 * np.abs(psi).max(axis=1, keepdims=True))


@pytest.mark.parametrize("name", MODELS)
def test_frequency_weights_repeat_rows_within_their_unit(name: str) -> None:
    weighted = fit(name, weights="frequency:n")
    rows = DISPERSED.loc[DISPERSED.index.repeat(DISPERSED["n"])]
    rows = rows.assign(time=rows["time"] * 10 + rows.groupby(level=0).cumcount())
    repeated = fit(name, rows.reset_index(drop=True))
    assert weighted.nobs == repeated.nobs
    assert np.allclose(weighted.params, repeated.params, rtol=1e-7)
    assert np.allclose(weighted.std_errors, repeated.std_errors, rtol=1e-7)
    assert np.isclose(weighted.loglik, repeated.loglik, rtol=1e-11)


@pytest.mark.parametrize("name", MODELS)
def test_other_weights_repeat_units(name: str) -> None:
    weighted = fit(name, weights="n")
    copies = pd.concat(
        DISPERSED[DISPERSED["n"] > k].assign(unit=lambda d, k=k: d["unit"] + 1000 * k)
        for k in range(3)
    )
    repeated = fit(name, copies.reset_index(drop=True))
    assert np.allclose(weighted.params, repeated.params, rtol=1e-7)
    with pytest.raises(PanelmlError, match="'pop' differ between rows of a unit"):
        fit(name, weights="pop")


@pytest.mark.parametrize("name", MODELS)
def test_an_exposure_is_an_offset_of_its_logarithm(name: str) -> None:
    one, other = fit(name, exposure="pop"), fit(name, offset="log(pop)")
    assert np.allclose(one.params, other.params, rtol=1e-12)
    assert np.allclose(one.predict(), other.predict(), rtol=1e-10)


@pytest.mark.parametrize("name", MODELS)
def test_results_answer(name: str) -> None:
    result = fit(name)
    assert np.allclose(pickle.loads(pickle.dumps(result)).params, result.params)
    assert "Log-likelihood" in str(result.summary())
    assert result.aic == 2 * len(result.params) - 2 * result.loglik
    for cov in ("iid", "cluster", "cluster:state"):
        assert (result.with_cov(cov).std_errors > 0).all()
    with pytest.raises(PanelmlError):
        result.with_cov("driscoll-kraay")
    assert result.model_test().distribution.startswith("F(2")


def test_predicted_effects_balance_the_totals() -> None:
    """At the maximum the mean with predicted effects has the total of the counts."""
    result = fit("gamma", FRAME)
    assert np.isclose(result.fitted().sum(), FRAME["y"].sum(), rtol=1e-8)
    rates = result.predict()
    table = result.effects()["unit"]["effect"]
    totals = FRAME.groupby("unit")["y"].sum()
    d = 1 / result.params["alpha"]
    expected = np.log((d + totals) / (d + rates.groupby(FRAME["unit"]).sum()))
    assert np.allclose(table.loc[expected.index], expected, rtol=1e-9, atol=1e-9)


def test_without_variance_between_units_the_fit_is_the_pooled_one() -> None:
    rng = np.random.default_rng(0)
    frame = FRAME.assign(y=np.rint(np.exp(1 + 0.3 * FRAME["x1"]) + rng.uniform(-0.4, 0.4)))
    result, pooled = fit("gamma", frame), fit_pooled(frame)
    assert np.allclose(result.params, pooled.params, rtol=1e-10)
    assert np.isclose(result.loglik, pooled.loglik, rtol=1e-13)
    assert result.extras["alpha"] == 0
    assert (result.extras["lr_alpha"], result.extras["p_alpha"]) == (0, 1)
    assert "at its bound, zero" in result.notes[-1]
    assert np.allclose(result.with_cov("iid").cov, pooled.with_cov("iid").cov, rtol=1e-9)
    assert np.allclose(result.std_errors, pooled.std_errors, rtol=1e-9)
    for name in ("beta", "conditional"):
        with pytest.raises(PanelmlError, match="run to infinity"):
            fit(name, frame)


def fit_pooled(frame: pd.DataFrame) -> Any:
    return pm.Poisson("y ~ x1 + x2").fit(pm.Panel(frame, unit="unit", time="time"))


def test_the_conditional_model_says_that_it_is_no_fixed_effects_model() -> None:
    zero = DISPERSED.assign(y=DISPERSED["y"].where(DISPERSED["unit"] != 3, 0))
    result = fit("conditional", zero)
    assert any("no fixed-effects model" in note for note in result.notes)
    assert any("of 1 units in which every count is zero" in note for note in result.notes)
    without = fit("conditional", zero[zero["unit"] != 3])
    assert np.allclose(result.params, without.params, rtol=1e-9)


def test_separated_rows_are_dropped_with_a_note() -> None:
    rare = (DISPERSED["y"] == 0) & (DISPERSED.index % 3 == 0)
    frame = DISPERSED.assign(rare=rare.astype(float))
    result = fit("gamma", frame, "y ~ x1 + rare")
    assert "rare" not in result.params
    assert any(note.startswith(f"Dropped {rare.sum()} separated rows") for note in result.notes)


REFUSED: dict[str, tuple[Callable[[], object], str]] = {
    "absorbed": (lambda: fit("gamma", formula="y ~ x1 | time"), r"'\| time'"),
    "fractions": (
        lambda: fit("gamma", DISPERSED.assign(y=DISPERSED["y"] + 0.5)),
        "'y' is not a whole number in",
    ),
    "negative": (lambda: fit("beta", DISPERSED.assign(y=-1)), "'y' is negative in"),
    "all zero": (lambda: fit("conditional", DISPERSED.assign(y=0)), "'y' is zero in every row"),
    "both": (lambda: fit("beta", offset="x1", exposure="pop"), "an offset or an exposure"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused_is_said_in_words(name: str) -> None:
    call, words = REFUSED[name]
    with pytest.raises(PanelmlError, match=words):
        call()
