"""Fixed-effects logit and ordered logit by conditional maximum likelihood."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from panelml._typing import FloatArray
from panelml.core.links import LOGIT
from panelml.data.formula.formula import Effect
from panelml.data.sample import Sample
from panelml.glm.binary_outcome import require_binary
from panelml.glm.fit.conditional import ConditionalMaximum, maximise_conditional
from panelml.glm.pooled import NonlinearSpec
from panelml.glm.results.likelihood_measures import likelihood_measures
from panelml.inference.correction import Counts
from panelml.inference.covariance import CovLike, Iid, parse
from panelml.inference.estimate import Estimate
from panelml.inference.influence import UnitInfluence
from panelml.results.facts import Assumption, Facts
from panelml.results.fit import Fit, sample_statistics
from panelml.results.measures import Measure, Measures
from panelml.results.prediction import Predictor

__all__ = ["clustered_instead", "fit_conditional", "fit_ordered_conditional"]

BETWEEN = np.array([0.5])
_NONE = float("nan")
_SUMMED = (
    Measure(
        "loglik",
        "Sum of log-likelihoods",
        _NONE,
        "Conditional log-likelihoods of being above each cut point, added up over these.",
        "fit",
        False,
    ),
    Measure(
        "pseudo_rsquared",
        "Pseudo R-squared",
        _NONE,
        "1 - loglik / the same sum where all coefficients are zero.",
        "fit",
        False,
    ),
)


def fit_conditional(spec: NonlinearSpec, sample: Sample, notes: tuple[str, ...]) -> Fit:
    """Fit a logit with an effect for each unit, which conditioning on its number of ones removes.

    Source: Chamberlain (1980), *Review of Economic Studies* 47, 225-238.

    Raises
    ------
    SpecificationError
        If the outcome is not 0 and 1, or weights vary within units.
    IdentificationError
        If the outcome varies in no unit, or no regressor is left.
    ConvergenceError
        If the maximum has no certificate.
    """
    require_binary(sample)
    maximum = maximise_conditional(sample, BETWEEN)
    problem = maximum.problem
    weight = round(problem.moments.weight)
    loglik = maximum.point.sums.value
    # A likelihood given numbers of ones is on another scale than those of other models.
    declared = likelihood_measures(loglik, len(problem.names), weight, null=maximum.null).declared
    measures = Measures(tuple(replace(known, compared=False) for known in declared))
    fit = _finish(spec, "Conditional logit", maximum, maximum.cov, measures)
    return replace(fit, notes=(*notes, *fit.notes))


def fit_ordered_conditional(
    spec: NonlinearSpec, sample: Sample, values: FloatArray, notes: tuple[str, ...]
) -> Fit:
    """Fit an ordered logit with an effect for each unit, by conditional logits at all cut points.

    This is blow-up and cluster (BUC): as the cut points share the rows of a unit, only sums over
    whole units have a covariance.

    Source: Baetschmann, Staub and Winkelmann (2015), *Journal of the Royal Statistical Society A*
    178, 685-703.

    Parameters
    ----------
    spec : NonlinearSpec
    sample : Sample
    values : FloatArray, shape (J,)
        Of the outcome, increasing.
    notes : tuple of str
        What was done to the rows.

    Raises
    ------
    SpecificationError
        If weights vary within units.
    IdentificationError
        If the outcome varies in no unit, or no regressor is left.
    ConvergenceError
        If the maximum has no certificate.
    """
    maximum = maximise_conditional(sample, (values[1:] + values[:-1]) / 2)
    loglik = maximum.point.sums.value
    measures = Measures.of(
        {"loglik": loglik, "pseudo_rsquared": 1 - loglik / maximum.null}, _SUMMED
    )
    psi = maximum.psi
    # What the model implies of a sum over cut points is its variance over units, too.
    fit = _finish(spec, "Conditional ordered logit", maximum, psi @ psi.T, measures)
    return replace(fit, notes=(*notes, *fit.notes))


def clustered_instead(fit: Fit, cov: CovLike) -> tuple[Fit, CovLike]:
    """Cluster by unit, with a note, where errors are asked for that rows in common forbid."""
    if not isinstance(parse(cov), Iid):
        return fit, cov
    note = (
        "The standard errors are clustered by unit and not 'iid': the logits of several cut points "
        "share the rows of a unit."
    )
    return replace(fit, notes=(*fit.notes, note)), "cluster"


def _finish(
    spec: NonlinearSpec,
    name: str,
    maximum: ConditionalMaximum,
    cov: FloatArray,
    measures: Measures,
) -> Fit:
    """Describe a maximum to covariances, tests and tables."""
    problem, params = maximum.problem, maximum.params
    sample, names = problem.sample, problem.names
    weight = round(problem.moments.weight)
    slopes = np.zeros(len(sample.names))
    slopes[problem.columns.columns] = params
    if problem.columns.offset:
        slopes[-1] = 1.0
    facts = Facts(
        "other",
        name,
        absorbed=(Effect((sample.source.unit,)),),
        assumption=Assumption.ANY_EFFECTS,
        link=LOGIT,
    )
    counts = Counts(weight, len(names), constant=False, normal=True)
    influence = UnitInfluence(sample, maximum.psi)
    return Fit(
        spec=spec,
        facts=facts,
        estimate=Estimate(names, influence, cov, counts),
        params=params,
        statistics=replace(sample_statistics(sample, measures), nobs=weight),
        predictor=Predictor.of(sample, slopes, 0.0),
        notes=maximum.notes,
    )
