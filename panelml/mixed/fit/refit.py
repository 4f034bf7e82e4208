"""Fitting a mixed model again to other outcomes, from what does not change."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TypeAlias

import numpy as np

from panelml._typing import FloatArray
from panelml.core.pair import Pair
from panelml.data.sample import Sample
from panelml.engine.fold import fold
from panelml.mixed.core.crossed_criterion import CrossedModel
from panelml.mixed.core.factors import CrossedFactors, GroupingFactor
from panelml.mixed.core.optimum import (
    FittedState,
    MixedOptimum,
    MixedProblem,
    SingleFactor,
    StartedAt,
    maximise_mixed,
    start_factor,
)
from panelml.mixed.core.residual_crossed import ResidualLayout
from panelml.mixed.core.residual_forms import ResidualForm
from panelml.mixed.core.residual_optimum import FLAT, maximise_residual
from panelml.mixed.core.residual_rows import UnitRows
from panelml.mixed.core.unit_products import MixedMoments
from panelml.mixed.core.working_columns import WorkingColumns
from panelml.mixed.core.working_rows import Truth, WorkingRows, crossed_problem, single_problem
from panelml.mixed.fit.multilevel import (
    crossed_model,
    fitted_model,
    single_moments,
)

__all__ = ["AnyRefitter", "Refit", "Refitter", "ResidualRefitter"]


@dataclass(frozen=True, slots=True)
class Refit:
    """Estimates from one outcome.

    Attributes
    ----------
    params : FloatArray, shape (k,)
        Fixed effects in the user's terms.
    cov : FloatArray, shape (k, k)
        Their covariance as the model implies it.
    relative : FloatArray, shape (q, q)
        Covariance of the working random coefficients over the residual variance.
    sigma2 : float
    loglik : float
    converged : bool
    theta : FloatArray, shape (size,)
        Parameters of the residuals' covariance.
    """

    params: FloatArray
    cov: FloatArray
    relative: FloatArray
    sigma2: float
    loglik: float
    converged: bool
    theta: FloatArray = field(default_factory=lambda: np.zeros(0))

    @classmethod
    def of(
        cls,
        at: FittedState,
        columns: WorkingColumns,
        *,
        restricted: bool,
        converged: bool,
    ) -> Refit:
        """Return to the user's terms."""
        back = columns.fixed_back
        deviance = at.deviance + (2 * columns.log_scale if restricted else 0.0)
        return cls(
            back @ at.coef + columns.offset,
            at.sigma2 * back @ at.phi @ back.T,
            at.factor @ at.factor.T,
            at.sigma2,
            -deviance / 2,
            converged,
        )

    @classmethod
    def failed(cls, columns: WorkingColumns) -> Refit:
        """Return missing values where a likelihood could not be maximised."""
        p, q = len(columns.fixed_back), len(columns.structure)
        none = np.full((p, p), np.nan)
        return cls(none[0], none, np.full((q, q), np.nan), np.nan, np.nan, False)


@dataclass(frozen=True, slots=True)
class Refitter:
    """A mixed model without its outcome.

    Attributes
    ----------
    rows : WorkingRows
    products : MixedMoments or CrossedModel
        With one grouping factor, or several.
    columns : WorkingColumns
    factor : FloatArray, shape (q, q)
        Where iterations start.
    restricted : bool
    """

    rows: WorkingRows
    products: MixedMoments | CrossedModel
    columns: WorkingColumns
    factor: FloatArray
    restricted: bool

    @classmethod
    def of(
        cls,
        sample: Sample,
        columns: WorkingColumns,
        factors: tuple[GroupingFactor, ...],
        relative: FloatArray,
        *,
        restricted: bool,
    ) -> Refitter:
        """Pass over the rows of a sample.

        Parameters
        ----------
        sample : Sample
            Laid out by the first factor.
        columns : WorkingColumns
        factors : tuple of GroupingFactor
        relative : FloatArray, shape (q, q)
            Iterations start near it.
        restricted : bool
        """
        others = CrossedFactors.of(factors[0], factors[1:]).others
        rows = fold(sample, lambda block: WorkingRows.of(block, columns.basis, others))
        products: MixedMoments | CrossedModel
        if others:
            products = crossed_model(sample, columns, factors)
        else:
            products = single_moments(sample, columns)
        return cls(rows, products, columns, start_factor(relative, columns.structure), restricted)

    def problem(self, outcome: FloatArray) -> SingleFactor | CrossedModel:
        """Return the likelihood of an outcome in the user's terms, shape (n,)."""
        y = self.rows.to_working(outcome)
        if isinstance(self.products, CrossedModel):
            return crossed_problem(self.rows, self.products, y)
        return single_problem(self.rows, self.products, y)

    def fit(self, outcome: FloatArray) -> Refit:
        """Estimate the model from an outcome in the user's terms, shape (n,)."""
        return self.estimate(self.problem(outcome))

    def estimate(self, problem: SingleFactor | CrossedModel) -> Refit:
        """Maximise a likelihood, and return to the user's terms."""
        chosen = fitted_model(problem) if isinstance(problem, CrossedModel) else problem
        any_problem: MixedProblem[FittedState] = chosen
        started = StartedAt(any_problem, self.factor)
        try:
            optimum: MixedOptimum[FittedState] = maximise_mixed(
                started, self.columns.structure, restricted=self.restricted
            )
        except np.linalg.LinAlgError:
            return Refit.failed(self.columns)
        return Refit.of(
            optimum.criterion,
            self.columns,
            restricted=self.restricted,
            converged=optimum.converged,
        )

    def draw(
        self, truth: Truth, seed: int, rep: int, given: tuple[FloatArray, ...] | None = None
    ) -> FloatArray:
        """Draw an outcome in the user's terms, shape (n,)."""
        return np.asarray(self.rows.to_outcome(truth.draw(self.rows, seed, rep, given)))


@dataclass(frozen=True, slots=True)
class ResidualRefitter:
    """A mixed model with dependent residuals, without its outcome.

    Attributes
    ----------
    rows : WorkingRows
        Made independent, to draw outcomes.
    plain : UnitRows
        As they are.
    columns : WorkingColumns
    layout : ResidualLayout
    form : ResidualForm
    theta : FloatArray, shape (size,)
        Where iterations start.
    restricted : bool
    """

    rows: WorkingRows
    plain: UnitRows
    columns: WorkingColumns
    layout: ResidualLayout
    form: ResidualForm
    theta: FloatArray
    restricted: bool

    @classmethod
    def of(
        cls, sample: Sample, columns: WorkingColumns, layout: ResidualLayout, *, restricted: bool
    ) -> ResidualRefitter:
        """Pass over the rows of a sample, whose columns were made independent."""
        basis, whitening, others = columns.basis, columns.basis.whitening, layout.factors.others
        assert whitening is not None
        facts, form, theta = whitening.facts, whitening.form, whitening.theta
        found = fold(
            sample,
            lambda block: Pair(
                WorkingRows.of(block, basis, others),
                UnitRows.of(block, basis.plain, facts, others),
            ),
        )
        return cls(found.first, found.second, columns, layout, form, theta, restricted)

    def fit(self, outcome: FloatArray) -> Refit:
        """Estimate the model from an outcome in the user's terms, shape (n,)."""
        changed = self.plain.columns.with_outcome(self.rows.to_working(outcome))
        problem = self.layout.likelihood(replace(self.plain, columns=changed), self.form)
        try:
            found = maximise_residual(
                problem, self.columns.structure, restricted=self.restricted, starts=[self.theta]
            )
        except np.linalg.LinAlgError:
            return Refit.failed(self.columns)
        at = found.mixed.criterion
        certain = found.converged and found.least >= FLAT
        refit = Refit.of(at, self.columns, restricted=self.restricted, converged=certain)
        return replace(refit, theta=found.theta)

    def draw(
        self, truth: Truth, seed: int, rep: int, given: tuple[FloatArray, ...] | None = None
    ) -> FloatArray:
        """Draw an outcome in the user's terms, shape (n,)."""
        return np.asarray(self.rows.to_outcome(truth.draw(self.rows, seed, rep, given)))


AnyRefitter: TypeAlias = Refitter | ResidualRefitter
