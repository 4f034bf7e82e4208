"""Estimated effects, level by level: those that were absorbed, and predicted random ones."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from panelml._typing import FloatArray
from panelml.core.absorb import AbsorbPlan, AbsorbSystem, level_values
from panelml.core.block import Block
from panelml.core.groups import group_sums
from panelml.data.formula import Effect
from panelml.data.sample import Sample
from panelml.engine.fold import fold
from panelml.results.prediction import RowValues

__all__ = ["AbsorbedEffects", "RandomIntercepts"]


@dataclass(frozen=True, slots=True)
class AbsorbedEffects:
    """Effects of the levels that fixed effects absorbed.

    Attributes
    ----------
    effects : tuple of Effect
    plan : AbsorbPlan
    """

    effects: tuple[Effect, ...]
    plan: AbsorbPlan

    def tables(
        self, sample: Sample, error: Callable[[Block], FloatArray]
    ) -> dict[Effect, pd.DataFrame]:
        """Estimate the effects from ``y - xb``; intercepts of each effect average to zero."""
        unit_effect = [e for e in self.effects if e.columns == (sample.panel.unit,)]
        others = [e for e in self.effects if e not in unit_effect]
        coef = np.zeros((0, 1))
        if self.plan.factors:
            system = fold(sample, lambda b: AbsorbSystem.of(_only(b, error), self.plan))
            coef = system.solve(self.plan).coef
        tables: dict[Effect, pd.DataFrame] = {}
        for effect in unit_effect[:1]:
            left = fold(sample, lambda b: RowValues(self._unit_coefficients(b, error, coef)))
            columns = [*(["effect"] if self.plan.unit_intercept else []), *self.plan.unit_slopes]
            index = pd.Index(sample.unit_labels, name=effect.name)
            tables[effect] = pd.DataFrame(left.values.T, index=index, columns=columns)
        for effect in others:
            tables[effect] = self._level_table(sample, effect, coef[:, 0])
        return _centred(tables, sample)

    def _unit_coefficients(
        self, block: Block, error: Callable[[Block], FloatArray], coef: FloatArray
    ) -> FloatArray:
        left = _only(block, error).z
        if coef.size:
            left = left - level_values(self.plan, coef, block)
        columns = [np.ones(block.n)] if self.plan.unit_intercept else []
        columns += [block.slopes[name] for name in self.plan.unit_slopes]
        x = np.stack(columns)
        w = np.ones(block.n) if block.weights is None else block.weights
        products = group_sums(x[:, None] * x[None] * w, block.starts)
        right = group_sums(x * left * w, block.starts)
        inverse = np.linalg.pinv(np.moveaxis(products, -1, 0), rcond=1e-12, hermitian=True)
        return np.einsum("gij,jg->ig", inverse, right)

    def _level_table(self, sample: Sample, effect: Effect, coef: FloatArray) -> pd.DataFrame:
        panel = sample.panel
        codes, levels = sample.codes(effect.columns), panel.levels(effect.columns)
        present = np.bincount(codes, minlength=levels) > 0
        columns = {
            factor.slope or "effect": coef[factor.first : factor.first + factor.levels][present]
            for factor in self.plan.factors if factor.key == effect.name
        }  # fmt: skip
        index = pd.Index(panel.labels(effect.columns)[present], name=effect.name)
        return pd.DataFrame(columns, index=index)


@dataclass(frozen=True, slots=True)
class RandomIntercepts:
    """Best linear unbiased predictions of random intercepts.

    Attributes
    ----------
    sigma2_u, sigma2_e : float
        Variances of the intercepts and of the rest.
    """

    sigma2_u: float
    sigma2_e: float

    def tables(
        self, sample: Sample, error: Callable[[Block], FloatArray]
    ) -> dict[Effect, pd.DataFrame]:
        """Shrink each unit's mean of ``y - xb`` by its reliability."""

        def shrunken(block: Block) -> RowValues:
            w = np.ones(block.n) if block.weights is None else block.weights
            total = group_sums(np.stack([w, w * error(block)]), block.starts)
            share = self.sigma2_u / (self.sigma2_e + total[0] * self.sigma2_u)
            return RowValues((share * total[1])[None])

        values = fold(sample, shrunken).values[0]
        unit = sample.panel.unit
        table = pd.DataFrame({"effect": values}, index=pd.Index(sample.unit_labels, name=unit))
        return {Effect((unit,)): table}


def _only(block: Block, error: Callable[[Block], FloatArray]) -> Block:
    return block.with_z(error(block)[None])


def _centred(
    tables: dict[Effect, pd.DataFrame], sample: Sample
) -> dict[Effect, pd.DataFrame]:
    """Move the mean of each effect's intercepts to the first one, whose mean stays zero."""
    moved = 0.0
    result: dict[Effect, pd.DataFrame] = {}
    for effect, table in reversed(tables.items()):
        first = effect is next(iter(tables))
        if "effect" in table and not effect.slopes:
            rows = np.bincount(sample.codes(effect.columns))
            rows = rows[rows > 0]
            mean = float(np.average(table["effect"], weights=rows)) if not first else -moved
            table = table.assign(effect=table["effect"] - mean)
            moved += mean
        result[effect] = table
    return dict(reversed(result.items()))
