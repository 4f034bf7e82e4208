"""Fits whose mean is not their linear index: Poisson regressions against dense matrices."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import pytest

import panelml as pm
from panelml.core.block import Block, arranged
from panelml.core.equations import WorkingEquation
from panelml.core.links import LOG
from panelml.core.moments import Gram
from panelml.core.transforms import Level
from panelml.data.formula.formula import parse_formula
from panelml.engine.fold import fold
from panelml.engine.least_squares import least_squares
from panelml.engine.sampling import make_sample
from panelml.inference.correction import Counts
from panelml.inference.influence import Influence
from panelml.results.assemble import assemble
from panelml.results.base import Results
from panelml.results.facts import Facts
from panelml.results.fit import Fit, regression_estimate, sample_statistics
from panelml.results.prediction import Predictor


@dataclass(frozen=True, slots=True)
class WorkingResponse:
    """Working response and weights of a Poisson regression."""

    intercept: float
    coef: np.ndarray

    def __call__(self, block: Block) -> Block:
        index = self.intercept + self.coef @ block.regressors
        mean = np.exp(index)
        response = index + (block.outcome - mean) / mean
        return replace(block, z=arranged(response, block.regressors), weights=mean)


def fit_poisson(formula: str, panel: pm.Panel) -> Results:
    sample, _ = make_sample(panel, parse_formula(formula), weights=None)
    transform = Level(np.zeros(1 + len(sample.names)))
    step = WorkingResponse(1.0, np.zeros(len(sample.names)))
    for _ in range(30):
        working = sample.then(sample.names, step)
        gram = fold(working, lambda block: Gram.of(transform(block))).products
        solved = least_squares(working, transform, gram)
        step = WorkingResponse(float(solved.params[0]), solved.slopes)
    counts = Counts(sample.nobs, len(sample.names), constant=True, normal=True)
    estimate = regression_estimate(solved, counts, sigma2=1.0)
    influence = Influence(sample, WorkingEquation(step, estimate.rows.regression))
    fit = Fit(
        spec=None,
        facts=Facts("other", "Poisson", link=LOG),
        estimate=replace(estimate, influence=influence),
        params=solved.params,
        statistics=sample_statistics(sample, {"deviance": 1.5}),
        predictor=Predictor.of(sample, solved.slopes, float(solved.params[0])),
    )
    return assemble(fit, "cluster")


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    rng = np.random.default_rng(3)
    frame = pd.DataFrame({"unit": np.repeat(np.arange(60), 5), "time": np.tile(np.arange(5), 60)})
    frame["x"] = rng.normal(size=len(frame))
    frame["y"] = rng.poisson(np.exp(0.5 + 0.4 * frame["x"])).astype(float)
    frame.loc[7, "x"] = np.nan
    return frame.sample(frac=1, random_state=1)


@pytest.fixture(scope="module")
def poisson(frame: pd.DataFrame) -> Results:
    return fit_poisson("y ~ x", pm.Panel(frame, unit="unit", time="time"))


def test_covariances_are_those_of_the_scores(poisson: Results, frame: pd.DataFrame) -> None:
    rows = frame.dropna()
    x = np.column_stack([np.ones(len(rows)), rows["x"]])
    mean = np.exp(x @ poisson.params.to_numpy())
    scores = x * (rows["y"].to_numpy() - mean)[:, None]
    bread = np.linalg.inv((x.T * mean) @ x)
    assert (np.abs(scores.sum(axis=0)) < 1e-8).all()
    sums = pd.DataFrame(scores).groupby(rows["unit"].to_numpy()).sum().to_numpy()
    robust = bread @ sums.T @ sums @ bread
    plain = pm.cov.Clustered("unit", small_sample="none")
    np.testing.assert_allclose(poisson.with_cov(plain).cov, robust, rtol=1e-8)
    np.testing.assert_allclose(poisson.with_cov("iid").cov, bread, rtol=1e-8)


def test_means_and_their_index(poisson: Results, frame: pd.DataFrame) -> None:
    index = poisson.params["Intercept"] + poisson.params["x"] * frame["x"]
    mean = np.exp(index)
    for found, expected in (
        (poisson.predict(), mean),
        (poisson.fitted(), mean),
        (poisson.predict(type="link"), index),
        (poisson.predict(frame[["x"]].head(9)), mean.head(9)),
        (poisson.residuals(), frame["y"] - mean),
    ):
        np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_a_linear_model_is_its_index(frame: pd.DataFrame) -> None:
    fit = pm.FixedEffects("y ~ x").fit(pm.Panel(frame, unit="unit", time="time"))
    for effects in (False, True):
        pd.testing.assert_series_equal(
            fit.predict(effects=effects), fit.predict(effects=effects, type="link")
        )
    with pytest.raises(pm.errors.SpecificationError, match="type"):
        fit.predict(type="mean")  # type: ignore[arg-type]


def test_what_is_of_least_squares_is_refused(poisson: Results, frame: pd.DataFrame) -> None:
    for cov in ("HC3", "CR2", "stock-watson"):
        with pytest.raises(pm.errors.SpecificationError):
            poisson.with_cov(cov)
    linear = pm.PooledOLS("y ~ x").fit(pm.Panel(frame, unit="unit", time="time"))
    with pytest.raises(pm.errors.SpecificationError, match=r"log link.*identity link"):
        pm.hausman(poisson, linear)


def test_measures_are_those_that_were_declared(poisson: Results, frame: pd.DataFrame) -> None:
    assert (poisson.nobs, poisson.n_units) == (len(frame) - 1, 60)
    assert list(poisson.statistics.measures) == ["deviance"]
    assert poisson.predictor.intercept == poisson.params["Intercept"]
