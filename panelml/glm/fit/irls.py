"""Iteratively reweighted least squares: Poisson rates with absorbed effects, by Newton's method.

Each point takes one pass over the rows, which gives the likelihood, and the sums of the regression
that is the next step.

Source: Correia, Guimaraes and Zylkin (2020), *Stata Journal* 20, 95-115, whose weighted
regressions are solved here without iteration.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from panelml._typing import FloatArray
from panelml.core.newton import Minimum, Step, Steps, newton
from panelml.engine.progress import evaluations
from panelml.glm.core.index import Index, Rates
from panelml.glm.core.poisson import OutcomeSums
from panelml.glm.core.working_sums import WorkingSums
from panelml.glm.fit.regression import WeightedRegression, WorkingRegression

__all__ = ["PoissonPoint", "RateMaximum", "maximise"]

# What one more step would gain of the log-likelihood over its dispersion, and what of the sum of
# the outcome is rounding.
GAIN, ROUNDED = 1e-10, 1e-15
# By how much the last step may change the logarithm of a mean.
MOVE = 1e-3


@dataclass(frozen=True, slots=True)
class PoissonPoint:
    """Rates, and the sums over rows there.

    Attributes
    ----------
    rates : Rates
    sums : WorkingSums
    """

    rates: Rates
    sums: WorkingSums


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
    start : WorkingRegression
    saturated : float
        Log-likelihood where each mean is the outcome, as ``WorkingSums.value``.
    evaluated : callable
        Called after each pass.
    """

    regression: WeightedRegression
    start: WorkingRegression
    saturated: float
    evaluated: Callable[[], None]

    def value(self, point: PoissonPoint) -> float:
        """Return half the deviance."""
        return self.saturated - point.sums.value

    def step(self, point: PoissonPoint) -> RegressionStep:
        """Regress the working residuals."""
        solved = self.regression.solved(point.sums, point.rates, self.start)
        move = solved.coefficients
        return RegressionStep(move, point.sums.score(move) / 2, regression=solved)

    def moved(self, point: PoissonPoint, move: FloatArray) -> PoissonPoint:
        """Move the index, and sum over the rows."""
        return self.at(point.rates.index.moved(move))

    def at(self, index: Index) -> PoissonPoint:
        """Return the point with an index.

        Raises
        ------
        LinAlgError
            Where float64 cannot hold the means.
        """
        rates = Rates(index)
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            sums = self.regression.sums(rates)
        self.evaluated()
        if not np.isfinite(sums.value + sums.gram.sum()):
            raise np.linalg.LinAlgError("The means overflow.")
        return PoissonPoint(rates, sums)


@dataclass(frozen=True, slots=True)
class RateMaximum:
    """Where the iterations ended.

    Attributes
    ----------
    optimum : Minimum
    regression : WorkingRegression
        Of the working residuals there.
    exists : bool
        Whether no combination of regressors and effects grows without end: the information has
        its rank, and the next step moves no mean. A separated row would be moved by one.
    """

    optimum: Minimum[PoissonPoint, RegressionStep]
    regression: WorkingRegression
    exists: bool

    @property
    def rates(self) -> Rates:
        """The rates at the maximum.

        Raises
        ------
        ConvergenceError
            If it has no certificate.
        """
        return self.optimum.certified(
            "The Poisson likelihood was not maximised: one more step would gain "
            f"{self.optimum.step.decrement:.1e} of it. Measure regressors in other units, or leave "
            "out those that are nearly collinear."
        ).rates


def maximise(
    regression: WeightedRegression, start: WorkingRegression, totals: OutcomeSums
) -> RateMaximum:
    """Maximise the likelihood from a first regression."""
    with evaluations("Poisson regression") as evaluated:
        objective = PoissonObjective(regression, start, totals.saturated, evaluated)
        first = objective.at(start.index(regression.plan))
        half = objective.value(first)
        tolerance = 2 * GAIN * half / totals.weight + ROUNDED * totals.outcome
        noise = 1e-12 + ROUNDED * abs(totals.saturated) / max(half, 1e-300)
        steps = Steps(tolerance, limit=200, noise=noise, polish=1)
        optimum = newton(objective, first, steps)
        last = objective.step(optimum.point)
    solved = last.regression or start
    whole = solved.rank == start.rank and solved.solution.kept.size == start.solution.kept.size
    still = optimum.point.rates.index.reach(last.move, totals.spans) < MOVE
    return RateMaximum(optimum, solved, optimum.converged and whole and still)
