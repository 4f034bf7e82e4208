"""Pooled maximum likelihood by Newton's method, with rows that are fitted without error found.

Where a combination of regressors fits some rows without error, its coefficient grows without end:
the decrement falls below any tolerance while steps do not. That is how separation is told from a
maximum, and the last step is the combination (Albert and Anderson 1984, *Biometrika* 71, 1-10).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from panelml._typing import BoolArray, FloatArray
from panelml.core.block import Block, arranged
from panelml.core.family.outcome import Outcome
from panelml.core.newton import Minimum, Step, Steps, descent, newton
from panelml.core.row_values import RowValues
from panelml.data.sample import Sample
from panelml.engine.fold import fold
from panelml.engine.iterate import HeldBlocks
from panelml.errors import ConvergenceError, IdentificationError, listing
from panelml.glm.core.index import Columns
from panelml.glm.core.row_likelihood import LikelihoodSums, RowModel
from panelml.glm.fit.problem import PoissonProblem

__all__ = ["PooledMaximum", "maximise_pooled"]

# What one more step would gain of the log-likelihood, where steps end, and by how much the last
# one may change a parameter, in units of the index.
GAIN, ENOUGH, MOVE = 1e-8, 1e-18, 1e-3
# Values of a separating combination that count as zero, beside its largest.
NOTHING = 1e-6


@dataclass(frozen=True, slots=True)
class PooledPoint:
    """Parameters, and the sums there.

    Attributes
    ----------
    params : FloatArray, shape (p,)
    sums : LikelihoodSums
    """

    params: FloatArray
    sums: LikelihoodSums


@dataclass(frozen=True, slots=True)
class PooledObjective:
    """Minus the log-likelihood.

    Attributes
    ----------
    rows : HeldBlocks
    model : RowModel
    """

    rows: HeldBlocks
    model: RowModel

    def value(self, point: PooledPoint) -> float:
        """Return minus the log-likelihood."""
        return -point.sums.value

    def step(self, point: PooledPoint) -> Step:
        """Return the Newton step."""
        size = np.sqrt(np.maximum(np.abs(np.diag(point.sums.hessian)), 1e-300))
        hessian = point.sums.hessian / np.outer(size, size)
        step = descent(-point.sums.gradient / size, -hessian, 1e-300, 1e-15)
        return replace(step, move=step.move / size)

    def moved(self, point: PooledPoint, move: FloatArray) -> PooledPoint:
        """Move the parameters."""
        return self.at(point.params + move)

    def at(self, params: FloatArray) -> PooledPoint:
        """Return the point with some parameters.

        Raises
        ------
        LinAlgError
            Where float64 cannot hold the likelihood.
        """
        with np.errstate(all="ignore"):
            sums = fold(self.rows, lambda block: self.model.sums(block, params))
        if not (np.isfinite(sums.value) and np.isfinite(sums.hessian).all()):
            raise np.linalg.LinAlgError("The likelihood overflows.")
        return PooledPoint(params, sums)

    def start(self) -> PooledPoint:
        """Return the point without slopes, where the mean of the offset is taken up."""
        averages = fold(self.rows, self.model.start)
        constant, auxiliary = self.model.outcome.family.start(averages.summary / averages.weight)
        params, offset = np.zeros(self.model.slopes), averages.offset / averages.weight
        if self.model.constant:
            params = np.append(params, constant - offset)
        elif self.model.outcome.cut_points:
            auxiliary = np.concatenate([auxiliary[:1] + offset, auxiliary[1:]])
        return self.at(np.concatenate([params, auxiliary]))


@dataclass(frozen=True, slots=True)
class PooledMaximum:
    """The maximum of a pooled likelihood.

    Attributes
    ----------
    problem : PoissonProblem
        The rows, with the regressors that are identified.
    model : RowModel
    point : PooledPoint
    null : float
        Log-likelihood of a constant alone, beside the offset.
    notes : tuple of str
        Rows and regressors that were dropped.
    """

    problem: PoissonProblem
    model: RowModel
    point: PooledPoint
    null: float
    notes: tuple[str, ...]

    @property
    def loglik(self) -> float:
        """The log-likelihood."""
        return self.point.sums.value

    @property
    def auxiliary(self) -> FloatArray:
        """Auxiliary parameters of regressors as they are, not about their means, shape (m,)."""
        return self.params[self.model.slopes + self.model.constant :]

    @property
    def params(self) -> FloatArray:
        """Constant, slopes and auxiliary parameters, shape (p,)."""
        return np.asarray(self.basis @ self.point.params)

    @property
    def basis(self) -> FloatArray:
        """From the parameters of the model to those of the regressors as they are, (p, p)."""
        model, k = self.model, self.model.slopes
        first, centre = int(model.constant), model.columns.centre / model.scale
        basis = np.zeros((model.size, model.size))
        basis[first : first + k, :k] = np.diag(1 / model.scale)
        basis[first + k :, first + k :] = np.eye(model.size - k - first)
        if model.constant:
            basis[0, k], basis[0, :k] = 1.0, -centre
        elif model.outcome.cut_points:
            basis[k, :k] = centre
        return basis

    @property
    def bread(self) -> FloatArray:
        """Inverse observed information, carried over by the basis, shape (p, p)."""
        return np.asarray(self.basis @ np.linalg.inv(-self.point.sums.hessian))

    @property
    def slopes(self) -> FloatArray:
        """Coefficients of all variables of the sample, one for an offset."""
        problem, first = self.problem, int(self.model.constant)
        coef = np.zeros(len(problem.sample.names))
        coef[problem.columns.columns] = self.params[first : first + self.model.slopes]
        if problem.columns.offset:
            coef[-1] = 1.0
        return coef


def maximise_pooled(
    sample: Sample,
    outcome: Outcome,
    require: Callable[[Sample], None],
    separated: Literal["drop", "refuse"] = "drop",
) -> PooledMaximum:
    """Maximise the likelihood, without rows that are separated and regressors that are collinear.

    Parameters
    ----------
    sample : Sample
    outcome : Outcome
    require : callable
        Refuses a sample whose outcome does not vary.
    separated : {"drop", "refuse"}
        What is done with rows that a combination of regressors fits without error.

    Raises
    ------
    IdentificationError
        If all rows are separated, or some where that is refused, or no coefficient is left.
    ConvergenceError
        If the maximum has no certificate.
    """
    notes: tuple[str, ...] = ()
    while True:
        require(sample)
        problem, dropped = _identified(sample)
        objective = PooledObjective(problem.held, _model(problem, outcome))
        start = objective.start()
        optimum = newton(objective, start, Steps(GAIN, ENOUGH, limit=200, most=1.0))
        if _certified(optimum, outcome):
            null = _null(objective, start)
            found = (*notes, *dropped)
            return PooledMaximum(problem, objective.model, optimum.point, null, found)
        rows = _separated(objective, optimum)
        if rows.all():
            raise IdentificationError(
                "A combination of the regressors fits the outcome of every row without error "
                f"({listing(map(repr, problem.names), most=8)}): the likelihood has no maximum. "
                "Leave out regressors, or group the levels of categories."
            )
        if separated == "refuse":
            raise IdentificationError(
                f"{_places(sample, rows)} are separated: a combination of regressors fits their "
                "outcome without error, and its coefficient is not finite. A period or an effect "
                "in which the outcome is always the same is one."
            )
        sample, notes = sample.only(~rows), (*notes, _note(sample, rows))


def _certified(optimum: Minimum[PooledPoint, Step], outcome: Outcome) -> bool:
    """Whether a minimum is one, and not a likelihood that rises without end.

    Raises
    ------
    ConvergenceError
        If it is neither.
    """
    m = len(outcome.family.auxiliary)
    params, move = optimum.point.params, np.abs(optimum.step.move)
    move[: move.size - m] /= outcome.unit(params[params.size - m :])
    small = bool(move.max(initial=0.0) < MOVE)
    if optimum.converged and small:
        information = -optimum.point.sums.hessian
        size = np.sqrt(np.maximum(np.diag(information), 1e-300))
        if np.linalg.eigvalsh(information / np.outer(size, size))[0] > 0:
            return True
    if optimum.converged and not small:
        return False
    raise ConvergenceError(
        "The likelihood was not maximised: one more step would gain "
        f"{optimum.step.decrement:.1e} of it. Measure regressors in other units, or leave out "
        "those that are nearly collinear."
    )


def _identified(sample: Sample) -> tuple[PoissonProblem, tuple[str, ...]]:
    """Drop collinear regressors."""
    problem = PoissonProblem.of(sample, ())
    if not problem.names:
        return problem, ()
    found = problem.solved(_as_it_is, problem.regression.solve(_as_it_is))
    kept = found.solution.kept - problem.constant
    return problem.only(kept[kept >= 0]), found.notes


def _as_it_is(block: Block) -> Block:
    return replace(block, z=arranged(block.outcome, block.regressors))


def _model(problem: PoissonProblem, outcome: Outcome) -> RowModel:
    """Scale the regressors by their standard deviations."""
    at = 1 + problem.columns.columns
    moments = problem.moments
    squares = np.diag(moments.centred)[at] / problem.moments.weight
    about = moments.mean[at] - problem.columns.centre
    scale = np.sqrt(squares + about**2)
    constant = problem.constant and not outcome.cut_points
    return RowModel(outcome, problem.columns, np.where(scale > 0, scale, 1.0), constant)


def _null(objective: PooledObjective, start: PooledPoint) -> float:
    """Log-likelihood of a constant and auxiliary parameters alone."""
    model = objective.model
    none = Columns(model.columns.columns[:0], model.columns.centre[:0], model.columns.offset)
    alone = replace(objective, model=replace(model, columns=none, scale=model.scale[:0]))
    if not alone.model.size:
        return start.sums.value
    return newton(alone, alone.start(), Steps(GAIN, ENOUGH, limit=200)).point.sums.value


def _separated(objective: PooledObjective, optimum: Minimum[PooledPoint, Step]) -> BoolArray:
    """Return the rows in which the last step, a combination of regressors, is not zero.

    Raises
    ------
    ConvergenceError
        If some of them lose likelihood by it.
    """
    model, move = objective.model, optimum.step.move
    # The first cut point moves all of them, as a constant would.
    level = move[model.slopes] if model.outcome.cut_points else 0.0

    def rows(block: Block) -> RowValues:
        regressors = model.regressors(block)
        combination = move[: len(regressors)] @ regressors - level
        score = model.derivatives(block, optimum.point.params, 1).first[0]
        return RowValues(np.stack([combination, combination * score]))

    combination, gain = fold(objective.rows, rows).values
    largest = float(np.abs(combination).max(initial=0.0))
    inside = np.abs(combination) > NOTHING * largest
    if largest < MOVE or (gain[inside] < 0).any():
        raise ConvergenceError(
            model.outcome.runaway
            or "The likelihood rises without end, but not along a combination of regressors that "
            "separates rows. Leave out regressors that vary in few rows."
        )
    return np.asarray(inside)


def _note(sample: Sample, rows: BoolArray) -> str:
    return (
        f"Dropped {_places(sample, rows).replace(' rows', ' separated rows', 1)}: a combination of "
        "regressors fits their outcome without error and is zero in all others, so that its "
        "coefficient is not finite."
    )


def _places(sample: Sample, rows: BoolArray) -> str:
    """Count rows, and say where the user has them."""
    kept = np.arange(rows.size) if sample.keep is None else np.flatnonzero(sample.keep)
    places = sorted(sample.source.index.position(int(i)) for i in kept[rows])
    return f"{len(places):,} rows (row {listing(places)})"
