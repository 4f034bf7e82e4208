"""Chunks hold what a block is made of, and formulas take their state from them."""

from __future__ import annotations

import pickle
from unittest import mock

import numpy as np
import pandas as pd
import pytest

import panelml as pm
from panelml.data.formula.design import fit_design
from panelml.data.formula.formula import parse_formula
from panelml.data.source import rows
from panelml.data.source.chunk import Reads
from panelml.data.source.source import Source
from panelml.engine.sampling import make_sample
from panelml.errors import ColumnTypeError, MissingValueError


def shuffled() -> pd.DataFrame:
    rng = np.random.default_rng(8)
    frame = pd.DataFrame({"unit": np.repeat(np.arange(30), 4), "time": np.tile(range(4), 30)})
    n = len(frame)
    frame["y"], frame["x"] = rng.normal(size=(2, n))
    frame["kind"] = np.array(["low", "mid", "top"])[frame["unit"] // 10]
    frame["size"] = pd.Categorical(rng.choice(["s", "m", "l"], n), ["s", "m", "l"])
    frame["grade"] = rng.integers(0, 4, n).astype(float)
    frame.loc[frame["unit"] == 7, "grade"] = np.nan
    return frame.drop(index=range(0, n, 9)).sample(frac=1.0, random_state=1)


def test_the_panel_in_memory_is_a_source() -> None:
    assert isinstance(pm.Panel(shuffled(), unit="unit", time="time"), Source)


def test_a_chunk_is_arrays_that_can_travel() -> None:
    panel = pm.Panel(shuffled(), unit="unit", time="time")
    formula = parse_formula("y ~ L(x) + kind + C(grade > 1)")
    sample, _ = make_sample(panel, formula, None, keys=(("kind", "time"),))
    for chunk in sample.chunks(20):
        stored = pickle.dumps(chunk)
        assert b"panelml.data.panel" not in stored
        ours, theirs = sample.block(chunk), sample.block(pickle.loads(stored))
        np.testing.assert_array_equal(ours.z, theirs.z)
        np.testing.assert_array_equal(ours.keys["kind^time"], theirs.keys["kind^time"])


def test_a_chunk_reads_what_it_is_asked_for_and_knows_the_users_rows() -> None:
    frame = shuffled().reset_index(drop=True)
    panel = pm.Panel(frame, unit="unit", time="time")
    chunk = panel.chunk(3, 6, Reads(numbers=("x",), categories=("kind",), keys=(("time",),)))
    assert set(chunk.columns) == {"x"} and set(chunk.codes) == {("kind",), ("time",)}
    for row in range(chunk.n):
        user = frame.loc[chunk.position(row)]
        assert user["unit"] == 3 + chunk.unit[row]
        assert user["x"] == chunk.values("x")[row]
        assert user["kind"] == chunk.labels["kind"][chunk.codes["kind",][row]]
    with pytest.raises(ColumnTypeError, match="kind"):
        panel.chunk(0, 1, Reads(numbers=("kind",)))


@pytest.mark.parametrize(
    "formula",
    [
        "y ~ kind * x + size",
        "y ~ C(grade) + C(grade > 1)",
        "y ~ C(L(grade)) + i(kind, ref='mid')",
        "y ~ C(np.where(x > 0, 'up', 'down')) + center(x) + bs(x, df=4)",
        "y ~ C(center(grade) > 0)",
        "y ~ C(grade * 2)",
    ],
)
def test_state_from_many_chunks_is_that_of_one(formula: str) -> None:
    panel = pm.Panel(shuffled(), unit="unit", time="time")
    keep = np.arange(panel.nobs) % 3 > 0
    for kept in (None, keep):
        with mock.patch.object(rows, "ROWS", 10):
            many = fit_design(parse_formula(formula), panel, kept)
        one = fit_design(parse_formula(formula), panel, kept)
        assert many.names == one.names
        whole = panel.chunk(0, panel.n_units, one.reads).keeping(kept)
        np.testing.assert_array_equal(many.evaluate(whole), one.evaluate(whole))


def test_levels_of_rows_outside_the_sample_do_not_count() -> None:
    panel = pm.Panel(shuffled(), unit="unit", time="time")
    keep = panel.values("kind") != "mid"
    with mock.patch.object(rows, "ROWS", 10):
        design = fit_design(parse_formula("y ~ kind"), panel, keep)
    assert design.names == ("kind[T.top]",)
    with pytest.raises(MissingValueError, match="has the level mid"):
        design.evaluate(panel.chunk(0, panel.n_units, design.reads))
