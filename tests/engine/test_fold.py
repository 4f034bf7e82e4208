"""The one loop over chunks: order, threads, failures."""

from __future__ import annotations

import _thread
import signal
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import pytest

import panelml as pm
from panelml import simulate
from panelml.core.block import Block
from panelml.data.formula.formula import parse_formula
from panelml.data.sample import Sample
from panelml.engine.fold import fold, thread_count
from panelml.engine.sampling import make_sample
from panelml.errors import EmptyDataError


@dataclass(frozen=True)
class Trace:
    """The chunks a sum went through, as a tree."""

    tree: object
    units: tuple[int, ...]

    @classmethod
    def of(cls, block: Block) -> Trace:
        return cls(
            block.first_unit, tuple(range(block.first_unit, block.first_unit + block.n_units))
        )

    def __add__(self, other: Trace) -> Trace:
        return Trace((self.tree, other.tree), self.units + other.units)


@pytest.fixture(scope="module")
def sample() -> Sample:
    frame = simulate.panel(60, 5, 1, unbalanced=0.3, seed=4)
    return make_sample(pm.Panel(frame, unit="unit", time="time"), parse_formula("y ~ x1"), None)[0]


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    before = set(threading.enumerate())
    yield
    deadline = time.monotonic() + 5
    while set(threading.enumerate()) - before and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not set(threading.enumerate()) - before


@pytest.mark.parametrize("rows", [1, 7, 40, 10_000])
@pytest.mark.parametrize("threads", [1, 2, 5])
def test_every_unit_is_met_once_in_order(sample: Sample, rows: int, threads: int) -> None:
    total = fold(sample, Trace.of, rows=rows, threads=threads)
    assert total.units == tuple(range(60))


def test_sums_are_paired_by_chunk_number_whatever_the_threads(sample: Sample) -> None:
    trees = [fold(sample, Trace.of, rows=20, threads=threads).tree for threads in (1, 2, 3, 8)]
    assert all(tree == trees[0] for tree in trees)


def test_pairing_is_that_of_a_binary_counter(sample: Sample) -> None:
    chunks = [chunk.first_unit for chunk in sample.chunks(35)]
    a, b, c, d, e, f, g = chunks[:7]
    assert len(chunks) == 7
    assert fold(sample, Trace.of, rows=35).tree == (((a, b), (c, d)), ((e, f), g))


def test_units_are_never_split(sample: Sample) -> None:
    sizes = fold(sample, lambda block: Sizes(tuple(block.sizes)), rows=1).sizes
    assert sizes == tuple(sample.unit_rows)


@dataclass(frozen=True)
class Sizes:
    sizes: tuple[int, ...]

    def __add__(self, other: Sizes) -> Sizes:
        return Sizes(self.sizes + other.sizes)


class BrokenError(Exception):
    pass


@pytest.mark.parametrize("threads", [1, 4])
@pytest.mark.parametrize("at", [0, 30, 59])
def test_an_error_in_a_statistic_ends_the_loop(sample: Sample, threads: int, at: int) -> None:
    def statistic(block: Block) -> Trace:
        if block.first_unit <= at < block.first_unit + block.n_units:
            raise BrokenError(at)
        return Trace.of(block)

    with pytest.raises(BrokenError, match=str(at)) as caught:
        fold(sample, statistic, threads=threads, rows=10)
    assert extra_threads() == 0
    assert caught.value.args == (at,)


@pytest.mark.parametrize("threads", [1, 4])
def test_an_error_in_an_addition_ends_the_loop(sample: Sample, threads: int) -> None:
    class Unaddable(Trace):
        def __add__(self, other: Trace) -> Trace:
            raise BrokenError("sum")

    with pytest.raises(BrokenError) as caught:
        fold(sample, lambda block: Unaddable(0, ()), threads=threads, rows=10)
    assert extra_threads() == 0  # though the traceback, and with it the loop, is still alive
    assert caught.tb is not None


@pytest.mark.parametrize("threads", [1, 4])
def test_an_interrupt_ends_the_loop(sample: Sample, threads: int) -> None:
    """As if the user had pressed Ctrl-C while some chunk was computed."""

    pressed = threading.Lock()

    def statistic(block: Block) -> Trace:
        if block.first_unit > 20 and pressed.acquire(blocking=False):
            _thread.interrupt_main()
            time.sleep(0.02)
        return Trace.of(block)

    # Shells start programs in the background with the signal ignored.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    started = time.monotonic()
    try:
        with pytest.raises(KeyboardInterrupt):
            fold(sample, statistic, threads=threads, rows=10)
    finally:
        signal.signal(signal.SIGINT, before)
    assert time.monotonic() - started < 5


def extra_threads() -> int:
    return sum("ThreadPoolExecutor" in thread.name for thread in threading.enumerate())


def test_no_row_is_an_error(sample: Sample) -> None:
    nothing = replace(sample, keep=np.zeros(sample.panel.nobs, dtype=bool))
    with pytest.raises(EmptyDataError, match="No rows are left in the estimation sample"):
        fold(nothing, Trace.of)


def test_units_without_rows_are_not_numbered(sample: Sample) -> None:
    keep = ~np.isin(sample.panel.index.unit, [0, 7, 31, 59])
    rest = replace(sample, keep=keep)
    assert fold(rest, Trace.of, rows=10).units == tuple(range(56))
    assert fold(rest, lambda block: Sizes(tuple(block.sizes)), rows=10).sizes == tuple(
        sample.unit_rows[~np.isin(np.arange(60), [0, 7, 31, 59])]
    )


@pytest.mark.parametrize(("asked", "expected"), [("3", 3), ("0", 1), ("1", 1)])
def test_threads_by_environment(monkeypatch: pytest.MonkeyPatch, asked: str, expected: int) -> None:
    monkeypatch.setenv("PANELML_THREADS", asked)
    assert thread_count() == expected


@pytest.mark.parametrize("asked", ["", "many", "-2"])
def test_otherwise_there_is_one_thread(monkeypatch: pytest.MonkeyPatch, asked: str) -> None:
    monkeypatch.setenv("PANELML_THREADS", asked)
    assert thread_count() == 1
