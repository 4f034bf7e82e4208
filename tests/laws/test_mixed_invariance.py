"""What must not matter to a mixed model, and what must move it in a known way."""

from __future__ import annotations

import pickle
import string
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import panelml as pm
from panelml.mixed.results.mixed_results import MixedResults
from tests.laws.compare import assert_frames_identical, assert_same, chunks_of
from tests.laws.mixed_problems import frames, make_frame
from tests.mixed.mixed_data import growth

SINGLE = ("(1 | a)", "(t | a)", "(t || a)", "(t + x | a)")
SEVERAL = ("(1 | a) + (1 | b)", "(t | a) + (x | b)", "(1 | c/a)", "(t | c/a)")
every = pytest.mark.parametrize("terms", SINGLE + SEVERAL)
both = pytest.mark.parametrize("reml", [True, False])


def fit(frame: pd.DataFrame, terms: str, fixed: str = "t + x", **options: Any) -> MixedResults:
    return pm.MixedModel(f"y ~ {fixed} + {terms}", **options).fit(frame)


def assert_near(first: MixedResults, second: MixedResults) -> None:
    """The same optimum, up to where two iterations may end."""
    assert first.loglik == pytest.approx(second.loglik, abs=1e-8)
    scale = np.sqrt(first.sigma2)
    for one, two in zip(first.random.parts, second.random.parts, strict=True):
        np.testing.assert_allclose(one.cov, two.cov, rtol=1e-5, atol=1e-6 * first.sigma2)
    np.testing.assert_allclose(first.params, second.params, rtol=1e-6, atol=1e-6 * scale)
    np.testing.assert_allclose(first.std_errors, second.std_errors, rtol=1e-6)


@every
@both
@settings(max_examples=3)
@given(
    frame=frames(),
    shift=st.sampled_from([0.0, 3.0, -2e3, 1e6]),
    scale=st.sampled_from([1e-6, 0.3, 1e6]),
)
def test_units_of_measurement_of_covariates_do_not_matter(
    terms: str, reml: bool, frame: pd.DataFrame, shift: float, scale: float
) -> None:
    """Same optimum, fitted rows and predictions; the coefficients move as they should.

    Where slopes are uncorrelated with the intercepts the model itself knows the origin.
    """
    shift = 0.0 if "||" in terms or "(x | b)" in terms else shift
    moved = frame.assign(t=scale * (frame["t"] + shift), x=scale * (frame["x"] + shift))
    first, second = fit(frame, terms, reml=reml), fit(moved, terms, reml=reml)
    # The determinant of X'X, which the restricted likelihood sees.
    constant = 2 * np.log(scale) if reml else 0.0
    assert second.loglik == pytest.approx(first.loglik - constant, abs=1e-7)
    assert second.sigma2 == pytest.approx(first.sigma2, rel=1e-6)
    slopes = ["t", "x"]
    np.testing.assert_allclose(scale * second.params[slopes], first.params[slopes], rtol=1e-5)
    np.testing.assert_allclose(
        scale * second.std_errors[slopes], first.std_errors[slopes], rtol=1e-5
    )
    size = np.sqrt(first.sigma2)
    np.testing.assert_allclose(second.residuals(), first.residuals(), atol=1e-5 * size)
    np.testing.assert_allclose(
        second.predict(moved, effects=True), first.predict(frame, effects=True), atol=1e-5 * size
    )


@every
@both
@pytest.mark.parametrize(("scale", "shift"), [(1e-6, 0.0), (1e6, 0.0), (1.0, 1e7), (-3.0, 5.0)])
def test_units_of_measurement_of_the_outcome_do_not_matter(
    terms: str, reml: bool, scale: float, shift: float
) -> None:
    frame = make_frame(np.random.default_rng(5), 12, 1.0)
    first = fit(frame, terms, reml=reml)
    second = fit(frame.assign(y=scale * frame["y"] + shift), terms, reml=reml)
    # 1e7 leaves nine digits of the outcome.
    rel = 1e-6 if shift < 1e6 else 1e-5
    assert second.sigma2 == pytest.approx(scale**2 * first.sigma2, rel=rel)
    expected = scale * first.params + shift * (first.params.index == "Intercept")
    np.testing.assert_allclose(second.params, expected, rtol=rel)
    np.testing.assert_allclose(second.std_errors, abs(scale) * first.std_errors, rtol=rel)
    df = len(frame) - 3 * reml
    assert second.loglik == pytest.approx(first.loglik - df * np.log(abs(scale)), abs=1e-5)


@both
@pytest.mark.parametrize("terms", ["(t | id)", "(1 | id)"])
@pytest.mark.parametrize("column", ["year", "unix"])
def test_dates_far_from_their_origin(terms: str, column: str, reml: bool) -> None:
    """Calendar years and seconds have the optimum of time counted from zero."""
    frame = growth()
    near = pm.MixedModel(f"y ~ t + x + {terms}", reml=reml).fit(frame)
    far = pm.MixedModel(f"y ~ {column} + x + {terms.replace('t |', column + ' |')}", reml=reml)
    result = far.fit(frame)
    scale = 1.0 if column == "year" else 31_557_600.0
    constant = np.log(scale) if reml else 0.0
    assert result.loglik == pytest.approx(near.loglik - constant, abs=1e-7)
    assert result.params[column] * scale == pytest.approx(near.params["t"], rel=1e-8)
    assert result.std_errors[column] * scale == pytest.approx(near.std_errors["t"], rel=1e-7)
    np.testing.assert_allclose(result.residuals(), near.residuals(), atol=1e-6)
    for cov in ("satterthwaite", "kenward-roger") if reml else ("satterthwaite",):
        df = near.with_cov(cov).df_terms["t"]
        assert result.with_cov(cov).df_terms[column] == pytest.approx(df, rel=1e-5)


@every
@settings(max_examples=3)
@given(frame=frames(), seed=st.integers(0, 99))
def test_row_order_does_not_matter(terms: str, frame: pd.DataFrame, seed: int) -> None:
    shuffled = frame.sample(frac=1, random_state=seed)
    first, second = fit(frame, terms), fit(shuffled, terms)
    assert_near(first, second)
    residuals = second.residuals()
    assert residuals.index.equals(shuffled.index)
    np.testing.assert_allclose(residuals.reindex(frame.index), first.residuals(), atol=1e-6)


@every
@pytest.mark.parametrize("kind", ["text", "category", "float", "tuple", "other order"])
def test_names_of_levels_do_not_matter(terms: str, kind: str) -> None:
    frame = make_frame(np.random.default_rng(6), 10, 1.0)
    a = frame["a"]
    keys = {
        "text": a.map(lambda u: string.ascii_lowercase[u]),
        "category": a.map(lambda u: string.ascii_lowercase[u]).astype("category"),
        "float": a / 4,
        "tuple": a.map(lambda u: ("unit", u)),
        "other order": (7 * a + 3) % 10,
    }
    first, second = fit(frame, terms), fit(frame.assign(a=keys[kind]), terms)
    assert_near(first, second)
    found = [part.name for part in second.random.parts]
    assert found == [part.name for part in first.random.parts]
    if "c/a" not in terms:
        names = pd.Series(keys[kind].to_numpy(), index=a.to_numpy()).groupby(level=0).first()
        table = second.random_effects()["a"].loc[list(names)]
        np.testing.assert_allclose(table, first.random_effects()["a"], atol=1e-6)


@every
@both
def test_the_size_of_weights_does_not_matter(terms: str, reml: bool) -> None:
    """Prior weights are scaled to a mean of one, which moves nothing but the error's variance."""
    frame = make_frame(np.random.default_rng(7), 10, 1.0)
    first = fit(frame, terms, weights="w", reml=reml)
    second = fit(frame.assign(w=1000 * frame["w"]), terms, weights="w", reml=reml)
    assert_near(first, second)
    even = fit(frame.assign(w=7.0), terms, weights="w", reml=reml)
    assert_near(fit(frame, terms, reml=reml), even)


@both
@settings(max_examples=5)
@given(frame=frames())
def test_random_intercepts_are_random_effects(frame: pd.DataFrame, reml: bool) -> None:
    frame = frame.assign(row=frame.groupby("a").cumcount())
    mixed = fit(frame, "(1 | a)", reml=reml)
    panel = pm.Panel(frame, unit="a", time="row")
    method = "reml" if reml else "ml"
    random = pm.RandomEffects("y ~ t + x", method=method, cov="iid").fit(panel)
    assert mixed.loglik == pytest.approx(random.loglik, abs=1e-7)
    np.testing.assert_allclose(mixed.params, random.params, rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(mixed.std_errors, random.std_errors, rtol=1e-5)
    clustered = mixed.with_cov("cluster").std_errors
    assert clustered.to_numpy() == pytest.approx(random.with_cov("cluster").std_errors, rel=1e-4)


@settings(max_examples=5)
@given(frame=frames())
def test_the_within_part_of_a_within_between_model_is_fixed_effects(frame: pd.DataFrame) -> None:
    means = frame.groupby("a")[["t", "x"]].transform("mean")
    frame = frame.assign(
        row=frame.groupby("a").cumcount(),
        t_b=means["t"],
        x_b=means["x"],
        t_w=frame["t"] - means["t"],
        x_w=frame["x"] - means["x"],
    )
    mixed = fit(frame, "(1 | a)", fixed="t_w + x_w + t_b + x_b")
    panel = pm.Panel(frame, unit="a", time="row")
    fixed = pm.FixedEffects("y ~ t + x", cov="iid").fit(panel)
    within = ["t_w", "x_w"]
    np.testing.assert_allclose(mixed.params[within], fixed.params, rtol=1e-7, atol=1e-9)
    hybrid = pm.Hybrid("y ~ t + x", method="reml", cov="iid").fit(panel)
    np.testing.assert_allclose(
        mixed.std_errors[within], hybrid.std_errors[["within(t)", "within(x)"]], rtol=1e-5
    )


@every
@pytest.mark.parametrize("rows", [1, 13, 40])
def test_chunks_do_not_matter(terms: str, rows: int) -> None:
    frame = make_frame(np.random.default_rng(8), 14, 1.0)
    whole = fit(frame, terms)
    with chunks_of(rows):
        cut = fit(frame, terms)
    assert_same(whole, cut, rel=1e-7, floor=1e-8)


@every
def test_threads_change_no_bit(terms: str, monkeypatch: pytest.MonkeyPatch) -> None:
    frame = make_frame(np.random.default_rng(9), 14, 1.0)
    found = []
    with chunks_of(20):
        for threads in ("1", "2", "7"):
            monkeypatch.setenv("PANELML_THREADS", threads)
            found.append(fit(frame, terms))
    assert_same(found[0], found[1], rel=0)
    assert_same(found[0], found[2], rel=0)


@every
def test_the_data_are_not_touched_and_other_columns_do_not_matter(terms: str) -> None:
    frame = make_frame(np.random.default_rng(10), 10, 1.0)
    before = frame.copy(deep=True)
    first = fit(frame, terms)
    first.residuals(), first.random_effects(), first.summary()
    assert_frames_identical(before, frame)
    other = frame.assign(noise=np.nan, word="b")
    assert_same(first, fit(other, terms), rel=0)


@every
def test_a_result_survives_pickling(terms: str) -> None:
    frame = make_frame(np.random.default_rng(11), 10, 1.0)
    first = fit(frame, terms)
    second = pickle.loads(pickle.dumps(first))
    assert_same(first, second, rel=0)
    assert str(second) == str(first)
    columns = ["group", "term", "other", "variance", "sd"]
    pd.testing.assert_frame_equal(second.variance()[columns], first.variance()[columns])
    np.testing.assert_array_equal(second.predict(frame), first.predict(frame))
