"""Callaway and Sant'Anna's effects of cohorts in periods."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass

import numpy as np

from panelml._typing import FloatArray
from panelml.arguments import checked
from panelml.data.panel.weights import Weights
from panelml.data.source.given import DataLike
from panelml.did.core.adoption import read_adoption
from panelml.did.estimators.contrasts import (
    BalancedRows,
    SectionRows,
    estimate_cells,
)
from panelml.did.estimators.overlap import require_more_than_cohorts
from panelml.did.estimators.planning import Base, Control, Method, Plan, make_plan
from panelml.did.results.effects import EffectResults
from panelml.engine.collect import collect
from panelml.engine.fold import capped
from panelml.engine.sampling import require_source
from panelml.inference.covariance import CovLike

__all__ = ["CallawaySantAnna"]


# What can be done with units that are not observed in all periods.
SECTIONS = " With panel=False the rows of each period are compared, and they are kept."


@checked
@dataclass(frozen=True, slots=True)
class CallawaySantAnna:
    """Group-time effects: by cohort and period, each from a comparison with untreated units.

    Parameters
    ----------
    formula : str
        ``"y ~ 1"``, or ``"y ~ x"``: trends are then parallel given x. With ``panel=True`` the
        covariates are those of the earlier of the two periods that are compared.
    cohort, treatment : str, optional
        Column with each unit's first treated period, or of 0 and 1: see ``Timing``.
    control : {"never", "not-yet"}
        Compare with units that never adopt, or with all that have not adopted yet.
    method : {"dr", "dr-improved", "ipw", "reg"}
        How covariates are used: doubly robust; doubly robust with estimates that do not move the
        effect to first order; inverse probability weights; regression of outcomes.
    base : {"varying", "universal"}
        Effects before adoption compare with the period before, or with the last one before
        adoption.
    anticipation : int
        Periods before adoption in which there may be effects already.
    panel : bool
        Whether outcomes are differenced within units, which then must be observed in all
        periods. False compares averages of the rows of each period: for repeated
        cross-sections, and to keep incomplete units.
    weights : str or Weights, optional
        Sampling weights; with ``panel=True`` those of a unit's first period.
    cov : str or covariance
        Clustered by unit by default; ``pm.cov.MultiplierBootstrap()`` for the bootstrap.

    Notes
    -----
    Source: Callaway and Sant'Anna (2021), *Journal of Econometrics* 225, 200-230.

    Examples
    --------
    >>> import panelml as pm
    >>> panel = pm.Panel(pm.simulate.staggered(90, 7, seed=1), unit="unit", time="time")
    >>> fit = pm.CallawaySantAnna("y ~ 1", cohort="cohort").fit(panel)
    >>> print(fit.aggregate("cohort").params.round(2).to_dict())
    {'cohort 3': 0.58, 'cohort 5': 1.44, 'cohort 6': 1.26}
    """

    formula: str
    _: KW_ONLY
    cohort: str | None = None
    treatment: str | None = None
    control: Control = "never"
    method: Method = "dr"
    base: Base = "varying"
    anticipation: int = 0
    panel: bool = True
    weights: str | Weights | None = None
    cov: CovLike = "cluster"

    @capped
    def fit(self, data: DataLike) -> EffectResults:
        """Estimate the effects on a Panel, or a pandas frame with a (unit, time) MultiIndex.

        Raises
        ------
        IdentificationError
            If there is no comparison group, no cohort with a period before, or covariates
            predict adoption perfectly.
        """
        source = require_source(data)
        adoption = read_adoption(source, self.cohort, self.treatment)
        plan = make_plan(self, source, adoption, whole=self.panel, remedy=SECTIONS)
        arranged = _arranged(plan, whole=self.panel)
        require_more_than_cohorts(arranged)
        found = estimate_cells(arranged, plan.cells, self.control, self.method, plan.name)
        return plan.assemble("Callaway-Sant'Anna", found, _unit_weights(arranged))


def _arranged(plan: Plan, *, whole: bool) -> BalancedRows | SectionRows:
    names = ("Intercept", *plan.sample.names)
    data = collect(plan.sample)
    if whole:
        return BalancedRows.of(data, names, plan.start)
    period = np.zeros(plan.sample.source.n_periods, dtype=np.int64)
    period[plan.present] = np.arange(plan.present.size)
    return SectionRows.of(data, names, plan.start, period)


def _unit_weights(data: BalancedRows | SectionRows) -> FloatArray:
    """Share of each unit in the weights; of several rows, by their mean."""
    weight = data.w
    if isinstance(data, SectionRows):
        total = np.bincount(data.units, data.w)
        weight = total / np.bincount(data.units)
    return np.asarray(weight / weight.sum())
