"""Within-between models: Mundlak's, and the hybrid form, with random slopes too."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass, replace
from typing import Literal

from panelml._typing import InteractionCentring, VarianceMethod
from panelml.arguments import checked
from panelml.data.formula.random_terms import RandomTerm
from panelml.data.panel.grouping import group_rows, refuse_panel_functions
from panelml.data.panel.weights import Weights, parse_weights
from panelml.data.source.given import DataLike
from panelml.engine.fold import capped
from panelml.engine.sampling import make_sample, require_source
from panelml.engine.splitting import split_means
from panelml.errors import SpecificationError, shown
from panelml.glm.random import POINTS
from panelml.inference.covariance import CovLike
from panelml.mixed.assemble import fit_mixed
from panelml.mixed.core.structures import ResidualLike
from panelml.mixed.fit.residual_fit import ResidualPlan
from panelml.random.gls import fit_random
from panelml.random.nonlinear import FamilyOfMeans, LinkOfMeans, fit_correlated, link_of
from panelml.results.assemble import (
    plain_formula,
)
from panelml.results.base import Results
from panelml.results.facts import Facts

__all__ = ["Hybrid", "Mundlak"]

HYBRID = "Hybrid (within-between)"


@checked
@dataclass(frozen=True, slots=True)
class Mundlak:
    """Correlated random effects: with the unit means of all regressors that vary within units.

    The coefficient of ``x`` is its effect within units, the one of ``mean(x)`` by how much the
    effect between units differs. A regressor that is collinear with others within units, as
    experience is with period dummies, has the coefficient that fixed effects give it, and a note.

    Parameters
    ----------
    formula : str
    method : str
        Estimator of the variance components, as in RandomEffects.
    cov : str or covariance
        By default clustered by unit.
    weights : str or Weights, optional
    family : {"gaussian", "binomial", "poisson"}
        Other outcomes than continuous ones are fitted by the likelihood of independent rows
        (pooled), which holds whatever the dependence within units, and clustered by unit.
    effects : {"random"}, optional
        With another family than gaussian, a normal random intercept of each unit beside the unit
        means, by adaptive quadrature.
    points : int
        Of that quadrature; one is Laplace's approximation.
    link : {"logit", "probit", "cloglog", "log"}, optional
        By default logit for binomial outcomes, and log for counts.

    Notes
    -----
    Source: Mundlak (1978), *Econometrica* 46, 69-85; for other outcomes Wooldridge (2010),
    *Econometric Analysis of Cross Section and Panel Data*, section 15.8.

    Examples
    --------
    >>> import panelml as pm
    >>> panel = pm.Panel(pm.datasets.wage_panel(), unit="nr", time="year")
    >>> fit = pm.Mundlak("lwage ~ union").fit(panel)
    >>> print(fit.params.round(3).to_dict())
    {'Intercept': 1.587, 'union': 0.075, 'mean(union)': 0.178}
    """

    formula: str
    _: KW_ONLY
    method: VarianceMethod = "swamy-arora"
    cov: CovLike = "cluster"
    weights: str | Weights | None = None
    family: FamilyOfMeans = "gaussian"
    effects: Literal["random"] | None = None
    points: int = POINTS
    link: LinkOfMeans | None = None

    def __post_init__(self) -> None:
        _require_family(self)

    @property
    def offset(self) -> None:
        """None: no offset enters."""
        return

    @capped
    def fit(self, data: DataLike) -> Results:
        """Estimate the model on a Panel, or on a pandas frame with a (unit, time) MultiIndex."""
        if self.family != "gaussian":
            return fit_correlated(self, "Mundlak", "levels", data, "demeaned")
        return _fit(self, Facts("mundlak", "Mundlak"), "mundlak", data)


@checked
@dataclass(frozen=True, slots=True)
class Hybrid:
    """Within-between model: random effects, each regressor split into within(x) and between(x).

    Regressors that vary within units are found from the estimation sample; the others stay as
    they are. The within part equals fixed effects, on unbalanced panels too.

    Parameters
    ----------
    formula : str
    method : str
        Estimator of the variance components, as in RandomEffects.
    cov : str or covariance
        By default clustered by unit.
    weights : str or Weights, optional
    random : str, optional
        Random regressors of the units, as ``"1 + x"``: a mixed model by REML, or by ML with
        ``method="ml"``. They too are deviations from unit means, where they vary within units.
        ``"1 + x | school"`` names the units of a data frame without a time column.
    interactions : {"double-demeaned", "demeaned", "raw"}, optional
        What is the within part of ``x:z``: the product of deviations from unit means, itself
        made a deviation; the deviation of the product, which differs if both vary within units;
        or the product as it is, not split. By default "double-demeaned" with ``random``, and
        "demeaned" without; the first note says which, where it makes a difference.
    residual : str or residual structure, optional
        With ``random``, as for MixedModel: ``pm.residual.Heteroskedastic(covariates="x")`` lets
        the variance within units depend on x.
    family : {"gaussian", "binomial", "poisson"}
        Other outcomes than continuous ones are fitted by the likelihood of independent rows
        (pooled), which holds whatever the dependence within units, and clustered by unit.
    effects : {"random"}, optional
        With another family than gaussian, a normal random intercept of each unit beside the unit
        means, by adaptive quadrature.
    points : int
        Of that quadrature; one is Laplace's approximation.
    link : {"logit", "probit", "cloglog", "log"}, optional
        By default logit for binomial outcomes, and log for counts.

    Notes
    -----
    Source: Allison (2009), *Fixed Effects Regression Models*, chapter 2; Bell and Jones (2015),
    *Political Science Research and Methods* 3, 133-153; for interactions Giesselmann and
    Schmidt-Catran (2022), *Sociological Methods & Research* 51, 1100-1127.

    Examples
    --------
    >>> import panelml as pm
    >>> panel = pm.Panel(pm.datasets.wage_panel(), unit="nr", time="year")
    >>> fit = pm.Hybrid("lwage ~ union").fit(panel)
    >>> print(fit.params.round(3).to_dict())
    {'Intercept': 1.587, 'within(union)': 0.075, 'between(union)': 0.253}
    """

    formula: str
    _: KW_ONLY
    method: VarianceMethod = "swamy-arora"
    cov: CovLike = "cluster"
    weights: str | Weights | None = None
    random: str | None = None
    interactions: InteractionCentring | None = None
    residual: ResidualLike = None
    family: FamilyOfMeans = "gaussian"
    effects: Literal["random"] | None = None
    points: int = POINTS
    link: LinkOfMeans | None = None

    def __post_init__(self) -> None:
        _require_family(self)
        if self.family != "gaussian" and self.random is not None:
            raise SpecificationError(
                "random= goes with family='gaussian': other families are fitted by the likelihood "
                "of independent rows."
            )
        if self.random is None and self.residual is not None:
            raise SpecificationError(
                "A structure of residuals goes with a likelihood: add random='1'."
            )
        if self.random is not None and self.method not in ("swamy-arora", "reml", "ml"):
            raise SpecificationError(
                f"With random slopes the method is 'reml' or 'ml', not {shown(self.method)}."
            )

    @property
    def offset(self) -> None:
        """None: no offset enters."""
        return

    @property
    def reml(self) -> bool:
        """Whether the likelihood, of a mixed model, is the restricted one."""
        return self.method != "ml"

    @capped
    def fit(self, data: DataLike) -> Results:
        """Estimate the model on a Panel, or on a pandas frame with a (unit, time) MultiIndex.

        With ``random`` the results are MixedResults, and see MixedModel for the errors.
        """
        if self.family != "gaussian":
            centring = self.interactions or "demeaned"
            return fit_correlated(self, HYBRID, "within-between", data, centring)
        if self.random is None:
            facts, centring = Facts("hybrid", HYBRID), self.interactions or "demeaned"
            return _fit(self, facts, "within-between", data, centring)
        return _fit_slopes(self, self.random, data)


def _require_family(spec: Mundlak | Hybrid) -> None:
    """Refuse a link, or a method, that the family has not."""
    link_of(spec.family, spec.link)
    if spec.family == "gaussian" and spec.effects is not None:
        raise SpecificationError(
            "effects='random' goes with family='binomial' or family='poisson': with a continuous "
            "outcome the intercepts of units are random anyway."
        )
    if spec.family != "gaussian" and spec.method != "swamy-arora":
        raise SpecificationError(
            f"method={shown(spec.method)} estimates variances of a continuous outcome, and the "
            f"family is {spec.family}. Leave it out."
        )


def _fit_slopes(spec: Hybrid, random: str, data: DataLike) -> Results:
    """Fit the within-between model with random slopes, as a mixed model."""
    correlated = "||" not in random
    regressors, _, group = (t.strip() for t in random.replace("||", "|").partition("|"))
    source = group_rows(data, (group,)) if group else require_source(data)
    if source is not data and group:
        refuse_panel_functions(f"{spec.formula} {random}", group)
    fixed = plain_formula(spec.formula, "Hybrid")
    term = RandomTerm(regressors, (source.unit,), correlated)
    text = f"{fixed.text} + ({regressors} {'|' if correlated else '||'} {source.unit})"
    formula = replace(fixed, text=text, random=(term,))
    plan = ResidualPlan.parse(spec.residual, data, source)
    keys, slopes = (plan.keys, plan.slopes) if plan else ((), ())
    sample, notes = make_sample(source, formula, parse_weights(spec.weights), keys, slopes)
    centring = spec.interactions or "double-demeaned"
    split, said = split_means(sample, "within-between", centring)
    return fit_mixed(spec, HYBRID, split, (term.group,), (*said, *notes), plan)


def _fit(
    spec: Mundlak | Hybrid,
    facts: Facts,
    form: Literal["within-between", "mundlak"],
    data: DataLike,
    interactions: InteractionCentring = "demeaned",
) -> Results:
    formula = plain_formula(spec.formula, type(spec).__name__)
    sample, notes = make_sample(require_source(data), formula, parse_weights(spec.weights))
    # The estimated effects of these methods, mean(y) - mean(x) b, need x itself.
    by_effects = spec.method in ("amemiya", "nerlove")
    levels = split_means(sample, "levels")[0] if by_effects else None
    split, said = split_means(sample, form, interactions)
    notes = (*said, *notes)
    facts = replace(facts, random=((sample.source.unit,),))
    return fit_random(spec, facts, split, notes, levels)
