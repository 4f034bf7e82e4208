"""Ordered outcomes: logit and probit with cut points."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import Literal

import numpy as np

from panelml._typing import FloatArray
from panelml.arguments import checked
from panelml.core.family.ordered import OrderedFamily
from panelml.core.family.outcome import CategoryCodes, Outcome
from panelml.core.links import LOGIT, PROBIT, Link
from panelml.data.formula.outcome import category_names
from panelml.data.panel.weights import Weights
from panelml.data.sample import Sample
from panelml.data.source.given import DataLike
from panelml.engine.fold import capped
from panelml.engine.sampling import require_source
from panelml.errors import IdentificationError, SpecificationError
from panelml.glm.conditional import clustered_instead, fit_ordered_conditional
from panelml.glm.fit.separated import outcome_values
from panelml.glm.pooled import fit_pooled, read_sample
from panelml.glm.random import POINTS, fit_normal
from panelml.glm.results.ordered import OrderedIndexResults, OrderedResults
from panelml.inference.covariance import CovLike
from panelml.mixed.generalised.fit.reported import cut_parameters
from panelml.mixed.generalised.results.generalised_results import GeneralisedResults
from panelml.results.assemble import assemble
from panelml.results.facts import Facts

__all__ = ["OrderedLogit", "OrderedProbit", "category_outcome"]

# More values than this are no categories.
MOST = 50


@checked
@dataclass(frozen=True, slots=True)
class OrderedLogit:
    """Ordered logit: proportional odds of ordered categories.

    Parameters
    ----------
    formula : str
        The outcome is a declared category, in the order of its levels, or a number that grows
        with the category; distances do not matter.
    effects : {"random", "conditional"}, optional
        None is pooled. "conditional" allows each unit an effect that is related to the regressors:
        conditional logits at every cut point, clustered by unit (blow-up and cluster).
        "random" is a normal random intercept of each unit, independent of the regressors, by
        adaptive quadrature.
    points : int
        Of quadrature, with random effects; one is Laplace's approximation.
    cov : str or covariance
        By default clustered by unit.
    weights : str or Weights, optional
    offset : str, optional
        A column, or a term, that enters the index with the coefficient one.

    Notes
    -----
    ``P(y <= j) = F(c_j - xb)``: a positive coefficient moves rows to higher categories. Cut points
    are called by the categories that they part, and take the place of a constant.

    Examples
    --------
    >>> import panelml as pm
    >>> wages = pm.datasets.wage_panel()
    >>> wages["third"] = (wages["lwage"] > 1.4).astype(int) + (wages["lwage"] > 1.9)
    >>> panel = pm.Panel(wages, unit="nr", time="year")
    >>> fit = pm.OrderedLogit("third ~ educ + union").fit(panel)
    >>> print(fit.params.round(2).to_dict())
    {'educ': 0.3, 'union': 0.74, '0|1': 2.71, '1|2': 4.53}
    """

    formula: str
    _: KW_ONLY
    effects: Literal["random", "conditional"] | None = None
    points: int = POINTS
    cov: CovLike = "cluster"
    weights: str | Weights | None = None
    offset: str | None = None

    @capped
    def fit(self, data: DataLike) -> OrderedResults | OrderedIndexResults | GeneralisedResults:
        """Estimate the model on a Panel, or on a pandas frame with a (unit, time) MultiIndex.

        Raises
        ------
        SpecificationError
            If the outcome has too many values to be categories.
        IdentificationError
            If it does not vary, or regressors separate its categories.
        """
        if self.effects == "conditional":
            return _fit_conditional(self, data)
        return _fit(self, data, "Ordered logit", LOGIT)


@checked
@dataclass(frozen=True, slots=True)
class OrderedProbit:
    """Ordered probit: a normal latent variable, seen by the category into which it falls.

    Parameters
    ----------
    formula : str
        The outcome is a declared category, in the order of its levels, or a number that grows
        with the category; distances do not matter.
    effects : {"random"}, optional
        None is pooled.
        "random" is a normal random intercept of each unit, independent of the regressors, by
        adaptive quadrature.
    points : int
        Of quadrature, with random effects; one is Laplace's approximation.
    cov : str or covariance
        By default clustered by unit.
    weights : str or Weights, optional
    offset : str, optional
        A column, or a term, that enters the index with the coefficient one.

    Examples
    --------
    >>> import panelml as pm
    >>> wages = pm.datasets.wage_panel()
    >>> wages["third"] = (wages["lwage"] > 1.4).astype(int) + (wages["lwage"] > 1.9)
    >>> panel = pm.Panel(wages, unit="nr", time="year")
    >>> fit = pm.OrderedProbit("third ~ educ + union").fit(panel)
    >>> print(fit.params.round(2).to_dict())
    {'educ': 0.18, 'union': 0.45, '0|1': 1.62, '1|2': 2.72}
    """

    formula: str
    _: KW_ONLY
    effects: Literal["random"] | None = None
    points: int = POINTS
    cov: CovLike = "cluster"
    weights: str | Weights | None = None
    offset: str | None = None

    @capped
    def fit(self, data: DataLike) -> OrderedResults | GeneralisedResults:
        """Estimate the model on a Panel, or on a pandas frame with a (unit, time) MultiIndex.

        Raises
        ------
        SpecificationError
            If the outcome has too many values to be categories.
        IdentificationError
            If it does not vary, or regressors separate its categories.
        """
        return _fit(self, data, "Ordered probit", PROBIT)


def _fit_conditional(spec: OrderedLogit, data: DataLike) -> OrderedIndexResults:
    sample, notes = read_sample(spec, require_source(data), "Ordered logit", levels="ordered")
    fit = fit_ordered_conditional(spec, sample, category_values(sample), notes)
    return OrderedIndexResults.of(assemble(*clustered_instead(fit, spec.cov)))


def _fit(
    spec: OrderedLogit | OrderedProbit, data: DataLike, model: str, link: Link
) -> OrderedResults | GeneralisedResults:
    sample, notes = read_sample(spec, require_source(data), model, levels="ordered")
    values = category_values(sample)
    outcome, facts = category_outcome(values, link), Facts("other", model, link=link)
    names = category_names(sample.design, values)
    cuts = cut_parameters(names)
    if spec.effects == "random":
        return fit_normal(spec, facts, sample, outcome, notes, points=spec.points, reported=cuts)
    fit, maximum = fit_pooled(
        spec,
        facts,
        sample,
        outcome,
        notes,
        require=lambda rows: _require_all(rows, values),
        reported=cuts,
    )
    results = assemble(fit, spec.cov)
    family = OrderedFamily(values.size, link)
    return OrderedResults.completing(results, family, names, maximum.auxiliary)


def category_values(sample: Sample) -> FloatArray:
    """Return the values of the outcome, which are its categories, increasing.

    Raises
    ------
    SpecificationError
        If there are too many.
    IdentificationError
        If there is one.
    """
    values = np.unique(outcome_values(sample))
    name = sample.design.outcome.names[0] if sample.design.outcome else ""
    if values.size > MOST:
        raise SpecificationError(
            f"The outcome {name!r} has {values.size:,} values, too many for ordered categories. "
            "Group them, or use PooledOLS or Tobit for amounts."
        )
    if values.size < 2:
        raise IdentificationError(f"The outcome {name!r} has one value: there is nothing to order.")
    return np.asarray(values)


def category_outcome(values: FloatArray, link: Link) -> Outcome:
    """Return the outcome with these categories."""
    return Outcome(
        OrderedFamily(values.size, link),
        CategoryCodes(values),
        "The distance between two cut points grows without end: a category of the outcome has no "
        "rows near others. Merge categories.",
    )


def _require_all(sample: Sample, values: FloatArray) -> None:
    """Refuse a sample in which a category no longer occurs."""
    lost = np.setdiff1d(values, outcome_values(sample))
    if lost.size:
        name = sample.design.outcome.names[0] if sample.design.outcome else ""
        lost_name = category_names(sample.design, lost)[0]
        raise IdentificationError(
            f"Regressors fit every row with {name} = {lost_name} without error, so that its cut "
            "point is not finite. Merge it with its neighbour, or leave out regressors."
        )
