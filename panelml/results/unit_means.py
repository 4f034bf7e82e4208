"""The unit means of an estimation sample, which its units keep where new rows are predicted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from panelml._typing import AnyArray, FloatArray, IntArray
from panelml.core.augment import SplitMeans
from panelml.core.block import Block
from panelml.core.groups import group_sums
from panelml.core.row_values import RowValues
from panelml.data.formula.category import Category
from panelml.data.formula.design import Design, Factor, Part, Terms
from panelml.data.formula.expression import Expression
from panelml.data.sample import Sample
from panelml.data.source.chunk import KnownMeans
from panelml.engine.fold import fold

__all__ = ["UnitMeans"]


@dataclass(frozen=True, slots=True)
class UnitMeans:
    """Means of the units of an estimation sample: what a fit knows of units.

    Attributes
    ----------
    units : AnyArray, shape (g,)
        Their labels.
    calls : dict of tuple to FloatArray, shape (g,)
        Of what ``within()`` and ``between()`` are taken of, by the key of the expression.
    steps : tuple of FloatArray, shape (s, g)
        Of the regressors that each of the model's steps splits.
    """

    units: AnyArray
    calls: dict[tuple[object, ...], FloatArray]
    steps: tuple[FloatArray, ...]

    @classmethod
    def of(cls, sample: Sample) -> UnitMeans:
        """Take the means of a sample."""
        expressions = _averaged(sample.design)
        calls = {}
        if expressions:
            names = tuple(str(number) for number in range(len(expressions)))
            factors: dict[str, Factor] = dict(zip(names, expressions.values(), strict=True))
            terms = Terms(factors, tuple(Part(((name, None),), (name,)) for name in names))
            design = replace(sample.design, outcome=None, regressors=terms, random=())
            rows = replace(sample, design=design, names=names, steps=())
            calls = dict(zip(expressions, _by_unit(rows, _present_means), strict=True))
        steps = tuple(
            _by_unit(replace(sample, steps=sample.steps[:number]), step.means)
            for number, step in enumerate(sample.steps)
            if isinstance(step, SplitMeans)
        )
        return cls(sample.unit_labels, calls, steps)

    def places(self, units: AnyArray) -> IntArray:
        """Number other units among these; -1 for unknown ones."""
        return np.asarray(pd.Index(self.units).get_indexer(pd.Index(units)), dtype=np.int64)

    def of_calls(self, units: AnyArray) -> KnownMeans:
        """Return the means of other units, NaN for unknown ones."""
        place = self.places(units)
        return {key: _taken(means, place) for key, means in self.calls.items()}

    def of_steps(
        self, steps: tuple[Callable[[Block], Block], ...], units: AnyArray
    ) -> tuple[Callable[[Block], Block], ...]:
        """Make steps split other units, of a sample of these alone, by their means here."""
        place, means = self.places(units), iter(self.steps)
        return tuple(
            replace(step, known=_taken(next(means), place))
            if isinstance(step, SplitMeans)
            else step
            for step in steps
        )


def _averaged(design: Design) -> dict[tuple[object, ...], Expression]:
    """Find what the regressors take unit means of, by its key."""
    found: dict[tuple[object, ...], Expression] = {}
    for terms in (design.regressors, *design.random):
        for factor in terms.factors.values():
            source = factor.source if isinstance(factor, Category) else factor
            if isinstance(source, Expression):
                found |= source.averaged
    return found


def _taken(means: FloatArray, place: IntArray) -> FloatArray:
    """Take the means of units by number, shape (..., g), NaN for -1."""
    return np.where(place < 0, np.nan, np.take(means, place, axis=-1))


def _by_unit(sample: Sample, means: Callable[[Block], FloatArray]) -> FloatArray:
    """Collect values of each unit, shape (k, g)."""
    return fold(sample, lambda block: RowValues(means(block))).values


def _present_means(block: Block) -> FloatArray:
    """Means of a block's regressors over the rows where they are there, shape (k, g)."""
    x = block.regressors
    missing = np.isnan(x)
    total = group_sums(np.where(missing, 0.0, x), block.starts)
    rows = group_sums(1.0 - missing, block.starts)
    return np.asarray(np.divide(total, rows, out=np.full(rows.shape, np.nan), where=rows > 0))
