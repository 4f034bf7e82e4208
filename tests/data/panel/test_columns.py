"""Columns of every type that arrow and polars have: read where they can be, refused in words."""

from __future__ import annotations

import re
import warnings
from decimal import Decimal
from io import BytesIO
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pytest

import panelml as pm
from panelml.errors import ColumnTypeError, MissingValueError

N = 180
RNG = np.random.default_rng(0)
LEVELS = ["lo", "mid", "hi"]
FRAME = pd.DataFrame(
    {
        "id": np.repeat(np.arange(30), 6),
        "t": np.tile(np.arange(6), 30),
        "g": RNG.choice(LEVELS, N),
        "x": RNG.integers(0, 9, N),
        "y": RNG.normal(size=N),
    }
)
TABLE = pa.Table.from_pandas(FRAME, preserve_index=False)
POLARS = pl.from_pandas(FRAME)


def put(name: str, column: Any) -> pa.Table:
    return TABLE.set_column(TABLE.schema.get_field_index(name), name, column)


def arrow(name: str, column: Any) -> pd.DataFrame:
    return FRAME.assign(**{name: pd.Series(column, dtype=pd.ArrowDtype(column.type))})


def runs(name: str) -> Any:
    return pc.run_end_encode(pa.array(FRAME[name].tolist()))


def read_by_polars(frame: pd.DataFrame) -> pl.DataFrame:
    file = BytesIO()
    frame.to_parquet(file)
    file.seek(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of releases that have no types of others
        return pl.read_parquet(file)


def keeps_periods() -> bool:
    """Whether this release of polars reads periods of pandas, with their frequency."""
    quarters = pd.DataFrame({"t": pd.period_range("2001Q1", periods=2, freq="Q")})
    try:
        return not read_by_polars(quarters)["t"].dtype.is_integer()
    except pl.exceptions.ComputeError:
        return False


POLARS_KEEPS_PERIODS = keeps_periods()


def frames() -> dict[str, Any]:
    found = {f"runs of {name}": put(name, runs(name)) for name in FRAME}
    found |= {f"runs of {name} under pandas": arrow(name, runs(name)) for name in ("id", "g", "x")}
    found |= {
        "decimal time": put("t", pa.array(FRAME["t"]).cast(pa.decimal128(38, 0))),
        "decimal regressor": put("x", pa.array(FRAME["x"]).cast(pa.decimal128(38, 0))),
        "half precision": put("x", pa.array(FRAME["x"].to_numpy(np.float16))),
        "months": put("id", pa.array([pa.MonthDayNano([int(i), 0, 0]) for i in FRAME["id"]])),
        "objects of polars": POLARS.with_columns(
            pl.Series("id", [("a", int(i)) for i in FRAME["id"]], dtype=pl.Object)
        ),
    }
    halves = [pa.array(part).dictionary_encode() for part in (FRAME["g"][:90], FRAME["g"][90:])]
    half = pa.array(FRAME["id"].to_numpy(np.float16))
    keys = pa.array([int(i).to_bytes(16, "big") for i in FRAME["id"]], pa.binary(16))
    found |= {
        "parts of a dictionary": put("g", pa.chunked_array(halves)),
        "half precision unit": put("id", half),
        "half precision under pandas": arrow("id", half),
        "months under pandas": arrow("id", found["months"]["id"]),
        "keys of bytes": put("id", keys),
        "sparse regressor": FRAME.assign(x=pd.arrays.SparseArray(FRAME["x"].to_numpy())),
        "sparse unit": FRAME.assign(id=pd.arrays.SparseArray(FRAME["id"].to_numpy())),
        "long double": FRAME.assign(x=FRAME["x"].astype(np.longdouble)),
    }
    if hasattr(pa, "decimal32"):
        decimals = pa.array([Decimal(int(k)) for k in FRAME["t"]], pa.decimal32(7, 2))
        found["short decimals under pandas"] = arrow("t", decimals)
    if hasattr(pa, "uuid"):
        found["uuids under pandas"] = arrow("id", pa.array(keys.to_pylist(), pa.uuid()))
    quarters = FRAME.assign(t=[pd.Period("2001Q1", "2Q") + int(k) for k in FRAME["t"]])
    stored = pa.Table.from_pandas(quarters, preserve_index=False)
    found |= {"periods in arrow": stored, "periods of arrow": arrow("t", stored["t"])}
    if POLARS_KEEPS_PERIODS:
        found["periods in a file that polars reads"] = read_by_polars(quarters)
    if hasattr(pl, "Int128"):
        found |= {
            "Int128 unit": POLARS.with_columns(pl.col("id").cast(pl.Int128)),
            "Int128 time": POLARS.with_columns(pl.col("t").cast(pl.Int128)),
            "Int128 regressor": POLARS.with_columns(pl.col("x").cast(pl.Int128)),
            "large Int128 unit": POLARS.with_columns(pl.col("id").cast(pl.Int128) + 2**100),
        }
    if hasattr(pa, "string_view"):
        views = pa.array(FRAME["g"].tolist(), pa.string_view())
        found |= {"views": put("g", views), "views under pandas": arrow("g", views)}
    return found


@pytest.mark.parametrize("name", frames())
def test_values_are_read_however_they_are_stored(name: str) -> None:
    frame = frames()[name]
    panel = pm.Panel(frame, unit="id", time="t")
    expected = pm.PooledOLS("y ~ g + x + L(x)").fit(pm.Panel(FRAME, unit="id", time="t"))
    found = pm.PooledOLS("y ~ g + x + L(x)").fit(panel)
    pd.testing.assert_series_equal(found.params, expected.params)
    np.testing.assert_allclose(found.predict(frame), expected.predict(FRAME))
    assert panel.join(panel.frame.select("id", "t", z="y"), on=["id", "t"]).columns[-1] == "z"


@pytest.mark.skipif(not POLARS_KEEPS_PERIODS, reason="this polars makes whole numbers of them")
def test_missing_periods_of_polars_are_missing() -> None:
    quarters = [pd.Period("2001Q1", "2Q") + int(k) if k else None for k in FRAME["t"]]
    frame = read_by_polars(FRAME.assign(q=pd.Series(quarters, dtype="period[2Q]")))
    found = pm.PooledOLS("y ~ C(q)").fit(pm.Panel(frame, unit="id", time="t"))
    means = FRAME[FRAME["t"] > 0].groupby("t")["y"].mean()
    np.testing.assert_allclose(found.params.iloc[1:], means.iloc[1:] - means.iloc[0])
    assert found.params.index[1] == "C(q)[T.2002Q1]"


@pytest.mark.parametrize("pandas", [False, True])
def test_a_missing_level_of_a_dictionary_is_a_missing_value(pandas: bool) -> None:
    codes = pa.array(pd.Categorical(FRAME["g"], LEVELS).codes, pa.int8())
    column = pa.DictionaryArray.from_arrays(codes, pa.array(["lo", None, "hi"]))
    frame = arrow("g", column) if pandas else put("g", column)
    found = pm.PooledOLS("y ~ g").fit(pm.Panel(frame, unit="id", time="t"))
    means = FRAME.groupby("g")["y"].mean()
    expected = [means["hi"], means["lo"] - means["hi"]]
    np.testing.assert_allclose(found.params.to_numpy(), expected, rtol=1e-10)
    assert found.nobs == (FRAME["g"] != "mid").sum()
    units = pa.DictionaryArray.from_arrays(pa.array(FRAME["id"]), pa.array([*range(29), None]))
    with pytest.raises(MissingValueError, match="'id' is missing in 6 rows"):
        pm.Panel(put("id", units), unit="id", time="t")


NESTED: dict[str, tuple[Any, str, str]] = {
    "records as units": (
        POLARS.with_columns(pl.struct("id").alias("id")),
        "id",
        "Column 'id' holds records or lists, such as {'id': 0}, not single",
    ),
    "lists as units": (
        POLARS.with_columns(pl.concat_list("id").alias("id")),
        "id",
        "Column 'id' holds records or lists, such as [0], not single values.",
    ),
    "records as time": (
        put("t", pa.array([{"a": k} for k in FRAME["t"]])),
        "t",
        "Column 't' holds records or lists, such as {'a': 0}, not single",
    ),
    "maps as units": (
        put("id", pa.array([[("a", 1)]] * N, pa.map_(pa.string(), pa.int64()))),
        "id",
        "Column 'id' holds records or lists, such as [('a', 1)], not single",
    ),
    "lists in a dictionary": (
        put("id", pa.DictionaryArray.from_arrays(pa.array([0] * N, pa.int8()), pa.array([[1, 2]]))),
        "id",
        "Column 'id' holds records or lists, such as [1, 2], not single",
    ),
    "records as regressor": (
        POLARS.with_columns(pl.struct("x").alias("x")),
        "x",
        "Column 'x' must be numeric, but holds records or lists, such as",
    ),
}


@pytest.mark.parametrize("name", NESTED)
def test_records_and_lists_are_refused_in_words(name: str) -> None:
    frame, column, words = NESTED[name]
    with pytest.raises(ColumnTypeError, match=re.escape(words)):
        pm.PooledOLS("y ~ x").fit(pm.Panel(frame, unit="id", time="t"))
    beside = pm.Panel(POLARS.with_columns(pl.struct("x").alias("nested")), unit="id", time="t")
    assert "nested" not in str(beside.variation()) and str(beside.describe())
    assert column in beside.columns
    table = pm.Panel(put("g", pa.array([[1, 2]] * N)), unit="id", time="t")
    with pytest.raises(ColumnTypeError, match="holds records or lists"):
        table.lag("g")


def test_levels_of_dummies_may_be_sparse() -> None:
    dummies = pd.get_dummies(FRAME["g"], sparse=True)
    panel = pm.Panel(pd.concat([FRAME, dummies], axis=1), unit="id", time="t")
    found = pm.FixedEffects("y ~ x | hi + t").fit(panel)
    expected = pm.FixedEffects("y ~ x | hi + t").fit(
        pm.Panel(FRAME.assign(hi=FRAME["g"] == "hi"), unit="id", time="t")
    )
    pd.testing.assert_series_equal(found.params, expected.params)


@pytest.mark.parametrize(
    ("column", "words"),
    [
        (pd.Categorical(FRAME["id"] % 2), "text or categories, such as 0 (row 0"),
        (pd.Categorical(FRAME["id"] % 2 > 0), "text or categories, such as False (row 0"),
        (pd.Series([pd.NA] * N), "The outcome 'x' must be numeric, but has no values."),
        (pa.array(pd.PeriodIndex(["2001Q1"] * N, freq="Q")), "dates or spans of time, such as 20"),
    ],
)
def test_values_that_are_no_numbers_are_named(column: Any, words: str) -> None:
    frame = put("x", column) if isinstance(column, pa.Array) else FRAME.assign(x=column)
    with pytest.raises(ColumnTypeError, match=re.escape(words)):
        pm.PooledOLS("x ~ y").fit(pm.Panel(frame, unit="id", time="t"))
