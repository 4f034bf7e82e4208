"""Two-way random effects against other tools, dense matrices, and models they must agree with."""

from __future__ import annotations

import pickle
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pytest

import panelml as pm
from panelml.errors import IdentificationError, SpecificationError
from panelml.inference.covariance import HC1, Clustered, CovSpec
from panelml.random import gls
from panelml.results.base import Results
from tests.golden import Case, assert_close, load
from tests.panels import PANELS
from tests.random.dense_twoway import Dense

# In plm 2.6 the effects of a two-way panel whose first unit lacks a period are matched with the
# wrong periods, and Nerlove's variances are taken from them; least squares with dummies has ours.
WRONG = "plm-grunfeld10_unbalanced-nerlove"
CASES = [case for topic in ("re_twoway", "re_crossed") for case in load(topic)]
MOMENT_METHODS = ("swamy-arora", "wallace-hussain", "amemiya", "nerlove")
METHODS = (*MOMENT_METHODS, "ml", "reml")


def covariance(case: Case) -> str | CovSpec:
    name = case.spec.get("cov", "iid")
    if case.spec.get("correction") != "plm":
        return str(name)
    if name == "HC1":
        return HC1(small_sample="plm")
    columns = ["year"] if name == "cluster:time" else []
    return Clustered(*columns, small_sample="plm")


@cache
def fitted(data: str, formula: str, method: str, weights: str | None) -> Results:
    panel, unit, time = PANELS[data]
    spec = pm.RandomEffects(
        formula,
        method=method,
        weights=weights,
        time_effects=True,
        cov="iid",
    )
    return spec.fit(pm.Panel(panel(), unit=unit, time=time))


def fit_case(case: Case) -> Results:
    spec = case.spec
    fit = fitted(case.data, spec["formula"], spec["method"], spec.get("weights"))
    return fit.with_cov(covariance(case))


def variances(fit: Results) -> dict[str, float]:
    return {key: fit.extras[f"sigma_{key[0]}"] ** 2 for key in ("e", "u", "time")}


def by_rss(fit: Results) -> pd.Series[float]:
    """Return standard errors by the residual variance of the transformed rows, as plm has them."""
    return fit.std_errors * np.sqrt(fit.rss / fit.df_resid) / fit.extras["sigma_e"]


def effect_tables(fit: Results) -> dict[str, dict[str, float]]:
    return {
        name: {str(level): value for level, value in table["effect"].items()}
        for name, table in fit.effects().items()
    }


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_reference_values(case: Case) -> None:
    fit, value = fit_case(case), case.value
    if case.id == WRONG:
        assert abs(variances(fit)["u"] / value["sigma2"]["u"] - 1) > 1e-3
        return
    found: dict[str, Any] = {
        "params": fit.params,
        "std_errors": fit.std_errors,
        "cov": fit.cov,
        "sigma2": variances(fit),
        "nobs": fit.nobs,
        "std_errors_plm": by_rss(fit),
    }
    if "loglik" in value:
        found["loglik"] = fit.loglik
    compared = set(found) & set(value)
    assert compared
    for name in compared:
        assert_close(found[name], value[name], case.tolerance, name)
    if "theta" in value:
        assert_close(fit.extras["theta"], value["theta"]["unit"], case.tolerance)


@pytest.mark.parametrize(
    "case", [case for case in CASES if "effects" in case.value], ids=lambda case: case.id
)
def test_reference_effects(case: Case) -> None:
    found = effect_tables(fit_case(case))
    for name, expected in case.value["effects"].items():
        assert set(found[name]) == set(expected)
        scale = max(abs(value) for value in expected.values())
        for level, value in expected.items():
            assert abs(found[name][level] - value) <= case.tolerance * scale


# ---- dense matrices ------------------------------------------------------------------------


def panel_frame(units: int, periods: int, seed: int = 0, share: float = 0.8) -> pd.DataFrame:
    """An unbalanced panel with a regressor that does not vary within units, and weights."""
    draw = np.random.default_rng(seed)
    unit, time = (a.ravel() for a in np.indices((units, periods)))
    kept = draw.random(unit.size) < share
    unit, time = unit[kept], time[kept]
    x = draw.normal(size=unit.size) + 0.5 * draw.normal(size=periods)[time]
    fixed = draw.normal(size=units)[unit]
    noise = draw.normal(size=(2, unit.size))
    y = 1 + 0.7 * x - 0.4 * fixed + draw.normal(size=units)[unit] * 0.9
    y += draw.normal(size=periods)[time] * 0.7 + noise[0]
    counts = draw.integers(1, 4, unit.size)
    return pd.DataFrame(
        {
            "i": unit,
            "t": time,
            "y": y,
            "x": x,
            "fixed": fixed,
            "w": np.exp(noise[1] / 2),
            "count": counts,
        }
    )


def fit_frame(
    frame: pd.DataFrame, method: Any = "swamy-arora", keys: str = "it", **options: Any
) -> Results:
    spec = pm.RandomEffects("y ~ x + fixed", method=method, time_effects=True, **options)
    return spec.fit(pm.Panel(frame, unit=keys[0], time=keys[1]))


def dense(frame: pd.DataFrame, weights: str | None = None) -> Dense:
    w = np.ones(len(frame)) if weights is None else frame[weights].to_numpy(float)
    x = np.column_stack([np.ones(len(frame)), frame["x"], frame["fixed"]])
    return Dense(frame["y"].to_numpy(), x, frame["i"].to_numpy(), frame["t"].to_numpy(), w)


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    return panel_frame(14, 9)


@pytest.mark.parametrize("weights", [None, "w"])
@pytest.mark.parametrize("method", MOMENT_METHODS)
def test_components_have_their_expectations(
    frame: pd.DataFrame, method: str, weights: str | None
) -> None:
    frame = frame.assign(w=frame["w"] / frame["w"].mean())
    fit = fit_frame(frame, method, weights=weights)
    expected = dense(frame, weights).components(method)
    assert list(variances(fit).values()) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("method", MOMENT_METHODS)
def test_frequency_weights_are_copies(frame: pd.DataFrame, method: str) -> None:
    fit = fit_frame(frame, method, weights="frequency:count", cov="iid")
    copies = dense(frame.loc[frame.index.repeat(frame["count"])])
    expected = copies.components(method)
    assert list(variances(fit).values()) == pytest.approx(expected, rel=1e-9)
    params, cov = copies.gls(*expected)
    assert fit.params.to_numpy() == pytest.approx(params, rel=1e-9)
    assert np.allclose(fit.cov, cov, rtol=1e-9, atol=0)


@pytest.mark.parametrize(("units", "periods"), [(14, 9), (9, 14), (3, 40), (40, 3)])
@pytest.mark.parametrize("weights", [None, "w"])
def test_gls_is_that_of_the_dense_matrix(units: int, periods: int, weights: str | None) -> None:
    frame = panel_frame(units, periods)
    frame = frame.assign(w=frame["w"] / frame["w"].mean())
    for method in ("nerlove", "ml", "reml"):
        fit = fit_frame(frame, method, weights=weights, cov="iid")
        params, cov = dense(frame, weights).gls(*variances(fit).values())
        assert fit.params.to_numpy() == pytest.approx(params, rel=1e-9)
        assert np.allclose(fit.cov, cov, rtol=1e-9, atol=1e-14)


@pytest.mark.parametrize("weights", [None, "w"])
def test_likelihood_is_that_of_the_dense_matrix(frame: pd.DataFrame, weights: str | None) -> None:
    frame = frame.assign(w=frame["w"] / frame["w"].mean())
    for method in ("ml", "reml"):
        fit = fit_frame(frame, method, weights=weights)
        found = variances(fit).values()
        loglik = dense(frame, weights).loglik(*found, restricted=method == "reml")
        assert fit.loglik == pytest.approx(loglik, rel=1e-12)
        for position in range(3):
            for factor in (0.98, 1.02):
                other = [v * (factor if i == position else 1) for i, v in enumerate(found)]
                assert dense(frame, weights).loglik(*other, restricted=method == "reml") < loglik


@pytest.mark.parametrize("weights", [None, "w"])
def test_robust_covariances_sum_dense_scores(frame: pd.DataFrame, weights: str | None) -> None:
    block = frame["i"] % 2 + 2 * (frame["t"] // 5)
    frame = frame.assign(w=frame["w"] / frame["w"].mean(), block=block)
    fit = fit_frame(frame, "nerlove", weights=weights)
    reference = dense(frame, weights)
    for name in ("i", "t", "block"):
        spec = Clustered(name, small_sample="none")
        expected = reference.sandwich(*variances(fit).values(), frame[name].to_numpy())
        assert np.allclose(fit.with_cov(spec).cov, expected, rtol=1e-8, atol=1e-12)
    expected = reference.sandwich(*variances(fit).values(), np.arange(len(frame)))
    found = fit.with_cov(HC1(small_sample="none")).cov
    assert np.allclose(found, expected, rtol=1e-8, atol=1e-12)


# ---- models it must agree with -------------------------------------------------------------


@pytest.mark.parametrize("method", METHODS)
def test_units_and_periods_may_change_places(frame: pd.DataFrame, method: str) -> None:
    # A regressor of the units alone has no coefficient between periods, so none here.
    frame = frame.assign(fixed=frame["w"])
    one, two = fit_frame(frame, method, "it", cov="iid"), fit_frame(frame, method, "ti", cov="iid")
    rel = 1e-9 if method in MOMENT_METHODS else 1e-6
    assert one.params.to_numpy() == pytest.approx(two.params.to_numpy(), rel=rel)
    assert one.std_errors.to_numpy() == pytest.approx(two.std_errors.to_numpy(), rel=rel)
    found = [one.extras[name] for name in ("sigma_u", "sigma_t", "sigma_e")]
    assert found == pytest.approx(
        [two.extras[name] for name in ("sigma_t", "sigma_u", "sigma_e")], rel=rel
    )


@pytest.mark.parametrize("method", ["ml", "reml"])
def test_no_variance_of_periods_is_the_one_way_model(method: str) -> None:
    frame = panel_frame(30, 8, share=1.0)
    for name in ("y", "x"):
        frame[name] -= frame.groupby("t")[name].transform("mean")
    panel = pm.Panel(frame, unit="i", time="t")
    one, two = (
        pm.RandomEffects("y ~ x + fixed", method=method, time_effects=both).fit(panel)
        for both in (False, True)
    )
    assert two.extras["sigma_t"] == 0
    assert any("period effect" in note and "zero" in note for note in two.notes)
    assert two.loglik == pytest.approx(one.loglik, rel=1e-12)
    for cov in ("iid", "HC1", "cluster", "cluster:t", "DK:1", "NW:1"):
        pd.testing.assert_frame_equal(two.with_cov(cov).cov, one.with_cov(cov).cov, rtol=1e-7)
    pd.testing.assert_series_equal(two.params, one.params, rtol=1e-9)
    pd.testing.assert_frame_equal(two.effects()["i"], one.effects()["i"], rtol=1e-6)
    assert (two.effects()["t"]["effect"] == 0).all()


def test_row_order_does_not_matter(frame: pd.DataFrame) -> None:
    shuffled = frame.sample(frac=1, random_state=1)
    one, two = fit_frame(frame, "reml"), fit_frame(shuffled, "reml")
    pd.testing.assert_series_equal(one.params, two.params, rtol=1e-12)
    pd.testing.assert_frame_equal(one.cov, two.cov, rtol=1e-12)
    pd.testing.assert_series_equal(one.residuals(), two.residuals().loc[frame.index], rtol=1e-9)


@pytest.mark.parametrize("method", METHODS)
def test_units_of_measurement_do_not_matter(frame: pd.DataFrame, method: str) -> None:
    scaled = frame.assign(y=1e4 * frame["y"] - 3e6, x=1e-3 * frame["x"] + 50)
    one, two = fit_frame(frame, method), fit_frame(scaled, method)
    rel = 1e-8 if method in MOMENT_METHODS else 1e-6
    slopes = one.params[["x", "fixed"]] * [1e7, 1e4]
    pd.testing.assert_series_equal(two.params[["x", "fixed"]], slopes, rtol=rel)
    for name in ("sigma_e", "sigma_u", "sigma_t"):
        assert two.extras[name] == pytest.approx(1e4 * one.extras[name], rel=rel)
    errors = one.std_errors[["x", "fixed"]] * [1e7, 1e4]
    pd.testing.assert_series_equal(two.std_errors[["x", "fixed"]], errors, rtol=rel)


def test_fitted_values_are_the_prediction_with_both_effects(frame: pd.DataFrame) -> None:
    fit = fit_frame(frame, "nerlove")
    effects = fit.effects()
    assert list(effects) == ["i", "t"]
    expected = fit.predict()
    for key, table in effects.items():
        expected = expected + frame[key].map(table["effect"])
    assert fit.fitted().to_numpy() == pytest.approx(expected.to_numpy(), rel=1e-12)
    e, u, t = variances(fit).values()
    reference = dense(frame)
    error = np.linalg.solve(reference.variance(e, u, t), (frame["y"] - fit.predict()).to_numpy())
    assert effects["i"]["effect"].to_numpy() == pytest.approx(u * reference.units.T @ error)
    assert effects["t"]["effect"].to_numpy() == pytest.approx(t * reference.times.T @ error)


def test_a_period_without_complete_rows_is_left_out(frame: pd.DataFrame) -> None:
    holed = frame.assign(x=frame["x"].where(frame["t"] != 4))
    without = frame[frame["t"] != 4]
    for method in METHODS:
        one, two = fit_frame(holed, method), fit_frame(without, method)
        pd.testing.assert_series_equal(one.params, two.params, rtol=1e-7)
        pd.testing.assert_frame_equal(one.cov, two.cov, rtol=1e-6)
        assert list(one.effects()["t"].index) == [0, 1, 2, 3, 5, 6, 7, 8]


def test_collinear_regressors_are_dropped_with_a_note(frame: pd.DataFrame) -> None:
    panel = pm.Panel(frame.assign(twice=2 * frame["x"] - 1), unit="i", time="t")
    for method in METHODS:
        spec = pm.RandomEffects("y ~ x + fixed + twice", method=method, time_effects=True)
        fit = spec.fit(panel)
        assert list(fit.params.index) == ["Intercept", "x", "fixed"]
        assert any("twice" in note for note in fit.notes)
        pd.testing.assert_series_equal(fit.params, fit_frame(frame, method).params, rtol=1e-8)


def test_time_invariant_regressors_of_a_balanced_panel() -> None:
    frame = panel_frame(20, 6, share=1.0)
    for weights in (None, "count"):
        fit = fit_frame(frame, weights=weights and f"frequency:{weights}")
        copies = frame if weights is None else frame.loc[frame.index.repeat(frame[weights])]
        expected = np.maximum(dense(copies).components("swamy-arora"), 0)
        assert list(variances(fit).values()) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("share", [0.8, 1.0])
def test_regressors_of_the_periods_alone(share: float) -> None:
    frame = panel_frame(20, 8, share=share)
    frame["fixed"] = np.random.default_rng(2).normal(size=8)[frame["t"]]
    for method in ("swamy-arora", "nerlove", "ml"):
        fit = fit_frame(frame, method, cov="iid")
        params, cov = dense(frame).gls(*variances(fit).values())
        assert fit.params.to_numpy() == pytest.approx(params, rel=1e-9)
        assert np.allclose(fit.cov, cov, rtol=1e-9)
        if method != "ml":
            expected = np.maximum(dense(frame).components(method), 0)
            assert list(variances(fit).values()) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("method", METHODS)
def test_large_means_cost_few_digits(frame: pd.DataFrame, method: str) -> None:
    one, two = fit_frame(frame, method), fit_frame(frame.assign(x=frame["x"] + 1e6), method)
    assert two.params["x"] == pytest.approx(one.params["x"], rel=1e-9)
    assert two.std_errors["x"] == pytest.approx(one.std_errors["x"], rel=1e-9)


def test_a_constant_alone(frame: pd.DataFrame) -> None:
    spec = pm.RandomEffects("y ~ 1", method="reml", time_effects=True, cov="iid")
    fit = spec.fit(pm.Panel(frame, unit="i", time="t"))
    reference = dense(frame)
    reference.x = reference.x[:, :1]
    params, cov = reference.gls(*variances(fit).values())
    assert fit.params.to_numpy() == pytest.approx(params, rel=1e-9)
    assert np.allclose(fit.cov, cov, rtol=1e-9)


def test_without_a_constant(frame: pd.DataFrame) -> None:
    spec = pm.RandomEffects("y ~ x + fixed - 1", method="ml", time_effects=True, cov="iid")
    fit = spec.fit(pm.Panel(frame, unit="i", time="t"))
    reference = dense(frame)
    reference.x = reference.x[:, 1:]
    params, cov = reference.gls(*variances(fit).values())
    assert fit.params.to_numpy() == pytest.approx(params, rel=1e-9)
    assert np.allclose(fit.cov, cov, rtol=1e-9)


def test_negative_variances_are_set_to_zero_with_a_note() -> None:
    fit = fitted("grunfeld10", "inv ~ value + capital", "swamy-arora", None)
    assert fit.extras["sigma_t"] == 0
    assert any("period effect was estimated as -41.69 and set to zero" in n for n in fit.notes)


def test_pickles_and_shows_itself(frame: pd.DataFrame) -> None:
    fit = fit_frame(frame)
    again = pickle.loads(pickle.dumps(fit))
    pd.testing.assert_frame_equal(again.cov, fit.cov)
    assert "Two-way random effects" in str(fit.summary())


# ---- refusals ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "words"),
    [("baltagi-chang", "is for effects of units alone"), ("swamy", "method is not")],
)
def test_unknown_methods_are_refused(frame: pd.DataFrame, method: str, words: str) -> None:
    with pytest.raises(SpecificationError, match=words):
        fit_frame(frame, method)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("key", ["i", "t"])
def test_one_unit_or_period_is_refused(frame: pd.DataFrame, method: str, key: str) -> None:
    with pytest.raises(IdentificationError, match="two units and two periods"):
        fit_frame(frame[frame[key] == 2], method)


def test_too_few_periods_for_swamy_arora_are_refused() -> None:
    with pytest.raises(IdentificationError, match="between periods is not identified"):
        fit_frame(panel_frame(20, 3), "swamy-arora")


def test_too_few_rows_are_refused() -> None:
    frame = panel_frame(12, 12, share=0.15)
    frame = frame[~frame.duplicated("i") | ~frame.duplicated("t")]
    with pytest.raises(IdentificationError, match="too few rows"):
        fit_frame(frame, "amemiya")


@pytest.mark.parametrize("method", METHODS)
def test_outcomes_without_errors_are_refused(frame: pd.DataFrame, method: str) -> None:
    for outcome in (2 * frame["x"], 0.1 + 0 * frame["x"], frame["x"] / 3 + frame["fixed"]):
        with pytest.raises(IdentificationError, match="explain the outcome exactly"):
            fit_frame(frame.assign(y=outcome), method)


def test_too_many_periods_are_refused(frame: pd.DataFrame, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gls, "MOST_PERIODS", 8)
    with pytest.raises(SpecificationError, match="change places"):
        fit_frame(frame)
