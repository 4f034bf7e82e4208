"""Results of mixed models: fixed effects as everywhere, and what varies between groups."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields

import numpy as np
import pandas as pd

from panelml._typing import FloatArray, IntArray
from panelml.core.block import Block
from panelml.core.blup import CrossedPrediction, UnitPrediction
from panelml.data.formula import Effect
from panelml.data.sample import Sample
from panelml.engine.fold import fold
from panelml.results.base import Results
from panelml.results.prediction import RowValues
from panelml.results.variance import (
    ComponentErrors,
    component_errors,
    correlation_interval,
    variance_interval,
)

__all__ = ["Certificate", "MixedResults", "RandomCoefficients", "RandomPart"]


@dataclass(frozen=True, slots=True)
class Certificate:
    """Why a mixed model's iteration counts as converged.

    Attributes
    ----------
    converged : bool
    decrement : float
        Deviance that one more Newton step would gain.
    cone : float
        Largest violation, per group, of the first-order condition on covariance matrices.
    evaluations : int
        Evaluations of the likelihood with its derivatives.
    """

    converged: bool
    decrement: float
    cone: float
    evaluations: int


@dataclass(frozen=True, slots=True)
class RandomPart:
    """The random coefficients of one grouping factor.

    Attributes
    ----------
    group : tuple of str
        The grouping factor's columns.
    labels : tuple of str
        Random coefficients, in the user's terms.
    random : IntArray, shape (q,)
        Their positions among all random coefficients.
    cov : FloatArray, shape (q, q)
        Their covariance.
    relative : FloatArray, shape (q, q)
        Covariance of the working coefficients over the residual variance.
    back : FloatArray, shape (q, q)
        From the working to the user's coefficients.
    """

    group: tuple[str, ...]
    labels: tuple[str, ...]
    random: IntArray
    cov: FloatArray
    relative: FloatArray
    back: FloatArray

    @property
    def name(self) -> str:
        """The grouping factor in words, as ``school:class``."""
        return ":".join(self.group)

    @property
    def deviations(self) -> FloatArray:
        """Standard deviations of the coefficients, shape (q,)."""
        return np.sqrt(np.maximum(np.diag(self.cov), 0.0))

    def correlations(self) -> dict[tuple[int, int], float]:
        """Correlations of the pairs of coefficients that may be correlated."""
        scale = np.outer(self.deviations, self.deviations)
        return {
            (a, b): float(self.cov[a, b] / scale[a, b]) if scale[a, b] > 0 else float("nan")
            for b in range(len(self.labels))
            for a in range(b)
            if self.cov[a, b] != 0
        }

    def note(self) -> str:
        """Boundaries in words; empty inside."""
        zero = [
            label
            for label, size in zip(self.labels, np.diag(self.relative), strict=True)
            if size < 1e-10
        ]
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

    def table(self, sample: Sample, working: FloatArray) -> pd.DataFrame:
        """Frame of the user's coefficients by level, from the working ones, shape (q, levels)."""
        single = self.group == (sample.panel.unit,) or self.name == sample.panel.unit
        labels = sample.unit_labels if single else sample.panel.labels(self.group)
        columns = ["effect" if label == "Intercept" else label for label in self.labels]
        index = pd.Index(labels, name=self.name)
        return pd.DataFrame((self.back @ working).T, index=index, columns=columns)


@dataclass(frozen=True, slots=True)
class RandomCoefficients:
    """The random side of a mixed model.

    Attributes
    ----------
    parts : tuple of RandomPart
        One for each grouping factor, that with most levels first.
    prediction : UnitPrediction or CrossedPrediction
    sigma2 : float
        Residual variance.
    loglik : float
        Maximum of the (restricted) log-likelihood.
    certificate : Certificate
    """

    parts: tuple[RandomPart, ...]
    prediction: UnitPrediction | CrossedPrediction
    sigma2: float
    loglik: float
    certificate: Certificate

    def extras(self) -> dict[str, float]:
        """Standard deviations and correlations, by readable names."""
        found: dict[str, float] = {}
        for part in self.parts:
            for label, deviation in zip(part.labels, part.deviations, strict=True):
                found[f"sd({label} | {part.name})"] = float(deviation)
            for (a, b), correlation in part.correlations().items():
                found[f"corr({part.labels[a]}, {part.labels[b]} | {part.name})"] = correlation
        return {**found, "sd(residual)": float(np.sqrt(self.sigma2))}

    def notes(self) -> tuple[str, ...]:
        """Boundaries in words."""
        return tuple(note for part in self.parts if (note := part.note()))

    def tables(
        self, sample: Sample, error: Callable[[Block], FloatArray]
    ) -> dict[Effect, pd.DataFrame]:
        """Best linear unbiased predictions of the random coefficients of each level."""
        prediction = self.prediction
        if isinstance(prediction, UnitPrediction):
            values = fold(sample, lambda block: RowValues(prediction.coefficients(block))).values
            return {Effect(self.parts[0].group): self.parts[0].table(sample, values)}
        working = (prediction.units, *(values for _, values in prediction.others))
        return {
            Effect(part.group): part.table(sample, values)
            for part, values in zip(self.parts, working, strict=True)
        }


@dataclass(frozen=True, eq=False, repr=False)
class MixedResults(Results):
    """Results of a mixed model.

    Attributes
    ----------
    random : RandomCoefficients
        The random side; the other attributes are those of Results.
    """

    random: RandomCoefficients

    @classmethod
    def of(cls, base: Results, random: RandomCoefficients) -> MixedResults:
        """Complete the results of the fixed side."""
        return cls(**{f.name: getattr(base, f.name) for f in fields(base)}, random=random)

    @property
    def converged(self) -> bool:
        """Whether both certificates of the optimum hold."""
        return self.random.certificate.converged

    @property
    def sigma2(self) -> float:
        """Residual variance."""
        return self.random.sigma2

    def variance(self, level: float = 0.95) -> pd.DataFrame:
        """Variance components with their levels named.

        Returns
        -------
        DataFrame
            A row for each variance, for each covariance (``other`` names the second term, ``sd``
            is the correlation) and for the residual. With one grouping factor, standard errors
            of the variances and covariances by the observed information, and intervals: of
            variances on the log scale, of correlations by Fisher's transformation.
        """
        errors = self._component_errors()
        rows: list[tuple[object, ...]] = []
        for part in self.random.parts:
            for a, label in enumerate(part.labels):
                value, error = float(part.cov[a, a]), errors.single[a, a] if errors else np.nan
                bounds = variance_interval(value, error, level)
                rows.append((part.name, label, "", value, part.deviations[a], error, *bounds))
            for (a, b), correlation in part.correlations().items():
                error, bounds = np.nan, (np.nan, np.nan)
                if errors:
                    error = errors.single[a, b]
                    bounds = correlation_interval(errors, part.cov, (a, b), level)[1:]
                pair = (part.labels[a], part.labels[b])
                rows.append((part.name, *pair, part.cov[a, b], correlation, error, *bounds))
        error = errors.residual if errors else np.nan
        bounds = variance_interval(self.sigma2, error, level)
        rows.append(("residual", "", "", self.sigma2, self.sigma2**0.5, error, *bounds))
        names = ["group", "term", "other", "variance", "sd", "std_error", "conf_low", "conf_high"]
        return pd.DataFrame(rows, columns=names)

    def _component_errors(self) -> ComponentErrors | None:
        curvature = self._attached.estimate.curvature if self._attached else None
        if curvature is None:
            return None
        return component_errors(curvature.information(), self.random.parts[0].back)

    def random_effects(self) -> dict[str, pd.DataFrame]:
        """Predicted random coefficients: for each grouping factor, a frame by level."""
        return {
            name: table.rename(columns={"effect": "Intercept"})
            for name, table in self.effects().items()
        }

    def icc(self) -> pd.Series[float]:
        """Share of the variance of random intercepts of each level in the total."""
        variances = {
            part.name: float(
                part.cov[part.labels.index("Intercept"), part.labels.index("Intercept")]
            )
            for part in self.random.parts
            if "Intercept" in part.labels
        }
        total = sum(variances.values()) + self.sigma2
        return pd.Series({name: value / total for name, value in variances.items()}, name="icc")
