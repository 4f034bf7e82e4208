"""What each estimator does to the rows before least squares."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from panelml._typing import FloatArray, IntArray
from panelml.core.block import Block, Variables, arranged
from panelml.core.groups import demean, demean_twice, group_means, group_sums, spread
from panelml.errors import SpecificationError

__all__ = [
    "BetweenTransform",
    "CentredTransform",
    "Difference",
    "Level",
    "Placed",
    "QuasiDemean",
    "Rows",
    "Transform",
    "Within",
]


class Placed:
    """Rows that stand for rows of a block: see ``Rows`` for the attributes."""

    __slots__ = ()

    at: IntArray | None
    starts: IntArray

    def labels(self, codes: IntArray) -> IntArray:
        """Give each row the code of the block row it stands for."""
        return codes if self.at is None else codes[self.at]

    def unit_sums(self, values: FloatArray) -> tuple[IntArray, FloatArray]:
        """Sum over units: those of the block that have rows, and sums (k, m) to (k, units)."""
        present = np.flatnonzero(np.diff(self.starts))
        starts = self.starts
        if present.size < starts.size - 1:
            starts = np.append(starts[present], starts[-1])
        return present, group_sums(values, starts)


@dataclass(frozen=True, slots=True)
class Rows(Variables, Placed):
    """Rows ready for least squares.

    Attributes
    ----------
    z : FloatArray, shape (p, m)
        Outcome and regressors, the constant first where the transform has one.
    weights : FloatArray, shape (m,), or None
    at : IntArray, shape (m,), or None
        The row of the block whose unit, period and clusters each row takes; None for its own.
    starts : IntArray, shape (g + 1,)
        First row of each unit of the block; a unit may have no rows.
    """

    weights: FloatArray | None
    at: IntArray | None
    starts: IntArray


class Transform(Protocol):
    """What an estimator does to the rows of a block before least squares."""

    @property
    def constant(self) -> bool:
        """Whether a constant is among the regressors."""
        ...

    def __call__(self, block: Block) -> Rows:
        """Transform one block."""
        ...


class CentredTransform(Transform, Protocol):
    """A transform of rows about a reference point."""

    def extended(self, count: int) -> Transform:
        """Return the transform of blocks with so many more regressors, centred already."""
        ...


@dataclass(frozen=True, slots=True)
class Level:
    """Rows as they are, shifted by a reference point that keeps cross-products accurate.

    Attributes
    ----------
    centre : FloatArray, shape (p,)
        The reference of outcome and regressors, usually the overall means.
    constant : bool
    """

    centre: FloatArray
    constant: bool = True

    def __call__(self, block: Block) -> Rows:
        """Transform one block."""
        z = block.z - self.centre[:, None]
        if self.constant:
            z = _with_constant(z, np.ones(block.n))
        return Rows(z, block.weights, None, block.starts)

    def extended(self, count: int) -> Level:
        """Return the transform of blocks with so many more regressors, centred already."""
        return replace(self, centre=np.append(self.centre, np.zeros(count)))


@dataclass(frozen=True, slots=True)
class Within:
    """Deviations from unit means.

    Attributes
    ----------
    faint : tuple of int
        Variables whose unit means are so large that they are taken off twice.
    """

    faint: tuple[int, ...] = ()
    constant: bool = False

    def __call__(self, block: Block) -> Rows:
        """Transform one block."""
        z = demean(block.z, block.starts, block.unit, block.weights)
        if self.faint:
            at = list(self.faint)
            z[at] = demean_twice(block.z[at], block.starts, block.unit, block.weights).values
        return Rows(z, block.weights, None, block.starts)


@dataclass(frozen=True, slots=True)
class QuasiDemean:
    """Subtract the share theta of the unit mean: generalised least squares of random effects.

    Attributes
    ----------
    centre : FloatArray, shape (p,)
    sigma2_u, sigma2_e : float
        Variances of the unit effect and of the rest; theta is
        ``1 - sqrt(sigma2_e / (sigma2_e + w_i * sigma2_u))`` with w_i the sum of the unit's
        weights, its number of rows without weights.
    """

    centre: FloatArray
    sigma2_u: float
    sigma2_e: float
    constant: bool = True

    def theta(self, weight: FloatArray) -> FloatArray:
        """Share of the mean that is subtracted, for units of these weights."""
        return 1 - np.sqrt(self.sigma2_e / (self.sigma2_e + weight * self.sigma2_u))

    def __call__(self, block: Block) -> Rows:
        """Transform one block."""
        weight = block.sizes.astype(np.float64)
        if block.weights is not None:
            weight = group_sums(block.weights, block.starts)
        theta = self.theta(weight)
        z = block.z - self.centre[:, None]
        mean = group_means(z, block.starts, block.weights)
        unit = block.unit
        z -= spread(mean * theta, unit)
        if self.constant:
            z = _with_constant(z, spread(1 - theta, unit))
        return Rows(z, block.weights, None, block.starts)

    def extended(self, count: int) -> QuasiDemean:
        """Return the transform of blocks with so many more regressors, centred already."""
        return replace(self, centre=np.append(self.centre, np.zeros(count)))


@dataclass(frozen=True, slots=True)
class BetweenTransform:
    """One row for each unit: its means.

    Attributes
    ----------
    centre : FloatArray, shape (p,)
    weighted : bool
        Weight a unit by the sum of its weights rather than equally.
    scale : float
        Factor that gives these weights mean one.
    """

    centre: FloatArray
    weighted: bool = False
    constant: bool = True
    scale: float = 1.0

    def __call__(self, block: Block) -> Rows:
        """Transform one block."""
        mean = group_means(block.z - self.centre[:, None], block.starts, block.weights)
        weights: FloatArray | None = None
        if self.weighted:
            weights = block.sizes.astype(np.float64)
            if block.weights is not None:
                weights = group_sums(block.weights, block.starts)
            weights = weights * self.scale
        z = _with_constant(mean, np.ones(block.n_units)) if self.constant else mean
        return Rows(z, weights, block.starts[:-1], np.arange(block.n_units + 1))


@dataclass(frozen=True, slots=True)
class Difference:
    """Changes between consecutive periods; a gap gives no change.

    A change of rows with weights v and w has their harmonic mean as its weight, inverse to its
    variance where errors are independent.

    Attributes
    ----------
    constant : bool
        Whether a constant, the drift, is among the regressors.
    frequency : bool
        Whether weights are counts of equal rows, which must then be equal for both rows.
    """

    constant: bool = False
    frequency: bool = False

    def __call__(self, block: Block) -> Rows:
        """Transform one block.

        Raises
        ------
        SpecificationError
            If a change is one of differently many rows.
        """
        later = np.arange(1, block.n)
        same_unit = np.ones(block.n - 1, dtype=bool)
        same_unit[block.starts[1:-1] - 1] = False
        later = later[same_unit & (np.diff(block.step) == 1)]
        z = block.z[:, later] - block.z[:, later - 1]
        w = block.weights
        weights = None if w is None else 2 / (1 / w[later] + 1 / w[later - 1])
        if w is not None and self.frequency and (w[later] != w[later - 1]).any():
            raise SpecificationError(
                "Frequency weights that change within a unit have no first differences. Use "
                "weights that are constant within units, or analytic weights."
            )
        if self.constant:
            z = _with_constant(z, np.ones(later.size))
        return Rows(z, weights, later, np.searchsorted(later, block.starts))


def _with_constant(z: FloatArray, constant: FloatArray) -> FloatArray:
    return arranged(z[0], constant[None], z[1:])
