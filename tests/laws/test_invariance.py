"""What must not matter to any estimator, and what must move it in a known way."""

from __future__ import annotations

import copy
import string
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from panelml.results.base import Results
from tests.contract.estimators import ESTIMATORS, Estimator, fit
from tests.laws.compare import assert_frames_identical, assert_same, chunks_of
from tests.laws.panels import frames, make_frame

pytestmark = pytest.mark.parametrize("name", ESTIMATORS)
SIZES: dict[str, Any] = {"units": (10, 14), "periods": (5, 7)}
WEIGHTS = st.sampled_from([None, "w", "frequency:n"])


def suitable(estimator: Estimator, weights: str | None) -> str | None:
    """Frequencies of differences must be constant in units."""
    if estimator.kind == "difference" and weights == "frequency:n":
        return "frequency:m"
    return weights


@settings(max_examples=6)
@given(frame=frames(**SIZES), weights=WEIGHTS, seed=st.integers(0, 99))
def test_row_order_does_not_matter(name: str, frame: pd.DataFrame, weights: Any, seed: int) -> None:
    estimator = ESTIMATORS[name]
    weights = suitable(estimator, weights)
    shuffled = frame.sample(frac=1, random_state=seed)
    first = fit(estimator, frame, weights=weights)
    second = fit(estimator, shuffled, weights=weights)
    assert_same(first, second, rel=0)
    residuals = second.residuals()
    assert residuals.index.equals(shuffled.index)
    pd.testing.assert_series_equal(first.residuals(), residuals.reindex(frame.index))


@settings(max_examples=6)
@given(frame=frames(**SIZES), weights=WEIGHTS, rows=st.sampled_from([1, 9, 20, 40]))
def test_chunks_do_not_matter(name: str, frame: pd.DataFrame, weights: Any, rows: int) -> None:
    estimator = ESTIMATORS[name]
    weights = suitable(estimator, weights)
    whole = fit(estimator, frame, weights=weights)
    with chunks_of(rows):
        cut = fit(estimator, frame, weights=weights)
    assert_same(whole, cut, rel=1e-9, floor=1e-11)


@pytest.mark.parametrize("weights", [None, "w"])
def test_threads_change_no_bit(
    name: str, weights: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    frame = frames_example()
    found: list[Results] = []
    with chunks_of(20):
        for threads in ("1", "2", "7"):
            monkeypatch.setenv("PANELML_THREADS", threads)
            found.append(fit(ESTIMATORS[name], frame, weights=weights))
    assert_same(found[0], found[1], rel=0)
    assert_same(found[0], found[2], rel=0)


def frames_example() -> pd.DataFrame:
    return make_frame(np.random.default_rng(12), 40, 6, 0.2)


@settings(max_examples=5)
@given(frame=frames(**SIZES), seed=st.integers(0, 99))
def test_the_names_of_units_do_not_matter(name: str, frame: pd.DataFrame, seed: int) -> None:
    units = np.sort(frame["unit"].unique())
    renamed = np.random.default_rng(seed).permutation(units) * 7 - 50
    other = frame.assign(unit=frame["unit"].map(dict(zip(units, renamed, strict=True))))
    assert_same(fit(ESTIMATORS[name], frame), fit(ESTIMATORS[name], other), rel=1e-8, floor=1e-10)


@settings(max_examples=5)
@given(frame=frames(**SIZES), kind=st.sampled_from(["text", "category", "float", "tuple"]))
def test_the_type_of_units_does_not_matter(name: str, frame: pd.DataFrame, kind: str) -> None:
    unit = frame["unit"]
    keys = {
        "text": unit.map(lambda u: string.ascii_lowercase[u - 10]),
        "category": unit.map(lambda u: string.ascii_lowercase[u - 10]).astype("category"),
        "float": unit / 4,
        "tuple": unit.map(lambda u: ("unit", u)),
    }
    assert_same(
        fit(ESTIMATORS[name], frame), fit(ESTIMATORS[name], frame.assign(unit=keys[kind])), rel=0
    )


@settings(max_examples=5)
@given(frame=frames(**SIZES), kind=st.sampled_from(["later", "float", "date", "period"]))
def test_the_origin_of_time_does_not_matter(name: str, frame: pd.DataFrame, kind: str) -> None:
    year = frame["time"]
    keys = {
        "later": year + 1000,
        "float": year.astype(float),
        "date": pd.to_datetime(year.astype(str)),
        "period": pd.PeriodIndex(year.astype(str), freq="Y"),
    }
    assert_same(
        fit(ESTIMATORS[name], frame), fit(ESTIMATORS[name], frame.assign(time=keys[kind])), rel=0
    )


@settings(max_examples=4)
@given(frame=frames(**SIZES))
def test_other_columns_do_not_matter_and_the_data_are_not_touched(
    name: str, frame: pd.DataFrame
) -> None:
    frame = frame.set_index(pd.Index(np.arange(len(frame)) * 3 + 1, name="row"))
    frame.loc[frame.index[:2], "x2"] = np.nan
    frame["empty"], frame["text"] = np.nan, "a"
    before = copy.deepcopy(frame)
    result = fit(ESTIMATORS[name], frame)
    result.with_cov("HC1"), result.predict(frame), result.residuals(), result.summary()
    assert_frames_identical(before, frame)
    assert_same(result, fit(ESTIMATORS[name], frame.drop(columns=["empty", "text"])), rel=0)


@settings(max_examples=4)
@given(frame=frames(**SIZES), seed=st.integers(0, 99))
def test_incomplete_rows_are_as_if_they_were_not_there(
    name: str, frame: pd.DataFrame, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    rows = rng.choice(len(frame), 3, replace=False)
    holes = frame.copy()
    for row, column in zip(rows, ["y", "x1", "x2"], strict=True):
        holes.loc[row, column] = np.nan
    first = fit(ESTIMATORS[name], holes)
    second = fit(ESTIMATORS[name], frame.drop(index=rows))
    assert_same(first, second, rel=1e-9, floor=1e-11)
    assert any("Dropped 3 of" in note for note in first.notes)
    assert first.residuals().isna()[rows].all()


@settings(max_examples=5)
@given(
    frame=frames(**SIZES),
    shift=st.sampled_from([-3.0, 1e3]),
    scale=st.sampled_from([-2.0, 1e-3, 1e4]),
)
def test_moving_and_scaling_the_outcome(
    name: str, frame: pd.DataFrame, shift: float, scale: float
) -> None:
    estimator = ESTIMATORS[name]
    first = fit(estimator, frame)
    second = fit(estimator, frame.assign(y=scale * frame["y"] + shift))
    expected = first.params * scale
    if estimator.constant and estimator.kind != "difference":
        expected["Intercept"] += shift
    floor = 1e-9 * np.abs(expected).max()
    assert second.params.to_numpy() == pytest.approx(expected.to_numpy(), rel=1e-7, abs=floor)
    assert second.std_errors.to_numpy() == pytest.approx(
        (abs(scale) * first.std_errors).to_numpy(), rel=1e-7
    )
    assert second.rsquared == pytest.approx(first.rsquared, rel=1e-8)
    assert second.rss == pytest.approx(scale**2 * first.rss, rel=1e-7)


@settings(max_examples=5)
@given(
    frame=frames(**SIZES),
    shift=st.sampled_from([-3.0, 1e3]),
    scale=st.sampled_from([-2.0, 1e-3, 1e4]),
)
def test_moving_and_scaling_a_regressor(
    name: str, frame: pd.DataFrame, shift: float, scale: float
) -> None:
    estimator = ESTIMATORS[name]
    first = fit(estimator, frame)
    second = fit(estimator, frame.assign(x1=scale * frame["x1"] + shift))
    expected, errors = first.params.copy(), first.std_errors.copy()
    for label in estimator.split:
        expected[label.format("x1")] /= scale
        errors[label.format("x1")] /= abs(scale)
    slopes = [parameter for parameter in expected.index if parameter != "Intercept"]
    assert second.params[slopes].to_numpy() == pytest.approx(
        expected[slopes].to_numpy(), rel=1e-6, abs=1e-8 * np.abs(expected[slopes]).min()
    )
    assert second.std_errors[slopes].to_numpy() == pytest.approx(
        errors[slopes].to_numpy(), rel=1e-6
    )
    assert second.rss == pytest.approx(first.rss, rel=1e-7)


@settings(max_examples=4)
@given(frame=frames(**SIZES))
def test_the_order_of_regressors_does_not_matter(name: str, frame: pd.DataFrame) -> None:
    first, second = fit(ESTIMATORS[name], frame), fit(ESTIMATORS[name], frame, "y ~ x2 + x1")
    assert second.params[first.params.index].to_numpy() == pytest.approx(
        first.params.to_numpy(), rel=1e-7
    )
    assert second.std_errors[first.params.index].to_numpy() == pytest.approx(
        first.std_errors.to_numpy(), rel=1e-7
    )


@settings(max_examples=4)
@given(frame=frames(**SIZES))
def test_a_collinear_regressor_changes_nothing_but_the_notes(
    name: str, frame: pd.DataFrame
) -> None:
    first = fit(ESTIMATORS[name], frame)
    second = fit(
        ESTIMATORS[name], frame.assign(x3=frame["x1"] - 2 * frame["x2"]), "y ~ x1 + x2 + x3"
    )
    assert_same(first, second, rel=1e-7, floor=1e-9)
    assert [note for note in second.notes if "collinear with" in note]


@settings(max_examples=5)
@given(frame=frames(**SIZES), factor=st.sampled_from([1e-3, 7.0, 1e6]))
def test_the_scale_of_analytic_weights_does_not_matter(
    name: str, frame: pd.DataFrame, factor: float
) -> None:
    first = fit(ESTIMATORS[name], frame, weights="w")
    second = fit(ESTIMATORS[name], frame.assign(w=frame["w"] * factor), weights="w")
    assert_same(first, second, rel=1e-7, floor=1e-9)


@settings(max_examples=4)
@given(frame=frames(**SIZES), weights=st.sampled_from(["one", "frequency:one"]))
def test_equal_weights_are_none(name: str, frame: pd.DataFrame, weights: str) -> None:
    first = fit(ESTIMATORS[name], frame)
    second = fit(ESTIMATORS[name], frame.assign(one=1), weights=weights)
    assert_same(first, second, rel=1e-8, floor=1e-10)
