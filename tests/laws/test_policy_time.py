"""Effects of a policy do not depend on how time is written, nor on the order of rows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import panelml as pm

PERIODS = 8
STARTS = pd.date_range("2019-11-01", periods=PERIODS, freq="MS")
ENDS = pd.date_range("2019-11-30", periods=PERIODS, freq=pd.offsets.MonthEnd())
ZONE = "Asia/Tokyo"

# How a period is written, and how the cohort that adopts in it.
Writing = tuple[Callable[[int], Any], Callable[[int], Any]]
WRITINGS: dict[str, Writing] = {
    "years": (lambda k: 2010 + k, lambda k: 2010 + k),
    "fractions": (lambda k: 2010 + k / 4, lambda k: 2010 + k / 4),
    "between years": (lambda k: 2010 + k, lambda k: 2010 + k - 0.5),
    "starts of months": (lambda k: STARTS[k], lambda k: STARTS[k]),
    "ends of months, cohorts at their starts": (lambda k: ENDS[k], lambda k: STARTS[k]),
    "starts of months, cohorts the day before": (
        lambda k: STARTS[k],
        lambda k: STARTS[k] - pd.Timedelta(days=1),
    ),
    "quarters": (
        lambda k: pd.Period("2018Q3", "Q") + k,
        lambda k: pd.Period("2018Q3", "Q") + k,
    ),
    "months, cohorts dates": (lambda k: pd.Period(STARTS[k], "M"), lambda k: STARTS[k].date()),
    "a zone": (lambda k: ENDS[k].tz_localize(ZONE), lambda k: STARTS[k].tz_localize(ZONE)),
}
MODELS: dict[str, Any] = {
    "static": pm.TWFE("y ~ 1", cohort="cohort"),
    "event": pm.EventStudy("y ~ 1", cohort="cohort", window=(-3, 2)),
    "cells": pm.SunAbraham("y ~ 1", cohort="cohort"),
    "extended": pm.ExtendedTWFE("y ~ 1", cohort="cohort"),
    "group-time": pm.CallawaySantAnna("y ~ 1", cohort="cohort", control="not-yet"),
    "imputation": pm.BorusyakJaravelSpiess("y ~ 1", cohort="cohort", leads=1),
    "two-stage": pm.TwoStageDiD("y ~ 1", cohort="cohort", effects="event"),
    "projections": pm.LocalProjectionsDiD("y ~ 1", cohort="cohort", window=(-2, 2)),
    "stacked": pm.StackedDiD("y ~ 1", cohort="cohort", window=(-2, 2)),
    "synthetic": pm.SyntheticDiD("y ~ 1", cohort="cohort", inference="jackknife"),
}


def plain() -> pd.DataFrame:
    return pm.simulate.staggered(60, PERIODS, {4: 0.3, 6: 0.2}, seed=7)


def written(writing: Writing) -> pd.DataFrame:
    time, cohort = writing
    frame = plain()
    return frame.assign(
        time=[time(int(t) - 1) for t in frame["time"]],
        cohort=[None if np.isnan(g) else cohort(int(g) - 1) for g in frame["cohort"]],
    )


def estimates(name: str, data: Any) -> np.ndarray:
    fit = MODELS[name].fit(pm.Panel(data, unit="unit", time="time"))
    return np.concatenate([fit.params, fit.std_errors])


@pytest.mark.parametrize("name", MODELS)
def test_time_may_be_written_in_any_way(name: str) -> None:
    expected = estimates(name, plain())
    for words, writing in WRITINGS.items():
        found = estimates(name, written(writing))
        assert found == pytest.approx(expected, rel=1e-9, abs=1e-12), words


@pytest.mark.parametrize("name", MODELS)
def test_order_of_rows_changes_nothing(name: str) -> None:
    frame = written(WRITINGS["ends of months, cohorts at their starts"])
    found = estimates(name, frame.sample(frac=1, random_state=3))
    assert found == pytest.approx(estimates(name, frame), rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("kind", [pl.from_pandas, pa.Table.from_pandas])
def test_all_kinds_of_frames_have_the_same_dates(kind: Callable[[pd.DataFrame], Any]) -> None:
    frame = written(WRITINGS["ends of months, cohorts at their starts"])
    expected = estimates("group-time", frame)
    assert estimates("group-time", kind(frame)) == pytest.approx(expected, rel=1e-12)


def test_a_column_of_treatment_says_the_same() -> None:
    for name, model in MODELS.items():
        outcome = {**{f: getattr(model, f) for f in model.__slots__}, "cohort": None}
        spec = type(model)(**{**outcome, "treatment": "treated"})
        frame = plain()
        frame["treated"] = (frame["time"] >= frame["cohort"].fillna(np.inf)).astype(bool)
        fit = spec.fit(pm.Panel(frame, unit="unit", time="time"))
        found = np.concatenate([fit.params, fit.std_errors])
        assert found == pytest.approx(estimates(name, plain()), rel=1e-9, abs=1e-12)
