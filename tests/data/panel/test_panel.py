"""Lags, parts, and joins of a panel, whatever the kind of data frame."""

from __future__ import annotations

import re
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

import panelml as pm
from panelml.errors import (
    ColumnTypeError,
    DataError,
    DuplicateIndexError,
    EmptyDataError,
    MissingValueError,
    SpecificationError,
    UnknownNameError,
)
from tests.data.frames import BACKENDS, as_floats, listed, small
from tests.panels import grunfeld10_unbalanced

KINDS = {"pandas": pd.Series, "polars": pl.Series, "pyarrow": pa.ChunkedArray}


def shifted(frame: pd.DataFrame, column: str, k: int) -> pd.Series[Any]:
    """Value k periods earlier, by a merge on (unit, time)."""
    other = frame[["unit", "time", column]].assign(time=frame["time"] + k)
    merged = frame[["unit", "time"]].merge(other, on=["unit", "time"], how="left")
    return merged[column].set_axis(frame.index)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("k", [1, 2, 3, 4, 50, 0, -1, -2])
def test_lags_go_by_time_value(backend: str, k: int) -> None:
    frame = small()
    panel = pm.Panel(BACKENDS[backend](frame), unit="unit", time="time")
    expected = shifted(frame, "x", k)
    np.testing.assert_array_equal(as_floats(panel.lag("x", k)), expected)
    np.testing.assert_array_equal(as_floats(panel.lead("x", -k)), expected)
    np.testing.assert_array_equal(as_floats(panel.diff("x", k)), frame["x"] - expected)
    np.testing.assert_array_equal(as_floats(panel.lag("n", k)), shifted(frame, "n", k))
    assert listed(panel.lag("g", k)) == listed(shifted(frame, "g", k))


@pytest.mark.parametrize("backend", BACKENDS)
def test_new_columns_are_series_of_the_users_kind(backend: str) -> None:
    panel = pm.Panel(BACKENDS[backend](small()), unit="unit", time="time")
    made = [panel.lag("x"), panel.lead("g"), panel.diff("x"), panel.within("x"), panel.between("x")]
    assert {type(series) for series in made} == {KINDS[backend.split("-")[0]]}
    if backend == "polars":
        assert [series.name for series in made] == [
            "L(x)",
            "F(g)",
            "D(x)",
            "within(x)",
            "between(x)",
        ]
        assert panel.lag("x").null_count() == 5 and not panel.lag("x").is_nan().any()


def test_new_columns_carry_the_users_labels() -> None:
    frame = small().set_axis(list("rstuvwxyz"))
    panel = pm.Panel(frame, unit="unit", time="time")
    for made in (panel.lag("x"), panel.lead("g"), panel.diff("x", 2), panel.between("x")):
        assert made.index.equals(frame.index)
    repeated = small().set_axis([0] * 9)
    widened = pm.Panel(repeated, unit="unit", time="time").assign(lx=lambda p: p.lag("x"))
    assert widened.to_native().index.tolist() == [0] * 9
    np.testing.assert_array_equal(widened.to_native()["lx"], shifted(small(), "x", 1))


@given(
    st.sets(st.tuples(st.integers(0, 4), st.integers(0, 9)), min_size=1),
    st.integers(-4, 4),
    st.integers(1, 3),
)
def test_any_lag_of_any_panel(cells: set[tuple[int, int]], k: int, delta: int) -> None:
    rows = sorted(cells, key=lambda cell: hash(cell) % 97)
    frame = pd.DataFrame(rows, columns=["unit", "time"])
    frame = frame.assign(time=frame["time"] * delta, x=np.arange(len(frame)) + 0.5)
    found = pm.Panel(frame, unit="unit", time="time", delta=delta).lag("x", k)
    np.testing.assert_array_equal(found, shifted(frame, "x", k * delta))


@pytest.mark.parametrize("backend", BACKENDS)
def test_within_and_between_add_up(backend: str) -> None:
    frame = small()
    panel = pm.Panel(BACKENDS[backend](frame), unit="unit", time="time")
    means = frame.groupby("unit")["x"].transform("mean")
    np.testing.assert_allclose(as_floats(panel.between("x")), means)
    np.testing.assert_allclose(as_floats(panel.within("x")), frame["x"] - means)


def test_a_unit_without_values_has_no_mean() -> None:
    frame = small().assign(x=small()["x"].where(small()["unit"] != "c"))
    panel = pm.Panel(frame, unit="unit", time="time")
    assert panel.between("x")[frame["unit"] == "c"].isna().all()
    assert panel.between("x")[frame["unit"] != "c"].notna().all()


def test_numbers_only() -> None:
    panel = pm.Panel(small(), unit="unit", time="time")
    for method in (panel.diff, panel.within, panel.between):
        with pytest.raises(ColumnTypeError, match="Column 'g' must be numeric, but holds text"):
            method("g")


@pytest.mark.parametrize("backend", BACKENDS)
def test_balanced_by_units_or_periods(backend: str) -> None:
    panel = pm.Panel(BACKENDS[backend](small()), unit="unit", time="time")
    units = panel.balanced()
    assert units.is_balanced and units.index.units.tolist() == ["b"] and units.n_periods == 4
    periods = panel.balanced(drop="periods")
    assert periods.is_balanced
    assert (periods.n_units, periods.index.times.tolist()) == (3, [4])
    assert type(periods.to_native()) is type(panel.to_native())


def test_nothing_is_balanced() -> None:
    panel = pm.Panel(small().query("time < 3 or unit == 'c'"), unit="unit", time="time")
    with pytest.raises(EmptyDataError, match=re.escape("Try drop='periods', or filter() periods")):
        panel.balanced()
    with pytest.raises(EmptyDataError, match=re.escape("No period has all units. Try drop='un")):
        panel.balanced(drop="periods")
    with pytest.raises(SpecificationError, match=r"drop is not 'rows'\. Known: units, periods"):
        panel.balanced(drop="rows")  # type: ignore[arg-type]


@pytest.mark.parametrize("backend", BACKENDS)
def test_filtering_keeps_rows_in_their_order(backend: str) -> None:
    frame = small()
    data = BACKENDS[backend](frame)
    panel = pm.Panel(data, unit="unit", time="time")
    kept = frame[frame["n"] > 3]
    conditions: list[Any] = [
        (frame["n"] > 3).to_numpy(),
        (frame["n"] > 3).tolist(),
        nw.col("n") > 3,
        lambda native: nw.from_native(native)["n"] > 3,
        lambda native: (nw.from_native(native)["n"] > 3).to_native(),
    ]
    for condition in conditions:
        found = panel.filter(condition)
        assert type(found.to_native()) is type(data)
        assert as_floats(found.series("n").to_native()).tolist() == kept["n"].tolist()
        assert found.n_units == 2
    assert panel.nobs == 9


def test_filtering_keeps_labels_and_index_keys() -> None:
    frame = small().set_index(["unit", "time"])
    found = pm.Panel(frame).filter(lambda data: data["n"] > 3)
    assert found.to_native().index.equals(frame[frame["n"] > 3].index)
    assert found.index.units.tolist() == ["b", "c"]


def test_masks_that_fit_are_needed() -> None:
    panel = pm.Panel(small(), unit="unit", time="time")
    cases: list[tuple[Any, type[Exception], str]] = [
        ([True], SpecificationError, "one truth value for each of the 9 rows; this has 1 values"),
        (np.arange(9), SpecificationError, "this has 9 values of type Int64"),
        (
            pd.Series([True] * 9, index=range(1, 10)),
            SpecificationError,
            "The mask is labelled differently from the rows of the data.",
        ),
        (
            pd.array([True, None] * 4 + [False], dtype="boolean"),
            MissingValueError,
            "The mask is missing in 4 rows (row 1, 3, 5, 7). Fill it with True or False.",
        ),
        (nw.col("n") > 100, EmptyDataError, "The condition holds for no row."),
    ]
    for condition, error, words in cases:
        with pytest.raises(error, match=re.escape(words)):
            panel.filter(condition)


@pytest.mark.parametrize("backend", BACKENDS)
def test_selecting_keeps_the_keys(backend: str) -> None:
    panel = pm.Panel(BACKENDS[backend](small()), unit="unit", time="time")
    assert panel.select(["n"]).columns == ["unit", "time", "n"]
    assert panel.select("x").columns == ["unit", "time", "x"]
    with pytest.raises(UnknownNameError, match=r"No column 'xx'\. Did you mean 'x'"):
        panel.select(["xx"])
    indexed = pm.Panel(small().set_index(["unit", "time"])).select(["n"])
    assert indexed.columns == ["unit", "time", "n"]
    assert indexed.to_native().columns.tolist() == ["n"]


@pytest.mark.parametrize("backend", BACKENDS)
def test_assigning_leaves_the_old_panel_alone(backend: str) -> None:
    data = BACKENDS[backend](small())
    panel = pm.Panel(data, unit="unit", time="time")
    panel.values("x")
    made = panel.assign(
        lx=lambda p: p.lag("x"),
        x=np.arange(9.0),
        one=1,
        who="me",
        twice=lambda p: p.series("n") * 2,
    )
    assert made.columns == ["unit", "time", "x", "n", "g", "lx", "one", "who", "twice"]
    np.testing.assert_array_equal(
        as_floats(made.series("lx").to_native()), shifted(small(), "x", 1)
    )
    np.testing.assert_array_equal(as_floats(made.series("x").to_native()), np.arange(9.0))
    np.testing.assert_array_equal(as_floats(made.series("twice").to_native()), 2 * small()["n"])
    np.testing.assert_array_equal(made.index.unsort(made.values("x")), np.arange(9.0))
    np.testing.assert_array_equal(panel.index.unsort(panel.values("x")), small()["x"])
    assert panel.columns == ["unit", "time", "x", "n", "g"]
    assert made.index is panel.index


def test_assigning_what_does_not_fit() -> None:
    panel = pm.Panel(small(), unit="unit", time="time")
    with pytest.raises(SpecificationError, match="'unit' is a key of the panel: make a new"):
        panel.assign(unit=1)
    with pytest.raises(SpecificationError, match="Column 'z' has 2 values for 9 rows"):
        panel.assign(z=[1, 2])
    with pytest.raises(SpecificationError, match="'z' is labelled differently from the rows"):
        panel.assign(z=pd.Series(range(9), index=range(9, 18)))


@pytest.mark.parametrize("backend", BACKENDS)
def test_joining_tables_of_units_and_periods(backend: str) -> None:
    frame, make = small(), BACKENDS[backend]
    panel = pm.Panel(make(frame), unit="unit", time="time")
    units = pd.DataFrame({"unit": ["c", "d", "a"], "size": [3, 4, 1], "kind": ["C", "D", "A"]})
    periods = pd.DataFrame({"time": [4, 3, 2, 1], "rate": [0.4, 0.3, 0.2, 0.1]})
    both = frame[["unit", "time"]].assign(w=frame["n"] * 10.0).iloc[[3, 1, 8, 0]]
    found = panel.join(make(units)).join(make(periods)).join(make(both))
    expected = (
        frame.merge(units, on="unit", how="left")
        .merge(periods, on="time", how="left")
        .merge(both, on=["unit", "time"], how="left")
    )
    assert found.columns == list(expected)
    for name in ("size", "rate", "w", "n"):
        np.testing.assert_array_equal(as_floats(found.series(name).to_native()), expected[name])
    assert listed(found.series("kind").to_native()) == listed(expected["kind"])
    assert type(found.to_native()) is type(panel.to_native())
    assert panel.columns == ["unit", "time", "x", "n", "g"]


def test_joining_keeps_order_index_and_types() -> None:
    frame = small().set_axis(list("rstuvwxyz"))
    units = pd.DataFrame({"unit": ["c", "b", "a"], "size": [3, 2, 1]})
    found = pm.Panel(frame, unit="unit", time="time").join(units).to_native()
    pd.testing.assert_frame_equal(found.drop(columns="size"), frame)
    assert found["size"].dtype == np.int64
    assert found["size"].tolist() == frame["unit"].map({"a": 1, "b": 2, "c": 3}).tolist()
    indexed = pm.Panel(frame.set_index(["unit", "time"])).join(units.set_index("unit"))
    assert indexed.to_native().index.equals(frame.set_index(["unit", "time"]).index)
    assert indexed.to_native()["size"].tolist() == found["size"].tolist()


def test_joining_by_other_columns_and_other_panels() -> None:
    panel = pm.Panel(small(), unit="unit", time="time")
    groups = pl.DataFrame({"g": ["p", "q"], "time": [1, 2], "v": [1.0, 2.0]})
    found = panel.join(groups, on=["g", "time"]).to_native()
    hit = {("p", 1): 1.0, ("q", 2): 2.0}
    expected = [hit.get(key, np.nan) for key in zip(small()["g"], small()["time"], strict=True)]
    np.testing.assert_array_equal(found["v"], expected)
    other = pm.Panel(
        small()[["unit", "time", "n"]].rename(columns={"n": "m"}), unit="unit", time="time"
    )
    np.testing.assert_array_equal(panel.join(other).to_native()["m"], small()["n"])
    series = small().groupby("unit")["n"].sum().rename("total")
    np.testing.assert_array_equal(
        panel.join(series).to_native()["total"], small().groupby("unit")["n"].transform("sum")
    )


def test_joins_that_cannot_be_right() -> None:
    panel = pm.Panel(small(), unit="unit", time="time")
    cases: list[tuple[Any, Any, type[Exception], str]] = [
        (
            pd.DataFrame({"unit": ["a", "b", "a"], "v": [1, 2, 3]}),
            None,
            DuplicateIndexError,
            "The table to join has unit = a in rows 0, 2; 1 keys occur more than once.",
        ),
        (
            pd.DataFrame({"unit": ["a", "a", "a"], "time": [1, 2, 1], "v": [1, 2, 3]}),
            None,
            DuplicateIndexError,
            "The table to join has unit^time = a^1 in rows 0, 2;",
        ),
        (
            pd.DataFrame({"unit": ["z", "z", "a"], "v": [1, 2, 3]}),
            None,
            DuplicateIndexError,
            "The table to join has unit = z in rows 0, 1",
        ),
        (
            pd.DataFrame({"unit": ["a", None], "v": [1, 2]}),
            None,
            MissingValueError,
            "The key 'unit' of the table to join is missing in row 1.",
        ),
        (
            pd.DataFrame({"unit": ["a"], "x": [1]}),
            None,
            DataError,
            "Both sides have the columns x. Rename or drop them.",
        ),
        (
            pd.DataFrame({"unit": ["A"], "v": [1]}),
            None,
            DataError,
            "No row of the table fits a row of the panel by unit. Compare values and types of "
            "'unit': a, b, c in the panel, A in the table.",
        ),
        (
            pd.DataFrame({"time": ["1"], "v": [1]}),
            None,
            DataError,
            "No row of the table fits a row of the panel by time.",
        ),
        (
            pd.DataFrame({"firm": ["a"], "v": [1]}),
            None,
            SpecificationError,
            "The table has neither 'unit' nor 'time': name the columns to join by, on=...",
        ),
        (
            pd.DataFrame({"unti": ["a"], "v": [1]}),
            "unit",
            UnknownNameError,
            "The table to join has no column 'unit'. Did you mean 'unti'?",
        ),
        (
            pd.DataFrame({"state": ["a"], "v": [1]}),
            "state",
            UnknownNameError,
            "No column 'state'.",
        ),
        ({"unit": ["a"]}, None, ColumnTypeError, "not as builtins.dict."),
    ]
    for table, on, error, words in cases:
        with pytest.raises(error, match=re.escape(words)):
            panel.join(table, on=on)


@pytest.mark.parametrize("backend", BACKENDS)
def test_to_pandas_is_sorted_and_indexed(backend: str) -> None:
    found = pm.Panel(BACKENDS[backend](small()), unit="unit", time="time").to_pandas()
    expected = small().set_index(["unit", "time"]).sort_index()
    assert found.index.names == ["unit", "time"]
    assert found.index.tolist() == expected.index.tolist()
    np.testing.assert_array_equal(as_floats(found["x"]), expected["x"])
    assert list(found) == ["x", "n", "g"]


def test_to_pandas_feeds_a_panel_again() -> None:
    frame = grunfeld10_unbalanced()
    panel = pm.Panel(pm.Panel(frame, unit="firm", time="year").to_pandas())
    assert (panel.unit, panel.time) == ("firm", "year")
    assert panel.to_native() is panel.frame.to_native()
    pd.testing.assert_frame_equal(panel.to_pandas(), panel.to_native())


@pytest.mark.parametrize("backend", BACKENDS)
def test_nothing_changes_the_users_data(backend: str) -> None:
    data, untouched = BACKENDS[backend](small()), BACKENDS[backend](small())
    panel = pm.Panel(data, unit="unit", time="time")
    panel.assign(x=lambda p: p.lag("x")).filter(nw.col("n") > 1).join(
        pl.DataFrame({"unit": ["b"], "v": [1]})
    ).balanced()
    panel.describe()
    panel.to_pandas()
    if "pandas" in backend:
        pd.testing.assert_frame_equal(data, untouched)
    else:
        assert data.equals(untouched)
