"""Names of columns in formulas: whatever a column is called, backticks name it."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import polars as pl
import pytest

import panelml as pm
from panelml.data.formula.formula import Effect, parse_effect, parse_formula, read_terms
from panelml.data.formula.quoting import mask, quote, unquote
from panelml.errors import ColumnTypeError, FormulaError, UnknownNameError


def frame() -> pd.DataFrame:
    rng = np.random.default_rng(4)
    unit, time = np.repeat(np.arange(15), 6), np.tile(np.arange(6), 15)
    x = rng.normal(size=unit.size) + 1.0
    z = rng.normal(size=unit.size)
    y = x - z + rng.normal(size=15)[unit] + rng.normal(size=unit.size)
    return pd.DataFrame({"unit": unit, "time": time, "y": y, "x": x, "z": z})


def estimates(formula: str, data: pd.DataFrame) -> np.ndarray:
    model = pm.FixedEffects if "| unit" in formula else pm.PooledOLS
    return model(formula).fit(pm.Panel(data, unit="unit", time="time")).params.to_numpy()


NAMES = [
    "class",
    "lambda",
    "None",
    "in",
    "1",
    "0",
    "2x",
    "x²",
    "µg",
    "μg",
    "ﬁx",
    "naïve",
    "价格",
    "my var",
    "a:b",
    "a^b",
    "a - b",
    "a*b",
    "a|b",
    "a~b",
    "x.y",
    "np.log",
    "np",
    "e",
    "log",
    "L",
    "I",
    "C",
    "i",
    "D(x)",
    "L (x)",
    "log(x)",
    "it's",
    'q"q',
    "%",
    "{k}",
    "[s]",
    "(s)",
    "x**2",
    "masked_0_",
    "panel_call_0",
    "0:2",
    "#",
    "$x",
    "\\",
    "f'x'",
    "_",
    "__x__",
]
FORMULAS = [
    "y ~ {} * z + I({}**2) + np.exp({})",
    "y ~ log(abs({})) + I(L(z) * {}) + D({}, 2)",
    "y ~ within({}) + between({}) + C({} > 0)",
    "y ~ poly({}, 2) + L(I({} + z), 1)",
    "I({} - z) ~ L(z)",
    "{} ~ z + i(time, z, ref=2)",
    "y ~ L({}, 0:1) + C(time, Treatment(3)):{} | unit",
]


@pytest.mark.parametrize("name", NAMES)
def test_any_name_gives_what_a_plain_one_gives(name: str) -> None:
    data = frame()
    renamed = data.rename(columns={"x": name})
    for formula in FORMULAS:
        found = estimates(formula.replace("{}", f"`{name}`"), renamed)
        expected = estimates(formula.replace("{}", "x"), data)
        np.testing.assert_array_equal(found, expected, err_msg=formula)


@pytest.mark.parametrize("name", ["a:b", "a^b", "a+b", "a[b]", "a/b", "class", "1", "my state"])
def test_any_name_of_an_effect(name: str) -> None:
    data = frame().assign(state=lambda f: f["unit"] % 4, trend=lambda f: f["time"] ** 2.0)
    renamed = data.rename(columns={"state": name, "trend": "my:trend"})
    for formula in ("y ~ x | unit + {}^time", "y ~ x | {} + unit", "y ~ x | unit + {}[`my:trend`]"):
        found = pm.FixedEffects(formula.replace("{}", f"`{name}`"))
        expected = pm.FixedEffects(formula.replace("{}", "state").replace("`my:trend`", "trend"))
        np.testing.assert_array_equal(
            found.fit(pm.Panel(renamed, unit="unit", time="time")).params,
            expected.fit(pm.Panel(data, unit="unit", time="time")).params,
        )
    mixed = pm.MixedModel(f"y ~ x + (1 + `my:trend` | `{name}`)").fit(renamed)
    expected = pm.MixedModel("y ~ x + (1 + trend | state)").fit(data)
    np.testing.assert_array_equal(mixed.params, expected.params)
    assert list(mixed.random.parts[0].labels) == ["Intercept", "my:trend"]


def test_names_that_are_pieces_of_others() -> None:
    data = frame()
    pairs = [("gdp", "gdp per cap"), ("x", "x.y"), ("a b", "b"), ("a:b", "a"), ("µ", "µg")]
    for first, second in [*pairs, *((b, a) for a, b in pairs)]:
        renamed = data.rename(columns={"x": first, "z": second})
        for pattern in ("y ~ I({} - 2 * {})", "y ~ {}:{} + {}", "y ~ L({}, 1) + I({} / {})"):
            names = [f"`{name}`" for name in (first, second, first)]
            plain = ["x", "z", "x"]
            count = pattern.count("{}")
            np.testing.assert_array_equal(
                estimates(pattern.format(*names[:count]), renamed),
                estimates(pattern.format(*plain[:count]), data),
            )


def test_names_that_python_folds_stay_apart() -> None:
    # Compatibility characters: the micro sign folds into a Greek letter, a ligature into two.
    data = frame().rename(columns={"x": "µg", "z": "μg"})
    plain = estimates("y ~ I(x - 3 * z) + x", frame())
    np.testing.assert_array_equal(estimates("y ~ I(µg - 3 * μg) + µg", data), plain)
    np.testing.assert_array_equal(estimates("y ~ I(`µg` - 3 * `μg`) + `µg`", data), plain)


def test_columns_named_as_constants() -> None:
    data = frame().rename(columns={"x": "1", "z": "0"})
    panel = pm.Panel(data, unit="unit", time="time")
    fit = pm.PooledOLS("y ~ `1` + `0`").fit(panel)
    assert list(fit.params.index) == ["Intercept", "1", "0"]
    np.testing.assert_array_equal(fit.params, estimates("y ~ x + z", frame()))
    assert list(pm.PooledOLS("y ~ `1` - 1").fit(panel).params.index) == ["1"]
    assert list(pm.FixedEffects("y ~ `1` + `0`").fit(panel).params.index) == ["1", "0"]
    assert [str(t) for t in read_terms("1 + `1`")] == ["1", "1"]
    assert [len(t.factors) for t in read_terms("1 + `1`")] == [0, 1]


def test_a_regressor_named_as_the_constant() -> None:
    data = frame().rename(columns={"x": "Intercept"})
    panel, plain = (
        pm.Panel(data, unit="unit", time="time"),
        pm.Panel(frame(), unit="unit", time="time"),
    )
    fit = pm.FixedEffects("y ~ Intercept + z").fit(panel)
    expected = pm.FixedEffects("y ~ x + z").fit(plain)
    np.testing.assert_array_equal(fit.params, expected.params)
    np.testing.assert_array_equal(fit.predict(data), expected.predict(frame()))
    np.testing.assert_array_equal(fit.predict(), expected.predict())
    test, other = fit.model_test(), expected.model_test()
    assert test is not None and other is not None
    assert test.statistic == other.statistic
    difference = pm.FirstDifference("y ~ Intercept + z").fit(panel)
    assert pm.hausman(fit, difference).df == (2,)
    for spec in (
        pm.PooledOLS("y ~ Intercept"),
        pm.RandomEffects("y ~ Intercept"),
        pm.MixedModel("y ~ Intercept + (1 | unit)"),
        pm.MixedModel("y ~ z + (0 + Intercept | unit)"),
    ):
        with pytest.raises(FormulaError, match=r"'Intercept' has the name of the constant. Rename"):
            spec.fit(panel)
    without = pm.PooledOLS("y ~ 0 + Intercept + z").fit(panel)
    np.testing.assert_array_equal(without.params, estimates("y ~ 0 + x + z", frame()))
    np.testing.assert_array_equal(
        without.predict(data), pm.PooledOLS("y ~ 0 + x + z").fit(plain).predict(frame())
    )


def test_columns_whose_names_are_numbers() -> None:
    data = frame()
    renamed = data.rename(columns={"x": 5, "unit": 0, "time": 1})
    panel = pm.Panel(renamed, unit=0, time=1)  # type: ignore[arg-type]
    fit = pm.FixedEffects("y ~ `5` + I(`5`**2) | `0`").fit(panel)
    expected = pm.FixedEffects("y ~ x + I(x**2)").fit(pm.Panel(data, unit="unit", time="time"))
    np.testing.assert_array_equal(fit.params, expected.params)
    np.testing.assert_array_equal(fit.predict(renamed), expected.predict(data))
    indexed = pm.Panel(renamed.set_index([0, 1]))
    again = pm.FixedEffects("y ~ `5` + I(`5`**2)").fit(indexed)
    np.testing.assert_array_equal(again.params, expected.params)
    assert list(renamed.columns) == [0, 1, "y", 5, "z"]
    with pytest.raises(UnknownNameError, match=re.escape("Did you mean '5'?")):
        pm.PooledOLS("y ~ `55`").fit(panel)
    with pytest.raises(ColumnTypeError, match="Several columns have the same name: 5"):
        pm.Panel(renamed.assign(**{"5": 1.0}), unit="0", time="1")


def test_polars_names() -> None:
    data = frame().rename(columns={"x": "my var", "z": "class"})
    found = pm.PooledOLS("y ~ I(`my var` * `class`) + L(`class`)").fit(
        pm.Panel(pl.from_pandas(data), unit="unit", time="time")
    )
    np.testing.assert_allclose(found.params, estimates("y ~ I(x * z) + L(z)", frame()), rtol=1e-13)


def test_quoting_itself() -> None:
    masked = mask("`a b` + I(`a b`**2) + `x` + µ + 'a `b`' + L(`c`, -1 : 2)")
    assert list(masked.pieces.values()) == ["`a b`", "µ", "-1 : 2"]
    assert masked.restore(masked.code) == ("`a b` + I(`a b`**2) + x + µ + 'a `b`' + L(c, -1 : 2)")
    assert masked.code.isascii()
    assert [quote(name) for name in ("x", "my x", "class", "µ")] == [
        "x",
        "`my x`",
        "`class`",
        "`µ`",
    ]
    assert [unquote(text) for text in ("x", " `my x` ", "`")] == ["x", "my x", "`"]
    with pytest.raises(FormulaError, match="A backtick of 'y ~ `x' has no partner"):
        parse_formula("y ~ `x")
    assert parse_effect("`a^b`^c[`d, e`, f]") == Effect(("a^b", "c"), ("d, e", "f"))
    with pytest.raises(FormulaError, match="absorbs the column 'a\\^b' and a combination of the"):
        parse_formula("y ~ x | `a^b` + a^b")


@pytest.mark.parametrize("name", ["a+b", "a^b", "a:b", " a ", "1", "class"])
def test_options_take_names_in_backticks(name: str) -> None:
    data = frame()
    data["g"], data["w"] = data["unit"] // 2, 1.0 + data["unit"] % 3
    other = {"cov": f"cluster:`{name}`+time"}, {"cov": pm.cov.Clustered(f"`{name}`^time")}
    for column, options, changed in (
        ("g", {"cov": "cluster:g+time"}, other[0]),
        ("g", {"cov": pm.cov.Clustered("g^time")}, other[1]),
        ("w", {"weights": "w"}, {"weights": f"`{name}`"}),
        ("w", {"weights": "frequency:w"}, {"weights": f"frequency:`{name}`"}),
    ):
        named = pm.Panel(data.rename(columns={column: name}), unit="unit", time="time")
        right = pm.PooledOLS("y ~ x", **options).fit(pm.Panel(data, unit="unit", time="time"))
        fit = pm.PooledOLS("y ~ x", **changed).fit(named)
        np.testing.assert_array_equal(fit.cov, right.cov)


@pytest.mark.parametrize("name", ["a^b", " unit ", "a:b", "1"])
def test_the_unit_column_may_have_any_name(name: str) -> None:
    panel = pm.Panel(frame().rename(columns={"unit": name}), unit=name, time="time")
    for cov in ("cluster", "CR2", pm.cov.MultiplierBootstrap(reps=9)):
        fit = pm.FixedEffects("y ~ x", cov=cov).fit(panel)
        right = pm.FixedEffects("y ~ x", cov=cov).fit(pm.Panel(frame(), unit="unit", time="time"))
        np.testing.assert_array_equal(fit.cov, right.cov)
