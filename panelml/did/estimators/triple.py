"""Triple differences: cohorts whose units are only in part eligible for the policy."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass

import numpy as np

from panelml._typing import BoolArray, FloatArray
from panelml.arguments import checked
from panelml.data.panel.weights import Weights
from panelml.data.source.given import DataLike
from panelml.data.source.source import Source
from panelml.did.core.adoption import NEVER, read_adoption, read_status
from panelml.did.estimators.comparisons import Cell
from panelml.did.estimators.contrasts import (
    BalancedRows,
    Estimates,
    Remarks,
    contrasted,
    fit_contrast,
)
from panelml.did.estimators.overlap import require_more_than_cohorts
from panelml.did.estimators.planning import Base, Control, Method, Plan, make_plan
from panelml.did.results.effects import EffectResults
from panelml.engine.collect import collect
from panelml.engine.fold import capped
from panelml.engine.sampling import require_source
from panelml.errors import DataError, listing
from panelml.inference.covariance import CovLike

__all__ = ["TripleDifference"]


@checked
@dataclass(frozen=True, slots=True)
class TripleDifference:
    """Triple differences: effects on eligible units, net of what moves ineligible ones.

    Parameters
    ----------
    formula : str
        ``"y ~ 1"``, or ``"y ~ x"``: trends then differ in the same way given x.
    eligible : str
        Column of 0 and 1: which units the policy applies to once their cohort adopts.
    cohort, treatment : str, optional
        Column with the first period in which each unit's group adopts, eligible or not, or of 0
        and 1: see ``Timing``.
    control : {"never", "not-yet"}
        Compare with groups that never adopt; or with each group that has not adopted yet, one by
        one, averaged with the weights of least variance.
    method, base, anticipation, weights, cov
        As for ``CallawaySantAnna``.

    Notes
    -----
    Source: Ortiz-Villavicencio and Sant'Anna (2025), "Better understanding triple differences
    estimators", arXiv 2505.09942. Groups not yet treated are not pooled: their trends may
    differ from each other.

    Examples
    --------
    >>> import panelml as pm
    >>> rows = pm.simulate.staggered(90, 7, seed=1).assign(mother=lambda d: d["unit"] % 2)
    >>> panel = pm.Panel(rows, unit="unit", time="time")
    >>> spec = pm.TripleDifference("y ~ 1", eligible="mother", cohort="cohort")
    >>> print(spec.fit(panel).aggregate().params.round(2).to_dict())
    {'att': 0.03}
    """

    formula: str
    _: KW_ONLY
    eligible: str
    cohort: str | None = None
    treatment: str | None = None
    control: Control = "never"
    method: Method = "dr"
    base: Base = "varying"
    anticipation: int = 0
    weights: str | Weights | None = None
    cov: CovLike = "cluster"

    @capped
    def fit(self, data: DataLike) -> EffectResults:
        """Estimate the effects on a Panel, or a pandas frame with a (unit, time) MultiIndex.

        Raises
        ------
        DataError
            If eligibility is not 0 or 1, or varies within a unit.
        IdentificationError
            If there is no comparison group, or a cohort has no eligible or ineligible units.
        """
        source = require_source(data)
        adoption = read_adoption(source, self.cohort, self.treatment)
        eligible = _eligible(source, self.eligible)
        plan = make_plan(self, source, adoption, whole=True)
        rows = BalancedRows.of(collect(plan.sample), ("Intercept", *plan.sample.names), plan.start)
        require_more_than_cohorts(rows)
        problem = _Problem(plan, rows, eligible[plan.sample.unit_rows > 0], Remarks())
        return plan.assemble(
            "Triple differences", problem.estimates(), rows.w / rows.w.sum(), problem.eligible
        )


@dataclass(frozen=True, slots=True)
class _Problem:
    """Outcomes, eligibility, and what was asked for."""

    plan: Plan
    rows: BalancedRows
    eligible: BoolArray
    remarks: Remarks

    def estimates(self) -> Estimates:
        """Estimate all effects that are defined."""
        found = [(cell, *pair) for cell in self.plan.cells if (pair := self._effect(cell))]
        psi = np.array([psi for _, _, psi in found]).reshape(-1, self.eligible.size)
        effects = np.array([effect for _, effect, _ in found])
        return Estimates([cell for cell, _, _ in found], effects, psi, self.remarks.notes())

    def _effect(self, cell: Cell) -> tuple[float, FloatArray] | None:
        """Average over comparison groups, and say how each unit moved the average."""
        start = self.rows.start
        controls = cell.controls(start, self.plan.spec.control)
        found = [
            pair
            for g in np.unique(start[controls]).tolist()
            if (pair := self._against(cell, g)) is not None
        ]
        if not found:
            return None
        effects, psi = np.array([f[0] for f in found]), np.stack([f[1] for f in found])
        # Without any variance all comparison groups are as good.
        weights = np.linalg.pinv(psi @ psi.T).sum(axis=0) if psi.any() else np.ones(len(psi))
        weights /= weights.sum()
        return float(weights @ effects), weights @ psi

    def _against(self, cell: Cell, other: int) -> tuple[float, FloatArray] | None:
        """Compare with one control group: three differences of differences."""
        cohort, control = self.rows.start == cell.cohort, self.rows.start == other
        target = cohort & self.eligible
        name = self.plan.name(cell)
        if other != NEVER:
            name = f"{name} against {self.plan.label(other)}"
        effect, psi = 0.0, np.zeros(target.size)
        for sign, group in (
            (1.0, cohort & ~self.eligible),
            (1.0, control & self.eligible),
            (-1.0, control & ~self.eligible),
        ):
            comparison = fit_contrast(self.rows, cell, target, group, self.plan.spec.method)
            found = contrasted(self.rows, cell, comparison, name, self.remarks)
            if found is None:
                return None
            effect += sign * found[0]
            psi[comparison.rows] += sign * found[1]
        return effect, psi


def _eligible(source: Source, column: str) -> BoolArray:
    values = read_status(source, column, "Eligibility")
    varies = source.index.varies_within(values)
    if varies.any():
        raise DataError(
            f"Eligibility {column!r} varies within {int(varies.sum()):,} units ({source.unit} "
            f"{listing(source.index.units[varies])})."
        )
    return np.asarray(values[source.index.starts[:-1]] == 1)
