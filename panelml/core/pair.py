"""Two statistics built in the same pass."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, Protocol, Self, TypeVar

__all__ = ["Addable", "Pair"]


class Addable(Protocol):
    """A statistic: a value with an associative ``+``."""

    def __add__(self, other: Self, /) -> Self: ...


A = TypeVar("A", bound=Addable)
B = TypeVar("B", bound=Addable)


@dataclass(frozen=True, slots=True)
class Pair(Generic[A, B]):
    """Two statistics of the same blocks, added side by side."""

    first: A
    second: B

    def __add__(self, other: Pair[A, B]) -> Pair[A, B]:
        return Pair(self.first + other.first, self.second + other.second)
