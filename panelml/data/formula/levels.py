"""Outcomes that are categories, as numbers of their levels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from panelml._typing import AnyArray, FloatArray
from panelml.data.formula.category import level_codes, level_reads, level_texts, present_levels
from panelml.data.source.chunk import Chunk, Reads
from panelml.data.source.rows import FitRows
from panelml.errors import ColumnTypeError, listing

__all__ = ["LevelNumbers", "fit_level_numbers"]


@dataclass(frozen=True, slots=True)
class LevelNumbers:
    """An outcome that is a category: the number of each row's level, from 0.

    Attributes
    ----------
    name : str
        A column.
    levels : AnyArray, shape (levels,)
        Those that occur in the estimation sample, in order.
    """

    name: str
    levels: AnyArray

    @property
    def names(self) -> tuple[str, ...]:
        """Name of the variable."""
        return (self.name,)

    @property
    def reads(self) -> Reads:
        """What it reads of a chunk."""
        return level_reads(self.name)

    @property
    def texts(self) -> tuple[str, ...]:
        """The levels as a user would write them."""
        return tuple(level_texts(self.levels))

    def evaluate(self, chunk: Chunk) -> FloatArray:
        """Return the number of the level of each row, shape (1, n), NaN where missing."""
        codes, labels = level_codes(self.name, chunk)
        numbers = pd.Index(self.levels).get_indexer(pd.Index(labels)).astype(np.float64)
        numbers[numbers < 0] = np.nan
        return np.append(numbers, np.nan)[codes][None]


def fit_level_numbers(name: str, rows: FitRows, *, ordered: bool) -> LevelNumbers:
    """Find the levels of an outcome, whose order matters if ``ordered``.

    Raises
    ------
    ColumnTypeError
        If it does, and the column holds texts, which have none.
    """
    levels = present_levels(name, rows)
    if ordered and not rows.source.is_declared(name):
        raise ColumnTypeError(
            f"The outcome {name!r} holds texts ({listing(map(repr, levels), most=3)}), whose order "
            "is not known. Declare it: pandas.Categorical(..., categories=[...], "
            "ordered=True)."
        )
    return LevelNumbers(name, levels)
