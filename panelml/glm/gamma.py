"""Poisson regression with random effects of units that have the gamma distribution."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy.stats import chi2

from panelml._typing import FloatArray
from panelml.core.block import Block
from panelml.core.row_values import RowValues
from panelml.data.sample import Sample
from panelml.engine.fold import fold
from panelml.glm.core.index import offset_of
from panelml.glm.core.poisson import PoissonSums
from panelml.glm.core.unit_sums import UnitModel
from panelml.glm.core.unit_totals import PoissonGamma
from panelml.glm.fit.problem import Maximum
from panelml.glm.fit.unit_likelihood import UnitMaximum, UnitProblem
from panelml.glm.results.likelihood_measures import likelihood_measures
from panelml.glm.results.unit_rates import GammaEffects
from panelml.glm.totals import TotalsFit, require_counts, unit_problem
from panelml.results.facts import Assumption
from panelml.results.fit import Fit
from panelml.results.measures import Measures

__all__ = ["fit_gamma"]

BOUNDARY = (
    "The variance of the unit effects is estimated at its bound, zero: the counts of units vary no "
    "more than those of a Poisson distribution do, and the estimates are those of pooled Poisson "
    "regression."
)


@dataclass(frozen=True, slots=True)
class GammaMaximum:
    """The maximum, inside or at alpha = 0.

    Attributes
    ----------
    problem : UnitProblem
    inside : UnitMaximum, or None
        None at the bound.
    pooled_loglik : float
        At the bound.
    """

    problem: UnitProblem
    inside: UnitMaximum | None
    pooled_loglik: float

    @classmethod
    def of(cls, pooled: Maximum) -> GammaMaximum:
        """Maximise, and compare with the likelihood without effects."""
        problem = unit_problem(pooled, PoissonGamma())
        excess, squares = _spread(problem)
        starts = [excess / squares] if excess > 0 else []
        inside: UnitMaximum | None = None
        # At alpha = 0 the likelihood rises by half the excess: where it does not, there may still
        # be a maximum inside.
        for start in (*starts, 1.0):
            inside = problem.maximise(np.log([start]))
            if inside is not None:
                break
        loglik = _pooled_loglik(pooled)
        if inside is not None and inside.loglik <= loglik:
            inside = None
        return cls(problem, inside, loglik)

    @property
    def loglik(self) -> float:
        """The log-likelihood."""
        return self.pooled_loglik if self.inside is None else self.inside.loglik

    @property
    def model_params(self) -> FloatArray:
        """Parameters of the model, the logarithm of alpha last, shape (p,)."""
        if self.inside is not None:
            return self.inside.point.params
        return np.append(self.problem.start, -np.inf)


def fit_gamma(spec: object, sample: Sample, notes: tuple[str, ...]) -> Fit:
    """Fit Poisson regression with gamma effects of units.

    Source: Hausman, Hall and Griliches (1984), *Econometrica* 52, section 2.
    """
    require_counts(sample, "Poisson with gamma effects")
    pooled = Maximum.of_sample(sample, ())
    maximum = GammaMaximum.of(pooled)
    inside = maximum.inside
    model, params = maximum.problem.model, maximum.model_params
    bound = _Bound(pooled, model) if inside is None else inside
    return TotalsFit(
        spec=spec,
        pooled=pooled,
        name="Poisson",
        details=("gamma effects",),
        auxiliary=() if inside is None else PoissonGamma.auxiliary,
        params=bound.params,
        covariance=bound.covariance,
        psi=bound.psi,
        measures=_measures(maximum),
        assumption=Assumption.RANDOM_UNITS,
        notes=(*notes, *pooled.notes, *((BOUNDARY,) if inside is None else ())),
        effects=GammaEffects(pooled.problem.columns, model, params),
    ).fit


@dataclass(frozen=True, slots=True)
class _Bound:
    """The pooled regression, whose influence is summed by unit.

    Attributes
    ----------
    pooled : Maximum
    model : UnitModel
    """

    pooled: Maximum
    model: UnitModel

    @property
    def params(self) -> FloatArray:
        """Constant and slopes, shape (k,)."""
        return self.pooled.solved.params

    @property
    def covariance(self) -> FloatArray:
        """Inverse information, shape (k, k)."""
        return self.pooled.solved.model_cov(1.0)

    @property
    def psi(self) -> FloatArray:
        """How each unit moved the parameters, shape (k, g)."""
        equation = self.pooled.equation

        def scores(block: Block) -> RowValues:
            rows = equation.scores(block)
            return RowValues(rows.unit_sums(rows.values)[1])

        return equation.bread @ fold(self.pooled.problem.sample, scores).values


def _spread(problem: UnitProblem) -> tuple[float, float]:
    """Sum over units ``(Y - L)^2 - Y`` and ``L^2``, at the rates of the pooled regression."""
    model, params = problem.model, np.append(problem.start, 0.0)

    def moments(block: Block) -> RowValues:
        _, weights = model.weights_of(block)
        rates, totals = model.totals(block, params)
        return RowValues(np.stack([(totals - rates) ** 2 - totals, rates**2]) * weights)

    excess, squares = fold(problem.rows, moments).values.sum(axis=1)
    return float(excess), float(squares)


def _pooled_loglik(pooled: Maximum) -> float:
    problem, rates = pooled.problem, pooled.rates

    def sums(block: Block) -> PoissonSums:
        rows = problem.columns(block)
        return PoissonSums.of(rows.outcome, rows.row_weights, rates.log_mean(rows), offset_of(rows))

    return fold(problem.held, sums).loglik


def _measures(maximum: GammaMaximum) -> Measures:
    problem = maximum.problem.problem
    ratio = 2 * (maximum.loglik - maximum.pooled_loglik)
    inside = maximum.inside is not None
    others = {
        "lr_alpha": ratio,
        "p_alpha": float(chi2.sf(ratio, 1)) / 2 if inside else 1.0,
    }
    if not inside:
        others = {"alpha": 0.0, **others}
    null = None
    if problem.constant:
        alone = replace(problem, columns=problem.columns.only(np.zeros(0, dtype=np.int64)))
        null = GammaMaximum.of(Maximum.of(alone)).loglik
    return likelihood_measures(
        maximum.loglik,
        maximum.problem.start.size + inside,
        round(problem.moments.weight),
        null=null,
        others=others,
    )
