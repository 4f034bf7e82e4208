"""Formulas on data: formulaic and pandas are the judges, and chunks make no difference."""

from __future__ import annotations

import pickle
import re

import numpy as np
import pandas as pd
import pytest
from formulaic import model_matrix

import panelml as pm
from panelml.core.row_values import RowValues
from panelml.data.formula.design import Design, fit_design
from panelml.data.formula.formula import parse_formula
from panelml.data.sample import Sample
from panelml.engine.fold import fold
from panelml.engine.sampling import make_sample
from panelml.errors import ColumnTypeError, FormulaError, MissingValueError, UnknownNameError
from tests.data.frames import BACKENDS
from tests.panels import wage


def panel_frame(missing: bool = False, seed: int = 5) -> pd.DataFrame:
    """Make an unbalanced panel of 12 units with variables of all kinds, in shuffled rows."""
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(
        [(u, t) for u in range(12) for t in range(2000, 2008)], columns=["unit", "time"]
    )
    n = len(frame)
    frame["y"] = rng.normal(size=n)
    frame["x"] = rng.normal(size=n)
    frame["z"] = rng.uniform(0.5, 2, n)
    frame["my var"] = rng.normal(size=n)
    frame["count"] = rng.integers(0, 5, n)
    frame["flag"] = rng.random(n) < 0.4
    frame["g"] = np.array(["low", "mid", "high"])[rng.integers(0, 3, n)]
    frame["h"] = pd.Categorical(np.array(["u", "v"])[rng.integers(0, 2, n)], ["v", "u", "w"])
    frame["code"] = rng.integers(1, 4, n)
    frame = frame[rng.random(n) < 0.85].sample(frac=1, random_state=seed).reset_index(drop=True)
    if missing:
        for i, name in enumerate(("y", "x", "z", "g", "code")):
            frame[name] = frame[name].astype(object if name == "g" else float)
            frame.loc[i::11, name] = None if name == "g" else np.nan
    return frame


def variables(design: Design, panel: pm.Panel) -> pd.DataFrame:
    """Evaluate a design in sorted row order."""
    sample = Sample(panel, design, design.names)
    z = fold(sample, lambda block: RowValues(block.z)).values
    assert design.outcome is not None
    return pd.DataFrame(z.T, columns=[*design.outcome.names, *design.names])


def evaluated(formula: str, frame: pd.DataFrame) -> pd.DataFrame:
    panel = pm.Panel(frame, unit="unit", time="time")
    return variables(fit_design(parse_formula(formula), panel), panel)


ROW_WISE = [
    "y ~ x + z",
    "y ~ x * z",
    "y ~ x:z + flag",
    "y ~ `my var` + np.log(z)",
    "y ~ np.log(`my var` ** 2)",
    "y ~ I(x ** 2) + {x + z} + I(x > 0)",
    "y ~ log(z) + exp(x)",
    "np.log(z) ~ x",
    "I(y - x) ~ z",
    "y ~ g",
    "y ~ g + h",
    "y ~ g * h",
    "y ~ g:h",
    "y ~ x * g",
    "y ~ x:g",
    "y ~ g * x * h",
    "y ~ 0 + g",
    "y ~ 0 + g + h",
    "y ~ g - 1 + x:h",
    "y ~ C(code)",
    "y ~ C(code) * x",
    "y ~ C(flag)",
    "y ~ C(code, contr.sum)",
    "y ~ C(code, contr.helmert) + x",
    "y ~ C(g, contr.treatment(base='mid'))",
    "y ~ C(g, levels=['mid', 'low', 'high'])",
    "y ~ C(code > 1)",
    "y ~ center(x) + scale(z)",
    "y ~ standardize(x)",
    "y ~ poly(x, degree=2)",
    "y ~ bs(x, df=4)",
    "y ~ cr(x, df=3)",
    "y ~ bs(x, df=4):flag",
    "y ~ (x + z + g) ** 2",
    "y ~ x / g",
    "y ~ g %in% h",
]


def by_formulaic(formula: str, frame: pd.DataFrame) -> pd.DataFrame:
    data = frame.sort_values(["unit", "time"], ignore_index=True)
    data["flag"] = data["flag"].astype(float)
    data["h"] = data["h"].cat.remove_unused_categories()
    outcome, regressors = model_matrix(formula.replace("C(flag)", "C(flag > 0)"), data)
    regressors = regressors.drop(columns=["Intercept"], errors="ignore")
    return pd.concat([outcome, regressors], axis=1)


@pytest.mark.parametrize("formula", ROW_WISE)
def test_variables_are_those_of_formulaic(formula: str) -> None:
    frame = panel_frame()
    found, expected = evaluated(formula, frame), by_formulaic(formula, frame)
    if "C(flag)" in formula:
        assert list(found) == ["y", "C(flag)[T.True]"]
    elif "standardize" not in formula:
        assert list(found) == list(expected)
    np.testing.assert_allclose(found, expected.to_numpy(float), rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("formula", ROW_WISE)
def test_states_come_from_the_complete_rows(formula: str) -> None:
    frame = panel_frame(missing=True)
    panel = pm.Panel(frame, unit="unit", time="time")
    sample, _ = make_sample(panel, parse_formula(formula), None)
    found = fold(sample, lambda block: RowValues(block.z)).values.T
    used = [c for c in ("y", "x", "z", "g", "code") if re.search(rf"\b{c}\b", formula)]
    expected = by_formulaic(formula, frame.dropna(subset=used))
    np.testing.assert_allclose(found, expected.to_numpy(float), rtol=1e-11, atol=1e-12)


PANEL_WISE = [
    "y ~ L(x) + F(x) + D(x)",
    "y ~ L(x, 2) + D(x, 3) + D(L(x))",
    "y ~ within(x) + between(x)",
    "D(y) ~ D(x) + D(z)",
    "y ~ np.log(L(z)) + L(np.log(z))",
    "y ~ L(x) * g + C(L(code)) + C(L(g))",
    "y ~ center(L(x)) + L(center(x))",
    "y ~ bs(L(x), df=4) + poly(within(z), 2)",
    "y ~ between(x > 0):z + within(flag)",
    "y ~ C(L(x) > 0) + C(L(x > 0)) + I(D(x) > 0) + C(x > 0)",
    "y ~ np.where(L(g) == 'low', z, x) + D(poly(x, 1))",
]


@pytest.mark.parametrize("missing", [False, True])
@pytest.mark.parametrize("formula", ROW_WISE + PANEL_WISE)
def test_chunks_make_no_difference(formula: str, missing: bool) -> None:
    panel = pm.Panel(panel_frame(missing), unit="unit", time="time")
    sample, _ = make_sample(panel, parse_formula(formula), None)
    whole = fold(sample, lambda block: RowValues(block.z), rows=10**6).values
    for rows in (1, 20):
        for threads in (1, 2):
            parts = fold(sample, lambda b: RowValues(b.z), rows=rows, threads=threads).values
            np.testing.assert_allclose(parts, whole, rtol=1e-14, atol=1e-15)


@pytest.mark.parametrize("formula", PANEL_WISE)
def test_row_order_makes_no_difference(formula: str) -> None:
    frame = panel_frame(missing=True)
    found = evaluated(formula, frame)
    ordered = evaluated(formula, frame.sort_values(["unit", "time"]))
    pd.testing.assert_frame_equal(found, ordered)


def test_panel_functions_are_those_of_the_panel() -> None:
    frame = panel_frame(missing=True)
    panel = pm.Panel(frame, unit="unit", time="time")
    found = evaluated("y ~ L(x) + F(x, 2) + D(x) + D(x, 2) + within(x) + between(x)", frame)
    means = frame.groupby("unit")["x"].transform("mean")
    expected = {
        "L(x)": panel.lag("x"),
        "F(x, 2)": panel.lead("x", 2),
        "D(x)": panel.diff("x"),
        "D(x, 2)": panel.diff("x", 2),
        "within(x)": frame["x"] - means,
        "between(x)": means.where(frame["x"].notna()),
    }
    for name, values in expected.items():
        np.testing.assert_allclose(found[name], panel.index.sort(values.to_numpy()), rtol=1e-13)


def test_unit_means_are_those_of_the_estimation_sample() -> None:
    frame = panel_frame(missing=True)
    fit = pm.PooledOLS("y ~ within(x) + between(x) + z").fit(
        pm.Panel(frame, unit="unit", time="time")
    )
    complete = frame.dropna(subset=["y", "x", "z"])
    means = complete.groupby("unit")["x"].transform("mean")
    own = complete.assign(w=complete["x"] - means, b=means)
    expected = pm.PooledOLS("y ~ w + b + z").fit(pm.Panel(own, unit="unit", time="time"))
    np.testing.assert_allclose(fit.params, expected.params, rtol=1e-12)
    np.testing.assert_allclose(fit.std_errors, expected.std_errors, rtol=1e-12)


def test_a_lag_needs_the_lag_only() -> None:
    frame = panel_frame(missing=True)
    panel = pm.Panel(frame, unit="unit", time="time")
    sample, notes = make_sample(panel, parse_formula("y ~ L(x)"), None)
    complete = frame["y"].notna() & panel.lag("x").notna()
    assert sample.nobs == complete.sum()
    # Rows stay that have a lag but no value of their own.
    assert (complete & frame["x"].isna()).any()
    lost = panel.lag("x").isna().sum()
    assert f"L(x): {lost}" in notes[0]


def test_rows_without_a_value_have_no_comparison() -> None:
    frame = panel_frame(missing=True)
    found = evaluated(
        "y ~ I(x > 0) + I(g == 'low') + L(x > 0) + I(L(x) > 0) + C(L(x > 0)) + between(x > 0)",
        frame,
    )
    panel = pm.Panel(frame, unit="unit", time="time")
    lag = panel.index.sort(panel.lag("x").to_numpy())
    ordered = frame.sort_values(["unit", "time"])
    positive = (ordered["x"] > 0).where(ordered["x"].notna()).astype(float).to_numpy()
    later = np.where(np.isnan(lag), np.nan, lag > 0)
    means = pd.Series(positive).groupby(ordered["unit"].to_numpy()).transform("mean")
    np.testing.assert_array_equal(found["I(x > 0)"], positive)
    np.testing.assert_array_equal(found["I(g == 'low')"].isna(), ordered["g"].isna())
    np.testing.assert_array_equal(found["L(x > 0)"], later)
    np.testing.assert_array_equal(found["I(L(x) > 0)"], later)
    np.testing.assert_array_equal(found["C(L(x > 0))[T.1.0]"], later)
    np.testing.assert_allclose(found["between(x > 0)"], np.where(np.isnan(positive), np.nan, means))


def test_columns_win_over_functions_of_the_same_name() -> None:
    frame = panel_frame().rename(columns={"x": "D", "z": "L"})
    found = evaluated("y ~ D + L + D(D) + L(L) + np.log(L)", frame)
    assert list(found) == ["y", "D", "L", "D(D)", "L(L)", "np.log(L)"]


@pytest.mark.parametrize("backend", BACKENDS)
def test_every_kind_of_frame(backend: str) -> None:
    formula = "y ~ x * g + C(code) + L(x) + flag + I(g == 'low') + np.log(z) + C(L(g))"
    frame = panel_frame(missing=True).drop(columns="h")
    expected = evaluated(formula, frame)
    found = evaluated(formula, BACKENDS[backend](frame))
    if "pandas-" in backend:
        # Only plain pandas has no integers with missing values.
        expected.columns = expected.columns.str.replace(r"(\d)\.0]", r"\1]", regex=True)
    pd.testing.assert_frame_equal(found, expected)


def test_columns_of_numbers_stored_as_objects() -> None:
    frame = panel_frame()
    objects = frame.assign(
        x=frame["x"].astype(object),
        count=frame["count"].astype(object),
        flag=frame["flag"].astype(object),
    )
    objects.loc[3, "x"] = None
    expected = evaluated("y ~ x + count + flag", frame)
    found = evaluated("y ~ x + count + flag", objects)
    assert found["x"].isna().sum() == 1
    pd.testing.assert_frame_equal(found.drop(columns="x"), expected.drop(columns="x"))


def test_levels_without_complete_rows_are_none() -> None:
    frame = panel_frame()
    frame.loc[frame["g"] == "mid", "y"] = np.nan
    sample, _ = make_sample(pm.Panel(frame, unit="unit", time="time"), parse_formula("y ~ g"), None)
    assert sample.names == ("g[T.low]",)
    declared = "y ~ C(g, levels=['low', 'high'])"
    fit = pm.PooledOLS(declared).fit(pm.Panel(panel_frame(), unit="unit", time="time"))
    assert fit.nobs == (panel_frame()["g"] != "mid").sum()


def test_replay_on_new_rows() -> None:
    frame = panel_frame()
    formula = "y ~ center(x) + bs(z, df=4) + C(code) + g:h + scale(count)"
    panel = pm.Panel(frame, unit="unit", time="time")
    fit = pm.PooledOLS(formula).fit(panel)
    part = frame.iloc[::3]
    np.testing.assert_allclose(
        fit.predict(part.drop(columns="y")), fit.predict().iloc[::3], rtol=1e-12
    )
    again = pickle.loads(pickle.dumps(fit))
    np.testing.assert_allclose(again.predict(part), fit.predict(part), rtol=1e-14)


def test_fitted_values_use_the_unit_means_of_the_fit() -> None:
    frame = panel_frame(missing=True)
    fit = pm.PooledOLS("y ~ within(x) + between(x)").fit(pm.Panel(frame, unit="unit", time="time"))
    residual = fit.residuals().dropna()
    assert len(residual) == fit.nobs
    assert abs(residual.sum()) < 1e-12


@pytest.mark.parametrize("name", ["Treatment", "Sum", "contr.treatment", "contr.helmert"])
def test_contrasts_are_named_with_or_without_parentheses(name: str) -> None:
    panel = pm.Panel(panel_frame(), unit="unit", time="time")
    bare, called = (pm.PooledOLS(f"y ~ C(g, {n})").fit(panel) for n in (name, f"{name}()"))
    np.testing.assert_array_equal(bare.params, called.params)


def refused() -> dict[str, tuple[str, type[Exception], str]]:
    return {
        "unknown regressor": (
            "y ~ xx",
            UnknownNameError,
            "The formula names 'xx', which is no column. Did you mean 'x'?",
        ),
        "a level for contrasts": (
            "y ~ C(code, 2)",
            FormulaError,
            "2 names no contrasts. Write C(x, Treatment(level))",
        ),
        "a list for contrasts": ("y ~ C(g, [1, 2])", FormulaError, "names no contrasts"),
        "a level for levels": ("y ~ C(g, levels=3)", FormulaError, "levels is a list of levels"),
        "levels twice": ("y ~ C(g, levels=['a', 'a'])", FormulaError, "of levels, each once"),
        "unknown in a call": (
            "y ~ np.log(zz)",
            UnknownNameError,
            "The formula names 'zz', which is no column. Did you mean 'z'?",
        ),
        "unknown outcome": ("yy ~ x", UnknownNameError, "The formula names 'yy', which is no col"),
        "unknown function": (
            "y ~ centre(x)",
            UnknownNameError,
            "The formula names 'centre', which is no function. Did you mean 'center'?",
        ),
        "unknown in C": ("y ~ C(gg)", UnknownNameError, "Did you mean 'g'?"),
        "shifting rows": (
            "y ~ lag(x)",
            FormulaError,
            "Write L(x, 1) for the value of the same unit one period",
        ),
        "text outcome": (
            "g ~ x",
            ColumnTypeError,
            "The outcome 'g' must be numeric, but holds text or categ",
        ),
        "number texts": (
            "y ~ typed",
            ColumnTypeError,
            "Column 'typed' holds numbers written as text, such as '1.5' (row 0, 1, 2, 3, 4 and "
            "78 more). Convert it with pandas.to_numeric, or write C(typed) if these are names.",
        ),
        "mixed": (
            "y ~ mixed",
            ColumnTypeError,
            "Column 'mixed' must be numeric, but holds values of several kinds, such as 'n/a' "
            "(row 2). Convert it with pandas.to_numeric, or write C(mixed) for a category.",
        ),
        "mixed outcome": (
            "mixed ~ x",
            ColumnTypeError,
            "The outcome 'mixed' must be numeric, but holds values of several kinds, such as "
            "'n/a' (row 2).",
        ),
        "complex": (
            "y ~ root",
            ColumnTypeError,
            "Column 'root' must be numeric, but holds complex numbers, such as",
        ),
        "dates": (
            "y ~ day",
            ColumnTypeError,
            "Column 'day' must be numeric, but holds dates or spans of time, such as 2000-01-01",
        ),
        "date outcome": ("day ~ x", ColumnTypeError, "The outcome 'day' must be numeric, but hol"),
        "spans": ("y ~ I(day - day)", ColumnTypeError, "which are no numbers"),
        "text result": (
            "y ~ I(g + 'x')",
            ColumnTypeError,
            "which are no numbers. Write C(I(g + 'x')) for a",
        ),
        "outcome as regressor": ("y ~ x + y", FormulaError, "The outcome 'y' is also a regressor."),
        "wide outcome": (
            "poly(y, 2) ~ x",
            FormulaError,
            "The outcome 'poly(y, 2)' must be one variable; it g",
        ),
        "summary": (
            "y ~ I(x - x.mean())",
            FormulaError,
            "'I(x - x.mean())' gives a row a value that depends on the other units' rows. Add it "
            "to the data as a column, or use center(), scale() or between().",
        ),
        "running sum": ("y ~ np.cumsum(x)", FormulaError, "depends on the other units' rows"),
        "sum from the end": (
            "y ~ np.cumsum(x[::-1])[::-1]",
            FormulaError,
            "depends on the other units' rows",
        ),
        "summary within a lag": ("y ~ L(x / np.std(x))", FormulaError, "on the other units' rows"),
        "one number": ("y ~ np.mean(x)", FormulaError, "depends on the other units' rows"),
        "too few": ("y ~ np.diff(x)", FormulaError, "it must give one for each."),
        "C inside": ("y ~ np.log(C(g))", FormulaError, "C(...) must stand alone, not inside"),
        "C of nothing": ("y ~ C()", FormulaError, "'C()' names no variable: write C(variable)."),
        "C with more": ("y ~ C(g, ref='low')", FormulaError, "C takes a variable, contrasts= and"),
        "no such base": (
            "y ~ C(g, contr.treatment(base='none'))",
            FormulaError,
            "Cannot code the levels of",
        ),
        "lag of nothing": ("y ~ L()", FormulaError, "'L()': L() names no variable."),
        "lag of two": (
            "y ~ L(poly(x, 2))",
            FormulaError,
            "'poly(x, 2)' gives 2 variables where one is need",
        ),
        "lag by a half": (
            "y ~ L(x, 0.5)",
            FormulaError,
            "The number of periods must be a whole number, not 0.5.",
        ),
        "lag by a variable": ("y ~ L(x, z)", FormulaError, "must be a whole number"),
        "within text": ("y ~ within(g)", ColumnTypeError, "within() needs numbers, not values su"),
        "difference of text": ("y ~ D(g)", ColumnTypeError, "D() needs numbers, not values such"),
        "failing call": ("y ~ np.log(x, 1, 2, 3)", FormulaError, "Cannot evaluate 'np.log(x, 1, 2"),
        "no such method": ("y ~ np.lgo(x)", FormulaError, "Cannot evaluate 'np.lgo(x)'"),
        "empty category": ("y ~ C(nothing)", FormulaError, "'C(nothing)' is missing in every com"),
    }


@pytest.mark.parametrize("case", refused())
def test_refused_with_a_reason(case: str) -> None:
    frame = panel_frame()
    n = len(frame)
    frame = frame.assign(
        typed=["1.5"] * n,
        mixed=[1, 2.5, "n/a"] + [3] * (n - 3),
        root=frame["x"] + 1j,
        day=pd.to_datetime("2000-01-01"),
        nothing=pd.Series([None] * n, dtype=object),
    )
    formula, error, words = refused()[case]
    with pytest.raises(error, match=re.escape(words)):
        pm.PooledOLS(formula).fit(pm.Panel(frame, unit="unit", time="time"))


def test_unknown_levels_are_named() -> None:
    frame = panel_frame()
    fit = pm.PooledOLS("y ~ x + g + C(code)").fit(pm.Panel(frame, unit="unit", time="time"))
    words = (
        "'g' has the level huge (row 4, 6), which no row of the estimation sample has, so that "
        "its effect is unknown. Known levels: high, low, mid. Leave these rows out."
    )
    new = frame.copy()
    new.loc[[4, 6], "g"] = "huge"
    with pytest.raises(MissingValueError, match=re.escape(words)):
        fit.predict(new)
    with pytest.raises(MissingValueError, match=re.escape("'C(code)' has the level 9 (row 0)")):
        fit.predict(frame.assign(code=frame["code"].where(frame.index > 0, 9)))
    with pytest.raises(UnknownNameError, match="No column 'x'"):
        fit.predict(frame.drop(columns="x"))
    with pytest.raises(ColumnTypeError, match="Column 'x' must be numeric"):
        fit.predict(frame.assign(x="a"))


@pytest.mark.parametrize(
    ("variable", "words"),
    [("x", "'x' is infinite in row 5."), ("np.log(x)", "'np.log(x)' is infinite in row 5.")],
)
def test_infinite_values_are_named(variable: str, words: str) -> None:
    frame = panel_frame().assign(x=1.0)
    frame.loc[5, "x"] = np.inf if variable == "x" else 0.0
    with pytest.raises(MissingValueError, match=re.escape(words)):
        pm.PooledOLS(f"y ~ z + {variable}").fit(pm.Panel(frame, unit="unit", time="time"))


def test_what_is_undefined_is_dropped_with_a_note() -> None:
    frame = panel_frame()
    fit = pm.PooledOLS("y ~ np.log(x)").fit(pm.Panel(frame, unit="unit", time="time"))
    negative = (frame["x"] < 0).sum()
    assert fit.nobs == len(frame) - negative
    assert f"np.log(x): {negative}" in fit.notes[0]


def test_one_unit_and_one_period() -> None:
    one = panel_frame().query("unit == 3")
    assert evaluated("y ~ L(x) + within(x) + center(z)", one).shape == (len(one), 4)
    period = panel_frame().query("time == 2003")
    found = evaluated("y ~ L(x) + within(x) + g", period)
    assert found["L(x)"].isna().all()
    np.testing.assert_allclose(found["within(x)"], 0)


def test_real_data_with_everything() -> None:
    panel = pm.Panel(wage(), unit="nr", time="year")
    formula = "lwage ~ union * married + C(occupation) + poly(exper, 2) + L(hours) | nr + year"
    fit = pm.FixedEffects(formula).fit(panel)
    by_hand = wage().assign(lag=panel.lag("hours"), um=wage()["union"] * wage()["married"])
    dummies = pd.get_dummies(by_hand["occupation"], prefix="o", dtype=float)
    data = pd.concat([by_hand, dummies], axis=1)
    regressors = " + ".join(["union", "married", "lag", "um", *dummies.columns[1:]])
    other = pm.FixedEffects(f"lwage ~ {regressors} + exper + expersq | nr + year").fit(
        pm.Panel(data, unit="nr", time="year")
    )
    assert fit.nobs == other.nobs == 4360 - 545
    assert fit.params["L(hours)"] == pytest.approx(other.params["lag"], rel=1e-9)
    assert fit.params["union:married"] == pytest.approx(other.params["um"], rel=1e-9)
    assert fit.std_errors["union"] == pytest.approx(other.std_errors["union"], rel=1e-9)
