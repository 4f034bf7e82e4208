"""Counterfactual values: the regressors of a formula as they would be if a column were another."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from panelml._typing import AnyArray, FloatArray
from panelml.data.formula.expression import Expression
from panelml.data.source.chunk import Chunk, Reads

__all__ = ["AtLevel", "Change", "Changed", "Evaluated", "changed_expression"]

# The name under which changed values stand beside those that lags and unit means go on reading.
_CHANGED = "(changed)"


@dataclass(frozen=True, slots=True)
class Change:
    """Other values of a column: the same number in all rows, or so much more in each.

    Attributes
    ----------
    value : float, or None
        What all rows have; None for their own values.
    step : float
        What is added.
    """

    value: float | None = None
    step: float = 0.0

    def __call__(self, values: FloatArray) -> FloatArray:
        """Return the values of rows, shape (n,), after the change."""
        start = values if self.value is None else np.full(values.shape, self.value)
        return start + self.step


class Evaluated(Protocol):
    """What a formula evaluates: a column, an expression or a category."""

    @property
    def names(self) -> tuple[str, ...]:
        """Names of its variables."""
        ...

    @property
    def reads(self) -> Reads:
        """What it reads of a chunk."""
        ...

    def evaluate(self, chunk: Chunk) -> AnyArray:
        """Return its variables, shape (k, n), or the level of each row."""
        ...


@dataclass(frozen=True, slots=True)
class Changed:
    """A factor of a formula on rows whose values of some columns are others.

    Attributes
    ----------
    factor : Evaluated
        Which reads the changed values.
    reads : Reads
        Of the factor as it was.
    changes : tuple of (str, str, Change)
        A column, the name under which the factor reads it, and its change.
    """

    factor: Evaluated
    reads: Reads
    changes: tuple[tuple[str, str, Change], ...]

    @property
    def names(self) -> tuple[str, ...]:
        """Names of its variables."""
        return self.factor.names

    def evaluate(self, chunk: Chunk) -> AnyArray:
        """Return the factor's variables on the changed rows of a chunk."""
        changed = {
            key: change(chunk.values(column).astype(np.float64))
            for column, key, change in self.changes
        }
        return self.factor.evaluate(replace(chunk, columns={**chunk.columns, **changed}))


@dataclass(frozen=True, slots=True)
class AtLevel:
    """A category of which all rows have the same level.

    Attributes
    ----------
    names : tuple of str
    reads : Reads
    level : int
        Its number.
    """

    names: tuple[str, ...]
    reads: Reads
    level: int

    def evaluate(self, chunk: Chunk) -> AnyArray:
        """Return the level of each row, shape (n,)."""
        return np.full(chunk.n, self.level)


def changed_expression(factor: Expression, changes: Mapping[str, Change]) -> Changed:
    """Change columns in an expression; lags and unit means in it stay what they are."""
    read = {
        column: change for column, change in changes.items() if column in factor.columns.values()
    }
    columns = {
        name: _CHANGED + column if column in read else column
        for name, column in factor.columns.items()
    }
    renamed = replace(factor, columns=columns)
    found = tuple((column, _CHANGED + column, change) for column, change in read.items())
    return Changed(renamed, factor.reads, found)
