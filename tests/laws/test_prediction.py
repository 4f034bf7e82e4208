"""A row's prediction is a matter of the row and the fit, not of the rows passed beside it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import panelml as pm
from panelml.results.base import Results
from tests.contract.estimators import ESTIMATORS, fit
from tests.laws.panels import frames

FRAMES: dict[str, Any] = {
    "pandas": lambda frame: frame,
    "nullable": lambda frame: frame.convert_dtypes(),
    "polars": pl.from_pandas,
    "pyarrow": lambda frame: pa.Table.from_pandas(frame, preserve_index=False),
}
SIZES: dict[str, Any] = {"units": (10, 14), "periods": (5, 7)}
# What takes other rows of a unit, the mean or the spread of the sample, or both.
FORMULAS = [
    "y ~ within(x1) + between(x1) + x2",
    "y ~ x1 + x2 + between(x1 * x2) + z",
    "y ~ C(between(x1) > 0) + x2 * within(x1)",
    "y ~ within(np.exp(x1)) + between(center(x2)) + scale(x1)",
    "y ~ poly(x1, 2) + center(x2):z + within(x2)",
    "y ~ bs(x1, df=4, lower_bound=-20, upper_bound=20) + between(x2)",
]
MODELS: dict[str, Any] = {
    "pooled": pm.PooledOLS,
    "random": pm.RandomEffects,
    "weighted": lambda formula: pm.RandomEffects(formula, weights="w"),
    "mundlak": pm.Mundlak,
    "weighted mundlak": lambda formula: pm.Mundlak(formula, weights="w"),
    "hybrid": pm.Hybrid,
    "mixed": lambda formula: pm.MixedModel(formula + " + (1 | unit)"),
}


def agree(result: Results, frame: pd.DataFrame, some: pd.DataFrame, kind: str) -> None:
    """Predict rows among all others and alone, and from a pickle's state."""
    whole = np.asarray(result.predict(FRAMES[kind](frame)))[some.index]
    alone = np.asarray(result.predict(FRAMES[kind](some.reset_index(drop=True))))
    np.testing.assert_allclose(alone, whole, rtol=1e-9, atol=1e-10)
    np.testing.assert_allclose(whole, result.predict().loc[some.index], rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("name", ESTIMATORS)
@settings(max_examples=5)
@given(
    frame=frames(**SIZES),
    seed=st.integers(0, 99),
    kind=st.sampled_from(list(FRAMES)),
    weights=st.sampled_from([None, "w"]),
)
def test_of_every_estimator(
    name: str, frame: pd.DataFrame, seed: int, kind: str, weights: str | None
) -> None:
    result = fit(ESTIMATORS[name], frame, weights=weights)
    agree(result, frame, frame.sample(5, random_state=seed), kind)


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("formula", FORMULAS)
@settings(max_examples=4)
@given(frame=frames(**SIZES), seed=st.integers(0, 99), kind=st.sampled_from(list(FRAMES)))
def test_of_formulas_with_a_state(
    formula: str, model: str, frame: pd.DataFrame, seed: int, kind: str
) -> None:
    result = MODELS[model](formula).fit(pm.Panel(frame, unit="unit", time="time"))
    agree(result, frame, frame.sample(5, random_state=seed), kind)


@pytest.mark.parametrize(
    "spec",
    [
        pm.Hybrid("y ~ x1 * x2 + z", interactions="demeaned"),
        pm.Hybrid("y ~ x1 * x2 + z", random="1 + x1"),
        pm.Hybrid("y ~ x1 + x2 + z", random="1 + x1", interactions="raw"),
        pm.Mundlak("y ~ x1 * C(state) + I(x2**2)"),
        pm.Mundlak("y ~ within(x1) + x2"),
    ],
    ids=str,
)
@settings(max_examples=4, deadline=None)
@given(frame=frames(units=(25, 30), periods=(5, 7)), seed=st.integers(0, 99))
def test_of_split_products(spec: Any, frame: pd.DataFrame, seed: int) -> None:
    result = spec.fit(pm.Panel(frame, unit="unit", time="time"))
    agree(result, frame, frame.sample(5, random_state=seed), "pandas")


@settings(max_examples=20)
@given(
    frame=frames(**SIZES),
    seed=st.integers(0, 99),
    form=st.sampled_from(["number", "year", "quarter end", "week", "business month", "YYYYMM"]),
)
def test_a_lag_is_the_value_one_period_of_the_fit_earlier(
    frame: pd.DataFrame, seed: int, form: str
) -> None:
    step = frame["time"] - frame["time"].min()
    dates: Any = {
        "number": lambda k: 2 * int(k),
        "year": lambda k: pd.Timestamp(2001 + k, 1, 1),
        "quarter end": lambda k: pd.Timestamp("2001-03-31") + pd.offsets.QuarterEnd(int(k)),
        "week": lambda k: pd.Timestamp("2001-01-01") + pd.Timedelta(7 * k, "D"),
        "business month": lambda k: pd.Timestamp("2001-10-31") + pd.offsets.BMonthEnd(int(k)),
        "YYYYMM": lambda k: 200110 + k if k < 3 else 200198 + k,
    }
    timed = frame.assign(t=step.map(dates[form]))
    delta = 2 if form == "number" else None
    result = pm.PooledOLS("y ~ x1 + L(x1)").fit(pm.Panel(timed, unit="unit", time="t", delta=delta))
    integers = pm.PooledOLS("y ~ x1 + L(x1)").fit(pm.Panel(frame, unit="unit", time="time"))
    some = timed.sample(frac=0.5, random_state=seed)
    expected = integers.predict(frame.loc[some.index])
    np.testing.assert_allclose(result.predict(some), expected, rtol=1e-9)
    reindexed = pm.Panel(some, unit="unit", time="t", delta=delta)
    np.testing.assert_allclose(result.predict(reindexed), expected, rtol=1e-9)
