"""Correlated random effects of yes/no, ordered and count outcomes, by pooled likelihoods."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Literal, Protocol, TypeAlias

from panelml._typing import InteractionCentring
from panelml.core.family.binomial import BinomialFamily
from panelml.core.family.counts import PoissonFamily
from panelml.core.family.outcome import Outcome, single
from panelml.core.links import CLOGLOG, LOG, LOGIT, PROBIT, Link
from panelml.data.formula.outcome import level_notes
from panelml.data.panel.weights import parse_weights
from panelml.data.sample import Sample
from panelml.data.source.given import DataLike
from panelml.engine.sampling import make_sample, require_source
from panelml.engine.splitting import split_means
from panelml.errors import SpecificationError, listing, shown
from panelml.glm.binary_outcome import require_binary
from panelml.glm.fit.separated import refuse_negative
from panelml.glm.pooled import NonlinearSpec, fit_pooled
from panelml.mixed.generalised.assemble import GeneralisedModel, fit_one_factor, unit_intercept
from panelml.results.assemble import assemble, plain_formula
from panelml.results.base import Results
from panelml.results.facts import Facts

__all__ = ["FamilyOfMeans", "LinkOfMeans", "fit_correlated", "link_of"]

FamilyOfMeans: TypeAlias = Literal["gaussian", "binomial", "poisson"]
LinkOfMeans: TypeAlias = Literal["logit", "probit", "cloglog", "log"]

_LINKS: dict[str, tuple[Link, ...]] = {"binomial": (LOGIT, PROBIT, CLOGLOG), "poisson": (LOG,)}
_NOT_CONDITIONAL = {
    "log": "The effects within units need not be those of Poisson regression with unit effects: "
    "the log link does not part deviations from unit means as least squares does.",
    "logit": "Coefficients are of the mean over unit effects (population-averaged), and not those "
    "given the unit effects, as conditional logit has them. Report average marginal effects: "
    "pm.slopes(fit).",
    "probit": "Coefficients are of the mean over unit effects (population-averaged), and not those "
    "given the unit effects. Report average marginal effects: pm.slopes(fit).",
}
_NOT_CONDITIONAL["cloglog"] = _NOT_CONDITIONAL["probit"]


_NOT_FIXED_EFFECTS = (
    "The effects within units are near those that conditioning on the units gives, and not equal "
    "to them: unit means take up the unit effects only as far as these are linear in them."
)


class SplitSpec(NonlinearSpec, Protocol):
    """A specification of a within-between model."""

    @property
    def family(self) -> FamilyOfMeans:
        """Distribution of the outcome."""
        ...

    @property
    def effects(self) -> Literal["random"] | None:
        """Whether units have random intercepts."""
        ...

    @property
    def points(self) -> int:
        """Of quadrature over these."""
        ...

    @property
    def link(self) -> LinkOfMeans | None:
        """From the index to the mean."""
        ...


def link_of(family: FamilyOfMeans, link: LinkOfMeans | None) -> Link | None:
    """Return the link of a family: the one that is named, or its first; None for gaussian.

    Raises
    ------
    SpecificationError
        If the family has no such link.
    """
    if family == "gaussian":
        if link is not None:
            raise SpecificationError(
                f"link={shown(link)} goes with family='binomial' or family='poisson'."
            )
        return None
    for known in _LINKS[family]:
        if link in (None, known.name):
            return known
    names = listing(known.name for known in _LINKS[family])
    raise SpecificationError(f"The {family} family has the link {names}, not {shown(link)}.")


def fit_correlated(
    spec: SplitSpec,
    name: str,
    form: Literal["within-between", "levels"],
    data: DataLike,
    interactions: InteractionCentring,
) -> Results:
    """Fit a model with the unit means of its regressors, pooled or with random intercepts too.

    Raises
    ------
    SpecificationError
        If the outcome is none of the family.
    IdentificationError
        If no regressor varies within units, or regressors separate the outcome.
    """
    link = link_of(spec.family, spec.link) or LOGIT
    formula = plain_formula(spec.formula, type(spec).__name__)
    formula = replace(formula, outcome_levels="any" if spec.family == "binomial" else "")
    sample, notes = make_sample(require_source(data), formula, parse_weights(spec.weights))
    notes = (*level_notes(sample.design), *notes)
    outcome, require = _outcome(spec.family, link, name)
    require(sample)
    split, said = split_means(sample, form, interactions)
    if spec.effects == "random":
        details = (f"random-effects {_words(spec.family, link)}",)
        facts = Facts("other", name, details, random=((sample.source.unit,),), link=link)
        model = GeneralisedModel(facts, outcome, spec.points, unit=True)
        words = (*said, _NOT_FIXED_EFFECTS, *notes)
        return fit_one_factor(spec, model, split, unit_intercept(split), words)
    facts = Facts("other", name, (f"pooled {_words(spec.family, link)}",), link=link)
    fit, _ = fit_pooled(
        spec, facts, split, outcome, (*said, _NOT_CONDITIONAL[link.name], *notes), require=require
    )
    return assemble(fit, spec.cov)


def _outcome(
    family: FamilyOfMeans, link: Link, name: str
) -> tuple[Outcome, Callable[[Sample], None]]:
    if family == "binomial":
        return Outcome(BinomialFamily(link), single), require_binary
    return Outcome(PoissonFamily(), single), lambda sample: refuse_negative(sample, name)


def _words(family: FamilyOfMeans, link: Link) -> str:
    return "Poisson" if family == "poisson" else link.name
