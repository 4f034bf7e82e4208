"""When units adopt: every way in which users write it down, and every way to get it wrong."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import panelml as pm
from panelml.did.core.adoption import NEVER, read_adoption
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
    return read_adoption(pm.Panel(data, unit="unit", time="time"), **how).start.tolist()


@pytest.mark.parametrize("never", [np.nan, np.inf, 0.0])
def test_every_code_of_never_is_read(never: float) -> None:
    assert starts(frame({"a": 2003.0, "b": never}), cohort="first") == [3, NEVER]


def test_steps_count_the_gap_of_a_year() -> None:
    adoption = read_adoption(
        pm.Panel(frame({"a": 2004, "b": 2001}), unit="unit", time="time"), "first"
    )
    assert adoption.start.tolist() == [4, 1]
    assert adoption.cohorts.tolist() == [1, 4]
    assert adoption.label(4) == 2004


def test_a_cohort_in_the_gap_keeps_its_own_step() -> None:
    assert starts(frame({"a": 2002, "b": 0}), cohort="first") == [2, NEVER]


def test_always_treated_and_late_adopters() -> None:
    panel = pm.Panel(frame({"a": 1990, "b": 2000, "c": 2010, "d": 2003}), unit="unit", time="time")
    adoption = read_adoption(panel, "first")
    assert adoption.always.tolist() == [True, True, False, False]
    assert adoption.never.tolist() == [False, False, True, False]
    assert "1 units adopt after the last period" in adoption.notes[0]


def test_a_cohort_between_periods_counts_from_the_later_one() -> None:
    panel = pm.Panel(frame({"a": 2000.5, "b": np.nan}), unit="unit", time="time")
    adoption = read_adoption(panel, "first")
    assert adoption.start.tolist() == [1, NEVER]
    assert "2000.5" in adoption.notes[0]


@pytest.mark.parametrize(
    ("times", "first"),
    [
        (
            pd.to_datetime(["2000-01-01", "2001-01-01", "2003-01-01", "2004-01-01"]),
            pd.Timestamp("2003-01-01"),
        ),
        (pd.PeriodIndex(["2000", "2001", "2003", "2004"], freq="Y"), pd.Period("2003", freq="Y")),
    ],
)
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
    panel = pm.Panel(pl.from_pandas(frame({"a": 2003.0, "b": np.nan})), unit="unit", time="time")
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
    panel = pm.Panel(data, unit="unit", time="time")
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


def _built(data: pd.DataFrame, backend: str) -> object:
    if backend == "polars":
        return pl.from_pandas(data)
    if backend == "arrow":
        return pa.Table.from_pandas(data)
    return data if backend == "pandas" else data.convert_dtypes(dtype_backend="pyarrow")


@pytest.mark.parametrize("backend", ["pandas", "polars", "arrow", "pandas on arrow"])
@pytest.mark.parametrize(
    "freq",
    [
        pd.offsets.MonthEnd(),
        pd.offsets.MonthBegin(),
        pd.offsets.QuarterEnd(),
        pd.offsets.QuarterBegin(),
        pd.offsets.YearEnd(),
        pd.offsets.Week(weekday=2),
        pd.offsets.Day(),
        pd.offsets.BMonthEnd(),
        pd.offsets.Day(15),
    ],
    ids=str,
)
def test_a_date_counts_from_the_first_period_that_is_not_before_it(freq: Any, backend: str) -> None:
    times = pd.date_range("2019-11-01", periods=9, freq=freq)
    span = pd.date_range(times[1], times[-1], periods=40).normalize().unique()
    data = frame(dict(enumerate(span)), list(times))
    adoption = read_adoption(pm.Panel(_built(data, backend), unit="unit", time="time"), "first")
    expected = adoption.steps[np.searchsorted(times, span)]
    assert adoption.start.tolist() == expected.tolist()


@pytest.mark.parametrize(
    "freq",
    [
        pd.offsets.MonthEnd(),
        pd.offsets.MonthBegin(),
        pd.offsets.QuarterEnd(),
        pd.offsets.Week(weekday=2),
        pd.offsets.Day(),
        pd.offsets.Hour(),
    ],
    ids=str,
)
def test_a_date_counts_from_a_period_that_nobody_is_observed_in(freq: Any) -> None:
    times = pd.date_range("2020-01-02", periods=10, freq=freq)
    span = pd.date_range(times[1], times[-1], periods=57).floor("60min").unique()
    data = frame(dict(enumerate(span)), [times[i] for i in (0, 1, 2, 5, 6, 9)])
    expected = np.searchsorted(times, span).tolist()
    assert starts(data, cohort="first") == expected


@pytest.mark.parametrize("freq", ["M", "Q", "Y", "W", "D"])
@pytest.mark.parametrize("clock", ["23:59:59.999999999", "12:00:00"])
def test_periods_at_a_time_of_the_day_count_from_the_first_not_before(
    freq: str, clock: str
) -> None:
    ends = pd.period_range("2019-11-01", periods=9, freq=freq).to_timestamp(how="end")
    times = ends.normalize() + pd.Timedelta(clock)
    span = pd.date_range(times[2].normalize() - pd.Timedelta(days=2), times[-1], periods=40)
    span = span[:-1].normalize().append(times[2:7]).unique()
    data = frame(dict(enumerate(span)), [times[i] for i in (0, 1, 2, 4, 5, 8)])
    assert starts(data, cohort="first") == np.searchsorted(times, span).tolist()


def test_dates_in_zones_count_by_the_local_clock() -> None:
    times = pd.date_range("2020-01-31", periods=6, freq=pd.offsets.MonthEnd(), tz="Europe/Berlin")
    first = {
        "a": pd.Timestamp("2020-03-31", tz="Europe/Berlin"),
        "b": pd.Timestamp("2020-03-31 22:00", tz="UTC").tz_convert("Europe/Berlin"),
        "c": pd.NaT,
    }
    assert starts(frame(first, list(times)), cohort="first") == [2, 3, NEVER]
    data = frame({"a": pd.Timestamp("2020-03-31"), "b": pd.NaT}, list(times))
    with pytest.raises(ColumnTypeError, match="has a time zone"):
        starts(data, cohort="first")


QUARTERS = pd.date_range("2019-01-01", periods=8, freq="QS")
KINDS = {
    "timestamp": lambda t: t,
    "date": lambda t: t.date(),
    "quarter": lambda t: pd.Period(t, "Q"),
    "month": lambda t: pd.Period(t, "M"),
}


@pytest.mark.parametrize("of_cohort", KINDS)
@pytest.mark.parametrize("of_time", KINDS)
def test_kinds_of_dates_are_placed_among_each_other(of_time: str, of_cohort: str) -> None:
    times = [KINDS[of_time](t) for t in QUARTERS]
    first = {"a": KINDS[of_cohort](QUARTERS[3]), "b": None, "c": KINDS[of_cohort](QUARTERS[5])}
    data = frame(first, times)
    data["first"] = data["first"].astype(object)
    adoption = read_adoption(pm.Panel(data, unit="unit", time="time"), "first")
    place = adoption.steps.tolist().index
    assert [place(adoption.start[0]), place(adoption.start[2])] == [3, 5]
    assert adoption.start[1] == NEVER
    assert not any("between" in note for note in adoption.notes)


@pytest.mark.parametrize(
    ("first", "words"),
    [
        ({"a": "2003-01-01", "b": None}, "holds text, as '2003-01-01', but time holds dates"),
        ({"a": 2003, "b": None}, "holds numbers, as 2003, but time holds dates"),
        ({"a": pd.Timedelta(days=3), "b": None}, "holds lengths of time, as 3 days"),
    ],
)
def test_other_kinds_are_refused_in_words(first: dict[str, object], words: str) -> None:
    data = frame(first, list(pd.to_datetime(["2000-01-01", "2001-01-01", "2003-01-01"])))
    with pytest.raises(ColumnTypeError, match=words):
        starts(data, cohort="first")


def test_an_empty_text_is_no_missing_cohort() -> None:
    with pytest.raises(ColumnTypeError, match=r"holds text, as '', .* leave it missing"):
        starts(frame({"a": 2003, "b": ""}), cohort="first")


def test_the_note_names_the_period_from_which_a_date_counts() -> None:
    times = list(pd.date_range("2020-01-31", periods=4, freq=pd.offsets.MonthEnd()))
    data = frame({"a": pd.Timestamp("2020-03-01"), "b": pd.NaT}, times)
    [note] = read_adoption(pm.Panel(data, unit="unit", time="time"), "first").notes
    assert note.endswith("count as treated from the later one: 2020-03-01 (from 2020-03-31).")


def test_a_cohort_before_the_first_period_is_named() -> None:
    [note] = read_adoption(
        pm.Panel(frame({"a": 2, "b": -1}, [1, 2, 3]), unit="unit", time="time"), "first"
    ).notes
    assert note.startswith("1 units adopt before the first period 1 (cohort -1): they count as")


def test_a_date_among_business_days_counts_from_the_next_one_of_them() -> None:
    days = pd.bdate_range("2020-01-02", periods=10)
    span = pd.date_range(days[1], days[-1], freq="6h")
    data = frame(dict(enumerate(span)), [days[i] for i in (0, 1, 2, 4, 5, 9)])
    assert starts(data, cohort="first") == np.searchsorted(days, span).tolist()


def test_cohorts_in_months_written_as_numbers_count_months() -> None:
    """201912 and 202001 are one month apart, whether or not anybody is observed in them."""
    first = {"a": 201912, "b": 202001, "c": 202002, "d": 201905, "e": 0, "f": None}
    data = frame(first, [201910, 201911, 202002, 202003])
    assert starts(data, cohort="first") == [2, 3, 4, -5, NEVER, NEVER]
    with pytest.raises(ColumnTypeError, match="201913, which is no date written as YYYYMM"):
        starts(frame({"a": 201913, "b": None}, [201910, 201911, 202002]), cohort="first")


def test_steps_of_more_than_one_are_told() -> None:
    def notes(times: list[object], first: object, **delta: float) -> tuple[str, ...]:
        return read_adoption(
            pm.Panel(frame({"a": first, "b": None}, times), unit="unit", time="time", **delta),
            "first",
        ).notes

    [note] = notes([2000, 2010, 2030], 2010)
    assert "All periods are 10 steps" in note
    assert "Panel(..., delta=10)" in note
    assert "Panel(..., delta=0.5)" in notes([1.0, 1.5, 2.5], 1.5, delta=0.25)[-1]
    [note] = notes([2000, 2010, 2030], 2010, delta=10)
    assert "Time jumps from 2010 to 2030: horizons count 2 steps there" in note
    assert notes([20193, 20194, 20201, 20202], 20201) == ()
    [note] = notes([20193, 20194, 20201, 20202], 20201, delta=1)
    assert "Time jumps from 20194 to 20201: horizons count 7 steps there" in note
    assert notes(list(range(4)), 2) == ()
