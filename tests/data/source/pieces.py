"""Rows in pieces on disk, of which one is read at a time: a source that is no panel in memory."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

import panelml as pm
from panelml._typing import AnyArray, IntArray
from panelml.data.panel.columns import Kind, refuse_kind
from panelml.data.source.chunk import Chunk, Reads
from panelml.data.source.cutting import split_units
from panelml.data.source.index import SourceIndex
from panelml.errors import UnknownNameError, suggest


class Pieces:
    """Files of whole units, with the labels of units, periods and categories beside them.

    Attributes
    ----------
    reads : list of int
        Number of each piece that was read, in order.
    """

    def __init__(self, panel: pm.Panel, folder: Path, rows: int) -> None:
        index = panel.index
        self.index = SourceIndex(
            index.units, index.times, index.starts.copy(), index.steps, index.period
        )
        self.unit, self.time, self.columns = panel.unit, panel.time, list(panel.columns)
        self.nobs, self.n_units, self.n_periods = panel.nobs, panel.n_units, panel.n_periods
        self.folder, self.reads = folder, list[int]()
        self._kinds = {name: panel.kind(name) for name in self.columns}
        self._declared = {name: panel.is_declared(name) for name in self.columns}
        self._labels = {name: panel.labels((name,)) for name in self.columns}
        self._cells: dict[tuple[str, ...], IntArray] = {}
        self.cuts = list(split_units(index.starts, rows))
        for number, (first, stop) in enumerate(self.cuts):
            part = slice(int(index.starts[first]), int(index.starts[stop]))
            arrays = {f"codes {name}": panel.codes((name,))[part] for name in self.columns}
            numeric = [name for name in self.columns if panel.is_numeric(name)]
            arrays |= {f"values {name}": panel.values(name)[part] for name in numeric}
            np.savez(folder / f"{number}.npz", **arrays)

    def kind(self, name: str) -> Kind:
        if name not in self._kinds:
            raise UnknownNameError(f"No column {name!r}.{suggest(name, self.columns)}")
        return self._kinds[name]

    def is_numeric(self, name: str) -> bool:
        return self.kind(name) == "number"

    def is_declared(self, name: str) -> bool:
        return self._declared[name]

    def require_numbers(self, name: str, role: str = "Column") -> None:
        if not self.is_numeric(name):
            refuse_kind(role, name, self.kind(name), self._labels[name])

    def levels(self, names: tuple[str, ...]) -> int:
        return self._labels[names[0]].size if len(names) == 1 else self._combinations(names).size

    def labels(self, names: tuple[str, ...]) -> AnyArray:
        if len(names) == 1:
            return self._labels[names[0]]
        sizes = [self._labels[name].size for name in names]
        places = np.unravel_index(self._combinations(names), sizes)
        parts = [self._labels[name][place] for name, place in zip(names, places, strict=True)]
        return np.array(["^".join(map(str, row)) for row in zip(*parts, strict=True)], object)

    def codes(self, names: tuple[str, ...]) -> IntArray:
        return np.concatenate([self._coded(names, piece) for piece in self._pieces()])

    def chunk(self, first: int, stop: int, reads: Reads) -> Chunk:
        starts = self.index.starts
        coded = [*((name,) for name in reads.categories), *reads.keys]
        columns: dict[str, list[AnyArray]] = {n: [] for n in (*reads.numbers, *reads.columns)}
        codes: dict[tuple[str, ...], list[IntArray]] = {names: [] for names in coded}
        time = []
        for (low, high), piece in self._between(first, stop):
            part = slice(
                int(starts[max(low, first)] - starts[low]),
                int(starts[min(high, stop)] - starts[low]),
            )
            for name, values in columns.items():
                values.append(self._values(name, piece)[part])
            for names, values in codes.items():
                values.append(self._coded(names, piece)[part])
            time.append(piece[f"codes {self.time}"][part])
        for name in reads.numbers:
            self.require_numbers(name)
        return Chunk(
            columns={name: np.concatenate(values) for name, values in columns.items()},
            codes={names: np.concatenate(values) for names, values in codes.items()},
            labels={name: self._labels[name] for name in reads.categories},
            time=np.concatenate(time),
            steps=self.index.steps,
            starts=starts[first : stop + 1] - starts[first],
            first_row=int(starts[first]),
            order=None,
        )

    def _between(
        self, first: int, stop: int
    ) -> Iterator[tuple[tuple[int, int], dict[str, AnyArray]]]:
        """Read the pieces that hold a run of units, one after the other."""
        for number, (low, high) in enumerate(self.cuts):
            if low < stop and first < high:
                self.reads.append(number)
                with np.load(self.folder / f"{number}.npz") as file:
                    yield (low, high), dict(file)

    def _pieces(self) -> Iterator[dict[str, AnyArray]]:
        return (piece for _, piece in self._between(0, self.n_units))

    def _values(self, name: str, piece: dict[str, AnyArray]) -> AnyArray:
        if self.is_numeric(name):
            return piece[f"values {name}"]
        return np.append(self._labels[name].astype(object), None)[piece[f"codes {name}"]]

    def _cell(self, names: tuple[str, ...], piece: dict[str, AnyArray]) -> IntArray:
        """Number each row among all combinations of levels, -1 where one is missing."""
        cell, missing = 0, False
        for name in names:
            codes = piece[f"codes {name}"]
            cell, missing = cell * self._labels[name].size + codes, missing | (codes < 0)
        return np.where(missing, -1, cell)

    def _combinations(self, names: tuple[str, ...]) -> IntArray:
        if names not in self._cells:
            found = np.unique(np.concatenate([self._cell(names, p) for p in self._pieces()]))
            self._cells[names] = found[found >= 0]
        return self._cells[names]

    def _coded(self, names: tuple[str, ...], piece: dict[str, AnyArray]) -> IntArray:
        if len(names) == 1:
            return piece[f"codes {names[0]}"]
        cell = self._cell(names, piece)
        return np.where(cell < 0, -1, np.searchsorted(self._combinations(names), cell))
