"""Two-way regressions of policies: static, event study, Sun-Abraham, extended."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass
from typing import Literal, TypeAlias

import numpy as np

from panelml._typing import BoolArray
from panelml.arguments import checked
from panelml.core.family.choice import LinkName, MeanFamilyName, mean_family
from panelml.core.family.family import Family
from panelml.data.formula.formula import parse_formula
from panelml.data.panel.weights import Weights, parse_weights
from panelml.data.sample import Sample
from panelml.data.source.given import DataLike
from panelml.did.core.adoption import NEVER, Adoption, read_adoption
from panelml.did.estimators.assignment import (
    CohortGrid,
    assign,
    require_reference,
    unmeasured,
    with_reference,
    within_window,
)
from panelml.did.estimators.base import cell_labels, horizon_labels, sample_start, single_label
from panelml.did.estimators.comparisons import comparable, single_units
from panelml.did.estimators.moderators import require_constant
from panelml.did.estimators.nonlinear import fit_nonlinear
from panelml.did.estimators.saturated import Saturated, fit_saturated
from panelml.did.estimators.untreated import with_effects
from panelml.did.results.effects import EffectResults
from panelml.engine.fold import capped
from panelml.engine.sampling import make_sample, require_source
from panelml.errors import IdentificationError, SpecificationError, listing, shown
from panelml.inference.covariance import CovLike

__all__ = ["TWFE", "EventStudy", "ExtendedTWFE", "SunAbraham"]

Ends: TypeAlias = Literal["bin", "drop"]
Control: TypeAlias = Literal["not-yet", "never"]


@checked
@dataclass(frozen=True, slots=True)
class TWFE:
    """Two-way fixed effects: one effect for all treated rows, with effects of units and periods.

    In panels with one date of adoption this is the difference of differences. Where dates differ
    it averages effects with weights that may be negative: see ``twfe_weights``.

    Parameters
    ----------
    formula : str
        ``"y ~ 1"`` or ``"y ~ x"``; unit and period effects are absorbed, or what stands after
        ``|``, the unit's among it.
    cohort, treatment : str, optional
        Column with each unit's first treated period, or of 0 and 1: see ``Timing``.
    weights : str or Weights, optional
    cov : str or covariance

    Examples
    --------
    >>> import panelml as pm
    >>> panel = pm.Panel(pm.simulate.staggered(90, 7, seed=1), unit="unit", time="time")
    >>> fit = pm.TWFE("y ~ 1", cohort="cohort").fit(panel)
    >>> print(fit.params.round(2).to_dict())
    {'att': 0.84}
    """

    formula: str
    _: KW_ONLY
    cohort: str | None = None
    treatment: str | None = None
    weights: str | Weights | None = None
    cov: CovLike = "cluster"

    @capped
    def fit(self, data: DataLike) -> EffectResults:
        """Estimate the effect on a Panel, or a pandas frame with a (unit, time) MultiIndex.

        Raises
        ------
        IdentificationError
            If treatment does not vary within units and periods.
        """
        sample, adoption, notes = _sample(self, data)
        grid = CohortGrid.of(sample, adoption)
        assignment, _ = assign(grid, np.zeros_like(grid.step), grid.step >= grid.cohort)
        return fit_saturated(
            Saturated("Two-way fixed effects", self, sample, assignment, single_label(), notes)
        )


@checked
@dataclass(frozen=True, slots=True)
class EventStudy:
    """Event study: one effect for each horizon, the same for all cohorts.

    Parameters
    ----------
    formula : str
        As for ``TWFE``.
    cohort, treatment : str, optional
        Column with each unit's first treated period, or of 0 and 1: see ``Timing``.
    reference : int or tuple of int
        Horizons that are zero. Without never-treated units two are needed; three where all dates
        of adoption lie a multiple of two periods apart, and so on.
    window : (int, int), optional
        First and last horizon; by default all that occur.
    ends : {"bin", "drop"}
        Whether horizons outside the window count to its ends, or their rows are left out.
    weights : str or Weights, optional
    cov : str or covariance

    Notes
    -----
    Where effects differ between cohorts, effects of other horizons contaminate each coefficient
    (Sun and Abraham 2021): see ``SunAbraham``.

    Examples
    --------
    >>> import panelml as pm
    >>> panel = pm.Panel(pm.simulate.staggered(90, 7, seed=1), unit="unit", time="time")
    >>> fit = pm.EventStudy("y ~ 1", cohort="cohort", window=(-2, 2)).fit(panel)
    >>> print(fit.params.round(2).to_dict())
    {'horizon -2': -0.08, 'horizon 0': 0.62, 'horizon 1': 0.99, 'horizon 2': 1.31}
    """

    formula: str
    _: KW_ONLY
    cohort: str | None = None
    treatment: str | None = None
    reference: int | tuple[int, ...] = -1
    window: tuple[int, int] | None = None
    ends: Ends = "bin"
    weights: str | Weights | None = None
    cov: CovLike = "cluster"

    def __post_init__(self) -> None:
        if self.window is not None and not self.window[0] < self.window[1]:
            raise SpecificationError(f"window is (first, last) horizon, not {shown(self.window)}.")
        outside = [h for h in _references(self.reference) if self.window and not self._shows(h)]
        if outside:
            raise SpecificationError(
                f"The reference {listing(outside)} is outside the window {shown(self.window)}: "
                "effects are differences from it. Widen the window, or choose another reference."
            )

    def _shows(self, horizon: int) -> bool:
        """Whether a horizon is in the window."""
        return self.window is None or self.window[0] <= horizon <= self.window[1]

    @capped
    def fit(self, data: DataLike) -> EffectResults:
        """Estimate the effects on a Panel, or a pandas frame with a (unit, time) MultiIndex.

        Raises
        ------
        IdentificationError
            If effects are not identified.
        """
        sample, adoption, notes = _sample(self, data)
        if self.window is not None and self.ends == "drop":
            sample, more = within_window(sample, adoption, self.window)
            notes = (*notes, *more)
        grid = CohortGrid.of(sample, adoption)
        horizon, references = grid.horizon, _references(self.reference)
        if self.window is not None:
            horizon = np.where(grid.cohort == NEVER, horizon, np.clip(horizon, *self.window))
        require_reference(grid, references, sample)
        notes = (*notes, *unmeasured(grid, horizon, references, adoption))
        used = (grid.cohort != NEVER) & ~np.isin(horizon, references)
        assignment, cells = assign(grid, horizon, used)
        horizons = np.unique(horizon[used & (grid.rows > 0)])
        labels = horizon_labels(horizons.tolist(), cells.size)
        return fit_saturated(
            Saturated(
                "Event study",
                self,
                sample,
                assignment,
                labels,
                notes,
                references=references,
            )
        )


@checked
@dataclass(frozen=True, slots=True)
class SunAbraham:
    """Interaction-weighted event study: effects by cohort and period, averaged by cohort shares.

    Parameters
    ----------
    formula : str
        As for ``TWFE``.
    cohort, treatment : str, optional
        Column with each unit's first treated period, or of 0 and 1: see ``Timing``.
    reference : int or tuple of int
        Horizons that are zero for every cohort.
    weights : str or Weights, optional
    cov : str or covariance

    Notes
    -----
    Source: Sun and Abraham (2021), *Journal of Econometrics* 225, 175-199. The comparison group
    are units never treated or, without them, the last cohort before it adopts.

    Examples
    --------
    >>> import panelml as pm
    >>> panel = pm.Panel(pm.simulate.staggered(90, 7, seed=1), unit="unit", time="time")
    >>> fit = pm.SunAbraham("y ~ 1", cohort="cohort").fit(panel)
    >>> print(fit.aggregate("cohort").params.round(2).to_dict())
    {'cohort 3': 0.58, 'cohort 5': 1.44, 'cohort 6': 1.26}
    """

    formula: str
    _: KW_ONLY
    cohort: str | None = None
    treatment: str | None = None
    reference: int | tuple[int, ...] = -1
    weights: str | Weights | None = None
    cov: CovLike = "cluster"

    @capped
    def fit(self, data: DataLike) -> EffectResults:
        """Estimate the effects on a Panel, or a pandas frame with a (unit, time) MultiIndex.

        Raises
        ------
        IdentificationError
            If effects are not identified, or there is no comparison group.
        """
        references = _references(self.reference)
        return _by_cell(
            self, data, "Sun-Abraham", lambda grid: ~np.isin(grid.horizon, references), references
        )


@checked
@dataclass(frozen=True, slots=True)
class ExtendedTWFE:
    """Extended two-way fixed effects: an effect for each cohort and period from adoption on.

    Parameters
    ----------
    formula : str
        As for ``TWFE``.
    cohort, treatment : str, optional
        Column with each unit's first treated period, or of 0 and 1: see ``Timing``.
    control : {"not-yet", "never"}
        Whether all rows before adoption are comparisons, or, with an effect for each period
        before adoption but the last, only those of units never treated.
    moderators : str or tuple of str
        Variables that do not change within units and on which effects, and trends, depend: their
        interactions with periods, and, demeaned by cohort, with the effects. Effects are then
        those at their cohort's mean.
    family : {"binomial", "poisson"}, optional
        Distribution of an outcome that is yes or no, or not negative: trends are then parallel in
        the index of the link, and effects are those on the mean of the outcome. Indicators of
        cohorts and periods take the place of effects of units.
    link : {"logit", "probit", "cloglog", "log"}, optional
        By default the logit for yes/no outcomes, and the logarithm for counts.
    weights : str or Weights, optional
    cov : str or covariance

    Notes
    -----
    Source: Wooldridge (2025), *Empirical Economics* 69, 2545-2587, section 5 for moderators.
    Without covariates, with ``control="not-yet"`` and in balanced panels, effects equal those of
    imputation. With a family: Wooldridge (2023), *Econometrics Journal* 26, C31-C66.

    Examples
    --------
    >>> import panelml as pm
    >>> panel = pm.Panel(pm.simulate.staggered(90, 7, seed=1), unit="unit", time="time")
    >>> fit = pm.ExtendedTWFE("y ~ 1", cohort="cohort").fit(panel)
    >>> print(fit.aggregate().params.round(2).to_dict())
    {'att': 1.13}
    """

    formula: str
    _: KW_ONLY
    cohort: str | None = None
    treatment: str | None = None
    control: Control = "not-yet"
    moderators: str | tuple[str, ...] = ()
    family: MeanFamilyName | None = None
    link: LinkName | None = None
    weights: str | Weights | None = None
    cov: CovLike = "cluster"

    def __post_init__(self) -> None:
        if self.family is None and self.link is not None:
            raise SpecificationError("link= goes with family='binomial' or family='poisson'.")
        if self.family is not None and mean_family(self.family, self.link) is None:
            raise SpecificationError(f"The {self.family} family has no link {shown(self.link)}.")
        if self.family is not None and self.moderators:
            raise SpecificationError("moderators= are for linear models, without family=.")

    @property
    def moderator_names(self) -> tuple[str, ...]:
        """Columns of the moderators."""
        return (self.moderators,) if isinstance(self.moderators, str) else tuple(self.moderators)

    @capped
    def fit(self, data: DataLike) -> EffectResults:
        """Estimate the effects on a Panel, or a pandas frame with a (unit, time) MultiIndex.

        Raises
        ------
        IdentificationError
            If effects are not identified, or there is no comparison group.
        """
        if self.control == "never":
            return _by_cell(self, data, "Extended two-way", lambda g: g.horizon != -1, (-1,))
        return _by_cell(self, data, "Extended two-way", lambda g: g.horizon >= 0, ())


Spec: TypeAlias = TWFE | EventStudy | SunAbraham | ExtendedTWFE


def _sample(spec: Spec, data: DataLike) -> tuple[Sample, Adoption, tuple[str, ...]]:
    source = require_source(data)
    adoption = read_adoption(source, spec.cohort, spec.treatment)
    formula = parse_formula(spec.formula)
    if _family(spec) is None:
        formula = with_effects(formula, source.unit, source.time, source.columns)
    elif formula.effects:
        raise SpecificationError(
            "With family= effects of cohorts and periods are indicators: leave '|' and what "
            "follows out of the formula."
        )
    others = tuple(e.columns for e in formula.effects or () if e.columns != (source.unit,))
    moderators = _moderators(spec)
    if moderators:
        require_constant(source, moderators)
        others = tuple(dict.fromkeys([*others, (source.time,)]))
    sample, notes = make_sample(source, formula, parse_weights(spec.weights), others, moderators)
    adoption.require_cohorts()
    return sample, adoption, (*adoption.notes, *notes)


def _family(spec: Spec) -> Family | None:
    """Return the family of a regression that is not linear."""
    if isinstance(spec, ExtendedTWFE) and spec.family is not None:
        return mean_family(spec.family, spec.link)
    return None


def _references(reference: int | tuple[int, ...]) -> tuple[int, ...]:
    """Horizons that are zero."""
    return reference if isinstance(reference, tuple) else (reference,)


def _moderators(spec: Spec) -> tuple[str, ...]:
    return spec.moderator_names if isinstance(spec, ExtendedTWFE) else ()


def _by_cell(
    spec: SunAbraham | ExtendedTWFE,
    data: DataLike,
    model: str,
    wanted: Callable[[CohortGrid], BoolArray],
    references: tuple[int, ...],
) -> EffectResults:
    """Estimate an effect for each wanted cohort and period."""
    sample, adoption, notes = _sample(spec, data)
    sample, adoption, more = comparable(sample, adoption, "not-yet", 0)
    sample, lost = with_reference(sample, adoption, references)
    alone = single_units(sample_start(adoption, sample), adoption)
    grid = CohortGrid.of(sample, adoption)
    number = np.arange(grid.step.size)
    assignment, cells = assign(grid, number, (grid.cohort != NEVER) & wanted(grid))
    if not assignment.count:
        raise IdentificationError("No cohort has a row in a period with an effect.")
    task = Saturated(
        model,
        spec,
        sample,
        assignment,
        cell_labels(adoption, cells),
        (*notes, *more, *lost, *alone),
        cells=cells,
        references=references,
        moderators=_moderators(spec),
    )
    family = _family(spec)
    return fit_saturated(task) if family is None else fit_nonlinear(task, family)
