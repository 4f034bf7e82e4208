"""Keys of any type: order, the time axis, and what is refused."""

from __future__ import annotations

import datetime as dt
import re
import uuid
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import panelml as pm
from panelml.data.panel.codes import Codes, combine, factorize
from panelml.errors import (
    ColumnTypeError,
    DataError,
    DuplicateIndexError,
    EmptyDataError,
    MissingValueError,
    SpecificationError,
    UnknownNameError,
)
from tests.data.frames import BACKENDS, small

UNITS: dict[str, list[Any]] = {
    "int": [7, 3, 12],
    "int8": list(np.array([100, -100, 5], dtype=np.int8)),
    "uint64": list(np.array([2**63 + 5, 1, 2**63], dtype=np.uint64)),
    "far apart": [10**15, -(10**15), 0],
    "float": [1.5, -2.0, 0.25],
    "text": ["north", "east", "west"],
    "tuple": [("b", 1), ("a", 2), ("a", 1)],
    "uuid": [uuid.UUID(int=9), uuid.UUID(int=2), uuid.UUID(int=5)],
    "date": [dt.date(2001, 1, 1), dt.date(1999, 1, 1), dt.date(2000, 1, 1)],
}
PERIODS: dict[str, tuple[Any, str]] = {
    "int": ([1999, 2000, 2002], "1"),
    "float": ([0.25, 0.5, 1.0], "0.25"),
    "whole float": ([1.0, 2.0, 4.0], "1"),
    "year starts": (pd.to_datetime(["1999-01-01", "2000-01-01", "2002-01-01"]), "1 year"),
    "month ends": (pd.to_datetime(["2020-01-31", "2020-02-29", "2020-04-30"]), "1 month"),
    "quarters": (pd.to_datetime(["2020-01-01", "2020-04-01", "2020-10-01"]), "1 quarter"),
    "weeks": (pd.to_datetime(["2020-01-06", "2020-01-13", "2020-01-27"]), "1 week"),
    "hours": (
        pd.to_datetime(["2020-01-01 00:00", "2020-01-01 06:00", "2020-01-01 18:00"]),
        "6 hours",
    ),
    "zoned days": (
        pd.to_datetime(["2020-03-28", "2020-03-29", "2020-03-31"]).tz_localize("Europe/Berlin"),
        "1 day",
    ),
    "date objects": ([dt.date(1999, 5, 1), dt.date(2000, 5, 1), dt.date(2002, 5, 1)], "1 year"),
    "Period": (pd.PeriodIndex(["2000Q1", "2000Q2", "2000Q4"], freq="Q"), "1 quarter"),
    "timedelta": (pd.to_timedelta([0, 1, 3], unit="D"), "1 day"),
    "objects of int": (np.array([1999, 2000, 2002], dtype=object), "1"),
    "beyond floats": ([2**60 + 1, 2**60 + 2, 2**60 + 4], "1"),
    "beyond int64": (np.array([2**63 + 1, 2**63 + 2, 2**63 + 4], dtype=np.uint64), "1"),
    "decimals": ([Decimal("0.25"), Decimal("0.50"), Decimal("1.00")], "0.25"),
    "whole decimals": ([Decimal(1), Decimal(2), Decimal(4)], "1"),
    "two quarters": (pd.PeriodIndex(["2000Q1", "2000Q3", "2001Q3"], freq="2Q"), "2 quarters"),
    "six months": (pd.PeriodIndex(["2000-01", "2000-07", "2001-07"], freq="6M"), "6 months"),
    "two weeks": (pd.PeriodIndex(["2000-01-03", "2000-01-17", "2000-02-14"], freq="2W"), "2 weeks"),
    "last business days": (pd.to_datetime(["2001-11-30", "2001-12-31", "2002-02-28"]), "1 month"),
    "last moments of months": (
        pd.PeriodIndex(["2001-11", "2001-12", "2002-02"], freq="M").to_timestamp(how="end"),
        "1 month",
    ),
    "noons of ends of quarters": (
        pd.to_datetime(["2001-03-31 12:00", "2001-06-30 12:00", "2001-12-31 12:00"]),
        "1 quarter",
    ),
    "last Fridays": (pd.to_datetime(["2001-09-28", "2001-10-26", "2001-12-28"]), "1 month"),
    "first business days": (
        pd.to_datetime(["2002-01-01", "2002-04-01", "2002-10-01"]),
        "1 quarter",
    ),
    "ends of fiscal years": (pd.to_datetime(["2001-06-29", "2002-06-28", "2004-06-30"]), "1 year"),
    "Stata's weeks": (pd.to_datetime(["2009-12-17", "2009-12-24", "2010-01-08"]), "1 week"),
    "YYYYMM": ([200111, 200112, 200202], "1 month (read as YYYYMM)"),
    "floats YYYYMM": ([200111.0, 200112.0, 200202.0], "1 month (read as YYYYMM)"),
    "YYYYQ": ([20013, 20014, 20022], "1 quarter (read as YYYYQ)"),
    "days of a year": ([20011030, 20011031, 20011102], "1 day (read as YYYYMMDD)"),
    "ends of months of a year": ([20010131, 20010228, 20010430], "1 month (read as YYYYMMDD)"),
    "days of a month": ([20011025, 20011026, 20011028], "1"),
    "YYYYMMDD": ([20011231, 20020101, 20020103], "1 day (read as YYYYMMDD)"),
    "no month": ([200100, 200101, 200103], "1"),
    "months of a year": ([200101, 200102, 200104], "1"),
}


def crossed(units: Any, times: Any) -> pd.DataFrame:
    """Each unit in each period, rows shuffled; ``row`` is the place of the row when sorted."""
    u, t = len(units), len(times)
    unit = pd.Series(list(units)) if isinstance(units, list) else pd.Series(units)
    frame = pd.DataFrame(
        {
            "unit": unit.iloc[np.repeat(np.arange(u), t)].reset_index(drop=True),
            "time": pd.Series(times).iloc[np.tile(np.arange(t), u)].reset_index(drop=True),
        }
    )
    return frame.sample(frac=1, random_state=3).reset_index(drop=True)


@pytest.mark.parametrize("name", UNITS)
def test_units_of_any_type_are_sorted(name: str) -> None:
    labels = UNITS[name]
    panel = pm.Panel(crossed(labels, [1, 2]), unit="unit", time="time")
    assert panel.index.units.tolist() == sorted(labels)
    assert panel.key_labels().tolist() == list(panel.to_native().itertuples(index=False, name=None))
    assert panel.index.sizes.tolist() == [2, 2, 2]


def test_units_that_cannot_be_compared_come_as_they_appear() -> None:
    mixed = pd.DataFrame({"unit": [2, "a", 2, "a", 1], "time": [1, 2, 2, 1, 1]})
    assert pm.Panel(mixed, unit="unit", time="time").index.units.tolist() == [1, 2, "a"]
    key = uuid.UUID(int=5)
    frame = pd.DataFrame({"unit": [key, ("a", 1), key, ("a", 1), 1], "time": [1, 2, 2, 1, 1]})
    panel = pm.Panel(frame, unit="unit", time="time")
    assert panel.index.units.tolist() == [key, ("a", 1), 1]
    assert panel.index.sizes.tolist() == [2, 2, 1]


@pytest.mark.parametrize("kind", ["category", "ordered", "enum", "polars categorical"])
def test_categories_as_units(kind: str) -> None:
    frame: Any = crossed(["b", "a", "c"], [1, 2])
    if kind in ("category", "ordered"):
        values = pd.Categorical(
            frame["unit"], categories=["z", "c", "b", "a"], ordered=kind == "ordered"
        )
        frame = frame.assign(unit=values)
    else:
        dtype = pl.Enum(["z", "c", "b", "a"]) if kind == "enum" else pl.Categorical()
        frame = pl.from_pandas(frame).with_columns(pl.col("unit").cast(dtype))
    panel = pm.Panel(frame, unit="unit", time="time")
    assert sorted(panel.index.units) == ["a", "b", "c"]
    if kind != "polars categorical":
        assert panel.index.units.tolist() == ["c", "b", "a"]
    assert panel.index.sizes.tolist() == [2, 2, 2]


@pytest.mark.parametrize("name", PERIODS)
def test_times_of_any_type_lie_on_a_grid(name: str) -> None:
    times, delta = PERIODS[name]
    panel = pm.Panel(crossed([1, 2], times), unit="unit", time="time")
    assert panel.index.steps.tolist() == ([0, 1, 3])
    assert panel.index.delta == delta
    assert list(panel.index.times) == list(pd.Series(times).sort_values().to_numpy()) or list(
        map(str, panel.index.times)
    ) == list(map(str, times))
    lag = panel.assign(x=np.arange(6.0)).lag("x")
    assert int(lag.notna().sum()) == 2


def test_weekends_are_no_gap_between_business_days() -> None:
    days = pd.bdate_range("2001-10-03", periods=9).delete(6)
    index = pm.Panel(pd.DataFrame({"u": 1, "t": days}), unit="u", time="t").index
    assert index.delta == "1 business day"
    assert index.steps.tolist() == [0, 1, 2, 3, 4, 5, 7, 8]
    every = pd.date_range("2001-10-03", periods=9)
    index = pm.Panel(pd.DataFrame({"u": 1, "t": every}), unit="u", time="t").index
    assert (index.delta, index.steps.tolist()) == ("1 day", list(range(9)))


def test_written_dates_are_numbers_where_delta_says_so() -> None:
    frame = pd.DataFrame({"u": 1, "t": [200111, 200112, 200201]})
    assert pm.Panel(frame, unit="u", time="t").index.steps.tolist() == [0, 1, 2]
    assert pm.Panel(frame, unit="u", time="t", delta=1).index.steps.tolist() == [0, 1, 90]


def test_numbers_such_as_201004_are_quarters_where_none_is_left_out() -> None:
    frame = pd.DataFrame({"u": 1, "t": [200103, 200104, 200201]})
    index = pm.Panel(frame, unit="u", time="t").index
    assert (index.delta, index.steps.tolist()) == ("1 quarter (read as YYYY0Q)", [0, 1, 2])
    frame["t"] = [200101, 200104, 200201]
    index = pm.Panel(frame, unit="u", time="t").index
    assert (index.delta, index.steps.tolist()) == ("1 quarter (read as YYYYMM)", [0, 1, 4])


HALVES: dict[str, tuple[Any, list[int]]] = {
    "dates": (pd.date_range("2001-03-31", periods=5, freq=pd.offsets.QuarterEnd()), [0, 2, 4]),
    "days": (pd.date_range("2001-03-05", periods=5, freq="7D"), [0, 2, 4]),
    "periods": (pd.period_range("2001Q1", periods=5, freq="Q"), [0, 2, 4]),
    "YYYYQ": ([20013, 20014, 20021, 20022, 20023], [0, 2, 4]),
    "quarters of numbers": ([0.25, 0.5, 0.75, 1.0, 1.25], [0, 2, 4]),
    "categories": (pd.Categorical(list("edcba"), list("edcba"), ordered=True), [0, 2, 4]),
    "spans": (pd.to_timedelta(range(5), unit="h"), [0, 2, 4]),
}


@pytest.mark.parametrize("name", HALVES)
def test_selected_rows_keep_the_step(name: str) -> None:
    times, steps = HALVES[name]
    frame = pd.DataFrame({"u": 1, "t": times, "x": np.arange(5.0)})
    panel = pm.Panel(frame, unit="u", time="t")
    second = np.arange(5) % 2 == 0
    for selected in (
        panel.filter(second),
        panel.select(["x"]).filter(second),
        panel.assign(z=1).filter(second),
    ):
        assert selected.index.steps.tolist() == steps
        assert selected.index.delta == panel.index.delta
        assert selected.lag("x").isna().all()
    assert panel.filter(np.arange(5) == 3).index.delta == panel.index.delta


def test_times_without_neighbours_are_said_and_what_to_do() -> None:
    def remedy(times: Any) -> str:
        return pm.Panel(pd.DataFrame({"u": 1, "t": times}), unit="u", time="t").index.remedy

    assert remedy([2000, 2010, 2030]) == (
        "All periods are 10 apart, or a multiple of that: with Panel(..., delta=10) that is one "
        "step."
    )
    assert remedy([2000, 2001, 2005]) == ""
    assert "no common step but 1 day" in remedy(
        pd.to_datetime(["2001-01-05", "2001-03-17", "2001-04-02"])
    )
    assert "no common step but 1: turn them" in remedy([2000, 2003, 2005])
    yearly = pd.PeriodIndex(["2000Q1", "2001Q1", "2003Q1"], freq="Q")
    assert "All periods are 4 times 1 quarter apart" in remedy(yearly)


def test_times_of_polars_and_ordered_categories() -> None:
    days = [dt.date(2020, 1, 1), dt.date(2020, 2, 1), dt.date(2020, 4, 1)]
    frame = pl.DataFrame({"unit": [1, 1, 1], "time": days})
    assert pm.Panel(frame, unit="unit", time="time").index.steps.tolist() == [0, 1, 3]
    stamps = frame.with_columns(pl.col("time").cast(pl.Datetime("us")))
    assert pm.Panel(stamps, unit="unit", time="time").index.delta == "1 month"
    waves = pl.Series(["pre", "post", "later"], dtype=pl.Enum(["pre", "mid", "post", "later"]))
    panel = pm.Panel(
        pl.DataFrame({"unit": [1, 1, 1], "time": waves[[2, 0, 1]]}), unit="unit", time="time"
    )
    assert panel.index.times.tolist() == ["pre", "post", "later"]
    assert panel.index.steps.tolist() == [0, 2, 3]
    ordered = pd.Categorical(["post", "pre"], categories=["pre", "post"], ordered=True)
    panel = pm.Panel(pd.DataFrame({"unit": [1, 1], "time": ordered}), unit="unit", time="time")
    assert panel.index.times.tolist() == ["pre", "post"]


def test_zoned_times_follow_the_local_clock_or_the_universal_one() -> None:
    local = pd.date_range("2020-10-24", periods=4, freq="D", tz="Europe/Berlin")
    hours = pd.date_range("2020-10-24 22:00", periods=5, freq="h", tz="UTC")
    spring = pd.date_range("2020-03-28 23:00", periods=5, freq="h", tz="UTC")
    years = pd.to_datetime(["2000-01-01", "2001-01-01"]).tz_localize("US/Eastern")
    for times, delta in (
        (local, "1 day"),
        (hours.tz_convert("Europe/Berlin"), "1 hour"),
        (spring.tz_convert("Europe/Berlin"), "1 hour"),
        (years, "1 year"),
    ):
        frame = pd.DataFrame({"unit": 1, "time": times})
        for data in (frame, pl.from_pandas(frame), pa.Table.from_pandas(frame)):
            index = pm.Panel(data, unit="unit", time="time").index
            assert index.delta == delta
            assert index.steps.tolist() == list(range(len(times)))


def test_arrow_dictionaries_are_categories() -> None:
    table = pa.table({"unit": pa.array(["b", "a", "b"]).dictionary_encode(), "time": [2, 1, 1]})
    panel = pm.Panel(table, unit="unit", time="time")
    assert panel.index.units.tolist() == ["a", "b"]
    assert panel.index.sizes.tolist() == [1, 2]


def categories(frame: pd.DataFrame, kind: str) -> Any:
    """Levels lo < mid < hi, whose order a type declares or does not."""
    levels = ["lo", "mid", "hi"]
    if kind.startswith("pandas"):
        return frame.assign(g=pd.Categorical(frame["g"], levels, ordered=kind == "pandas ranked"))
    if kind.startswith("polars"):
        dtype = pl.Enum(levels) if kind == "polars Enum" else pl.Categorical()
        return pl.from_pandas(frame).with_columns(pl.col("g").cast(dtype))
    if kind == "texts":
        return frame
    codes = pa.array(pd.Categorical(frame["g"], levels).codes, pa.int8())
    if kind == "arrow":
        column = pa.array(frame["g"].tolist()).dictionary_encode()
    else:
        column = pa.DictionaryArray.from_arrays(codes, pa.array(levels), ordered=True)
    if kind == "arrow under pandas":
        return frame.assign(g=pd.Series(column, dtype=pd.ArrowDtype(column.type)))
    table = pa.Table.from_pandas(frame, preserve_index=False)
    return table.set_column(table.schema.get_field_index("g"), "g", column)


@pytest.mark.parametrize(
    ("kind", "order"),
    [
        ("texts", ["hi", "lo", "mid"]),
        ("polars Categorical", ["hi", "lo", "mid"]),
        ("arrow", ["hi", "lo", "mid"]),
        ("pandas", ["lo", "mid", "hi"]),
        ("pandas ranked", ["lo", "mid", "hi"]),
        ("polars Enum", ["lo", "mid", "hi"]),
        ("arrow ranked", ["lo", "mid", "hi"]),
        ("arrow under pandas", ["lo", "mid", "hi"]),
    ],
)
def test_levels_do_not_follow_the_order_of_rows(kind: str, order: list[str]) -> None:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "id": np.repeat(np.arange(30), 6),
            "t": np.tile(np.arange(6), 30),
            "g": rng.choice(order, 180),
            "y": rng.normal(size=180),
        }
    )
    means = frame.groupby("g")["y"].mean()
    for seed in range(3):
        shuffled = frame.sample(frac=1, random_state=seed).reset_index(drop=True)
        panel = pm.Panel(categories(shuffled, kind), unit="id", time="t")
        assert panel.labels(("g",)).tolist() == order
        params = pm.PooledOLS("y ~ g").fit(panel).params
        assert list(params.index) == ["Intercept", f"g[T.{order[1]}]", f"g[T.{order[2]}]"]
        expected = [means[order[0]], *(means[order[1:]] - means[order[0]])]
        np.testing.assert_allclose(params, expected, rtol=1e-10)


def test_delta_sets_the_grid() -> None:
    frame = pd.DataFrame({"unit": 1, "time": [2000, 2002, 2006], "x": [1.0, 2.0, 3.0]})
    assert pm.Panel(frame, unit="unit", time="time").lag("x").isna().all()
    panel = pm.Panel(frame, unit="unit", time="time", delta=2)
    assert panel.index.steps.tolist() == [0, 1, 3]
    assert panel.lag("x").tolist()[1] == 1.0
    assert panel.filter(frame["time"] > 2000).index.steps.tolist() == [0, 2]


@pytest.mark.parametrize("backend", BACKENDS)
def test_row_order_does_not_matter(backend: str) -> None:
    frame = small()
    panel = pm.Panel(BACKENDS[backend](frame), unit="unit", time="time")
    ordered = frame.sort_values(["unit", "time"])
    assert panel.index.units.tolist() == ["a", "b", "c"]
    assert panel.index.starts.tolist() == [0, 3, 7, 9]
    assert panel.index.times[panel.index.time].tolist() == ordered["time"].tolist()
    np.testing.assert_array_equal(panel.values("x"), ordered["x"])
    np.testing.assert_array_equal(panel.index.unsort(panel.values("x")), frame["x"])
    assert [panel.index.position(i) for i in range(9)] == ordered.index.tolist()


def test_long_and_sparse_panels_sort_the_same() -> None:
    rng = np.random.default_rng(1)
    frame = pd.DataFrame({"unit": rng.integers(0, 50, 400), "time": rng.integers(0, 10**6, 400)})
    frame = frame.drop_duplicates()
    panel = pm.Panel(frame, unit="unit", time="time")
    ordered = frame.sort_values(["unit", "time"])
    assert panel.index.times[panel.index.time].tolist() == ordered["time"].tolist()
    assert panel.index.units[panel.index.unit].tolist() == ordered["unit"].tolist()


def test_sorted_columns_are_not_copied() -> None:
    frame = pd.DataFrame({"unit": np.repeat([1, 2], 3), "time": np.tile([1, 2, 3], 2)})
    frame["x"], frame["n"] = np.arange(6.0), np.arange(6)
    panel = pm.Panel(frame, unit="unit", time="time")
    assert panel.index.order is None
    for name in ("x", "n"):
        assert np.shares_memory(panel.values(name), frame[name].to_numpy())
    polars = pl.DataFrame({"unit": [1, 1], "time": [1, 2], "x": [0.5, 1.5]})
    assert np.shares_memory(
        pm.Panel(polars, unit="unit", time="time").values("x"), polars["x"].to_numpy()
    )


def test_multiindex_needs_no_names() -> None:
    frame = small()
    indexed = frame.set_index(["unit", "time"])
    panel = pm.Panel(indexed)
    assert (panel.unit, panel.time) == ("unit", "time")
    assert panel.columns[:2] == ["unit", "time"]
    named = pm.Panel(frame, unit="unit", time="time")
    np.testing.assert_array_equal(panel.values("x"), named.values("x"))
    both = frame.set_index(["unit", "time"], drop=False)
    assert pm.Panel(both).nobs == 9
    assert pm.Panel(both, unit="unit", time="time").nobs == 9
    nameless = indexed.rename_axis([None, None])
    assert pm.Panel(nameless).columns[:2] == ["unit", "time"]
    by_level = frame.set_index("unit")
    assert pm.Panel(by_level, unit="unit", time="time").n_units == 3


def refusals() -> dict[str, tuple[Callable[[], object], type[Exception], str]]:
    frame = small()
    duplicated = pd.concat([frame, frame.iloc[[1, 2]]], ignore_index=True)
    missing = frame.assign(unit=frame["unit"].where(frame.index != 3))
    late = frame.assign(time=frame["time"].where(frame.index < 7).astype("float"))
    wide = frame.rename(columns={"n": "x"})
    lazy = pl.from_pandas(frame).lazy()
    clash = frame.set_index(["unit", "time"]).assign(unit="z")
    three = frame.set_index(["unit", "time", "n"])
    texts = frame.assign(time=frame["time"].astype(str))
    return {
        "duplicates": (
            lambda: pm.Panel(duplicated, unit="unit", time="time"),
            DuplicateIndexError,
            "2 rows repeat a (unit, time) pair: unit=a, time=1 (rows 1 and 9), "
            "unit=c, time=4 (rows 2 and 10). Aggregate them",
        ),
        "duplicates of polars": (
            lambda: pm.Panel(pl.from_pandas(duplicated), unit="unit", time="time"),
            DuplicateIndexError,
            "2 rows repeat a (unit, time) pair: unit=a, time=1 (rows 1 and 9)",
        ),
        "missing unit": (
            lambda: pm.Panel(missing, unit="unit", time="time"),
            MissingValueError,
            "The unit column 'unit' is missing in 1 rows (row 3). Drop or complete these rows.",
        ),
        "missing time": (
            lambda: pm.Panel(late, unit="unit", time="time"),
            MissingValueError,
            "The time column 'time' is missing in 2 rows (row 7, 8).",
        ),
        "missing time of arrow": (
            lambda: pm.Panel(
                pa.table({"unit": [1, 1], "time": [1, None]}), unit="unit", time="time"
            ),
            MissingValueError,
            "The time column 'time' is missing in 1 rows (row 1)",
        ),
        "infinite time": (
            lambda: pm.Panel(frame.assign(time=np.inf), unit="unit", time="time"),
            MissingValueError,
            "The time column 'time' is infinite in 9 rows (row 0, 1, 2, 3, 4 and 4 more).",
        ),
        "text time": (
            lambda: pm.Panel(texts, unit="unit", time="time"),
            ColumnTypeError,
            "The time column 'time' holds text or unordered categories, whose order is unknown. "
            "Convert it to integers, dates, periods or an ordered category.",
        ),
        "text time of polars": (
            lambda: pm.Panel(pl.from_pandas(texts), unit="unit", time="time"),
            ColumnTypeError,
            "holds text or unordered categories",
        ),
        "unordered time": (
            lambda: pm.Panel(
                texts.assign(time=texts["time"].astype("category")), unit="unit", time="time"
            ),
            ColumnTypeError,
            "holds text or unordered categories",
        ),
        "mixed time": (
            lambda: pm.Panel(
                pd.DataFrame({"unit": [1, 1], "time": [1999, dt.date(2000, 1, 1)]}),
                unit="unit",
                time="time",
            ),
            ColumnTypeError,
            "Times must be numbers, dates or periods, not 1999, 2000-01-01.",
        ),
        "complex time": (
            lambda: pm.Panel(frame.assign(time=frame["time"] + 1j), unit="unit", time="time"),
            ColumnTypeError,
            "Times must be numbers, dates or periods",
        ),
        "off the grid": (
            lambda: pm.Panel(frame.assign(time=frame["time"] ** 1.5), unit="unit", time="time"),
            SpecificationError,
            "do not lie on a grid of step",
        ),
        "negative delta": (
            lambda: pm.Panel(frame, unit="unit", time="time", delta=-1),
            SpecificationError,
            "delta must be positive, not -1.",
        ),
        "delta of dates": (
            lambda: pm.Panel(
                frame.assign(time=pd.to_datetime((frame["time"] + 2000).astype(str), format="%Y")),
                unit="unit",
                time="time",
                delta=2,
            ),
            SpecificationError,
            "delta is the length of a period where times are numbers.",
        ),
        "unknown key": (
            lambda: pm.Panel(frame, unit="unti", time="time"),
            UnknownNameError,
            "No column 'unti'. Did you mean 'unit'?",
        ),
        "one key": (
            lambda: pm.Panel(frame, unit="unit"),
            SpecificationError,
            "Name both key columns, Panel(data, unit=..., time=...)",
        ),
        "no key": (
            lambda: pm.Panel(pl.from_pandas(frame)),
            SpecificationError,
            "Name both key columns",
        ),
        "same key twice": (
            lambda: pm.Panel(frame, unit="unit", time="unit"),
            SpecificationError,
            "Unit and time must be different columns, not both 'unit'.",
        ),
        "three levels": (
            lambda: pm.Panel(three),
            SpecificationError,
            "The MultiIndex has 3 levels; a panel has two, unit and time.",
        ),
        "index and column": (
            lambda: pm.Panel(clash),
            DataError,
            "'unit' is both a column and a level of the index, with different values. Rename or "
            "drop one of them.",
        ),
        "repeated column": (
            lambda: pm.Panel(wide, unit="unit", time="time"),
            ColumnTypeError,
            "Several columns have the same name: x. Rename or drop all but one.",
        ),
        "lazy": (
            lambda: pm.Panel(lazy, unit="unit", time="time"),
            ColumnTypeError,
            "not as polars.lazyframe.frame.LazyFrame. Collect it first.",
        ),
        "no frame": (
            lambda: pm.Panel([1, 2], unit="unit", time="time"),
            ColumnTypeError,
            "Data come as a pandas, polars or pyarrow data frame, not as builtins.list.",
        ),
        "lists as units": (
            lambda: pm.Panel(
                pd.DataFrame({"unit": [[1], [2]], "time": 1}), unit="unit", time="time"
            ),
            ColumnTypeError,
            "Column 'unit' holds values such as [1], which cannot be told apart by hashing. Turn "
            "them into text or tuples.",
        ),
        "no rows": (
            lambda: pm.Panel(frame.iloc[:0], unit="unit", time="time"),
            EmptyDataError,
            "The data have no rows.",
        ),
        "no rows of polars": (
            lambda: pm.Panel(pl.from_pandas(frame).head(0), unit="unit", time="time"),
            EmptyDataError,
            "The data have no rows.",
        ),
    }


@pytest.mark.parametrize("case", refusals())
def test_refused_with_a_reason(case: str) -> None:
    make, error, words = refusals()[case]
    with pytest.raises(error, match=re.escape(words)):
        make()


def test_one_unit_one_period_one_row() -> None:
    frame = small()
    one_unit = pm.Panel(frame[frame["unit"] == "b"], unit="unit", time="time")
    assert (one_unit.n_units, one_unit.n_periods) == (1, 4)
    assert one_unit.lag("n").notna().sum() == 3
    one_period = pm.Panel(frame[frame["time"] == 4], unit="unit", time="time")
    assert (one_period.n_units, one_period.n_periods, one_period.is_balanced) == (3, 1, True)
    assert one_period.diff("x").isna().all()
    row = pm.Panel(frame.iloc[:1], unit="unit", time="time")
    assert repr(row) == "Panel('unit' x 'time': 1 units, 1 periods, 1 rows)"
    assert str(row.describe()) and str(row.variation())
    days = pd.DataFrame({"unit": [1], "time": pd.to_datetime(["2020-02-03"])})
    assert pm.Panel(days, unit="unit", time="time").describe().span == 1


def test_combinations_are_coded_in_order() -> None:
    frame = pd.DataFrame(
        {"a": ["y", "x", None, "y", "x", "y"], "b": [2, 1, 1, 1, 1, 2], "c": [0, 0, 0, 1, 0, 0]}
    )
    columns = [nw.from_native(frame[name], series_only=True) for name in frame]
    codes = [Codes(c, (labels,)) for c, labels in map(factorize, columns)]
    joint = combine(codes[0], combine(codes[1], codes[2]))
    assert joint.labels().tolist() == ["x^1^0", "y^1^1", "y^2^0"]
    assert joint.values.tolist() == [2, 0, -1, 1, 0, 2]
    assert joint.levels == 3


def test_codes_of_a_panel_follow_its_rows() -> None:
    panel = pm.Panel(small(), unit="unit", time="time")
    ordered = small().sort_values(["unit", "time"])
    labels = panel.labels(("g", "unit"))
    made = [labels[c] if c >= 0 else None for c in panel.codes(("g", "unit"))]
    expected = [
        None if g is None or g != g else f"{g}^{u}"
        for g, u in zip(ordered["g"], ordered["unit"], strict=True)
    ]
    assert made == expected
    assert panel.levels(("g", "unit")) == len(set(expected) - {None})
    assert panel.codes(("unit", "time")).tolist() == list(range(9))
