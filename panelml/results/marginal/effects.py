"""Average marginal effects as results, and the rows behind them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from panelml._typing import FloatArray, IntArray
from panelml.arguments import checked_methods
from panelml.core.block import Block
from panelml.core.equations import AddedScores
from panelml.core.groups import group_sums
from panelml.core.row_values import RowValues
from panelml.data.sample import Sample
from panelml.engine.fold import fold
from panelml.engine.varying import VariedRows
from panelml.errors import SpecificationError
from panelml.inference.estimate import Estimate
from panelml.inference.influence import Influence, InfluenceFunction, UnitInfluence
from panelml.results.adapters.maketables import MaketablesPlugin
from panelml.results.marginal.mean import FitMean, IndexProjection
from panelml.results.marginal.sums import EffectRule, EffectSums
from panelml.results.show.display import Shown

__all__ = ["AverageEffects", "EffectRows", "MarginalEffects"]


@checked_methods
@dataclass(frozen=True, eq=False, repr=False)
class MarginalEffects(Shown, MaketablesPlugin):
    """Average marginal effects; the attributes beyond these are those of every result.

    Attributes
    ----------
    labels : DataFrame
        For each effect its ``variable`` and ``contrast``; where they apply its ``outcome`` and
        the columns of the groups.
    """

    labels: pd.DataFrame


@dataclass(frozen=True, slots=True)
class AverageEffects:
    """Averages of effects, and how they depend on the parameters of the fit.

    Attributes
    ----------
    value : FloatArray, shape (e,)
    jacobian : FloatArray, shape (e, p)
        Total derivatives, or with absorbed effects those beside the rows' own index.
    """

    value: FloatArray
    jacobian: FloatArray

    @classmethod
    def of(cls, sums: EffectSums, mean: FitMean) -> AverageEffects:
        """Divide sums by the weight of their group; effects first, then groups."""
        weight = sums.weight[:, None]
        direct = sums.direct if mean.absorbed else sums.direct + sums.through
        jacobian = direct / weight @ mean.slopes + sums.auxiliary / weight @ mean.others
        return cls((sums.value / sums.weight).ravel(), jacobian.reshape(-1, jacobian.shape[-1]))


@dataclass(frozen=True, slots=True)
class EffectRows:
    """The rows over which effects are averaged.

    Attributes
    ----------
    rows : VariedRows
    rule : EffectRule
    keys : tuple of str
        Columns whose combinations are the groups; empty for one group.
    codes : IntArray, shape (g,)
        Their codes.
    """

    rows: VariedRows
    rule: EffectRule
    keys: tuple[str, ...]
    codes: IntArray

    def group(self, block: Block) -> IntArray:
        """Return the number of each row's group, -1 for none."""
        if not self.keys:
            return np.zeros(block.n, dtype=np.int64)
        codes = block.keys["^".join(self.keys)]
        place = np.minimum(np.searchsorted(self.codes, codes), self.codes.size - 1)
        return np.where(self.codes[place] == codes, place, -1)

    def sums(self) -> EffectSums:
        """Sum effects and their derivatives over the rows."""
        return fold(
            self.rows,
            lambda block: EffectSums.of(block, self.rule, self.group(block), self.codes.size),
        )

    def deviations(self, means: FloatArray, weight: FloatArray) -> FloatArray:
        """Return how far rows are from the averages, weighted and divided, shape (e, n)."""

        def rows(block: Block) -> RowValues:
            values = np.concatenate([effect.value for effect in self.rule.effects(block)])
            table = values[:, None] - means.reshape(len(values), -1)[..., None]
            return self._shared(block, table, weight)

        return fold(self.rows, rows).values

    def through(self, weight: FloatArray) -> FloatArray:
        """Return the derivatives of averages by the index of each row, shape (e, n)."""

        def rows(block: Block) -> RowValues:
            values = np.concatenate([effect.through for effect in self.rule.effects(block)])
            return self._shared(block, values[:, None], weight)

        return fold(self.rows, rows).values

    def _shared(self, block: Block, table: FloatArray, weight: FloatArray) -> RowValues:
        """Give rows of a group their share in its average, shape (effects, groups, n)."""
        member = self.group(block) == np.arange(self.codes.size)[:, None]
        shares = member * block.row_weights / weight[:, None]
        return RowValues((table * shares).reshape(-1, block.n))


def effect_estimate(
    names: tuple[str, ...],
    fitted: Estimate,
    averages: AverageEffects,
    added: FloatArray | None,
    projection: IndexProjection | None,
    slopes: FloatArray,
) -> Estimate:
    """Describe average effects to covariances.

    Parameters
    ----------
    names : tuple of str
    fitted : Estimate
        Of the model.
    averages : AverageEffects
    added : FloatArray, shape (e, n), or None
        What rows contribute beside their influence on the parameters.
    projection : IndexProjection, or None
        What they contribute through absorbed effects.
    slopes : FloatArray, shape (1 + k, p)
        How constant and slopes depend on the parameters.
    """
    jacobian, influence = averages.jacobian, fitted.influence.mapped(averages.jacobian)
    # The model says nothing of how covariates vary.
    model_cov = fitted.model_cov if added is None else None
    if model_cov is not None:
        model_cov = np.einsum("ij,jk,lk->il", jacobian, model_cov, jacobian)
    if projection is not None:
        if model_cov is not None:
            cross = jacobian @ slopes[1:].T @ projection.coef.T
            model_cov = model_cov + cross + cross.T + projection.products
        added = projection.scores if added is None else added + projection.scores
    if added is not None:
        influence = _with_rows(fitted.influence, jacobian, added)
    return Estimate(
        names,
        influence,
        model_cov,
        fitted.counts,
        leverage=fitted.leverage if added is None else None,
    )


def _with_rows(
    influence: InfluenceFunction, jacobian: FloatArray, added: FloatArray
) -> InfluenceFunction:
    """Add what rows contribute of their own to their influence through the parameters."""
    sample = influence.sample
    starts = _starts(sample)
    if isinstance(influence, UnitInfluence):
        return UnitInfluence(sample, jacobian @ influence.psi + group_sums(added, starts))
    if isinstance(influence, Influence):
        equation = influence.mapped(jacobian).equation
        return Influence(sample, AddedScores(equation, added, starts))
    raise SpecificationError(
        "Covariates that are a sample add to the influence of rows or units, and this fit has "
        "another one."
    )


def _starts(sample: Sample) -> IntArray:
    rows = sample.unit_rows
    return np.concatenate([[0], np.cumsum(rows[rows > 0])])
