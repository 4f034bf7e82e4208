"""The draws follow the documented law: exactly without noise, else within five standard errors."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from panelml import simulate
from panelml.errors import SpecificationError

Floats = npt.NDArray[np.float64]


def linear_part(frame: pd.DataFrame) -> Floats:
    slopes = frame.attrs["coefficients"]
    return frame[list(slopes)].to_numpy() @ np.array(list(slopes.values()))


def ols(x: Floats, y: Floats) -> Floats:
    x = np.column_stack([np.ones(len(x)), x])
    return np.linalg.lstsq(x, y, rcond=None)[0]


@pytest.mark.parametrize(
    "draw",
    [
        lambda seed: simulate.panel(
            20, 5, components=simulate.ErrorComponents(rho=0.4, heteroskedastic=0.5), seed=seed
        ),
        lambda seed: simulate.matched(20, 5, 4, seed=seed),
        lambda seed: simulate.multilevel(5, 10, seed=seed),
    ],
    ids=["panel", "matched", "multilevel"],
)
def test_the_seed_decides(draw) -> None:
    pd.testing.assert_frame_equal(draw(1), draw(1))
    assert draw(1).attrs == draw(1).attrs
    assert not draw(1)["y"].equals(draw(2)["y"])


@given(
    units=st.integers(1, 30),
    periods=st.integers(1, 8),
    regressors=st.integers(1, 4),
    unbalanced=st.floats(0, 0.99),
    seed=st.integers(0, 10),
)
def test_panel_has_one_sorted_row_per_key(
    units: int, periods: int, regressors: int, unbalanced: float, seed: int
) -> None:
    frame = simulate.panel(units, periods, regressors, unbalanced=unbalanced, seed=seed)
    assert list(frame) == ["unit", "time", "y", *(f"x{k + 1}" for k in range(regressors))]
    keys = pd.MultiIndex.from_frame(frame[["unit", "time"]])
    assert keys.is_unique
    assert keys.is_monotonic_increasing
    assert set(frame["unit"]) == set(range(1, units + 1))
    assert frame["time"].between(1, periods).all()
    assert np.isfinite(frame.to_numpy()).all()


def test_panel_loses_the_share_of_rows_asked_for() -> None:
    assert len(simulate.panel(500, 10, unbalanced=0)) == 5000
    n = 50_000
    kept = len(simulate.panel(n // 10, 10, unbalanced=0.2)) / n
    assert abs(kept - 0.8) < 5 * np.sqrt(0.2 * 0.8 / n)


def test_panel_is_linear_without_noise() -> None:
    frame = simulate.panel(
        30,
        6,
        [2, -3, 0.5],
        components=simulate.ErrorComponents(sigma_u=0, sigma_t=0, sigma_e=0),
        unbalanced=0.3,
    )
    assert frame.attrs["coefficients"] == {"x1": 2.0, "x2": -3.0, "x3": 0.5}
    np.testing.assert_allclose(frame["y"], linear_part(frame), rtol=1e-13, atol=1e-13)


def test_panel_default_slopes_are_documented() -> None:
    assert simulate.panel(2, 2).attrs["coefficients"] == {"x1": 1.0, "x2": -0.5, "x3": 1 / 3}


def test_panel_effects_belong_to_units_and_periods() -> None:
    frame = simulate.panel(200, 7, components=simulate.ErrorComponents(sigma_e=0, sigma_t=0))
    effects = (frame["y"] - linear_part(frame)).groupby(frame["unit"])
    assert effects.std().max() < 1e-12
    assert effects.mean().std() > 0.8
    frame = simulate.panel(200, 7, components=simulate.ErrorComponents(sigma_e=0, sigma_u=0))
    effects = (frame["y"] - linear_part(frame)).groupby(frame["time"])
    assert effects.std().max() < 1e-12
    assert effects.mean().std() > 0.1


@pytest.mark.parametrize("correlated", [0.0, 0.6, -1.0])
def test_panel_effects_follow_the_regressors(correlated: float) -> None:
    units, periods, k = 40_000, 4, 2
    frame = simulate.panel(
        units,
        periods,
        k,
        unbalanced=0,
        correlated=correlated,
        components=simulate.ErrorComponents(sigma_e=0, sigma_t=0),
    )
    effects = (frame["y"] - linear_part(frame)).groupby(frame["unit"]).mean().to_numpy()
    means = frame.groupby("unit")[["x1", "x2"]].mean().to_numpy()
    # A mean over T periods measures the unit part with error of variance 1/T.
    expected = correlated / np.sqrt(k) * periods / (periods + 1)
    np.testing.assert_allclose(ols(means, effects)[1:], expected, atol=5 / np.sqrt(units))
    assert abs(effects.var() - 1) < 5 * np.sqrt(2 / units)


@pytest.mark.parametrize("rho", [0.0, 0.7, -0.4])
def test_panel_errors_are_stationary(rho: float) -> None:
    units, periods = 20_000, 5
    frame = simulate.panel(
        units,
        periods,
        1,
        unbalanced=0,
        components=simulate.ErrorComponents(rho=rho, sigma_u=0, sigma_t=0),
    )
    errors = (frame["y"] - linear_part(frame)).to_numpy().reshape(units, periods)
    for t in range(periods):
        assert abs(errors[:, t].var() - 1) < 5 * np.sqrt(2 / units)
    for t in range(1, periods):
        found = np.corrcoef(errors[:, t], errors[:, 0])[0, 1]
        assert abs(found - rho**t) < 5 / np.sqrt(units)


def test_panel_error_variance_follows_the_first_regressor() -> None:
    frame = simulate.panel(
        40_000, 3, 2, components=simulate.ErrorComponents(heteroskedastic=0.6, sigma_u=0, sigma_t=0)
    )
    errors = (frame["y"] - linear_part(frame)).to_numpy()
    slopes = ols(frame[["x1", "x2"]].to_numpy(), np.log(errors**2))[1:]
    # log chi2(1) has variance pi^2 / 2 and each regressor has variance 2.
    np.testing.assert_allclose(slopes, [0.6, 0], atol=5 * np.sqrt(np.pi**2 / 4 / len(frame)))
    assert abs(errors.var() - 1) < 0.05


def test_matched_has_one_row_per_worker_and_period() -> None:
    frame = simulate.matched(50, 6, 4, 2)
    assert list(frame) == ["worker", "firm", "time", "y", "x1", "x2"]
    assert len(frame) == 200
    assert not frame.duplicated(["worker", "time"]).any()
    assert frame["firm"].between(1, 6).all()


def test_matched_effects_belong_to_workers_and_firms() -> None:
    noiseless = simulate.MatchComponents(sigma_firm=0, sigma_e=0)
    frame = simulate.matched(500, 40, 6, components=noiseless, seed=3)
    assert (frame["y"] - linear_part(frame)).groupby(frame["worker"]).std().max() < 1e-12
    noiseless = simulate.MatchComponents(sigma_worker=0, sigma_e=0)
    frame = simulate.matched(500, 40, 6, components=noiseless, seed=3)
    assert (frame["y"] - linear_part(frame)).groupby(frame["firm"]).std().max() < 1e-12


@pytest.mark.parametrize("sorting", [0.0, 0.5])
def test_matched_sorts_workers_into_firms(sorting: float) -> None:
    matching = simulate.Matching(sorting=sorting, mobility=0)
    worker_only = simulate.MatchComponents(sigma_firm=0, sigma_e=0)
    firm_only = simulate.MatchComponents(sigma_worker=0, sigma_e=0)
    of_worker = simulate.matched(40_000, 1000, 1, matching=matching, components=worker_only)
    of_firm = simulate.matched(40_000, 1000, 1, matching=matching, components=firm_only)
    ability = of_worker["y"] - linear_part(of_worker)
    quality = of_firm["y"] - linear_part(of_firm)
    assert abs(np.corrcoef(ability, quality)[0, 1] - sorting) < 5 / np.sqrt(40_000)
    assert abs(quality.std() - 0.5) < 0.01
    by_label = quality.groupby(of_firm["firm"]).first()
    assert abs(np.corrcoef(by_label.index, by_label)[0, 1]) < 5 / np.sqrt(1000)


@pytest.mark.parametrize("mobility", [0.0, 0.3, 1.0])
def test_matched_workers_move(mobility: float) -> None:
    firms = 2000
    frame = simulate.matched(
        20_000, firms, 2, matching=simulate.Matching(mobility=mobility, sorting=0)
    )
    firm = frame["firm"].to_numpy().reshape(-1, 2)
    moved = (firm[:, 0] != firm[:, 1]).mean()
    assert abs(moved - mobility * (1 - 1 / firms)) <= 5 * np.sqrt(0.25 / 20_000) * (mobility > 0)


def test_matched_regressors_carry_the_effects() -> None:
    frame = simulate.matched(
        40_000,
        500,
        1,
        1,
        components=simulate.MatchComponents(correlated=0.8, sigma_e=0),
        matching=simulate.Matching(sorting=0),
    )
    effects = frame["y"] - linear_part(frame)
    slope = ols(effects.to_numpy()[:, None], frame["x1"].to_numpy())[1]
    assert abs(slope - 0.8 / np.hypot(1, 0.5)) < 5 / np.sqrt(40_000)


def test_multilevel_schools_hold_pupils() -> None:
    frame = simulate.multilevel(300, 21)
    assert list(frame) == ["school", "pupil", "y", "x", "z"]
    sizes = frame["school"].value_counts()
    assert (sizes.min(), sizes.max()) == (11, 31)
    assert len(sizes) == 300
    assert frame["pupil"].is_unique
    assert (frame.groupby("school")["z"].nunique() == 1).all()


def test_multilevel_is_linear_without_random_parts() -> None:
    frame = simulate.multilevel(
        20,
        5,
        coefficients=(1, 2, 3, 4),
        schools=simulate.SchoolEffects(sd_intercept=0, sd_slope=0),
        sigma=0,
    )
    assert frame.attrs["coefficients"] == {"Intercept": 1.0, "x": 2.0, "z": 3.0, "x:z": 4.0}
    expected = 1 + 2 * frame["x"] + 3 * frame["z"] + 4 * frame["x"] * frame["z"]
    np.testing.assert_allclose(frame["y"], expected, rtol=1e-13)


def test_multilevel_lines_differ_by_school_as_documented() -> None:
    schools = 5000
    frame = simulate.multilevel(
        schools,
        4,
        sigma=0,
        schools=simulate.SchoolEffects(correlation=0.4, sd_intercept=2, sd_slope=0.5),
    )
    by_school = frame.groupby("school")
    dx = frame["x"] - by_school["x"].transform("mean")
    slopes = (dx * frame["y"]).groupby(frame["school"]).sum() / (dx**2).groupby(
        frame["school"]
    ).sum()
    intercepts = by_school["y"].mean() - slopes * by_school["x"].mean()
    z = by_school["z"].first().to_numpy()[:, None]
    parts = []
    for line, (constant, slope), sd in [
        (intercepts.to_numpy(), (10, 0.5), 2),
        (slopes.to_numpy(), (1, 0.3), 0.5),
    ]:
        found = ols(z, line)
        np.testing.assert_allclose(found, [constant, slope], atol=5 * sd / np.sqrt(schools))
        parts.append(line - found[0] - found[1] * z[:, 0])
        assert abs(parts[-1].std() / sd - 1) < 5 / np.sqrt(2 * schools)
    assert abs(np.corrcoef(parts)[0, 1] - 0.4) < 5 / np.sqrt(schools)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: simulate.panel(0, 5), "n_units must be at least 1, not 0"),
        (lambda: simulate.panel(5, 0), "n_periods must be at least 1, not 0"),
        (lambda: simulate.panel(5, 5, 0), "regressors must be at least 1, not 0"),
        (lambda: simulate.panel(5, 5, []), "regressors needs a slope at least"),
        (lambda: simulate.panel(5, 5, unbalanced=1), r"unbalanced must be in \[0, 1\), not 1"),
        (lambda: simulate.panel(5, 5, correlated=2), r"correlated must be in \[-1, 1\], not 2"),
        (
            lambda: simulate.panel(5, 5, components=simulate.ErrorComponents(rho=1)),
            r"rho must be in \(-1, 1\), not 1",
        ),
        (
            lambda: simulate.panel(5, 5, components=simulate.ErrorComponents(sigma_u=-1)),
            "sigma_u must not be negative, but is -1",
        ),
        (
            lambda: simulate.panel(5, 5, components=simulate.ErrorComponents(rho=float("nan"))),
            r"rho must be in \(-1, 1\), not nan",
        ),
        (lambda: simulate.matched(5, 0, 5), "n_firms must be at least 1, not 0"),
        (
            lambda: simulate.matched(5, 5, 5, matching=simulate.Matching(mobility=2)),
            r"mobility must be in \[0, 1\], not 2",
        ),
        (
            lambda: simulate.matched(5, 5, 5, matching=simulate.Matching(sorting=-2)),
            r"sorting must be in \[-1, 1\], not -2",
        ),
        (lambda: simulate.multilevel(5, 0), "n_pupils must be at least 1, not 0"),
        (lambda: simulate.multilevel(5, 5, coefficients=[1]), "coefficients needs 4 values, not 1"),
        (
            lambda: simulate.multilevel(5, 5, schools=simulate.SchoolEffects(correlation=2)),
            r"correlation must be in \[-1, 1\]",
        ),
        (lambda: simulate.multilevel(5, 5, sigma=-1), "sigma must not be negative, but is -1"),
    ],
)
def test_values_out_of_range_are_named(call, message: str) -> None:
    with pytest.raises(SpecificationError, match=message):
        call()


@pytest.mark.slow
def test_nine_million_rows_are_a_matter_of_seconds() -> None:
    frame = simulate.panel(1_000_000, 10)
    assert abs(len(frame) - 9e6) < 5 * np.sqrt(1e7 * 0.09)
    assert frame["unit"].is_monotonic_increasing


@pytest.mark.parametrize(
    ("draw", "total"),
    [
        (lambda: simulate.staggered(200, 8, seed=1), 2146.4384052654145),
        (lambda: simulate.panel(40, 5), -95.4902934042992),
        (lambda: simulate.matched(20, 4, 3), -20.930186885556623),
        (lambda: simulate.multilevel(5, 6), 284.94037697687304),
    ],
    ids=["staggered", "panel", "matched", "multilevel"],
)
def test_draws_of_a_seed_stay_as_they_were(draw, total: float) -> None:
    assert draw()["y"].sum() == pytest.approx(total, rel=1e-12)
