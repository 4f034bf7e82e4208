"""Leverage: the share of absorbed effects in each row's own fitted value.

With Q the orthonormal unit effects, ``A = Q'W D`` their products with the other columns and G a
generalised inverse of ``S = D'W D - A'A``, row i of weight w has the leverage
``w q_i'q_i + w (d_i - A'q_i)' G (d_i - A'q_i)``; it takes no product longer than a row of D.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from panelml._typing import FloatArray
from panelml.core.absorb import AbsorbSystem, level_products, row_levels
from panelml.core.absorb_plan import AbsorbPlan
from panelml.core.block import Block

__all__ = ["AbsorbedLeverage", "is_diagonal"]


@dataclass(frozen=True, slots=True)
class AbsorbedLeverage:
    """Leverage of the absorbed effects.

    Attributes
    ----------
    plan : AbsorbPlan
    inverse : FloatArray, shape (levels, levels) or (levels,)
        G, or its diagonal if it has nothing else.
    """

    plan: AbsorbPlan
    inverse: FloatArray

    @classmethod
    def of(cls, plan: AbsorbPlan, system: AbsorbSystem | None) -> AbsorbedLeverage:
        """Invert the system of the effects beside the units'.

        Parameters
        ----------
        plan : AbsorbPlan
        system : AbsorbSystem, optional
            None without such effects.
        """
        if system is None:
            return cls(plan, np.zeros(0))
        if is_diagonal(plan):
            used = system.before > 0
            return cls(plan, np.divide(1.0, system.before, out=np.zeros(used.size), where=used))
        return cls(plan, system.solve_for(plan, np.eye(plan.levels)))

    def __call__(self, block: Block) -> FloatArray:
        """Return the leverage of a block's rows, shape (n,)."""
        basis = self.plan.unit_basis(block).columns
        total = np.zeros(block.n)
        for q in basis:
            total += q**2
        entries = [
            (columns, np.ones(block.n) if values is None else values)
            for columns, values in row_levels(self.plan, block)
        ]
        if self.inverse.ndim == 1:
            for columns, values in entries:
                total += values**2 * self.inverse[columns]
            return total * block.row_weights
        for i, u in entries:
            for j, v in entries:
                total += u * v * self.inverse[i, j]
        sums = [level_products(q, block, self.plan) for q in basis]
        unit = block.unit
        for q, a in zip(basis, sums, strict=True):
            through = np.asarray(a @ self.inverse)
            for columns, values in entries:
                total -= 2 * q * values * through[unit, columns]
            for other, b in zip(basis, sums, strict=True):
                total += q * other * np.asarray(b.multiply(through).sum(axis=1)).ravel()[unit]
        return total * block.row_weights


def is_diagonal(plan: AbsorbPlan) -> bool:
    """Whether all columns of D are orthogonal: those of one effect, where units have none."""
    return (
        not plan.unit_intercept
        and not plan.unit_slopes
        and (len({factor.key for factor in plan.factors}) == 1)
    )
