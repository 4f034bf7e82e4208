"""Rows made independent: units with equal covariance of residuals are treated alike."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy import sparse

from panelml._typing import FloatArray, IntArray
from panelml.core.block import Block
from panelml.mixed.core.residual_forms import Patterns, ResidualForm

__all__ = ["Ranks", "RowFacts", "RowPatterns", "SizeClass", "Whitening", "size_classes"]


@dataclass(frozen=True, slots=True)
class Ranks:
    """Numbers of the levels of a column that occur, in the order of their labels.

    Attributes
    ----------
    key : str
        Name of the codes in a block.
    number : IntArray, shape (codes,)
    """

    key: str
    number: IntArray

    def of(self, block: Block) -> IntArray:
        """Number each row of a block."""
        return self.number[block.keys[self.key]]


@dataclass(frozen=True, slots=True)
class RowPatterns:
    """What the covariance of rows depends on.

    Attributes
    ----------
    time : FloatArray, shape (n,)
    level : IntArray, shape (n,)
    covariates : FloatArray, shape (k, n)
    stratum : IntArray, shape (n,)
    """

    time: FloatArray
    level: IntArray
    covariates: FloatArray
    stratum: IntArray

    def __add__(self, other: RowPatterns) -> RowPatterns:
        return RowPatterns(
            np.concatenate([self.time, other.time]),
            np.concatenate([self.level, other.level]),
            np.concatenate([self.covariates, other.covariates], axis=1),
            np.concatenate([self.stratum, other.stratum]),
        )


@dataclass(frozen=True, slots=True)
class RowFacts:
    """Where to find what the covariance of a block's rows depends on.

    Attributes
    ----------
    time : str, or None
        Variable among the block's slopes; empty for the period's position on the time axis; None
        where time does not matter.
    period, level, stratum : Ranks, or None
        Of the periods of an unstructured form; of the level of a row's variance; of the unit's
        correlation. None where there is one.
    covariates : tuple of (str, float, float)
        Variables among the block's slopes on which variances depend, with what is subtracted from
        them and what they are divided by.
    """

    time: str | None
    period: Ranks | None
    level: Ranks | None
    stratum: Ranks | None
    covariates: tuple[tuple[str, float, float], ...] = ()

    def of(self, block: Block) -> RowPatterns:
        """Return what the covariance of a block's rows depends on."""
        nothing = np.zeros(block.n, dtype=np.int64)
        time = nothing.astype(np.float64)
        if self.period:
            time = self.period.of(block).astype(np.float64)
        elif self.time is not None:
            time = block.slopes[self.time] if self.time else block.step.astype(np.float64)
        level = self.level.of(block) if self.level else nothing
        stratum = self.stratum.of(block) if self.stratum else nothing
        found = np.empty((len(self.covariates), block.n))
        for row, (name, centre, size) in zip(found, self.covariates, strict=True):
            row[:] = (block.slopes[name] - centre) / size
        return RowPatterns(time, level, found, stratum)


@dataclass(frozen=True, slots=True)
class SizeClass:
    """Units with as many rows each.

    Attributes
    ----------
    at : IntArray, shape (g, T)
        Their rows, in the order of time.
    patterns : Patterns
        Those that differ.
    pattern : IntArray, shape (g,)
        Which one each unit has.
    """

    at: IntArray
    patterns: Patterns
    pattern: IntArray


def size_classes(starts: IntArray, rows: RowPatterns, *, absolute: bool) -> list[SizeClass]:
    """Sort units by their number of rows, and by the covariance of these.

    Parameters
    ----------
    starts : IntArray, shape (units + 1,)
    rows : RowPatterns
    absolute : bool
        Whether it matters when rows are, and not only how far apart.
    """
    sizes = np.diff(starts)
    unit = np.repeat(np.arange(sizes.size), sizes)
    order = np.lexsort((rows.level, rows.time, unit))
    found = []
    for size in np.unique(sizes):
        units = np.flatnonzero(sizes == size)
        at = order[starts[units][:, None] + np.arange(size)]
        when = rows.time[at] if absolute else rows.time[at] - rows.time[at[:, :1]]
        facts = Patterns(
            when,
            rows.level[at],
            np.moveaxis(rows.covariates[:, at], 0, 2),
            rows.stratum[at[:, 0]],
        )
        _, first, inverse = np.unique(facts.key(), axis=0, return_index=True, return_inverse=True)
        found.append(SizeClass(at, facts.take(first), inverse.ravel()))
    return found


@dataclass(frozen=True, slots=True)
class Whitening:
    """Multiply the rows of each unit by the inverse root of their covariance.

    Attributes
    ----------
    form : ResidualForm
    theta : FloatArray, shape (size,)
    facts : RowFacts
    """

    form: ResidualForm
    theta: FloatArray
    facts: RowFacts

    def __call__(self, columns: FloatArray, block: Block) -> FloatArray:
        """Whiten columns, shape (k, n), of a block."""
        return self.whiten(columns, block.starts, self.facts.of(block))

    def variances(self, rows: RowPatterns) -> FloatArray:
        """Variances of rows over the residual variance, shape (n,); missing for unknown levels."""
        known = np.minimum(np.minimum(rows.level, rows.stratum), rows.time) >= 0
        found = np.full(known.size, np.nan)
        found[known] = self.form.variances(
            self.theta,
            rows.time[known],
            rows.level[known],
            rows.covariates[:, known],
            rows.stratum[known],
        )
        return found

    def roots(
        self, starts: IntArray, rows: RowPatterns, *, inverse: bool = False
    ) -> sparse.csr_array:
        """Return the root of the covariance of all rows over the residual variance, (n, n).

        Or the inverse of that, by which rows are made independent.
        """
        n = int(starts[-1])
        row, column, value = [np.zeros(0, dtype=np.int64)], [np.zeros(0, dtype=np.int64)], []
        for part, factor in self._factors(starts, rows, inverse=inverse):
            row.append(np.repeat(part.at, part.at.shape[1], axis=1).ravel())
            column.append(np.tile(part.at, part.at.shape[1]).ravel())
            value.append(factor.ravel())
        places = np.concatenate(row), np.concatenate(column)
        return sparse.csr_array((np.concatenate(value), places), shape=(n, n))

    def whiten(self, columns: FloatArray, starts: IntArray, rows: RowPatterns) -> FloatArray:
        """Make the rows of units independent; columns of shape (k, n)."""
        return self._multiply(columns, starts, rows, inverse=True)

    def colour(self, columns: FloatArray, starts: IntArray, rows: RowPatterns) -> FloatArray:
        """Give independent rows the covariance of their units; undoes ``whiten``."""
        return self._multiply(columns, starts, rows, inverse=False)

    def _multiply(
        self, columns: FloatArray, starts: IntArray, rows: RowPatterns, *, inverse: bool
    ) -> FloatArray:
        result = np.empty_like(columns)
        for part, factor in self._factors(starts, rows, inverse=inverse):
            result[:, part.at] = np.einsum("gst,kgt->kgs", factor, columns[:, part.at])
        return result

    def _factors(
        self, starts: IntArray, rows: RowPatterns, *, inverse: bool
    ) -> Iterator[tuple[SizeClass, FloatArray]]:
        """Yield units of equal size with the roots of their covariances, or the inverses."""
        for part in size_classes(starts, rows, absolute=self.form.kind == "unstructured"):
            root = np.linalg.cholesky(self.form.matrices(self.theta, part.patterns))
            yield part, np.asarray((np.linalg.inv(root) if inverse else root)[part.pattern])
