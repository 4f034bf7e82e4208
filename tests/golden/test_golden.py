from __future__ import annotations

import math
import runpy
from collections.abc import Iterator
from typing import Any

import pandas as pd
import pytest

from panelml import datasets
from tests.did.stress import POLICIES
from tests.glm.count_data import COUNTS
from tests.glm.outcome_data import OUTCOMES
from tests.golden import FOLDER, assert_close, load
from tests.mixed.generalised_data import REPEATED
from tests.mixed.mixed_data import MIXED
from tests.panels import PANELS

READ = {**PANELS, **COUNTS, **OUTCOMES, **REPEATED}
TOPICS = sorted(path.stem for path in FOLDER.glob("*.json"))


def numbers(value: Any) -> Iterator[float]:
    if isinstance(value, dict):
        for item in value.values():
            yield from numbers(item)
    elif isinstance(value, list):
        for item in value:
            yield from numbers(item)
    elif isinstance(value, int | float):
        yield float(value)


def test_the_maker_finds_what_it_imports() -> None:
    """Without a topic to make, which needs the other programs."""
    runpy.run_path(str(FOLDER / "make" / "make.py"), run_name="make")


#: Programs whose own search ends further from the optimum, which the log-likelihood shows.
ENDS_EARLY = {"generalised": 1e-4, "count_totals_pglm": 2e-6}


@pytest.mark.parametrize("topic", TOPICS)
def test_cases_are_whole(topic: str) -> None:
    cases = load(topic)
    assert len({case.id for case in cases}) == len(cases) > 0
    for case in cases:
        assert case.data in {*READ, *MIXED, *POLICIES, *datasets.names()}
        assert (FOLDER.parents[1] / case.script).exists()
        assert 0 < case.tolerance <= ENDS_EARLY.get(topic, 1e-6)
        found = list(numbers(case.value))
        assert found
        assert all(map(math.isfinite, found))


def test_a_name_is_of_one_set_of_data() -> None:
    """The makers write all of them into one directory, where the last would take the place."""
    seen: dict[str, pd.DataFrame] = {}
    for tables in (PANELS, COUNTS, OUTCOMES, REPEATED):
        for name, (read, _, _) in tables.items():
            frame = read()
            before = seen.setdefault(name, frame)
            shared = frame.columns.intersection(before.columns)
            pd.testing.assert_frame_equal(before[shared], frame[shared])


@pytest.mark.parametrize("name", PANELS)
def test_panels_are_sorted_and_have_one_row_a_period(name: str) -> None:
    panel, unit, time = PANELS[name]
    index = pd.MultiIndex.from_frame(panel()[[unit, time]])
    assert index.is_unique
    assert index.is_monotonic_increasing


def test_panels_have_the_published_sizes() -> None:
    sizes = {name: len(panel()) for name, (panel, _, _) in PANELS.items()}
    assert sizes == {
        "grunfeld10": 200,
        "grunfeld10_unbalanced": 179,
        "grunfeld11": 220,
        "wage": 4360,
        "wage_unbalanced": 3772,
        "munnell": 816,
        "nlswork": 28534,
        "stata_simulated": 3000,
    }


@pytest.mark.parametrize(
    ("actual", "expected"),
    [
        (1.0 + 2e-6, 1.0),
        (math.nan, 1.0),
        (1e-300, 0.0),
        ({"a": 1.0}, {"a": 1.0, "b": 2.0}),
        ([1.0], [1.0, 2.0]),
        ("chi2", "F"),
        (pd.Series({"a": 2.0}), {"a": 1.0}),
        (
            pd.DataFrame([[1.0, 1e-5], [1e-5, 1.0]], index=["a", "b"], columns=["a", "b"]),
            {"a": {"a": 1.0, "b": 0.0}, "b": {"a": 0.0, "b": 1.0}},
        ),
    ],
)
def test_assert_close_fails(actual: Any, expected: Any) -> None:
    with pytest.raises(AssertionError, match="value"):
        assert_close(actual, expected, 1e-6)


def test_assert_close_allows_rounding_of_small_covariances() -> None:
    expected = {"a": {"a": 1.0, "b": 1e-9}, "b": {"a": 1e-9, "b": 4.0}}
    found = pd.DataFrame({"a": {"a": 1.0, "b": 2e-9}, "b": {"a": 2e-9, "b": 4.0}})
    assert_close(found, expected, 1e-6)
    assert_close({"x": [1.0 + 1e-7], "extra": 2.0}, {"x": [1.0]}, 1e-6)
