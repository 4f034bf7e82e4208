"""Random effects of units in models of outcomes that are not continuous."""

from __future__ import annotations

import numpy as np

from panelml.core.family.outcome import Outcome
from panelml.data.sample import Sample
from panelml.errors import ConvergenceError, SpecificationError
from panelml.glm.pooled import NonlinearSpec
from panelml.mixed.generalised.assemble import GeneralisedModel, fit_one_factor, unit_intercept
from panelml.mixed.generalised.fit.reported import NONE_REPORTED, Reported
from panelml.mixed.generalised.results.generalised_results import GeneralisedResults
from panelml.results.facts import Assumption, Facts

__all__ = ["POINTS", "fit_normal", "random_facts"]

# Points of adaptive quadrature, as in Stata.
POINTS = 12


def random_facts(sample: Sample, facts: Facts) -> Facts:
    """Return the facts of a model with a random intercept of each unit."""
    return Facts(
        "other",
        f"Random-effects {facts.name[:1].lower()}{facts.name[1:]}",
        random=((sample.source.unit,),),
        assumption=Assumption.RANDOM_UNITS,
        link=facts.link,
    )


def fit_normal(
    spec: NonlinearSpec,
    facts: Facts,
    sample: Sample,
    outcome: Outcome,
    notes: tuple[str, ...],
    *,
    points: int,
    reported: Reported = NONE_REPORTED,
) -> GeneralisedResults:
    """Fit a model with a normal random intercept of each unit, by adaptive quadrature.

    Parameters
    ----------
    spec : NonlinearSpec
    facts : Facts
        Of the pooled model.
    sample : Sample
    outcome : Outcome
    notes : tuple of str
        What was done to the rows.
    points : int
        Of quadrature; one is Laplace's approximation.
    reported : Reported
        Auxiliary parameters among the results' parameters.

    Raises
    ------
    SpecificationError
        If there are no points, or too many.
    IdentificationError
        If no unit repeats, or the likelihood has no maximum.
    ConvergenceError
        If the maximum has no certificate.
    """
    if not 1 <= points <= 200:
        raise SpecificationError(f"points is between 1 and 200, and not {points}.")
    model = GeneralisedModel(random_facts(sample, facts), outcome, points, reported, unit=True)
    try:
        return fit_one_factor(spec, model, sample, unit_intercept(sample), notes)
    except np.linalg.LinAlgError as error:
        raise ConvergenceError(
            f"The likelihood could not be integrated over the random effects: {error} Measure the "
            "outcome and the regressors in other units."
        ) from error
