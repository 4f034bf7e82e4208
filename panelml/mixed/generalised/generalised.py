"""Generalised linear mixed models: from a specification to its results."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, Protocol, TypeAlias

import numpy as np

from panelml._typing import FloatArray, IntArray
from panelml.core.block import Block
from panelml.core.family.binomial import BinomialFamily
from panelml.core.family.counts import NegativeBinomialFamily, PoissonFamily
from panelml.core.family.ordered import OrderedFamily
from panelml.core.family.outcome import CategoryCodes, Outcome, single
from panelml.core.links import CLOGLOG, LOG, LOGIT, PROBIT, Link
from panelml.core.row_values import RowValues
from panelml.data.formula.formula import Formula, OutcomeLevels
from panelml.data.formula.outcome import category_names, level_notes, require_two_levels
from panelml.data.panel.grouping import group_rows, refuse_panel_functions
from panelml.data.panel.weights import Weights, parse_weights
from panelml.data.sample import Sample
from panelml.data.source.given import DataLike
from panelml.engine.fold import fold
from panelml.engine.sampling import make_sample
from panelml.errors import IdentificationError, SpecificationError, listing
from panelml.inference.covariance import CovLike
from panelml.mixed.fit.sample_fit import lay_out, ordered_groups
from panelml.mixed.generalised.assemble import GeneralisedModel, fit_one_factor
from panelml.mixed.generalised.fit.reported import NONE_REPORTED, Reported, cut_parameters
from panelml.mixed.generalised.results.generalised_results import GeneralisedResults
from panelml.results.facts import Facts

__all__ = ["FamilyName", "GeneralisedSpecification", "LinkName", "fit_generalised"]

FamilyName: TypeAlias = Literal["gaussian", "binomial", "poisson", "negative-binomial", "ordered"]
LinkName: TypeAlias = Literal["logit", "probit", "cloglog", "log"]

LINKS: dict[str, tuple[Link, ...]] = {
    "binomial": (LOGIT, PROBIT, CLOGLOG),
    "ordered": (LOGIT, PROBIT, CLOGLOG),
    "poisson": (LOG,),
    "negative-binomial": (LOG,),
}
# Points of quadrature in each dimension, by the number of random coefficients.
POINTS = {1: 12, 2: 7, 3: 5}
MOST_CATEGORIES = 50
_LEVELS: dict[str, OutcomeLevels] = {"binomial": "any", "ordered": "ordered"}


class GeneralisedSpecification(Protocol):
    """A mixed model of an outcome that is not continuous."""

    @property
    def cov(self) -> CovLike:
        """The covariance of the results."""
        ...

    @property
    def weights(self) -> str | Weights | None:
        """Weights of units; of binomial outcomes the trials."""
        ...

    @property
    def family(self) -> FamilyName:
        """Distribution of the outcome."""
        ...

    @property
    def link(self) -> LinkName | None:
        """From the index to the mean."""
        ...

    @property
    def points(self) -> int | None:
        """Of quadrature."""
        ...

    @property
    def offset(self) -> str | None:
        """A term that enters the index with the coefficient one."""
        ...


def fit_generalised(
    spec: GeneralisedSpecification, formula: Formula, data: DataLike
) -> GeneralisedResults:
    """Fit a generalised mixed model with the random terms of one grouping factor.

    Raises
    ------
    SpecificationError
        For several grouping factors, a link that the family has not, or an outcome that it cannot
        have.
    """
    groups = ordered_groups(formula, data)
    if len(groups) > 1:
        names = listing(":".join(group) for group in groups)
        raise SpecificationError(
            f"Here are several grouping factors ({names}), and the {spec.family} family takes one. "
            "Keep the random terms of one of them."
        )
    source = group_rows(data, groups[0])
    if source is not data:
        refuse_panel_functions(formula.text, source.unit)
    levels = _LEVELS.get(spec.family, "")
    formula = replace(formula, offset=spec.offset or "", outcome_levels=levels)
    weights = parse_weights(spec.weights)
    trials = weights.column if weights and spec.family == "binomial" else None
    slopes = (trials,) if trials else ()
    sample, notes = make_sample(source, formula, None if trials else weights, (), slopes)
    outcome, reported = _outcome(spec, sample, trials)
    notes = (*level_notes(sample.design), *notes)
    layout = lay_out(sample, groups)
    link = outcome.family.link
    facts = Facts(
        "mixed",
        f"Mixed model ({spec.family}, {link.name})",
        random=groups if "Intercept" in layout.labels else (),
        link=link,
    )
    points = spec.points or POINTS.get(len(layout.labels), 1)
    return fit_one_factor(
        spec, GeneralisedModel(facts, outcome, points, reported), sample, layout, notes
    )


@dataclass(frozen=True, slots=True)
class Successes:
    """Numbers of successes and of trials, from shares and a column of trials.

    Attributes
    ----------
    trials : str
    """

    trials: str

    def __call__(self, block: Block) -> FloatArray:
        """Return both, shape (2, n)."""
        trials = block.slopes[self.trials]
        return np.stack([np.rint(block.outcome * trials), trials])


def _outcome(
    spec: GeneralisedSpecification, sample: Sample, trials: str | None
) -> tuple[Outcome, Reported]:
    """Read the family and its link, and hold the outcome to what it can be."""
    link = _link(spec)
    values = fold(sample, lambda block: RowValues(block.outcome[None])).values[0]
    if spec.family == "ordered":
        categories = _categories(sample, values)
        family = OrderedFamily(categories.size, link)
        names = category_names(sample.design, categories)
        return Outcome(family, CategoryCodes(categories)), cut_parameters(names)
    if spec.family == "binomial" and trials:
        _refuse_shares(sample, values, trials)
        return Outcome(BinomialFamily(link), Successes(trials)), NONE_REPORTED
    if spec.family == "binomial":
        require_two_levels(sample.design)
        wrong = np.flatnonzero((values != 0) & (values != 1))
        _refuse(sample, wrong, "neither 0 nor 1", "Give shares of trials weights='trials'.")
        return Outcome(BinomialFamily(link), single), NONE_REPORTED
    wrong = np.flatnonzero((values < 0) | (values != np.rint(values)))
    _refuse(sample, wrong, "no count", "Counts are 0, 1, 2, ...")
    if spec.family == "poisson":
        return Outcome(PoissonFamily(), single), NONE_REPORTED
    return Outcome(NegativeBinomialFamily(), single), _ALPHA


def _link(spec: GeneralisedSpecification) -> Link:
    links = LINKS[spec.family]
    for link in links:
        if spec.link in (None, link.name):
            return link
    raise SpecificationError(
        f"The {spec.family} family has the link {listing(link.name for link in links)}, and not "
        f"{spec.link!r}."
    )


def _categories(sample: Sample, values: FloatArray) -> FloatArray:
    categories: FloatArray = np.unique(values)
    if categories.size > MOST_CATEGORIES:
        raise SpecificationError(
            f"The outcome {_name(sample)!r} has {categories.size:,} values, too many for ordered "
            "categories. Group them."
        )
    if categories.size < 2:
        raise IdentificationError(f"The outcome {_name(sample)!r} does not vary.")
    return categories


def _refuse_shares(sample: Sample, values: FloatArray, trials: str) -> None:
    number = fold(sample, lambda block: RowValues(block.slopes[trials][None])).values[0]
    wrong = np.flatnonzero((number != np.rint(number)) | (number < 1))
    _refuse(sample, wrong, f"beside {trials!r} that is not a whole number of trials", "Mend it.")
    successes = values * number
    near = np.abs(successes - np.rint(successes)) <= 1e-6 * np.maximum(number, 1)
    wrong = np.flatnonzero(~near | (values < 0) | (values > 1))
    _refuse(
        sample,
        wrong,
        f"no share of whole successes in {trials!r} trials",
        "The outcome is successes / trials.",
    )


def _refuse(sample: Sample, wrong: IntArray, what: str, remedy: str) -> None:
    if not wrong.size:
        return
    kept = wrong if sample.keep is None else np.flatnonzero(sample.keep)[wrong]
    places = sorted(sample.source.index.position(int(row)) for row in kept)
    raise SpecificationError(
        f"The outcome {_name(sample)!r} is {what} in {wrong.size:,} rows (row {listing(places)}). "
        f"{remedy}"
    )


def _name(sample: Sample) -> str:
    return sample.design.outcome.names[0] if sample.design.outcome else ""


def _alpha(auxiliary: FloatArray) -> FloatArray:
    return np.exp(-auxiliary)


_ALPHA = Reported(("alpha",), _alpha, lambda auxiliary: -np.exp(-auxiliary)[:, None])
