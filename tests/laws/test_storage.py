"""How numbers are stored does not matter: casting columns to float64 changes nothing."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import panelml as pm
from tests.contract.estimators import ESTIMATORS
from tests.did.specifications import ESTIMATORS as POLICIES
from tests.laws.compare import assert_same
from tests.laws.panels import make_frame

# Each product, square and difference of these leaves the range of a byte.
FORMULAS = (
    "y ~ x1 + x2 + I(x1**2)",
    "y ~ I(x1 * x2) + log(x1)",
    "I(y - x1) ~ I(x1 - x2) + sqrt(x2)",
    "I(y * 3) ~ x1 * x2 + abs(x1 - x2)",
    "y ~ within(x1 * x2) + L(x2**2)",
    "y ~ D(x1 * x2) + np.square(x2)",
    "y ~ I(x1 * 1000) + np.where(x1 > 50, x1 * x2, x2)",
    "y ~ I(time * time) + x1 + L(time * x2)",
    "y ~ I(-x1) + I(x1 // 7 + x2 % 7)",
    "y ~ I(f + g) + I(f - x1) + I(f * 100 + g * 100)",
    "y ~ np.add(x1, x2) + np.multiply(f, g) + x1",
    "y ~ poly(x1, 2) + center(x2)",
    "y ~ i(g, x1) + I(~(f > 0)) + I((x1 > 50) & (x2 > 50))",
)
STORAGE: dict[str, Any] = {
    name: lambda frame, name=name: frame.astype(dict.fromkeys(("x1", "x2", "y"), name))
    for name in (
        "int8",
        "int16",
        "int32",
        "int64",
        "uint8",
        "uint16",
        "uint32",
        "uint64",
        "float16",
        "float32",
        "Int8",
        "UInt8",
        "Float32",
    )
}
SMALL = {"int8": "int8", "uint8": "uint8"}
STORAGE |= {
    f"{kind} {name}": lambda frame, name=name, turn=turn: turn(STORAGE[name](frame))
    for name in SMALL
    for kind, turn in {
        "nullable": lambda frame: frame.convert_dtypes(),
        "pandas-arrow": lambda frame: frame.convert_dtypes(dtype_backend="pyarrow"),
        "polars": pl.from_pandas,
        "pyarrow": lambda frame: pa.Table.from_pandas(frame, preserve_index=False),
    }.items()
}


def whole_numbers(seed: int) -> pd.DataFrame:
    """Make a panel of whole numbers below 128, with truth values f and g."""
    rng = np.random.default_rng(seed)
    frame = make_frame(rng, 12, 6, 0.2)
    n = len(frame)
    frame["x1"], frame["x2"] = rng.integers(2, 120, n), rng.integers(2, 120, n)
    frame["f"], frame["g"] = rng.random(n) < 0.5, rng.random(n) < 0.5
    frame["y"] = np.clip(frame["x1"] // 2 + rng.integers(0, 60, n), 0, 120)
    return frame.astype({"time": "int16"})


def as_floats(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.astype({**dict.fromkeys(("x1", "x2", "y", "f", "g"), float), "time": int})


@pytest.mark.parametrize("storage", STORAGE)
@settings(max_examples=4)
@given(seed=st.integers(0, 10**6), formula=st.sampled_from(FORMULAS))
def test_storage_does_not_matter_to_formulas(storage: str, seed: int, formula: str) -> None:
    frame = whole_numbers(seed)
    stored = pm.Panel(STORAGE[storage](frame), unit="unit", time="time")
    found = pm.PooledOLS(formula).fit(stored)
    expected = pm.PooledOLS(formula).fit(pm.Panel(as_floats(frame), unit="unit", time="time"))
    np.testing.assert_allclose(found.params, expected.params, rtol=1e-9)
    np.testing.assert_allclose(found.std_errors, expected.std_errors, rtol=1e-9)


@pytest.mark.parametrize("storage", ["int8", "uint8", "polars int8", "pyarrow uint8", "float32"])
@pytest.mark.parametrize("name", ESTIMATORS)
def test_storage_does_not_matter_to_estimators(name: str, storage: str) -> None:
    frame = whole_numbers(5)
    spec = ESTIMATORS[name].spec("I(y - x2) ~ x1 + I(x1 * x2)")
    found = spec.fit(pm.Panel(STORAGE[storage](frame), unit="unit", time="time"))
    expected = spec.fit(pm.Panel(as_floats(frame), unit="unit", time="time"))
    assert_same(found, expected, rel=1e-9)


@pytest.mark.parametrize("name", POLICIES)
def test_storage_does_not_matter_to_policies(name: str) -> None:
    rng = np.random.default_rng(3)
    unit, time = np.repeat(np.arange(40), 8), np.tile(np.arange(2001, 2009), 40)
    cohort = np.where(np.arange(40) % 4 == 0, 0, 2003 + np.arange(40) % 4)[unit]
    frame = pd.DataFrame(
        {
            "unit": unit,
            "time": time,
            "cohort": cohort,
            "x": rng.integers(0, 99, 40)[unit],
            "z": rng.integers(0, 99, unit.size),
            "w": rng.integers(1, 9, 40)[unit],
            "half": (unit // 4) % 2,
            "y": rng.integers(-120, 120, unit.size),
        }
    )
    small = frame.astype(
        {
            "time": "int16",
            "cohort": "uint16",
            "x": "int8",
            "z": "uint8",
            "w": "int8",
            "half": "int8",
            "y": "int8",
        }
    )
    wide = frame.astype({name: float for name in frame if name not in ("unit", "time")})
    found, expected = (
        POLICIES[name].fit(pm.Panel(f, unit="unit", time="time")) for f in (small, wide)
    )
    np.testing.assert_allclose(found.params, expected.params, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(found.std_errors, expected.std_errors, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("storage", STORAGE)
def test_squares_and_sums_are_those_of_arithmetic(storage: str) -> None:
    frame = whole_numbers(1)
    found = pm.PooledOLS("y ~ I(x1**2) + I(f + g)").fit(
        pm.Panel(STORAGE[storage](frame), unit="unit", time="time")
    )
    x1, f, g, y = (frame[name].to_numpy(float) for name in ("x1", "f", "g", "y"))
    design = np.column_stack([np.ones(len(frame)), x1**2, f + g])
    expected = np.linalg.lstsq(design, y, rcond=None)[0]
    np.testing.assert_allclose(found.params, expected, rtol=1e-8)
