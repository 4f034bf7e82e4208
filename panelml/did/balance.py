"""Whether units that adopt are like those they are compared with, before they do."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from panelml._typing import BoolArray, FloatArray
from panelml.data.adoption import read_adoption
from panelml.data.panel import Panel
from panelml.did.planning import Control
from panelml.errors import IdentificationError, check_choice
from panelml.results.balance import BalanceTable, balance_frame

__all__ = ["balance_table"]


def balance_table(
    data: Panel,
    columns: Sequence[str],
    *,
    cohort: str | None = None,
    treatment: str | None = None,
    control: Control = "never",
) -> BalanceTable:
    """Compare each cohort with its comparison group in the last period before adoption.

    Parameters
    ----------
    data : Panel
    columns : sequence of str
        Numeric columns.
    cohort, treatment : str, optional
        Column with each unit's first treated period, or of 0 and 1: see ``Timing``.
    control : {"never", "not-yet"}
        Units that never adopt, or all that adopt later.

    Returns
    -------
    DataFrame
        By cohort and column: ``treated`` and ``comparison``, the means; ``sd_treated`` and
        ``sd_comparison``; ``difference``, that of the means over the root of the mean variance
        (beyond 0.25 regression alone is doubtful); ``log_ratio`` of the standard deviations;
        ``outside``, the share of the cohort beyond the range of the comparison group; and
        ``n_treated`` and ``n_comparison``, units whose value is known.

    Raises
    ------
    IdentificationError
        If no unit adopts after the first period, or none is left to compare with.
    ColumnTypeError
        If a column is not numeric.

    Notes
    -----
    Source: Imbens and Rubin (2015), *Causal Inference*, sections 14.2 and 14.3.
    """
    check_choice("control", control, Control)
    names = [columns] if isinstance(columns, str) else list(columns)
    adoption = read_adoption(data, cohort, treatment)
    if not adoption.cohorts.size:
        raise IdentificationError("No unit adopts after the first period: nothing was before.")
    step, start = data.index.steps[data.index.time], adoption.start[data.index.unit]
    values = {name: data.numbers(name).astype(np.float64) for name in names}
    rows: dict[tuple[Any, str], dict[str, float]] = {}
    for first in adoption.cohorts:
        now = step == adoption.steps[adoption.steps < first].max()
        others = adoption.never[data.index.unit] if control == "never" else start > first
        if not (now & others).any():
            raise IdentificationError(
                f"No units to compare cohort {adoption.label(first)} with: control={control!r}."
            )
        for name, column in values.items():
            rows[adoption.label(first), name] = _compare(
                column, now & (start == first), now & others
            )
    return balance_frame(rows)


def _compare(column: FloatArray, treated: BoolArray, others: BoolArray) -> dict[str, float]:
    """Compare the known values of two groups; what one of them does not have is missing."""
    known = ~np.isnan(column)
    ours, theirs = column[treated & known], column[others & known]
    means = [float(x.mean()) if x.size else np.nan for x in (ours, theirs)]
    spreads = [float(x.std(ddof=1)) if x.size > 1 else np.nan for x in (ours, theirs)]
    width = float(np.sqrt((spreads[0] ** 2 + spreads[1] ** 2) / 2))
    beyond = np.nan
    if ours.size and theirs.size:
        beyond = float(((ours < theirs.min()) | (ours > theirs.max())).mean())
    return {
        "treated": means[0], "comparison": means[1],
        "sd_treated": spreads[0], "sd_comparison": spreads[1],
        "difference": (means[0] - means[1]) / width if width > 0 else np.nan,
        "log_ratio": float(np.log(spreads[0] / spreads[1])) if min(spreads) > 0 else np.nan,
        "outside": beyond, "n_treated": ours.size, "n_comparison": theirs.size,
    }  # fmt: skip
