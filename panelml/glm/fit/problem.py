"""The rows, regressors and effects of a Poisson regression, as its iterations take them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from panelml._typing import FloatArray, IntArray
from panelml.core.absorb_plan import AbsorbPlan
from panelml.core.block import Block
from panelml.core.equations import LeastSquaresEquation, WorkingEquation
from panelml.core.moments import CrossProducts
from panelml.data.formula.formula import Effect
from panelml.data.sample import Sample
from panelml.engine.absorbing import make_plan, single_row_notes
from panelml.engine.fold import fold
from panelml.engine.iterate import HeldBlocks, hold
from panelml.engine.least_squares import LeastSquares, least_squares
from panelml.engine.sampling import normalised
from panelml.errors import IdentificationError
from panelml.glm.core.index import Columns, Rates, StartingRates
from panelml.glm.core.poisson import OutcomeSums
from panelml.glm.fit.irls import RateMaximum, maximise
from panelml.glm.fit.regression import WeightedRegression, WorkingRegression
from panelml.glm.fit.separated import drop_zero_levels, separated_by

__all__ = ["Maximum", "PoissonProblem"]


@dataclass(frozen=True)
class PoissonProblem:
    """What is maximised.

    Attributes
    ----------
    sample : Sample
    held : HeldBlocks
        Its blocks, which the iterations pass over.
    moments : CrossProducts
        Of outcome, regressors and offset.
    columns : Columns
        The regressors that are estimated.
    plan : AbsorbPlan, or None
        The effects; None for a pooled model.
    words : str
        The effects in words.
    """

    sample: Sample
    held: HeldBlocks
    moments: CrossProducts
    columns: Columns
    plan: AbsorbPlan | None
    words: str

    @classmethod
    def of(cls, sample: Sample, effects: tuple[Effect, ...]) -> PoissonProblem:
        """Evaluate the formula of a sample once, and centre its regressors."""
        sample = normalised(sample)
        held = hold(sample)
        moments = fold(held, lambda block: CrossProducts.of(block.z, block.weights))
        offset = sample.design.offset is not None
        k = len(sample.names) - offset
        centred = bool(effects) or sample.design.formula.intercept
        centre = moments.mean[1 : 1 + k] if centred else np.zeros(k)
        plan = make_plan(sample, effects) if effects else None
        columns = Columns(np.arange(k), centre, offset)
        return cls(sample, held, moments, columns, plan, " + ".join(map(str, effects)))

    @property
    def constant(self) -> bool:
        """Whether a constant is estimated."""
        return self.plan is None and self.sample.design.formula.intercept

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the regressors that are estimated."""
        return tuple(self.sample.names[j] for j in self.columns.columns)

    @cached_property
    def regression(self) -> WeightedRegression:
        """How working rows are regressed."""
        return WeightedRegression(self.held.after(self.columns), self.plan, self.constant)

    def solved(self, step: Callable[[Block], Block], regression: WorkingRegression) -> LeastSquares:
        """Solve the regression of a step's working rows in the user's parameters."""
        working = self.sample.then(self.names, self.columns).then(self.names, step)
        return least_squares(
            working,
            regression.transform,
            regression.gram,
            centre=np.append(0.0, self.columns.centre) if self.constant else None,
            resolution=regression.resolution,
            absorbed=self.words,
        )

    def only(self, kept: IntArray) -> PoissonProblem:
        """Return the problem with some of its regressors."""
        return replace(self, columns=self.columns.only(kept))


@dataclass(frozen=True, slots=True)
class Maximum:
    """The maximum of a Poisson likelihood.

    Attributes
    ----------
    problem : PoissonProblem
        With the rows and the regressors that are identified.
    rates : Rates
    solved : LeastSquares
        The last working regression, with the parameters of the model.
    rank : int
        Coefficients that were absorbed.
    notes : tuple of str
        Rows and regressors that were dropped.
    """

    problem: PoissonProblem
    rates: Rates
    solved: LeastSquares
    rank: int
    notes: tuple[str, ...]

    @classmethod
    def of(cls, problem: PoissonProblem) -> Maximum:
        """Drop collinear regressors, and maximise over the coefficients of the others.

        Raises
        ------
        IdentificationError
            If a regressor is collinear at the maximum alone.
        ConvergenceError
            If the maximum has no certificate.
        """
        return cls._at(*_iterated(problem))

    @classmethod
    def of_sample(cls, sample: Sample, effects: tuple[Effect, ...]) -> Maximum:
        """Leave out rows whose means the likelihood would take to zero too.

        Where the likelihood has a maximum, nothing is separated; whether rows are is only asked
        where it seems to have none.

        Raises
        ------
        IdentificationError, ConvergenceError
            As ``of``.
        """
        notes: tuple[str, ...] = ()
        while True:
            sample, zero_levels = drop_zero_levels(sample, effects)
            whole = PoissonProblem.of(sample, effects)
            ended = _iterated(whole)
            notes = (*notes, *zero_levels)
            if not ended[1].exists:
                separated = separated_by(sample, whole.regression)
                if separated.rows.any():
                    sample, notes = sample.only(~separated.rows), (*notes, separated.note)
                    continue
            maximum = cls._at(*ended)
            notes = (*notes, *single_row_notes(sample, effects), *maximum.notes)
            return replace(maximum, notes=notes)

    @classmethod
    def _at(cls, problem: PoissonProblem, ended: RateMaximum, notes: tuple[str, ...]) -> Maximum:
        rates, regression = ended.rates, ended.regression
        solved = problem.solved(rates, regression)
        if solved.solution.kept.size < len(problem.names) + problem.constant:
            raise IdentificationError(
                " ".join(["Regressors are collinear where the means are fitted.", *solved.notes])
            )
        solved = replace(solved, params=solved.basis @ _coefficients(rates, problem.constant))
        return cls(problem, rates, solved, regression.rank, notes)

    @property
    def slopes(self) -> FloatArray:
        """Coefficients of all variables of the sample, one for an offset."""
        problem = self.problem
        coef = np.zeros(len(problem.sample.names))
        coef[problem.columns.columns] = self.rates.index.slopes
        if problem.columns.offset:
            coef[-1] = 1.0
        return coef

    @property
    def equation(self) -> WorkingEquation:
        """The likelihood equations, as the last working regression solves them."""
        solved = self.solved
        return WorkingEquation(
            self.step,
            LeastSquaresEquation(
                solved.transform,
                solved.solution.coef,
                solved.solution.kept,
                solved.bread,
                frequency=solved.sample.weighting == "frequency",
            ),
        )

    @property
    def step(self) -> Callable[[Block], Block]:
        """From blocks of the sample to working rows."""
        return WorkingStep(self.problem.columns, self.rates)


@dataclass(frozen=True, slots=True)
class WorkingStep:
    """From blocks of the sample to working rows."""

    columns: Columns
    rates: Rates

    def __call__(self, block: Block) -> Block:
        """Return the working rows of a block."""
        return self.rates(self.columns(block))


def _iterated(problem: PoissonProblem) -> tuple[PoissonProblem, RateMaximum, tuple[str, ...]]:
    """Iterate without collinear regressors; return the problem, and what was dropped of it."""
    step = StartingRates(float(problem.moments.mean[0]))
    start = problem.regression.solve(step)
    first = problem.solved(step, start)
    slopes = first.solution.kept - problem.constant
    if slopes.size < len(problem.names) + problem.constant:
        problem = problem.only(slopes[slopes >= 0])
        start = problem.regression.solve(step)
    totals = fold(problem.regression.rows, OutcomeSums.of)
    return problem, maximise(problem.regression, start, totals), first.notes


def _coefficients(rates: Rates, constant: bool) -> FloatArray:
    slopes = rates.index.slopes
    return np.append(rates.index.constant, slopes) if constant else slopes
