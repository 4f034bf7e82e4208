"""Ordered outcomes: logit and probit with cut points."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from itertools import pairwise

import numpy as np

from panelml._typing import FloatArray
from panelml.arguments import checked
from panelml.core.family.ordered import OrderedFamily, cut_derivatives, cut_points
from panelml.core.family.outcome import CategoryCodes, Outcome
from panelml.core.links import LOGIT, PROBIT, Link
from panelml.data.panel.weights import Weights
from panelml.data.sample import Sample
from panelml.data.source.given import DataLike
from panelml.engine.fold import capped
from panelml.engine.sampling import require_source
from panelml.errors import IdentificationError, SpecificationError
from panelml.glm.fit.separated import outcome_values
from panelml.glm.pooled import Parameters, fit_pooled, read_sample
from panelml.glm.results.ordered import OrderedResults
from panelml.inference.covariance import CovLike
from panelml.results.assemble import assemble
from panelml.results.facts import Facts

__all__ = ["OrderedLogit", "OrderedProbit", "category_outcome", "cut_parameters"]

# More values than this are no categories.
MOST = 50


@checked
@dataclass(frozen=True, slots=True)
class OrderedLogit:
    """Ordered logit: proportional odds of ordered categories.

    Parameters
    ----------
    formula : str
        The outcome is a number that grows with the category; distances do not matter.
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
    cov: CovLike = "cluster"
    weights: str | Weights | None = None
    offset: str | None = None

    @capped
    def fit(self, data: DataLike) -> OrderedResults:
        """Estimate the model on a Panel, or on a pandas frame with a (unit, time) MultiIndex.

        Raises
        ------
        SpecificationError
            If the outcome has too many values to be categories.
        IdentificationError
            If it does not vary, or regressors separate its categories.
        """
        return _fit(self, data, "Ordered logit", LOGIT)


@checked
@dataclass(frozen=True, slots=True)
class OrderedProbit:
    """Ordered probit: a normal latent variable, seen by the category into which it falls.

    Parameters
    ----------
    formula : str
        The outcome is a number that grows with the category; distances do not matter.
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
    cov: CovLike = "cluster"
    weights: str | Weights | None = None
    offset: str | None = None

    @capped
    def fit(self, data: DataLike) -> OrderedResults:
        """Estimate the model on a Panel, or on a pandas frame with a (unit, time) MultiIndex.

        Raises
        ------
        SpecificationError
            If the outcome has too many values to be categories.
        IdentificationError
            If it does not vary, or regressors separate its categories.
        """
        return _fit(self, data, "Ordered probit", PROBIT)


def _fit(
    spec: OrderedLogit | OrderedProbit, data: DataLike, model: str, link: Link
) -> OrderedResults:
    sample, notes = read_sample(spec, require_source(data), model)
    values = category_values(sample)
    outcome = category_outcome(values, link)
    fit, maximum = fit_pooled(
        spec,
        Facts("other", model, link=link),
        sample,
        outcome,
        notes,
        require=lambda rows: _require_all(rows, values),
        reported=cut_parameters(values),
    )
    results = assemble(fit, spec.cov)
    return OrderedResults.of(results, OrderedFamily(values.size, link), values, maximum.auxiliary)


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


def cut_parameters(values: FloatArray) -> Parameters:
    """Report cut points by the categories that they part, as ``1|2``."""
    pairs = pairwise(values)
    return Parameters(tuple(f"{a:g}|{b:g}" for a, b in pairs), cut_points, cut_derivatives)


def _require_all(sample: Sample, values: FloatArray) -> None:
    """Refuse a sample in which a category no longer occurs."""
    lost = np.setdiff1d(values, outcome_values(sample))
    if lost.size:
        name = sample.design.outcome.names[0] if sample.design.outcome else ""
        raise IdentificationError(
            f"Regressors fit every row with {name} = {lost[0]:g} without error, so that its cut "
            "point is not finite. Merge it with its neighbour, or leave out regressors."
        )
