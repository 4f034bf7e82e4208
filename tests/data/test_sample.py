"""Counts and nestings of levels: pandas is the judge, and how rows are cut makes no difference."""

from __future__ import annotations

from unittest import mock

import numpy as np
import pandas as pd
import pytest

import panelml as pm
from panelml.data.formula.formula import parse_formula
from panelml.data.sample import Sample
from panelml.data.source import rows
from panelml.engine.sampling import make_sample

KEYS = [("unit",), ("time",), ("place",), ("region",), ("mover",), ("place", "time")]


@pytest.fixture(scope="module")
def sample() -> Sample:
    rng = np.random.default_rng(2)
    frame = pd.DataFrame({"unit": np.repeat(np.arange(40), 5), "time": np.tile(range(5), 40)})
    frame["y"] = rng.normal(size=200)
    frame["place"] = frame["unit"] // 4
    frame["region"] = frame["place"] // 5
    # One late row of one place lies in another region.
    frame["mover"] = np.where(frame.index == 187, 0, frame["region"])
    frame.loc[rng.choice(150, 20, replace=False), "y"] = np.nan
    return make_sample(pm.Panel(frame, unit="unit", time="time"), parse_formula("y ~ 1"), None)[0]


def kept(sample: Sample) -> pd.DataFrame:
    frame = sample.panel.to_native()
    return frame[frame["y"].notna()]


@pytest.mark.parametrize("size", [1, 7, 10**6])
@pytest.mark.parametrize("names", KEYS, ids="^".join)
def test_rows_of_levels(sample: Sample, names: tuple[str, ...], size: int) -> None:
    with mock.patch.object(rows, "ROWS", size):
        counts = sample.level_rows(names)
    expected = kept(sample).groupby(list(names)).size().to_numpy()
    np.testing.assert_array_equal(counts[counts > 0], expected)
    assert counts.size == sample.source.levels(names)


@pytest.mark.parametrize("size", [1, 7, 10**6])
@pytest.mark.parametrize("inner", KEYS, ids="^".join)
@pytest.mark.parametrize("outer", KEYS, ids="^".join)
def test_nesting(sample: Sample, inner: tuple[str, ...], outer: tuple[str, ...], size: int) -> None:
    with mock.patch.object(rows, "ROWS", size):
        nested = sample.is_nested(inner, outer)
    frame = kept(sample)
    outside = frame.groupby(list(outer)).ngroup()
    assert nested == (outside.groupby([frame[name] for name in inner]).nunique() == 1).all()


@pytest.mark.parametrize("size", [1, 7, 10**6])
@pytest.mark.parametrize("names", KEYS, ids="^".join)
def test_codes_of_units(sample: Sample, names: tuple[str, ...], size: int) -> None:
    with mock.patch.object(rows, "ROWS", size):
        codes = sample.unit_codes(names)
    first = kept(sample).drop_duplicates("unit")
    expected = ["^".join(map(str, row)) for row in first[list(names)].to_numpy()]
    np.testing.assert_array_equal(sample.source.labels(names)[codes].astype(str), expected)


@pytest.mark.parametrize("size", [1, 10**6])
def test_missing_values_of_rows_outside_the_sample_do_not_count(sample: Sample, size: int) -> None:
    frame = sample.panel.to_native().copy()
    frame["inside"] = np.where(frame.index == frame.index[frame["y"].notna()][-1], None, "a")
    frame["outside"] = np.where(frame["y"].isna(), None, "a")
    panel = pm.Panel(frame, unit="unit", time="time")
    changed, _ = make_sample(panel, parse_formula("y ~ 1"), None)
    with mock.patch.object(rows, "ROWS", size):
        assert changed.has_missing(("inside",))
        assert not changed.has_missing(("outside",))
