"""When units adopt: every way in which users write it down, and every way to get it wrong."""

from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pytest

import panelml as pm
from panelml.data.adoption import NEVER, read_adoption
from panelml.errors import (
    ColumnTypeError,
    DataError,
    IdentificationError,
    MissingValueError,
    SpecificationError,
    UnknownNameError,
)

YEARS = [2000, 2001, 2003, 2004]


def frame(first: dict[str, object], times: list[object] = YEARS) -> pd.DataFrame:
    rows = [(unit, time, value) for unit, value in first.items() for time in times]
    return pd.DataFrame(rows, columns=["unit", "time", "first"])


def starts(data: pd.DataFrame, **how: object) -> list[int]:
    return read_adoption(pm.Panel(data, "unit", "time"), **how).start.tolist()


@pytest.mark.parametrize("never", [np.nan, np.inf, 0.0])
def test_every_code_of_never_is_read(never: float) -> None:
    assert starts(frame({"a": 2003.0, "b": never}), cohort="first") == [3, NEVER]


def test_steps_count_the_gap_of_a_year() -> None:
    adoption = read_adoption(pm.Panel(frame({"a": 2004, "b": 2001}), "unit", "time"), "first")
    assert adoption.start.tolist() == [4, 1]
    assert adoption.cohorts.tolist() == [1, 4]
    assert adoption.label(4) == 2004


def test_a_cohort_in_the_gap_keeps_its_own_step() -> None:
    assert starts(frame({"a": 2002, "b": 0}), cohort="first") == [2, NEVER]


def test_always_treated_and_late_adopters() -> None:
    panel = pm.Panel(frame({"a": 1990, "b": 2000, "c": 2010, "d": 2003}), "unit", "time")
    adoption = read_adoption(panel, "first")
    assert adoption.always.tolist() == [True, True, False, False]
    assert adoption.never.tolist() == [False, False, True, False]
    assert "1 units adopt after the last period" in adoption.notes[0]


def test_a_cohort_between_periods_counts_from_the_later_one() -> None:
    panel = pm.Panel(frame({"a": 2000.5, "b": np.nan}), "unit", "time")
    adoption = read_adoption(panel, "first")
    assert adoption.start.tolist() == [1, NEVER]
    assert "2000.5" in adoption.notes[0]


@pytest.mark.parametrize(
    ("times", "first"),
    [
        (pd.to_datetime(["2000-01-01", "2001-01-01", "2003-01-01", "2004-01-01"]),
         pd.Timestamp("2003-01-01")),
        (pd.PeriodIndex(["2000", "2001", "2003", "2004"], freq="Y"), pd.Period("2003", freq="Y")),
    ],
)  # fmt: skip
def test_dates_with_missing_ones_for_never(times: pd.Index, first: object) -> None:
    data = frame({"a": first, "b": pd.NaT}, list(times))
    assert starts(data, cohort="first") == [3, NEVER]


def test_a_date_within_the_gap_of_dates() -> None:
    times = list(pd.to_datetime(["2000-01-01", "2001-01-01", "2003-01-01", "2004-01-01"]))
    data = frame({"a": pd.Timestamp("2002-01-01"), "b": pd.NaT}, times)
    assert starts(data, cohort="first") == [2, NEVER]


def test_ordered_categories() -> None:
    waves = pd.CategoricalDtype(["spring", "summer", "autumn"], ordered=True)
    data = frame({"a": "summer", "b": None}, ["spring", "summer", "autumn"])
    data["time"] = data["time"].astype(waves)
    assert starts(data, cohort="first") == [1, NEVER]


def test_polars_frames_are_read_too() -> None:
    panel = pm.Panel(pl.from_pandas(frame({"a": 2003.0, "b": np.nan})), "unit", "time")
    assert read_adoption(panel, "first").start.tolist() == [3, NEVER]


def test_row_order_changes_nothing() -> None:
    data = frame({"a": 2003, "b": 0, "c": 2001})
    shuffled = data.sample(frac=1, random_state=1)
    assert starts(shuffled, cohort="first") == starts(data, cohort="first")


def test_treatment_column_gives_the_same_as_the_cohort() -> None:
    data = frame({"a": 2003, "b": 0, "c": 2001})
    data["d"] = ((data["first"] > 0) & (data["time"] >= data["first"])).astype(int)
    assert starts(data, treatment="d") == starts(data, cohort="first")


def test_a_treatment_that_ends_is_refused_with_its_units() -> None:
    data = frame({"a": 0, "b": 0}).assign(d=[0, 1, 0, 0, 0, 0, 1, 1])
    with pytest.raises(IdentificationError, match=r"ends again in 1 units \(unit a\)"):
        starts(data, treatment="d")
    panel = pm.Panel(data, "unit", "time")
    shown = read_adoption(panel, treatment="d", absorbing=False)
    assert shown.start.tolist() == [1, 3]
    assert shown.stops.tolist() == [True, False]


def test_a_cohort_that_varies_is_refused_with_its_units() -> None:
    data = frame({"a": 2003.0, "b": np.nan})
    data.loc[1, "first"] = 2001.0
    with pytest.raises(DataError, match=r"varies within 1 units \(unit a\)"):
        starts(data, cohort="first")
    data.loc[1, "first"] = np.nan
    with pytest.raises(DataError, match="varies within 1 units"):
        starts(data, cohort="first")


@pytest.mark.parametrize(
    ("values", "error", "words"),
    [
        ([0, 1, 2, 1, 0, 0, 0, 0], DataError, "0 or 1; it is not in 1 rows .row 2."),
        ([0, 1, np.nan, 1, 0, 0, 0, 0], MissingValueError, "missing in 1 rows .row 2."),
        (list("abababab"), ColumnTypeError, "The treatment"),
    ],
)
def test_a_treatment_that_is_none(values: list[object], error: type, words: str) -> None:
    data = frame({"a": 0, "b": 0}).assign(d=values)
    with pytest.raises(error, match=words):
        starts(data, treatment="d")


def test_cohorts_in_other_units_than_time_are_refused() -> None:
    with pytest.raises(ColumnTypeError, match="in the units of time"):
        starts(frame({"a": "2003", "b": None}), cohort="first")
    times = list(pd.to_datetime(["2000-01-01", "2001-01-01"]))
    with pytest.raises(ColumnTypeError, match="in the units of time"):
        starts(frame({"a": 2001.0, "b": np.nan}, times), cohort="first")


def test_unknown_columns_and_missing_choices() -> None:
    data = frame({"a": 2003, "b": 0})
    with pytest.raises(UnknownNameError, match="Did you mean 'first'"):
        starts(data, cohort="frist")
    with pytest.raises(SpecificationError, match="cohort='column'"):
        starts(data)
    with pytest.raises(SpecificationError, match="treatment='column'"):
        starts(data, cohort="first", treatment="first")
    with pytest.raises(IdentificationError, match="single period"):
        starts(frame({"a": 2000, "b": 0}, [2000]), cohort="first")
