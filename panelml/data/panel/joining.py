"""Finding, for each row of a panel, the row of another table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np
import pandas as pd

from panelml._typing import IntArray
from panelml.data.panel.codes import Codes, combine, factorize
from panelml.data.panel.table import read_frame
from panelml.errors import (
    DataError,
    DuplicateIndexError,
    MissingValueError,
    SpecificationError,
    UnknownNameError,
    listing,
    suggest,
)

__all__ = ["lookup", "table_with_keys"]


def table_with_keys(
    table: Any, on: str | Sequence[str] | None, keys: tuple[str, str]
) -> tuple[nw.DataFrame[Any], list[str]]:
    """Wrap a table, and say by which of its columns it is joined.

    Parameters
    ----------
    on : str or sequence of str, optional
        By default those of ``keys`` that the table has.

    Raises
    ------
    SpecificationError
        If it has none of them.
    UnknownNameError
        If it lacks a column of ``on``.
    """
    if isinstance(table, pd.Series):
        table = table.to_frame()
    if isinstance(table, pd.DataFrame) and any(name is not None for name in table.index.names):
        levels = [name for name in table.index.names if name is not None and name not in table]
        table = table.reset_index(level=levels)
    frame = read_frame(table)
    if on is None:
        on = [key for key in keys if key in frame.columns]
        if not on:
            raise SpecificationError(
                f"The table has neither {keys[0]!r} nor {keys[1]!r}: name the columns to join by, "
                "on=..."
            )
    names = [on] if isinstance(on, str) else list(on)
    for name in names:
        if name not in frame.columns:
            raise UnknownNameError(
                f"The table to join has no column {name!r}.{suggest(name, frame.columns)}"
            )
    return frame, names


def lookup(left: Mapping[str, Codes], table: nw.DataFrame[Any], keys: Sequence[str]) -> IntArray:
    """Find, for each row on the left, the row of a table with the same keys.

    Parameters
    ----------
    left : dict of str to Codes
        The keys of the rows on the left.

    Returns
    -------
    IntArray, shape (n,)
        Row of the table, -1 where there is none.

    Raises
    ------
    DuplicateIndexError, MissingValueError
        If the table does not have each combination of keys once.
    DataError
        If no row fits.
    """
    right = {
        key: Codes(codes, (labels,)) for key in keys for codes, labels in [factorize(table[key])]
    }
    _refuse_repeated(right)
    # Codes of the left, so that equal keys have equal cells; unknown ones come out negative.
    cell, other = np.zeros(1, dtype=np.int64), np.zeros(1, dtype=np.int64)
    for key in keys:
        place = pd.Index(left[key].labels()).get_indexer(pd.Index(right[key].labels()))
        cell = _append(cell, left[key].values, left[key].levels)
        other = _append(other, place[right[key].values], left[key].levels)
    order = np.argsort(other, kind="stable")
    found = np.minimum(np.searchsorted(other[order], cell), other.size - 1)
    hit = (cell >= 0) & (other[order][found] == cell)
    if not hit.any():
        key = keys[0]
        raise DataError(
            f"No row of the table fits a row of the panel by {', '.join(keys)}. Compare values and "
            f"types of {key!r}: {listing(left[key].labels())} in the panel, "
            f"{listing(right[key].labels())} in the table."
        )
    return np.where(hit, order[found], -1)


def _append(cell: IntArray, codes: IntArray, size: int) -> IntArray:
    return np.where((cell < 0) | (codes < 0), -1, cell * size + codes)


def _refuse_repeated(right: Mapping[str, Codes]) -> None:
    joint: Codes | None = None
    for key, codes in right.items():
        missing = np.flatnonzero(codes.values < 0)
        if missing.size:
            raise MissingValueError(
                f"The key {key!r} of the table to join is missing in row {listing(missing)}. Drop "
                "or complete these rows."
            )
        joint = codes if joint is None else combine(joint, codes)
    if joint is None or joint.levels == joint.values.size:
        return
    counts = np.bincount(joint.values)
    first = int((counts > 1).argmax())
    rows = np.flatnonzero(joint.values == first)
    raise DuplicateIndexError(
        f"The table to join has {'^'.join(right)} = {joint.labels()[first]} in rows "
        f"{listing(rows)}; {int((counts > 1).sum())} keys occur more than once. Aggregate it first."
    )
