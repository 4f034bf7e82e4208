"""What formulas compute, and that they reach nothing else."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import panelml as pm
from panelml.data.formula.elementwise import ELEMENTWISE
from panelml.errors import ColumnTypeError, FormulaError, PanelmlError, UnknownNameError
from tests.data.frames import BACKENDS


def frame() -> pd.DataFrame:
    rng = np.random.default_rng(8)
    unit, time = np.repeat(np.arange(12), 5), np.tile(np.arange(5), 12)
    n = unit.size
    return pd.DataFrame(
        {
            "unit": unit,
            "time": time,
            "y": rng.normal(size=n),
            "x": rng.normal(size=n),
            "z": rng.uniform(0.5, 2.0, n),
            "k": rng.integers(0, 4, n),
            "d": rng.integers(0, 2, n),
            "f": rng.random(n) < 0.5,
            "g": np.array(["a", "b'c", 'd"e'])[rng.integers(0, 3, n)],
            "day": pd.Timestamp("2000-01-01") + pd.to_timedelta(rng.integers(0, 9, n), unit="D"),
        }
    )


def slope(formula: str, data: Any = None) -> np.ndarray:
    data = frame() if data is None else data
    fit = pm.PooledOLS(formula).fit(pm.Panel(data, unit="unit", time="time"))
    return fit.params.to_numpy()


def by_hand(*columns: Any) -> np.ndarray:
    y = frame()["y"].to_numpy()
    design = np.column_stack([np.ones(y.size), *(np.asarray(c, np.float64) for c in columns)])
    return np.linalg.lstsq(design, y, rcond=None)[0]


F = frame()
COMPUTED: dict[str, Any] = {
    "I((x > 0) + (z > 1))": (F.x > 0).astype(int) + (F.z > 1),
    "I((x > 0) - (z > 1))": (F.x > 0).astype(int) - (F.z > 1),
    "I((x > 0) * (z > 1))": (F.x > 0).astype(int) * (F.z > 1),
    "I(f + (k > 1) + d)": F.f.astype(int) + (F.k > 1) + F.d,
    "I(-f)": -F.f.astype(float),
    "I(+(x > 0))": F.x > 0,
    "I(f / 2)": F.f / 2,
    "np.add(f, x > 0)": F.f.astype(int) + (F.x > 0),
    "np.maximum(f, 0.5)": np.maximum(F.f.astype(float), 0.5),
    "I((x > 0) & (z > 1))": (F.x > 0) & (F.z > 1),
    "I(f | d)": F.f | (F.d == 1),
    "I(d & (x > 0))": (F.d == 1) & (F.x > 0),
    "I(~f)": ~F.f,
    "I(~d)": F.d == 0,
    "I((x > 0) ^ f)": (F.x > 0) ^ F.f,
    "I(~(x > 0) | (z < 1))": ~(F.x > 0) | (F.z < 1),
    "I(-1 < x < 1)": (F.x > -1) & (F.x < 1),
    "I(0 < z <= 1 < k)": (F.z <= 1) & (F.k > 1),
    "I(z ** -2)": F.z**-2.0,
    "I(z**.5 + 1.5E-1)": F.z**0.5 + 0.15,
    "I(2 ** k - 7 // 2 + k % 3)": 2.0**F.k - 3 + F.k % 3,
    "I(x * 1_000)": F.x * 1000,
    "I(g == 'a')": F.g == "a",
    'I(g == "b\'c")': F.g == "b'c",
    "I(g == 'd\"e')": F.g == 'd"e',
    "I(g != 'a') ": F.g != "a",
    "I('b' < g)": F.g > "b",
    "np.isin(g, ['a', \"b'c\"])": F.g.isin(["a", "b'c"]),
    "np.isin(k, [1, 3])": F.k.isin([1, 3]),
    "np.where(g == 'a', x, z)": np.where(F.g == "a", F.x, F.z),
    "np.where(d, x, 0)": F.x * F.d,
    "np.clip(x, -1, 1)": F.x.clip(-1, 1),
    "np.clip(x, a_min=0)": F.x.clip(0),
    "np.round(x, 1)": F.x.round(1),
    "np.digitize(x, [-1, 0, 1])": np.digitize(F.x, [-1, 0, 1]),
    "np.log1p(z) ": np.log1p(F.z),
    "np.log(np.pi * z)": np.log(np.pi * F.z),
    "I(x * np.float64(2.5) + np.int64(3))": F.x * 2.5 + 3,
    "I(day > '2000-01-04')": F.day > "2000-01-04",
    "I((day - np.datetime64('2000-01-01')) / np.timedelta64(1, 'D'))": F.day.dt.day - 1,
}


@pytest.mark.parametrize("backend", BACKENDS)
def test_values_are_those_of_arithmetic(backend: str) -> None:
    data = BACKENDS[backend](frame())
    for text, column in COMPUTED.items():
        found = slope(f"y ~ {text}", data)
        np.testing.assert_allclose(found, by_hand(column), rtol=1e-8, err_msg=text)


def test_levels_of_computed_categories() -> None:
    fit = pm.PooledOLS("y ~ C(k // 2) + C(x > 0) + C(np.where(z > 1, 'hi', 'lo'))")
    found = fit.fit(pm.Panel(frame(), unit="unit", time="time")).params
    assert list(found.index[1:]) == [
        "C(k // 2)[T.1]",
        "C(x > 0)[T.True]",
        "C(np.where(z > 1, 'hi', 'lo'))[T.lo]",
    ]
    np.testing.assert_allclose(found, by_hand(F.k // 2, F.x > 0, F.z <= 1), rtol=1e-9)


def test_functions_are_of_single_rows() -> None:
    rng = np.random.default_rng(1)
    x = rng.uniform(0.1, 0.9, 50)
    others = {"np.where": (x, x), "np.isin": ([0.5],), "np.digitize": ([0.5],)}
    for name, function in ELEMENTWISE.items():
        if name in ("np.str_", "np.datetime64", "np.timedelta64"):
            continue
        count = getattr(getattr(np, name.removeprefix("np."), None), "nin", 1)
        rest = others.get(name, (x,) * (count - 1))
        with np.errstate(all="ignore"):
            whole = np.broadcast_to(function(x, *rest), x.shape)
            halves = [
                np.broadcast_to(
                    function(x[part], *(r if isinstance(r, list) else r[part] for r in rest)), 25
                )
                for part in (slice(25), slice(25, None))
            ]
        np.testing.assert_array_equal(whole, np.concatenate(halves), err_msg=name)
        assert whole.dtype.kind in "fbi", name


REACHING = [
    "np.load('{}')",
    "np.save('{}', x)",
    "np.savetxt('{}', x)",
    "np.fromfile('{}')",
    "np.genfromtxt('{}')",
    "np.memmap('{}')",
    "x.tofile('{}')",
    "np.ndarray.tofile(x, '{}')",
    "np.lib.npyio.DataSource()",
    "np.ctypeslib.load_library('{}', '.')",
    "np.show_config()",
    "np.add.reduce(x)",
    "np.log.__call__(x)",
    "np.random.normal(x)",
    "np.vectorize(x)",
    "np.frompyfunc(x, 1, 1)",
    "np.array(x)",
    "np.put(x, 0, 1)",
    "np.copyto(x, z)",
    "x.__class__",
    "I(x.__class__)",
    "I(().__class__)",
    "I('a'.format(x))",
    "g.str.upper()",
    "C(g.str.len())",
    "I(x.fill(0))",
    "x.sort()",
    "__import__('os')",
    "eval('1')",
    "open('{}')",
    "exec('1')",
    "getattr(x, 'T')",
    "globals()",
    "I(__builtins__)",
    "print(x)",
    "C(open('{}'))",
    "C(g, open('{}'))",
    "C(g, contrasts=np.load('{}'))",
    "C(g, contr.__class__)",
    "C(g, Treatment.__init__)",
    "C(g, Treatment(np.load('{}')))",
    "C(g, levels=np.load('{}'))",
    "i(g, ref=np.load('{}'))",
    "i(g, open('{}'))",
    "L(x, np.load('{}'))",
    "L(np.load('{}'))",
    "D(x, __import__('os'))",
    "within(np.load('{}'))",
    "poly(x, np.load('{}'))",
    "poly(np.load('{}'))",
    "bs(x, knots=np.load('{}'))",
    "cr(x, constraints=open('{}'))",
    "np.where(np.load('{}'), x, z)",
    "I((lambda: x)())",
    "I([x for x in [1]])",
    "I({k: 1 for k in [1]})",
    "I(f'{x}')",
    "I((y := x))",
    "I(x if 1 else z)",
    "I(x and z)",
    "I(not x)",
    "I(x is z)",
    "I(x in [1])",
    "I(x @ z)",
    "I(x << 2)",
    "I(x[0])",
    "x[0]",
    "I(x[::-1])",
    "log(*[x])",
    "log(**x)",
    "I(1j * x)",
    "I(b'a')",
    "np.log(x, out=x)",
    "np.log(x, x)",
    "np.add(x, z, x)",
    "np.log(x, where=f)",
    "np.log(x, dtype='float16')",
    "np.log",
    "I(np)",
    "I(np.log)",
    "Q('x')",
    "hashed(x)",
]


@pytest.mark.parametrize("text", REACHING)
def test_formulas_reach_nothing_else(text: str, tmp_path: Path) -> None:
    path = tmp_path / "values.npy"
    np.save(path, np.ones(len(F)))
    before, data = path.read_bytes(), frame()
    with pytest.raises(PanelmlError):
        slope(f"y ~ {text.replace('{}', str(path))}", data)
    with pytest.raises(PanelmlError):
        slope(f"{text.replace('{}', str(path))} ~ x", data)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["values.npy"]
    pd.testing.assert_frame_equal(data, frame())


SAID: dict[str, tuple[type[Exception], str]] = {
    "I(x^2)": (FormulaError, "'I(x ^ 2)' has '^': write x ** 2 for a power."),
    "I((x + z)^2)": (FormulaError, "write (x + z) ** 2 for a power."),
    "I(f^k)": (FormulaError, "write f ** k for a power."),
    "ln(x)": (UnknownNameError, "names 'ln', which is no function. Write log(x)."),
    "polynomial(x, 2)": (UnknownNameError, "Write poly(x, 2)."),
    "polly(x, 2)": (UnknownNameError, "Did you mean 'poly'?"),
    "factor(g)": (UnknownNameError, "Write C(x)."),
    "sin(x)": (UnknownNameError, "Did you mean 'np.sin'?"),
    "lead(x)": (UnknownNameError, "Write F(x, 1)."),
    "np.load('f')": (FormulaError, "np.load is not among NumPy's functions of single rows"),
    "np.sine(x)": (FormulaError, "Did you mean 'np.sin'?"),
    "np.mean(x)": (FormulaError, "a value that depends on the other units' rows"),
    "x.mean()": (FormulaError, "a value that depends on the other units' rows"),
    "log(g.a)": (FormulaError, "Put a column's name in backticks, `g.a`"),
    "I(x > 0 & z > 1)": (FormulaError, "Put each condition in parentheses, as (a > 0) & (b > 0)."),
    "I(k & f)": (FormulaError, "combine conditions, or columns of 0 and 1."),
    "I(~x)": (FormulaError, "combine conditions, or columns of 0 and 1."),
    "I(x and z)": (FormulaError, "Write (a > 0) & (b > 0) for both"),
    "I(x in [1, 2])": (FormulaError, "Write np.isin(a, [1, 2])."),
    "I(x if d else z)": (FormulaError, "Write np.where(a > 0, b, c)."),
    "I(x == 'a')": (FormulaError, "text such as 'a' stands against numbers such as"),
    "C(g == 1)": (FormulaError, "stands against numbers such as 1.0. Text goes with text"),
    "np.isin(g, [1])": (FormulaError, "stands against numbers"),
    "I(g + 1)": (FormulaError, "stands against numbers"),
    "I(x == None)": (FormulaError, "None cannot be computed with"),
    "log(g)": (ColumnTypeError, "log() needs numbers, not values such as"),
    "I(x * 9007199254740993)": (FormulaError, "9007199254740993 has more digits than double"),
    "log(poly(x, 2))": (FormulaError, "several variables at once, cannot be computed with"),
    "poly(x, 0)": (FormulaError, "gives 0 values for 60 rows"),
    "poly(x, z)": (FormulaError, "poly() takes one variable first, and then constants."),
    "np.log(x, z)": (FormulaError, "np.log() takes 1 value, not 2."),
    "np.log(x, out=x)": (FormulaError, "np.log() got an unexpected keyword argument 'out'."),
    "within(x, 1)": (FormulaError, "within() takes a variable, and nothing else."),
    "L(x, 1, 2)": (FormulaError, "L() takes a variable and a number of periods, k, and nothing el"),
    "L(x, K=2)": (FormulaError, "L() takes a variable and a number of periods, k, and nothing el"),
    "L(class)": (FormulaError, "'class' is a word of Python: a column of that name stands in back"),
    "L(day)": (ColumnTypeError, "gives values such as 2000-01-"),
    "C(g, Treatment('z'))": (FormulaError, "'z' is none of those of the estimation sample, a, b'c"),
    "C(k, Treatment(9))": (
        FormulaError,
        "9 is none of those of the estimation sample, 0, 1, 2, 3.",
    ),
}


@pytest.mark.parametrize("text", SAID)
def test_refusals_say_what_to_write(text: str) -> None:
    error, words = SAID[text]
    with pytest.raises(error, match=re.escape(words)):
        slope(f"y ~ {text}")


@pytest.mark.parametrize("unit", ["ns", "us", "s"])
@pytest.mark.parametrize("backend", BACKENDS)
def test_dates_are_no_numbers_however_fine(backend: str, unit: str) -> None:
    data = BACKENDS[backend](frame().assign(day=F.day.astype(f"datetime64[{unit}]")))
    np.testing.assert_allclose(
        slope("y ~ I(day > '2000-01-04')", data), by_hand(F.day > "2000-01-04")
    )
    for text in ("day", "L(day)", "np.where(x > 0, day, day)", "I(day)"):
        with pytest.raises(PanelmlError, match=r"dates or spans of time|no numbers|needs numbers"):
            slope(f"y ~ {text}", data)


@pytest.mark.parametrize("backend", BACKENDS)
def test_whole_numbers_that_would_be_rounded(backend: str) -> None:
    first = 2**60
    data = frame().assign(big=first + np.arange(len(F)), ok=first + 4096 * np.arange(len(F)))
    panel = pm.Panel(BACKENDS[backend](data), unit="unit", time="time")
    words = r"'big' holds whole numbers that double precision rounds, such as 1152921504606846977"
    for formula in ("y ~ big", "y ~ L(big)", "big ~ x", "I(big - x) ~ z", "y ~ C(big > 5)"):
        with pytest.raises(ColumnTypeError, match=words):
            pm.PooledOLS(formula).fit(panel)
    place = np.arange(len(F))
    found = pm.PooledOLS("y ~ I((ok - 1152921504606846976) / 4096)").fit(panel)
    np.testing.assert_allclose(found.params, by_hand(place), rtol=1e-9)


def test_values_in_messages_are_written_plainly() -> None:
    data = frame().assign(year=lambda f: f["time"].astype("int16") + 2000)
    panel = pm.Panel(data, unit="unit", time="time")
    for act in (
        lambda: pm.PooledOLS("y ~ C(year, Treatment(1990))").fit(panel),
        lambda: pm.PooledOLS("y ~ i(year, ref=1990)").fit(panel),
        lambda: pm.CallawaySantAnna("y ~ 1", cohort="g").fit(panel),
        lambda: pm.WildBootstrap(reps=np.int64(-3)),
        lambda: pm.PooledOLS("y ~ L(x, np.float64(0.5))").fit(panel),
        lambda: pm.EventStudy("y ~ 1", cohort="k", window=(np.int64(2), np.float64(1.5))),
    ):
        with pytest.raises((PanelmlError, AttributeError)) as caught:
            act()
        assert "np." not in str(caught.value)
