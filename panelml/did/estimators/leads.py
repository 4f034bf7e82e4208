"""Pre-trends among untreated rows: coefficients of the last periods before adoption."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from panelml._typing import FloatArray, IntArray
from panelml.core.block import Block
from panelml.core.equations import LeastSquaresEquation
from panelml.data.formula.formula import Effect
from panelml.data.sample import Sample
from panelml.did.estimators.untreated import untreated_words
from panelml.engine.absorbing import absorb
from panelml.engine.least_squares import least_squares
from panelml.inference.influence import Influence

__all__ = ["Leads", "pretrends"]


@dataclass(frozen=True, slots=True)
class Leads:
    """Coefficients of the last periods before adoption.

    Attributes
    ----------
    horizons : IntArray, shape (l,)
        Negative, increasing.
    coef : FloatArray, shape (l,)
    psi : FloatArray, shape (l, units)
        How each unit of the whole sample moved them.
    notes : tuple of str
    """

    horizons: IntArray
    coef: FloatArray
    psi: FloatArray
    notes: tuple[str, ...] = ()

    @classmethod
    def none(cls, units: int) -> Leads:
        """Return no leads."""
        return cls(np.zeros(0, dtype=np.int64), np.zeros(0), np.zeros((0, units)))


@dataclass(frozen=True, slots=True)
class _Indicators:
    """Adds a column for each horizon to the regressors of a block."""

    start: IntArray
    horizons: IntArray

    def __call__(self, block: Block) -> Block:
        since = block.step - self.start[block.units][block.unit]
        columns = (since[None] == self.horizons[:, None]).astype(np.float64)
        return block.with_z(np.concatenate([block.z, columns]))


def pretrends(
    free: Sample,
    sample: Sample,
    start: IntArray,
    effects: tuple[Effect, ...],
    leads: int,
    anticipation: int,
) -> Leads:
    """Regress untreated outcomes on indicators of the last periods before adoption.

    Parameters
    ----------
    free : Sample
        The untreated rows of ``sample``.
    sample : Sample
    start : IntArray, shape (units of ``sample``,)
        Step at which each unit adopts.
    effects : tuple of Effect
    leads : int
        Number of periods.
    anticipation : int
        Periods before adoption that do not count as untreated.

    Notes
    -----
    Source: Borusyak, Jaravel and Spiess (2024), *Review of Economic Studies* 91, section 4.4.
    """
    present = (free.unit_rows > 0)[sample.unit_rows > 0]
    horizons = np.arange(-leads, 0) - anticipation
    names = (*free.names, *(f"horizon {h}" for h in horizons))
    extended = free.then(names, _Indicators(start[present], horizons))
    absorbed = absorb(extended, effects)
    words = untreated_words(effects)
    solved = least_squares(
        extended,
        absorbed.transform,
        absorbed.gram,
        resolution=absorbed.resolution,
        absorbed=words,
    )
    first = len(free.names)
    kept = solved.solution.kept
    own = kept >= first
    equation = LeastSquaresEquation(
        absorbed.transform, solved.solution.coef, kept, solved.bread[own]
    )
    psi: FloatArray = np.zeros((int(own.sum()), present.size))
    psi[:, np.flatnonzero(present)] = Influence(extended, equation).sums((free.source.unit,)).sums
    return Leads(horizons[kept[own] - first], solved.params[own], psi, solved.notes)
