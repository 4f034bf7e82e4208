"""The unit of work: the arrays of some whole units."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from panelml._typing import BoolArray, FloatArray, IntArray

__all__ = ["Block", "Variables", "arranged"]


@dataclass(frozen=True, slots=True)
class Variables:
    """Values of variables in rows, seen by the role that each variable has in the model.

    Attributes
    ----------
    z : FloatArray, shape (p, n)
        Variables first, so that each one is contiguous, in the order of ``arranged``.
    """

    z: FloatArray

    @property
    def outcome(self) -> FloatArray:
        """The dependent variable, shape (n,), a view."""
        outcome: FloatArray = self.z[0]
        return outcome

    @property
    def regressors(self) -> FloatArray:
        """The explanatory variables, shape (p - 1, n), a view."""
        return self.z[1:]


def arranged(outcome: FloatArray, *regressors: FloatArray) -> FloatArray:
    """Join an outcome, shape (n,), and tables of regressors, shape (k, n), into Variables.z."""
    return np.concatenate([outcome[None], *regressors])


@dataclass(frozen=True, slots=True)
class Block(Variables):
    """Rows of whole units, sorted by unit and then by time.

    Attributes
    ----------
    z : FloatArray, shape (p, n)
        Outcome and regressors, without the constant.
    starts : IntArray, shape (g + 1,)
        Unit i of the block owns the rows ``starts[i]:starts[i + 1]``; no unit is empty.
    first_unit : int
        Number of the block's first unit among the units of the estimation sample.
    time : IntArray, shape (n,)
        Code of the period, in the order of time.
    steps : IntArray, shape (T,)
        Position of each period on the time axis: a gap of one period adds two.
    weights : FloatArray, shape (n,), or None
        Weights, with mean one if analytic, counts if frequency; None where all are one.
    keys : dict of str to IntArray, shape (n,)
        Codes of effects and clusters by the name of their column or interaction.
    slopes : dict of str to FloatArray, shape (n,)
        Variables whose coefficient varies over an absorbed effect.
    """

    starts: IntArray
    first_unit: int
    time: IntArray
    steps: IntArray
    weights: FloatArray | None
    keys: dict[str, IntArray]
    slopes: dict[str, FloatArray]

    @property
    def row_weights(self) -> FloatArray:
        """Weights of the rows, ones where there are none, shape (n,)."""
        return np.ones(self.n) if self.weights is None else self.weights

    @property
    def n(self) -> int:
        """Number of rows."""
        return int(self.z.shape[1])

    @property
    def n_units(self) -> int:
        """Number of units."""
        return self.starts.size - 1

    @property
    def sizes(self) -> IntArray:
        """Rows of each unit, shape (g,)."""
        return np.diff(self.starts)

    @property
    def unit(self) -> IntArray:
        """Number of each row's unit within the block, shape (n,)."""
        return np.repeat(np.arange(self.n_units), self.sizes)

    @property
    def step(self) -> IntArray:
        """Position of each row's period on the time axis, shape (n,)."""
        return self.steps[self.time]

    @property
    def units(self) -> IntArray:
        """Numbers of the block's units among those of the estimation sample, shape (g,)."""
        return np.arange(self.first_unit, self.first_unit + self.n_units)

    def subset(self, keep: BoolArray) -> tuple[Block, IntArray]:
        """Return the block with some rows, and which of its units have any left.

        Parameters
        ----------
        keep : BoolArray, shape (n,)
        """
        rows = np.add.reduceat(keep.astype(np.int64), self.starts[:-1])
        units = np.flatnonzero(rows)
        block = replace(
            self,
            z=self.z[:, keep],
            starts=np.concatenate([[0], np.cumsum(rows[units])]),
            time=self.time[keep],
            weights=None if self.weights is None else self.weights[keep],
            keys={name: codes[keep] for name, codes in self.keys.items()},
            slopes={name: values[keep] for name, values in self.slopes.items()},
        )
        return block, units

    def with_z(self, z: FloatArray) -> Block:
        """Return the block with other variables."""
        return replace(self, z=z)

    def weighted(self, weights: FloatArray) -> Block:
        """Return the block with other weights, shape (n,)."""
        return replace(self, weights=weights)
