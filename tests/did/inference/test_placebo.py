"""Placebos in time are fits to made-up adoption before the true one."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import linprog

import panelml as pm
from panelml.errors import IdentificationError, SpecificationError

SPECS: list[Any] = [
    pm.TWFE("y ~ 1", cohort="cohort"),
    pm.EventStudy("y ~ 1", cohort="cohort"),
    pm.CallawaySantAnna("y ~ z", cohort="cohort"),
    pm.SunAbraham("y ~ 1", cohort="cohort"),
    pm.ExtendedTWFE("y ~ 1", cohort="cohort"),
    pm.BorusyakJaravelSpiess("y ~ 1", cohort="cohort"),
    pm.TwoStageDiD("y ~ 1", treatment="treated"),
    pm.LocalProjectionsDiD("y ~ 1", treatment="treated", window=(-1, 1)),
    pm.StackedDiD("y ~ 1", cohort="cohort", window=(-1, 0)),
]


def draw(sigma_e: float = 1.0) -> pd.DataFrame:
    sampling = pm.simulate.Sampling(sigma_e=sigma_e)
    frame = pm.simulate.staggered(120, 9, {5: 0.3, 6: 0.2, 9: 0.1}, sampling=sampling, seed=1)
    return frame.assign(
        treated=(frame["time"] >= frame["cohort"]).astype(int),
        z=np.sin(frame["unit"].to_numpy()),
    )


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: type(spec).__name__)
def test_equals_the_fit_by_hand(spec: Any) -> None:
    """Moved by two: cohort 5 to 3 and 6 to 4; cohort 9 would be treated after the data end."""
    frame = draw().sample(frac=1, random_state=2)
    found = pm.placebo_in_time(spec.fit(pm.Panel(frame, unit="unit", time="time")), earlier=2)
    early = frame[frame["time"] < 5].copy()
    early["cohort"] = early["cohort"].map({5: 3, 6: 4})
    early["treated"] = (early["time"] >= early["cohort"]).astype(int)
    byhand = spec.fit(pm.Panel(early, unit="unit", time="time"))
    pd.testing.assert_series_equal(found.params, byhand.params, rtol=1e-9)
    pd.testing.assert_series_equal(found.std_errors, byhand.std_errors, rtol=1e-9)
    assert found.model.endswith("placebo in time")
    assert "Cohorts that count as never treated: 9." in found.notes


def test_finds_nothing_but_violations() -> None:
    spec = pm.BorusyakJaravelSpiess("y ~ 1", cohort="cohort")
    clean = spec.fit(pm.Panel(draw(sigma_e=1e-9), unit="unit", time="time"))
    np.testing.assert_allclose(pm.placebo_in_time(clean, earlier=2).params, 0, atol=1e-6)
    frame = draw(sigma_e=1e-9)
    frame["y"] += (frame["cohort"] == 5) * frame["time"]
    found = pm.placebo_in_time(spec.fit(pm.Panel(frame, unit="unit", time="time")), earlier=1)
    assert found.params["att(4, 4)"] == pytest.approx(2, abs=1e-6)


def test_columns_of_the_user_stay_as_they_are() -> None:
    frame = draw().assign(placebo=lambda d: d["z"])
    panel = pm.Panel(frame, unit="unit", time="time")
    fits = [pm.CallawaySantAnna(f"y ~ {x}", cohort="cohort").fit(panel) for x in ("z", "placebo")]
    found = [pm.placebo_in_time(fit, earlier=1).params for fit in fits]
    np.testing.assert_allclose(found[1], found[0], rtol=1e-12)


def test_what_cannot_be_moved_is_refused() -> None:
    panel = pm.Panel(draw(), unit="unit", time="time")
    fit = pm.TWFE("y ~ 1", cohort="cohort").fit(panel)
    with pytest.raises(SpecificationError, match="takes earlier="):
        pm.placebo_in_time(fit, start=4)
    with pytest.raises(SpecificationError, match="earlier must be a whole number"):
        pm.placebo_in_time(fit, earlier=0)
    with pytest.raises(IdentificationError):
        pm.placebo_in_time(fit, earlier=9)
    ends = draw().assign(on=lambda d: d["treated"] * (d["time"] < d["cohort"] + 2))
    switching = pm.LocalProjectionsDiD(
        "y ~ 1", treatment="on", switching="first", window=(-1, 1)
    ).fit(pm.Panel(ends, unit="unit", time="time"))
    with pytest.raises(IdentificationError, match="policies that stay, but treatment ends"):
        pm.placebo_in_time(switching, earlier=1)
    one = draw()
    one = one[one["cohort"].isna() | (one["unit"] == one.loc[one["cohort"] == 5, "unit"].min())]
    synthetic = pm.SyntheticControl("y ~ 1", cohort="cohort").fit(
        pm.Panel(one, unit="unit", time="time")
    )
    with pytest.raises(SpecificationError, match="takes start="):
        pm.placebo_in_time(synthetic, earlier=1)


def exact_frame(units: int = 41, periods: int = 6, before: int = 4) -> pd.DataFrame:
    """Outcomes of a treated unit amid so many others that mixes of them fit exactly."""
    rng = np.random.default_rng(0)
    y = rng.normal(size=(units, periods))
    y[0, :before] = y[1:4, :before].mean(axis=0) / 2 + y[1:, :before].mean(axis=0) / 2
    y[0, before:] += 3
    unit = np.repeat(np.arange(units), periods)
    time = np.tile(np.arange(1, periods + 1), units)
    cohort = np.where(unit == 0, before + 1, np.nan)
    return pd.DataFrame({"u": unit, "t": time, "y": y.ravel(), "g": cohort})


def in_hull(points: np.ndarray, point: np.ndarray) -> bool:
    """Whether a linear programme finds weights, adding up to one, that give a point."""
    rows = np.vstack([points.T, np.ones(len(points))])
    found = linprog(np.zeros(len(points)), A_eq=rows, b_eq=np.append(point, 1.0))
    return bool(found.status == 0)


@pytest.mark.parametrize(
    "change",
    [
        lambda y: y,
        lambda y: y / 1000,
        lambda y: 7 * y,
        lambda y: -y,
        lambda y: y + 1e4,
        lambda y: 1e6 * y,
        lambda y: y + 1e7,
    ],
)
def test_units_fitted_exactly_tie_in_any_unit_of_measurement(change: Any) -> None:
    frame = exact_frame()
    frame["y"] = change(frame["y"])
    # A placebo's mix is of the other units that are never treated.
    before = exact_frame()["y"].to_numpy().reshape(41, 6)[:, :4]
    others = [np.setdiff1d(np.arange(1, 41), i) for i in range(41)]
    exact = sum(in_hull(before[others[i]], before[i]) for i in range(41))
    for rows in (frame, frame.assign(u=np.where(frame["u"] > 0, 41 - frame["u"], 0))):
        panel = pm.Panel(rows.sample(frac=1, random_state=1), unit="u", time="t")
        found = pm.placebo_in_space(pm.SyntheticControl("y ~ 1", cohort="g").fit(panel))
        assert np.isinf(found.ratios["ratio"]).sum() == exact > 1
        assert found.pvalue == pytest.approx(exact / 41)
        assert f"{exact} of 41 units are fitted exactly before adoption" in str(found)
    assert found.limited(5).pvalue == 1.0
    assert found.plot_ratios().get_xlim()[1] < np.inf


def test_many_donors_far_from_zero_are_weighted_as_near_it() -> None:
    frame = exact_frame(200, 20, 15)
    fits = [
        pm.SyntheticControl("y ~ 1", cohort="g").fit(pm.Panel(f, unit="u", time="t"))
        for f in (frame, frame.assign(y=frame["y"] + 1e4))
    ]
    assert fits[1].params.to_numpy() == pytest.approx(fits[0].params.to_numpy(), abs=1e-7)
