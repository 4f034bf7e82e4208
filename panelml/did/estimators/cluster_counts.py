"""How many treated and comparison clusters the standard errors of a fit rest on."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace

import numpy as np

from panelml._typing import FloatArray, IntArray
from panelml.data.formula.quoting import quote
from panelml.data.sample import Sample
from panelml.did.core.adoption import Adoption
from panelml.did.results.effects import EffectResults
from panelml.errors import IdentificationError
from panelml.inference.clusters import read_dimensions
from panelml.inference.few import FewClusters, Visible, effective

__all__ = ["ClusterCounts", "common_window", "count_clusters"]


@dataclass(frozen=True, slots=True)
class ClusterCounts:
    """Clusters of the sample of a fit.

    Attributes
    ----------
    name : str
        Of the clusters: that of the units where errors are not clustered by more.
    treated, cohorts, comparison : int
        Clusters that adopt after the first period, their cohorts, and clusters that never adopt
        or, without any, adopt last or, with one cohort, are always treated.
    equal : (float, float)
        Treated and comparison clusters, as many equal ones as vary like them.
    whole : Visible
        Of an average over all effects, shape (1,).
    horizons : IntArray, shape (h,)
    at : Visible
        Of averages by horizon, shape (h,).
    """

    name: str
    treated: int
    cohorts: int
    comparison: int
    equal: tuple[float, float]
    whole: Visible
    horizons: IntArray
    at: Visible

    @property
    def known(self) -> bool:
        """Whether standard errors of the average effect hold."""
        return bool(self.whole.known.all())

    @property
    def visible_horizons(self) -> dict[int, float]:
        """Horizons with standard errors that hold, and their degrees of freedom."""
        kept = self.at.known
        return dict(zip(self.horizons[kept].tolist(), self.at.df[kept].tolist(), strict=True))

    def on(self, fit: EffectResults) -> EffectResults:
        """Let a fit, and its averages, have degrees of freedom of the average effect."""
        return fit.with_cov(FewClusters(fit.cov_spec, self.whole))

    def on_horizons(self, event: EffectResults) -> EffectResults:
        """Let effects by horizon each have their own degrees of freedom."""
        place = np.searchsorted(self.horizons, event.labels["horizon"].to_numpy(np.int64))
        visible = self.at.at(place)
        found = replace(event, overall=None).with_cov(FewClusters(event.cov_spec, visible))
        # What is made of these effects later has the fewest degrees of freedom of them.
        return replace(
            found,
            overall=event.overall and self.on(event.overall),
            cov_spec=FewClusters(event.cov_spec, visible.worst()),
        )

    def withheld(self, event: EffectResults) -> EffectResults:
        """Leave effects by horizon without standard errors."""
        return event.with_cov(FewClusters(event.cov_spec, self.whole.withheld()))


def count_clusters(fit: EffectResults, adoption: Adoption) -> ClusterCounts:
    """Count treated and comparison clusters in the sample of a fit.

    Parameters
    ----------
    fit : EffectResults
        Residuals of effects by cohort and time are deviations from the means of cohorts, those of
        other effects from the mean of all treated clusters.
    adoption : Adoption
    """
    sample = fit.attached.estimate.influence.sample
    source = sample.source
    unit, row = np.unique(sample.codes((source.unit,)), return_inverse=True)
    start = adoption.start[unit]
    last = int(start.max())
    name, cluster = _clusters(fit, sample)
    cluster = cluster[np.unique(row, return_index=True)[1]]
    weight = _unit_weights(sample, row)
    always, compared = start <= adoption.steps[0], start == last
    treated = ~always & ~compared
    if not treated.any():
        # Two-way regressions compare a single cohort with units that are always treated.
        treated, compared = compared, always
    cohort = np.unique(start, return_inverse=True)[1]
    if fit.cells is None:
        cohort = np.zeros_like(cohort)
    since = source.index.steps[sample.codes((source.time,))] - start[row]
    horizons, at = np.unique(since[treated[row]], return_inverse=True)
    those = np.flatnonzero(treated)
    everywhere = _Weighed(np.zeros_like(those), cohort[those], cluster[those], weight[those])
    seen = row[treated[row]]
    by_horizon = _Weighed(at, cohort[seen], cluster[seen], weight[seen])
    others = _Weighed(
        cohort[compared] * 0, cohort[compared] * 0, cluster[compared], weight[compared]
    )
    m = float(others.alike[0])
    return ClusterCounts(
        name,
        np.unique(cluster[treated]).size,
        np.unique(start[treated]).size,
        np.unique(cluster[compared]).size,
        (float(everywhere.alike[0]), m),
        everywhere.visible(m),
        horizons,
        by_horizon.visible(m),
    )


@dataclass(frozen=True, slots=True)
class _Weighed:
    """Units with what they contribute to, all of shape (n,).

    Attributes
    ----------
    group : IntArray
        Number of the average effect.
    cohort, cluster : IntArray
    weight : FloatArray
    """

    group: IntArray
    cohort: IntArray
    cluster: IntArray
    weight: FloatArray

    @property
    def alike(self) -> FloatArray:
        """Number of equal clusters that vary like those of each average effect."""
        width = int(self.cluster.max(initial=0)) + 1
        keys, sums = _summed(self.group * width + self.cluster, self.weight)
        return _alike(keys // width, sums)

    def visible(self, comparison: float) -> Visible:
        """Count degrees of freedom, with so many comparison clusters."""
        width, cohorts = int(self.cluster.max(initial=0)) + 1, int(self.cohort.max(initial=0)) + 1
        keys, sums = _summed(
            (self.group * cohorts + self.cohort) * width + self.cluster, self.weight
        )
        place, member = np.unique(keys // width, return_inverse=True)
        group, total = place // cohorts, np.bincount(member, sums)
        share = total / np.bincount(group, total)[group]
        return effective(share, _alike(member, sums), group, self.alike - 1, comparison)


def _summed(keys: IntArray, weight: FloatArray) -> tuple[IntArray, FloatArray]:
    values, place = np.unique(keys, return_inverse=True)
    return values, np.asarray(np.bincount(place, weight), dtype=np.float64)


def _alike(group: IntArray, weight: FloatArray) -> FloatArray:
    """Number of equal weights with the same sum, and sum of squares, in each group."""
    return np.round(np.bincount(group, weight) ** 2 / np.bincount(group, weight**2), 9)


def _unit_weights(sample: Sample, row: IntArray) -> FloatArray:
    """Mean weight of each unit's rows."""
    if sample.weights is None:
        return np.ones(int(row.max()) + 1)
    return np.bincount(row, sample.column(sample.weights.column)) / np.bincount(row)


def common_window(counts: Iterable[ClusterCounts], anticipation: int = 0) -> tuple[int, int]:
    """Return the first and last horizon at which standard errors of all fits hold.

    The range has no gaps. Leads are taken only while a joint test of them leaves half of the
    degrees of freedom.

    Raises
    ------
    IdentificationError
        If it does not reach from the last period before adoption, and its anticipation, to it.
    """
    seen = [count.visible_horizons for count in counts]
    common = set.intersection(*map(set, seen)) if seen else set[int]()
    present = {h: min(one[h] for one in seen) for h in common}
    reference = -1 - anticipation
    if not all(h in present for h in range(reference, 1)):
        raise IdentificationError(
            "Too few treated or comparison clusters are observed in the periods around adoption."
        )
    low, high, df = reference, 0, np.inf
    while high + 1 in present:
        high += 1
    while low - 1 in present:
        df = min(df, present[low - 1])
        if 2 * (reference - low + 1) > df + 1:
            break
        low -= 1
    return low, high


def _clusters(fit: EffectResults, sample: Sample) -> tuple[str, IntArray]:
    """Return the coarsest clusters of a covariance, beside periods, and each row's code."""
    source = sample.source
    counted: Collection[str] = [n for n in fit.covariance.clusters if n != source.time]
    name = min(counted, key=lambda n: fit.covariance.clusters[n], default=source.unit)
    column = quote(name) if name in source.columns else name
    return name, sample.codes(read_dimensions([column])[0])
