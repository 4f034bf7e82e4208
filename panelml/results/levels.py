"""Estimated effects, level by level: those that were absorbed, and predicted random ones."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from panelml._typing import FloatArray
from panelml.core.absorb import AbsorbSystem, level_values
from panelml.core.absorb_plan import AbsorbPlan, LevelFit, unit_dot
from panelml.core.block import Block
from panelml.core.groups import group_sums
from panelml.core.row_values import RowValues
from panelml.data.formula.formula import Effect
from panelml.data.sample import Sample
from panelml.engine.fold import fold

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
        unit_effect = [e for e in self.effects if e.columns == (sample.source.unit,)]
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
            tables[effect] = self._level_table(sample, effect, coef)
        return _centred(tables, sample)

    def _unit_coefficients(
        self, block: Block, error: Callable[[Block], FloatArray], coef: FloatArray
    ) -> FloatArray:
        left = _only(block, error).z
        if coef.size:
            left = left - level_values(self.plan, coef, block)
        basis = self.plan.unit_basis(block)
        x = [np.ones(block.n)] if self.plan.unit_intercept else []
        x += [block.slopes[name] for name in self.plan.unit_slopes]
        found = np.zeros((len(x), block.n_units))
        # Back-substitution: what the later columns explain is not the earlier ones'.
        for j in reversed(range(len(x))):
            q, length = basis.columns[j], basis.lengths[j]
            right = unit_dot(q, left[0], block)
            for k in range(j + 1, len(x)):
                right -= unit_dot(q, x[k], block) * found[k]
            np.divide(right, length, out=found[j], where=length > 0)
        return found

    def _level_table(self, sample: Sample, effect: Effect, coef: FloatArray) -> pd.DataFrame:
        source = sample.source
        codes, levels = sample.codes(effect.columns), source.levels(effect.columns)
        present = np.bincount(codes, minlength=levels) > 0
        columns: dict[str, FloatArray] = {}
        fits: dict[str, LevelFit] = {}
        for factor in (f for f in self.plan.factors if f.key == effect.name):
            values = coef[factor.first : factor.first + factor.levels, 0]
            columns[factor.slope or "effect"] = values.copy()
            if factor.slope and factor.less:
                columns[factor.slope] *= factor.less.varies
                fits[factor.slope] = factor.less
        # What is left of a slope is the variable less its fit on the columns before it.
        for name, fit in reversed(fits.items()):
            for other, _, share in fit.earlier:
                columns[other] -= share * columns[name]
            if effect.intercept:
                columns["effect"] -= (fit.mean + fit.rest) * columns[name]
        columns = {name: values[present] for name, values in columns.items()}
        index = pd.Index(source.labels(effect.columns)[present], name=effect.name)
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
            w = block.row_weights
            total = group_sums(np.stack([w, w * error(block)]), block.starts)
            share = self.sigma2_u / (self.sigma2_e + total[0] * self.sigma2_u)
            return RowValues((share * total[1])[None])

        values = fold(sample, shrunken).values[0]
        unit = sample.source.unit
        table = pd.DataFrame({"effect": values}, index=pd.Index(sample.unit_labels, name=unit))
        return {Effect((unit,)): table}


def _only(block: Block, error: Callable[[Block], FloatArray]) -> Block:
    return block.with_z(error(block)[None])


def _centred(tables: dict[Effect, pd.DataFrame], sample: Sample) -> dict[Effect, pd.DataFrame]:
    """Move the mean of each effect's intercepts to the first effect that has any."""
    with_intercept = [effect for effect, table in tables.items() if "effect" in table]
    moved = 0.0
    result = dict(tables)
    for effect in with_intercept[1:]:
        if not effect.slopes:
            mean = float(np.average(tables[effect]["effect"], weights=_weight(sample, effect)))
            result[effect] = tables[effect].assign(effect=tables[effect]["effect"] - mean)
            moved += mean
    for effect in with_intercept[:1]:
        result[effect] = tables[effect].assign(effect=tables[effect]["effect"] + moved)
    return result


def _weight(sample: Sample, effect: Effect) -> FloatArray:
    """Sum of the weights of each level that occurs."""
    codes = sample.codes(effect.columns)
    rows = np.bincount(codes)
    if sample.weights is None:
        return rows[rows > 0].astype(np.float64)
    weights = sample.column(sample.weights.column)
    return np.asarray(np.bincount(codes, weights)[rows > 0], dtype=np.float64)
