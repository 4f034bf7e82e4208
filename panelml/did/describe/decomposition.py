"""What a two-way fixed-effects coefficient is made of."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from panelml._typing import FloatArray, IntArray
from panelml.arguments import checked
from panelml.core.block import Block, arranged
from panelml.core.transforms import Transform
from panelml.data.formula.formula import Effect, parse_formula
from panelml.data.panel.panel import Panel
from panelml.data.panel.weights import Weights, parse_weights
from panelml.data.sample import Sample
from panelml.data.source.given import DataLike
from panelml.did.core.adoption import Adoption, read_adoption
from panelml.did.core.decomposition import (
    CellSums,
    WeightedComparisons,
    compare_cohorts,
    compare_timing,
    sign_flip,
)
from panelml.did.estimators.base import sample_start
from panelml.did.results.decomposition import BaconDecomposition, TwfeWeights
from panelml.engine.absorbing import absorb
from panelml.engine.fold import capped, fold
from panelml.engine.least_squares import least_squares
from panelml.engine.sampling import make_sample, require_panel
from panelml.errors import IdentificationError, SpecificationError

__all__ = ["bacon_decomposition", "twfe_weights"]


@dataclass(frozen=True, slots=True)
class _AddTreatment:
    """Puts the treatment status before the regressors of a block."""

    start: IntArray

    def __call__(self, block: Block) -> Block:
        treated = (block.step >= self.start[block.units][block.unit]).astype(np.float64)
        return block.with_z(arranged(block.outcome, treated[None], block.regressors))


@dataclass(frozen=True, slots=True)
class _TwoWay:
    """The two-way regression of the outcome on treatment and regressors.

    Attributes
    ----------
    sample : Sample
        Its first regressor is treatment.
    transform : Transform
    coefficient : float
        Of treatment.
    direction : FloatArray, shape (1 + k,)
        From outcome and regressors, both effects taken off, to the residual of treatment.
    start : IntArray, shape (units,)
    notes : tuple of str
    """

    sample: Sample
    transform: Transform
    coefficient: float
    direction: FloatArray
    start: IntArray
    notes: tuple[str, ...]


@checked
@capped
def bacon_decomposition(
    formula: str, data: DataLike, *, cohort: str | None = None, treatment: str | None = None
) -> BaconDecomposition:
    """Goodman-Bacon decomposition: a two-way coefficient split into comparisons of cohorts.

    Parameters
    ----------
    formula : str
        ``"y ~ 1"``, or with regressors. Without them, comparisons of two cohorts before and
        after one of them adopts; with them, of two cohorts over all periods, and of units within
        cohorts and periods.
    data : Panel or DataFrame
    cohort, treatment : str, optional
        Column with each unit's first treated period, or of 0 and 1: see ``Timing``.

    Raises
    ------
    IdentificationError
        If the panel is not balanced, or treatment does not vary.

    Notes
    -----
    Source: Goodman-Bacon (2021), *Journal of Econometrics* 225, 254-277.

    Examples
    --------
    >>> import panelml as pm
    >>> panel = pm.Panel(pm.simulate.staggered(90, 7, seed=1), unit="unit", time="time")
    >>> print(pm.bacon_decomposition("y ~ 1", panel, cohort="cohort").by_kind())
                        weight  estimate
    kind
    earlier vs later  0.236286  0.779202
    treated vs never  0.525914  1.081705
    later vs earlier  0.237800  0.378676
    """
    panel = require_panel(data)
    adoption = read_adoption(panel, cohort, treatment)
    fit = _two_way(formula, panel, adoption, None)
    sample = fit.sample
    if sample.nobs != int((sample.unit_rows > 0).sum()) * panel.n_periods:
        raise IdentificationError(
            f"The decomposition is for balanced panels: {sample.nobs:,} rows are complete of "
            f"{panel.n_units:,} units by {panel.n_periods} periods. See Panel.balanced(), or "
            "twfe_weights, which needs no balance."
        )
    cohorts, share, first = _cohorts(fit, adoption)
    found = _compare(fit, cohorts, share, first)
    labels = [
        adoption.label(step) if 0 < start < panel.n_periods else None
        for step, start in zip(cohorts, first, strict=True)
    ]
    return BaconDecomposition.of(found, labels, first == 0, fit.coefficient, fit.notes)


@checked
@capped
def twfe_weights(
    formula: str,
    data: DataLike,
    *,
    cohort: str | None = None,
    treatment: str | None = None,
    weights: str | Weights | None = None,
) -> TwfeWeights:
    """Weights of two-way fixed effects: how a coefficient averages effects of cohorts and periods.

    Parameters
    ----------
    formula : str
    data : Panel or DataFrame
    cohort, treatment : str, optional
        Column with each unit's first treated period, or of 0 and 1: see ``Timing``.
    weights : str or Weights, optional

    Raises
    ------
    IdentificationError
        If treatment does not vary given the regressors and both effects.

    Notes
    -----
    Source: de Chaisemartin and D'Haultfoeuille (2020), *American Economic Review* 110,
    2964-2996.

    Examples
    --------
    >>> import panelml as pm
    >>> panel = pm.Panel(pm.simulate.staggered(90, 7, seed=1), unit="unit", time="time")
    >>> weights = pm.twfe_weights("y ~ 1", panel, cohort="cohort")
    >>> print(round(weights.coefficient, 3))
    0.843
    """
    panel = require_panel(data)
    adoption = read_adoption(panel, cohort, treatment)
    fit = _two_way(formula, panel, adoption, parse_weights(weights))
    cohorts = np.unique(fit.start)
    cells = _residual_cells(fit, cohorts)
    step = np.tile(adoption.steps, cohorts.size)
    start = np.repeat(cohorts, adoption.steps.size)
    at = np.flatnonzero((step >= start) & (cells.weight > 0))
    found = sign_flip(cells.sums[0, at] / cells.weight[at], cells.weight[at], fit.coefficient)
    labels = [
        (adoption.label(g), adoption.label(t)) for g, t in zip(start[at], step[at], strict=True)
    ]
    return TwfeWeights.of(labels, cells.weight[at], found, fit.coefficient, fit.notes)


def _two_way(formula: str, panel: Panel, adoption: Adoption, weights: Weights | None) -> _TwoWay:
    parsed = parse_formula(formula)
    if parsed.effects is not None:
        raise SpecificationError("The effects are those of units and periods: leave out '|'.")
    effects = (Effect((panel.unit,)), Effect((panel.time,)))
    sample, notes = make_sample(panel, replace(parsed, intercept=True), weights, ((panel.time,),))
    start = sample_start(adoption, sample)
    sample = sample.then(("treatment", *sample.names), _AddTreatment(start))
    absorbed = absorb(sample, effects)
    if absorbed.gram[1, 1] <= absorbed.resolution.floor[1]:
        raise IdentificationError(
            "Treatment does not vary once units and periods are taken off: every unit adopts at "
            "the same time, or none does."
        )
    solved = least_squares(
        sample,
        absorbed.transform,
        absorbed.gram,
        resolution=absorbed.resolution,
        absorbed="units and periods",
    )
    direction = np.zeros(1 + len(sample.names))
    kept = 1 + solved.solution.kept
    direction[kept] = solved.solution.bread[0] / solved.solution.bread[0, 0]
    return _TwoWay(
        sample,
        absorbed.transform,
        float(solved.params[0]),
        direction,
        start,
        (*adoption.notes, *notes, *solved.notes),
    )


def _cohorts(fit: _TwoWay, adoption: Adoption) -> tuple[IntArray, FloatArray, IntArray]:
    """Steps of adoption, shares of the units, and number of the first treated period.

    Units that are always treated are one cohort.
    """
    steps = adoption.steps
    start = np.maximum(fit.start, steps[0])
    cohorts, counts = np.unique(start, return_counts=True)
    return cohorts, counts / counts.sum(), np.searchsorted(steps, cohorts)


def _compare(
    fit: _TwoWay, cohorts: IntArray, share: FloatArray, first: IntArray
) -> WeightedComparisons:
    sample, periods = fit.sample, fit.sample.source.n_periods
    if len(sample.names) == 1:
        cells = fold(
            sample,
            lambda b: CellSums.of(b.outcome[None], _cell(b, fit, cohorts), first.size * periods),
        )
        means = (cells.sums[0] / cells.weight).reshape(first.size, periods)
        return compare_timing(means, share, first)
    cells = _residual_cells(fit, cohorts)
    d, y = (cells.sums[:2] / cells.weight).reshape(2, first.size, periods)
    total = cells.sums[2:].sum(axis=1) / sample.nobs
    between = np.array([(share @ d**2).sum(), (share @ (d * y)).sum()]) / periods
    square, product = total - between
    return compare_cohorts(y, d, share, first, (float(square), float(product)))


def _residual_cells(fit: _TwoWay, cohorts: IntArray) -> CellSums:
    """Sums by cohort and period of d, y, d^2 and d y, with d the residual of treatment."""
    count = cohorts.size * fit.sample.source.n_periods

    def sums(block: Block) -> CellSums:
        d = fit.direction @ fit.transform(block).z
        y = block.outcome
        return CellSums.of(
            np.stack([d, y, d**2, d * y]), _cell(block, fit, cohorts), count, block.weights
        )

    return fold(fit.sample, sums)


def _cell(block: Block, fit: _TwoWay, cohorts: IntArray) -> IntArray:
    start = np.maximum(fit.start, cohorts[0])[block.units]
    cell = np.searchsorted(cohorts, start)[block.unit] * block.steps.size + block.time
    return np.asarray(cell, dtype=np.int64)
