"""Multilevel models: random intercepts and slopes at any number of levels."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass

from panelml.arguments import checked
from panelml.data.formula.formula import Formula, parse_formula
from panelml.data.panel.grouping import group_rows, refuse_panel_functions
from panelml.data.panel.weights import Weights, parse_weights
from panelml.data.source.given import DataLike
from panelml.data.source.source import Source
from panelml.engine.fold import capped
from panelml.engine.sampling import make_sample
from panelml.errors import SpecificationError
from panelml.inference.covariance import CovLike
from panelml.mixed.assemble import fit_mixed
from panelml.mixed.core.structures import ResidualLike, ResidualStructure
from panelml.mixed.core.structures import parse as parse_residual
from panelml.mixed.fit.residual_fit import ResidualPlan
from panelml.mixed.fit.sample_fit import ordered_groups
from panelml.mixed.generalised.generalised import FamilyName, LinkName, fit_generalised
from panelml.mixed.generalised.results.generalised_results import GeneralisedResults
from panelml.mixed.results.mixed_results import MixedResults

__all__ = ["MixedModel"]


@checked
@dataclass(frozen=True, slots=True)
class MixedModel:
    """Multilevel model: random intercepts and slopes by (restricted) maximum likelihood.

    With ``family`` it is a generalised linear mixed model (GLMM), fitted by maximum likelihood.

    Parameters
    ----------
    formula : str
        lme4's grammar: ``"y ~ t * g + (1 + t | id)"``, ``(1 | school/class)`` for nested and
        ``(1 | a) + (1 | b)`` for crossed levels, ``||`` for uncorrelated coefficients.
    reml : bool
        Restricted maximum likelihood rather than maximum likelihood; the other families know
        only the latter.
    cov : str or covariance
        ``"iid"``, what the model implies, as in lme4; or clustered and the others.
    weights : str or Weights, optional
        Prior weights, inverse to the variance of a row's error. With the binomial family the
        numbers of trials, of which the outcome is the share of successes, as in lme4; with others
        one weight for all rows of a level.
    residual : str or residual structure, optional
        How residuals of the same group depend on each other: ``"ar1"``, ``"car1"``, ``"ma1"``,
        ``"toeplitz:2"``, ``"exchangeable"``, ``"unstructured"``, ``"heteroskedastic:sex"``, or a
        value such as ``pm.residual.AR1(time="year", by="sex")``; independent by default. The
        group is the structure's own, or the panel's unit, or else the factor with most levels.
    family : {"gaussian", "binomial", "poisson", "negative-binomial", "ordered"}
        Distribution of the outcome.
    link : {"logit", "probit", "cloglog", "log"}, optional
        The family's first by default.
    points : int, optional
        Points of adaptive Gauss-Hermite quadrature in each dimension; 1 is Laplace's
        approximation. By default 12 for one random coefficient, 7 for two and 5 for three.
    offset : str, optional
        A column, or a term as ``"log(pop)"``, that enters the index with the coefficient one.

    Examples
    --------
    >>> import panelml as pm
    >>> panel = pm.Panel(pm.datasets.wage_panel(), unit="nr", time="year")
    >>> fit = pm.MixedModel("lwage ~ union + (1 | nr)").fit(panel)
    >>> print(fit.params.round(3).to_dict())
    {'Intercept': 1.624, 'union': 0.102}
    >>> print(fit.icc().round(2).tolist())
    [0.46]
    >>> union = pm.MixedModel("union ~ married + (1 | nr)", family="binomial").fit(panel)
    >>> print(union.params.round(2).to_dict(), union.icc().round(2).tolist())
    {'Intercept': -2.53, 'married': 0.19} [0.74]
    """

    formula: str
    _: KW_ONLY
    reml: bool = True
    cov: CovLike = "iid"
    weights: str | Weights | None = None
    residual: ResidualLike = None
    family: FamilyName = "gaussian"
    link: LinkName | None = None
    points: int | None = None
    offset: str | None = None

    def __post_init__(self) -> None:
        if self.points is not None and not 1 <= self.points <= 200:
            raise SpecificationError(f"points is between 1 and 200, and not {self.points}.")
        if self.family != "gaussian" and self.residual is not None:
            raise SpecificationError(
                f"Residuals depend on each other in gaussian models; a {self.family} outcome has "
                "none beside its distribution. Leave residual= out."
            )
        given = ("link", self.link), ("points", self.points), ("offset", self.offset)
        for name, value in given if self.family == "gaussian" else ():
            if value is not None:
                raise SpecificationError(f"{name}= needs another family than gaussian.")

    @capped
    def fit(self, data: DataLike) -> MixedResults | GeneralisedResults:
        """Estimate the model on a Panel or on any data frame that has the columns.

        Raises
        ------
        SpecificationError
            Without a random term.
        IdentificationError
            If rows do not repeat within levels, nothing varies, nothing is left to chance, or
            variances cannot be told apart.
        ConvergenceError
            If the likelihood was not maximised with a certificate.
        """
        formula = parse_formula(self.formula, mixed=True)
        if self.family != "gaussian":
            return fit_generalised(self, formula, data)
        structure = parse_residual(self.residual)
        groups = _groups(formula, structure, data)
        source = group_rows(data, groups[0])
        if source is not data:
            refuse_panel_functions(self.formula, source.unit)
        plan = ResidualPlan.of(structure, data, source) if structure else None
        keys, slopes = (plan.keys, plan.slopes) if plan else ((), ())
        sample, notes = make_sample(
            source,
            formula,
            parse_weights(self.weights),
            tuple(dict.fromkeys((*groups[1:], *keys))),
            slopes,
        )
        return fit_mixed(self, "Mixed model", sample, groups, notes, plan)


def _groups(
    formula: Formula, structure: ResidualStructure | None, data: DataLike
) -> tuple[tuple[str, ...], ...]:
    """Return the grouping factors, first that whose rows' residuals depend on each other."""
    if structure is None:
        return ordered_groups(formula, data)
    groups = ordered_groups(formula, data) if formula.random else ()
    if structure.group is not None:
        first = tuple(structure.group.split(":"))
    elif isinstance(data, Source):
        first = next((group for group in groups if data.unit in group), (data.unit,))
    elif groups:
        first = groups[0]
    else:
        raise SpecificationError(
            f"{formula.text!r} has no random term to say whose residuals depend on each other. Add "
            f"the group, as pm.residual.{type(structure).__name__}(..., group='id'), or pass a "
            "Panel."
        )
    return (first, *(group for group in groups if group != first))
