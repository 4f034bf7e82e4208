"""Values of rows, gathered over chunks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from panelml._typing import FloatArray

__all__ = ["RowValues"]


@dataclass(frozen=True, slots=True)
class RowValues:
    """A value for each row, in the order of the sample.

    Attributes
    ----------
    values : FloatArray, shape (m, n)
    """

    values: FloatArray

    def __add__(self, other: RowValues) -> RowValues:
        return RowValues(np.concatenate([self.values, other.values], axis=1))
