"""What ties effects to their data, and notes groups too small for the covariance in use."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from panelml._typing import IntArray
from panelml.data.describe.show import label_text
from panelml.data.sample import Sample
from panelml.did.core.adoption import NEVER
from panelml.did.results.averages import Averages
from panelml.inference.bootstrap import MultiplierBootstrap
from panelml.inference.clusters import Columns, read_dimensions
from panelml.inference.covariance import Clustered, Covariance, CovLike, estimate_covariance, parse
from panelml.inference.estimate import Estimate
from panelml.inference.few import LEAST_CLUSTERS, FewClusters
from panelml.inference.influence import UnitInfluence
from panelml.inference.replications import Jackknife
from panelml.results.fitted import Attached

__all__ = ["EffectTie", "averaged_tie", "effect_covariance"]


@dataclass(frozen=True, slots=True)
class EffectTie(Attached):
    """What ties effects to their data; left out of pickles.

    Attributes
    ----------
    sizes : UnitInfluence, or None
        How units moved the sizes of the effects' cells, where these are estimates too.
    start : IntArray, shape (units of the sample,), or None
        Step at which each unit adopts, where standard errors rely on many that do and many that
        do not.
    """

    sizes: UnitInfluence | None = None
    start: IntArray | None = None


def effect_covariance(tie: Attached, cov: CovLike) -> Covariance:
    """Estimate a covariance of effects, and note where too few clusters adopt for it."""
    found = estimate_covariance(cov, tie.estimate)
    start = tie.start if isinstance(tie, EffectTie) else None
    if start is None:
        return found
    few = _few_groups(tie.estimate.influence.sample, start, cov)
    return replace(found, notes=(*few, *found.notes))


def averaged_tie(tie: Attached, averages: Averages) -> EffectTie:
    """Carry influence and covariance over to averages whose weights may be estimates too."""
    old, linear = tie.estimate, averages.map
    influence = old.influence.mapped(linear.weights)
    start = tie.start if isinstance(tie, EffectTie) else None
    if isinstance(influence, UnitInfluence) and isinstance(tie, EffectTie) and tie.sizes:
        influence = influence.plus(tie.sizes.mapped(linear.by_size))
    cov = old.model_cov
    model_cov = None if cov is None else linear.weights @ cov @ linear.weights.T
    estimate = Estimate(tuple(averages.names), influence, model_cov, old.counts)
    return EffectTie(estimate, None, start=start)


def _few_groups(sample: Sample, start: IntArray, cov: CovLike) -> tuple[str, ...]:
    """Note that few clusters adopt, or that few are left to compare with.

    The number of clusters on either side matters, not that of both together (MacKinnon and Webb
    2017, *Journal of Applied Econometrics* 32, 233-254).

    Parameters
    ----------
    sample : Sample
    start : IntArray, shape (units of the sample,)
        Step at which each unit adopts.
    cov : str or covariance
        Which says what the clusters are; the units, unless it names columns.
    """
    notes = []
    treated = start < NEVER
    if (~treated).sum() == 1:
        label = label_text(sample.unit_labels[~treated][0])
        notes.append(
            f"A single unit stays untreated ({sample.source.unit} {label}): where it is all there "
            "is to compare with, standard errors do not see how far it is from others by chance, "
            "and are too small."
        )
    first = np.cumsum(sample.unit_rows[sample.unit_rows > 0]) - 1
    for columns in _dimensions(sample, cov):
        own = columns == (sample.source.unit,)
        member = first if own else sample.codes(columns)[first]
        for group, words in ((treated, "adopt"), (~treated, "stay untreated")):
            count = int(group.sum()) if own else np.unique(member[group]).size
            if not 0 < count < LEAST_CLUSTERS or (own and count == 1 and words != "adopt"):
                continue
            if own:
                who = f"{count} unit{'s' * (count > 1)} {words if count > 1 else 'adopts'}"
            else:
                name = "^".join(columns)
                plural = (
                    f"{count} clusters ({name}) have" if count > 1 else f"1 cluster ({name}) has"
                )
                who = f"{plural} units that {words}"
            notes.append(
                f"Only {who}: standard errors rely on many, and tend to be too small. See "
                "randomization_test() and jackknife()."
            )
    return tuple(notes)


def _dimensions(sample: Sample, cov: CovLike) -> list[Columns]:
    """Clusters of whole units."""
    spec = parse(cov)
    if isinstance(spec, FewClusters):
        spec = parse(spec.cov)
    names: tuple[str, ...] = ()
    if isinstance(spec, Clustered):
        names = spec.columns
    elif isinstance(spec, MultiplierBootstrap) and spec.column is not None:
        names = (spec.column,)
    elif isinstance(spec, Jackknife):
        names = (spec.name,)
    unit = (sample.source.unit,)
    found = [columns for columns in read_dimensions(names) if sample.source.time not in columns]
    return found or [unit]
