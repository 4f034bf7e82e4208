"""Random coefficients of generalised mixed models: covariances, and conditional modes by level."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from panelml._typing import FloatArray
from panelml.core.block import Block
from panelml.core.family.family import Family
from panelml.core.links import CLOGLOG, LOGIT, PROBIT
from panelml.data.formula.formula import Effect
from panelml.data.sample import Sample
from panelml.errors import MissingMeasureError
from panelml.mixed.core.unit_products import MixedBasis
from panelml.mixed.results.coefficients import Certificate, FactorCoefficients
from panelml.mixed.results.component_errors import ComponentErrors
from panelml.results.levels_of import by_code, readable
from panelml.results.prediction import sample_values

__all__ = ["GeneralisedCoefficients", "LevelModes", "latent_variance"]

# Variance of the latent variable's error, where the link says what it is.
LATENT = {LOGIT.name: np.pi**2 / 3, PROBIT.name: 1.0, CLOGLOG.name: np.pi**2 / 6}


def latent_variance(family: Family, auxiliary: FloatArray) -> float | None:
    """Return the variance of the error of the latent variable; None where there is none."""
    if family.name == "censored":
        return float(np.exp(2 * auxiliary[0]))
    return LATENT.get(family.link.name)


@dataclass(frozen=True, slots=True)
class LevelModes:
    """Conditional modes of the random coefficients of one grouping factor, in the user's terms.

    Attributes
    ----------
    levels : Index
        Those of the sample.
    values : FloatArray, shape (q, levels)
    cov : FloatArray, shape (q, q, levels)
        Inverse of the negative Hessian at the modes.
    """

    levels: pd.Index[Any]
    values: FloatArray
    cov: FloatArray


@dataclass(frozen=True, slots=True)
class GeneralisedCoefficients:
    """The estimated random coefficients of a generalised mixed model.

    Attributes
    ----------
    parts : tuple of FactorCoefficients
        One for each grouping factor.
    modes : tuple of LevelModes
        In the same order.
    basis : MixedBasis
        Working random regressors of blocks.
    errors : ComponentErrors, or None
        Of the entries of the covariance of all coefficients.
    family : Family
    auxiliary : FloatArray, shape (m,)
        On the scale of the estimation.
    certificate : Certificate
    points : int
        Of quadrature in each dimension; one is Laplace's approximation.
    """

    parts: tuple[FactorCoefficients, ...]
    modes: tuple[LevelModes, ...]
    basis: MixedBasis
    errors: ComponentErrors | None
    family: Family
    auxiliary: FloatArray
    certificate: Certificate
    points: int

    @property
    def cov(self) -> FloatArray:
        """Covariance of all the user's coefficients, shape (q, q)."""
        total = np.zeros((self.basis.n_random,) * 2)
        for part in self.parts:
            total[np.ix_(part.random, part.random)] = part.cov
        return total

    @property
    def latent(self) -> float | None:
        """Variance of the latent variable's error."""
        return latent_variance(self.family, self.auxiliary)

    @property
    def n_parameters(self) -> int:
        """Number of variances and covariances."""
        return sum(len(part.labels) + len(part.correlations()) for part in self.parts)

    def extras(self) -> dict[str, float]:
        """Standard deviations and correlations, by readable names."""
        named: dict[str, float] = {}
        for part in self.parts:
            for label, deviation in zip(part.labels, part.deviations, strict=True):
                named[f"sd({label} | {part.name})"] = float(deviation)
            for (a, b), correlation in part.correlations().items():
                named[f"corr({part.labels[a]}, {part.labels[b]} | {part.name})"] = correlation
        return named

    def notes(self) -> tuple[str, ...]:
        """Boundaries in words."""
        return tuple(note for part in self.parts if (note := part.note()))

    def intercepts(self) -> dict[str, float]:
        """Variances of the random intercepts by grouping factor."""
        return {
            part.name: float(part.cov[a, a])
            for part in self.parts
            for a, label in enumerate(part.labels)
            if label == "Intercept"
        }

    def icc(self) -> dict[str, float]:
        """Shares of the random intercepts' variances in that of the latent variable.

        Raises
        ------
        MissingMeasureError
            If the outcome has no latent variable.
        """
        if self.latent is None:
            raise MissingMeasureError(
                f"A {self.family.name} outcome with the {self.family.link.name} link has no latent "
                "variable whose variance the random intercepts could have a share in; see "
                "variance()."
            )
        variances = self.intercepts()
        total = sum(variances.values()) + self.latent
        return {name: value / total for name, value in variances.items()}

    def variance_table(self, level: float) -> pd.DataFrame:
        """Tabulate variances, and covariances with correlations."""
        rows = [row for part in self.parts for row in part.rows(self.errors, self.cov, level)]
        names = ["group", "term", "other", "variance", "sd", "std_error", "conf_low", "conf_high"]
        return pd.DataFrame(rows, columns=names)

    def effect_frames(self, *, sd: bool) -> dict[str, pd.DataFrame]:
        """Tabulate conditional modes by level, with conditional standard deviations."""
        tables = {}
        for part, modes in zip(self.parts, self.modes, strict=True):
            index = readable(modes.levels, part.name)
            table = pd.DataFrame(modes.values.T, index=index, columns=list(part.labels))
            if sd:
                deviations = np.sqrt(np.maximum(np.einsum("aag->ga", modes.cov), 0.0))
                table[[f"sd({label})" for label in part.labels]] = deviations
            tables[part.name] = table
        return tables

    def tables(
        self, sample: Sample, error: Callable[[Block], FloatArray]
    ) -> dict[Effect, pd.DataFrame]:
        """Conditional modes of the random coefficients of each level."""
        frames = self.effect_frames(sd=False)
        return {
            Effect(part.group): frames[part.name].rename(columns={"Intercept": "effect"})
            for part in self.parts
        }

    def row_effects(self, rows: Sample) -> FloatArray:
        """Sum the random part of rows at the modes, in their user's order; missing if unknown."""
        known = [
            (
                part,
                by_code(rows.panel, part.group, modes.levels, working, np.nan),
            )
            for part, modes, working in zip(self.parts, self.modes, self._working(), strict=True)
        ]

        def value(block: Block) -> FloatArray:
            z = self.basis.random(block.z)
            total = np.zeros(block.n)
            for part, values in known:
                total += (z[part.random] * values[:, block.keys["^".join(part.group)]]).sum(axis=0)
            return total

        return sample_values(rows.with_keys(*(part.group for part in self.parts)), value)

    def row_variances(self, rows: Sample) -> FloatArray:
        """Variance of the random part of rows, z' D z, in their user's order."""

        def value(block: Block) -> FloatArray:
            z = self.basis.random(block.z)
            total = np.zeros(block.n)
            for part in self.parts:
                own = z[part.random]
                total += (own * (part.relative @ own)).sum(axis=0)
            return total

        return sample_values(rows, value)

    def _working(self) -> list[FloatArray]:
        return [
            np.asarray(np.linalg.solve(part.back, modes.values))
            for part, modes in zip(self.parts, self.modes, strict=True)
        ]
