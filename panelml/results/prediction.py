"""Predictions, residuals and fitted values, computed on request and in the user's row order."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol, Self

import narwhals.stable.v2 as nw
import numpy as np
import pandas as pd

from panelml._typing import BoolArray, FloatArray
from panelml.core.block import Block
from panelml.core.row_values import RowValues
from panelml.data.formula.category import Category
from panelml.data.formula.design import Design, Factor, Part, Terms
from panelml.data.formula.formula import Effect
from panelml.data.formula.functions import panel_function
from panelml.data.panel.axis import Period
from panelml.data.panel.grouping import ROW, group_rows, with_index_levels
from panelml.data.panel.panel import Panel, panel_on
from panelml.data.panel.table import read_frame
from panelml.data.panel.weights import Weights
from panelml.data.sample import Sample, in_memory
from panelml.data.source.given import DataLike, ValuesLike
from panelml.engine.fold import fold
from panelml.errors import SpecificationError, UnknownNameError, listing
from panelml.results.unit_means import UnitMeans

__all__ = [
    "EffectModel",
    "Predictor",
    "RowValues",
    "effect_values",
    "frame_of",
    "random_rows",
    "sample_values",
    "to_series",
]

_OWN_KEYS = ("(row)", "(no time)")


class EffectModel(Protocol):
    """How a model estimates its effects from ``y - xb``."""

    def tables(
        self, sample: Sample, error: Callable[[Block], FloatArray]
    ) -> dict[Effect, pd.DataFrame]:
        """Return, for each effect, a frame of intercept and slopes indexed by level."""
        ...


@dataclass(frozen=True, slots=True)
class Predictor:
    """The linear prediction, on any rows.

    Attributes
    ----------
    design : Design
    names : tuple of str
        Regressors of the blocks, after the model's own terms were added.
    steps : tuple of callables
        Which add these terms.
    coef : FloatArray, shape (k,)
        Their coefficients, zero for dropped regressors.
    intercept : float
    unit, time : str
        The key columns of the fitted panel.
    period : Period
        The step of its time axis.
    weights : Weights, or None
        By which the model's own terms average within units.
    means : UnitMeans, or None
        Those of the estimation sample, which its units keep in new rows.
    """

    design: Design
    names: tuple[str, ...]
    steps: tuple[Callable[[Block], Block], ...]
    coef: FloatArray
    intercept: float
    unit: str
    time: str
    period: Period
    weights: Weights | None
    means: UnitMeans | None = None

    @classmethod
    def of(cls, sample: Sample, coef: FloatArray, intercept: float) -> Self:
        """Predict as the model that was fitted to a sample."""
        source = sample.source
        return cls(
            sample.design,
            sample.names,
            sample.steps,
            coef,
            intercept,
            source.unit,
            source.time,
            source.index.period,
            sample.weights,
        )

    def remembering(self, sample: Sample) -> Self:
        """Return the prediction with the unit means of the estimation sample."""
        return replace(self, means=UnitMeans.of(sample)) if self.by_unit else self

    @property
    def by_unit(self) -> bool:
        """Whether a row's prediction takes other rows of its unit: lags, unit means."""
        formula = self.design.formula
        texts = (formula.regressors, *(term.regressors for term in formula.random))
        return bool(self.steps) or any(panel_function(text) for text in texts)

    def xb(self, block: Block) -> FloatArray:
        """Predict a block's rows, shape (n,)."""
        return np.asarray(self.intercept + self.coef @ block.regressors)

    def error(self, block: Block) -> FloatArray:
        """Outcome less prediction, shape (n,)."""
        return np.asarray(block.outcome - self.xb(block))

    def panel_of(self, data: DataLike) -> Panel:
        """Index new rows: by their keys where ``by_unit``, and otherwise each on its own.

        Raises
        ------
        UnknownNameError
            If keys are needed and missing.
        """
        if isinstance(data, Panel):
            own = not self.by_unit or self.time == ROW
            return data if own else panel_on(data, self.unit, self.time, self.period)
        frame = read_frame(with_index_levels(data))
        if not self.by_unit:
            return alone(frame)
        if self.time == ROW:
            return in_memory(group_rows(frame.to_native(), (self.unit,)))
        missing = [name for name in (self.unit, self.time) if name not in frame.columns]
        if missing:
            raise UnknownNameError(
                f"The new data lack the key column {' and '.join(map(repr, missing))}. Lags, "
                f"within() and between() and the unit means of this model need both keys, "
                f"{self.unit!r} and {self.time!r}."
            )
        return panel_on(frame.to_native(), self.unit, self.time, self.period)

    def notes(self, panel: Panel) -> tuple[str, ...]:
        """Say what the prediction of new rows takes from these rows."""
        if self.means is None or not (self.means.calls or self.means.steps):
            return ()
        new = self.means.places(panel.index.units) < 0
        if not new.any():
            return ()
        return (
            f"{int(new.sum()):,} units were not in the estimation sample ({panel.unit} "
            f"{listing(panel.index.units[new])}): their unit means are those of the rows that are "
            "predicted.",
        )

    def on(self, panel: Panel) -> FloatArray:
        """Predict the rows of a panel in its user's order; missing where a regressor is.

        Raises
        ------
        MissingValueError
            If a row that is complete otherwise has a level that the estimation sample has not.
        """
        return sample_values(self.rows(panel), self.xb)

    def rows(self, panel: Panel) -> Sample:
        """Return the rows of a panel whose regressors are all there.

        Raises
        ------
        MissingValueError
            If a row that is complete otherwise has a level that the estimation sample has not.
        """
        known = None if self.means is None else self.means.of_calls(panel.index.units)
        sample = _complete(Sample(panel, _numbers(self.design), (), known=known))
        sample = _complete(replace(sample, design=self.design.without_outcome()))
        weighted = self.weights is not None and self.weights.column in panel.columns
        weights = self.weights if weighted else None
        steps = self.steps
        if self.means is not None and sample.nobs:
            steps = self.means.of_steps(steps, sample.unit_labels)
        return replace(sample, names=self.names, steps=steps, weights=weights)


def alone(frame: nw.DataFrame[Any]) -> Panel:
    """Index rows each on its own."""
    row, time = _OWN_KEYS
    indexed = frame.with_row_index(row).with_columns(nw.lit(0).alias(time))
    return Panel(indexed.to_native(), unit=row, time=time)


def random_rows(predictor: Predictor, data: DataLike) -> Sample:
    """Return rows as the sample of a model that has the random regressors alone.

    Parameters
    ----------
    predictor : Predictor
    data : data frame
        With the columns of the random regressors.
    """
    panel = alone(read_frame(data))
    design = replace(predictor.design, outcome=None, regressors=Terms({}, ()))
    return _complete(Sample(panel, design, design.names))


def frame_of(data: ValuesLike) -> Any:
    """Return a data frame as it is, or one of columns and numbers given by name.

    Raises
    ------
    SpecificationError
        If the columns are not of one length.
    """
    if not isinstance(data, Mapping):
        return data
    single = [name for name, values in data.items() if np.ndim(values) == 0]
    rows = max((len(values) for name, values in data.items() if name not in single), default=1)
    uneven = [n for n, values in data.items() if n not in single and len(values) != rows]
    if uneven:
        raise SpecificationError(
            f"The values of {listing(uneven)} are not one number, or one for each of {rows} rows."
        )
    return pd.DataFrame(dict(data), index=pd.RangeIndex(rows) if single else None)


def sample_values(sample: Sample, value: Callable[[Block], FloatArray]) -> FloatArray:
    """Evaluate rows of a sample in the user's order; missing for rows outside it."""
    if sample.nobs == 0:
        return np.full(sample.source.nobs, np.nan)
    return sample.scatter(fold(sample, lambda block: RowValues(value(block)[None])).values[0])


def _complete(sample: Sample) -> Sample:
    """Keep the rows of a sample whose variables are all there."""
    if sample.nobs == 0:
        return sample
    total = sample_values(sample, lambda block: np.asarray(block.z.sum(axis=0)))
    keep: BoolArray = ~np.isnan(sample.panel.index.sort(total).astype(np.float64))
    return replace(sample, keep=None if keep.all() else keep)


def _numbers(design: Design) -> Design:
    """Reduce a design to its regressors that are numbers, each on its own."""
    factors: dict[str, Factor] = {}
    parts: list[Part] = []
    for terms in (design.regressors, *design.random):
        for text, factor in terms.factors.items():
            if not isinstance(factor, Category) and text not in factors:
                factors[text] = factor
                parts.append(Part(((text, None),), factor.names))
    return replace(design, outcome=None, regressors=Terms(factors, tuple(parts)), random=())


def effect_values(tables: Mapping[Effect, pd.DataFrame], panel: Panel) -> FloatArray:
    """Sum the effects of each row in the user's order; missing for levels never estimated."""
    total = np.zeros(panel.nobs)
    for effect, table in tables.items():
        codes = panel.codes(effect.columns)
        by_level = table.reindex(panel.labels(effect.columns))
        for name in table.columns:
            found = np.where(codes < 0, np.nan, by_level[name].to_numpy(np.float64)[codes])
            total += found if name == "effect" else found * panel.values(name)
    return panel.index.unsort(total)


def to_series(values: FloatArray, panel: Panel, name: str) -> pd.Series[Any]:
    """Label values in the user's row order as the user's rows are labelled."""
    return pd.Series(values, index=panel.row_labels(), name=name)
