"""The results interface, the same for every estimator."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import panelml as pm
from panelml.errors import DetachedResultError, SpecificationError, UnknownNameError
from panelml.inference.testing import TestResult
from panelml.results.base import Results
from tests.contract.conftest import make_messy
from tests.contract.estimators import ESTIMATORS, Estimator, fit
from tests.laws.compare import assert_same

COVARIANCES = ("iid", "HC1", "cluster", "cluster:region", "cluster:unit+time", "DK:1", "NW:1")
every = pytest.mark.parametrize("name", ESTIMATORS)
FORMULA = "y ~ x1 + x2"


@pytest.fixture(scope="module")
def fits(messy: pd.DataFrame) -> dict[str, Results]:
    return {name: fit(estimator, messy) for name, estimator in ESTIMATORS.items()}


def complete(frame: pd.DataFrame) -> np.ndarray:
    return frame[["y", "x1", "x2"]].notna().all(axis=1).to_numpy()


# --- what is reported ---------------------------------------------------------------------------


@every
def test_parameters_and_inference(name: str, fits: dict[str, Results]) -> None:
    result, estimator = fits[name], ESTIMATORS[name]
    names = [label.format(x) for label in estimator.split for x in ("x1", "x2")]
    assert list(result.params.index) == (["Intercept"] if estimator.constant else []) + names
    for series in (result.std_errors, result.tstats, result.pvalues):
        assert isinstance(series, pd.Series)
        assert series.index.equals(result.params.index)
        assert np.isfinite(series).all()
    cov = result.cov
    assert cov.index.equals(cov.columns) and cov.index.equals(result.params.index)
    np.testing.assert_array_equal(cov, cov.T)
    np.testing.assert_allclose(np.diag(cov), result.std_errors**2, rtol=1e-14)
    assert np.linalg.eigvalsh(cov).min() > 0
    np.testing.assert_allclose(result.tstats, result.params / result.std_errors)
    expected = 2 * stats.t.sf(np.abs(result.tstats), result.df_t)
    np.testing.assert_allclose(result.pvalues, expected)


@every
def test_confidence_intervals(name: str, fits: dict[str, Results]) -> None:
    result = fits[name]
    interval, wide = result.conf_int(), result.conf_int(0.99)
    assert list(interval.columns) == ["lower", "upper"]
    middle = (interval["lower"] + interval["upper"]) / 2
    np.testing.assert_allclose(middle, result.params)
    half = stats.t.ppf(0.975, result.df_t) * result.std_errors
    np.testing.assert_allclose(interval["upper"] - result.params, half)
    assert (wide["lower"] < interval["lower"]).all() and (wide["upper"] > interval["upper"]).all()
    for level in (0, 1, 95):
        with pytest.raises(SpecificationError, match=f"level must lie between 0 and 1, .*{level}"):
            result.conf_int(level)


@every
def test_sizes_and_fit(name: str, fits: dict[str, Results], messy: pd.DataFrame) -> None:
    result, rows = fits[name], messy[complete(messy)]
    assert result.n_units == rows["unit"].nunique()
    assert result.statistics.n_periods == rows["time"].nunique()
    if ESTIMATORS[name].kind != "difference":
        assert result.nobs == len(rows)
    assert isinstance(result.nobs, int) and isinstance(result.df_resid, int)
    assert result.df_model == len(result.params) - ESTIMATORS[name].constant
    assert 0 < result.df_resid < len(rows)
    for value in (
        result.rsquared,
        result.rsquared_within,
        result.rsquared_between,
        result.rsquared_overall,
    ):
        assert 0 <= value <= 1
    likelihood = ESTIMATORS[name].options.get("method") in ("ml", "reml")
    assert hasattr(result, "loglik") == (ESTIMATORS[name].kind != "random" or likelihood)
    assert all(np.isfinite(known.value) for known in result.measures.declared)
    assert result.depvar == "y"
    assert all(isinstance(value, float) for value in result.extras.values())


@every
def test_notes_say_what_was_dropped(
    name: str, fits: dict[str, Results], messy: pd.DataFrame
) -> None:
    notes = fits[name].notes
    assert isinstance(notes, tuple) and all(isinstance(note, str) for note in notes)
    n = len(messy)
    assert f"Dropped 5 of {n} rows with missing values (y: 2, x1: 1, x2: 3)." in notes


@every
def test_views(name: str, fits: dict[str, Results]) -> None:
    result = fits[name]
    text = str(result.summary())
    assert "y" in text and all(parameter in text for parameter in result.params.index)
    assert "clustered by unit" in text
    assert all(" ".join(note.split()[:3]) in text for note in result.notes)
    assert "<table" in result._repr_html_()
    tidy, glance = result.tidy(), result.glance()
    assert list(tidy["term"]) == list(result.params.index)
    np.testing.assert_array_equal(tidy["estimate"], result.params)
    assert len(glance) == 1 and glance.loc[0, "nobs"] == result.nobs
    assert "tabular" in result.to_latex()
    assert all(parameter in result.to_markdown() for parameter in result.params.index)


# --- covariances without a new fit --------------------------------------------------------------


@every
@pytest.mark.parametrize("cov", COVARIANCES)
def test_with_cov_is_a_fit_with_that_covariance(
    name: str, cov: str, fits: dict[str, Results], messy: pd.DataFrame
) -> None:
    result, estimator = fits[name], ESTIMATORS[name]
    if estimator.kind == "between" and cov in (
        "cluster:region",
        "cluster:unit+time",
        "DK:1",
        "NW:1",
    ):
        with pytest.raises(SpecificationError, match="means of unit"):
            result.with_cov(cov)
        return
    before = result.covariance
    changed = result.with_cov(cov)
    assert changed.params is result.params and changed.statistics is result.statistics
    assert result.covariance is before
    assert type(changed) is type(result)
    assert_same(changed, fit(estimator, messy, cov=cov), rel=1e-12, floor=1e-13)
    assert changed.with_cov("cluster").cov.equals(result.cov)


@every
def test_with_cov_takes_values_and_refuses_nonsense(name: str, fits: dict[str, Results]) -> None:
    result = fits[name]
    assert result.with_cov(pm.cov.Clustered("unit")).cov.equals(result.cov)
    with pytest.raises(
        UnknownNameError, match=r"No covariance 'clustr'\. Did you mean 'cluster'\?"
    ):
        result.with_cov("clustr")
    with pytest.raises(UnknownNameError, match=r"No column 'regio'\. Did you mean 'region'\?"):
        result.with_cov("cluster:regio")
    with pytest.raises(UnknownNameError, match=r"Did you mean 'stata'\?"):
        result.with_cov(pm.cov.Clustered(small_sample="statta"))


@every
def test_a_restriction_of_one_parameter_is_its_t_test(name: str, fits: dict[str, Results]) -> None:
    result = fits[name]
    first = ESTIMATORS[name].split[0].format("x1")
    test = result.wald_test(f"{first} = 0.25")
    assert isinstance(test, TestResult)
    expected = ((result.params[first] - 0.25) / result.std_errors[first]) ** 2
    assert test.statistic == pytest.approx(expected)
    second = ESTIMATORS[name].split[0].format("x2")
    assert result.wald_test(f"{first} = {second}").df[0] == 1
    with pytest.raises(UnknownNameError, match="No parameter 'x9'"):
        result.wald_test("x9 = 0")


# --- back to the rows ---------------------------------------------------------------------------


@every
def test_residuals_and_fitted_values_in_the_users_order(
    name: str, fits: dict[str, Results], messy: pd.DataFrame
) -> None:
    result = fits[name]
    for effects in (None, True, False) if ESTIMATORS[name].has_effects else (None, False):
        residuals, fitted = result.residuals(effects=effects), result.fitted(effects=effects)
        assert residuals.index.equals(messy.index) and fitted.index.equals(messy.index)
        inside = residuals.notna().to_numpy()
        np.testing.assert_array_equal(inside, complete(messy))
        np.testing.assert_array_equal(fitted.notna(), inside)
        total = (residuals.to_numpy() + fitted.to_numpy())[inside]
        np.testing.assert_allclose(total, messy["y"].to_numpy()[inside], rtol=1e-12)


@every
def test_residuals_average_to_zero_where_there_is_a_constant(
    name: str, fits: dict[str, Results]
) -> None:
    """Overall, and within the levels of whatever was absorbed."""
    result, estimator = fits[name], ESTIMATORS[name]
    if estimator.kind in ("pooled", "fixed", "difference"):
        residuals = result.residuals().to_numpy()
        assert np.nanmean(residuals) == pytest.approx(0, abs=1e-10)
    if estimator.kind == "fixed" and "unit" in estimator.effects:
        by_unit = pd.Series(result.residuals().to_numpy()).groupby(
            result.panel.key_labels().get_level_values(0)
        )
        np.testing.assert_allclose(by_unit.mean(), 0, atol=1e-9)


def slopes_of(result: Results, estimator: Estimator) -> Any:
    return [result.params[estimator.split[0].format(x)] for x in ("x1", "x2")]


@every
def test_prediction_of_the_sample(name: str, fits: dict[str, Results], messy: pd.DataFrame) -> None:
    """Rows whose outcome is missing are predicted, those with missing regressors are not."""
    result = fits[name]
    predicted = result.predict()
    assert predicted.index.equals(messy.index)
    np.testing.assert_array_equal(predicted.isna(), messy[["x1", "x2"]].isna().any(axis=1))
    inside = complete(messy)
    np.testing.assert_allclose(
        predicted.to_numpy()[inside], result.fitted(effects=False).to_numpy()[inside], rtol=1e-12
    )


@every
def test_prediction_of_new_rows(name: str, fits: dict[str, Results]) -> None:
    """New units, no outcome: differences between predictions are those of the regressors."""
    result, estimator = fits[name], ESTIMATORS[name]
    new = pd.DataFrame(
        {
            "unit": ["new", "new", "other"],
            "time": [2001, 2002, 2001],
            "x1": [0.0, 1.0, np.nan],
            "x2": [0.0, 0.0, 1.0],
            "firm": 0,
            "state": 0,
            "trend": 0.0,
        },
        index=["a", "b", "c"],
    )
    predicted = result.predict(new)
    assert list(predicted.index) == ["a", "b", "c"]
    assert np.isnan(predicted["c"])
    assert predicted["b"] - predicted["a"] == pytest.approx(slopes_of(result, estimator)[0])
    if estimator.constant and estimator.kind != "difference" and len(estimator.split) == 1:
        assert predicted["a"] == pytest.approx(result.params["Intercept"])
    if estimator.has_effects and "unit" in estimator.effects + str(estimator.kind == "random"):
        assert result.predict(new, effects=True).isna().all()
    with pytest.raises(UnknownNameError, match=r"No column 'x2'|names 'x2'"):
        result.predict(new.drop(columns="x2"))


@every
def test_prediction_with_effects_is_the_fit(
    name: str, fits: dict[str, Results], messy: pd.DataFrame
) -> None:
    result = fits[name]
    if not ESTIMATORS[name].has_effects:
        with pytest.raises(SpecificationError, match="has no estimated effects"):
            result.predict(effects=True)
        with pytest.raises(SpecificationError, match="has no estimated effects"):
            result.effects()
        return
    inside = complete(messy)
    np.testing.assert_allclose(
        result.predict(effects=True).to_numpy()[inside],
        result.fitted().to_numpy()[inside],
        rtol=1e-12,
    )
    np.testing.assert_allclose(
        result.predict(messy[inside], effects=True).to_numpy(),
        result.fitted().to_numpy()[inside],
        rtol=1e-9,
        atol=1e-9,
    )


@every
def test_effects_are_tables_by_level(
    name: str, fits: dict[str, Results], messy: pd.DataFrame
) -> None:
    if not ESTIMATORS[name].has_effects:
        return
    tables = fits[name].effects()
    rows = messy[complete(messy)]
    for effect, table in tables.items():
        assert isinstance(table, pd.DataFrame)
        assert table.index.name == effect.partition("[")[0]
        if effect in rows:
            assert set(table.index) == set(rows[effect])
        assert "effect" in table and table.notna().all(axis=None)
    if ESTIMATORS[name].kind == "random":
        assert "unit" in tables


# --- results as values --------------------------------------------------------------------------


@every
def test_results_and_specifications_are_immutable(
    name: str, fits: dict[str, Results], messy: pd.DataFrame
) -> None:
    result, estimator = fits[name], ESTIMATORS[name]
    with pytest.raises(AttributeError):
        result.params = result.params * 2  # type: ignore[misc]
    spec = estimator.spec(FORMULA)
    with pytest.raises(AttributeError):
        spec.formula = "y ~ x2"
    assert spec == estimator.spec(FORMULA) and hash(spec) == hash(estimator.spec(FORMULA))
    assert result.spec == spec
    panel = pm.Panel(messy, unit="unit", time="time")
    assert_same(spec.fit(panel), spec.fit(panel), rel=0)


@every
def test_pickling_leaves_the_data_behind(
    name: str, fits: dict[str, Results], messy: pd.DataFrame
) -> None:
    result = fits[name]
    packed = pickle.dumps(result)
    larger = pickle.dumps(fit(ESTIMATORS[name], make_messy(units=90)))
    # Where rows are predicted by unit means, these stay: a label and two means of each unit.
    more_units = make_messy(units=90)["unit"].nunique() - messy["unit"].nunique()
    unit_means = 3 * 8 * more_units if len(ESTIMATORS[name].split) > 1 else 0
    assert abs(len(larger) - len(packed) - unit_means) < 200
    back: Results = pickle.loads(packed)
    assert_same(result, back, rel=0)
    assert str(back.summary()) == str(result.summary())
    assert back.notes == result.notes
    assert back.wald_test(f"{result.params.index[-1]} = 0").pvalue == pytest.approx(
        result.pvalues.iloc[-1]
    )
    pd.testing.assert_series_equal(back.predict(messy), result.predict(messy))
    asks: list[Callable[[], Any]] = [
        lambda: back.with_cov("iid"),
        back.residuals,
        back.fitted,
        back.predict,
        back.effects,
        lambda: back.panel,
    ]
    for ask in asks:
        with pytest.raises(DetachedResultError, match="pickled without its data: fit again"):
            ask()


# --- containers ---------------------------------------------------------------------------------


@every
@pytest.mark.parametrize("container", ["multiindex", "polars", "pyarrow", "float32", "nullable"])
def test_containers_do_not_matter(
    name: str, container: str, fits: dict[str, Results], messy: pd.DataFrame
) -> None:
    estimator = ESTIMATORS[name]
    data: Any
    if container == "multiindex":
        data = messy.set_index(["unit", "time"])
    elif container == "polars":
        import polars

        data = pm.Panel(polars.from_pandas(messy.reset_index(drop=True)), unit="unit", time="time")
    elif container == "pyarrow":
        import pyarrow

        data = pm.Panel(pyarrow.Table.from_pandas(messy), unit="unit", time="time")
    elif container == "nullable":
        data = pm.Panel(messy.convert_dtypes(), unit="unit", time="time")
    else:
        data = pm.Panel(messy.astype({"x1": "float32", "y": "float32"}), unit="unit", time="time")
    found = estimator.spec(FORMULA).fit(data)
    rel = 1e-4 if container == "float32" else 1e-9
    assert found.params.to_numpy() == pytest.approx(fits[name].params.to_numpy(), rel=rel, abs=rel)
    if container not in ("float32",):
        assert_same(found, fits[name], rel=1e-9, floor=1e-11)
    residuals = found.residuals().to_numpy()
    assert residuals == pytest.approx(fits[name].residuals().to_numpy(), abs=1e-4, nan_ok=True)


@every
def test_whole_numbers_truth_values_and_categories(name: str, messy: pd.DataFrame) -> None:
    """As regressors and, where it is a number, as the outcome."""
    data = messy.assign(count=(10 * messy["x1"].fillna(0)).astype(int), flag=messy["member"] * 1.0)
    estimator = ESTIMATORS[name]
    by_flag = fit(estimator, data, "count ~ x1 + flag")
    by_truth = fit(estimator, data, "count ~ x1 + member")
    assert by_truth.params.to_numpy() == pytest.approx(by_flag.params.to_numpy(), rel=1e-12)
    by_name = fit(estimator, data, "y ~ x1 + C(region)")
    south = (data["region"] == "south") * 1.0
    west = (data["region"] == "west") * 1.0
    by_hand = fit(estimator, data.assign(south=south, west=west), "y ~ x1 + south + west")
    if "firm" in estimator.effects:
        assert any("Dropped" in note and "region" in note for note in by_name.notes)
    assert by_name.params.to_numpy() == pytest.approx(by_hand.params.to_numpy(), rel=1e-9)
