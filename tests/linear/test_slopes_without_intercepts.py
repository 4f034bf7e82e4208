"""Slopes without intercepts far from zero, against dummies and slopes in an orthonormal basis."""

from __future__ import annotations

from functools import cache

import numpy as np
import pandas as pd
import pytest

import panelml as pm

UNITS, PERIODS = 60, 8


@cache
def make_frame() -> pd.DataFrame:
    rng = np.random.default_rng(1)
    k = np.tile(np.arange(1, PERIODS + 1), UNITS)
    frame = pd.DataFrame({"unit": np.repeat(np.arange(UNITS), PERIODS), "k": k})
    level, trend = rng.normal(size=(2, UNITS))[:, frame["unit"]]
    return frame.assign(
        state=frame["unit"] % 5,
        industry=(frame["unit"] // 3 + k) % 4,
        x=rng.normal(size=len(k)),
        y=level + trend * k + rng.normal(size=len(k)),
    )


def span(columns: np.ndarray) -> np.ndarray:
    u, sizes, _ = np.linalg.svd(columns / np.linalg.norm(columns, axis=0), full_matrices=False)
    return u[:, sizes > 1e-12 * sizes[0]]


def dense(frame: pd.DataFrame, effects: str) -> tuple[float, int]:
    """Slope and residual degrees of freedom."""
    columns = []
    for effect in effects.split(" + "):
        name, _, slope = effect.partition("[[")
        codes = frame.groupby(name.split("^")).ngroup().to_numpy()
        values = frame[slope.strip("]")].to_numpy(float) if slope else np.ones(len(frame))
        columns.append(np.eye(codes.max() + 1)[codes] * values[:, None])
    q = span(np.hstack(columns))
    x, y = (frame[name] - q @ (q.T @ frame[name]) for name in ("x", "y"))
    return float(x @ y / (x @ x)), len(frame) - 1 - q.shape[1]


@pytest.mark.parametrize("origin", [0, 2000, 738_000])
@pytest.mark.parametrize(
    "effects",
    ["unit + state[[t]]", "unit + k + state[[t]]", "state^industry + state[[t]]"],
)
def test_slopes_beside_the_intercepts_of_finer_effects(effects: str, origin: int) -> None:
    frame = make_frame().assign(t=lambda f: f["k"] + origin)
    found = pm.FixedEffects(f"y ~ x | {effects}").fit(pm.Panel(frame, unit="unit", time="k"))
    slope, df = dense(frame, effects)
    assert found.params["x"] == pytest.approx(slope, abs=1e-8)
    assert found.df_resid == df
    assert not any("intercepts" in note for note in found.notes)


@pytest.mark.parametrize("origin", [0, 2000])
def test_rank_of_unit_slopes_beside_coarser_intercepts(origin: int) -> None:
    frame = make_frame().assign(t=lambda f: f["k"] + origin)
    found = pm.FixedEffects("y ~ x | state + k + unit[[t]]").fit(
        pm.Panel(frame, unit="unit", time="k")
    )
    slope, df = dense(frame, "state + k + unit[[t]]")
    assert found.params["x"] == pytest.approx(slope, abs=1e-8)
    assert found.df_resid == df


@pytest.mark.parametrize(
    ("effects", "levels"), [("state + unit[[t]]", 60), ("industry + state[[t]]", 5)]
)
@pytest.mark.parametrize("origin", [738_000, 10**8])
def test_slopes_that_digits_do_not_tell_from_intercepts(
    effects: str, levels: int, origin: int
) -> None:
    frame = make_frame().assign(t=lambda f: f["k"] + origin)
    found = pm.FixedEffects(f"y ~ x | {effects}").fit(pm.Panel(frame, unit="unit", time="k"))
    assert any(f"In {levels} levels, 't' varies by less than" in note for note in found.notes)


def test_a_slope_variable_that_is_constant_is_an_intercept() -> None:
    frame = make_frame().assign(size=lambda f: 0.1 + f["unit"] % 7)
    found = pm.FixedEffects("y ~ x | unit[[size]]").fit(pm.Panel(frame, unit="unit", time="k"))
    within = pm.FixedEffects("y ~ x").fit(pm.Panel(frame, unit="unit", time="k"))
    assert found.params["x"] == pytest.approx(within.params["x"], rel=1e-12)
    assert found.df_resid == within.df_resid
    assert not any("intercepts" in note for note in found.notes)
