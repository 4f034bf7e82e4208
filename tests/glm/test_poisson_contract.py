"""What a Poisson fit answers, and what it refuses in words."""

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

FRAME = counts()
FORMULAS = ("y ~ x1 + x2", "y ~ x1 + x2 | unit", "y ~ x1 + x2 | unit + time")


def fit(formula: str = "y ~ x1 + x2 | unit + time", frame: Any = FRAME, **options: Any) -> Any:
    return pm.Poisson(formula, **options).fit(pm.Panel(frame, unit="unit", time="time"))


@pytest.mark.parametrize("formula", FORMULAS)
def test_residuals_are_outcomes_less_means(formula: str) -> None:
    result = fit(formula, exposure="pop")
    mean = result.fitted()
    assert np.allclose((mean + result.residuals()).dropna(), FRAME["y"][mean.notna()])
    assert mean.notna().sum() == result.nobs
    link = result.predict(type="link", effects="|" in formula)
    assert np.allclose(np.exp(link), mean, equal_nan=True, rtol=1e-12)


@pytest.mark.parametrize("formula", FORMULAS)
def test_new_rows_are_predicted_with_their_exposure(formula: str) -> None:
    result = fit(formula, exposure="pop")
    new = FRAME.head(4).copy()
    twice = new.assign(pop=2 * new["pop"])
    assert np.allclose(result.predict(new), result.predict().head(4), equal_nan=True)
    assert np.allclose(result.predict(twice), 2 * result.predict(new), rtol=1e-12)
    assert np.allclose(np.log(result.predict(new)), result.predict(new, type="link"))
    assert result.predict(new.assign(pop=[np.nan, 1, 1, 1])).isna().tolist() == [True] + [False] * 3
    with pytest.raises(PanelmlError, match="'pop'"):
        result.predict(new.drop(columns="pop"))


def test_effects_are_those_of_the_fitted_means() -> None:
    result = fit()
    tables = result.effects()
    assert np.isclose(np.average(tables["time"]["effect"], weights=[1] * 5), 0, atol=0.1)
    levels = sum(FRAME[name].map(tables[name]["effect"]) for name in ("unit", "time"))
    assert np.allclose(
        np.log(result.fitted()), result.predict(type="link") + levels, equal_nan=True
    )
    zero = FRAME.groupby("unit")["y"].sum().loc[lambda total: total == 0].index
    assert len(zero)
    assert not set(zero) & set(tables["unit"].index)
    assert result.predict(FRAME, effects=True)[FRAME["unit"].isin(zero)].isna().all()


def test_units_that_are_always_zero_are_dropped_and_counted() -> None:
    result = fit()
    zero = FRAME.groupby("unit")["y"].transform("sum") == 0
    assert result.nobs == (~zero).sum()
    assert result.notes[0].startswith(f"Dropped {zero.sum()} rows of 1 levels of unit")
    assert fit("y ~ x1 + x2").nobs == len(FRAME)


@pytest.mark.parametrize("formula", FORMULAS)
def test_covariances(formula: str) -> None:
    result = fit(formula)
    clustered = result.with_cov("cluster")
    assert clustered.std_errors.equals(result.std_errors)
    for cov in ("iid", "HC1", "cluster:state", "cluster:unit+time", "driscoll-kraay"):
        assert (result.with_cov(cov).std_errors > 0).all()
    assert result.with_cov("iid").df_t == np.inf
    assert "stock-watson" not in " ".join(result.with_cov("HC1").notes)
    for cov in ("HC3", pm.cov.Clustered(small_sample="CR2"), "stock-watson"):
        with pytest.raises(PanelmlError):
            result.with_cov(cov)


def test_tests_and_tables() -> None:
    result, pooled = fit(), fit("y ~ x1 + x2")
    test = result.wald_test("x1 = x2")
    contrast = np.array([1.0, -1.0])
    variance = contrast @ result.cov.to_numpy() @ contrast
    assert np.isclose(test.statistic, (contrast @ result.params) ** 2 / variance)
    table = str(pm.compare(result, pooled))
    assert "Poisson" in table
    text = str(result.summary())
    for words in ("Poisson: y", "Absorbed effects: unit + time", "Log-likelihood", "Deviance"):
        assert words in text
    assert "R-squared within" not in text
    assert "\\begin{tabular}" in result.to_latex()
    assert result.tidy()["term"].tolist() == ["x1", "x2"]


def test_linear_fits_are_not_compared_with_it() -> None:
    panel = pm.Panel(FRAME, unit="unit", time="time")
    linear = pm.FixedEffects("y ~ x1 + x2 | unit + time").fit(panel)
    with pytest.raises(PanelmlError, match="log link and Fixed effects has the identity link"):
        pm.hausman(fit(), linear)
    with pytest.raises(PanelmlError):
        pm.breusch_pagan(fit("y ~ x1"))


def test_a_pickle_leaves_the_data_behind() -> None:
    result = fit(exposure="pop")
    again = pickle.loads(pickle.dumps(result))
    assert np.allclose(again.predict(FRAME.head(3)), result.predict().head(3))
    assert str(again) == str(result)


def changed(column: str, value: float) -> pd.DataFrame:
    frame = FRAME.copy()
    frame[column] = frame[column].astype(float)
    frame.loc[3, column] = value
    return frame


REFUSED: dict[str, tuple[Callable[[], object], str]] = {
    "negative": (lambda: fit(frame=changed("y", -1)), r"'y' is negative in 1 rows \(row 3\)"),
    "infinite": (lambda: fit(frame=changed("y", np.inf)), "'y' is infinite in row 3"),
    "exposure": (
        lambda: fit(frame=changed("pop", 0), exposure="pop"),
        r"exposure 'pop' is zero or negative in 1 rows \(row 3\)",
    ),
    "offset": (
        lambda: fit(frame=changed("pop", 0), offset="log(pop)"),
        r"'log\(pop\)' is infinite in row 3",
    ),
    "weights": (
        lambda: fit(frame=changed("pop", -2), weights="pop"),
        r"'pop' are negative in 1 rows \(row 3\)",
    ),
    "all zero": (lambda: fit(frame=FRAME.assign(y=0)), "'y' is zero in every row"),
    "slopes": (lambda: fit("y ~ x1 | unit[x2]"), r"unit\[x2\] has slopes"),
    "both": (lambda: fit(offset="x1", exposure="pop"), "an offset or an exposure"),
    "effect": (lambda: fit("y ~ x1 | firm"), "No column 'firm' to absorb"),
    "no exposure": (lambda: fit(exposure="size"), "No column 'size' for the exposure"),
    "several offsets": (lambda: fit(offset="C(state)"), "must be one variable; it gives 7"),
    "nothing left": (lambda: fit("y ~ state | unit"), "No regressor is left"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused_is_said_in_words(name: str) -> None:
    call, words = REFUSED[name]
    with pytest.raises(PanelmlError, match=words):
        call()


def test_rows_with_weight_zero_or_without_a_value_are_dropped_with_a_note() -> None:
    frame = changed("pop", 0)
    frame.loc[4, "y"] = np.nan
    notes = fit("y ~ x1", frame=frame, weights="pop").notes
    assert "Dropped 1 of 135 rows with missing values (y: 1)." in notes
    assert "Dropped 1 rows with weight zero." in notes


def test_large_and_small_outcomes_are_fitted() -> None:
    one = fit("y ~ x1 + x2 | unit")
    for scale in (1e-8, 1e8):
        other = fit("y ~ x1 + x2 | unit", frame=FRAME.assign(y=FRAME["y"] * scale))
        assert np.allclose(one.params, other.params, rtol=1e-7)
        assert np.allclose(one.std_errors, other.std_errors, rtol=1e-7)


def test_an_outcome_without_errors_is_fitted() -> None:
    exact = FRAME.assign(y=np.exp(1 + 0.5 * FRAME["x1"]))
    for formula in ("y ~ x1", "y ~ x1 | unit"):
        assert np.isclose(fit(formula, frame=exact).params["x1"], 0.5, rtol=1e-9)
