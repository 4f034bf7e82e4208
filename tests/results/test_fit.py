"""What estimators hand over, before any covariance."""

from __future__ import annotations

import pickle
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

import panelml as pm
from panelml.core.links import LOG
from panelml.core.moments import Gram
from panelml.core.transforms import BetweenTransform, Level
from panelml.data.formula.formula import parse_formula
from panelml.data.panel.weights import parse_weights
from panelml.data.sample import Sample
from panelml.engine.fold import fold
from panelml.engine.least_squares import LeastSquares, least_squares
from panelml.engine.sampling import make_sample
from panelml.inference.correction import Counts
from panelml.results.assemble import assemble
from panelml.results.facts import Facts
from panelml.results.fit import Fit, predictor_of, regression_estimate, sample_statistics


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    rng = np.random.default_rng(5)
    frame = pd.DataFrame({"unit": np.repeat(np.arange(8), 3), "time": np.tile(np.arange(3), 8)})
    frame["w"] = 1.0 + frame["unit"] % 3
    return frame.assign(x=rng.normal(size=24), y=rng.normal(size=24))


def sample_of(frame: pd.DataFrame, weights: str | None = None) -> Sample:
    panel = pm.Panel(frame, unit="unit", time="time")
    return make_sample(panel, parse_formula("y ~ x"), parse_weights(weights))[0]


def solve(sample: Sample, transform: Level | BetweenTransform) -> LeastSquares:
    gram = fold(sample, lambda block: Gram.of(transform(block))).products
    return least_squares(sample, transform, gram)


def fit_of(solved: LeastSquares, counts: Counts) -> Fit:
    return Fit(
        spec=None,
        facts=Facts("other", "Mine"),
        estimate=regression_estimate(solved, counts, 2.0),
        params=solved.params,
        statistics=sample_statistics(solved.sample),
        predictor=predictor_of(solved),
        notes=("one",),
    )


@pytest.mark.parametrize(
    ("weights", "grain", "counted"),
    [("frequency:w", "row", True), ("frequency:w", "unit", False), ("w", "row", False)],
)
def test_frequencies_count_rows_alone(
    frame: pd.DataFrame, weights: str, grain: str, counted: bool
) -> None:
    transform = Level(np.zeros(2)) if grain == "row" else BetweenTransform(np.zeros(2))
    solved = solve(sample_of(frame, weights), transform)
    estimate = regression_estimate(solved, Counts(24, 1, True), 1.0, grain=grain)  # type: ignore[arg-type]
    assert estimate.influence.frequency is counted
    assert estimate.influence.grain == grain


def test_results_of_a_fit(frame: pd.DataFrame) -> None:
    solved = solve(sample_of(frame), Level(np.zeros(2)))
    fit = fit_of(solved, Counts(24, 1, True))
    mine, known = assemble(fit, "cluster"), pm.PooledOLS("y ~ x").fit(fit.sample.panel)
    np.testing.assert_allclose(mine.params, known.params, rtol=1e-10)
    np.testing.assert_allclose(mine.cov, known.cov, rtol=1e-10)
    np.testing.assert_allclose(mine.residuals(), known.residuals(), rtol=1e-10)
    assert (mine.model, mine.depvar, mine.formula, mine.notes[0]) == ("Mine", "y", "y ~ x", "one")
    assert (mine.nobs, mine.n_units, mine.weights) == (24, 8, "")
    x = np.column_stack([np.ones(24), frame["x"]])
    np.testing.assert_allclose(mine.with_cov("iid").cov, 2 * np.linalg.inv(x.T @ x), rtol=1e-10)


def test_a_fit_without_degrees_of_freedom(frame: pd.DataFrame) -> None:
    solved = solve(sample_of(frame), Level(np.zeros(2)))
    with pytest.raises(pm.errors.IdentificationError, match="24 observations are too few for 24"):
        assemble(fit_of(solved, Counts(24, 1, True, absorbed=22)), "cluster")


def test_a_pickled_fit_keeps_its_link(frame: pd.DataFrame) -> None:
    fit = fit_of(solve(sample_of(frame), Level(np.zeros(2))), Counts(24, 1, True))
    whole = assemble(replace(fit, facts=Facts("other", "Mine", link=LOG)), "cluster")
    pickled = pickle.loads(pickle.dumps(whole))
    rows = frame[["x"]]
    assert pickled.facts == whole.facts
    np.testing.assert_array_equal(pickled.predict(rows), np.exp(pickled.predict(rows, type="link")))
