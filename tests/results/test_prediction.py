from __future__ import annotations

import pickle

import numpy as np
import pandas as pd
import pytest

import panelml as pm
from panelml.errors import (
    ColumnTypeError,
    MissingValueError,
    SpecificationError,
    UnknownNameError,
)
from panelml.results.base import Results
from tests.panels import grunfeld10, grunfeld10_unbalanced, wage


@pytest.fixture(scope="module")
def shuffled() -> pd.DataFrame:
    """Rows in no order, with labels of their own and missing values."""
    frame = grunfeld10_unbalanced().sample(frac=1, random_state=1)
    frame.index = pd.Index([f"row {i}" for i in range(len(frame))])
    frame.iloc[[3, 50], frame.columns.get_loc("value")] = np.nan
    frame.iloc[[7, 90], frame.columns.get_loc("inv")] = np.nan
    return frame


def linear(result: Results, frame: pd.DataFrame) -> pd.Series[float]:
    """Predict by hand where the parameters are columns."""
    slopes = result.params.drop("Intercept", errors="ignore")
    constant = result.params.get("Intercept", result.extras.get("constant", 0.0))
    return frame[list(slopes.index)] @ slopes + constant


@pytest.mark.parametrize("name", ["pooled", "between", "re"])
def test_prediction_is_linear(fits: dict[str, Results], name: str) -> None:
    expected = linear(fits[name], wage())
    np.testing.assert_allclose(fits[name].predict(), expected, rtol=1e-12)
    np.testing.assert_allclose(fits[name].predict(wage()), expected, rtol=1e-12)


def test_new_rows_need_no_keys(fits: dict[str, Results]) -> None:
    new = pd.DataFrame(
        {"union": [0, 1, 1], "married": [1, 1, np.nan], "educ": [12, 8, 9]}, index=[7, 3, 5]
    )
    found = fits["re"].predict(new)
    pd.testing.assert_series_equal(found, linear(fits["re"], new), check_names=False)
    assert np.isnan(found.loc[5])


def test_new_rows_may_repeat_their_keys(fits: dict[str, Results]) -> None:
    grid = pd.concat([wage().assign(union=0), wage().assign(union=1)], ignore_index=True)
    change = fits["fe"].predict(grid).to_numpy().reshape(2, -1)
    np.testing.assert_allclose(change[1] - change[0], fits["fe"].params["union"])


def test_fixed_effects_of_known_units_need_no_time(panel: pm.Panel) -> None:
    result = pm.FixedEffects("lwage ~ union").fit(panel)
    new = pd.DataFrame({"nr": [45, 13, 9_999_999], "union": [1, 0, 1]})
    effects = result.effects()["nr"]["effect"]
    expected = result.predict(new) + effects.reindex(new["nr"]).to_numpy()
    found = result.predict(new, effects=True)
    np.testing.assert_allclose(found, expected)
    assert np.isnan(found[2]) and not np.isnan(found[:2]).any()
    with pytest.raises(UnknownNameError, match="nr"):
        result.predict(new[["union"]], effects=True)


def test_polars_rows(fits: dict[str, Results]) -> None:
    pl = pytest.importorskip("polars")
    new = {"union": [0, 1], "married": [1, 1], "educ": [12, 8]}
    found = fits["pooled"].predict(pl.DataFrame(new))
    np.testing.assert_allclose(found, linear(fits["pooled"], pd.DataFrame(new)))


def test_functions_and_categories_are_replayed_without_keys(panel: pm.Panel) -> None:
    result = pm.PooledOLS("lwage ~ np.log(hours + 1) + C(year) * union").fit(panel)
    new = wage()[["hours", "year", "union"]].iloc[[2100, 3, 3]]
    found = result.predict(new)
    assert list(found.index) == [2100, 3, 3]
    np.testing.assert_allclose(found, result.predict().loc[[2100, 3, 3]], rtol=1e-12)


@pytest.mark.parametrize(
    ("spec", "column"),
    [
        (pm.PooledOLS("lwage ~ L(union)"), "year"),
        (pm.PooledOLS("lwage ~ D(hours, 2)"), "nr"),
        (pm.RandomEffects("lwage ~ within(union) + between(union)"), "nr"),
        (pm.Mundlak("lwage ~ union"), "nr"),
        (pm.Hybrid("lwage ~ union"), "year"),
    ],
)
def test_rows_that_look_at_others_need_both_keys(
    panel: pm.Panel, spec: pm.PooledOLS, column: str
) -> None:
    result = spec.fit(panel)
    with pytest.raises(UnknownNameError, match=f"lack the key column '{column}'"):
        result.predict(wage().drop(columns=column))
    np.testing.assert_allclose(result.predict(wage()), result.predict(), rtol=1e-12)


def test_lags_of_new_rows_go_by_their_time(panel: pm.Panel) -> None:
    result = pm.PooledOLS("lwage ~ L(union)").fit(panel)
    new = pd.DataFrame({"nr": [1, 1, 1], "year": [5, 3, 2], "union": [0, 9, 1]})
    b = result.params
    expected = [np.nan, b["Intercept"] + b["L(union)"], np.nan]
    np.testing.assert_allclose(result.predict(new), expected)


def test_the_length_of_a_period_is_remembered() -> None:
    frame = grunfeld10().assign(year=lambda d: (d["year"] - 1935) * 2.0)
    result = pm.PooledOLS("inv ~ L(value)").fit(pm.Panel(frame, unit="firm", time="year", delta=2))
    two = frame[(frame["firm"] == 1) & frame["year"].isin([4.0, 6.0, 10.0])]
    b = result.params
    lagged = two["value"].to_numpy()[0]
    expected = [np.nan, b["Intercept"] + b["L(value)"] * lagged, np.nan]
    np.testing.assert_allclose(result.predict(two), expected)


def test_levels_that_the_lags_dropped_are_missing(panel: pm.Panel) -> None:
    result = pm.PooledOLS("lwage ~ L(union) + C(year)").fit(panel)
    first = wage()["year"] == 1980
    for found in (result.predict(), result.predict(wage())):
        assert found[first].isna().all() and found[~first].notna().all()


def test_an_unknown_level_is_named(panel: pm.Panel) -> None:
    result = pm.PooledOLS("lwage ~ union + C(year)").fit(panel)
    new = pd.DataFrame({"union": [1, np.nan, 0], "year": [1980, 1999, 1998]})
    with pytest.raises(MissingValueError, match=r"the level 1998 \(row 2\)"):
        result.predict(new)


def test_a_missing_category_is_missing_in_its_row_alone(shuffled: pd.DataFrame) -> None:
    frame = shuffled.assign(kind=np.where(shuffled["year"] % 2, "odd", "even"))
    result = pm.Mundlak("inv ~ value + kind").fit(pm.Panel(frame, unit="firm", time="year"))
    new = frame.dropna().assign(kind=lambda d: d["kind"].where(np.arange(len(d)) != 4))
    assert list(np.flatnonzero(result.predict(new).isna())) == [4]


def test_keys_may_stand_in_the_index(panel: pm.Panel) -> None:
    indexed = wage().set_index(["nr", "year"])
    result = pm.FixedEffects("lwage ~ L(union) + C(year)").fit(indexed)
    found = result.predict(indexed, effects=True)
    assert found.index.equals(indexed.index)
    np.testing.assert_allclose(found, result.predict(effects=True).to_numpy(), rtol=1e-12)


@pytest.mark.parametrize(
    "spec",
    [
        pm.PooledOLS("inv ~ value + capital", weights="w_obs"),
        pm.FixedEffects("inv ~ value + capital | firm + year"),
        pm.RandomEffects("inv ~ value + capital", weights="w_unit"),
        pm.Mundlak("inv ~ value + capital", weights="w_obs"),
        pm.Hybrid("inv ~ value + capital"),
        pm.RandomEffects("inv ~ L(value) + within(capital) + between(capital)"),
    ],
    ids=lambda spec: type(spec).__name__,
)
def test_outcome_is_fit_plus_residual(shuffled: pd.DataFrame, spec: pm.PooledOLS) -> None:
    result = spec.fit(pm.Panel(shuffled, unit="firm", time="year"))
    for effects in (None, False):
        fitted, left = result.fitted(effects=effects), result.residuals(effects=effects)
        assert fitted.index.equals(shuffled.index) and left.index.equals(shuffled.index)
        assert fitted.notna().sum() == left.notna().sum() == result.nobs
        inside = fitted.notna()
        np.testing.assert_allclose((fitted + left)[inside], shuffled.loc[inside, "inv"])
    same = result.predict()[inside]
    np.testing.assert_array_equal(same, result.fitted(effects=False)[inside])
    assert result.predict().notna().sum() > result.nobs


def test_residuals_have_the_variance_that_was_reported(shuffled: pd.DataFrame) -> None:
    result = pm.FixedEffects("inv ~ value + capital").fit(
        pm.Panel(shuffled, unit="firm", time="year")
    )
    rss = float((result.residuals() ** 2).sum())
    assert rss == pytest.approx(result.rss, rel=1e-10)
    assert abs(result.residuals().sum()) < 1e-7


def test_weighted_unit_means_are_those_of_the_sample(shuffled: pd.DataFrame) -> None:
    result = pm.Hybrid("inv ~ value", weights="w_obs").fit(
        pm.Panel(shuffled, unit="firm", time="year")
    )
    sample = shuffled.dropna(subset=["inv", "value"])
    total = (sample["value"] * sample["w_obs"]).groupby(sample["firm"]).transform("sum")
    mean = total / sample["w_obs"].groupby(sample["firm"]).transform("sum")
    b = result.params
    expected = (
        b["Intercept"] + b["within(value)"] * (sample["value"] - mean) + b["between(value)"] * mean
    )
    np.testing.assert_allclose(result.fitted(effects=False)[sample.index], expected, rtol=1e-10)
    np.testing.assert_allclose(result.predict(sample), expected, rtol=1e-10)


def test_a_missing_value_is_missing_in_its_row_alone(shuffled: pd.DataFrame) -> None:
    result = pm.Mundlak("inv ~ value").fit(pm.Panel(shuffled, unit="firm", time="year"))
    missing = result.predict(shuffled).isna()
    assert list(missing[missing].index) == list(shuffled.index[shuffled["value"].isna()])


def test_rows_without_any_complete_one(fits: dict[str, Results]) -> None:
    new = pd.DataFrame({"union": [np.nan], "married": [1.0], "educ": [8.0]})
    assert fits["pooled"].predict(new).isna().all()


def test_a_missing_column_is_named(fits: dict[str, Results]) -> None:
    with pytest.raises(UnknownNameError, match="'educ'"):
        fits["pooled"].predict(pd.DataFrame({"union": [1], "married": [1]}))


def test_effects_of_a_model_without_any(fits: dict[str, Results]) -> None:
    with pytest.raises(SpecificationError, match="Pooled OLS has no estimated effects"):
        fits["pooled"].predict(effects=True)


@pytest.fixture(scope="module")
def sorted_units() -> pd.DataFrame:
    """Thirty units whose x and y share a level."""
    rng = np.random.default_rng(0)
    u = np.repeat(rng.normal(size=30), 6)
    frame = pd.DataFrame({"id": np.repeat(np.arange(30), 6), "t": np.tile(np.arange(6), 30)})
    frame["x"] = rng.normal(size=180) + u
    frame["y"] = frame["x"] + 3 * u + rng.normal(size=180)
    return frame


@pytest.mark.parametrize(
    ("spec", "within", "between"),
    [
        (pm.Hybrid("y ~ x"), "within(x)", "between(x)"),
        (pm.RandomEffects("y ~ within(x) + between(x)"), "within(x)", "between(x)"),
        (
            pm.MixedModel("y ~ within(x) + between(x) + (1 + within(x) | id)"),
            "within(x)",
            "between(x)",
        ),
        (pm.Hybrid("y ~ x", random="1 + x"), "within(x)", "between(x)"),
    ],
    ids=str,
)
def test_known_units_keep_their_means_and_new_ones_have_their_own(
    sorted_units: pd.DataFrame, spec: pm.Hybrid, within: str, between: str
) -> None:
    frame = sorted_units.assign(y=sorted_units["y"].where(sorted_units.index % 7 != 3))
    result = spec.fit(pm.Panel(frame, unit="id", time="t"))
    b, means = result.params, frame.dropna().groupby("id")["x"].mean()
    for rows in (frame.iloc[[3, 20, 50]], frame.iloc[[7]], frame):
        mean = means[rows["id"]].to_numpy()
        expected = b["Intercept"] + b[within] * (rows["x"] - mean) + b[between] * mean
        for fit in (result, pickle.loads(pickle.dumps(result))):
            found = fit.predict(rows)
            np.testing.assert_allclose(found, expected, rtol=1e-9)
            assert found.attrs == {}
    np.testing.assert_allclose(result.predict(), expected, rtol=1e-9)
    new = pd.DataFrame({"id": [99, 99, 4, 98], "t": [0, 3, 2, 2], "x": [1.0, 2.0, 1.5, -1.0]})
    mean = np.array([1.5, 1.5, means[4], -1.0])
    expected = b["Intercept"] + b[within] * (new["x"] - mean) + b[between] * mean
    found = result.predict(new)
    np.testing.assert_allclose(found, expected, rtol=1e-9)
    assert found.attrs["notes"] == (
        "2 units were not in the estimation sample (id 98, 99): their unit means are those of the "
        "rows that are predicted.",
    )


def test_weighted_means_of_mundlak_are_kept(sorted_units: pd.DataFrame) -> None:
    frame = sorted_units.assign(w=1.0 + sorted_units["t"])
    result = pm.Mundlak("y ~ x", weights="w").fit(pm.Panel(frame, unit="id", time="t"))
    mean = (frame["x"] * frame["w"]).groupby(frame["id"]).sum() / 21
    b, rows = result.params, frame.iloc[[3, 20, 50]]
    expected = b["Intercept"] + b["x"] * rows["x"] + b["mean(x)"] * mean[rows["id"]].to_numpy()
    np.testing.assert_allclose(result.predict(rows), expected, rtol=1e-10)
    np.testing.assert_allclose(result.predict(rows.drop(columns="w")), expected, rtol=1e-10)


def test_rows_off_the_time_axis_of_the_fit_are_refused() -> None:
    dates = pd.date_range("2001-03-31", periods=6, freq=pd.offsets.QuarterEnd())
    frame = pd.DataFrame({"u": np.repeat([1, 2], 6), "t": [*dates, *dates], "x": range(12)})
    rng = np.random.default_rng(0)
    panel = pm.Panel(frame.assign(y=rng.normal(size=12)), unit="u", time="t")
    result = pm.PooledOLS("y ~ L(x)").fit(panel)
    months = pd.date_range("2001-03-31", periods=4, freq=pd.offsets.MonthEnd())
    with pytest.raises(SpecificationError, match="do not lie on a grid of step 1 quarter"):
        result.predict(pd.DataFrame({"u": 1, "t": months, "x": range(4)}))
    with pytest.raises(ColumnTypeError, match="Times such as 3 are no dates"):
        result.predict(pd.DataFrame({"u": 1, "t": [3, 4], "x": range(2)}))
    later = pd.DataFrame({"u": 1, "t": pd.to_datetime(["2011-06-30", "2011-03-31"]), "x": [5, 7]})
    b = result.params
    np.testing.assert_allclose(result.predict(later), [b["Intercept"] + 7 * b["L(x)"], np.nan])
