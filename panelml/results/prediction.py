"""Predictions, residuals and fitted values, computed on request and in the user's row order."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
import pandas as pd

from panelml._typing import FloatArray
from panelml.core.block import Block
from panelml.data.design import Design
from panelml.data.formula import Effect
from panelml.data.panel import Panel
from panelml.data.sample import Sample
from panelml.engine.fold import fold

__all__ = ["EffectModel", "Predictor", "RowValues", "effect_values", "to_series"]


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
    """

    design: Design
    names: tuple[str, ...]
    steps: tuple[Callable[[Block], Block], ...]
    coef: FloatArray
    intercept: float

    def xb(self, block: Block) -> FloatArray:
        """Predict a block's rows, shape (n,)."""
        return self.intercept + self.coef @ block.z[1:]

    def error(self, block: Block) -> FloatArray:
        """Outcome less prediction, shape (n,)."""
        return block.z[0] - self.xb(block)

    def outcome(self, panel: Panel) -> FloatArray:
        """Return the outcome of a panel in its user's order."""
        sample = Sample(panel, self.design, self.design.names)
        return sample.scatter(fold(sample, lambda b: RowValues(b.z[:1])).values[0])

    def on(self, panel: Panel) -> FloatArray:
        """Predict rows of another panel in its user's order; missing where a regressor is."""
        sample = Sample(panel, self.design.without_outcome(), self.names, steps=self.steps)
        missing = fold(sample, lambda b: RowValues(np.isnan(b.z).any(axis=0)[None])).values[0]
        values = np.full(panel.nobs, np.nan)
        if missing.all():
            return values
        complete = replace(sample, keep=None if not missing.any() else ~missing.astype(bool))
        rows = fold(complete, lambda b: RowValues(self.xb(b)[None])).values[0]
        return complete.scatter(rows)


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
