"""What estimators of policies refuse and note, in words that hold for the data."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

import panelml as pm
from panelml.errors import (
    ColumnTypeError,
    IdentificationError,
    MissingValueError,
    SpecificationError,
)


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    return pm.simulate.staggered(
        200, 8, {3: 0.2, 5: 0.3, 6: 0.2}, seed=1, sampling=pm.simulate.Sampling(n_clusters=20)
    )


def panel(frame: pd.DataFrame, **how: Any) -> pm.Panel:
    return pm.Panel(frame, unit="unit", time="time", **how)


@pytest.mark.parametrize("model", [pm.SyntheticDiD, pm.SyntheticControl])
def test_synthetic_comparisons_have_no_other_control(model: Any, frame: pd.DataFrame) -> None:
    adopting = frame[frame["cohort"].notna()]
    with pytest.raises(IdentificationError, match="No unit is never treated") as caught:
        model("y ~ 1", cohort="cohort").fit(panel(adopting))
    assert "control=" not in str(caught.value)
    with pytest.raises(IdentificationError, match="more units never treated"):
        model("y ~ 1", cohort="cohort").fit(panel(adopting[adopting["time"] < 6]))


@pytest.mark.parametrize(("shift", "code"), [(0, -1), (1, 0)])
def test_codes_of_never_that_were_read_as_dates_are_named(
    shift: int, code: int, frame: pd.DataFrame
) -> None:
    coded = frame.assign(time=frame["time"] - shift, cohort=(frame["cohort"] - shift).fillna(code))
    words = rf"60 units count as treated from the first period on \(cohort {code}\)"
    with pytest.raises(IdentificationError, match=words):
        pm.CallawaySantAnna("y ~ 1", cohort="cohort").fit(panel(coded))


@pytest.mark.parametrize(
    "model",
    [
        pm.TWFE,
        pm.EventStudy,
        pm.SunAbraham,
        pm.ExtendedTWFE,
        pm.CallawaySantAnna,
        pm.BorusyakJaravelSpiess,
        pm.TwoStageDiD,
        pm.StackedDiD,
        pm.LocalProjectionsDiD,
        pm.SyntheticDiD,
    ],
)
def test_the_dummy_of_a_group_is_no_treatment(model: Any, frame: pd.DataFrame) -> None:
    group = panel(frame.assign(d=frame["cohort"].notna() * 1))
    with pytest.raises(IdentificationError, match="'d' has 140 units treated in all"):
        model("y ~ 1", treatment="d").fit(group)


def test_the_reference_lies_in_the_window_and_in_the_data(frame: pd.DataFrame) -> None:
    with pytest.raises(SpecificationError, match=r"reference -1 is outside the window \(0, 3\)"):
        pm.EventStudy("y ~ 1", cohort="cohort", window=(0, 3))
    for model in (pm.EventStudy, pm.SunAbraham):
        with pytest.raises(IdentificationError, match="No cohort has a row at horizon -9"):
            model("y ~ 1", cohort="cohort", reference=-9).fit(panel(frame))


@pytest.mark.parametrize("step", [2, 10])
def test_periods_several_steps_apart_are_counted_by_delta(step: int, frame: pd.DataFrame) -> None:
    wide = frame.assign(time=frame["time"] * step + 2000, cohort=frame["cohort"] * step + 2000)
    models = {
        "event": pm.EventStudy("y ~ 1", cohort="cohort"),
        "cells": pm.SunAbraham("y ~ 1", cohort="cohort"),
        "projections": pm.LocalProjectionsDiD("y ~ 1", cohort="cohort", window=(-2, 2)),
        "stacked": pm.StackedDiD("y ~ 1", cohort="cohort", window=(-2, 1)),
    }
    for model in models.values():
        with pytest.raises(
            IdentificationError, match=rf"With Panel\(..., delta={step}\)"
        ) as caught:
            model.fit(panel(wide))
        assert "never-treated" not in str(caught.value)
        counted = model.fit(panel(wide, delta=step))
        assert counted.params.to_numpy() == pytest.approx(
            model.fit(panel(frame)).params.to_numpy(), abs=1e-10
        )
    universal = pm.CallawaySantAnna("y ~ 1", cohort="cohort", base="universal").fit(panel(wide))
    with pytest.raises(SpecificationError, match=rf"multiples of {step}: .*delta={step}\)"):
        pm.honest_did(universal.aggregate("event"))


@pytest.mark.parametrize(
    "model",
    [
        pm.SunAbraham("y ~ 1", cohort="cohort"),
        pm.ExtendedTWFE("y ~ 1", cohort="cohort", control="never"),
    ],
)
def test_cohorts_without_the_reference_are_left_out(model: Any, frame: pd.DataFrame) -> None:
    wave = frame[frame["time"] != 4]
    found = model.fit(panel(wave))
    assert any(
        "without a row at horizon -1" in note and note.endswith(": 5.") for note in found.notes
    )
    expected = model.fit(panel(wave[wave["cohort"] != 5]))
    assert found.params.to_dict() == pytest.approx(expected.params.to_dict())
    assert found.std_errors.to_dict() == pytest.approx(expected.std_errors.to_dict())
    projections = pm.LocalProjectionsDiD("y ~ 1", cohort="cohort").fit(panel(wave))
    assert "Cohorts without a row at horizon -1 are in no effect: 5." in projections.notes


MODELS = {
    "static": pm.TWFE,
    "event": pm.EventStudy,
    "cells": pm.SunAbraham,
    "extended": pm.ExtendedTWFE,
    "group-time": pm.CallawaySantAnna,
    "imputation": pm.BorusyakJaravelSpiess,
    "two-stage": pm.TwoStageDiD,
    "stacked": pm.StackedDiD,
    "projections": pm.LocalProjectionsDiD,
}


@pytest.mark.parametrize("name", MODELS)
def test_few_clusters_on_either_side_are_noted(name: str, frame: pd.DataFrame) -> None:
    model = MODELS[name]
    plain = model("y ~ 1", cohort="cohort").fit(panel(frame))
    assert not any("Only" in note or "A single" in note for note in plain.notes)
    alone = frame["cohort"].notna() | (
        frame["unit"] == frame.loc[frame["cohort"].isna(), "unit"].min()
    )
    found = model("y ~ 1", cohort="cohort").fit(panel(frame[alone]))
    assert any(note.startswith("A single unit stays untreated (unit 1)") for note in found.notes)
    # Three states adopt, and all others do not.
    state = frame["unit"] % 12
    few = frame.assign(state=state, cohort=np.where(state < 3, state + 3.0, np.nan))
    found = model("y ~ 1", cohort="cohort", cov="cluster:state").fit(panel(few))
    assert any(
        note.startswith("Only 3 clusters (state) have units that adopt") for note in found.notes
    )
    most = frame.assign(state=state, cohort=np.where(state < 10, state % 3 + 3.0, np.nan))
    found = model("y ~ 1", cohort="cohort", cov="cluster:state").fit(panel(most))
    assert any("2 clusters (state) have units that stay untreated" in note for note in found.notes)


def test_a_randomisation_test_takes_an_estimator(frame: pd.DataFrame) -> None:
    fit = pm.TWFE("y ~ 1", cohort="cohort").fit(panel(frame))
    for wrong in (fit, pm.TWFE, "TWFE"):
        with pytest.raises(SpecificationError, match="An estimator of policy effects is needed"):
            pm.randomization_test(wrong, panel(frame), seed=1)


def test_few_treated_units_are_noted(frame: pd.DataFrame) -> None:
    adopts = [3, 7, 11]
    few = frame.assign(cohort=np.where(frame["unit"].isin(adopts), 4.0, np.nan))
    found = pm.CallawaySantAnna("y ~ 1", cohort="cohort").fit(panel(few))
    assert any(note.startswith("Only 3 units adopt") for note in found.notes)


def test_event_studies_note_cohorts_without_the_reference(frame: pd.DataFrame) -> None:
    fit = pm.EventStudy("y ~ 1", cohort="cohort").fit(panel(frame[frame["time"] != 4]))
    words = "Cohorts without a row at horizon -1, from which effects are measured: 5."
    assert any(note.startswith(words) for note in fit.notes)
    binned = pm.EventStudy("y ~ 1", cohort="cohort", window=(-1, 2))
    assert not any("Cohorts without" in note for note in binned.fit(panel(frame)).notes)


@pytest.mark.parametrize("dtype", [int, bool, float])
def test_a_treatment_of_categories_that_are_numbers_is_read(
    dtype: Any, frame: pd.DataFrame
) -> None:
    status = (frame["time"] >= frame["cohort"]).astype(dtype)
    effects = [
        pm.TWFE("y ~ 1", treatment="d").fit(panel(frame.assign(d=d))).params["att"]
        for d in (status, status.astype("category"))
    ]
    assert effects[0] == effects[1]
    missing = status.astype("category").mask(frame["time"] == 8)
    with pytest.raises(MissingValueError, match="is missing in 200 rows"):
        pm.TWFE("y ~ 1", treatment="d").fit(panel(frame.assign(d=missing)))


def test_a_category_that_must_be_numeric_is_shown(frame: pd.DataFrame) -> None:
    weighted = frame.assign(w=frame["time"].astype("category"))
    with pytest.raises(ColumnTypeError, match=r"such as 1 \(row 0, "):
        pm.TWFE("y ~ 1", cohort="cohort", weights="w").fit(panel(weighted))


def test_few_clusters_are_noted_of_the_covariance_in_use(frame: pd.DataFrame) -> None:
    states = frame.assign(state=frame["cohort"].fillna(0).astype(int))
    fit = pm.CallawaySantAnna("y ~ 1", cohort="cohort").fit(panel(states))
    assert not fit.notes
    by_state = fit.with_cov("cluster:state")
    words = "Only 3 clusters (state) have units that adopt"
    averages = fit.aggregate("event").with_cov("cluster:state")
    for found in (by_state, by_state.aggregate("simple"), averages, averages.overall):
        assert found is not None
        assert found.notes[0].startswith(words)
    assert not by_state.with_cov("cluster").notes


def test_units_whose_adoption_no_row_shows_are_noted(frame: pd.DataFrame) -> None:
    status = frame.assign(d=(frame["time"] >= frame["cohort"]).astype(int))
    adopters = status.loc[status["cohort"] == 5, "unit"].unique()[:3]
    assert not pm.Timing(panel(status), treatment="d").notes
    others = status["unit"] != adopters[0]
    late = status[others | (status["time"] >= 6)]
    gap = status[~status["unit"].isin(adopters[1:]) | ~status["time"].isin([3, 5])]
    for rows, units in ((late, adopters[:1]), (gap, adopters[1:])):
        notes = pm.TWFE("y ~ 1", treatment="d").fit(panel(rows)).notes
        words = "Units not observed in the period before their first treated row:"
        assert notes[0].startswith(f"{words} {len(units)} (unit {', '.join(map(str, units))}).")
    earlier = status[~status["unit"].isin(adopters) | (status["time"] != 3)]
    assert not pm.Timing(panel(earlier), treatment="d").notes
