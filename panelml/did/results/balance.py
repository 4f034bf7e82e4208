"""Tables of what cohorts and their comparison groups are like before adoption."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

import pandas as pd

__all__ = ["BalanceTable", "OverlapTable", "balance_frame", "overlap_frame"]

BalanceTable: TypeAlias = pd.DataFrame
OverlapTable: TypeAlias = pd.DataFrame


def balance_frame(rows: Mapping[tuple[Any, str], Mapping[str, float]]) -> BalanceTable:
    """Tabulate statistics by cohort and column."""
    return _frame(rows, "column")


def overlap_frame(rows: Mapping[tuple[Any, str], Mapping[str, float]]) -> OverlapTable:
    """Tabulate probabilities by cohort and group."""
    return _frame(rows, "group")


def _frame(rows: Mapping[tuple[Any, str], Mapping[str, float]], second: str) -> pd.DataFrame:
    index = pd.MultiIndex.from_tuples(list(rows), names=["cohort", second])
    return pd.DataFrame(list(rows.values()), index=index)
