"""The table of what cohorts and their comparison groups are like before adoption."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

import pandas as pd

__all__ = ["BalanceTable", "balance_frame"]

BalanceTable: TypeAlias = pd.DataFrame


def balance_frame(rows: Mapping[tuple[Any, str], Mapping[str, float]]) -> BalanceTable:
    """Tabulate statistics by cohort and column."""
    index = pd.MultiIndex.from_tuples(list(rows), names=["cohort", "column"])
    return pd.DataFrame(list(rows.values()), index=index)
