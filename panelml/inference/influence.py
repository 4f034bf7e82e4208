"""How each row moved the estimates, computed on request in one pass over the data."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from panelml._typing import BoolArray, FloatArray
from panelml.core.block import Block
from panelml.core.equations import Equation, Grain, LeastSquaresEquation
from panelml.core.keyed import KeyedSums
from panelml.core.row_values import RowValues
from panelml.data.sample import Sample
from panelml.engine.fold import fold
from panelml.errors import MissingValueError, SpecificationError, listing

__all__ = ["Influence", "InfluenceFunction", "SerialProducts", "UnitInfluence", "require_complete"]


class InfluenceFunction(Protocol):
    """How rows or units moved the estimates."""

    @property
    def sample(self) -> Sample:
        """Where the rows come from."""
        ...

    @property
    def frequency(self) -> bool:
        """Whether weights are counts of equal rows."""
        ...

    @property
    def grain(self) -> Grain:
        """What is counted: rows, units that cannot be cut into clusters, or replications."""
        ...

    def sums(self, names: tuple[str, ...]) -> KeyedSums:
        """Sum psi over the rows with the same value of a column or combination."""
        ...

    def row_products(self) -> FloatArray:
        """Sum psi psi' over rows, shape (k, k)."""
        ...

    def serial_products(self, lags: int) -> FloatArray:
        """Sum psi_t psi_(t-l)' over rows of the same unit: (lags + 1, k, k)."""
        ...

    def mapped(self, matrix: FloatArray) -> InfluenceFunction:
        """Return the influence on linear functions of the parameters, ``matrix`` (m, k)."""
        ...


@dataclass(frozen=True, slots=True)
class SerialProducts:
    """Cross-products of scores of the same unit, so many steps apart.

    Attributes
    ----------
    products : FloatArray, shape (lags + 1, k, k)
    """

    products: FloatArray

    def __add__(self, other: SerialProducts) -> SerialProducts:
        return SerialProducts(self.products + other.products)


@dataclass(frozen=True, slots=True)
class Influence:
    """The influence function of an estimating equation, row by row: ``psi = bread @ score``.

    Attributes
    ----------
    sample : Sample
        Where the rows come from.
    equation : Equation
        What the fit solved.
    """

    sample: Sample
    equation: Equation

    @property
    def bread(self) -> FloatArray:
        """Of the equation, shape (k, m)."""
        return self.equation.bread

    @property
    def frequency(self) -> bool:
        """Whether weights are counts of equal rows, which are then separate observations."""
        return self.equation.frequency

    @property
    def grain(self) -> Grain:
        """Whether each row of the fit is one of the data, or the mean of a unit."""
        return self.equation.grain

    @property
    def regression(self) -> LeastSquaresEquation:
        """The regression that was run.

        Raises
        ------
        SpecificationError
            If none was.
        """
        if self.equation.regression is None:
            raise SpecificationError(
                "This is asked of linear regressions, whose residuals and leverage it takes; this "
                "model is not one."
            )
        return self.equation.regression

    def mapped(self, matrix: FloatArray) -> Influence:
        """Return the influence on linear functions of the parameters, ``matrix`` (m, k)."""
        return replace(self, equation=self.equation.mapped(matrix))

    def sums(self, names: tuple[str, ...]) -> KeyedSums:
        """Sum psi over the rows with the same value of a column or combination.

        Returns
        -------
        KeyedSums
            With ``sums`` of shape (k, clusters).

        Raises
        ------
        MissingValueError
            If a row of the sample has no value.
        """
        if names == (self.sample.source.unit,):
            total = fold(self.sample, self._unit_sums)
        else:
            self.require_complete(names)
            key = "^".join(names)

            def keyed(block: Block) -> KeyedSums:
                scores = self.equation.scores(block)
                return KeyedSums.of(scores.values, scores.labels(block.keys[key]))

            total = fold(self.sample.with_keys(names), keyed)
        return replace(total, sums=self.bread @ total.sums)

    def require_complete(self, names: tuple[str, ...]) -> None:
        """Refuse clusters that are missing in rows that stand for rows of the fit.

        Raises
        ------
        MissingValueError
            Naming the rows.
        """
        used = None
        if self.grain == "row" and self.sample.has_missing(names):
            used = fold(self.sample, self._used).values[0] > 0
        require_complete(self.sample, names, used)

    def row_products(self) -> FloatArray:
        """Sum psi psi' over rows, shape (k, k)."""

        def products(block: Block) -> SerialProducts:
            scores = self.equation.scores(block)
            left = right = scores.values
            if self.frequency and scores.weights is not None:
                right = left / scores.weights
            return SerialProducts((left @ right.T)[None])

        return self._around(fold(self.sample, products).products[0])

    def serial_products(self, lags: int) -> FloatArray:
        """Sum psi_t psi_(t-l)' over rows of the same unit, l = 0, ..., lags: (lags + 1, k, k)."""

        def products(block: Block) -> SerialProducts:
            scores = self.equation.scores(block)
            values = scores.values
            unit, step = scores.labels(block.unit), scores.labels(block.step)
            span = int(step.max(initial=0)) + lags + 1
            key = unit * span + step
            found = [values @ values.T]
            for lag in range(1, lags + 1):
                place = np.minimum(np.searchsorted(key, key - lag), max(key.size - 1, 0))
                match = (key[place] == key - lag) & (unit[place] == unit)
                found.append(values[:, match] @ values[:, place[match]].T)
            return SerialProducts(np.stack(found))

        total = fold(self.sample, products).products
        return np.stack([self._around(product) for product in total])

    def _used(self, block: Block) -> RowValues:
        """Mark the rows of a block that stand for rows of the fit."""
        at = self.equation.scores(block).at
        used = np.zeros((1, block.n))
        used[0, slice(None) if at is None else at] = 1.0
        return RowValues(used)

    def _unit_sums(self, block: Block) -> KeyedSums:
        scores = self.equation.scores(block)
        units, sums = scores.unit_sums(scores.values)
        return KeyedSums(units + block.first_unit, sums)

    def _around(self, middle: FloatArray) -> FloatArray:
        return self.bread @ middle @ self.bread.T


@dataclass(frozen=True, slots=True)
class UnitInfluence:
    """The influence function of estimates in which each unit counts as a whole.

    Attributes
    ----------
    sample : Sample
        Where the units come from.
    psi : FloatArray, shape (k, g)
        How each unit of the sample moved each parameter, in the order of the units.
    """

    sample: Sample
    psi: FloatArray

    @property
    def frequency(self) -> bool:
        """Whether weights are counts of equal rows: units are what is counted here."""
        return False

    @property
    def grain(self) -> Grain:
        """A unit counts as a whole."""
        return "unit"

    def mapped(self, matrix: FloatArray) -> UnitInfluence:
        """Return the influence on linear functions of the parameters, ``matrix`` (m, k)."""
        return replace(self, psi=matrix @ self.psi)

    def plus(self, other: UnitInfluence) -> UnitInfluence:
        """Return the influence on sums of parameters of the same units."""
        return replace(self, psi=self.psi + other.psi)

    def sums(self, names: tuple[str, ...]) -> KeyedSums:
        """Sum psi over the units with the same value of a column or combination.

        Raises
        ------
        MissingValueError
            If a row of the sample has no value.
        """
        if names == (self.sample.source.unit,):
            return KeyedSums(np.arange(self.psi.shape[1]), self.psi)
        require_complete(self.sample, names)
        return KeyedSums.of(self.psi, self.sample.unit_codes(names))

    def row_products(self) -> FloatArray:
        """Sum psi psi' over units, shape (k, k)."""
        return self.psi @ self.psi.T

    def serial_products(self, lags: int) -> FloatArray:
        """Refuse: units have no rows to follow over time.

        Raises
        ------
        SpecificationError
            Always.
        """
        raise SpecificationError(
            "Each unit counts as a whole in this fit: there are no rows of it to follow over time. "
            "Cluster by units or by groups of them."
        )


def require_complete(sample: Sample, names: tuple[str, ...], used: BoolArray | None = None) -> None:
    """Refuse clusters that are missing in rows of the sample, or in those that are used.

    Raises
    ------
    MissingValueError
        Naming the rows.
    """
    if not sample.has_missing(names):
        return
    codes = sample.codes(names)
    missing = np.flatnonzero(codes < 0 if used is None else (codes < 0) & used)
    if missing.size:
        kept = np.arange(codes.size)
        if sample.keep is not None:
            kept = np.flatnonzero(sample.keep)
        rows = sorted(sample.source.index.position(int(kept[i])) for i in missing[:5])
        raise MissingValueError(
            f"The cluster column {'^'.join(names)!r} is missing in {missing.size} rows of the "
            f"estimation sample (row {listing(rows)}). Complete it or drop these rows."
        )
