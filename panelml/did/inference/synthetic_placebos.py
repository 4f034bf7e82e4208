"""Placebos of synthetic comparisons in space and in time, and what single units matter."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from panelml._typing import FloatArray
from panelml.arguments import checked
from panelml.did.core.synthetic import Kind, Penalties, Weighted
from panelml.did.estimators.synthetic import SyntheticControl, SyntheticDiD, prepared
from panelml.did.estimators.synthetic_data import Outcomes, Reading, compare, penalties_of
from panelml.did.results.averages import label_text
from panelml.did.results.placebos import (
    GapLabels,
    LeaveOneOut,
    PlaceboInTime,
    PlacebosInSpace,
    made_up_trajectories,
)
from panelml.did.results.synthetic import SyntheticResults
from panelml.engine.fold import capped
from panelml.engine.progress import counted
from panelml.errors import IdentificationError, SpecificationError, shown

__all__ = ["leave_one_out", "placebo_in_space", "synthetic_in_time"]

# Units with less weight than this hardly matter, and are not left out one by one.
LEAST_WEIGHT = 1e-3
# A mix that is this much nearer than outcomes spread fits exactly; weights are as exact as that.
EXACT = 1e-8


@checked
@capped
def placebo_in_space(fit: SyntheticResults) -> PlacebosInSpace:
    """Placebos in space: effects on every comparison unit as if it were the treated one.

    The ratio of root mean squared gaps after and before adoption is compared with the treated
    unit's. Units are weighted anew for each, predictors too; the treated unit is in no mix. Units
    that a mix fits exactly before adoption have no ratio, and count as ties of the largest.

    Parameters
    ----------
    fit : SyntheticResults
        With a single treated unit.

    Notes
    -----
    Source: Abadie, Diamond and Hainmueller (2010), *JASA* 105, 493-505, section 3.4. With
    weights of periods, gaps are less their weighted mean before adoption.

    Raises
    ------
    SpecificationError
        If the fit is no synthetic comparison.
    IdentificationError
        If several units are treated.
    DetachedResultError
        If the result was pickled.

    Examples
    --------
    >>> import panelml as pm
    >>> rows = pm.simulate.staggered(12, 9, {6: 0.1}, seed=1)
    >>> panel = pm.Panel(rows, unit="unit", time="time")
    >>> fit = pm.SyntheticControl("y ~ 1", cohort="cohort", reps=9).fit(panel)
    >>> print(round(pm.placebo_in_space(fit).pvalue, 3))
    0.333
    """
    read, data, kind = _again(fit)
    treated = np.flatnonzero(~data.never)
    if treated.size > 1:
        raise IdentificationError(
            f"{treated.size} units are treated, and ratios compare single ones: take the standard "
            "errors of inference='placebo', or a fit with one treated unit."
        )
    before = int(data.start[treated[0]])
    penalties = penalties_of(data, kind)
    never = np.flatnonzero(data.never)
    found = [compare(data, kind, penalties)[0][0]]
    for i in counted(never.size, "Placebos in space"):
        start = data.start[never].copy()
        start[i] = before
        found.append(compare(data.of(never, start), kind, penalties)[0][0])
    units = [read.sample.unit_labels[treated[0]], *read.comparison]
    return PlacebosInSpace.of(
        _labels(read, units, fit.depvar),
        np.stack([_gap(w) for w in found]),
        np.array([w.effects.mean() for w in found]),
        before,
        rounding=_rounding(data.y[:, :before]),
    )


@capped
def synthetic_in_time(fit: SyntheticResults, start: Any) -> PlaceboInTime:
    """Estimate the effect of a made-up policy before the true one, without periods after that.

    Windows of predictors end before the made-up policy too; those that begin later are left out.

    Parameters
    ----------
    fit : SyntheticResults
        With a single cohort.
    start : label
        First period of the made-up policy.

    Notes
    -----
    Source: Abadie, Diamond and Hainmueller (2015), *American Journal of Political Science* 59,
    495-510.

    Raises
    ------
    SpecificationError
        If the fit is no synthetic comparison, or ``start`` not between its periods before
        adoption.
    IdentificationError
        If there are several cohorts.
    DetachedResultError
        If the result was pickled.
    """
    read, data, kind = _again(fit)
    adopted = _one_cohort(data)
    early = read.times[:adopted]
    at = early.index(start) if start in early else 0
    if at < 2:
        raise SpecificationError(
            f"start is a period before adoption with two before it, from {label_text(early[2])} "
            f"to {label_text(early[-1])}, not {shown(start)}."
            if adopted > 2
            else "There are too few periods before adoption for a placebo in time."
        )
    moved = data.until(adopted, at)
    if moved.table is not None and not moved.table.known(at):
        raise SpecificationError(
            f"No predictor has a period before {label_text(start)}: choose a later start."
        )
    [found], effects = compare(moved, kind, penalties_of(moved, kind))
    mean = moved.y[~moved.never].mean(axis=0)
    trajectories = made_up_trajectories(early, mean, found.gap, _gap(found))
    return PlaceboInTime.of(start, trajectories, at, float(effects.mean()), fit.depvar)


@checked
@capped
def leave_one_out(fit: SyntheticResults) -> LeaveOneOut:
    """Leave-one-out: estimate again without each comparison unit that has weight.

    Parameters
    ----------
    fit : SyntheticResults
        With a single cohort.

    Notes
    -----
    Source: Abadie, Diamond and Hainmueller (2015), *American Journal of Political Science* 59,
    495-510. Penalties stay those of the fit; the importance of predictors is searched for again.

    Raises
    ------
    SpecificationError
        If the fit is no synthetic comparison.
    IdentificationError
        If there are several cohorts.
    DetachedResultError
        If the result was pickled.

    Examples
    --------
    >>> import panelml as pm
    >>> rows = pm.simulate.staggered(12, 9, {6: 0.1}, seed=1)
    >>> panel = pm.Panel(rows, unit="unit", time="time")
    >>> fit = pm.SyntheticControl("y ~ 1", cohort="cohort", reps=9).fit(panel)
    >>> print(type(pm.leave_one_out(fit)).__name__)
    LeaveOneOut
    """
    read, data, kind = _again(fit)
    before = _one_cohort(data)
    penalties = penalties_of(data, kind)
    whole = compare(data, kind, penalties)[0][0]
    never = np.flatnonzero(data.never)
    used = [i for i in np.argsort(-whole.units, kind="stable") if whole.units[i] >= LEAST_WEIGHT]
    if never.size < 2:
        raise IdentificationError("There is a single comparison unit: none can be left out.")
    found = [
        _without(data, int(never[used[k]]), kind, penalties)
        for k in counted(len(used), "Leave one out")
    ]
    return LeaveOneOut.of(
        _labels(read, [read.comparison[i] for i in used], fit.depvar),
        whole.units[used],
        np.array([w.effects.mean() for w in found]),
        np.stack([_gap(w) for w in (whole, *found)], axis=1),
        before,
        float(whole.effects.mean()),
    )


def _labels(read: Reading, units: Sequence[Any], depvar: str) -> GapLabels:
    source = read.sample.source
    return GapLabels(units, read.times, source.unit, source.time, depvar)


def _without(data: Outcomes, unit: int, kind: Kind, penalties: dict[int, Penalties]) -> Weighted:
    keep = np.delete(np.arange(data.start.size), unit)
    return compare(data.of(keep), kind, penalties)[0][0]


def _rounding(y: FloatArray) -> float:
    """Size of gaps that are rounding errors: of weights, and of outcomes far from zero."""
    return float(EXACT * y.std() + 16 * np.finfo(np.float64).eps * np.abs(y).max())


def _gap(found: Weighted) -> FloatArray:
    """The gap, less its weighted mean before adoption, shape (T,)."""
    return found.gap - found.periods @ found.gap[: found.periods.size]


def _one_cohort(data: Outcomes) -> int:
    if data.cohorts.size > 1:
        raise IdentificationError(
            f"There are {data.cohorts.size} cohorts: fit one at a time, with the units of the "
            "others left out."
        )
    return int(data.cohorts[0])


def _again(fit: SyntheticResults) -> tuple[Reading, Outcomes, Kind]:
    """Read the data of a fit again."""
    if not isinstance(fit, SyntheticResults):
        given = f"a fit of {fit.model}" if hasattr(fit, "model") else type(fit).__name__
        raise SpecificationError(f"Give a result of SyntheticDiD or SyntheticControl, not {given}.")
    spec, influence = fit.spec, fit.attached.estimate.influence
    assert isinstance(spec, SyntheticDiD | SyntheticControl)
    read = prepared(spec, influence.sample.panel)
    return read, read.outcomes, "sdid" if isinstance(spec, SyntheticDiD) else "sc"
