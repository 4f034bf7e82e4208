"""Which effects an average is over, in the words and labels of its user."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
import pandas as pd

from panelml._typing import BoolArray, FloatArray, IntArray
from panelml.data.describe.show import label_text
from panelml.did.core.aggregation import Cells, LinearMap, average, masks_by, mean_of
from panelml.errors import SpecificationError, shown
from panelml.results.show.frames import label_frame

__all__ = ["AverageBy", "Averages", "averages_of", "horizon_name", "label_text"]

AverageBy: TypeAlias = (
    Literal["simple", "group", "calendar", "event", "cohort", "period", "horizon"]
    | Mapping[str, Any]
    | Callable[[pd.DataFrame], Any]
)
# What averages are over, and Callaway and Sant'Anna's word for averages by it.
_KINDS = {"cohort": "group", "period": "calendar", "horizon": "event"}


@dataclass(frozen=True, slots=True)
class Averages:
    """Averages of effects.

    Attributes
    ----------
    names : list of str
    labels : DataFrame
        One row for each, with ``cohort``, ``time`` or ``horizon``.
    map : LinearMap
        From the effects to the averages.
    overall : LinearMap, or None
        To their single average.
    words : str
        What they are, for titles.
    """

    names: list[str]
    labels: pd.DataFrame
    map: LinearMap
    overall: LinearMap | None
    words: str

    @property
    def by_horizon(self) -> bool:
        """Whether the averages are effects by horizon."""
        return "horizon" in self.labels.columns

    def single(self) -> Averages:
        """Return the single average alone."""
        if self.overall is None:
            raise SpecificationError("These averages have no single average.")
        return Averages(["att"], label_frame(["att"], {}), self.overall, None, "overall effect")


def averages_of(
    cells: Cells,
    labels: pd.DataFrame,
    effects: FloatArray,
    by: AverageBy,
    balance: int | None,
    window: tuple[int | None, int | None],
) -> Averages:
    """Choose and weight the effects of each average; see ``EffectResults.aggregate``.

    Raises
    ------
    SpecificationError
        If there is no such average, or no effect for it.
    """
    if isinstance(by, Mapping):
        if not by:
            raise SpecificationError("by names no average: give {name: weights of all effects}.")
        return _weighted(by, cells)
    if callable(by):
        return _named(by, cells, labels, effects)
    kind = _KINDS.get(by, by)
    if kind != "event" and (balance is not None or window != (None, None)):
        raise SpecificationError("balance, min_horizon and max_horizon are for by='event'.")
    used = cells.post
    if kind == "event":
        used = _event_cells(cells, balance, window)
    if not used.any():
        early = " All that could be estimated are of periods before adoption." * (kind != "event")
        raise SpecificationError(f"No effect is left to average by {shown(by)}.{early}")
    if kind == "simple":
        linear = average(effects, cells.size, used[None])
        return Averages(["att"], label_frame(["att"], {}), linear, None, "overall effect")
    return _by_label(kind, cells, labels, effects, used)


def _by_label(
    by: str, cells: Cells, labels: pd.DataFrame, effects: FloatArray, used: BoolArray
) -> Averages:
    column, steps = {
        "group": ("cohort", cells.cohort),
        "calendar": ("time", cells.time),
        "event": ("horizon", cells.horizon),
    }[by]
    values, masks = masks_by(steps, used)
    linear = average(effects, cells.size, masks)
    shown = [labels[column].iloc[int(np.flatnonzero(mask)[0])] for mask in masks]
    if by == "event":
        shown = values.tolist()
    names = [_NAMES[by](label) for label in shown]
    overall = _overall(by, linear, effects, cells, values, masks)
    sizes = (masks * cells.size).sum(axis=1)
    frame = label_frame(names, {column: shown, "size": sizes})
    return Averages(names, frame, linear, overall, _WORDS[by])


def _overall(
    by: str,
    linear: LinearMap,
    effects: FloatArray,
    cells: Cells,
    values: IntArray,
    masks: BoolArray,
) -> LinearMap | None:
    """Average over cohorts by their mean size; over periods and horizons from 0 on equally."""
    if by == "group":
        by_size = masks / masks.sum(axis=1, keepdims=True)
        return mean_of(linear, effects, by_size @ cells.size, by_size)
    counted = values >= 0 if by == "event" else np.ones(values.size, dtype=bool)
    if not counted.any():
        return None
    chosen = LinearMap(linear.weights[counted], linear.by_size[counted])
    size = np.ones(int(counted.sum()))
    return mean_of(chosen, effects, size, np.zeros((size.size, effects.size)))


def _event_cells(
    cells: Cells, balance: int | None, window: tuple[int | None, int | None]
) -> BoolArray:
    horizon = cells.horizon
    low, high = window
    used: BoolArray = np.ones(horizon.size, dtype=bool)
    if balance is not None:
        last, first = int(cells.time.max()), int(cells.time.min())
        used &= (last - cells.cohort >= balance) & (horizon <= balance)
        used &= horizon >= balance - (last - first)
    if low is not None:
        used &= horizon >= low
    if high is not None:
        used &= horizon <= high
    return used


def _named(
    by: Callable[[pd.DataFrame], Any], cells: Cells, labels: pd.DataFrame, effects: FloatArray
) -> Averages:
    found = pd.Series(by(labels.copy()))
    if len(found) != len(labels):
        raise SpecificationError(f"by() gave {len(found)} names for {len(labels)} effects.")
    values = found.to_numpy(dtype=object)
    kept = ~pd.isna(values)
    names = [str(name) for name in dict.fromkeys(values[kept])]
    if not names:
        raise SpecificationError("by() left every effect out.")
    masks = np.array(
        [[k and str(v) == name for v, k in zip(values, kept, strict=True)] for name in names]
    )
    linear = average(effects, cells.size, masks)
    return Averages(names, label_frame(names, {}), linear, None, "custom averages")


def _weighted(by: Mapping[str, Any], cells: Cells) -> Averages:
    k = cells.size.size
    rows = []
    for name, weights in by.items():
        row = np.asarray(weights)
        if row.shape != (k,) or row.dtype.kind not in "iuf":
            raise SpecificationError(
                f"by={{{name!r}: ...}} takes {k} weights, one for each effect."
            )
        rows.append(row)
    names = [str(name) for name in by]
    table = np.stack(rows)
    return Averages(
        names,
        label_frame(names, {}),
        LinearMap(table, np.zeros_like(table)),
        None,
        "custom averages",
    )


def horizon_name(horizon: int) -> str:
    """Name the effect at a horizon."""
    return f"horizon {int(horizon)}"


_NAMES: dict[str, Callable[[Any], str]] = {
    "group": lambda label: f"cohort {label_text(label)}",
    "calendar": lambda label: f"period {label_text(label)}",
    "event": horizon_name,
}
_WORDS = {
    "group": "effects by cohort",
    "calendar": "effects by period",
    "event": "effects by horizon",
}
