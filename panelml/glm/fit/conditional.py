"""Conditional maximum likelihood: units whose outcome varies, and Newton's method over them."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from panelml._typing import BoolArray, FloatArray
from panelml.core.block import Block, arranged
from panelml.core.groups import is_constant, spread
from panelml.core.newton import Minimum, Step, Steps, descent, newton
from panelml.core.row_values import RowValues
from panelml.data.formula.formula import Effect
from panelml.data.sample import Sample
from panelml.engine.fold import fold
from panelml.errors import ConvergenceError, IdentificationError, SpecificationError, listing
from panelml.glm.core.conditional import ConditionalUnits, ordered_units
from panelml.glm.core.index import offset_of
from panelml.glm.core.row_likelihood import LikelihoodSums
from panelml.glm.fit.pooled import GAIN, MOVE, NOTHING
from panelml.glm.fit.problem import PoissonProblem

__all__ = ["ConditionalMaximum", "maximise_conditional", "varying_units"]

# Steps go on until the gain is rounding.
ENOUGH = 1e-20


@dataclass(frozen=True, slots=True)
class ConditionalPoint:
    """Coefficients of the scaled regressors, and the sums there.

    Attributes
    ----------
    params : FloatArray, shape (p,)
    sums : LikelihoodSums
    """

    params: FloatArray
    sums: LikelihoodSums


@dataclass(frozen=True, slots=True)
class ConditionalObjective:
    """Minus the conditional log-likelihood, which is convex.

    Attributes
    ----------
    problem : PoissonProblem
        The rows, and which regressors enter.
    scale : FloatArray, shape (p,)
        Standard deviations of the regressors within units.
    cuts : FloatArray, shape (c,)
        Between which the categories of the outcome lie: one for two.
    """

    problem: PoissonProblem
    scale: FloatArray
    cuts: FloatArray

    def units(self, block: Block, params: FloatArray, *, second: bool) -> ConditionalUnits:
        """Evaluate the units of a block of the sample."""
        rows = self.problem.columns(block)
        x = rows.regressors / self.scale[:, None]
        return ordered_units(rows, params @ x + offset_of(rows), x, self.cuts, second=second)

    def value(self, point: ConditionalPoint) -> float:
        """Return minus the log-likelihood."""
        return -point.sums.value

    def step(self, point: ConditionalPoint) -> Step:
        """Return the Newton step."""
        return descent(-point.sums.gradient, -point.sums.hessian, 1e-300, 1e-15)

    def moved(self, point: ConditionalPoint, move: FloatArray) -> ConditionalPoint:
        """Move the coefficients."""
        return self.at(point.params + move)

    def at(self, params: FloatArray) -> ConditionalPoint:
        """Return the point with some coefficients.

        Raises
        ------
        LinAlgError
            Where float64 cannot hold the likelihood.
        """

        def sums(block: Block) -> LikelihoodSums:
            units = self.units(block, params, second=True)
            return units.sums(_unit_weights(block))

        with np.errstate(all="ignore"):
            total = fold(self.problem.held, sums)
        if not (np.isfinite(total.value) and np.isfinite(total.hessian).all()):
            raise np.linalg.LinAlgError("The likelihood overflows.")
        return ConditionalPoint(params, total)


@dataclass(frozen=True, slots=True)
class ConditionalMaximum:
    """The maximum of a conditional likelihood.

    Attributes
    ----------
    objective : ConditionalObjective
    point : ConditionalPoint
    null : float
        Log-likelihood without regressors.
    notes : tuple of str
    """

    objective: ConditionalObjective
    point: ConditionalPoint
    null: float
    notes: tuple[str, ...]

    @property
    def problem(self) -> PoissonProblem:
        """The rows, with the regressors that are identified."""
        return self.objective.problem

    @property
    def params(self) -> FloatArray:
        """Coefficients of the regressors, shape (p,)."""
        return self.point.params / self.objective.scale

    @property
    def cov(self) -> FloatArray:
        """Inverse information, shape (p, p)."""
        inverse = np.linalg.inv(-self.point.sums.hessian)
        return np.asarray((inverse + inverse.T) / 2 / np.outer(*[self.objective.scale] * 2))

    @property
    def psi(self) -> FloatArray:
        """How each unit moved the coefficients, shape (p, g)."""
        params = self.point.params

        def scores(block: Block) -> RowValues:
            units = self.objective.units(block, params, second=False)
            weights = _unit_weights(block)
            return RowValues(units.scores if weights is None else units.scores * weights)

        found = fold(self.problem.held, scores).values
        return np.asarray(self.cov @ (found * self.objective.scale[:, None]))


def varying_units(sample: Sample) -> tuple[Sample, tuple[str, ...]]:
    """Leave out units whose outcome does not vary, of which the likelihood is one.

    Raises
    ------
    SpecificationError
        If weights vary within units.
    IdentificationError
        If the outcome varies in no unit.
    """

    def mixed(block: Block) -> RowValues:
        first = block.starts[:-1]
        top = np.maximum.reduceat(block.outcome, first)
        inside = (top > np.minimum.reduceat(block.outcome, first)).astype(np.float64)
        uneven = block.weights is not None and not is_constant(block.weights, block.starts)
        return RowValues(np.stack([spread(inside, block.unit), np.full(block.n, uneven)]))

    varies, uneven = fold(sample, mixed).values
    if uneven.any():
        raise SpecificationError(
            f"Weights change within units ({sample.source.unit}): the conditional likelihood is of "
            "whole units. Give each unit one weight."
        )
    keep = varies > 0
    units = int((sample.unit_rows > 0).sum())
    if not keep.any():
        raise IdentificationError(
            f"The outcome changes in none of the {units:,} units ({sample.source.unit}): nothing "
            "tells about effects within units."
        )
    if keep.all():
        return sample, ()
    left = sample.only(keep)
    lost = units - int((left.unit_rows > 0).sum())
    return left, (
        f"Dropped {lost:,} of {units:,} units ({int((~keep).sum()):,} rows) in which the outcome "
        "is always the same: their conditional likelihood is one whatever the coefficients.",
    )


def maximise_conditional(sample: Sample, cuts: FloatArray) -> ConditionalMaximum:
    """Maximise the conditional likelihood of the units in which the outcome varies.

    Parameters
    ----------
    sample : Sample
    cuts : FloatArray, shape (c,)
        Between which the categories of the outcome lie: over these, log-likelihoods are summed.

    Raises
    ------
    SpecificationError
        If weights vary within units.
    IdentificationError
        If no unit or no regressor is left.
    ConvergenceError
        If the maximum has no certificate.
    """
    notes: tuple[str, ...] = ()
    while True:
        sample, constant = varying_units(sample)
        objective, dropped = _identified(sample, cuts)
        start = objective.at(np.zeros(objective.scale.size))
        optimum = newton(objective, start, Steps(GAIN, ENOUGH, limit=100, most=1.0))
        notes = (*notes, *constant)
        if _certified(optimum):
            null = start.sums.value
            return ConditionalMaximum(objective, optimum.point, null, (*notes, *dropped))
        rows = _separated(objective, optimum)
        if rows.all():
            raise IdentificationError(
                "A combination of the regressors is larger whenever the outcome is, in every "
                f"unit ({listing(map(repr, objective.problem.names), most=8)}): the likelihood has "
                "no maximum. Leave out regressors."
            )
        notes = (*notes, _separated_note(sample, rows, cuts))
        sample = sample.only(~rows)


def _certified(optimum: Minimum[ConditionalPoint, Step]) -> bool:
    """Whether a minimum is one, and not a likelihood that rises without end.

    Raises
    ------
    ConvergenceError
        If it is neither.
    """
    if not optimum.converged:
        raise ConvergenceError(
            "The conditional likelihood was not maximised: one more step would gain "
            f"{optimum.step.decrement:.1e} of it. Leave out regressors that are nearly collinear "
            "within units."
        )
    small = float(np.abs(optimum.step.move).max(initial=0.0)) < MOVE
    curved = float(np.linalg.eigvalsh(-optimum.point.sums.hessian)[0])
    return small and curved > 0


def _identified(sample: Sample, cuts: FloatArray) -> tuple[ConditionalObjective, tuple[str, ...]]:
    """Drop regressors that do not vary within units, or depend on others there."""
    problem = PoissonProblem.of(sample, (Effect((sample.source.unit,)),))
    regression = problem.regression.solve(_as_it_is)
    found = problem.solved(_as_it_is, regression)
    kept = found.solution.kept
    squares = np.diag(regression.gram)[1:][kept] / problem.moments.weight
    return ConditionalObjective(problem.only(kept), np.sqrt(squares), cuts), found.notes


def _as_it_is(block: Block) -> Block:
    return replace(block, z=arranged(block.outcome, block.regressors))


def _separated(
    objective: ConditionalObjective, optimum: Minimum[ConditionalPoint, Step]
) -> BoolArray:
    """Return the rows whose place among those of their unit the last step, a combination, tells.

    As its coefficient grows, what is left of the likelihood of a unit is that of the rows with the
    same value of the combination, if the outcome differs between them. With several cut points
    these are other rows for each, and the whole unit is left out.

    Raises
    ------
    ConvergenceError
        If the combination does not order the outcome in every unit.
    """
    move, problem = optimum.step.move, objective.problem
    binary = objective.cuts.size == 1

    def values(block: Block) -> RowValues:
        x = problem.columns(block).regressors / objective.scale[:, None]
        value, first = move @ x, block.starts[:-1]
        span = np.maximum.reduceat(value, first) - np.minimum.reduceat(value, first)
        gap, between = _gaps(value, block, objective.cuts)
        table = [spread(span, block.unit), spread(gap, block.unit)]
        return RowValues(np.stack([*table, np.abs(value - spread(between, block.unit))]))

    span, gap, away = fold(problem.held, values).values
    nothing = NOTHING * span.max()
    if (gap < -nothing).any():
        raise ConvergenceError(
            "The likelihood rises without end, but not along a combination of regressors that "
            "orders the outcome in every unit. Leave out regressors that vary in few rows."
        )
    told = span > nothing
    return np.asarray(told & ((away > nothing) | (gap > nothing)) if binary else told)


def _gaps(value: FloatArray, block: Block, cuts: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return how far the rows above a cut are above the others, in each unit, shape (g,) twice.

    Returns
    -------
    gap : FloatArray
        Least over the cuts.
    between : FloatArray
        Of the last cut, the largest value of the rows below.
    """
    first, gap = block.starts[:-1], np.full(block.n_units, np.inf)
    between = gap
    for cut in cuts:
        above = block.outcome > cut
        between = np.maximum.reduceat(np.where(above, -np.inf, value), first)
        least = np.minimum.reduceat(np.where(above, value, np.inf), first)
        gap = np.minimum(gap, least - between)
    return gap, between


def _separated_note(sample: Sample, rows: BoolArray, cuts: FloatArray) -> str:
    units = int((sample.only(rows).unit_rows > 0).sum())
    what = "outcome is one" if cuts.size == 1 else "outcome is larger"
    return (
        f"Dropped {int(rows.sum()):,} separated rows of {units:,} units: a combination of "
        f"regressors is never smaller when the {what}, and tells their outcome from that of "
        "others of their unit without error, so that its coefficient is not finite."
    )


def _unit_weights(block: Block) -> FloatArray | None:
    return None if block.weights is None else block.weights[block.starts[:-1]]
