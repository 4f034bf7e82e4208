"""The variables of a panel: what they hold, how they vary, and what they were earlier."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from panelml._typing import AnyArray, FloatArray, IntArray
from panelml.arguments import checked_methods
from panelml.core.groups import cleared
from panelml.data.describe.describe import PanelDescription, describe
from panelml.data.describe.transitions import Tabulation, Transitions, tabulate, transitions
from panelml.data.describe.variation import Variation, unit_means, variation_of
from panelml.data.panel.axis import shift_places
from panelml.data.panel.store import Store
from panelml.data.panel.table import make_series, take
from panelml.errors import MissingValueError, SpecificationError, listing

__all__ = ["PanelVariables", "rows_of"]

# More values than this are no categories.
_MOST_CATEGORIES = 200


@checked_methods
class PanelVariables(Store):
    """Columns that are described, and from which new ones are made within units."""

    __slots__ = ()

    def describe(self, patterns: int = 9) -> PanelDescription:
        """Tell who is observed when: size, balance, gaps, spells and participation patterns.

        Parameters
        ----------
        patterns : int
            How many of the most frequent patterns to list.
        """
        return describe(self.index, self.unit, self.time, patterns)

    def variation(self, columns: str | Sequence[str] | None = None) -> Variation:
        """Split the variation of variables into between and within units, with the ICC.

        Parameters
        ----------
        columns : str or sequence of str, optional
            All numeric columns but the keys by default.

        Raises
        ------
        MissingValueError
            If a value is infinite.
        """
        if columns is None:
            keys = (self.unit, self.time)
            columns = [c for c in self.columns if c not in keys and self.is_numeric(c)]
        names = [columns] if isinstance(columns, str) else columns
        return Variation(
            tuple(variation_of(name, self.finite(name), self.index.starts) for name in names)
        )

    def transitions(self, column: str) -> Transitions:
        """Count how often a category turns into each other one from a period to the next."""
        self._require_categories(column)
        return transitions(column, self.codes((column,)), self.labels((column,)), self.index)

    def tabulate(self, column: str) -> Tabulation:
        """Count the rows and the units that have each value of a category."""
        self._require_categories(column)
        return tabulate(column, self.codes((column,)), self.labels((column,)), self.index)

    def lag(self, column: str, k: int = 1) -> Any:
        """Return the value of the same unit ``k`` periods earlier, missing where not observed.

        Like all new columns, it is a series of the user's kind in the user's row order.
        """
        return self._shifted(column, k, "L", k)

    def lead(self, column: str, k: int = 1) -> Any:
        """Return the value of the same unit ``k`` periods later, missing where not observed."""
        return self._shifted(column, -k, "F", k)

    def diff(self, column: str, k: int = 1) -> Any:
        """Return the change from the value of the same unit ``k`` periods earlier."""
        values = self.numbers(column).astype(np.float64)
        earlier = np.append(values, np.nan)[self._places(k)]
        return self._series(values - earlier, _call("D", column, k))

    def between(self, column: str) -> Any:
        """Return the mean of the unit's values."""
        means = unit_means(self.numbers(column), self.index.starts)
        return self._series(means, f"between({column})")

    def within(self, column: str) -> Any:
        """Return the deviation from the mean of the unit's values."""
        values = self.numbers(column).astype(np.float64)
        means = unit_means(values, self.index.starts)
        deviation = values - means
        deviation = cleared(deviation - unit_means(deviation, self.index.starts), means)
        return self._series(deviation, f"within({column})")

    def finite(self, column: str) -> AnyArray:
        """Return a numeric column in sorted order; values may be missing, but not infinite.

        Raises
        ------
        MissingValueError
            Naming the rows with infinite values.
        """
        values = self.numbers(column)
        infinite = np.flatnonzero(np.isinf(values))
        if infinite.size:
            rows = sorted(self.index.position(int(row)) for row in infinite)
            raise MissingValueError(
                f"{column!r} is infinite in row {listing(rows)}. Replace infinite values by "
                "missing ones, or drop these rows."
            )
        return values

    def _series(self, values: FloatArray, name: str) -> Any:
        return make_series(self.frame, name, self.index.unsort(values))

    def _places(self, periods: int) -> IntArray:
        index = self.index
        return shift_places(index.unit, index.time, index.steps, periods)

    def _shifted(self, column: str, periods: int, function: str, k: int) -> Any:
        name, places = _call(function, column, k), self._places(periods)
        if self.is_numeric(column):
            values = self.values(column).astype(np.float64)
            return self._series(np.append(values, np.nan)[places], name)
        return rows_of(self, column, places, name)

    def _require_categories(self, column: str) -> None:
        if self.levels((column,)) > _MOST_CATEGORIES:
            raise SpecificationError(
                f"{column!r} has {self.levels((column,)):,} different values: group them first, or "
                "use variation() for numbers."
            )


def rows_of(table: Store, column: str, rows: IntArray, name: str) -> Any:
    """Values of a column at a row for each row, as a native series in the user's order.

    Parameters
    ----------
    table : Store
    column : str
    rows : IntArray, shape (n,)
        For each sorted row, the number of another; -1 gives a missing value.
    name : str
        Of the series.
    """
    if table.index.order is not None:
        rows = np.where(rows < 0, -1, table.index.order[rows])
    return take(table.series(column).alias(name), table.index.unsort(rows), table.frame)


def _call(function: str, column: str, k: int) -> str:
    return f"{function}({column})" if k == 1 else f"{function}({column}, {k})"
