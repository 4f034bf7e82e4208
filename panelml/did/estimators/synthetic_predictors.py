"""Predictors that a synthetic control is to match: means of columns over windows of periods."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from panelml._typing import AnyArray, FloatArray, IntArray
from panelml.data.formula.formula import parse_formula
from panelml.data.panel.panel import Panel
from panelml.data.sample import Sample
from panelml.did.results.averages import label_text
from panelml.engine.collect import collect
from panelml.engine.sampling import make_sample
from panelml.errors import IdentificationError, MissingValueError, SpecificationError, listing

__all__ = ["PredictorMean", "PredictorTable", "read_predictors"]


@dataclass(frozen=True, slots=True)
class PredictorMean:
    """A mean of one variable.

    Attributes
    ----------
    name : str
        With its periods, where they were given.
    variable : int
        Number among the variables of the table.
    periods : IntArray, or None
        Numbers of the periods; None for all before adoption.
    """

    name: str
    variable: int
    periods: IntArray | None

    def until(self, before: int) -> IntArray:
        """Its periods among the first ones."""
        if self.periods is None:
            return np.arange(before)
        return self.periods[self.periods < before]


@dataclass(frozen=True, slots=True)
class PredictorTable:
    """What predictors are made from.

    Attributes
    ----------
    predictors : tuple of PredictorMean
    values : FloatArray, shape (p, units, T)
        Missing where not observed.
    units : AnyArray, shape (units,)
        Labels, for messages.
    """

    predictors: tuple[PredictorMean, ...]
    values: FloatArray
    units: AnyArray

    def of(self, units: IntArray) -> PredictorTable:
        """Return the table of some units."""
        return replace(self, values=self.values[:, units], units=self.units[units])

    def known(self, before: int) -> tuple[PredictorMean, ...]:
        """Predictors with a period among the first ones."""
        return tuple(p for p in self.predictors if p.until(before).size)

    def matrix(self, before: int) -> FloatArray:
        """Means over periods that are observed, shape (k, units).

        Raises
        ------
        MissingValueError
            If a unit is observed in none of them.
        """
        rows = []
        for predictor in self.known(before):
            values = self.values[predictor.variable][:, predictor.until(before)]
            seen = ~np.isnan(values)
            if not seen.any(axis=1).all():
                units = listing(self.units[~seen.any(axis=1)])
                raise MissingValueError(
                    f"The predictor {predictor.name!r} is missing in all of its periods for units "
                    f"{units}. Give it other periods, or leave out these units."
                )
            total = np.where(seen, values, 0.0).sum(axis=1)
            rows.append(total / seen.sum(axis=1))
        return np.stack(rows)


def read_predictors(
    panel: Panel,
    sample: Sample,
    wanted: Mapping[str, Any],
    times: Sequence[Any],
    first: int,
    adopted: str,
) -> PredictorTable:
    """Read predictors off a panel.

    Parameters
    ----------
    panel : Panel
    sample : Sample
        Whose units and periods count.
    wanted : mapping of str to periods
        Column or expression to None, a window ``(first, last)``, a period, or a list of these.
    times : sequence
        Labels of the sample's periods.
    first : int
        Number of the first treated period of the first cohort.
    adopted : str
        Its label.

    Raises
    ------
    SpecificationError
        If no predictor is given, or a window has no period of the data.
    IdentificationError
        If a window reaches beyond adoption.
    """
    units = np.flatnonzero(sample.unit_rows > 0)
    present = np.flatnonzero(sample.level_rows((panel.time,)) > 0)
    predictors: list[PredictorMean] = []
    tables = []
    for number, (text, windows) in enumerate(wanted.items()):
        tables.append(_values(panel, text)[np.ix_(units, present)])
        for window in windows if isinstance(windows, list) else [windows]:
            predictors.append(_predictor(text, number, window, times))
    if not predictors:
        raise SpecificationError("predictors is empty: leave it out to match all outcomes.")
    for predictor in predictors:
        if predictor.periods is not None and predictor.periods[-1] >= first:
            raise IdentificationError(
                f"The predictor {predictor.name!r} reaches beyond adoption ({adopted}), where "
                "the policy may have changed it: end its window before."
            )
    return PredictorTable(tuple(predictors), np.stack(tables), sample.unit_labels)


def _values(panel: Panel, text: str) -> FloatArray:
    """Evaluate one column or expression, shape (units, T) of the panel."""
    sample, _ = make_sample(panel, parse_formula(f"{text} ~ 1"), None)
    table = np.full((panel.n_units, panel.n_periods), np.nan)
    table[sample.codes((panel.unit,)), sample.codes((panel.time,))] = collect(sample).outcome
    return table


def _predictor(text: str, number: int, window: Any, times: Sequence[Any]) -> PredictorMean:
    if window is None:
        return PredictorMean(text, number, None)
    low, high = window if isinstance(window, tuple) and len(window) == 2 else (window, window)
    try:
        inside = [i for i, time in enumerate(times) if low <= time <= high]
    except TypeError as error:
        raise SpecificationError(
            f"The window {window!r} of predictor {text!r} does not compare with periods as "
            f"{label_text(times[0])}. Give None, a period, (first, last), or a list of these."
        ) from error
    if not inside:
        raise SpecificationError(
            f"The window {window!r} of predictor {text!r} has no period of the data, which go "
            f"from {label_text(times[0])} to {label_text(times[-1])}."
        )
    ends = label_text(low) if low == high else f"{label_text(low)}-{label_text(high)}"
    return PredictorMean(f"{text} {ends}", number, np.array(inside))
