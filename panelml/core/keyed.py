"""Sums by key, for clusters and periods."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from panelml._typing import FloatArray, IntArray

__all__ = ["KeyedSums"]


@dataclass(frozen=True, slots=True)
class KeyedSums:
    """Sums of some variables for each key that occurs.

    Attributes
    ----------
    codes : IntArray, shape (c,)
        The keys that occur, increasing.
    sums : FloatArray, shape (k, c)
    """

    codes: IntArray
    sums: FloatArray

    @classmethod
    def of(cls, values: FloatArray, codes: IntArray) -> KeyedSums:
        """Sum rows given as variables first, shape (k, n), over equal codes, shape (n,)."""
        if codes.size == 0:
            return cls(codes, values)
        low = int(codes.min())
        span = int(codes.max()) - low + 1
        if span > 4 * codes.size + 1024:
            present, position = np.unique(codes, return_inverse=True)
            return cls(present, _binned(values, position, present.size))
        position = codes - low
        occurs = np.bincount(position, minlength=span) > 0
        sums = _binned(values, position, span)
        present = np.flatnonzero(occurs)
        return cls(present + low, sums if present.size == span else sums[:, present])

    def __add__(self, other: KeyedSums) -> KeyedSums:
        codes = np.concatenate([self.codes, other.codes])
        sums = np.concatenate([self.sums, other.sums], axis=1)
        if not self.codes.size or not other.codes.size or self.codes[-1] < other.codes[0]:
            return KeyedSums(codes, sums)
        return KeyedSums.of(sums, codes)

    def dense(self, size: int) -> FloatArray:
        """Sums for the keys 0 to ``size - 1``, zero where a key does not occur: (k, size)."""
        full = np.zeros((self.sums.shape[0], size))
        full[:, self.codes] = self.sums
        return full


def _binned(values: FloatArray, position: IntArray, size: int) -> FloatArray:
    return np.stack([np.bincount(position, row, minlength=size) for row in values])
