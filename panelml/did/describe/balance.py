"""Whether units that adopt are like those they are compared with, before they do."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from panelml._typing import BoolArray, FloatArray
from panelml.arguments import checked
from panelml.core.linalg import independent_columns
from panelml.data.panel.panel import Panel
from panelml.data.source.given import DataLike
from panelml.did.core.adoption import NEVER, Adoption, read_adoption
from panelml.did.core.group_time import TRIM
from panelml.did.core.propensity import logit_odds
from panelml.did.estimators.overlap import comparable_columns
from panelml.did.estimators.planning import Control
from panelml.did.results.balance import BalanceTable, OverlapTable, balance_frame, overlap_frame
from panelml.engine.sampling import require_panel
from panelml.errors import (
    ConvergenceError,
    IdentificationError,
    SpecificationError,
    listing,
)

__all__ = ["balance_table", "overlap_table"]

# Probabilities of units with the same covariates may differ by so much.
ROUNDING = 1e-12


@checked
def balance_table(
    data: DataLike,
    columns: str | Sequence[str],
    *,
    cohort: str | None = None,
    treatment: str | None = None,
    control: Control = "never",
) -> BalanceTable:
    """Balance table: each cohort and its comparison group in the last period before adoption.

    Parameters
    ----------
    data : Panel or DataFrame
    columns : str or sequence of str
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
        ``outside``, the share of the cohort beyond the range of the comparison group;
        ``n_treated`` and ``n_comparison``, units whose value is known; and ``trimmed``, those of
        the comparison group that get no weight given this column alone, as in
        ``overlap_table``.

    Raises
    ------
    IdentificationError
        If no unit adopts after the first period, or none is left to compare with.
    ColumnTypeError
        If a column is not numeric.
    MissingValueError
        If a value is infinite; missing ones are left out.

    Notes
    -----
    Source: Imbens and Rubin (2015), *Causal Inference*, sections 14.2 and 14.3.

    Examples
    --------
    >>> import panelml as pm
    >>> adopters = pm.simulate.Adopters(covariate=0.5)
    >>> rows = pm.simulate.staggered(90, 7, adopters=adopters, seed=1)
    >>> panel = pm.Panel(rows, unit="unit", time="time")
    >>> table = pm.balance_table(panel, ["x"], cohort="cohort")
    >>> print(table[["treated", "comparison"]].round(2))
                   treated  comparison
    cohort column
    3      x          0.27        0.32
    5      x          0.31        0.32
    6      x          0.20        0.32
    """
    groups = _Groups.of(data, cohort, treatment, control)
    names = _names(columns)
    values = {name: groups.panel.finite(name).astype(np.float64) for name in names}
    return balance_frame(
        {
            (label, name): _compare(values[name], treated, others)
            for label, treated, others in groups
            for name in names
        }
    )


@checked
def overlap_table(
    data: DataLike,
    columns: str | Sequence[str],
    *,
    cohort: str | None = None,
    treatment: str | None = None,
    control: Control = "never",
) -> OverlapTable:
    """Overlap, or common support: probabilities of adoption of cohorts and comparison groups.

    The probabilities are those of a logistic regression for each cohort on its covariates in the
    last period before adoption, as ``CallawaySantAnna`` fits it.

    Parameters
    ----------
    data : Panel or DataFrame
    columns : str or sequence of str
        Numeric columns.
    cohort, treatment : str, optional
        Column with each unit's first treated period, or of 0 and 1: see ``Timing``.
    control : {"never", "not-yet"}
        Units that never adopt, or all that adopt later.

    Returns
    -------
    DataFrame
        By cohort and group (``treated``, ``comparison``): ``units``, whose values are all known;
        ``min``, ``q25``, ``median``, ``q75`` and ``max`` of the probability; ``outside``, the
        share of the group beyond the range of the other; and ``trimmed``, comparison units that
        ``CallawaySantAnna`` gives no weight: those with a probability above 0.995, and those that
        covariates tell apart from all of the cohort, whose probability is zero. Where covariates
        tell some of the cohort apart from all comparison units there is no effect to estimate:
        probabilities are missing and ``outside`` is one.

    Raises
    ------
    SpecificationError
        If a column is a combination of others.
    IdentificationError
        If no unit adopts after the first period, or none is left to compare with.

    Notes
    -----
    Source: Imbens and Rubin (2015), *Causal Inference*, section 14.4.

    Examples
    --------
    >>> import panelml as pm
    >>> adopters = pm.simulate.Adopters(covariate=0.5)
    >>> rows = pm.simulate.staggered(90, 7, adopters=adopters, seed=1)
    >>> panel = pm.Panel(rows, unit="unit", time="time")
    >>> table = pm.overlap_table(panel, ["x"], cohort="cohort")
    >>> print(table["outside"].round(2).tolist())
    [0.13, 0.05, 0.0, 0.09, 0.05, 0.09]
    """
    groups = _Groups.of(data, cohort, treatment, control)
    names = _names(columns)
    values = np.stack([groups.panel.finite(name).astype(np.float64) for name in names])
    known = ~np.isnan(values).any(axis=0)
    rows: dict[tuple[Any, str], dict[str, float]] = {}
    for label, treated, others in groups:
        used = np.flatnonzero((treated | others) & known)
        score, trimmed = _scores(values[:, used], treated[used], names, label)
        for name, group in (("treated", treated), ("comparison", others)):
            rows[label, name] = _spread(score, group[used], trimmed)
    return overlap_frame(rows)


@dataclass(frozen=True, slots=True)
class _Groups:
    """Rows of cohorts and of their comparison groups, in the last period before adoption."""

    panel: Panel
    adoption: Adoption
    control: Control

    @classmethod
    def of(
        cls, data: DataLike, cohort: str | None, treatment: str | None, control: Control
    ) -> _Groups:
        panel = require_panel(data)
        adoption = read_adoption(panel, cohort, treatment)
        if not adoption.cohorts.size:
            raise IdentificationError("No unit adopts after the first period: nothing was before.")
        return cls(panel, adoption, control)

    def __iter__(self) -> Iterator[tuple[Any, BoolArray, BoolArray]]:
        """Yield each cohort's label, its rows, and those of its comparisons."""
        index, adoption = self.panel.index, self.adoption
        step, start = index.steps[index.time], adoption.start[index.unit]
        for first in adoption.cohorts:
            now = step == adoption.steps[adoption.steps < first].max()
            others = start == NEVER if self.control == "never" else start > first
            if not (now & others).any():
                raise IdentificationError(
                    f"No units to compare cohort {adoption.label(first)} with: "
                    f"control={self.control!r}."
                )
            yield adoption.label(first), now & (start == first), now & others


def _names(columns: str | Sequence[str]) -> list[str]:
    names = [columns] if isinstance(columns, str) else list(columns)
    if not names:
        raise SpecificationError("Name at least one column to compare.")
    return names


def _scores(
    values: FloatArray, treated: BoolArray, names: list[str], label: Any
) -> tuple[FloatArray, BoolArray]:
    """Probability of being treated, and which comparison units get no weight for it.

    Probabilities are missing where ``CallawaySantAnna`` leaves the cohort out.
    """
    centred = values - values.mean(axis=1, keepdims=True) if treated.size else values
    x, weights = np.column_stack([np.ones(treated.size), *centred]), np.ones(treated.size)
    independent = independent_columns(x, weights)
    gone = [name for j, name in enumerate(names, start=1) if j not in independent]
    if gone:
        raise SpecificationError(
            f"{listing(map(repr, gone))} are constant or combinations of each other and of columns "
            f"before them, among cohort {label} and its comparison group: leave them out."
        )
    try:
        comparable_columns(x, treated, weights, ("Intercept", *names))
        odds = logit_odds(x, treated, weights)
    except ConvergenceError:
        return np.full(treated.size, np.nan), np.zeros(treated.size, dtype=bool)
    score = odds.probability
    return score, ~treated & ((score >= TRIM) | odds.unlike)


def _spread(score: FloatArray, group: BoolArray, trimmed: BoolArray) -> dict[str, float]:
    own, other = score[group], score[~group]
    beyond = 1.0
    if not np.isnan(score).any() and other.size:
        low, high = other.min() - ROUNDING, other.max() + ROUNDING
        beyond = float(((own < low) | (own > high)).mean()) if own.size else np.nan
    parts = np.quantile(own, [0, 0.25, 0.5, 0.75, 1]) if own.size else np.full(5, np.nan)
    return {
        "units": own.size,
        **dict(zip(("min", "q25", "median", "q75", "max"), parts.tolist(), strict=True)),
        "outside": beyond,
        "trimmed": int(trimmed[group].sum()),
    }


def _compare(column: FloatArray, treated: BoolArray, others: BoolArray) -> dict[str, float]:
    """Compare the known values of two groups; what one of them does not have is missing."""
    known = ~np.isnan(column)
    ours, theirs = column[treated & known], column[others & known]
    means = [float(x.mean()) if x.size else np.nan for x in (ours, theirs)]
    spreads = [float(x.std(ddof=1)) if x.size > 1 else np.nan for x in (ours, theirs)]
    width = float(np.sqrt((spreads[0] ** 2 + spreads[1] ** 2) / 2))
    beyond, trimmed = np.nan, 0
    if ours.size and theirs.size:
        beyond = float(((ours < theirs.min()) | (ours > theirs.max())).mean())
        both, group = np.concatenate([ours, theirs]), np.arange(ours.size + theirs.size) < ours.size
        if both.min() < both.max():
            trimmed = int(_scores(both[None], group, [""], "")[1].sum())
    return {
        "treated": means[0],
        "comparison": means[1],
        "sd_treated": spreads[0],
        "sd_comparison": spreads[1],
        "difference": _ratio(means[0] - means[1], width),
        "log_ratio": float(np.log(spreads[0] / spreads[1])) if min(spreads) > 0 else np.nan,
        "outside": beyond,
        "n_treated": ours.size,
        "n_comparison": theirs.size,
        "trimmed": trimmed,
    }


def _ratio(gap: float, width: float) -> float:
    """Gap over width; of groups that do not vary, zero where they are the same."""
    if width == 0:
        return float(np.copysign(np.inf, gap)) if gap else 0.0
    return gap / width
