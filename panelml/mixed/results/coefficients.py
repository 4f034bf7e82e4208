"""Random coefficients: their covariances by grouping factor, and their predictions by level."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from panelml._typing import BoolArray, FloatArray, IntArray
from panelml.core.block import Block
from panelml.core.row_values import RowValues
from panelml.data.formula.formula import Effect
from panelml.data.sample import Sample
from panelml.engine.fold import fold
from panelml.errors import SpecificationError
from panelml.mixed.core.blup import CrossedPrediction, UnitPrediction
from panelml.mixed.core.factors import GroupingFactor
from panelml.mixed.core.working_columns import WorkingColumns
from panelml.mixed.fit.multilevel import require_dense
from panelml.mixed.fit.sample_fit import MultilevelFit
from panelml.mixed.results.component_errors import (
    ComponentErrors,
    correlation_interval,
    variance_interval,
)
from panelml.results.levels_of import readable, sample_levels, unit_levels

__all__ = ["Certificate", "FactorCoefficients", "RandomCoefficients"]

# Relative to the residual variance, in columns of mean square one.
ZERO_VARIANCE = 1e-10


@dataclass(frozen=True, slots=True)
class Certificate:
    """Why a mixed model's iteration counts as converged.

    Attributes
    ----------
    converged : bool
    decrement : float
        Deviance that one more Newton step would gain.
    cone : float
        Deviance that more variance of the random coefficients in some direction would gain.
    evaluations : int
        Evaluations of the likelihood with its derivatives.
    """

    converged: bool
    decrement: float
    cone: float
    evaluations: int


@dataclass(frozen=True, slots=True)
class FactorCoefficients:
    """The random coefficients of one grouping factor.

    Attributes
    ----------
    factor : GroupingFactor
    labels : tuple of str
        Random coefficients, in the user's terms.
    cov : FloatArray, shape (q, q)
        Their covariance, exactly zero where a variance is estimated at zero.
    structure : BoolArray, shape (q, q)
        Which of them may be correlated.
    relative : FloatArray, shape (q, q)
        Covariance of the working coefficients over the residual variance.
    back : FloatArray, shape (q, q)
        From the working to the user's coefficients.
    """

    factor: GroupingFactor
    labels: tuple[str, ...]
    cov: FloatArray
    structure: BoolArray
    relative: FloatArray
    back: FloatArray

    @classmethod
    def of(
        cls,
        factor: GroupingFactor,
        labels: tuple[str, ...],
        columns: WorkingColumns,
        cov: FloatArray,
        relative: FloatArray,
    ) -> FactorCoefficients:
        """Take those of one factor from the covariances of all, shape (q, q)."""
        entries = np.ix_(factor.random, factor.random)
        return cls(
            factor,
            tuple(labels[j] for j in factor.random),
            cov[entries],
            columns.structure[entries],
            relative[entries],
            columns.random_back[entries],
        )

    @property
    def group(self) -> tuple[str, ...]:
        """The grouping factor's columns."""
        return self.factor.group

    @property
    def random(self) -> IntArray:
        """Positions of the coefficients among all random ones, shape (q,)."""
        return self.factor.random

    @property
    def name(self) -> str:
        """The grouping factor in words, as ``school:class``."""
        return ":".join(self.group)

    @property
    def deviations(self) -> FloatArray:
        """Standard deviations of the coefficients, shape (q,)."""
        return np.sqrt(np.maximum(np.diag(self.cov), 0.0))

    def correlations(self) -> dict[tuple[int, int], float]:
        """Correlations of the pairs that may be correlated; nan where a variance is zero."""
        scale = np.outer(self.deviations, self.deviations)
        return {
            (a, b): float(self.cov[a, b] / scale[a, b]) if scale[a, b] > 0 else float("nan")
            for b in range(len(self.labels))
            for a in range(b)
            if self.structure[a, b]
        }

    def rows(
        self, errors: ComponentErrors | None, whole: FloatArray, level: float
    ) -> Iterator[tuple[object, ...]]:
        """Rows of a table of variances and covariances, with their standard errors and intervals.

        ``whole`` is the covariance of all random coefficients, shape (q, q).
        """
        places = self.random
        for a, label in enumerate(self.labels):
            value = float(self.cov[a, a])
            error = errors.single[places[a], places[a]] if errors and value > 0 else np.nan
            bounds = variance_interval(value, error, level)
            yield (self.name, label, "", value, self.deviations[a], error, *bounds)
        for (a, b), correlation in self.correlations().items():
            error, bounds = np.nan, (np.nan, np.nan)
            if errors and np.isfinite(correlation):
                error = errors.single[places[a], places[b]]
                bounds = correlation_interval(errors, whole, (places[a], places[b]), level)[1:]
            pair = (self.labels[a], self.labels[b])
            yield (self.name, *pair, self.cov[a, b], correlation, error, *bounds)

    def note(self) -> str:
        """Boundaries in words; empty inside."""
        zero = [self.labels[a] for a in np.flatnonzero(np.diag(self.cov) == 0)]
        if zero:
            return (
                f"The variance of {', '.join(zero)} between {self.name} is estimated at 0: the "
                "likelihood is highest there."
            )
        values = np.linalg.eigvalsh(self.relative)
        if values[0] < 1e-9 * values[-1]:
            return (
                f"The random coefficients of {self.name} are estimated to be perfectly "
                "correlated: the likelihood is highest there."
            )
        return ""

    def table(self, levels: pd.Index[Any], working: FloatArray) -> pd.DataFrame:
        """Frame of the user's coefficients by level, from the working ones, shape (q, levels)."""
        columns = ["effect" if label == "Intercept" else label for label in self.labels]
        return pd.DataFrame(
            (self.back @ working).T, index=readable(levels, self.name), columns=columns
        )


@dataclass(frozen=True, slots=True)
class RandomCoefficients:
    """The estimated random coefficients of a mixed model.

    Attributes
    ----------
    parts : tuple of FactorCoefficients
        One for each grouping factor, that with most levels first.
    prediction : UnitPrediction or CrossedPrediction
    sigma2 : float
        Residual variance.
    loglik : float
        Maximum of the (restricted) log-likelihood.
    certificate : Certificate
    columns : WorkingColumns
    restricted : bool
    """

    parts: tuple[FactorCoefficients, ...]
    prediction: UnitPrediction | CrossedPrediction
    sigma2: float
    loglik: float
    certificate: Certificate
    columns: WorkingColumns
    restricted: bool

    @classmethod
    def of(cls, fit: MultilevelFit) -> RandomCoefficients:
        """Carry the working coefficients of a fit over to the user's."""
        optimum, columns, layout = fit.levels.optimum, fit.columns, fit.layout
        state, relative, back = optimum.criterion, fit.levels.relative, columns.random_back
        cov = state.sigma2 * _without_zeros(back @ relative @ back.T, back)
        parts = tuple(
            FactorCoefficients.of(factor, layout.labels, columns, cov, relative)
            for factor in layout.factors
        )
        deviance = state.deviance + (2 * columns.log_scale if fit.restricted else 0.0)
        return cls(
            parts,
            fit.levels.prediction,
            state.sigma2,
            -deviance / 2,
            Certificate(optimum.converged, optimum.decrement, optimum.cone, optimum.evaluations),
            columns,
            fit.restricted,
        )

    def moved(self, relative: FloatArray, sigma2: float, loglik: float) -> RandomCoefficients:
        """Return the same terms at other variances.

        Parameters
        ----------
        relative : FloatArray, shape (q, q)
            Covariance of the working coefficients over the residual variance.
        sigma2, loglik : float
        """
        back = self.columns.random_back
        cov = sigma2 * _without_zeros(back @ relative @ back.T, back)
        parts = tuple(
            replace(
                part,
                cov=cov[np.ix_(part.random, part.random)],
                relative=relative[np.ix_(part.random, part.random)],
            )
            for part in self.parts
        )
        return replace(self, parts=parts, sigma2=sigma2, loglik=loglik)

    @property
    def relative(self) -> FloatArray:
        """Covariance of all working coefficients over the residual variance, shape (q, q)."""
        total = np.zeros((self.prediction.basis.n_random,) * 2)
        for part in self.parts:
            total[np.ix_(part.random, part.random)] = part.relative
        return total

    @property
    def cov(self) -> FloatArray:
        """Covariance of all the user's coefficients, shape (q, q)."""
        total = np.zeros((self.prediction.basis.n_random,) * 2)
        for part in self.parts:
            total[np.ix_(part.random, part.random)] = part.cov
        return total

    @property
    def n_parameters(self) -> int:
        """Number of variances and covariances."""
        return sum(len(part.labels) + len(part.correlations()) for part in self.parts)

    def intercept_variances(self) -> dict[str, float]:
        """Variances of the random intercepts by grouping factor, of those that have one."""
        return {
            part.name: float(part.cov[a, a])
            for part in self.parts
            for a, label in enumerate(part.labels)
            if label == "Intercept"
        }

    def icc(self) -> dict[str, float]:
        """Share of the variance of random intercepts of each level in the total."""
        variances = self.intercept_variances()
        total = sum(variances.values()) + self.sigma2
        return {name: value / total for name, value in variances.items()}

    def extras(self) -> dict[str, float]:
        """Standard deviations and correlations, by readable names."""
        named: dict[str, float] = {}
        for part in self.parts:
            for label, deviation in zip(part.labels, part.deviations, strict=True):
                named[f"sd({label} | {part.name})"] = float(deviation)
            for (a, b), correlation in part.correlations().items():
                named[f"corr({part.labels[a]}, {part.labels[b]} | {part.name})"] = correlation
        return {**named, "sd(residual)": float(np.sqrt(self.sigma2))}

    def notes(self) -> tuple[str, ...]:
        """Boundaries in words."""
        return tuple(note for part in self.parts if (note := part.note()))

    def tables(
        self, sample: Sample, error: Callable[[Block], FloatArray]
    ) -> dict[Effect, pd.DataFrame]:
        """Best linear unbiased predictions of the random coefficients of each level."""
        return {
            Effect(part.group): part.table(levels, working)
            for part, levels, working in self.working(sample)
        }

    def working(self, sample: Sample) -> list[tuple[FactorCoefficients, pd.Index[Any], FloatArray]]:
        """Return each part with the levels that the sample has, and their working coefficients.

        Coefficients have the shape (q, levels).
        """
        prediction = self.prediction
        if not self.parts:
            return []
        if isinstance(prediction, UnitPrediction):
            values = fold(sample, lambda block: RowValues(prediction.coefficients(block))).values
            return [(self.parts[0], unit_levels(sample, self.parts[0].group), values)]
        working, parts = [], self.parts
        units, *others = prediction.levels
        if prediction.factors.first.random.size:
            working = [(parts[0], unit_levels(sample, parts[0].group), units)]
            parts = parts[1:]
        for part, values in zip(parts, others, strict=True):
            levels, present = sample_levels(sample, part.group)
            working.append((part, levels, values[:, present]))
        return working

    def spreads(self, sample: Sample) -> list[FloatArray]:
        """Conditional covariances of the user's coefficients, (q, q, levels) for each part.

        Levels are those of ``working``, in the same order.
        """
        prediction = self.prediction
        if not self.parts:
            return []
        if isinstance(prediction, UnitPrediction):
            q = len(self.parts[0].labels)

            def flat(block: Block) -> RowValues:
                return RowValues(prediction.spreads(block).reshape(q * q, -1))

            spreads = [fold(sample, flat).values.reshape(q, q, -1)]
        else:
            require_dense(prediction.factors, "A conditional standard deviation")
            products = fold(sample, prediction.products)
            spreads = prediction.spreads(products, self.relative)
            with_first = int(prediction.factors.first.random.size > 0)
            spreads = spreads[1 - with_first :]
            for place, part in enumerate(self.parts[with_first:], start=with_first):
                spreads[place] = spreads[place][:, :, sample_levels(sample, part.group)[1]]
        return [
            self.sigma2 * np.einsum("ab,bcg,dc->adg", part.back, spread, part.back)
            for part, spread in zip(self.parts, spreads, strict=True)
        ]

    def variances(self, z: FloatArray) -> FloatArray:
        """Variance of the random part of rows by grouping factor, shape (parts, n).

        Parameters
        ----------
        z : FloatArray, shape (q, n)
            Working random regressors.
        """
        by_part = [(z[p.random] * (p.relative @ z[p.random])).sum(axis=0) for p in self.parts]
        return self.sigma2 * np.array(by_part).reshape(len(self.parts), z.shape[1])

    def one_factor(self, what: str) -> UnitPrediction:
        """Return the prediction by units, of a model with one grouping factor.

        Raises
        ------
        SpecificationError
            Saying what needs it, if there are several.
        """
        if isinstance(self.prediction, UnitPrediction):
            return self.prediction
        names = ", ".join(part.name for part in self.parts)
        raise SpecificationError(f"{what} needs one grouping factor; here are {names}.")


def _without_zeros(cov: FloatArray, back: FloatArray) -> FloatArray:
    """Make zero what is too small, in well-scaled columns, to be told from it."""
    zero = np.diag(cov) <= ZERO_VARIANCE * (back**2).sum(axis=1)
    return np.where(zero[:, None] | zero, 0.0, cov)
