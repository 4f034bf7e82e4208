"""How many treated and comparison clusters the standard errors of a fit rest on."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace

import numpy as np

from panelml._typing import FloatArray, IntArray
from panelml.data.adoption import Adoption
from panelml.data.sample import Sample
from panelml.errors import IdentificationError
from panelml.inference.clusters import read_dimensions
from panelml.inference.few import FewClusters, Visible, effective
from panelml.results.effects import EffectResults

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
        or, without any, adopt last.
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
        visible = Visible(self.at.df[place], self.at.inflation[place])
        found = replace(event, overall=None).with_cov(FewClusters(event.cov_spec, visible))
        return replace(found, overall=event.overall and self.on(event.overall))

    def withheld(self, event: EffectResults) -> EffectResults:
        """Leave effects by horizon without standard errors."""
        nothing = Visible(self.whole.df, np.full(1, np.nan))
        return event.with_cov(FewClusters(event.cov_spec, nothing))


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
    panel = sample.panel
    start = adoption.start[sample.codes((panel.unit,))]
    last = int(start.max())
    name, cluster = _clusters(fit, sample)
    treated = (start > adoption.steps[0]) & (start < last)
    cohorts, cohort = np.unique(start[treated], return_inverse=True)
    if fit.cells is None:
        cohort = np.zeros_like(cohort)
    since = (panel.index.steps[sample.codes((panel.time,))] - start)[treated]
    horizons, at = np.unique(since, return_inverse=True)
    comparison = np.unique(cluster[start == last]).size
    whole, total = _degrees(np.zeros_like(cohort), cohort, cluster[treated], 1)
    by_horizon, each = _degrees(at, cohort, cluster[treated], horizons.size)
    return ClusterCounts(
        name, int(np.unique(cluster[treated]).size), cohorts.size, comparison,
        effective(total, total - whole, comparison), horizons,
        effective(each, each - by_horizon, comparison),
    )  # fmt: skip


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
    panel = sample.panel
    counted: Collection[str] = [n for n in fit.covariance.clusters if n != panel.time]
    name = min(counted, key=lambda n: fit.covariance.clusters[n], default=panel.unit)
    return name, sample.codes(read_dimensions([name])[0])


def _degrees(
    group: IntArray, cohort: IntArray, cluster: IntArray, count: int
) -> tuple[FloatArray, FloatArray]:
    """Return degrees of freedom within cohorts, and clusters by cohort, of each group of rows."""
    width, cohorts = int(cluster.max(initial=0)) + 1, int(cohort.max(initial=0)) + 1
    cells = np.unique((group * cohorts + cohort) * width + cluster)
    places = np.unique(cells // width)
    distinct = np.unique(cells // width // cohorts * width + cells % width)
    clusters = np.bincount(cells // width // cohorts, minlength=count)
    means = np.bincount(places // cohorts, minlength=count)
    alone = np.bincount(distinct // width, minlength=count)
    seen = np.minimum(clusters - means, alone - 1)
    return seen.astype(np.float64), clusters.astype(np.float64)
