"""Sums over rows of marginal effects and of their derivatives by the parameters."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from panelml._typing import FloatArray, IntArray
from panelml.core.block import Block, arranged
from panelml.core.responses import Response
from panelml.engine.varying import ChangeOfRows

__all__ = ["EffectRule", "EffectSums", "RowEffect"]


@dataclass(frozen=True, slots=True)
class RowEffect:
    """The effect of one contrast in rows, c quantities each.

    Attributes
    ----------
    value : FloatArray, shape (c, n)
    through : FloatArray, shape (c, n)
        Derivative by the index of the row as it is.
    direct : tuple of (FloatArray, FloatArray)
        Factors, shape (c, n), and regressors, shape (k, n), whose products summed are what the
        slopes change beyond the row's own index.
    auxiliary : FloatArray, shape (c, m, n)
        Derivative by the further parameters.
    """

    value: FloatArray
    through: FloatArray
    direct: tuple[tuple[FloatArray, FloatArray], ...]
    auxiliary: FloatArray


@dataclass(frozen=True, slots=True)
class EffectRule:
    """How effects follow from the blocks of ``VariedRows``.

    Attributes
    ----------
    response : Response
    auxiliary : FloatArray, shape (m,)
        Further parameters of the response.
    coef : FloatArray, shape (k,)
        Coefficients of the regressors.
    index : callable
        From the block as it is to its index, shape (n,): with offset and effects.
    contrasts : tuple of ChangeOfRows
    """

    response: Response
    auxiliary: FloatArray
    coef: FloatArray
    index: Callable[[Block], FloatArray]
    contrasts: tuple[ChangeOfRows, ...]

    def actual(self, block: Block) -> Block:
        """Return the rows as they are."""
        return block.with_z(block.z[: 1 + self.coef.size])

    def effects(self, block: Block) -> Iterator[RowEffect]:
        """Return the effect of each contrast in the rows of a block."""
        k, actual = self.coef.size, self.actual(block)
        own, x = self.index(actual), actual.regressors
        base = block.z[1 + k : 1 + 2 * k] - x
        first = 1 + 2 * k
        for contrast in self.contrasts:
            rows = block.z[first : first + contrast.width(k)]
            first += contrast.width(k)
            if contrast.rate:
                yield self._rate(own, base, rows)
            else:
                yield self._difference(own, rows[:k] - x, rows[k:] - x)

    def _rate(self, own: FloatArray, base: FloatArray, slope: FloatArray) -> RowEffect:
        at = self.response.values(own + self.coef @ base, self.auxiliary)
        rate = self.coef @ slope
        through = at.second * rate
        direct = ((at.first, slope), (through, base))
        return RowEffect(at.first * rate, through, direct, at.mixed * rate)

    def _difference(self, own: FloatArray, low: FloatArray, high: FloatArray) -> RowEffect:
        before = self.response.values(own + self.coef @ low, self.auxiliary)
        after = self.response.values(own + self.coef @ high, self.auxiliary)
        direct = ((after.first, high), (-before.first, low))
        through = after.first - before.first
        return RowEffect(
            after.value - before.value, through, direct, after.auxiliary - before.auxiliary
        )


@dataclass(frozen=True, slots=True)
class EffectSums:
    """Weighted sums over the rows of each group.

    Attributes
    ----------
    weight : FloatArray, shape (g,)
    value : FloatArray, shape (e, g)
        Of e effects: each quantity of the first contrast, then of the next.
    through : FloatArray, shape (e, g, 1 + k)
        Derivatives by constant and slopes through the row's own index.
    direct : FloatArray, shape (e, g, 1 + k)
        The other derivatives by constant and slopes.
    auxiliary : FloatArray, shape (e, g, m)
    """

    weight: FloatArray
    value: FloatArray
    through: FloatArray
    direct: FloatArray
    auxiliary: FloatArray

    def __add__(self, other: EffectSums) -> EffectSums:
        return EffectSums(
            self.weight + other.weight,
            self.value + other.value,
            self.through + other.through,
            self.direct + other.direct,
            self.auxiliary + other.auxiliary,
        )

    @classmethod
    def of(cls, block: Block, rule: EffectRule, group: IntArray, groups: int) -> EffectSums:
        """Sum over the rows of a block; rows of the group -1 do not count."""
        members = np.zeros((groups, block.n))
        counted = np.flatnonzero(group >= 0)
        members[group[counted], counted] = block.row_weights[counted]
        x = arranged(np.ones(block.n), rule.actual(block).regressors)
        value, through, direct, auxiliary = [], [], [], []
        for effect in rule.effects(block):
            value.append(effect.value @ members.T)
            through.append(np.einsum("cn,gn,kn->cgk", effect.through, members, x, optimize=True))
            sums = np.zeros(through[-1].shape)
            for factor, rows in effect.direct:
                sums[..., 1:] += np.einsum("cn,gn,kn->cgk", factor, members, rows, optimize=True)
            direct.append(sums)
            auxiliary.append(np.einsum("cmn,gn->cgm", effect.auxiliary, members))
        return cls(
            members.sum(axis=1),
            np.concatenate(value),
            np.concatenate(through),
            np.concatenate(direct),
            np.concatenate(auxiliary),
        )
