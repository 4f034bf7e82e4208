"""Standard errors of effects from fits without each cluster, for few clusters."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

import numpy as np

from panelml._typing import FloatArray
from panelml.arguments import checked
from panelml.data.panel.panel import Panel
from panelml.data.sample import Sample
from panelml.did.core.aggregation import Cells
from panelml.did.estimators.base import PolicyModel
from panelml.did.results.averages import label_text
from panelml.did.results.effect_tie import EffectTie, effect_covariance
from panelml.did.results.effects import EffectResults, require_effects
from panelml.engine.fold import capped
from panelml.engine.progress import counted
from panelml.errors import IdentificationError, SpecificationError, listing
from panelml.inference.clusters import read_dimensions
from panelml.inference.estimate import Estimate
from panelml.inference.influence import require_complete
from panelml.inference.replications import Jackknife, Replicates
from panelml.inference.wald import Wald
from panelml.results.levels_of import sample_levels

__all__ = ["jackknife"]


@checked
@capped
def jackknife(fit: EffectResults, *, clusters: str | None = None) -> EffectResults:
    """Jackknife over clusters: standard errors of effects from fits without each cluster.

    With few clusters this is less optimistic than sums of influences within them: each fit
    without a cluster is a whole one, averages and their weights included. Intervals, tests and
    bands take t with as many degrees of freedom as clusters less one.

    Parameters
    ----------
    fit : EffectResults
        Of any estimator of policy effects but the synthetic ones, or averages of it.
    clusters : str, optional
        Cluster column, ``state^year`` for combinations; the units of the panel by default.

    Returns
    -------
    EffectResults
        The same estimates, which cannot be averaged any more: average first. Effects that one
        cluster alone identifies are left out, with a note, and so is an overall effect that
        averages over them.

    Raises
    ------
    SpecificationError
        If it is no fit of policy effects, its standard errors are replications already, its
        averages have weights that were given effect by effect, or a unit belongs to several
        clusters.
    IdentificationError
        If there is a single cluster, nothing can be estimated without one of them, or no effect
        is left.
    MissingValueError
        If the cluster is missing in a row of the sample.
    DetachedResultError
        If the result was pickled.

    Notes
    -----
    The covariance is (G - 1) / G times the sum of products of deviations from the whole fit, CV3
    of MacKinnon, Nielsen and Webb (2023), *Journal of Applied Econometrics* 38, 671-694.

    Examples
    --------
    >>> import panelml as pm
    >>> panel = pm.Panel(pm.simulate.staggered(90, 7, seed=1), unit="unit", time="time")
    >>> average = pm.CallawaySantAnna("y ~ 1", cohort="cohort").fit(panel).aggregate()
    >>> print(pm.jackknife(average).std_errors.round(2).to_dict())
    {'att': 0.23}
    """
    require_effects(fit, "jackknife")
    estimate = fit.attached.estimate
    sample = estimate.influence.sample
    if isinstance(estimate.influence, Replicates):
        raise SpecificationError(f"Standard errors of {fit.model} are replications already.")
    if isinstance((fit.averaging or {}).get("by"), Mapping):
        raise SpecificationError(
            "Weights given effect by effect do not carry over to fits without a cluster, which may "
            "have other effects. Average by a name or a callable."
        )
    names = read_dimensions([clusters or sample.source.unit])[0]
    found = list(_without_each(fit, sample, names))
    kept, lost = _estimable(fit, found, "^".join(names))
    rule = Jackknife("^".join(names))
    overall, notes = None, [*fit.fit_notes, *lost]
    if fit.overall is not None:
        if len({each.averaged for each in found}) == 1 and _averaged(fit) <= found[0].averaged:
            averages = np.array([each.overall for each in found])
            overall = _with_deviations(fit.overall, sample, averages, rule)
        else:
            notes.append(
                "The overall effect is left out: without some clusters it would average over other "
                "effects. A window, max_horizon= of aggregate(), keeps it."
            )
    values = np.array([each.params.reindex(kept) for each in found])
    result = _with_deviations(_only(fit, kept), sample, values, rule)
    return replace(result, overall=overall, fit_notes=tuple(notes))


@dataclass(frozen=True, slots=True)
class _Without:
    """Estimates without one cluster, and the effects over which the overall one averages."""

    cluster: str
    params: Any
    overall: Any
    averaged: frozenset[str]

    @classmethod
    def of(cls, cluster: str, fit: EffectResults) -> _Without:
        overall = fit.overall.params if fit.overall else None
        return cls(cluster, fit.params.dropna(), overall, _averaged(fit))


def _without_each(fit: EffectResults, sample: Sample, names: tuple[str, ...]) -> Iterator[_Without]:
    require_complete(sample, names)
    panel = sample.panel
    codes = panel.codes(names)
    apart = panel.index.varies_within(codes)
    if apart.any():
        raise SpecificationError(
            f"{panel.unit} {listing(panel.index.units[apart])} belong to several values of "
            f"{'^'.join(names)}: leave out groups of whole units."
        )
    levels, present = sample_levels(sample, names)
    if present.size < 2:
        raise IdentificationError(f"{'^'.join(names)} has a single cluster: none can be left out.")
    for place in counted(present.size, "Jackknife"):
        rest = panel.index.unsort(codes != present[place])
        label = label_text(levels[place])
        try:
            yield _Without.of(label, _again(fit, panel.filter(rest)))
        except (IdentificationError, SpecificationError) as error:
            raise IdentificationError(
                f"Without {'^'.join(names)} {label} nothing can be estimated: {error}"
            ) from error


def _again(fit: EffectResults, panel: Panel) -> EffectResults:
    whole = cast(PolicyModel, fit.spec).fit(panel)
    return whole if fit.averaging is None else whole.aggregate(**fit.averaging)


def _estimable(
    fit: EffectResults, found: Sequence[_Without], name: str
) -> tuple[list[str], tuple[str, ...]]:
    """Return the effects that every fit has, and a note on those that some cluster alone has."""
    lost: dict[str, list[str]] = {}
    for each in found:
        for effect in fit.params.index.difference(each.params.index, sort=False):
            lost.setdefault(str(effect), []).append(each.cluster)
    kept = [str(effect) for effect in fit.params.index if effect not in lost]
    if not kept:
        raise IdentificationError(
            f"Each effect is identified by one {name} alone; none can be left out. Average effects "
            "first."
        )
    if not lost:
        return kept, ()
    alone = sorted({cluster for clusters in lost.values() for cluster in clusters})
    return kept, (
        f"Left out, because one {name} alone identifies them ({listing(alone)}): "
        f"{listing(list(lost))}.",
    )


def _averaged(fit: EffectResults) -> frozenset[str]:
    """Names of the effects over which an overall one averages."""
    labels = fit.labels
    if "horizon" in labels:
        labels = labels[labels["horizon"] >= 0]
    return frozenset(str(name) for name in labels.index)


def _only(fit: EffectResults, kept: Sequence[str]) -> EffectResults:
    """Keep some effects; their covariance is to follow."""
    place = [list(fit.params.index).index(name) for name in kept]
    cells = fit.cells
    if cells is not None:
        cells = Cells(cells.cohort[place], cells.time[place], cells.size[place])
    return replace(fit, params=fit.params.iloc[place], labels=fit.labels.iloc[place], cells=cells)


def _with_deviations(
    fit: EffectResults, sample: Sample, values: FloatArray, rule: Jackknife
) -> EffectResults:
    """Replace the covariance by that of estimates (G, k) without each cluster."""
    whole = np.asarray(fit.params, dtype=np.float64)
    estimate = Estimate(
        tuple(fit.params.index), Replicates.around(sample, values, whole), None, fit.counts
    )
    start = fit.attached.start if isinstance(fit.attached, EffectTie) else None
    tie = EffectTie(estimate, None, start=start)
    inference = Wald(np.asarray(fit.params, np.float64), effect_covariance(tie, rule))
    return replace(fit, inference=inference, cov_spec=rule, _attached=tie)
