"""Map a statistic over the blocks of a sample and add the results, in a fixed order."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from functools import wraps
from typing import ParamSpec, Protocol, TypeVar

import numpy as np
from threadpoolctl import ThreadpoolController

from panelml.core.block import Block
from panelml.core.pair import Addable, pairwise_sum

__all__ = ["Foldable", "capped", "fold", "thread_count"]

_blas = ThreadpoolController()

# An array that is freed unused. From its size on glibc keeps what a chunk gives back, instead of
# handing it to the system and faulting it in again for the next: mallopt(3), M_MMAP_THRESHOLD.
np.empty(24_000_000, dtype=np.uint8)


S = TypeVar("S", bound=Addable)
P = ParamSpec("P")
R = TypeVar("R")
C = TypeVar("C")


class Foldable(Protocol[C]):
    """Rows that are folded: a sample, or blocks that are held in memory."""

    def chunks(self, rows: int | None = None) -> Iterator[C]:
        """Cut the rows into chunks of whole units."""
        ...

    def block(self, chunk: C) -> Block:
        """Evaluate a chunk."""
        ...


def capped(function: Callable[P, R]) -> Callable[P, R]:
    """Run a function with one BLAS thread: its products are small, and idle threads spin."""

    @wraps(function)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        with _blas.limit(limits=1, user_api="blas"):
            return function(*args, **kwargs)

    return run


def thread_count() -> int:
    """Return the number of threads: PANELML_THREADS, or one.

    Blocks are small enough for the cache, so that threads hand the interpreter to each other
    often: two were measured 10 to 20 % slower than one on a virtual machine with two cores.
    """
    asked = os.environ.get("PANELML_THREADS", "")
    return max(int(asked), 1) if asked.isdigit() else 1


@capped
def fold(
    sample: Foldable[C],
    statistic: Callable[[Block], S],
    *,
    threads: int | None = None,
    rows: int | None = None,
) -> S:
    """Sum a statistic over the units of a sample.

    Statistics are added pairwise in the order of the chunks, as a binary counter carries, so
    that the result is the same for any number of threads and few statistics are held at once.

    Parameters
    ----------
    sample : Sample or HeldBlocks
    statistic : callable
        Block to a value with ``+``.
    threads : int, optional
        ``thread_count()`` by default.
    rows : int, optional
        Rows in a chunk, about; by default so many that its arrays stay in the cache.

    Raises
    ------
    EmptyDataError
        If the sample is empty.
    """
    with closing(_mapped(sample, statistic, threads or thread_count(), rows)) as values:
        return pairwise_sum(values)


def _mapped(
    sample: Foldable[C], statistic: Callable[[Block], S], threads: int, rows: int | None
) -> Generator[S]:
    def work(chunk: C) -> S:
        return statistic(sample.block(chunk))

    chunks = sample.chunks(rows)
    first = next(chunks, None)
    if first is None:
        return
    yield work(first)
    if threads == 1:
        yield from map(work, chunks)
        return
    waiting: deque[Future[S]] = deque()
    with ThreadPoolExecutor(threads) as pool:
        for chunk in chunks:
            waiting.append(pool.submit(work, chunk))
            if len(waiting) >= 2 * threads:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
