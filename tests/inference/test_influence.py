"""Influences see equations, and nothing of how their scores came about."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

import panelml as pm
from panelml.core.block import Block
from panelml.core.equations import Equation, Grain, LeastSquaresEquation, Scores
from panelml.core.row_values import RowValues
from panelml.engine.fold import fold
from panelml.inference.covariance import Estimate
from panelml.inference.influence import Influence


@dataclass(frozen=True, slots=True)
class Halves:
    """The scores of another equation, halved, with a bread twice as large."""

    whole: Equation
    frequency: bool = False
    grain: Grain = "row"
    regression: LeastSquaresEquation | None = None

    @property
    def bread(self) -> np.ndarray:
        return 2 * self.whole.bread

    def scores(self, block: Block) -> Scores:
        scores = self.whole.scores(block)
        return Scores(scores.values / 2, scores.weights, scores.at, scores.starts)

    def mapped(self, matrix: np.ndarray) -> Halves:
        return Halves(self.whole.mapped(matrix))


@pytest.fixture(scope="module")
def estimate() -> Estimate:
    panel = pm.Panel(pm.datasets.wage_panel(), unit="nr", time="year")
    spec = pm.FirstDifference("lwage ~ union + married", weights="hours")
    return spec.fit(panel).attached.estimate


def with_equation(estimate: Estimate, equation: Equation) -> Estimate:
    influence = Influence(estimate.influence.sample, equation)
    return Estimate(estimate.names, influence, estimate.model_cov, estimate.counts)


def test_scores_are_regressor_times_weight_times_residual(estimate: Estimate) -> None:
    equation = estimate.rows.regression

    def both(block: Block) -> RowValues:
        rows, scores = equation.transform(block), equation.scores(block)
        x = rows.regressors
        error = rows.outcome - equation.coef @ x
        assert rows.weights is not None
        return RowValues(np.concatenate([scores.values, x * (rows.weights * error)]))

    values = fold(estimate.influence.sample, both).values
    np.testing.assert_allclose(values[:2], values[2:], rtol=1e-12)
    assert (np.abs(values[:2].sum(axis=1)) < 1e-10 * np.abs(values[:2]).sum(axis=1)).all()


@pytest.mark.parametrize("cov", ["cluster", "HC1", "DK", "cluster:union", "NW"])
def test_covariances_take_any_equation(estimate: Estimate, cov: str) -> None:
    spec = pm.cov.parse(cov)
    halved = with_equation(estimate, Halves(estimate.rows.equation))
    expected, found = (spec.estimate(each).matrix for each in (estimate, halved))
    np.testing.assert_allclose(found, expected, rtol=1e-12)
    assert halved.influence.mapped(np.ones((1, 2))).sums(("nr",)).sums.shape[0] == 1


@pytest.mark.parametrize("cov", ["CR2", "HC3"])
def test_leverage_is_that_of_regressions(estimate: Estimate, cov: str) -> None:
    spec = pm.cov.parse(cov)
    spec.estimate(estimate)
    with pytest.raises(pm.errors.SpecificationError, match="linear regressions"):
        spec.estimate(with_equation(estimate, Halves(estimate.rows.equation)))


def test_means_of_units_are_no_rows() -> None:
    panel = pm.Panel(pm.datasets.wage_panel(), unit="nr", time="year")
    grains = {
        spec.fit(panel).attached.estimate.influence.grain
        for spec in (pm.Between("lwage ~ educ"), pm.PooledOLS("lwage ~ educ"))
    }
    assert grains == {"unit", "row"}
