"""Grouping factors of a mixed model: levels, random regressors, and where coefficients stand."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from panelml._typing import FloatArray, IntArray

__all__ = ["CrossedFactors", "GroupingFactor"]


@dataclass(frozen=True, slots=True)
class GroupingFactor:
    """A grouping factor and its random regressors: all random terms of a formula with one group.

    Attributes
    ----------
    group : tuple of str
        The columns whose combinations are the levels.
    levels : int
    random : IntArray, shape (q,)
        Positions of its regressors among the working columns' random ones.
    first : int
        Column of its first coefficient in Z_2, where it is beside the first factor; a level's
        coefficients stand together.
    """

    group: tuple[str, ...]
    levels: int
    random: IntArray
    first: int = 0

    @property
    def key(self) -> str:
        """Codes of its levels, in ``Block.keys``."""
        return "^".join(self.group)

    @property
    def size(self) -> int:
        """Number of its coefficients."""
        return self.levels * self.random.size

    @property
    def span(self) -> slice:
        """Its columns in Z_2."""
        return slice(self.first, self.first + self.size)

    def blocks(self, table: FloatArray) -> FloatArray:
        """View of its part of a table, shape (m, m), by level: (levels, q, levels, q)."""
        return table[self.span, self.span].reshape((self.levels, self.random.size) * 2)


@dataclass(frozen=True, slots=True)
class CrossedFactors:
    """Several grouping factors: rows come by the first, the others make one sparse design, Z_2.

    Attributes
    ----------
    first : GroupingFactor
        By whose levels rows are laid out; it may have no random regressors where residuals depend
        on each other within its levels.
    others : tuple of GroupingFactor
    """

    first: GroupingFactor
    others: tuple[GroupingFactor, ...]

    @classmethod
    def of(cls, first: GroupingFactor, others: Iterable[GroupingFactor]) -> CrossedFactors:
        """Lay the coefficients of the others out in the columns of Z_2."""
        laid_out: list[GroupingFactor] = []
        column = 0
        for other in others:
            laid_out.append(replace(other, first=column))
            column += other.size
        return cls(first, tuple(laid_out))

    @property
    def randoms(self) -> tuple[IntArray, ...]:
        """Positions of each factor's regressors among the random ones."""
        return self.first.random, *(other.random for other in self.others)

    @property
    def columns(self) -> int:
        """Number of columns of Z_2."""
        return sum(other.size for other in self.others)
