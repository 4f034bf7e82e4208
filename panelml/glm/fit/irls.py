"""Iteratively reweighted least squares: Poisson rates with absorbed effects, by Newton's method.

Source: Correia, Guimaraes and Zylkin (2020), *Stata Journal* 20, 95-115, whose weighted
regressions are solved here without iteration.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from panelml._typing import FloatArray
from panelml.core.block import Block
from panelml.core.newton import Step, Steps, newton
from panelml.core.row_values import RowValues
from panelml.engine.fold import fold
from panelml.glm.core.index import Index, Rates
from panelml.glm.core.poisson import deviance_residuals
from panelml.glm.fit.regression import WeightedRegression, WorkingRegression

__all__ = ["PoissonPoint", "maximise"]

# What one more step would gain of the log-likelihood over its dispersion, and what of the sum of
# the outcome is rounding.
GAIN, ROUNDED = 1e-10, 1e-15


@dataclass(frozen=True, slots=True)
class PoissonPoint:
    """Rates, and how far they are from the outcome.

    Attributes
    ----------
    rates : Rates
    deviance : float
    pearson : float
        Weighted sum of squared working residuals.
    """

    rates: Rates
    deviance: float
    pearson: float


@dataclass(frozen=True, slots=True)
class RegressionStep(Step):
    """A Newton step, which a regression of working residuals gives.

    Attributes
    ----------
    regression : WorkingRegression, or None
    """

    regression: WorkingRegression | None = None


@dataclass(frozen=True, slots=True)
class PoissonObjective:
    """Half the deviance, minimised over slopes, constant and the levels of effects.

    Attributes
    ----------
    regression : WeightedRegression
        The rows, and how they are regressed.
    """

    regression: WeightedRegression

    def value(self, point: PoissonPoint) -> float:
        """Return half the deviance."""
        return point.deviance / 2

    def step(self, point: PoissonPoint) -> RegressionStep:
        """Regress the working rows, whose outcome has the slopes in it and not the effects."""
        solved = self.regression.solve(point.rates)
        move, slopes = solved.coefficients, point.rates.index.slopes
        move[: slopes.size] -= slopes
        return RegressionStep(move, (point.pearson - solved.solution.rss) / 2, regression=solved)

    def moved(self, point: PoissonPoint, move: FloatArray) -> PoissonPoint:
        """Move the index, and sum the deviance."""
        return self.at(point.rates.index.moved(move))

    def at(self, index: Index) -> PoissonPoint:
        """Return the point with an index.

        Raises
        ------
        LinAlgError
            Where float64 cannot hold the means.
        """
        rates = Rates(index)

        def gaps(block: Block) -> RowValues:
            with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
                index, w = rates.log_mean(block), block.row_weights
                deviance = w @ deviance_residuals(block.outcome, index)
                pearson = w * np.exp(index) @ (block.outcome * np.exp(-index) - 1) ** 2
            return RowValues(np.array([[deviance], [pearson]]))

        deviance, pearson = fold(self.regression.rows, gaps).values.sum(axis=1)
        if not np.isfinite(deviance + pearson):
            raise np.linalg.LinAlgError("The means overflow.")
        return PoissonPoint(rates, float(deviance), float(pearson))


def maximise(
    regression: WeightedRegression, start: WorkingRegression
) -> tuple[Rates, WorkingRegression]:
    """Maximise the likelihood from a first regression.

    Returns
    -------
    rates : Rates
    regression : WorkingRegression
        Of the working residuals at the maximum.

    Raises
    ------
    ConvergenceError
        If the maximum has no certificate.
    """
    objective = PoissonObjective(regression)
    first = objective.at(start.index(regression.plan))
    weight, outcome = fold(regression.rows, _totals).values.sum(axis=1)
    tolerance = float(GAIN * first.deviance / weight + ROUNDED * outcome)
    optimum = newton(objective, first, Steps(tolerance, limit=200, polish=1))
    point = optimum.certified(
        "The Poisson likelihood was not maximised: one more step would gain "
        f"{optimum.step.decrement:.1e} of it. Measure regressors in other units, or leave out "
        "those that are nearly collinear."
    )
    return point.rates, regression.solve(point.rates)


def _totals(block: Block) -> RowValues:
    weights = block.row_weights
    return RowValues(np.array([[weights.sum()], [weights @ block.outcome]]))
