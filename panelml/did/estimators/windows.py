"""Estimators that compare windows around adoptions: local projections and stacks."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import KW_ONLY, dataclass
from typing import Literal

import numpy as np

from panelml._typing import FloatArray, IntArray
from panelml.arguments import checked
from panelml.data.panel.weights import Weights, parse_weights
from panelml.data.sample import Sample
from panelml.data.source.given import DataLike
from panelml.did.core.adoption import NEVER, Adoption, read_adoption
from panelml.did.core.entries import Absorbing, Switching, Treatment
from panelml.did.core.windows import HorizonEffect, local_projection, stacked
from panelml.did.estimators.assignment import CohortGrid
from panelml.did.estimators.base import (
    EffectFit,
    assemble_effects,
    asymptotic_estimate,
    horizon_labels,
    policy_fit,
    sample_start,
)
from panelml.did.estimators.comparisons import (
    comparable,
    compared_formula,
    complete_units,
)
from panelml.did.estimators.overlap import cohort_labels
from panelml.did.results.averages import label_text
from panelml.did.results.effects import EffectResults
from panelml.engine.collect import collect
from panelml.engine.fold import capped
from panelml.engine.sampling import make_sample, require_source
from panelml.errors import IdentificationError, SpecificationError, listing, shown
from panelml.inference.covariance import CovLike
from panelml.inference.influence import UnitInfluence
from panelml.results.facts import Facts

__all__ = ["LocalProjectionsDiD", "StackedDiD"]


@checked
@dataclass(frozen=True, slots=True)
class LocalProjectionsDiD:
    """Local projections: by horizon, a regression of changes since before adoption on adoption.

    Comparisons are clean: units that have not adopted by the horizon.

    Parameters
    ----------
    formula : str
        ``"y ~ 1"``, or ``"y ~ x"``: covariates are those of the period before adoption.
    cohort, treatment : str, optional
        Column with each unit's first treated period, or of 0 and 1: see ``Timing``.
    window : (int, int)
        First and last horizon; -1 is the reference.
    equal : bool
        Whether every adoption counts equally. Otherwise regressions weight dates of adoption by
        the variance of adoption.
    mean_before : bool
        Whether changes are from the mean of all periods before adoption, not from the last one.
    weights : str or Weights, optional
        Those of a unit's first period.
    switching : {"refuse", "first"} or int
        What to do with a ``treatment`` that ends again: refuse it; look at each unit's first
        entry, as long as it stays, and at comparisons never treated before; or at all entries
        after so many untreated periods, and at comparisons without a change in as many.
    cov : str or covariance

    Notes
    -----
    Source: Dube, Girardi, Jordà and Taylor (2025), *Journal of Applied Econometrics*.

    Examples
    --------
    >>> import panelml as pm
    >>> panel = pm.Panel(pm.simulate.staggered(90, 7, seed=1), unit="unit", time="time")
    >>> fit = pm.LocalProjectionsDiD("y ~ 1", cohort="cohort", window=(-2, 2)).fit(panel)
    >>> print(fit.params.round(2).to_dict())
    {'horizon -2': -0.05, 'horizon 0': 0.71, 'horizon 1': 1.14, 'horizon 2': 1.05}
    """

    formula: str
    _: KW_ONLY
    cohort: str | None = None
    treatment: str | None = None
    window: tuple[int, int] = (-3, 3)
    equal: bool = False
    mean_before: bool = False
    switching: Literal["refuse", "first"] | int = "refuse"
    weights: str | Weights | None = None
    cov: CovLike = "cluster"

    def __post_init__(self) -> None:
        _check_window(self.window)
        _check_switching(self)

    @capped
    def fit(self, data: DataLike) -> EffectResults:
        """Estimate the effects on a Panel, or a pandas frame with a (unit, time) MultiIndex.

        Raises
        ------
        IdentificationError
            If no horizon has an adoption with a comparison.
        """
        sample, adoption, notes = _sample(self, data)
        y, x, w, start = _tables(sample, adoption)
        treatment: Treatment = Absorbing(start)
        if self.switching != "refuse":
            treatment = _switching(self, sample, adoption)
        names, x, more = _without_cohorts(sample, x, start)
        low, high = self.window
        found = {
            h: local_projection(
                y, x, w, treatment, h, equal=self.equal, mean_before=self.mean_before
            )
            for h in range(low, high + 1)
            if h != -1
        }
        lost = [h for h, effect in found.items() if effect is None]
        if lost:
            notes = (*notes, f"No adoption has the horizons {listing(lost)} and a comparison.")
        if self.switching == "refuse" and not self.mean_before:
            notes = (*notes, *_without_reference(sample, adoption))
        kept = {h: effect for h, effect in found.items() if effect is not None}
        notes = (*notes, *more, *_dropped(names, kept.values()))
        if not kept:
            raise IdentificationError(" ".join(["No effect can be estimated.", *notes]))
        return _assemble(
            "Local projections", self, sample, list(kept), list(kept.values()), notes, start
        )


@checked
@dataclass(frozen=True, slots=True)
class StackedDiD:
    """Stacked differences in differences: windows of the same length around each adoption.

    Only cohorts whose whole window lies in the panel count, so that every horizon averages over
    the same adoptions.

    Parameters
    ----------
    formula : str
        ``"y ~ 1"``, or ``"y ~ x"``: covariates, of each row's own period, enter linearly.
    cohort, treatment : str, optional
        Column with each unit's first treated period, or of 0 and 1: see ``Timing``.
    window : (int, int)
        First and last horizon; -1 is the reference.
    weights : str or Weights, optional
        Those of a unit's first period.
    cov : str or covariance

    Notes
    -----
    Source: Wing, Freedman and Hollingsworth (2024), NBER Working Paper 32054.

    Examples
    --------
    >>> import panelml as pm
    >>> panel = pm.Panel(pm.simulate.staggered(90, 7, seed=1), unit="unit", time="time")
    >>> fit = pm.StackedDiD("y ~ 1", cohort="cohort", window=(-2, 2)).fit(panel)
    >>> print(fit.params.round(2).to_dict())
    {'horizon -2': -0.17, 'horizon 0': 0.5, 'horizon 1': 1.09, 'horizon 2': 1.15}
    """

    formula: str
    _: KW_ONLY
    cohort: str | None = None
    treatment: str | None = None
    window: tuple[int, int] = (-3, 3)
    weights: str | Weights | None = None
    cov: CovLike = "cluster"

    def __post_init__(self) -> None:
        _check_window(self.window)

    @capped
    def fit(self, data: DataLike) -> EffectResults:
        """Estimate the effects on a Panel, or a pandas frame with a (unit, time) MultiIndex.

        Raises
        ------
        IdentificationError
            If no cohort's window lies in the panel with a comparison throughout.
        """
        sample, adoption, notes = _sample(self, data)
        sample, dropped = complete_units(sample)
        y, x, w, start = _tables(sample, adoption)
        low, high = self.window
        horizons, effects, cohorts = stacked(y, x, w, start, -low, high, -1)
        first = int(adoption.steps[sample.level_rows((sample.source.time,)) > 0].min())
        out = [g for g in np.unique(start[start < y.shape[1]]).tolist() if g not in cohorts]
        if out:
            names = listing(label_text(adoption.label(first + g)) for g in out)
            notes = (*notes, f"Left out cohorts whose window is not in the panel: {names}.")
        if not cohorts:
            raise IdentificationError(" ".join(["No effect can be estimated.", *notes]))
        notes = (*notes, *dropped, *_dropped(sample.names, effects), *_fixed(sample, x))
        return _assemble("Stacked", self, sample, horizons.tolist(), effects, notes, start)


Spec = LocalProjectionsDiD | StackedDiD


def _check_window(window: tuple[int, int]) -> None:
    if not (len(window) == 2 and window[0] <= -1 and window[1] >= 0):
        raise SpecificationError(
            f"window is (first, last) horizon around adoption, as (-3, 3), not {shown(window)}."
        )


def _sample(spec: Spec, data: DataLike) -> tuple[Sample, Adoption, tuple[str, ...]]:
    source = require_source(data)
    stays = isinstance(spec, StackedDiD) or spec.switching == "refuse"
    adoption = read_adoption(source, spec.cohort, spec.treatment, absorbing=stays)
    formula = compared_formula(spec.formula)
    sample, notes = make_sample(source, formula, parse_weights(spec.weights))
    if not stays:
        return sample, adoption, (*adoption.notes, *notes)
    sample, adoption, more = comparable(sample, adoption, "not-yet", 0)
    return sample, adoption, (*adoption.notes, *notes, *more)


def _check_switching(spec: LocalProjectionsDiD) -> None:
    value = spec.switching
    if isinstance(value, bool) or value not in ("refuse", "first"):
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise SpecificationError(
                "switching is 'refuse', 'first' or a number of periods, 1 or more, not "
                f"{shown(value)}."
            )
        if spec.mean_before:
            raise SpecificationError(
                "With switching= a number, periods before an entry may be treated ones: leave out "
                "mean_before=True."
            )
    if value != "refuse" and spec.treatment is None:
        raise SpecificationError(
            "When treatment ends is read off treatment='column' of 0 and 1; cohort= has only when "
            "it starts."
        )


def _switching(spec: LocalProjectionsDiD, sample: Sample, adoption: Adoption) -> Switching:
    treatment = str(spec.treatment)
    sample.source.require_numbers(treatment, "The treatment")
    rows = collect(sample)
    steps = adoption.steps[rows.time]
    low, high = int(steps.min()), int(steps.max())
    table = np.full((int(rows.unit[-1]) + 1, high - low + 1), np.nan)
    table[rows.unit, steps - low] = sample.column(treatment)
    return Switching.of(table, None if spec.switching == "first" else int(spec.switching))


def _without_reference(sample: Sample, adoption: Adoption) -> tuple[str, ...]:
    """Note cohorts whose changes since the period before adoption are not known."""
    lost = CohortGrid.of(sample, adoption).lacking((-1,))
    if not lost.size:
        return ()
    names = listing(label_text(adoption.label(g)) for g in lost)
    return (f"Cohorts without a row at horizon -1 are in no effect: {names}.",)


def _tables(
    sample: Sample, adoption: Adoption
) -> tuple[FloatArray, FloatArray, FloatArray, IntArray]:
    """Outcome, regressors by unit and step, missing where not observed; weights; first step."""
    rows = collect(sample)
    start = sample_start(adoption, sample)
    steps = adoption.steps[rows.time]
    low, high = int(steps.min()), int(steps.max())
    shape, place = (start.size, high - low + 1), (rows.unit, steps - low)
    y, x = np.full(shape, np.nan), np.full((len(rows.regressors), *shape), np.nan)
    y[place] = rows.outcome
    x[:, *place] = rows.regressors
    first = np.flatnonzero(np.diff(rows.unit, prepend=-1))
    return y, x, rows.weights[first], np.where(start == NEVER, NEVER, start - low)


def _assemble(
    model: str,
    spec: Spec,
    sample: Sample,
    horizons: list[int],
    effects: list[HorizonEffect],
    notes: tuple[str, ...],
    start: IntArray,
) -> EffectResults:
    size = np.array([effect.treated for effect in effects], dtype=np.float64)
    labels = horizon_labels(horizons, size)
    influence = UnitInfluence(sample, np.stack([effect.psi for effect in effects]))
    estimate = asymptotic_estimate(labels.index, influence)
    params = np.array([effect.effect for effect in effects])
    fit = policy_fit(spec, Facts("policy", model), estimate, params, notes)
    return assemble_effects(EffectFit(fit, labels, references=(-1,), start=start), spec.cov)


def _dropped(names: Sequence[str], effects: Iterable[HorizonEffect]) -> tuple[str, ...]:
    """Note covariates that were dropped."""
    gone = sorted(frozenset[int]().union(*(effect.dropped for effect in effects)))
    if not gone:
        return ()
    words = listing(repr(names[j]) for j in gone)
    return (f"Dropped {words}: constant, or collinear with adoption or others.",)


def _fixed(sample: Sample, x: FloatArray) -> tuple[str, ...]:
    """Note covariates that do not vary within units, as differences between horizons take off."""
    unit, low, high = sample.source.unit, np.nanmin(x, axis=2), np.nanmax(x, axis=2)
    within, between = (high > low).any(axis=1), high.max(axis=1) > low.min(axis=1)
    fixed = ~within & between
    words = listing(
        repr(name) for name, is_fixed in zip(sample.names, fixed, strict=True) if is_fixed
    )
    if not fixed.any():
        return ()
    if within.any():
        return (
            f"{words}: no variation within {unit}, which moves effects by way of the slopes of "
            "the other covariates alone.",
        )
    return (f"Dropped {words}: no variation within {unit}, which moves no effect.",)


def _without_cohorts(
    sample: Sample, x: FloatArray, start: IntArray
) -> tuple[list[str], FloatArray, tuple[str, ...]]:
    """Drop covariates that are the cohort: only the form of the regression tells their slopes."""
    names = list(sample.names)
    if not names:
        return names, x, ()
    low, high = np.nanmin(x, axis=2), np.nanmax(x, axis=2)
    label = cohort_labels(np.where(low == high, low, np.nan).T, start)
    if not label.any():
        return names, x, ()
    words = listing(repr(name) for name, gone in zip(names, label, strict=True) if gone)
    note = f"Dropped {words}: the same for all units of a cohort, as the policy is."
    return [n for n, gone in zip(names, label, strict=True) if not gone], x[~label], (note,)
