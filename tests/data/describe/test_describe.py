"""Panel.describe against counting by hand and with pandas."""

from __future__ import annotations

import time
from collections import Counter
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import panelml as pm
from tests.data.frames import BACKENDS, small
from tests.panels import PANELS, grunfeld10_unbalanced, wage


def spells_of(times: list[int]) -> int:
    return 1 + sum(later - earlier > 1 for earlier, later in pairwise(times))


@pytest.mark.parametrize("name", PANELS)
def test_counts_agree_with_pandas(name: str) -> None:
    load, unit, period = PANELS[name]
    frame = load()
    shuffled = frame.sample(frac=1, random_state=0)
    found = pm.Panel(shuffled, unit=unit, time=period).describe(patterns=10_000)
    groups = frame.sort_values(period).groupby(unit)[period].agg(list)
    sizes = groups.map(len)
    assert (found.nobs, found.n_units) == (len(frame), len(groups))
    assert (found.n_periods, found.first, found.last) == (
        frame[period].nunique(),
        frame[period].min(),
        frame[period].max(),
    )
    assert (found.t_min, found.t_mean, found.t_max) == (sizes.min(), sizes.mean(), sizes.max())
    assert found.balanced == (frame.groupby(period)[unit].count() == len(groups)).all()
    spells = groups.map(spells_of)
    assert found.gaps == (spells - 1).sum()
    assert found.units_with_gaps == (spells > 1).sum()
    assert found.spells.to_dict() == Counter(spells)
    first, last = frame[period].min(), frame[period].max()
    patterns = Counter(
        "".join("1" if t in times else "." for t in range(first, last + 1))
        for times in groups.map(set)
    )
    assert found.patterns.set_index("pattern")["units"].to_dict() == patterns
    assert found.n_patterns == len(patterns)
    assert found.patterns["units"].is_monotonic_decreasing
    np.testing.assert_allclose(found.patterns["share"], found.patterns["units"] / len(groups))
    np.testing.assert_allclose(found.patterns["cumulative"], found.patterns["share"].cumsum())


def test_percentiles_are_those_of_stata() -> None:
    # With 4 and 8 rows each for 10 units, every percentile of Stata's summarize falls on a unit or
    # halfway between two: the 50th between the fifth and the sixth.
    sizes = [1, 1, 2, 3, 4, 8, 8, 9, 9, 10]
    frame = pd.DataFrame(
        [(unit, t) for unit, size in enumerate(sizes) for t in range(size)], columns=["u", "t"]
    )
    found = pm.Panel(frame, unit="u", time="t").describe().t_percentiles
    assert found == {5: 1.0, 25: 2.0, 50: 6.0, 75: 9.0, 95: 10.0}


def test_text_says_it_all() -> None:
    assert str(pm.Panel(small(), unit="unit", time="time").describe()) == (
        "Units (unit)     3\n"
        "Periods (time)   4: 1 to 4\n"
        "Span             4 periods, 1 apart\n"
        "Rows             9 (unbalanced: 75.00 % of units x periods)\n"
        "Gaps             1 in 1 units\n"
        "Spells per unit  1: 2 units, 2: 1 units\n"
        "\n"
        "               min  5%  25%  50%  75%  95%  max  mean\n"
        "-----------------------------------------------------\n"
        "Rows per unit    2   2    2    3    4    4    4     3\n"
        "\n"
        "Units       %  Cum. %  Pattern\n"
        "--------------------------------\n"
        "    1   33.33   33.33  11.1\n"
        "    1   33.33   66.67  1111\n"
        "    1   33.33  100.00  ..11\n"
        "--------------------------------\n"
        "    3  100.00          all units"
    )


def test_rare_patterns_are_pooled() -> None:
    found = pm.Panel(grunfeld10_unbalanced(), unit="firm", time="year").describe(patterns=3)
    assert len(found.patterns) == 3
    assert "    7   70.00  100.00  (7 other patterns)" in str(found)
    assert "7 other patterns" in found._repr_html_()
    # What is left over is named if it is a single pattern.
    assert (
        len(pm.Panel(grunfeld10_unbalanced(), unit="firm", time="year").describe(9).patterns) == 10
    )


def test_html_is_escaped_and_complete() -> None:
    frame = small().rename(columns={"unit": "<u>"})
    html = pm.Panel(frame, unit="<u>", time="time").describe()._repr_html_()
    assert "&lt;u&gt;" in html and "<u>" not in html
    assert html.count("<table") == html.count("</table>") == 3
    assert "11.1" in html


def test_long_patterns_are_put_in_words() -> None:
    frame = pd.DataFrame({"u": 1, "t": [*range(1900, 1950), *range(1960, 2000)]})
    found = pm.Panel(frame, unit="u", time="t").describe()
    assert found.patterns["periods"].tolist() == ["1900-1949, 1960-1999"]
    assert "100.00  1900-1949, 1960-1999" in str(found)


def test_more_periods_than_bits() -> None:
    rng = np.random.default_rng(0)
    present = rng.random((6, 150)) < 0.6
    present[3] = present[1]
    present[5] = present[1]
    unit, period = np.nonzero(present)
    found = pm.Panel(pd.DataFrame({"u": unit, "t": period}), unit="u", time="t").describe()
    assert found.n_patterns == 4
    assert found.patterns["units"].tolist() == [3, 1, 1, 1]


def test_periods_that_nobody_has_are_part_of_the_span() -> None:
    frame = pd.DataFrame({"u": [1, 1, 2, 2], "t": [2000, 2002, 2000, 2002]})
    found = pm.Panel(frame, unit="u", time="t").describe()
    assert (found.n_periods, found.span, found.balanced, found.gaps) == (2, 3, True, 2)
    assert found.patterns["pattern"].tolist() == ["1.1"]
    assert "All periods are 2 apart, or a multiple of that: with Panel(..., delta=2)" in " ".join(
        str(found).split()
    )
    every_second = pm.Panel(frame, unit="u", time="t", delta=2).describe()
    assert (every_second.span, every_second.gaps) == (2, 0)
    assert "delta=" not in str(every_second)


def test_dates_print_as_dates() -> None:
    frame = pd.DataFrame({"u": [1, 1], "t": pd.to_datetime(["2020-01-01", "2020-02-01"])})
    text = str(pm.Panel(frame, unit="u", time="t").describe())
    assert "2: 2020-01-01 to 2020-02-01" in text
    assert "2 periods, 1 month apart" in text


@pytest.mark.parametrize("backend", BACKENDS)
def test_every_kind_of_frame(backend: str) -> None:
    plain = pm.Panel(small(), unit="unit", time="time").describe()
    assert str(pm.Panel(BACKENDS[backend](small()), unit="unit", time="time").describe()) == str(
        plain
    )


@given(st.sets(st.tuples(st.integers(0, 6), st.integers(0, 8)), min_size=1), st.randoms())
def test_any_presence(cells: set[tuple[int, int]], random) -> None:  # type: ignore[no-untyped-def]
    rows = sorted(cells)
    random.shuffle(rows)
    found = pm.Panel(pd.DataFrame(rows, columns=["u", "t"]), unit="u", time="t").describe(100)
    units = {u: sorted(t for v, t in cells if v == u) for u, _ in cells}
    assert found.spells.to_dict() == Counter(map(spells_of, units.values()))
    assert found.n_patterns == len({tuple(times) for times in units.values()})
    assert found.patterns["units"].sum() == len(units)


def test_many_units_take_no_loop() -> None:
    n = 300_000
    frame = pd.DataFrame({"u": np.repeat(np.arange(n), 3), "t": np.tile([1, 2, 3], n)})
    panel = pm.Panel(frame[(frame["u"] + frame["t"]) % 7 > 0], unit="u", time="t")
    began = time.process_time()
    panel.describe()
    # A loop over units in Python would take seconds.
    assert time.process_time() - began < 1.0


def test_describe_leaves_the_data_alone() -> None:
    frame = wage().copy()
    panel = pm.Panel(frame, unit="nr", time="year")
    panel.describe()
    panel.variation()
    pd.testing.assert_frame_equal(frame, wage())
