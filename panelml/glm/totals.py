"""What models of counts by unit totals share: the sample they need, and the fit they hand over."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from panelml._typing import FloatArray, IntArray
from panelml.core.block import Block
from panelml.core.groups import is_constant
from panelml.core.links import LOG
from panelml.core.row_values import RowValues
from panelml.data.formula.formula import Formula
from panelml.data.sample import Sample
from panelml.engine.fold import fold
from panelml.errors import SpecificationError, listing
from panelml.glm.core.unit_sums import UnitModel
from panelml.glm.core.unit_totals import TotalLikelihood
from panelml.glm.fit.problem import Maximum
from panelml.glm.fit.separated import outcome_values
from panelml.glm.fit.unit_likelihood import UnitProblem
from panelml.inference.correction import Counts
from panelml.inference.estimate import Estimate
from panelml.inference.influence import UnitInfluence
from panelml.results.facts import Assumption, Facts
from panelml.results.fit import Fit, sample_statistics
from panelml.results.measures import Measures
from panelml.results.prediction import EffectModel, Predictor

__all__ = ["TotalsFit", "refuse_absorbed", "require_counts", "unit_problem"]


def refuse_absorbed(formula: Formula, model: str) -> None:
    """Refuse effects after ``|``.

    Raises
    ------
    SpecificationError
        Saying what to write instead.
    """
    if formula.effects:
        words = " + ".join(map(str, formula.effects))
        raise SpecificationError(
            f"{model} has effects of units already, and absorbs no others, but the formula has "
            f"'| {words}'. Write few levels as regressors, as in C(year)."
        )


def require_counts(sample: Sample, model: str) -> None:
    """Require whole numbers, and weights that say what they mean for a unit.

    Raises
    ------
    SpecificationError
        Naming the rows.
    """
    outcome = outcome_values(sample)
    rows = np.flatnonzero(outcome != np.rint(outcome))
    name = sample.design.outcome.names[0] if sample.design.outcome else ""
    if rows.size:
        raise SpecificationError(
            f"The outcome {name!r} is not a whole number in {rows.size:,} rows (row "
            f"{listing(_places(sample, rows))}), and {model} is a distribution of counts. "
            "Poisson with unit effects, as in 'y ~ x | unit', takes any outcome that is not "
            "negative."
        )
    if sample.weighting != "analytic" or sample.weights is None:
        return
    column = sample.weights.column

    def uneven(block: Block) -> RowValues:
        weights, starts = block.row_weights, block.starts
        if is_constant(weights, starts):
            return RowValues(np.zeros((1, block.n)))
        return RowValues((weights != np.repeat(weights[starts[:-1]], block.sizes))[None] * 1.0)

    rows = np.flatnonzero(fold(sample, uneven).values[0])
    if rows.size:
        raise SpecificationError(
            f"The weights {column!r} differ between rows of a unit (row "
            f"{listing(_places(sample, rows))}). The rows of a unit have one likelihood together, "
            f"which one weight multiplies; counts of equal rows are weights='frequency:{column}'."
        )


def _places(sample: Sample, rows: IntArray) -> list[int]:
    kept = rows if sample.keep is None else np.flatnonzero(sample.keep)[rows]
    return sorted(sample.source.index.position(int(row)) for row in kept)


def unit_problem(pooled: Maximum, likelihood: TotalLikelihood) -> UnitProblem:
    """State a likelihood of units with the rows and regressors of a pooled regression."""
    problem = pooled.problem
    moments, columns = problem.moments, problem.columns
    squares = np.diag(moments.centred)[1:][columns.columns] / moments.weight
    squares = squares + (moments.mean[1:][columns.columns] - columns.centre) ** 2
    scale = np.sqrt(np.where(squares > 0, squares, 1.0))
    repeated = problem.sample.weighting == "frequency"
    return UnitProblem(pooled, UnitModel(likelihood, problem.constant, scale, repeated))


@dataclass(frozen=True, slots=True)
class TotalsFit:
    """What a likelihood of unit totals hands over.

    Attributes
    ----------
    spec : object
    pooled : Maximum
        Of the Poisson likelihood without effects.
    details : tuple of str
        Of the title.
    auxiliary : tuple of str
        Names of parameters beside constant and slopes.
    params : FloatArray, shape (p,)
    covariance : FloatArray, shape (p, p)
    psi : FloatArray, shape (p, g)
    measures : Measures
    assumption : Assumption, or None
    notes : tuple of str
    effects : EffectModel, or None
    shift : float
        What is added to the index in predictions.
    """

    spec: object
    pooled: Maximum
    name: str
    details: tuple[str, ...]
    auxiliary: tuple[str, ...]
    params: FloatArray
    covariance: FloatArray
    psi: FloatArray
    measures: Measures
    assumption: Assumption | None
    notes: tuple[str, ...]
    effects: EffectModel | None = None
    shift: float = 0.0

    @property
    def fit(self) -> Fit:
        """Describe it to covariances, tests and tables."""
        problem = self.pooled.problem
        sample, constant = problem.sample, problem.constant
        slopes = len(self.params) - constant - len(self.auxiliary)
        nobs = round(problem.moments.weight)
        names = (*self.pooled.solved.names, *self.auxiliary)
        counts = Counts(nobs, slopes, constant, normal=True)
        influence = UnitInfluence(sample, self.psi)
        facts = Facts(
            "other",
            self.name,
            self.details,
            random=((sample.source.unit,),),
            assumption=self.assumption,
            link=LOG,
        )
        coef = self.pooled.slopes
        coef[problem.columns.columns] = self.params[constant : constant + slopes]
        intercept = float(self.params[0]) if constant else 0.0
        return Fit(
            spec=self.spec,
            facts=facts,
            estimate=Estimate(names, influence, self.covariance, counts),
            params=self.params,
            statistics=replace(sample_statistics(sample, self.measures), nobs=nobs),
            predictor=Predictor.of(sample, coef, intercept + self.shift),
            notes=self.notes,
            effects=self.effects,
        )
