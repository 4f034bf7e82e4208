"""From the maximum of an integrated likelihood to its results."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from panelml._typing import FloatArray
from panelml.core.family.outcome import Outcome
from panelml.core.quadrature import Nodes
from panelml.data.sample import Sample
from panelml.engine.least_squares import dropped_notes
from panelml.errors import IdentificationError, SpecificationError
from panelml.inference.correction import Counts
from panelml.inference.covariance import CovLike
from panelml.inference.estimate import Estimate
from panelml.inference.influence import UnitInfluence
from panelml.mixed.core.factors import GroupingFactor
from panelml.mixed.core.working_columns import RandomBlock
from panelml.mixed.fit.sample_fit import Layout
from panelml.mixed.generalised.fit.maximum import IntegratedMaximum, maximise_integrated
from panelml.mixed.generalised.fit.pooled import maximise_rows
from panelml.mixed.generalised.fit.problem import GeneralisedProblem, make_problem
from panelml.mixed.generalised.fit.reported import NONE_REPORTED, Reported, UserParameters
from panelml.mixed.generalised.results.coefficients import GeneralisedCoefficients, LevelModes
from panelml.mixed.generalised.results.component_errors import integrated_errors
from panelml.mixed.generalised.results.generalised_results import GeneralisedResults
from panelml.mixed.generalised.results.measures import Likelihoods, generalised_measures
from panelml.mixed.results.coefficients import Certificate, FactorCoefficients
from panelml.results.assemble import assemble
from panelml.results.facts import Facts
from panelml.results.fit import Fit, sample_statistics
from panelml.results.levels_of import unit_levels
from panelml.results.prediction import Predictor

__all__ = ["GeneralisedModel", "fit_one_factor", "unit_intercept"]

# Change of the log-likelihood with twice the points from which on a note says it.
CLOSE = 1e-3
# Nodes beyond which that is not computed.
MOST_NODES = 20_000
# Weights of more points in one dimension are below the least float64.
MOST_POINTS = 300


class GeneralisedSpec(Protocol):
    """A specification with random effects."""

    @property
    def cov(self) -> CovLike:
        """The covariance of the results."""
        ...


@dataclass(frozen=True, slots=True)
class GeneralisedModel:
    """What is fitted.

    Attributes
    ----------
    facts : Facts
    outcome : Outcome
    points : int
        Of quadrature in each dimension.
    reported : Reported
        Auxiliary parameters among the results' parameters.
    unit : bool
        Whether the random part is that of a panel's random effects estimator.
    """

    facts: Facts
    outcome: Outcome
    points: int
    reported: Reported = NONE_REPORTED
    unit: bool = False


def unit_intercept(sample: Sample) -> Layout:
    """Return the layout of a random intercept of each unit."""
    unit = (sample.source.unit,)
    factor = GroupingFactor(unit, sample.source.levels(unit), np.zeros(1, dtype=np.int64))
    return Layout((RandomBlock(True, np.zeros(0, dtype=np.int64)),), (factor,), ("Intercept",))


def fit_one_factor(
    spec: GeneralisedSpec,
    model: GeneralisedModel,
    sample: Sample,
    layout: Layout,
    notes: tuple[str, ...],
) -> GeneralisedResults:
    """Maximise the likelihood of a model with one grouping factor, and put its results together.

    Parameters
    ----------
    spec : object
    model : GeneralisedModel
    sample : Sample
        Laid out by the grouping factor.
    layout : Layout
        Of the random regressors.
    notes : tuple of str
        What was done to the rows.

    Raises
    ------
    SpecificationError
        If weights vary within units, or random regressors are more than three.
    IdentificationError
        If no unit repeats, or the likelihood has no maximum.
    ConvergenceError
        Without a certificate.
    """
    _require(model, sample, layout)
    problem = make_problem(sample, model.outcome, layout)
    maximum = maximise_integrated(problem, model.points)
    user = UserParameters.of(maximum, model.reported, unit=model.unit)
    coefficients = _coefficients(maximum, user, model.points)
    psi = user.jacobian @ maximum.cov @ maximum.units.scores
    cov = user.jacobian @ maximum.cov @ user.jacobian.T
    slopes = problem.chosen.kept.size
    counts = Counts(problem.moments.n, slopes, problem.constant, normal=True)
    dropped = dropped_notes(problem.chosen, sample.names, "")
    measures = generalised_measures(
        Likelihoods(maximum.loglik, maximum.pooled.loglik, _null(problem)),
        coefficients,
        maximum.vector.size,
        problem.moments.n,
        unit=model.unit,
    )
    influence = UnitInfluence(sample, psi)
    method = "Laplace" if model.points == 1 else f"{model.points} adaptive points"
    fit = Fit(
        spec=spec,
        facts=replace(model.facts, details=(*model.facts.details, method)),
        estimate=Estimate(user.names, influence, (cov + cov.T) / 2, counts),
        params=user.params,
        statistics=sample_statistics(sample, measures),
        predictor=Predictor.of(
            sample, user.slopes, float(user.params[0]) if problem.constant else 0.0
        ),
        notes=(*notes, *coefficients.notes(), *dropped, *_doubled(maximum, model.points)),
        effects=coefficients,
    )
    return GeneralisedResults.of(assemble(fit, spec.cov), coefficients)


def _require(model: GeneralisedModel, sample: Sample, layout: Layout) -> None:
    terms = len(layout.labels)
    if terms > 3:
        raise SpecificationError(
            f"There are {terms} random coefficients of a level, and quadrature takes at most 3. "
            "Leave some out."
        )
    rows = sample.unit_rows[sample.unit_rows > 0]
    if rows.size < 2:
        raise IdentificationError(f"The grouping factor {sample.source.unit!r} has one level.")
    scaled = model.outcome.family.name in {"censored", "negative-binomial"}
    binary = model.outcome.family.name == "binomial"
    if (scaled or binary) and rows.max() == 1:
        raise IdentificationError(
            f"Each level of {sample.source.unit!r} has a single row: its random effect cannot be "
            "told from chance."
        )
    if sample.weights is not None:
        _require_unit_weights(sample)


def _require_unit_weights(sample: Sample) -> None:
    assert sample.weights is not None
    name = sample.weights.column
    values, rows = sample.column(name), sample.unit_rows[sample.unit_rows > 0]
    starts = np.concatenate([[0], np.cumsum(rows)[:-1]])
    vary = np.maximum.reduceat(values, starts) != np.minimum.reduceat(values, starts)
    if vary.any():
        label = sample.unit_labels[np.flatnonzero(vary)[0]]
        raise SpecificationError(
            f"The weights {name!r} vary within {sample.source.unit} {label}: the likelihood of a "
            "unit is one integral over all of its rows, so that weights are of units. Give each "
            "unit one weight."
        )


def _coefficients(
    maximum: IntegratedMaximum, user: UserParameters, points: int
) -> GeneralisedCoefficients:
    problem = maximum.problem
    parameters = problem.parameters.split(maximum.vector)
    root, back = parameters.root, problem.columns.random_back
    relative = root @ root.T
    factor = problem.layout.factors[0]
    part = FactorCoefficients.of(
        factor, problem.layout.labels, problem.columns, user.random_cov, relative
    )
    turn = back @ root
    modes = LevelModes(
        unit_levels(problem.sample, factor.group),
        turn @ maximum.units.modes,
        np.einsum("ab,bcg,dc->adg", turn, maximum.units.spread, turn),
    )
    return GeneralisedCoefficients(
        (part,),
        (modes,),
        problem.columns.basis,
        integrated_errors(maximum),
        problem.family,
        parameters.auxiliary,
        Certificate(True, maximum.decrement, 0.0, maximum.evaluations),
        points,
    )


def _null(problem: GeneralisedProblem) -> float | None:
    """Log-likelihood of a constant, or of cut points, alone; None with an offset or without one."""
    if problem.sample.design.offset is not None or not (
        problem.constant or problem.outcome.cut_points
    ):
        return None
    rows = replace(problem.rows, fixed=int(problem.constant))
    return maximise_rows(replace(problem, rows=rows)).loglik


def _doubled(maximum: IntegratedMaximum, points: int) -> tuple[str, ...]:
    """Compute the log-likelihood again with twice the points, and say so if it moves."""
    q = maximum.problem.parameters.size
    if points == 1 or 2 * points > MOST_POINTS or (2 * points) ** q > MOST_NODES:
        return ()
    nodes = Nodes.of(2 * points, q)
    modes: FloatArray = maximum.units.modes
    again = maximum.problem.likelihoods(maximum.vector, nodes, modes, scores=False)
    change = float(again.values.sum()) - maximum.loglik
    if abs(change) <= CLOSE:
        return ()
    return (
        f"With {2 * points} points of quadrature instead of {points} the log-likelihood at these "
        f"estimates changes by {change:.3g}: the integral over random effects is not exact yet. "
        f"Fit with points={2 * points} and compare.",
    )
