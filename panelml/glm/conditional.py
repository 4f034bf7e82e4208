"""Fixed-effects logit by conditional maximum likelihood."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from panelml.core.links import LOGIT
from panelml.data.formula.formula import Effect
from panelml.data.sample import Sample
from panelml.glm.binary_outcome import require_binary
from panelml.glm.fit.conditional import maximise_conditional
from panelml.glm.pooled import NonlinearSpec
from panelml.glm.results.likelihood_measures import likelihood_measures
from panelml.inference.correction import Counts
from panelml.inference.estimate import Estimate
from panelml.inference.influence import UnitInfluence
from panelml.results.facts import Assumption, Facts
from panelml.results.fit import Fit, sample_statistics
from panelml.results.measures import Measures
from panelml.results.prediction import Predictor

__all__ = ["fit_conditional"]


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
    maximum = maximise_conditional(sample)
    problem, params = maximum.problem, maximum.params
    sample, names = problem.sample, problem.names
    slopes = np.zeros(len(sample.names))
    slopes[problem.columns.columns] = params
    if problem.columns.offset:
        slopes[-1] = 1.0
    weight = round(problem.moments.weight)
    loglik = maximum.point.sums.value
    # A likelihood given numbers of ones is on another scale than those of other models.
    declared = likelihood_measures(loglik, len(names), weight, null=maximum.null).declared
    measures = Measures(tuple(replace(known, compared=False) for known in declared))
    unit = (sample.source.unit,)
    facts = Facts(
        "other",
        "Conditional logit",
        absorbed=(Effect(unit),),
        assumption=Assumption.ANY_EFFECTS,
        link=LOGIT,
    )
    counts = Counts(weight, len(names), constant=False, normal=True)
    influence = UnitInfluence(sample, maximum.psi)
    return Fit(
        spec=spec,
        facts=facts,
        estimate=Estimate(names, influence, maximum.cov, counts),
        params=params,
        statistics=replace(sample_statistics(sample, measures), nobs=weight),
        predictor=Predictor.of(sample, slopes, 0.0),
        notes=(*notes, *maximum.notes),
    )
