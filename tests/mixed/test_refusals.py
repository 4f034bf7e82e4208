"""Mixed models that cannot be fitted say why; a boundary is stated, never a silent number."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

import panelml as pm
from panelml.errors import (
    ColumnTypeError,
    ConvergenceError,
    EmptyDataError,
    FormulaError,
    IdentificationError,
    MissingValueError,
    SpecificationError,
    UnknownNameError,
)
from panelml.mixed.results.mixed_results import MixedResults
from tests.mixed.mixed_data import zerovar


def data() -> pd.DataFrame:
    """Twelve units ``g`` of five rows, crossed by six levels ``h``."""
    rng = np.random.RandomState(0)
    frame = pd.DataFrame({"g": np.repeat(np.arange(12), 5), "h": rng.randint(0, 6, 60)})
    frame = frame.assign(t=np.tile(np.arange(5.0), 12), x=rng.standard_normal(60))
    y = 1 + 0.3 * frame["t"] + rng.standard_normal(12)[frame["g"]] + rng.standard_normal(60)
    return frame.assign(y=y, row=np.arange(60), word=["a", "b"] * 30)


def fit(formula: str, frame: pd.DataFrame | None = None, **options: Any) -> MixedResults:
    return pm.MixedModel(formula, **options).fit(data() if frame is None else frame)


both = pytest.mark.parametrize("reml", [True, False])
APART = "cannot tell the variances of the random coefficients apart"
EXACT = "explains the outcome exactly: no residual variance"


def test_frequencies_are_no_precisions() -> None:
    """A likelihood of rows with precisions is not that of repeated rows."""
    frame = data().assign(n=lambda d: 1 + d["row"] % 3)
    with pytest.raises(SpecificationError, match="repeat each row instead of weights='frequency:n"):
        fit("y ~ t + (1 | g)", frame, weights="frequency:n")
    panel = pm.Panel(frame, unit="g", time="t")
    with pytest.raises(SpecificationError, match="not frequencies"):
        pm.Hybrid("y ~ x", random="1", weights="frequency:n").fit(panel)
    assert fit("y ~ t + (1 | g)", frame, weights="n").nobs == 60


@both
def test_one_unit(reml: bool) -> None:
    with pytest.raises(IdentificationError, match="grouping factor 'g' has one level"):
        fit("y ~ t + (1 | g)", data().assign(g=1), reml=reml)
    with pytest.raises(IdentificationError, match="grouping factor 'h' has one level"):
        fit("y ~ t + (1 | g) + (1 | h)", data().assign(h="only"), reml=reml)


@both
@pytest.mark.parametrize("terms", ["(1 | g)", "(t | g)", "(0 + x | g)"])
def test_one_row_a_unit(terms: str, reml: bool) -> None:
    one = data().assign(x=lambda d: d["x"] + d["t"]).groupby("g").head(1)
    with pytest.raises(IdentificationError, match="'g' has a single row"):
        fit(f"y ~ x + {terms}", one, reml=reml)


@both
@pytest.mark.parametrize("terms", ["(1 | row)", "(1 | g) + (1 | row)"])
def test_a_group_for_each_row(terms: str, reml: bool) -> None:
    with pytest.raises(IdentificationError, match="'row' has a single row: its random effect"):
        fit(f"y ~ t + {terms}", reml=reml)


@both
@pytest.mark.parametrize(
    ("terms", "rows"),
    [("(t | g)", 2), ("(1 | g) + (1 | k)", 5), ("(1 | g) + (t | g)", 5), ("(t | h) + (x | h)", 5)],
    ids=[
        "as many coefficients as rows",
        "two names of one factor",
        "two intercepts",
        "two intercepts of two terms",
    ],
)
def test_variances_that_cannot_be_told_apart(terms: str, rows: int, reml: bool) -> None:
    frame = data().groupby("g").head(rows)
    frame = frame.assign(k=frame["g"].map(lambda g: f"unit {g}"))
    with pytest.raises(IdentificationError, match=APART):
        fit(f"y ~ x + {terms}", frame, reml=reml)


@both
def test_more_random_coefficients_than_rows(reml: bool) -> None:
    for columns in ("t + x", "t + late"):
        frame = data().assign(late=lambda d: 1.0 * (d["t"] > 0) + d["h"])
        with pytest.raises((IdentificationError, ConvergenceError), match="too few"):
            fit(f"y ~ x + ({columns} | g)", frame.groupby("g").head(2), reml=reml)


@pytest.mark.slow  # left out at the lowest versions, whose rounding hides one of the two
def test_dummies_of_the_grouping_factor_leave_nothing_to_restricted_likelihood() -> None:
    for formula in ("y ~ C(g) + (1 | g)", "y ~ C(h) + (1 | g) + (1 | h)"):
        with pytest.raises(IdentificationError, match=APART):
            fit(formula)
    result = fit("y ~ C(g) + (1 | g)", reml=False)
    assert result.random.parts[0].cov[0, 0] == 0
    assert any("between g is estimated at 0" in note for note in result.notes)


@both
def test_a_constant_outcome(reml: bool) -> None:
    with pytest.raises(IdentificationError, match="outcome does not vary"):
        fit("y ~ t + (1 | g)", data().assign(y=3.0), reml=reml)


@both
def test_an_outcome_without_residuals(reml: bool) -> None:
    frame = data()
    t, g, h = frame["t"], frame["g"], frame["h"]
    exact = {
        "y ~ t + (1 | h)": 3 * t + 1,
        "y ~ t + (1 | g)": 3 * t + g**2,
        "y ~ t + (t | g)": 3 * t + g**2 + g**3 * t,
    }
    for formula, y in exact.items():
        with pytest.raises(IdentificationError, match=EXACT):
            fit(formula, frame.assign(y=y), reml=reml)
    with pytest.raises((IdentificationError, ConvergenceError), match="explain"):
        fit("y ~ t + (1 | g) + (1 | h)", frame.assign(y=3 * t + g**2 + h**3), reml=reml)
    eight = frame.head(10).assign(**{f"v{j}": np.arange(10.0) ** j for j in range(1, 10)})
    formula = "y ~ " + " + ".join(f"v{j}" for j in range(1, 10)) + " + (1 | g)"
    with pytest.raises(IdentificationError):
        fit(formula, eight, reml=reml)


def test_a_perfectly_explained_outcome_with_a_little_noise_is_fitted() -> None:
    frame = data()
    noise = frame["y"] - frame["t"]
    exact = fit("noise ~ t + (1 | g)", frame.assign(noise=noise))
    small = fit("y ~ t + (1 | g)", frame.assign(y=1e7 * frame["g"] ** 2 + noise - noise.mean()))
    assert small.sigma2 == pytest.approx(exact.sigma2, rel=0.05)


def test_missing_levels() -> None:
    for group in ("g", "h"):
        frame = data()
        frame[group] = frame[group].where(frame["row"] > 3)
        with pytest.raises(MissingValueError, match=f"4 rows have no level of .* '{group}'"):
            fit("y ~ t + (1 | g) + (1 | h)", frame)


def test_unknown_names() -> None:
    with pytest.raises(UnknownNameError, match=r"No column 'gg' to group by\. Did you mean 'g'"):
        fit("y ~ t + (1 | gg)")
    with pytest.raises(UnknownNameError, match="'tt', which is no column"):
        fit("y ~ tt + (1 | g)")
    with pytest.raises(UnknownNameError, match="'tt', which is no column"):
        fit("y ~ t + (tt | g)")


def test_text() -> None:
    with pytest.raises(ColumnTypeError, match="outcome 'word' must be numeric"):
        fit("word ~ t + (1 | g)")
    categories = fit("y ~ word + (1 | g)")
    assert list(categories.params.index) == ["Intercept", "word[T.b]"]


def test_formulas_that_are_not_mixed() -> None:
    with pytest.raises(SpecificationError, match=r"has no random term. Add one, as \(1 \| id\)"):
        fit("y ~ t")
    with pytest.raises(SpecificationError, match=r"random term \(0 \| g\) has no regressor"):
        fit("y ~ t + (0 | g)")
    for formula in ("y ~ t + (1 | )", "y ~ t + ( | g)", "y ~ t + (1 | g | h)"):
        with pytest.raises(FormulaError, match="Cannot read the random term"):
            fit(formula)
    with pytest.raises(FormulaError, match="parentheses"):
        fit("y ~ t + (1 | g")


def test_collinear_random_regressors() -> None:
    frame = data().assign(twice=lambda d: 2 * d["t"] + 1, one=1.0)
    for terms in ("(t + twice | g)", "(one | g)"):
        with pytest.raises(IdentificationError, match=r"random regressors .* are collinear"):
            fit(f"y ~ t + {terms}", frame)


def test_collinear_fixed_regressors_are_dropped_with_a_note() -> None:
    frame = data().assign(twice=lambda d: 2 * d["t"] + 1)
    result = fit("y ~ t + twice + (1 | g)", frame)
    assert list(result.params.index) == ["Intercept", "t"]
    assert any("Dropped 'twice'" in note for note in result.notes)


def test_no_rows() -> None:
    with pytest.raises(EmptyDataError, match="no rows"):
        fit("y ~ t + (1 | g)", data().head(0))
    with pytest.raises(EmptyDataError, match="No row is complete"):
        fit("y ~ t + (1 | g)", data().assign(y=np.nan))


def test_bad_weights() -> None:
    with pytest.raises(EmptyDataError, match="weight zero"):
        fit("y ~ t + (1 | g)", data().assign(w=0.0), weights="w")
    with pytest.raises(SpecificationError, match="negative in 60 rows"):
        fit("y ~ t + (1 | g)", data().assign(w=-1.0), weights="w")


def test_an_unknown_method() -> None:
    with pytest.raises(SpecificationError, match="reml takes True or False, not 'ML'"):
        pm.MixedModel("y ~ t + (1 | g)", reml="ML")  # type: ignore[arg-type]


def test_infinite_values() -> None:
    with pytest.raises(MissingValueError, match="'t' is infinite"):
        fit("y ~ t + (1 | g)", data().replace({"t": {4.0: np.inf}}))


@both
def test_boundaries_are_stated(reml: bool) -> None:
    frame = data()
    level = frame.groupby("g")["y"].transform("mean")
    flat = fit("y ~ t + (1 | g)", frame.assign(y=frame["y"] - level), reml=reml)
    assert flat.converged
    assert flat.random.parts[0].cov[0, 0] == 0
    assert flat.notes == (
        "The variance of Intercept between g is estimated at 0: the likelihood is highest there.",
    )
    assert flat.icc()["g"] == 0
    assert (flat.random_effects()["g"].abs() < 1e-10).all(axis=None)
    slopes = frame["y"] - level + frame["g"] * (0.2 + 0.1 * frame["t"])
    line = fit("y ~ t + (t | g)", frame.assign(y=slopes), reml=reml)
    assert line.converged
    assert any("perfectly correlated" in note for note in line.notes)
    assert line.extras["corr(Intercept, t | g)"] == pytest.approx(1)


def test_correlations_of_zero_variances_are_missing() -> None:
    result = pm.MixedModel("y ~ t + x + (t | id)").fit(zerovar())
    assert result.extras["sd(Intercept | id)"] == result.extras["sd(t | id)"] == 0
    assert np.isnan(result.extras["corr(Intercept, t | id)"])
    assert any("The variance of Intercept, t between id" in note for note in result.notes)


def test_labels_that_read_the_same() -> None:
    """A:1 with 2, and A with 1:2."""
    frame = pd.DataFrame({"a": ["A:1", "A", "B"] * 8, "b": ["2", "1:2", "2"] * 8})
    frame["y"] = np.random.default_rng(1).standard_normal(24)
    with pytest.raises(SpecificationError, match="'a:b' read the same"):
        pm.MixedModel("y ~ 1 + (1 | a:b)").fit(frame)


def test_a_level_that_is_no_number() -> None:
    polars = pytest.importorskip("polars")
    frame = pd.DataFrame({"g": np.arange(24) % 4 * 1.0, "y": np.arange(24) % 7 * 1.0})
    data = polars.from_pandas(frame).with_columns(
        polars.when(polars.col("g") == 2).then(float("nan")).otherwise(polars.col("g")).alias("g")
    )
    with pytest.raises(MissingValueError, match="6 rows have no level"):
        pm.MixedModel("y ~ 1 + (1 | g)").fit(data)


def test_what_is_no_data_frame() -> None:
    with pytest.raises(ColumnTypeError, match="not as builtins"):
        pm.MixedModel("y ~ 1 + (1 | g)").fit([1, 2])
