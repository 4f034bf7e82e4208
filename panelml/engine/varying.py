"""Counterfactual rows: the regressors of a sample as they would be with other values."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from panelml._typing import FloatArray
from panelml.core.block import Block
from panelml.core.differentiation import derivative
from panelml.data.formula.changes import Change
from panelml.data.sample import Sample
from panelml.data.source.chunk import Chunk

__all__ = ["ChangeOfRows", "Setting", "VariedRows"]


@dataclass(frozen=True, slots=True)
class Setting:
    """Values that rows have instead of their own.

    Attributes
    ----------
    changes : mapping of str to Change
        By column of numbers.
    levels : mapping of str to int
        By category, as it stands in the formula: the number of the level.
    regressors : mapping of int to Change
        By place among the regressors, for those that no column alone gives, as lags.
    """

    changes: Mapping[str, Change] = field(default_factory=dict)
    levels: Mapping[str, int] = field(default_factory=dict)
    regressors: Mapping[int, Change] = field(default_factory=dict)

    def times(self, factor: float) -> Setting:
        """Return the setting with so many times its steps."""
        return Setting(
            {name: replace(c, step=factor * c.step) for name, c in self.changes.items()},
            self.levels,
            {place: replace(c, step=factor * c.step) for place, c in self.regressors.items()},
        )

    def over(self, base: Setting) -> Setting:
        """Return these values, and for the rest those of another setting."""
        moved = {
            name: replace(change, value=base.changes[name].value)
            if change.value is None and name in base.changes
            else change
            for name, change in self.changes.items()
        }
        return Setting(
            {**base.changes, **moved}, {**base.levels, **self.levels}, dict(self.regressors)
        )


@dataclass(frozen=True, slots=True)
class ChangeOfRows:
    """What is compared: rows in two settings, or the rate of change with a variable.

    Attributes
    ----------
    low, high : Setting
        For a rate, ``high`` moves the variable by one.
    rate : bool
    scale : float
        The first step of numerical differentiation; a power of two.
    linear : bool
        Whether the regressors are linear in the variable, so that one step is exact.
    """

    low: Setting
    high: Setting
    rate: bool
    scale: float = 1.0
    linear: bool = True

    def width(self, k: int) -> int:
        """Number of variables that it adds to blocks of k regressors."""
        return k if self.rate else 2 * k


@dataclass(frozen=True, slots=True)
class VariedRows:
    """A sample whose blocks carry the regressors of each contrast too.

    The variables of its blocks are the outcome and the regressors as they are; the regressors in
    the base setting; and for each contrast their rate of change, or those in its low and its high
    setting.

    Attributes
    ----------
    sample : Sample
        Whose unit means are known, so that they stay when a row changes.
    base : Setting
    contrasts : tuple of ChangeOfRows
    """

    sample: Sample
    base: Setting
    contrasts: tuple[ChangeOfRows, ...]

    def chunks(self, rows: int | None = None) -> Iterator[Chunk]:
        """Cut the rows as the sample does."""
        cut = self.sample.chunks
        return cut(rows)

    def block(self, chunk: Chunk) -> Block:
        """Evaluate a chunk in every setting."""
        actual = self.sample.block(chunk)
        parts = [actual.z, self._regressors(chunk, Setting())]
        for contrast in self.contrasts:
            if contrast.rate:
                parts.append(self._rate(chunk, contrast))
            else:
                parts += [self._regressors(chunk, s) for s in (contrast.low, contrast.high)]
        return replace(actual, z=np.concatenate(parts))

    def _regressors(self, chunk: Chunk, setting: Setting) -> FloatArray:
        """Evaluate the regressors in a setting, shape (k, n)."""
        sample, setting = self.sample, setting.over(self.base)
        if setting.changes or setting.levels:
            terms = sample.design.regressors.changed(setting.changes, setting.levels)
            sample = replace(sample, design=replace(sample.design, regressors=terms))
        x = sample.block(chunk).regressors
        if setting.regressors:
            x = x.copy()
            for place, change in setting.regressors.items():
                x[place] = change(x[place])
        return x

    def _rate(self, chunk: Chunk, contrast: ChangeOfRows) -> FloatArray:
        """Differentiate the regressors by a variable, shape (k, n)."""

        def moved(step: float) -> FloatArray:
            return self._regressors(chunk, contrast.high.times(step))

        if contrast.linear:
            step = contrast.scale
            return (moved(step) - moved(-step)) / (2 * step)
        return derivative(moved, contrast.scale * 11 / 128)
