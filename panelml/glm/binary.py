"""Yes/no outcomes: logit, probit and complementary log-log regression."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import Literal

from panelml.arguments import checked
from panelml.core.family.binomial import BinomialFamily
from panelml.core.family.outcome import Outcome, single
from panelml.core.links import CLOGLOG, LOGIT, PROBIT, Link
from panelml.data.panel.weights import Weights
from panelml.data.source.given import DataLike
from panelml.engine.fold import capped
from panelml.engine.sampling import require_source
from panelml.glm.binary_outcome import require_binary
from panelml.glm.conditional import fit_conditional
from panelml.glm.pooled import fit_pooled, read_sample
from panelml.glm.random import POINTS, fit_normal
from panelml.inference.covariance import CovLike
from panelml.results.assemble import assemble
from panelml.results.base import Results
from panelml.results.facts import Facts

__all__ = ["Cloglog", "Logit", "Probit"]


@checked
@dataclass(frozen=True, slots=True)
class Logit:
    """Logit regression (logistic regression) of a yes/no outcome.

    Parameters
    ----------
    formula : str
        The outcome is 0 or 1, a truth value, or a category of two levels, of which the second is
        the yes.
    effects : {"conditional", "random"}, optional
        None is pooled. "conditional" is fixed-effects logit: an effect for each unit, removed by
        conditioning on the unit's number of ones. Units whose outcome never changes drop out.
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
    >>> panel = pm.Panel(pm.datasets.wage_panel(), unit="nr", time="year")
    >>> fit = pm.Logit("union ~ married + educ").fit(panel)
    >>> print(fit.params.round(3).to_dict())
    {'Intercept': -1.111, 'married': 0.196, 'educ': -0.009}
    >>> within = pm.Logit("union ~ married + exper", effects="conditional").fit(panel)
    >>> print(within.params.round(3).to_dict())
    {'married': 0.286, 'exper': -0.047}
    """

    formula: str
    _: KW_ONLY
    effects: Literal["conditional", "random"] | None = None
    points: int = POINTS
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
        The outcome is 0 or 1, a truth value, or a category of two levels, of which the second is
        the yes.
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
    >>> panel = pm.Panel(pm.datasets.wage_panel(), unit="nr", time="year")
    >>> fit = pm.Probit("union ~ married + educ").fit(panel)
    >>> print(fit.params.round(3).to_dict())
    {'Intercept': -0.677, 'married': 0.115, 'educ': -0.006}
    """

    formula: str
    _: KW_ONLY
    effects: Literal["random"] | None = None
    points: int = POINTS
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
        The outcome is 0 or 1, a truth value, or a category of two levels, of which the second is
        the yes.
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
    effects: Literal["random"] | None = None
    points: int = POINTS
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
    sample, notes = read_sample(spec, require_source(data), model, levels="any")
    if isinstance(spec, Logit) and spec.effects == "conditional":
        return assemble(fit_conditional(spec, sample, notes), spec.cov)
    outcome = Outcome(BinomialFamily(link), single)
    facts = Facts("other", model, link=link)
    if spec.effects == "random":
        require_binary(sample)
        return fit_normal(spec, facts, sample, outcome, notes, points=spec.points)
    fit, _ = fit_pooled(spec, facts, sample, outcome, notes, require=require_binary)
    return assemble(fit, spec.cov)
