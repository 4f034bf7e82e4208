"""Rows that are separated: levels without a positive outcome, and combinations of regressors."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from panelml._typing import BoolArray, FloatArray
from panelml.core.block import Block
from panelml.core.groups import group_means
from panelml.core.row_values import RowValues
from panelml.data.formula.design import Terms
from panelml.data.formula.formula import Effect
from panelml.data.sample import Sample
from panelml.engine.fold import fold
from panelml.errors import ConvergenceError, IdentificationError, SpecificationError, listing
from panelml.glm.core.separation import Indicated, Rectified, is_separating, separated_rows
from panelml.glm.fit.regression import WeightedRegression

__all__ = ["drop_zero_levels", "outcome_values", "refuse_negative", "separated_by"]

MOST_STEPS = 1000


def outcome_values(sample: Sample) -> FloatArray:
    """Outcome of all rows of a sample, shape (n,), evaluated alone."""
    nothing = Terms({}, ())
    design = replace(sample.design, regressors=nothing, random=(), offset=None)
    alone = replace(
        sample, design=design, names=(), keys=(), slopes=(), weights=None, steps=sample.steps[:0]
    )
    return np.asarray(fold(alone, lambda block: RowValues(block.outcome[None])).values[0])


def refuse_negative(sample: Sample, model: str) -> None:
    """Refuse an outcome that is negative, for a model whose mean is an exponential.

    Raises
    ------
    SpecificationError
        Naming the rows.
    """
    rows = np.flatnonzero(outcome_values(sample) < 0)
    if not rows.size:
        return
    kept = rows if sample.keep is None else np.flatnonzero(sample.keep)[rows]
    places = sorted(sample.source.index.position(int(row)) for row in kept)
    name = sample.design.outcome.names[0] if sample.design.outcome else ""
    raise SpecificationError(
        f"The outcome {name!r} is negative in {rows.size:,} rows (row {listing(places)}): its mean "
        f"is exp(...), which is positive. {model} is for outcomes that are zero or more."
    )


def drop_zero_levels(sample: Sample, effects: tuple[Effect, ...]) -> tuple[Sample, tuple[str, ...]]:
    """Drop levels in which every outcome is zero: their means are zero.

    Their rows add nothing to the sums of other levels, which are not zero for want of them.

    Raises
    ------
    IdentificationError
        If no row is left.
    """
    outcome = outcome_values(sample)
    if not outcome.any():
        name = sample.design.outcome.names[0] if sample.design.outcome else ""
        raise IdentificationError(f"The outcome {name!r} is zero in every row.")
    keep: BoolArray = np.ones(outcome.size, dtype=bool)
    notes: tuple[str, ...] = ()
    for effect in effects:
        codes = sample.codes(effect.columns)
        zero = keep & ~(np.bincount(codes, outcome) > 0)[codes]
        if zero.any():
            keep &= ~zero
            notes += (
                f"Dropped {zero.sum():,} rows of {np.unique(codes[zero]).size:,} levels of "
                f"{effect} in which the outcome is always zero: their effects are minus infinity, "
                "and they tell nothing about the coefficients.",
            )
    return sample.only(keep), notes


@dataclass(frozen=True, slots=True)
class Separated:
    """Rows that a combination of regressors and effects separates.

    Attributes
    ----------
    rows : BoolArray, shape (n,)
    note : str
        Empty where there are none.
    """

    rows: BoolArray
    note: str


def separated_by(sample: Sample, regression: WeightedRegression) -> Separated:
    """Find the rows that a combination of regressors and effects separates.

    Where regressors and effects have the same rank in the rows with a positive outcome as in all,
    no combination is zero in the former alone, and there is nothing to look for.

    Raises
    ------
    ConvergenceError
        If the rectifier does not settle.
    """
    zero = _row_values(regression, lambda block: block.outcome) == 0
    nothing = Separated(np.zeros(zero.size, dtype=bool), "")
    if not zero.any() or _rank(regression) == _rank(regression.only(~zero)):
        return nothing
    values = _rectified(regression, zero)
    rows = separated_rows(values, zero)
    if not rows.any() or _rank(regression) == _rank(regression.only(~rows)):
        return nothing
    return Separated(rows, _note(sample, rows, bool(regression.plan)))


def _rank(regression: WeightedRegression) -> int:
    solved = regression.solve(Indicated())
    return solved.rank + int(solved.solution.kept.size)


def _rectified(regression: WeightedRegression, zero: BoolArray) -> FloatArray:
    """Regress what is positive of a combination, until no more of it is negative, shape (n,)."""
    step = Rectified(None, np.zeros(0))
    for _ in range(MOST_STEPS):
        step = _regressed(regression, step)
        values = _row_values(regression, step.values)
        if is_separating(values, zero):
            return values
    raise ConvergenceError(
        "Whether rows with outcome zero are separated from the others was not settled in "
        f"{MOST_STEPS:,} steps. Leave out regressors that vary in few rows."
    )


def _regressed(regression: WeightedRegression, step: Rectified) -> Rectified:
    """Fit the positive part of a combination by regressors and effects."""
    index = regression.solve(step).index(regression.plan)
    if not index.units:
        return Rectified(index, np.zeros(0))

    def unit_effects(block: Block) -> RowValues:
        rows = step(block)
        rest = rows.outcome - index(rows)
        return RowValues(group_means(rest, rows.starts, rows.weights)[None])

    return Rectified(index, fold(regression.rows, unit_effects).values[0])


def _row_values(
    regression: WeightedRegression, values: Callable[[Block], FloatArray]
) -> FloatArray:
    rows = fold(regression.rows, lambda block: RowValues(values(block)[None]))
    result: FloatArray = rows.values[0]
    return result


def _note(sample: Sample, rows: BoolArray, effects: bool) -> str:
    kept = np.arange(rows.size) if sample.keep is None else np.flatnonzero(sample.keep)
    places = sorted(sample.source.index.position(int(i)) for i in kept[rows])
    words = "regressors and effects" if effects else "regressors"
    return (
        f"Dropped {len(places):,} separated rows with outcome zero (row {listing(places)}): a "
        f"combination of {words} is positive in these and zero in all others, so that the "
        "likelihood is largest where their means are zero. Its coefficient is not finite."
    )
