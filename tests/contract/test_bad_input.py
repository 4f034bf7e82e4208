"""Bad input: what every estimator refuses or drops, and in which words."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pandas as pd
import pytest

import panelml as pm
from panelml.errors import (
    ColumnTypeError,
    DuplicateIndexError,
    EmptyDataError,
    FormulaError,
    IdentificationError,
    MissingValueError,
    PanelmlError,
    SpecificationError,
    UnknownNameError,
)
from tests.contract.estimators import ESTIMATORS, Estimator, fit
from tests.laws.panels import make_frame

every = pytest.mark.parametrize("name", ESTIMATORS)


@pytest.fixture
def frame() -> pd.DataFrame:
    return make_frame(np.random.default_rng(2), 20, 6, 0.2)


def refuses(error: type[Exception], words: str) -> Any:
    """Expect an error of the package whose message contains the words as they stand."""
    assert issubclass(error, PanelmlError)
    return pytest.raises(error, match=re.escape(words))


# --- keys -----------------------------------------------------------------------------------------


def test_a_repeated_key_names_the_rows(frame: pd.DataFrame) -> None:
    twice = pd.concat([frame, frame.iloc[[3]]], ignore_index=True)
    unit, time = frame.loc[3, "unit"], frame.loc[3, "time"]
    words = f"unit={unit}, time={time} (rows 3 and {len(frame)})"
    with refuses(DuplicateIndexError, words):
        pm.Panel(twice, unit="unit", time="time")


@pytest.mark.parametrize("key", ["unit", "time"])
def test_a_missing_key_names_the_rows(frame: pd.DataFrame, key: str) -> None:
    frame[key] = frame[key].astype(float)
    frame.loc[[2, 4], key] = np.nan
    with refuses(MissingValueError, f"The {key} column {key!r} is missing in 2 rows (row 2, 4)"):
        pm.Panel(frame, unit="unit", time="time")


def test_unknown_keys_suggest_the_nearest(frame: pd.DataFrame) -> None:
    with refuses(UnknownNameError, "No column 'units'. Did you mean 'unit'?"):
        pm.Panel(frame, unit="units", time="time")
    with refuses(UnknownNameError, "No column 'tme'. Did you mean 'time'?"):
        pm.Panel(frame, unit="unit", time="tme")
    with refuses(SpecificationError, "Name both key columns"):
        pm.Panel(frame, unit="unit")


def test_time_is_not_text(frame: pd.DataFrame) -> None:
    with refuses(ColumnTypeError, "The time column 'time' holds text or unordered categories"):
        pm.Panel(frame.astype({"time": str}), unit="unit", time="time")


@every
@pytest.mark.parametrize("data", [None, [1, 2], {"y": [1.0]}, np.zeros((3, 2))], ids=repr)
def test_what_is_no_panel(name: str, data: Any) -> None:
    with refuses(SpecificationError, "(unit, time) MultiIndex"):
        ESTIMATORS[name].spec("y ~ x1 + x2").fit(data)


@every
def test_a_frame_without_keys(name: str, frame: pd.DataFrame) -> None:
    with refuses(SpecificationError, "Name both key columns, Panel(data, unit=..., time=...)"):
        ESTIMATORS[name].spec("y ~ x1 + x2").fit(frame)


# --- values ---------------------------------------------------------------------------------------


def test_no_rows(frame: pd.DataFrame) -> None:
    with refuses(EmptyDataError, "The data have no rows."):
        pm.Panel(frame.iloc[:0], unit="unit", time="time")


@every
def test_no_complete_row(name: str, frame: pd.DataFrame) -> None:
    n = len(frame)
    with refuses(EmptyDataError, f"No row is complete. Missing values: x1: {n}."):
        fit(ESTIMATORS[name], frame.assign(x1=np.nan))


@every
@pytest.mark.parametrize("column", ["y", "x1"])
def test_infinite_values(name: str, column: str, frame: pd.DataFrame) -> None:
    frame.loc[[5, 11], column] = [np.inf, -np.inf]
    with refuses(MissingValueError, f"{column!r} is infinite in row 5, 11. Replace infinite"):
        fit(ESTIMATORS[name], frame)


@every
def test_weights(name: str, frame: pd.DataFrame) -> None:
    estimator = ESTIMATORS[name]
    with refuses(SpecificationError, "The weights 'w' are negative in 2 rows (row 4, 7)"):
        fit(estimator, frame.assign(w=frame["w"].mask(frame.index.isin([4, 7]), -1)), weights="w")
    with refuses(MissingValueError, "'w' is infinite in row 4"):
        fit(estimator, frame.assign(w=frame["w"].mask(frame.index == 4, np.inf)), weights="w")
    with refuses(UnknownNameError, "No column 'ww'. Did you mean 'w'?"):
        fit(estimator, frame, weights="ww")
    with refuses(ColumnTypeError, "'w' must be numeric"):
        fit(estimator, frame.assign(w=frame["w"].astype(str)), weights="w")
    with refuses(SpecificationError, "Unknown kind of weights 'sampling'"):
        fit(estimator, frame, weights="sampling:w")
    with refuses(EmptyDataError, "Every row has weight zero."):
        fit(estimator, frame.assign(w=0.0), weights="w")
    some = fit(estimator, frame.assign(w=frame["w"].mask(frame["unit"] == 11, 0.0)), weights="w")
    rows = int((frame["unit"] == 11).sum())
    assert f"Dropped {rows} rows with weight zero." in some.notes
    missing = fit(
        estimator, frame.assign(w=frame["w"].mask(frame["unit"] == 11, np.nan)), weights="w"
    )
    assert any(f"Dropped {rows} of" in note and f"(w: {rows})" in note for note in missing.notes)
    assert missing.params.to_numpy() == pytest.approx(some.params.to_numpy(), rel=1e-12)


@every
def test_numbers_written_as_text(name: str, frame: pd.DataFrame) -> None:
    with refuses(ColumnTypeError, "Column 'x1' holds numbers written as text"):
        fit(ESTIMATORS[name], frame.astype({"x1": str}))


@every
def test_an_outcome_of_text(name: str, frame: pd.DataFrame) -> None:
    text = frame.assign(y=np.where(frame["y"] > 0, "yes", "no"))
    with refuses(ColumnTypeError, "The outcome 'y' must be numeric, but holds text or categories"):
        fit(ESTIMATORS[name], text)


# --- formulas -------------------------------------------------------------------------------------


@every
def test_unknown_names_suggest_the_nearest(name: str, frame: pd.DataFrame) -> None:
    with refuses(UnknownNameError, "'trnd', which is no column. Did you mean 'trend'?"):
        fit(ESTIMATORS[name], frame, "y ~ x1 + trnd")
    with refuses(UnknownNameError, "'outcome', which is no column."):
        fit(ESTIMATORS[name], frame, "outcome ~ x1")


@every
@pytest.mark.parametrize(
    ("formula", "words"),
    [
        ("y x1", "no two sides of one '~'"),
        ("y ~ x1 ~ x2", "no two sides of one '~'"),
        ("~ x1", "no two sides of one '~'"),
        ("y ~ x1 + (x2", "The parentheses of 'y ~ x1 + (x2"),
        ("y ~ x1 x2", "Missing operator between `x1` and `x2`"),
        ("y ~ x1 +* x2", "Operator `+*` is incorrectly used"),
        ("y ~ .", "'.' does not stand for all other columns here"),
        ("y ~ y + x1", "The outcome 'y' is also a regressor"),
    ],
)
def test_formulas_that_cannot_be_read(
    name: str, formula: str, words: str, frame: pd.DataFrame
) -> None:
    with refuses(FormulaError, words):
        fit(ESTIMATORS[name], frame, formula)


@pytest.mark.parametrize("name", [key for key, e in ESTIMATORS.items() if e.kind != "fixed"])
def test_effects_only_where_they_are_absorbed(name: str, frame: pd.DataFrame) -> None:
    with refuses(SpecificationError, "absorbs no effects, but the formula has '| unit'. Use Fixed"):
        fit(ESTIMATORS[name], frame, "y ~ x1 | unit")


def test_effects_that_make_no_sense(frame: pd.DataFrame) -> None:
    panel = pm.Panel(frame, unit="unit", time="time")
    for effects, error, words in [
        ("frm", UnknownNameError, "No column 'frm' to absorb. Did you mean 'firm'?"),
        ("unit[tren]", UnknownNameError, "No column 'tren' to absorb. Did you mean 'trend'?"),
        ("0", SpecificationError, "Nothing is absorbed after '|'"),
        ("unit | time", FormulaError, "has more than one '|'"),
        ("unit +", FormulaError, "An effect is missing around a '+'"),
        ("unit[trend", FormulaError, "Cannot read the absorbed effect 'unit[trend'"),
        ("log(unit)", FormulaError, "Cannot read the absorbed effect 'log(unit)'"),
        ("unit[[trend]", FormulaError, "brackets of the effect"),
    ]:
        with refuses(error, words):
            pm.FixedEffects(f"y ~ x1 | {effects}").fit(panel)
    with refuses(SpecificationError, "singletons is not 'remove'. Known: keep, drop."):
        pm.FixedEffects("y ~ x1", singletons="remove").fit(panel)  # type: ignore[arg-type]


@pytest.mark.parametrize("spec", [pm.RandomEffects, pm.Mundlak, pm.Hybrid])
def test_unknown_methods_suggest_the_nearest(spec: Any, frame: pd.DataFrame) -> None:
    with refuses(SpecificationError, "method is not 'swamy'. Did you mean 'swamy-arora'?"):
        spec("y ~ x1", method="swamy").fit(pm.Panel(frame, unit="unit", time="time"))


@every
def test_unknown_covariances_and_clusters(name: str, frame: pd.DataFrame) -> None:
    with refuses(UnknownNameError, "No covariance 'HC0'."):
        fit(ESTIMATORS[name], frame, cov="HC0")
    with refuses(UnknownNameError, "No column 'unt'. Did you mean 'unit'?"):
        fit(ESTIMATORS[name], frame, cov="cluster:unt")


@pytest.mark.parametrize("name", [key for key, e in ESTIMATORS.items() if e.kind != "between"])
def test_a_missing_cluster_names_the_rows(name: str, frame: pd.DataFrame) -> None:
    column = frame["firm"].astype(float).mask(frame.index.isin([3, 8]))
    if ESTIMATORS[name].kind == "difference":
        return
    with refuses(
        MissingValueError, "'club' is missing in 2 rows of the estimation sample (row 3, 8"
    ):
        fit(ESTIMATORS[name], frame.assign(club=column), cov="cluster:club")


# --- nothing to estimate --------------------------------------------------------------------------


@every
def test_a_constant_regressor_is_dropped_with_a_note(name: str, frame: pd.DataFrame) -> None:
    """Also where its mean is not exact in binary."""
    estimator = ESTIMATORS[name]
    for value in (0.0, 0.1, 1e6 / 3, -1e-9):
        found = fit(estimator, frame.assign(c=value), "y ~ x1 + c")
        plain = fit(estimator, frame, "y ~ x1")
        assert list(found.params.index) == list(plain.params.index)
        assert found.params.to_numpy() == pytest.approx(plain.params.to_numpy(), rel=1e-9)
        assert any(note.startswith("Dropped 'c': ") for note in found.notes), found.notes


@every
def test_only_constant_regressors(name: str, frame: pd.DataFrame) -> None:
    estimator = ESTIMATORS[name]
    if estimator.constant and len(estimator.split) == 1:
        found = fit(estimator, frame.assign(c=0.1), "y ~ c")
        assert list(found.params.index) == ["Intercept"]
        return
    words = (
        "No regressor is left" if len(estimator.split) == 1 else "No regressor varies within unit"
    )
    with refuses(IdentificationError, words):
        fit(estimator, frame.assign(c=0.1), "y ~ c")


@pytest.mark.parametrize("name", [key for key, e in ESTIMATORS.items() if "unit" in e.effects])
def test_regressors_that_do_not_vary_in_units(name: str, frame: pd.DataFrame) -> None:
    found = fit(ESTIMATORS[name], frame, "y ~ x1 + z")
    assert list(found.params.index) == ["x1"]
    assert any("Dropped 'z': no variation within unit" in note for note in found.notes)
    with refuses(
        IdentificationError, "No regressor is left to estimate. Dropped 'z': no variation"
    ):
        fit(ESTIMATORS[name], frame, "y ~ z")


@pytest.mark.parametrize("name", ["mundlak", "hybrid", "hybrid-reml"])
def test_no_regressor_varies_in_units(name: str, frame: pd.DataFrame) -> None:
    with refuses(IdentificationError, "No regressor varies within unit"):
        fit(ESTIMATORS[name], frame, "y ~ z")


@pytest.mark.parametrize("name", [key for key, e in ESTIMATORS.items() if "unit" in e.effects])
def test_an_outcome_that_does_not_vary_in_units(name: str, frame: pd.DataFrame) -> None:
    with refuses(IdentificationError, "The outcome does not vary within unit"):
        fit(ESTIMATORS[name], frame.assign(y=frame["z"]))


@every
def test_a_constant_outcome(name: str, frame: pd.DataFrame) -> None:
    for value in (0.0, 3.7):
        constant = frame.assign(y=value)
        with pytest.raises(IdentificationError, match=r"does not vary|explain the outcome exactly"):
            fit(ESTIMATORS[name], constant)


@every
def test_one_period(name: str, frame: pd.DataFrame) -> None:
    estimator = ESTIMATORS[name]
    first = frame[~frame["unit"].duplicated()].assign(time=2000)
    if estimator.kind in ("pooled", "between") or estimator.effects == " | firm":
        found = fit(estimator, first)
        assert found.nobs == len(first) and found.statistics.n_periods == 1
        return
    with pytest.raises(IdentificationError) as caught:
        fit(estimator, first)
    words = {
        "fixed": "alone in a level" if estimator.options else "The outcome does not vary within",
        "difference": "No unit is observed in two consecutive periods",
        "random": "two periods" if "time_effects" in estimator.options else "within units",
    }
    if len(estimator.split) == 2:
        words["random"] = "No regressor varies within unit"
    assert words[estimator.kind] in str(caught.value)


@every
def test_one_unit(name: str, frame: pd.DataFrame) -> None:
    estimator = ESTIMATORS[name]
    rng = np.random.default_rng(0)
    one = pd.DataFrame(
        {
            "unit": 1,
            "time": range(30),
            "y": rng.normal(size=30),
            "x1": rng.normal(size=30),
            "x2": rng.normal(size=30),
            "firm": rng.integers(0, 3, 30),
            "state": 1,
            "trend": rng.normal(size=30),
        }
    )
    needs_units = estimator.kind in ("between", "random") or "time" in estimator.effects
    if not needs_units:
        with refuses(IdentificationError, "clustered standard errors need at least two clusters"):
            fit(estimator, one)
        assert np.isfinite(fit(estimator, one, cov="iid").std_errors).all()
        return
    with pytest.raises(IdentificationError) as caught:
        fit(estimator, one, cov="iid")
    assert str(caught.value)[0].isupper() and str(caught.value).endswith(".")


@every
def test_too_few_rows(name: str, frame: pd.DataFrame) -> None:
    few = frame[frame["unit"] < 12].assign(
        **{
            f"v{i}": np.random.default_rng(i).normal(size=int((frame["unit"] < 12).sum()))
            for i in range(12)
        }
    )
    formula = "y ~ " + " + ".join(f"v{i}" for i in range(12))
    with pytest.raises(IdentificationError) as caught:
        fit(ESTIMATORS[name], few, formula, cov="iid")
    message = str(caught.value)
    assert re.search("too few|not identified|at least two units|nothing left to explain", message)


@every
def test_errors_are_of_one_tree(name: str) -> None:
    """A user may catch ValueError, KeyError, or everything of the package."""
    estimator: Estimator = ESTIMATORS[name]
    with pytest.raises(ValueError, match="MultiIndex") as caught:
        estimator.spec("y ~ x1").fit(None)
    assert isinstance(caught.value, PanelmlError)
