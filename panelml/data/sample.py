"""The estimation sample: which rows enter, how they are weighted, and their blocks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Literal, TypeVar

import numpy as np

from panelml._typing import AnyArray, BoolArray, FloatArray, IntArray
from panelml.core.block import Block
from panelml.data.formula.design import Design
from panelml.data.panel.panel import Panel
from panelml.data.panel.weights import Weights
from panelml.data.source.chunk import Chunk, KnownMeans, Reads
from panelml.data.source.cutting import chunk_rows, split_units
from panelml.data.source.rows import FitRows, whole_column
from panelml.data.source.source import Source
from panelml.errors import DataError

__all__ = ["Sample", "in_memory"]

# The level around one that no row was seen of.
UNSEEN = -2

Array = TypeVar("Array", FloatArray, IntArray)


def in_memory(source: Source) -> Panel:
    """Return a source that is a panel, for what needs all rows at once.

    Raises
    ------
    DataError
        If the rows are elsewhere.
    """
    if isinstance(source, Panel):
        return source
    raise DataError(
        f"This needs all rows in memory at once, and those of a {type(source).__name__} are read "
        "in chunks. Load them as a Panel."
    )


@dataclass(frozen=True, slots=True)
class Sample:
    """Rows of a source with the variables of a design.

    Attributes
    ----------
    source : Source
    design : Design
    names : tuple of str
        Names of the regressors in the blocks.
    keys : tuple of tuple of str
        Column combinations whose codes the blocks carry.
    slopes : tuple of str
        Columns whose values the blocks carry for effect-specific slopes.
    weights : Weights, or None
    keep : BoolArray, shape (rows of the source,), or None
        Sorted rows that enter; None for all.
    scale : float
        Factor that gives analytic weights mean one.
    steps : tuple of callables
        Block to Block, applied in turn: terms that a model adds to the user's.
    known : KnownMeans, or None
        Unit means of another sample, by which ``within()`` and ``between()`` go.
    """

    source: Source
    design: Design
    names: tuple[str, ...]
    keys: tuple[tuple[str, ...], ...] = ()
    slopes: tuple[str, ...] = ()
    weights: Weights | None = None
    keep: BoolArray | None = None
    scale: float = 1.0
    steps: tuple[Callable[[Block], Block], ...] = field(default=())
    known: KnownMeans | None = None

    @property
    def panel(self) -> Panel:
        """The rows in memory, for what is no sum over units."""
        return in_memory(self.source)

    @property
    def in_memory(self) -> bool:
        """Whether all rows are in memory."""
        return isinstance(self.source, Panel)

    @property
    def reads(self) -> Reads:
        """What its blocks read of a chunk."""
        weights = () if self.weights is None else (self.weights.column,)
        own = Reads(columns=(*self.slopes, *weights), keys=self.keys)
        return Reads.joined([self.design.reads, own])

    def chunks(self, rows: int | None = None) -> Iterator[Chunk]:
        """Cut the source into chunks of whole units, of a size that caches hold if not given."""
        rows = rows or chunk_rows(1 + len(self.names) + len(self.slopes))
        starts, reads = self.source.index.starts, self.reads
        present = np.concatenate([[0], np.cumsum(self.unit_rows > 0)])
        for first, stop in split_units(starts, rows):
            if present[stop] == present[first]:
                continue
            known = self.known
            if known is not None:
                known = {key: means[first:stop] for key, means in known.items()}
            chunk = self.source.chunk(first, stop, reads)
            yield chunk.keeping(self.keep, int(present[first]), known)

    def block(self, chunk: Chunk) -> Block:
        """Evaluate the design and the keys on a chunk."""
        keep = chunk.keep
        block = Block(
            z=self.design.evaluate(chunk),
            starts=_kept_starts(chunk),
            first_unit=chunk.first_unit,
            time=_rows(chunk.time, keep),
            steps=chunk.steps,
            weights=self._block_weights(chunk),
            keys={"^".join(names): _rows(chunk.codes[names], keep) for names in self.keys},
            slopes={
                name: _rows(chunk.values(name).astype(np.float64), keep) for name in self.slopes
            },
        )
        for step in self.steps:
            block = step(block)
        return block

    def then(self, names: tuple[str, ...], step: Callable[[Block], Block]) -> Sample:
        """Return the sample with its blocks transformed, and the regressors renamed."""
        return replace(self, names=names, steps=(*self.steps, step))

    def only(self, rows: BoolArray) -> Sample:
        """Return the sample with some of its rows, shape (rows of the sample,)."""
        if rows.all():
            return self
        keep: BoolArray = np.zeros(self.source.nobs, dtype=bool)
        keep[slice(None) if self.keep is None else self.keep] = rows
        return replace(self, keep=keep)

    def with_keys(self, *keys: tuple[str, ...]) -> Sample:
        """Return the sample with blocks that carry further codes."""
        return replace(self, keys=tuple(dict.fromkeys([*self.keys, *keys])))

    @property
    def weighting(self) -> Literal["none", "analytic", "frequency"]:
        """What the weights mean."""
        return "none" if self.weights is None else self.weights.kind

    @property
    def unit_rows(self) -> IntArray:
        """Rows in the sample for each unit of the source."""
        starts = self.source.index.starts
        if self.keep is None:
            return np.diff(starts)
        return np.add.reduceat(self.keep.astype(np.int64), starts[:-1])

    @property
    def nobs(self) -> int:
        """Number of rows."""
        return self.source.nobs if self.keep is None else int(self.keep.sum())

    @property
    def unit_labels(self) -> AnyArray:
        """Labels of the sample's units, in order."""
        return self.source.index.units[self.unit_rows > 0]

    def codes(self, names: tuple[str, ...]) -> IntArray:
        """Return the source's codes of a column or combination, one for each row of the sample."""
        return _rows(self.source.codes(names), self.keep)

    def column(self, name: str) -> FloatArray:
        """Read the numbers of one column in all rows of the sample at once, shape (n,)."""
        return _rows(whole_column(self.source, name).astype(np.float64), self.keep)

    def level_rows(self, names: tuple[str, ...]) -> IntArray:
        """Count the sample's rows of each level of a column or combination, shape (levels,)."""
        if names == (self.source.unit,):
            return self.unit_rows
        levels = self.source.levels(names)
        counts = np.zeros(levels, dtype=np.int64)
        for (codes,) in self._coded(names):
            counts += np.bincount(codes, minlength=levels)
        return counts

    def is_nested(self, inner: tuple[str, ...], outer: tuple[str, ...]) -> bool:
        """Whether each level of one combination of columns lies in one level of another."""
        if set(outer) <= set(inner):
            return True
        around: IntArray = np.full(self.source.levels(inner), UNSEEN)
        for codes, others in self._coded(inner, outer):
            # A few rows are enough to refute most nestings.
            for rows in (slice(1000), slice(None)):
                now = around.copy()
                now[codes[rows]] = others[rows]
                alike = (around == UNSEEN) | (around == now)
                if not (alike.all() and (now[codes[rows]] == others[rows]).all()):
                    return False
            around = now
        return True

    def has_missing(self, names: tuple[str, ...]) -> bool:
        """Whether a row of the sample has no value of a column or combination."""
        return any((codes < 0).any() for (codes,) in self._coded(names))

    def unit_codes(self, names: tuple[str, ...]) -> IntArray:
        """Code a column or combination in the first row of each unit of the sample, shape (g,)."""
        reads = Reads(keys=(names,))
        return np.concatenate(
            [
                _rows(chunk.codes[names], chunk.keep)[_kept_starts(chunk)[:-1]]
                for chunk in FitRows(self.source, self.keep).each(reads)
            ]
        )

    def _coded(self, *keys: tuple[str, ...]) -> Iterator[tuple[IntArray, ...]]:
        """Code the rows of the sample by each of some keys, some units after the other."""
        for chunk in FitRows(self.source, self.keep).each(Reads(keys=keys)):
            yield tuple(_rows(chunk.codes[names], chunk.keep) for names in keys)

    def scatter(self, values: FloatArray) -> FloatArray:
        """Lay values of the sample's rows out in the user's order, missing for other rows."""
        if self.keep is not None:
            full = np.full(self.keep.shape, np.nan)
            full[self.keep] = values
            values = full
        return self.source.index.unsort(values)

    def _block_weights(self, chunk: Chunk) -> FloatArray | None:
        if self.weights is None:
            return None
        values = chunk.values(self.weights.column).astype(np.float64)
        return _rows(values, chunk.keep) * self.scale


def _rows(values: Array, keep: BoolArray | None) -> Array:
    return values if keep is None else values[keep]


def _kept_starts(chunk: Chunk) -> IntArray:
    """First of the kept rows of each unit that has any, and the number of kept rows."""
    if chunk.keep is None:
        return chunk.starts
    rows = np.add.reduceat(chunk.keep.astype(np.int64), chunk.starts[:-1])
    return np.concatenate([[0], np.cumsum(rows[rows > 0])])
