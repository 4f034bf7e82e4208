"""A second kind of inference, without a covariance: percentiles of draws."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from panelml._typing import FloatArray
from panelml.errors import SpecificationError
from panelml.inference.bootstrap import multiplier_draws
from panelml.inference.estimate import Covariance, Estimate
from panelml.inference.restrictions import Restrictions
from panelml.inference.testing import TestResult

__all__ = ["Percentiles"]


@dataclass(frozen=True, slots=True)
class Percentiles:
    """Draw the influences of units with random signs."""

    reps: int = 999
    seed: int = 0

    def infer(self, estimates: FloatArray, fit: Estimate) -> PercentileInference:
        unit = (fit.influence.sample.panel.unit,)
        sums = fit.influence.sums(unit).sums
        draws = multiplier_draws(sums, self.reps, self.seed)
        return PercentileInference(estimates, draws, {unit[0]: sums.shape[1]})


@dataclass(frozen=True, slots=True)
class PercentileInference:
    """Deviations of draws from the estimates, shape (reps, k), read by their percentiles."""

    estimates: FloatArray
    draws: FloatArray
    clusters: Mapping[str, int]

    @property
    def covariance(self) -> Covariance:
        raise SpecificationError("Percentiles of draws have no covariance: take with_cov.")

    @property
    def errors(self) -> FloatArray:
        return self.draws.std(axis=0)

    @property
    def pvalues(self) -> FloatArray:
        return np.mean(np.abs(self.draws) >= np.abs(self.estimates), axis=0)

    @property
    def df(self) -> float:
        return float("inf")

    @property
    def term_df(self) -> FloatArray:
        return np.full(len(self.estimates), np.inf)

    @property
    def description(self) -> str:
        return "signs of units"

    @property
    def reference(self) -> str:
        return f"percentiles of {len(self.draws)} draws"

    @property
    def notes(self) -> tuple[str, ...]:
        return ("Percentiles were drawn.",)

    def interval(self, level: float) -> FloatArray:
        ends = np.quantile(self.draws, [0.5 - level / 2, 0.5 + level / 2], axis=0)
        return (self.estimates + ends).T

    def mapped(self, matrix: FloatArray) -> PercentileInference:
        draws = self.draws @ matrix.T
        return PercentileInference(matrix @ self.estimates, draws, self.clusters)

    def test(self, restrictions: Restrictions) -> TestResult:
        r = restrictions.matrix
        scale = np.linalg.inv(r @ np.cov(self.draws, rowvar=False).reshape(2 * [r.shape[1]]) @ r.T)

        def size(gap: FloatArray) -> FloatArray:
            return np.einsum("...i,ij,...j->...", gap, scale, gap)

        observed = size(r @ self.estimates - restrictions.values)
        pvalue = float(np.mean(size(self.draws @ r.T) >= observed))
        return TestResult(
            "Draws", restrictions.words, float(observed), pvalue, "draws", (float(len(r)),)
        )
