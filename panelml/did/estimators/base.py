"""What all estimators of policy effects share: who adopts when, and putting results together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from panelml._typing import FloatArray, IntArray
from panelml.core.moments import CONSTANT, CrossProducts
from panelml.data.sample import Sample
from panelml.data.source.given import DataLike
from panelml.did.core.adoption import Adoption
from panelml.did.core.aggregation import Cells
from panelml.did.results.averages import horizon_name, label_text
from panelml.did.results.effect_tie import EffectTie, effect_covariance
from panelml.did.results.effects import EffectResults
from panelml.engine.fold import fold
from panelml.errors import IdentificationError, SpecificationError
from panelml.inference.correction import Counts
from panelml.inference.covariance import CovLike, Estimate
from panelml.inference.influence import InfluenceFunction, UnitInfluence
from panelml.inference.wald import Wald
from panelml.results.facts import Facts
from panelml.results.fit import Fit, sample_statistics
from panelml.results.fitted import named
from panelml.results.prediction import Predictor
from panelml.results.show.frames import label_frame

__all__ = [
    "EffectFit",
    "PolicyModel",
    "assemble_effects",
    "asymptotic_estimate",
    "average_effect",
    "cell_labels",
    "horizon_labels",
    "policy_fit",
    "require_model",
    "sample_start",
    "single_label",
]


# Effects of this size may be those of an outcome that does not vary.
NOTHING = 1e-8


class PolicyModel(Protocol):
    """An estimator of the effects of a policy."""

    @property
    def cohort(self) -> str | None:
        """Column with each unit's first treated period."""
        ...

    @property
    def treatment(self) -> str | None:
        """Column of 0 and 1, instead."""
        ...

    def fit(self, data: DataLike) -> EffectResults:
        """Estimate the effects."""
        ...


def require_model(model: object) -> None:
    """Refuse what is no estimator of policy effects, as a fit.

    Raises
    ------
    SpecificationError
        Naming what it is instead.
    """
    known = all(hasattr(model, name) for name in ("fit", "cohort", "treatment"))
    if isinstance(model, type) or not known:
        raise SpecificationError(
            "An estimator of policy effects is needed, as CallawaySantAnna('y ~ 1', cohort='g'), "
            f"not {type(model).__name__}."
        )


def sample_start(adoption: Adoption, sample: Sample) -> IntArray:
    """Return the step at which each unit of a sample adopts, in the order of its units."""
    return adoption.start[sample.unit_rows > 0]


def cell_labels(adoption: Adoption, cells: Cells) -> Any:
    """Label effects by cohort and time: ``att(2004, 2006)``."""
    cohorts = [adoption.label(step) for step in cells.cohort]
    times = [adoption.label(step) for step in cells.time]
    names = [
        f"att({label_text(cohort)}, {label_text(time)})"
        for cohort, time in zip(cohorts, times, strict=True)
    ]
    columns = {"cohort": cohorts, "time": times, "horizon": cells.horizon, "size": cells.size}
    return label_frame(names, columns)


def horizon_labels(horizons: Sequence[int], size: FloatArray) -> Any:
    """Label effects by horizon."""
    names = [horizon_name(horizon) for horizon in horizons]
    return label_frame(names, {"horizon": np.asarray(horizons), "size": size})


def average_effect(result: EffectResults) -> EffectResults:
    """Return the single average effect on the treated.

    Raises
    ------
    IdentificationError
        If the estimator has none.
    """
    if result.cells is not None:
        return result.aggregate("simple")
    if result.overall is not None:
        return result.overall
    if len(result.params) == 1:
        return result
    raise IdentificationError(f"{result.model} has no single average effect.")


def single_label() -> Any:
    """Label the one effect."""
    return label_frame(["att"], {})


@dataclass(frozen=True, slots=True)
class EffectFit:
    """Estimated effects, before the covariance that was asked for.

    Attributes
    ----------
    fit : Fit
    labels : DataFrame
        As ``EffectResults.labels``, indexed by the names of the effects.
    cells : Cells, or None
        Where effects were estimated, for those by cohort and time.
    sizes : UnitInfluence, or None
        On the k sizes of the cells, where these are estimates too.
    references : tuple of int
        Horizons that are zero by normalisation.
    anticipation : int
    start : IntArray, shape (units of the sample,), or None
        Step at which each unit adopts, where standard errors rely on many that do and many that
        do not.
    """

    fit: Fit
    labels: Any
    cells: Cells | None = None
    sizes: UnitInfluence | None = None
    references: tuple[int, ...] = ()
    anticipation: int = 0
    start: IntArray | None = None


def asymptotic_estimate(names: Sequence[str], influence: InfluenceFunction) -> Estimate:
    """Describe effects to covariances that are without small-sample factors."""
    counts = Counts(influence.sample.nobs, len(names), False, normal=True, rule="asymptotic")
    return Estimate(tuple(names), influence, None, counts)


def policy_fit(
    spec: object, facts: Facts, estimate: Estimate, params: FloatArray, notes: tuple[str, ...]
) -> Fit:
    """Describe estimated effects, which predict no outcome and have no measures of fit."""
    sample = estimate.influence.sample
    predictor = Predictor.of(sample, np.zeros(len(sample.names)), 0.0)
    return Fit(spec, facts, estimate, params, sample_statistics(sample), predictor, notes)


def assemble_effects(effects: EffectFit, cov: CovLike) -> EffectResults:
    """Estimate the covariance of effects, and put their results together.

    Raises
    ------
    IdentificationError
        If the outcome does not vary.
    """
    fit = effects.fit
    if np.abs(fit.params).max(initial=0.0) < NOTHING:
        _require_outcome(fit.sample)
    tie = EffectTie(fit.estimate, None, effects.sizes, effects.start)
    return EffectResults(
        facts=fit.facts,
        spec=fit.spec,
        params=named(fit.params, fit.estimate.names, "param"),
        inference=Wald(fit.params, effect_covariance(tie, cov)),
        counts=fit.estimate.counts,
        statistics=fit.statistics,
        predictor=fit.predictor,
        depvar=fit.depvar,
        formula=fit.formula,
        weights=fit.weights,
        fit_notes=fit.notes,
        _attached=tie,
        labels=effects.labels,
        cells=effects.cells,
        references=effects.references,
        anticipation=effects.anticipation,
        cov_spec=cov,
    )


def _require_outcome(sample: Sample) -> None:
    found = fold(sample, lambda block: CrossProducts.of(block.outcome[None]))
    if found.centred[0, 0] <= CONSTANT * found.weight * found.mean[0] ** 2:
        raise IdentificationError("The outcome does not vary: there is no effect to estimate.")
