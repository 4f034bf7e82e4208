"""Several lags in one call, and indicators with named references."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import polars as pl
import pytest

import panelml as pm
from panelml.data.formula.formula import read_terms
from panelml.errors import FormulaError


def frame() -> pd.DataFrame:
    rng = np.random.default_rng(2)
    unit, time = np.repeat(np.arange(20), 6), np.tile(np.arange(2001, 2007), 20)
    n = unit.size
    return pd.DataFrame(
        {
            "unit": unit,
            "time": time,
            "y": rng.normal(size=n),
            "x": rng.normal(size=n),
            "z": rng.normal(size=n),
            "v": rng.normal(size=20)[unit],
            "my time": time,
            "g": np.where(unit % 2, "a", "b"),
            "text": np.char.add("p", time.astype(str)),
        }
    )


def panel() -> pm.Panel:
    return pm.Panel(frame(), unit="unit", time="time")


@pytest.mark.parametrize(
    ("text", "terms"),
    [
        ("L(x, 0:2)", ["x", "L(x, 1)", "L(x, 2)"]),
        ("L(x, 1:2)", ["L(x, 1)", "L(x, 2)"]),
        ("L(x, 2:1)", ["L(x, 2)", "L(x, 1)"]),
        ("L(x, [1, 3])", ["L(x, 1)", "L(x, 3)"]),
        ("L(x, (1, 3))", ["L(x, 1)", "L(x, 3)"]),
        ("L(x, k=1:2)", ["L(x, 1)", "L(x, 2)"]),
        ("L(x, [np.int64(1), np.int64(2)])", ["L(x, 1)", "L(x, 2)"]),
        ("L(x, -1:1)", ["F(x, 1)", "x", "L(x, 1)"]),
        ("F(x, 0:2)", ["x", "F(x, 1)", "F(x, 2)"]),
        ("D(x, 1:2)", ["D(x, 1)", "D(x, 2)"]),
        ("L(`a b`, 0:1)", ["a b", "L(`a b`, 1)"]),
        ("L(log(x), 0:1)", ["log(x)", "L(log(x), 1)"]),
        ("L(x, 0:1):g", ["x:g", "L(x, 1):g"]),
        ("L(x, 0:1) * z", ["x", "L(x, 1)", "z", "x:z", "L(x, 1):z"]),
        ("x + L(x, 0:1)", ["x", "L(x, 1)"]),
        ("L(x, 2)", ["L(x, 2)"]),
        ("i(t)", ["i(t)"]),
        ("i(t, ref=3)", ["i(t, ref=3)"]),
        ("i(t, x)", ["i(t):x"]),
        ("i(t, x, ref=3)", ["i(t, ref=3):x"]),
        ("i(t, x, 3)", ["i(t, ref=3):x"]),
        ("i(t, x, ref=[3, 4])", ["i(t, ref=[3, 4]):x"]),
        ("i(`b c`, L(x, 1:2), ref=3)", ["i(`b c`, ref=3):L(x, 1)", "i(`b c`, ref=3):L(x, 2)"]),
    ],
)
def test_what_a_call_stands_for(text: str, terms: list[str]) -> None:
    assert [str(term) for term in read_terms(text)[1:]] == terms


def test_lags_are_those_of_the_panel() -> None:
    data = frame()
    data = data.drop(data.index[[8, 40]])
    whole = pm.Panel(data, unit="unit", time="time")
    lags = {f"l{k}": whole.lag("x", k) for k in (1, 2)} | {"f1": whole.lead("x", 1)}
    wide = pm.Panel(data.assign(**lags), unit="unit", time="time")
    for text, columns in (("L(x, 0:2)", "x + l1 + l2"), ("L(x, -1:1)", "f1 + x + l1")):
        found = pm.FixedEffects(f"y ~ {text} + z | unit + time").fit(whole)
        expected = pm.FixedEffects(f"y ~ {columns} + z | unit + time").fit(wide)
        np.testing.assert_allclose(found.params, expected.params, rtol=1e-12)
        assert found.nobs == expected.nobs


def by_dummies(data: pd.DataFrame, columns: list[np.ndarray]) -> np.ndarray:
    """Coefficients of columns beside dummies of units and periods."""
    dummies = [pd.get_dummies(data[key]).to_numpy(float) for key in ("unit", "time")]
    design = np.column_stack([*columns, *dummies])
    return np.linalg.lstsq(design, data["y"].to_numpy(), rcond=None)[0][: len(columns)]


YEARS = range(2001, 2007)


@pytest.mark.parametrize("references", [(2003,), (2001,), (2006,), (2003, 2004)])
def test_the_named_reference_is_what_is_left_out(references: tuple[int, ...]) -> None:
    data = frame()
    years = [year for year in YEARS if year not in references]
    expected = by_dummies(data, [(data["time"] == year) * data["v"] for year in years])
    ref = str(references[0] if len(references) == 1 else list(references))
    for formula in (f"i(time, v, ref={ref})", f"i(`my time`, ref={ref}):v"):
        fit = pm.FixedEffects(f"y ~ {formula} | unit + time").fit(panel())
        np.testing.assert_allclose(fit.params, expected, rtol=1e-8)
        name = "my time" if "my" in formula else "time"
        assert list(fit.params.index) == [f"{name}::{year}:v" for year in years]
        assert fit.notes == ()
    if len(references) > 1:
        return
    for contrasts in (f"Treatment({ref})", f"contr.treatment(base={ref})"):
        for formula in (f"C(time, {contrasts}):v", f"v:C(time, {contrasts})"):
            fit = pm.FixedEffects(f"y ~ {formula} | unit + time").fit(panel())
            np.testing.assert_allclose(fit.params, expected, rtol=1e-8)
            assert all(
                str(year) in name for year, name in zip(years, fit.params.index, strict=True)
            )
            assert f"[{ref}]" in fit.notes[0]


def test_references_of_texts_and_categories() -> None:
    data = frame()
    data["ordered"] = pd.Categorical(data["text"], ordered=True)
    years = [year for year in YEARS if year != 2003]
    expected = by_dummies(data, [(data["time"] == year) * data["v"] for year in years])
    for table in (data, pl.from_pandas(data)):
        whole = pm.Panel(table, unit="unit", time="time")
        for formula in (
            "i(text, v, ref='p2003')",
            "i(ordered, v, 'p2003')",
            "C(text, Treatment('p2003')):v",
        ):
            fit = pm.FixedEffects(f"y ~ {formula} | unit + time").fit(whole)
            np.testing.assert_allclose(fit.params, expected, rtol=1e-8)


def test_nothing_is_left_out_that_is_identified() -> None:
    data = frame()
    expected = by_dummies(data, [(data["time"] == year) * data["x"] for year in YEARS])
    fit = pm.FixedEffects("y ~ C(time, Treatment(2003)):x | unit + time").fit(panel())
    names = [f"C(time, Treatment(2003))[{year}]:x" for year in YEARS]
    np.testing.assert_allclose(fit.params[names], expected, rtol=1e-8)
    assert fit.notes == ()
    without = [year for year in YEARS if year != 2003]
    fit = pm.FixedEffects("y ~ i(time, x, ref=2003) | unit + time").fit(panel())
    expected = by_dummies(data, [(data["time"] == year) * data["x"] for year in without])
    np.testing.assert_allclose(fit.params, expected, rtol=1e-8)


def test_indicators_without_a_reference_are_those_of_a_category() -> None:
    whole = panel()
    for text, category in (("i(g)", "C(g)"), ("i(time, x)", "C(time):x"), ("0 + i(g)", "0 + C(g)")):
        found = pm.PooledOLS(f"y ~ {text}").fit(whole)
        expected = pm.PooledOLS(f"y ~ {category}").fit(whole)
        np.testing.assert_allclose(found.params, expected.params, rtol=1e-12)
    assert list(pm.PooledOLS("y ~ i(g)").fit(whole).params.index) == ["Intercept", "g::b"]
    by_group = pm.FixedEffects("y ~ i(time, g, ref=2003) | unit").fit(whole)
    assert "time::2001:g[a]" in by_group.params.index
    assert not any("2003" in name for name in by_group.params.index)


def test_predictions_replay_references_and_lags() -> None:
    fit = pm.PooledOLS("y ~ i(time, x, ref=2003) + L(z, 0:1)").fit(panel())
    part = frame().query("unit > 5")
    np.testing.assert_allclose(fit.predict(part), fit.predict()[part.index], rtol=1e-12)


REFUSED = {
    "i(time, x, ref=1999)": "1999 is none of those of the estimation sample, 2001, 2002, 2003, 20",
    "i(time, x, refs=2003)": "i takes a variable, another to multiply with, and ref=.",
    "i(time, x, 2003, 2004)": "i takes a variable, another to multiply with, and ref=.",
    "i()": "'i()' names no variable: write i(variable).",
    "log(i(time))": "i(...) must stand alone, not inside another function: 'log(i(time))'.",
    "log(L(x, 0:1))": "L() with several periods stands alone, not inside another function.",
    "C(L(g, [1, 2]))": "L() with several periods stands alone, not inside another function.",
    "L(x, [])": "'L(x, [])' needs numbers of periods.",
    "D(x, 0:1)": "'D(x, 0:1)' needs numbers of periods other than 0.",
    "L(x, [0.5])": "The number of periods must be a whole number, not 0.5.",
    "L(x, ['a'])": "The number of periods must be a whole number, not 'a'.",
}


@pytest.mark.parametrize("text", REFUSED)
def test_refused_with_a_reason(text: str) -> None:
    with pytest.raises(FormulaError, match=re.escape(REFUSED[text])):
        pm.PooledOLS(f"y ~ {text}").fit(panel())


def test_an_outcome_is_one_lag() -> None:
    with pytest.raises(FormulaError, match=re.escape("'L(y, 1:2)' must be one variable; it gives")):
        pm.PooledOLS("L(y, 1:2) ~ x").fit(panel())


def test_references_of_dates_are_named_as_texts() -> None:
    data = frame()
    data["day"] = pd.Timestamp("2000-01-01") + pd.to_timedelta(data["unit"] % 3, unit="D")
    dummies = [(data["unit"] % 3 == j).to_numpy(float) for j in (0, 2)]
    design = np.column_stack([np.ones(len(data)), *dummies])
    expected = np.linalg.lstsq(design, data["y"].to_numpy(), rcond=None)[0]
    for table in (data, pl.from_pandas(data)):
        whole = pm.Panel(table, unit="unit", time="time")
        found = pm.PooledOLS("y ~ i(day, ref='2000-01-02')").fit(whole)
        assert list(found.params.index[1:]) == ["day::2000-01-01", "day::2000-01-03"]
        np.testing.assert_allclose(found.params, expected, rtol=1e-9)
        with pytest.raises(FormulaError, match=r"'soon' is none of .* 2000-01-01, 2000"):
            pm.PooledOLS("y ~ i(day, ref='soon')").fit(whole)
        found = pm.PooledOLS("y ~ C(day, Treatment('2000-01-02'))").fit(whole)
        np.testing.assert_allclose(found.params, expected, rtol=1e-9)


def test_no_formula_has_endless_terms() -> None:
    with pytest.raises(FormulaError, match=r"'L\(x, 0:100000000\)' names more than 1000 periods"):
        read_terms("L(x, 0:100000000)")
    for text in (f"I({'-' * 5000}x)", f"I({'x+' * 3000}x)"):
        with pytest.raises(FormulaError, match="Cannot read"):
            read_terms(text)
