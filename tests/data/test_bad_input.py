"""Data and names that a model cannot use: the message says which, where, and what to do."""

from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

import panelml as pm
from panelml.errors import (
    ColumnTypeError,
    EmptyDataError,
    IdentificationError,
    MissingValueError,
    PanelmlError,
    SpecificationError,
    UnknownNameError,
)
from tests.data.formula.test_design import panel_frame


def frame() -> pd.DataFrame:
    data = panel_frame().assign(w=1.0, one=1.0, half=0.5, day=pd.Timestamp("2000-01-01"))
    data["cut"] = data["unit"].astype(float).where(data.index != 3)
    return data


def fixed(formula: str, data: pd.DataFrame | None = None, **options: object) -> None:
    panel = pm.Panel(frame() if data is None else data, unit="unit", time="time")
    pm.FixedEffects(formula, **options).fit(panel)  # type: ignore[arg-type]


def pooled(formula: str, data: pd.DataFrame | None = None, **options: object) -> None:
    panel = pm.Panel(frame() if data is None else data, unit="unit", time="time")
    pm.PooledOLS(formula, **options).fit(panel)  # type: ignore[arg-type]


CASES: dict[str, tuple[Callable[[], None], type[PanelmlError], str]] = {
    "effect": (
        lambda: fixed("y ~ x | unti"),
        UnknownNameError,
        "No column 'unti' to absorb. Did you mean 'unit'?",
    ),
    "slope": (
        lambda: fixed("y ~ x | unit[zz]"),
        UnknownNameError,
        "No column 'zz' to absorb. Did you mean 'z'?",
    ),
    "slope of text": (
        lambda: fixed("y ~ x | unit[g]"),
        ColumnTypeError,
        "The slope 'g' must be numeric, but holds text or categories",
    ),
    "slope of dates": (
        lambda: fixed("y ~ x | unit[day]"),
        ColumnTypeError,
        "The slope 'day' must be numeric, but holds dates",
    ),
    "cluster": (
        lambda: pooled("y ~ x", cov="cluster:codd"),
        UnknownNameError,
        "No column 'codd'. Did you mean 'code'?",
    ),
    "missing cluster": (
        lambda: pooled("y ~ x", cov="cluster:cut"),
        MissingValueError,
        "The cluster column 'cut' is missing in 1 rows of the estimation sample (row 3). Complete "
        "it or drop these rows.",
    ),
    "one cluster": (
        lambda: pooled("y ~ x", frame().query("unit == 1")),
        IdentificationError,
        "The cluster variable 'unit' has a single value in the estimation sample",
    ),
    "covariance": (
        lambda: pooled("y ~ x", cov="clutser"),
        UnknownNameError,
        "No covariance 'clutser'. Did you mean 'cluster'?",
    ),
    "weights": (
        lambda: pooled("y ~ x", weights="ww"),
        UnknownNameError,
        "No column 'ww'. Did you mean 'w'?",
    ),
    "weights of text": (
        lambda: pooled("y ~ x", weights="g"),
        ColumnTypeError,
        "The weights 'g' must be numeric, but holds text or categories",
    ),
    "negative weights": (
        lambda: pooled("y ~ x", frame().assign(w=lambda d: d["x"].rank() - 3), weights="w"),
        SpecificationError,
        "The weights 'w' are negative in 2 rows (row ",
    ),
    "infinite weights": (
        lambda: pooled("y ~ x", frame().assign(w=lambda d: 1 / (d.index > 0)), weights="w"),
        MissingValueError,
        "'w' is infinite in row 0. Replace infinite values by missing ones",
    ),
    "no weight": (
        lambda: pooled("y ~ x", frame().assign(w=0.0), weights="w"),
        EmptyDataError,
        "Every row has weight zero.",
    ),
    "broken frequency": (
        lambda: pooled("y ~ x", weights="frequency:half"),
        SpecificationError,
        "Frequency weights must be whole numbers; 'half' is not.",
    ),
    "no outcome": (
        lambda: pooled("y ~ x", frame().assign(y=np.nan)),
        EmptyDataError,
        "No row is complete. Missing values: y: 83.",
    ),
    "no complete row": (
        lambda: pooled("y ~ L(x)", frame().query("time == 2001")),
        EmptyDataError,
        "No row is complete. Missing values: L(x): ",
    ),
    "one period": (
        lambda: fixed("y ~ x", frame().query("time == 2001")),
        IdentificationError,
        "The outcome does not vary within unit: there is nothing left to explain.",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_refused_with_a_reason(case: str) -> None:
    fit, error, words = CASES[case]
    with np.errstate(divide="ignore"), pytest.raises(error, match=re.escape(words)):
        fit()


def test_effects_and_clusters_of_any_type() -> None:
    data = frame().assign(key=[(i % 3, "a") for i in range(len(frame()))])
    panel = pm.Panel(data, unit="unit", time="time")
    by_day = pm.FixedEffects("y ~ x | unit + day", cov="cluster:g").fit(panel)
    plain = pm.FixedEffects("y ~ x | unit", cov="cluster:g").fit(panel)
    assert by_day.params["x"] == pytest.approx(plain.params["x"], rel=1e-12)
    numbered = panel.assign(key=[i % 3 for i in range(len(data))])
    for spec in (pm.FixedEffects("y ~ x | key"), pm.PooledOLS("y ~ x", cov="cluster:key")):
        found, expected = spec.fit(panel), spec.fit(numbered)
        np.testing.assert_allclose(found.std_errors, expected.std_errors, rtol=1e-12)
