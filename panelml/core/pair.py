"""Statistics that are added up: in a fixed order, and two in the same pass."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Generic, Protocol, Self, TypeVar

from panelml.errors import EmptyDataError

__all__ = ["Addable", "Pair", "pairwise_sum"]


class Addable(Protocol):
    """A statistic: a value with an associative ``+``."""

    def __add__(self, other: Self, /) -> Self: ...


S = TypeVar("S", bound=Addable)
A = TypeVar("A", bound=Addable)
B = TypeVar("B", bound=Addable)


@dataclass(frozen=True, slots=True)
class Pair(Generic[A, B]):
    """Two statistics of the same blocks, added side by side."""

    first: A
    second: B

    def __add__(self, other: Pair[A, B]) -> Pair[A, B]:
        return Pair(self.first + other.first, self.second + other.second)


def pairwise_sum(values: Iterable[S]) -> S:
    """Add statistics pairwise in their order, as a binary counter carries.

    The result depends on the order alone, and few statistics are held at once.

    Raises
    ------
    EmptyDataError
        If there is none.
    """
    held: list[tuple[int, S]] = []
    for value in values:
        size, total = 1, value
        while held and held[-1][0] == size:
            size, total = 2 * size, held.pop()[1] + total
        held.append((size, total))
    if not held:
        raise EmptyDataError("No rows are left in the estimation sample.")
    result = held.pop()[1]
    while held:
        result = held.pop()[1] + result
    return result
