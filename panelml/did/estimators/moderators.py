"""Covariates that effects may depend on: demeaned by cohort, and with effects of their own."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from panelml._typing import FloatArray
from panelml.core.absorb_plan import Factor
from panelml.core.block import Block
from panelml.core.keyed import KeyedSums
from panelml.data.sample import Sample
from panelml.data.source.rows import whole_column
from panelml.data.source.source import Source
from panelml.did.core.imputation import Assignment
from panelml.did.core.saturated import EFFECT
from panelml.engine.fold import fold
from panelml.errors import SpecificationError, listing

__all__ = ["AddModerators", "add_moderators", "moderator_factors", "require_constant"]


def require_constant(source: Source, names: tuple[str, ...]) -> None:
    """Refuse moderators that change within units.

    Raises
    ------
    SpecificationError
        Where the policy could have changed them.
    """
    for name in names:
        source.require_numbers(name, "The moderator")
        values = whole_column(source, name)
        varies = np.flatnonzero(source.index.varies_within(values))
        if varies.size:
            units = listing(source.index.units[varies[:5]])
            raise SpecificationError(
                f"The moderator {name!r} changes within {varies.size:,} units ({source.unit} "
                f"{units}). Give its value before adoption, the same in all rows of a unit."
            )


@dataclass(frozen=True, slots=True)
class AddModerators:
    """Gives rows each moderator less its mean, and, in rows with an effect, less its cohort's.

    Attributes
    ----------
    assignment : Assignment
    names : tuple of str
    mean : FloatArray, shape (k, cohorts)
    overall : FloatArray, shape (k,)
    """

    assignment: Assignment
    names: tuple[str, ...]
    mean: FloatArray
    overall: FloatArray

    def __call__(self, block: Block) -> Block:
        """Add two variables for each moderator."""
        cohort = self.assignment.cohort_numbers(block)
        slopes = dict(block.slopes)
        for name, mean, overall in zip(self.names, self.mean, self.overall, strict=True):
            slopes[_by_cell(name)] = (block.slopes[name] - mean[cohort]) * block.slopes[EFFECT]
            slopes[_by_period(name)] = block.slopes[name] - overall
        return replace(block, slopes=slopes)


def add_moderators(sample: Sample, names: tuple[str, ...], assignment: Assignment) -> Sample:
    """Return the sample with blocks that carry the moderators, in one pass for their means."""
    if not names:
        return sample

    def sums(block: Block) -> KeyedSums:
        w = block.row_weights
        rows = np.stack([w, *(w * block.slopes[name] for name in names)])
        return KeyedSums.of(rows, assignment.cohort_numbers(block))

    total = fold(sample, sums).dense(assignment.cohorts.size)
    overall = total[1:].sum(axis=1) / total[0].sum()
    mean = total[1:] / np.where(total[0] > 0, total[0], 1.0)
    return sample.then(sample.names, AddModerators(assignment, names, mean, overall))


def moderator_factors(
    names: tuple[str, ...], effects: int, time: str, periods: int, first: int
) -> tuple[Factor, ...]:
    """List the columns of D of the moderators: by effect, and by period."""
    factors = []
    for name in names:
        factors.append(Factor(EFFECT, effects, _by_cell(name), first))
        factors.append(Factor(time, periods, _by_period(name), first + effects))
        first += effects + periods
    return tuple(factors)


def _by_cell(name: str) -> str:
    return f"({name} less its cohort's mean)"


def _by_period(name: str) -> str:
    return f"({name} less its mean)"
