"""Outcomes of nonlinear models: their distribution, and how rows of the data say what it takes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from panelml._typing import FloatArray
from panelml.core.block import Block
from panelml.core.family.family import Family

__all__ = ["CategoryCodes", "CensoredBounds", "Outcome", "single"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """The outcome of a nonlinear model.

    Attributes
    ----------
    family : Family
    response : callable
        From a block of the sample to what the family takes, shape (r, n).
    runaway : str
        What it means, in words, that an auxiliary parameter grows without end.
    """

    family: Family
    response: Callable[[Block], FloatArray]
    runaway: str = ""

    @property
    def cut_points(self) -> bool:
        """Whether cut points take the place of a constant."""
        return self.family.name == "ordered"

    def unit(self, auxiliary: FloatArray) -> float:
        """Return what the index is measured in: one, or a standard deviation of the outcome."""
        return float(np.exp(auxiliary[0])) if self.family.name == "censored" else 1.0


def single(block: Block) -> FloatArray:
    """Return the outcome itself, shape (1, n)."""
    return block.outcome[None]


@dataclass(frozen=True, slots=True)
class CategoryCodes:
    """Numbers of ordered categories, from 0.

    Attributes
    ----------
    values : FloatArray, shape (J,)
        Values of the outcome, increasing.
    """

    values: FloatArray

    def __call__(self, block: Block) -> FloatArray:
        """Return the categories of the rows of a block, shape (1, n)."""
        codes = np.searchsorted(self.values, block.outcome).astype(np.float64)
        return codes[None]


@dataclass(frozen=True, slots=True)
class CensoredBounds:
    """Bounds of a latent variable: an outcome at a limit says no more than that it is beyond it.

    Attributes
    ----------
    lower, upper : str, float or None
        A limit of all rows, or the key of a column of them in blocks.
    """

    lower: str | float | None
    upper: str | float | None

    def limits(self, block: Block) -> tuple[FloatArray, FloatArray]:
        """Return both limits of the rows of a block, infinite where there is none."""
        lower = _limit(self.lower, block, -np.inf)
        return lower, _limit(self.upper, block, np.inf)

    def __call__(self, block: Block) -> FloatArray:
        """Return the bounds of the rows of a block, shape (2, n)."""
        y = block.outcome
        lower, upper = self.limits(block)
        low = np.where(y <= lower, -np.inf, np.where(y >= upper, upper, y))
        high = np.where(y >= upper, np.inf, np.where(y <= lower, lower, y))
        return np.stack([low, high])


def _limit(limit: str | float | None, block: Block, none: float) -> FloatArray:
    if isinstance(limit, str):
        return block.slopes[limit]
    return np.full(block.n, none if limit is None else float(limit))
