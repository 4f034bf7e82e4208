"""Fixed effects: what is said of the effects, and rows alone in their level."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import panelml as pm
from tests.contract.estimators import ESTIMATORS, fit
from tests.laws.compare import assert_same
from tests.laws.panels import make_frame


@pytest.fixture
def frame() -> pd.DataFrame:
    return make_frame(np.random.default_rng(9), 30, 7, 0.3)


@pytest.mark.parametrize("weights", [None, "m"])
def test_statistics_of_the_unit_effects_are_those_of_their_table(
    frame: pd.DataFrame, weights: str | None
) -> None:
    """As Stata's xtreg: spread over units, correlation over rows."""
    result = pm.FixedEffects("y ~ x1 + x2", weights=weights).fit(
        pm.Panel(frame, unit="unit", time="time")
    )
    effects = result.effects()["unit"]["effect"]
    extras = result.extras
    assert extras["sigma_u"] == pytest.approx(effects.std(ddof=1))
    total = extras["sigma_u"] ** 2 + extras["sigma_e"] ** 2
    assert extras["rho"] == pytest.approx(extras["sigma_u"] ** 2 / total)
    u, xb = frame["unit"].map(effects), result.fitted(effects=False)
    assert extras["corr_u_xb"] == pytest.approx(np.corrcoef(u, xb)[0, 1])
    assert result.rsquared_overall == pytest.approx(np.corrcoef(frame["y"], xb)[0, 1] ** 2)


@pytest.mark.parametrize("name", [key for key, e in ESTIMATORS.items() if e.kind == "fixed"])
def test_the_spread_of_effects_is_said_of_units_alone(name: str, frame: pd.DataFrame) -> None:
    alone = ESTIMATORS[name].effects == " | unit"
    extras = fit(ESTIMATORS[name], frame).extras
    assert all((key in extras) == alone for key in ("sigma_u", "rho", "corr_u_xb"))
    assert {"sigma_e", "constant", "rsquared_inclusive"} <= set(extras)


@pytest.mark.parametrize("weights", [None, "w"])
@pytest.mark.parametrize("effects", ["unit + time", "time + unit + firm", "firm + state"])
def test_intercepts_of_each_effect_average_to_zero(
    frame: pd.DataFrame, effects: str, weights: str | None
) -> None:
    """Over rows, by their weights; the constant is what they are deviations from."""
    result = pm.FixedEffects(f"y ~ x1 + x2 | {effects}", weights=weights).fit(
        pm.Panel(frame, unit="unit", time="time")
    )
    w = np.ones(len(frame)) if weights is None else frame[weights]
    for name, table in result.effects().items():
        by_row = frame[name].map(table["effect"])
        assert np.average(by_row, weights=w) == pytest.approx(0, abs=1e-10)
    error = frame["y"] - frame[["x1", "x2"]] @ result.params
    assert np.average(error, weights=w) == pytest.approx(result.extras["constant"])


def test_slopes_of_units_are_their_own_regressions(frame: pd.DataFrame) -> None:
    result = pm.FixedEffects("y ~ x1 | unit[trend]").fit(pm.Panel(frame, unit="unit", time="time"))
    (table,) = result.effects().values()
    left = frame["y"] - result.params["x1"] * frame["x1"] - result.extras["constant"]
    for unit, rows in frame.assign(left=left).groupby("unit"):
        if rows["trend"].nunique() > 1:
            slope, level = np.polyfit(rows["trend"], rows["left"], 1)
            assert table.loc[unit, "trend"] == pytest.approx(slope)
            assert table.loc[unit, "effect"] == pytest.approx(level)


@pytest.mark.parametrize("weights", [None, "w", "frequency:n"])
def test_dropping_singletons_is_fitting_without_them(
    frame: pd.DataFrame, weights: str | None
) -> None:
    """Also those that are alone only once others are gone."""
    chain = pd.DataFrame(
        {
            "unit": [900, 901, 901, 902],
            "time": [2000, 2001, 2002, 2002],
            "firm": [7, 7, 8, 8],
            "y": [1.0, 2.0, 4.0, 3.0],
            "x1": [0.5, 1.0, -1.0, 2.0],
            "x2": 1.0,
            "w": 5.0,
            "n": 2,
        }
    )
    longer = pd.concat([frame, chain], ignore_index=True)
    spec = pm.FixedEffects("y ~ x1 + x2 | unit + firm", weights=weights, singletons="drop")
    dropped = spec.fit(pm.Panel(longer, unit="unit", time="time"))
    assert "Dropped 4 rows alone in a level of an absorbed effect." in dropped.notes
    plain = spec.fit(pm.Panel(frame, unit="unit", time="time"))
    assert_same(dropped, plain, rel=1e-9, floor=1e-11)
    assert dropped.residuals().isna().to_numpy()[-4:].all()


def test_kept_singletons_count_but_do_not_move_the_coefficients(frame: pd.DataFrame) -> None:
    alone = frame.head(1).assign(unit=999, y=1e3, x1=-1e3)
    longer = pd.concat([frame, alone], ignore_index=True)
    kept = pm.FixedEffects("y ~ x1 + x2").fit(pm.Panel(longer, unit="unit", time="time"))
    without = pm.FixedEffects("y ~ x1 + x2").fit(pm.Panel(frame, unit="unit", time="time"))
    assert kept.params.to_numpy() == pytest.approx(without.params.to_numpy(), rel=1e-10)
    assert kept.nobs == without.nobs + 1 and kept.df_resid == without.df_resid
    assert any("1 levels of absorbed effects have a single row" in note for note in kept.notes)
    assert kept.residuals().to_numpy()[-1] == pytest.approx(0, abs=1e-9)


def test_a_slope_variable_that_does_not_vary_in_a_unit_has_no_slope_there(
    frame: pd.DataFrame,
) -> None:
    """Not even one of rounding errors."""
    first = frame["unit"] == frame["unit"].min()
    frame = frame.assign(trend=frame["trend"].mask(first, 0.1) / 3)
    result = pm.FixedEffects("y ~ x1 | unit[trend]").fit(pm.Panel(frame, unit="unit", time="time"))
    (table,) = result.effects().values()
    assert table["trend"].iloc[0] == 0
    assert (table["trend"].iloc[1:] != 0).all()
    assert result.counts.absorbed == 2 * 30 - 1
    left = frame["y"] - result.params["x1"] * frame["x1"] - result.extras["constant"]
    assert table["effect"].iloc[0] == pytest.approx(left[first].mean())
