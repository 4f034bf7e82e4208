"""Predictions of mixed models: rows times the predicted coefficients, written out by hand."""

from __future__ import annotations

from functools import cache

import numpy as np
import pandas as pd
import pytest

import panelml as pm
from panelml.errors import SpecificationError, UnknownNameError
from panelml.mixed.results.mixed_results import MixedResults
from tests.mixed.mixed_data import MIXED


@cache
def pupils() -> pd.DataFrame:
    """Classes in schools, crossed with raters; rows in no order, with labels of their own."""
    random = np.random.RandomState(3)
    n = 900
    school, part, rater = (random.randint(0, k, n) for k in (15, 3, 8))
    x, hours = random.normal(size=n), random.uniform(1, 20, n)
    kind = random.choice(["a", "b", "c"], n)
    slope = random.normal(0, 0.5, 15)[school]
    room, judge = random.normal(0, 0.7, (15, 3))[school, part], random.normal(0, 0.6, 8)[rater]
    lift = random.normal(0, 0.8, (15, 3))[school, (kind == "b") * 1 + 2 * (kind == "c")]
    y = x + np.log(hours) * (0.5 + slope) + room + judge + lift + random.normal(size=n)
    frame = pd.DataFrame(
        {
            "y": y,
            "x": x,
            "hours": hours,
            "kind": kind,
            "school": school,
            "room": part,
            "rater": [f"r{i}" for i in rater],
        }
    )
    frame.index = pd.Index([f"row {i}" for i in range(n)])
    frame.loc[["row 5", "row 77"], "y"] = np.nan
    frame.loc[["row 6", "row 78"], "x"] = np.nan
    return frame


def by_hand(result: MixedResults, frame: pd.DataFrame, columns: dict[str, object]) -> np.ndarray:
    """Sum the random part of rows from the reported tables."""
    total = np.zeros(len(frame))
    for name, table in result.random_effects().items():
        group = name.split(":")
        keys = frame[group[0]]
        if len(group) > 1:
            keys = frame[group].astype(str).agg(":".join, axis=1)
        rows = table.reindex(keys.to_numpy())
        for label in table.columns:
            z = 1.0 if label == "Intercept" else np.asarray(columns[label], dtype=float)
            total += rows[label].to_numpy() * z
    return total


FORMULAS = [
    "y ~ x + np.log(hours) + (1 + np.log(hours) | school)",
    "y ~ x + kind + (0 + C(kind) | school)",
    "y ~ x + (1 + kind | school)",
    "y ~ x * hours + (1 + x:hours || school)",
    "y ~ x + (1 + x | school) + (1 | rater)",
    "y ~ x + np.log(hours) + (1 | school/room) + (0 + np.log(hours) | rater)",
    "y ~ x + (1 + I(x > 0) + np.log(hours) | school:room)",
]


@pytest.mark.parametrize("formula", FORMULAS)
def test_prediction_is_fixed_part_plus_z_times_b(formula: str) -> None:
    frame = pupils()
    result = pm.MixedModel(formula).fit(frame)
    columns: dict[str, object] = {
        "x": frame["x"],
        "np.log(hours)": np.log(frame["hours"]),
        "x:hours": frame["x"] * frame["hours"],
        "I(x > 0)[T.True]": frame["x"] > 0,
        "I(x > 0)": frame["x"] > 0,
    }
    for level in "abc":
        for label in ("C(kind)[{}]", "C(kind)[T.{}]", "kind[{}]", "kind[T.{}]"):
            columns[label.format(level)] = frame["kind"] == level
    expected = result.predict() + by_hand(result, frame, columns)
    found = result.predict(effects=True)
    assert found.index.equals(frame.index)
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-9)
    assert list(found.index[found.isna()]) == ["row 6", "row 78"]
    new = frame.drop(columns="y").sample(frac=0.4, random_state=1)
    again = result.predict(new, effects=True)
    np.testing.assert_allclose(again, expected[new.index], rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("formula", FORMULAS[-3:])
def test_outcome_is_fit_plus_residual(formula: str) -> None:
    frame = pupils()
    result = pm.MixedModel(formula).fit(frame)
    fitted, left = result.fitted(), result.residuals()
    used = frame[["y", "x"]].notna().all(axis=1)
    assert (fitted.notna() == used).all() and (left.notna() == used).all()
    np.testing.assert_allclose((fitted + left)[used], frame["y"][used])
    np.testing.assert_array_equal(fitted[used], result.predict(effects=True)[used])
    marginal = result.fitted(effects=False)
    np.testing.assert_array_equal(marginal[used], result.predict()[used])
    assert left.var() < (frame["y"] - marginal).var()


def test_new_levels_are_missing_or_at_the_mean() -> None:
    result = pm.MixedModel("y ~ x + (1 + x | school) + (1 | rater)").fit(pupils())
    new = pd.DataFrame(
        {
            "x": [1.0, 1.0, 1.0, np.nan],
            "school": [0.0, 99.0, np.nan, 1.0],
            "rater": ["r1", "r1", "r1", "r1"],
        },
        index=[4, 2, 9, 7],
    )
    tables = result.random_effects()
    school, rater = tables["school"].loc[0], tables["rater"].loc["r1", "Intercept"]
    fixed = result.params["Intercept"] + result.params["x"]
    known = fixed + school["Intercept"] + school["x"] + rater
    found = result.predict(new, effects=True)
    np.testing.assert_allclose(found, [known, np.nan, np.nan, np.nan])
    found = result.predict(new, effects=True, new_levels="zero")
    np.testing.assert_allclose(found, [known, fixed + rater, np.nan, np.nan])
    assert list(found.index) == [4, 2, 9, 7]
    with pytest.raises(SpecificationError, match="Known: missing, zero"):
        result.predict(new, effects=True, new_levels="mean")  # type: ignore[arg-type]


def test_marginal_prediction_needs_no_group_and_conditional_names_it() -> None:
    result = pm.MixedModel("y ~ x + (1 | school/room)").fit(pupils())
    new = pd.DataFrame({"x": [0.0, 2.0], "school": [1, 1]})
    np.testing.assert_allclose(np.diff(result.predict(new)), 2 * result.params["x"])
    with pytest.raises(UnknownNameError, match="room"):
        result.predict(new, effects=True)


def test_levels_without_a_complete_row_are_not_known() -> None:
    frame = pupils()
    frame = frame.assign(x=frame["x"].where(frame["rater"] != "r3"))
    frame = frame.assign(x=frame["x"].where(frame["school"] != 4))
    result = pm.MixedModel("y ~ x + (1 | school) + (1 | rater)").fit(frame)
    tables = result.random_effects()
    assert 4 not in tables["school"].index and len(tables["school"]) == 14
    assert "r3" not in tables["rater"].index and len(tables["rater"]) == 7
    new = pd.DataFrame({"x": [0.0, 0.0], "school": [4, 5], "rater": ["r1", "r3"]})
    assert result.predict(new, effects=True).isna().all()


def test_a_panel_is_predicted_by_its_units() -> None:
    frame = pm.datasets.wage_panel()
    panel = pm.Panel(frame, unit="nr", time="year")
    result = pm.MixedModel("lwage ~ union + L(union) + (1 + L(union) | nr)").fit(panel)
    new = frame[frame["nr"].isin([13, 45])]
    found = result.predict(new, effects=True)
    np.testing.assert_allclose(found, result.predict(effects=True)[new.index], rtol=1e-10)
    assert (found.isna() == (new["year"] == 1980)).all()
    lagged = new.groupby("nr")["union"].shift()
    table = result.random_effects()["nr"].loc[new["nr"]].set_axis(new.index)
    expected = result.predict(new) + table["Intercept"] + table["L(union)"] * lagged
    np.testing.assert_allclose(found, expected, rtol=1e-9)


def test_weights_do_not_scale_the_predictors() -> None:
    frame = pupils().assign(w=lambda d: 1 + d["hours"])
    result = pm.MixedModel("y ~ x + (1 + x | school)", weights="w").fit(frame)
    expected = result.predict() + by_hand(result, frame, {"x": frame["x"]})
    np.testing.assert_allclose(result.predict(effects=True), expected, rtol=1e-10)


def test_polars_rows() -> None:
    pl = pytest.importorskip("polars")
    frame = pupils().dropna()
    result = pm.MixedModel("y ~ x + (1 + x | school/room)").fit(pl.from_pandas(frame))
    same = pm.MixedModel("y ~ x + (1 + x | school/room)").fit(frame)
    np.testing.assert_allclose(
        result.predict(pl.from_pandas(frame), effects=True), same.predict(frame, effects=True)
    )


@pytest.mark.parametrize("keys", [["batch", "cask"], ["batch"], ["cask"]])
def test_levels_of_a_pandas_index_are_columns(keys: list[str]) -> None:
    frame = MIXED["pastes"]()
    model = pm.MixedModel("strength ~ 1 + (1 | batch) + (1 | batch:cask)")
    expected, found = model.fit(frame), model.fit(frame.set_index(keys))
    assert found.loglik == expected.loglik
    moved = found.predict(frame.set_index(keys), effects=True)
    np.testing.assert_allclose(moved, expected.predict(frame, effects=True), rtol=1e-12)
    assert list(moved.index.names) == keys
