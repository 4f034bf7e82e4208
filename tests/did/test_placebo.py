"""Placebos in time are fits to made-up adoption before the true one."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

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


def draw(**options: Any) -> pd.DataFrame:
    frame = pm.simulate.staggered(120, 9, {5: 0.3, 6: 0.2, 9: 0.1}, seed=1, **options)
    return frame.assign(
        treated=(frame["time"] >= frame["cohort"]).astype(int),
        z=np.sin(frame["unit"].to_numpy()),
    )


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: type(spec).__name__)
def test_equals_the_fit_by_hand(spec: Any) -> None:
    """Moved by two: cohort 5 to 3 and 6 to 4; cohort 9 would be treated after the data end."""
    frame = draw().sample(frac=1, random_state=2)
    found = pm.placebo_in_time(spec.fit(pm.Panel(frame, "unit", "time")), earlier=2)
    early = frame[frame["time"] < 5].copy()
    early["cohort"] = early["cohort"].map({5: 3, 6: 4})
    early["treated"] = (early["time"] >= early["cohort"]).astype(int)
    byhand = spec.fit(pm.Panel(early, "unit", "time"))
    pd.testing.assert_series_equal(found.params, byhand.params, rtol=1e-9)
    pd.testing.assert_series_equal(found.std_errors, byhand.std_errors, rtol=1e-9)
    assert found.model.endswith("placebo in time")
    assert "Cohorts that count as never treated: 9." in found.notes


def test_finds_nothing_but_violations() -> None:
    spec = pm.BorusyakJaravelSpiess("y ~ 1", cohort="cohort")
    clean = spec.fit(pm.Panel(draw(sigma_e=1e-9), "unit", "time"))
    np.testing.assert_allclose(pm.placebo_in_time(clean, earlier=2).params, 0, atol=1e-6)
    frame = draw(sigma_e=1e-9)
    frame["y"] += (frame["cohort"] == 5) * frame["time"]
    found = pm.placebo_in_time(spec.fit(pm.Panel(frame, "unit", "time")), earlier=1)
    assert found.params["att(4, 4)"] == pytest.approx(2, abs=1e-6)


def test_columns_of_the_user_stay_as_they_are() -> None:
    frame = draw().assign(placebo=lambda d: d["z"])
    panel = pm.Panel(frame, "unit", "time")
    fits = [pm.CallawaySantAnna(f"y ~ {x}", cohort="cohort").fit(panel) for x in ("z", "placebo")]
    found = [pm.placebo_in_time(fit, earlier=1).params for fit in fits]
    np.testing.assert_allclose(found[1], found[0], rtol=1e-12)


def test_what_cannot_be_moved_is_refused() -> None:
    panel = pm.Panel(draw(), "unit", "time")
    fit = pm.TWFE("y ~ 1", cohort="cohort").fit(panel)
    with pytest.raises(SpecificationError, match="takes earlier="):
        pm.placebo_in_time(fit, 4)
    with pytest.raises(SpecificationError, match="earlier must be a whole number"):
        pm.placebo_in_time(fit, earlier=0)
    with pytest.raises(IdentificationError):
        pm.placebo_in_time(fit, earlier=9)
    ends = draw().assign(on=lambda d: d["treated"] * (d["time"] < d["cohort"] + 2))
    switching = pm.LocalProjectionsDiD(
        "y ~ 1", treatment="on", switching="first", window=(-1, 1)
    ).fit(pm.Panel(ends, "unit", "time"))
    with pytest.raises(IdentificationError, match="policies that stay, but treatment ends"):
        pm.placebo_in_time(switching, earlier=1)
    one = draw()
    one = one[one["cohort"].isna() | (one["unit"] == one.loc[one["cohort"] == 5, "unit"].min())]
    synthetic = pm.SyntheticControl("y ~ 1", cohort="cohort").fit(pm.Panel(one, "unit", "time"))
    with pytest.raises(SpecificationError, match="takes start="):
        pm.placebo_in_time(synthetic, earlier=1)
