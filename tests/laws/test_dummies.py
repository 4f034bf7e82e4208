"""Fixed effects are least squares with dummies, whatever is absorbed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from unittest import mock

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import panelml as pm
from panelml.core import absorb
from panelml.engine import absorbing
from panelml.results.base import Results
from tests.laws.compare import assert_same
from tests.laws.panels import dummies, frames, least_squares, make_frame


def slopes_of(codes: np.ndarray, values: np.ndarray) -> np.ndarray:
    return dummies(codes) * np.asarray(values, float)[:, None]


def pasted(frame: pd.DataFrame, *columns: str) -> np.ndarray:
    return frame[list(columns)].astype(str).agg("^".join, axis=1).to_numpy()


#: Effects after ``|``, and their columns.
EFFECTS = {
    "unit": lambda d: dummies(d.unit),
    "time": lambda d: dummies(d.time),
    "unit + time": lambda d: dummies(d.unit, d.time),
    "time + unit": lambda d: dummies(d.unit, d.time),
    "unit + firm": lambda d: dummies(d.unit, d.firm),
    "firm + state": lambda d: dummies(d.firm, d.state),
    "unit + state": lambda d: dummies(d.unit, d.state),
    "unit + time + firm": lambda d: dummies(d.unit, d.time, d.firm),
    "time + firm + state": lambda d: dummies(d.time, d.firm, d.state),
    "unit + firm^state": lambda d: dummies(d.unit, pasted(d, "firm", "state")),
    "state^time": lambda d: dummies(pasted(d, "state", "time")),
    "unit + state^time": lambda d: dummies(d.unit, pasted(d, "state", "time")),
    "unit[trend]": lambda d: np.hstack([dummies(d.unit), slopes_of(d.unit, d.trend)]),
    "unit[[trend]]": lambda d: slopes_of(d.unit, d.trend),
    "unit[trend] + firm": lambda d: np.hstack(
        [dummies(d.unit, d.firm), slopes_of(d.unit, d.trend)]
    ),
    "unit + state[trend]": lambda d: np.hstack(
        [dummies(d.unit, d.state), slopes_of(d.state, d.trend)]
    ),
    "unit + firm[[trend]]": lambda d: np.hstack([dummies(d.unit), slopes_of(d.firm, d.trend)]),
    "state[trend] + firm": lambda d: np.hstack(
        [dummies(d.state, d.firm), slopes_of(d.state, d.trend)]
    ),
}


#: Where the levels' system is solved by iteration, its rank is counted from connected sets:
#: exactly for one effect beside the units, or two effects without units.
COUNTED = (
    "unit + time",
    "unit + firm",
    "firm + state",
    "unit + state",
    "unit + firm^state",
    "unit + state^time",
    "state^time",
    "time",
)


@contextmanager
def levels_solved(road: str) -> Iterator[None]:
    """Force how the levels beside the units are solved."""
    limits = {"dense": (10**6, 10**6), "sparse": (10**6, 0), "iteration": (0, 0)}
    most, few = limits[road]
    with (
        mock.patch.object(absorb, "DENSE_LEVELS", most),
        mock.patch.object(absorbing, "DENSE_LEVELS", most),
        mock.patch.object(absorb, "FEW_LEVELS", few),
    ):
        yield


def check(frame: pd.DataFrame, effects: str, weights: str | None, *, rank: bool = True) -> None:
    columns = EFFECTS[effects](frame)
    assume(len(frame) > np.linalg.matrix_rank(columns) + 3)
    x = frame[["x1", "x2"]].to_numpy()
    w = None if weights is None else frame["w"].to_numpy()
    brute = least_squares(frame["y"].to_numpy(), x, columns, w)
    model = pm.FixedEffects(f"y ~ x1 + x2 | {effects}", weights=weights, cov="iid")
    fit = model.fit(pm.Panel(frame, unit="unit", time="time"))
    assert fit.params.to_numpy() == pytest.approx(brute.coef, rel=1e-8, abs=1e-9)
    scale = 1.0 if w is None else 1 / w.mean()
    assert fit.rss == pytest.approx(brute.rss * scale, rel=1e-8, abs=1e-12)
    if rank:
        assert len(frame) - fit.counts.df_resid == brute.rank
        assert_cov(fit, brute.cov)
    found = fit.with_cov(pm.cov.HC1(small_sample="none"))
    assert_cov(found, brute.scores.T @ brute.scores)
    assert fit.residuals().to_numpy() == pytest.approx(brute.residuals, rel=1e-7, abs=1e-8)


def assert_cov(fit: Results, expected: np.ndarray) -> None:
    length = np.sqrt(np.diag(expected))
    assert fit.cov.to_numpy() / np.outer(length, length) == pytest.approx(
        expected / np.outer(length, length), rel=1e-7, abs=1e-8
    )


@pytest.mark.parametrize("effects", EFFECTS)
@settings(max_examples=25)
@given(frame=frames(units=(5, 9), periods=(4, 7)), weights=st.sampled_from([None, "w"]))
def test_absorbing_is_adding_dummies(
    effects: str, frame: pd.DataFrame, weights: str | None
) -> None:
    check(frame, effects, weights)


@pytest.mark.parametrize("road", ["sparse", "iteration"])
@pytest.mark.parametrize("effects", [name for name in EFFECTS if name != "unit"])
@settings(max_examples=10)
@given(frame=frames(units=(5, 9), periods=(4, 7)), weights=st.sampled_from([None, "w"]))
def test_every_road_to_the_levels_is_the_same(
    road: str, effects: str, frame: pd.DataFrame, weights: str | None
) -> None:
    with levels_solved(road):
        check(frame, effects, weights, rank=road == "sparse" or effects in COUNTED)


@pytest.mark.parametrize("road", ["dense", "sparse", "iteration"])
def test_disconnected_sets_each_have_a_redundant_level(road: str) -> None:
    """Firms 0-2 and 3-5 share no worker: two sets, so two redundant levels of firms."""
    rng = np.random.default_rng(8)
    unit, time = np.repeat(np.arange(20), 6), np.tile(np.arange(6), 20)
    firm = rng.integers(0, 3, 120) + 3 * (unit >= 10)
    frame = pd.DataFrame(
        {
            "unit": unit,
            "time": time,
            "firm": firm,
            "x1": rng.normal(size=120),
            "x2": rng.normal(size=120),
            "y": rng.normal(size=120),
        }
    )
    with levels_solved(road):
        fit = pm.FixedEffects("y ~ x1 + x2 | unit + firm", cov="iid").fit(
            pm.Panel(frame, unit="unit", time="time")
        )
    brute = least_squares(
        frame["y"].to_numpy(), frame[["x1", "x2"]].to_numpy(), dummies(frame.unit, frame.firm)
    )
    assert brute.rank == 2 + 20 + 6 - 2 == 120 - fit.counts.df_resid
    assert fit.params.to_numpy() == pytest.approx(brute.coef, rel=1e-9)
    assert_cov(fit, brute.cov)


@pytest.mark.parametrize("effects", ["unit[trend]", "unit + state[trend]", "state[trend] + firm"])
def test_a_slope_variable_with_a_large_mean_costs_no_digits(effects: str) -> None:
    """The same model with the variable moved by a million: the slopes may not notice."""
    frame = make_frame(np.random.default_rng(4), 30, 8, 0.2)
    near = pm.FixedEffects(f"y ~ x1 + x2 | {effects}", cov="iid").fit(
        pm.Panel(frame, unit="unit", time="time")
    )
    far = pm.FixedEffects(f"y ~ x1 + x2 | {effects}", cov="iid").fit(
        pm.Panel(frame.assign(trend=frame["trend"] + 1e6), unit="unit", time="time")
    )
    assert far.counts.df_resid == near.counts.df_resid
    assert far.params.to_numpy() == pytest.approx(near.params.to_numpy(), rel=1e-10)
    assert far.std_errors.to_numpy() == pytest.approx(near.std_errors.to_numpy(), rel=1e-10)
    assert far.residuals().to_numpy() == pytest.approx(near.residuals().to_numpy(), abs=1e-7)


def test_the_same_levels_named_twice_are_one_effect() -> None:
    frame = make_frame(np.random.default_rng(4), 30, 8, 0.2)
    panel = pm.Panel(frame, unit="unit", time="time")
    for twice, once in {
        "unit + unit[trend]": "unit[trend]",
        "unit[trend] + unit": "unit[trend]",
        "firm + unit + firm": "firm + unit",
        "unit + state[trend] + state[[x2]]": "unit + state[trend, x2]",
    }.items():
        first, second = (
            pm.FixedEffects(f"y ~ x1 | {effects}").fit(panel) for effects in (twice, once)
        )
        assert_same(first, second, rel=0)
        assert first.effects().keys() == second.effects().keys()
