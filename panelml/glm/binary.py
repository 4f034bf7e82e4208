"""Yes/no outcomes: logit, probit and complementary log-log regression."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass

import numpy as np

from panelml.arguments import checked
from panelml.core.family.binomial import BinomialFamily
from panelml.core.family.outcome import Outcome, single
from panelml.core.links import CLOGLOG, LOGIT, PROBIT, Link
from panelml.data.panel.weights import Weights
from panelml.data.sample import Sample
from panelml.data.source.given import DataLike
from panelml.engine.fold import capped
from panelml.engine.sampling import require_source
from panelml.errors import IdentificationError, SpecificationError, listing
from panelml.glm.fit.separated import outcome_values
from panelml.glm.pooled import fit_pooled, read_sample
from panelml.inference.covariance import CovLike
from panelml.results.assemble import assemble
from panelml.results.base import Results
from panelml.results.facts import Facts

__all__ = ["Cloglog", "Logit", "Probit", "require_binary"]


@checked
@dataclass(frozen=True, slots=True)
class Logit:
    """Logit regression (logistic regression) of a yes/no outcome.

    Parameters
    ----------
    formula : str
        The outcome is 0 or 1.
    cov : str or covariance
        By default clustered by unit.
    weights : str or Weights, optional
    offset : str, optional
        A column, or a term, that enters the index with the coefficient one.

    Examples
    --------
    >>> import panelml as pm
    >>> panel = pm.Panel(pm.datasets.wage_panel(), unit="nr", time="year")
    >>> fit = pm.Logit("union ~ married + educ").fit(panel)
    >>> print(fit.params.round(3).to_dict())
    {'Intercept': -1.111, 'married': 0.196, 'educ': -0.009}
    """

    formula: str
    _: KW_ONLY
    cov: CovLike = "cluster"
    weights: str | Weights | None = None
    offset: str | None = None

    @capped
    def fit(self, data: DataLike) -> Results:
        """Estimate the model on a Panel, or on a pandas frame with a (unit, time) MultiIndex.

        Raises
        ------
        SpecificationError
            If the outcome has other values than 0 and 1.
        IdentificationError
            If it does not vary, or regressors separate its values.
        """
        return _fit(self, data, "Logit", LOGIT)


@checked
@dataclass(frozen=True, slots=True)
class Probit:
    """Probit regression of a yes/no outcome.

    Parameters
    ----------
    formula : str
        The outcome is 0 or 1.
    cov : str or covariance
        By default clustered by unit.
    weights : str or Weights, optional
    offset : str, optional
        A column, or a term, that enters the index with the coefficient one.

    Examples
    --------
    >>> import panelml as pm
    >>> panel = pm.Panel(pm.datasets.wage_panel(), unit="nr", time="year")
    >>> fit = pm.Probit("union ~ married + educ").fit(panel)
    >>> print(fit.params.round(3).to_dict())
    {'Intercept': -0.677, 'married': 0.115, 'educ': -0.006}
    """

    formula: str
    _: KW_ONLY
    cov: CovLike = "cluster"
    weights: str | Weights | None = None
    offset: str | None = None

    @capped
    def fit(self, data: DataLike) -> Results:
        """Estimate the model on a Panel, or on a pandas frame with a (unit, time) MultiIndex.

        Raises
        ------
        SpecificationError
            If the outcome has other values than 0 and 1.
        IdentificationError
            If it does not vary, or regressors separate its values.
        """
        return _fit(self, data, "Probit", PROBIT)


@checked
@dataclass(frozen=True, slots=True)
class Cloglog:
    """Complementary log-log regression of a yes/no outcome: hazards of grouped durations.

    Parameters
    ----------
    formula : str
        The outcome is 0 or 1.
    cov : str or covariance
        By default clustered by unit.
    weights : str or Weights, optional
    offset : str, optional
        A column, or a term, that enters the index with the coefficient one.

    Notes
    -----
    Source: Prentice and Gloeckler (1978), *Biometrics* 34, 57-67: with an indicator for each
    period, coefficients are those of proportional hazards.

    Examples
    --------
    >>> import panelml as pm
    >>> panel = pm.Panel(pm.datasets.wage_panel(), unit="nr", time="year")
    >>> fit = pm.Cloglog("union ~ married + educ").fit(panel)
    >>> print(fit.params.round(3).to_dict())
    {'Intercept': -1.264, 'married': 0.171, 'educ': -0.007}
    """

    formula: str
    _: KW_ONLY
    cov: CovLike = "cluster"
    weights: str | Weights | None = None
    offset: str | None = None

    @capped
    def fit(self, data: DataLike) -> Results:
        """Estimate the model on a Panel, or on a pandas frame with a (unit, time) MultiIndex.

        Raises
        ------
        SpecificationError
            If the outcome has other values than 0 and 1.
        IdentificationError
            If it does not vary, or regressors separate its values.
        """
        return _fit(self, data, "Complementary log-log", CLOGLOG)


def _fit(spec: Logit | Probit | Cloglog, data: DataLike, model: str, link: Link) -> Results:
    sample, notes = read_sample(spec, require_source(data), model)
    outcome = Outcome(BinomialFamily(link), single)
    facts = Facts("other", model, link=link)
    fit, _ = fit_pooled(spec, facts, sample, outcome, notes, require=require_binary)
    return assemble(fit, spec.cov)


def require_binary(sample: Sample) -> None:
    """Refuse an outcome that is not 0 and 1.

    Raises
    ------
    SpecificationError
        If it has other values: naming them, and where they are.
    IdentificationError
        If it is 0, or 1, in every row.
    """
    values = outcome_values(sample)
    name = sample.design.outcome.names[0] if sample.design.outcome else ""
    other = np.flatnonzero((values != 0) & (values != 1))
    if other.size:
        kept = other if sample.keep is None else np.flatnonzero(sample.keep)[other]
        places = sorted(sample.source.index.position(int(row)) for row in kept)
        shown = listing(f"{value:g}" for value in np.unique(values[other]))
        raise SpecificationError(
            f"The outcome {name!r} is to be 0 or 1, and is {shown} in {other.size:,} rows (row "
            f"{listing(places)}). Write what is a yes as a condition, as in 'y = (x > 2)', into a "
            "column of its own."
        )
    if values.size and (values == values[0]).all():
        raise IdentificationError(
            f"The outcome {name!r} is {values[0]:g} in every row: there is nothing to explain."
        )
