"""Covariates that units and periods, or the policy itself, absorb: dropped with a note."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

import panelml as pm

MODELS: dict[str, tuple[Any, dict[str, Any]]] = {
    "twfe": (pm.TWFE, {}),
    "event": (pm.EventStudy, {}),
    "sun-abraham": (pm.SunAbraham, {}),
    "imputation": (pm.BorusyakJaravelSpiess, {}),
    "leads": (pm.BorusyakJaravelSpiess, {"leads": 2}),
    "two-stage": (pm.TwoStageDiD, {}),
    "extended": (pm.ExtendedTWFE, {}),
    "extended-never": (pm.ExtendedTWFE, {"control": "never"}),
    "sdid": (pm.SyntheticDiD, {"inference": "bootstrap", "reps": 5}),
    "control": (pm.SyntheticControl, {"inference": "bootstrap", "reps": 5}),
    "stacked": (pm.StackedDiD, {"window": (-1, 1)}),
}


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    drawn = pm.simulate.staggered(
        100, 7, {3: 0.2, 5: 0.3}, seed=1, adopters=pm.simulate.Adopters(covariate=0.5)
    )
    return drawn.assign(
        z=drawn["time"] * drawn["unit"] % 7.0,
        place=np.where(drawn["unit"] % 3 == 0, "a", "b"),
        now=(drawn["time"] >= drawn["cohort"]).astype(int),
        wave="w" + drawn["time"].astype(str),
        g=drawn["cohort"].fillna(0),
    )


def fit(name: str, formula: str, frame: pd.DataFrame) -> pm.EffectResults:
    model, options = MODELS[name]
    found: pm.EffectResults = model(formula, cohort="cohort", **options).fit(
        pm.Panel(frame, unit="unit", time="time")
    )
    return found


COVARIATES = ["x", "place", "x + place", "g", "now"]
# Stacks have effects of horizons, which periods are beside.
ABSORBED = [(name, c) for name in MODELS for c in (*COVARIATES, "wave")][:-1]


@pytest.mark.parametrize(("name", "covariate"), ABSORBED)
def test_alone_they_leave_the_estimate_without_covariates(
    name: str, covariate: str, frame: pd.DataFrame
) -> None:
    found, plain = fit(name, f"y ~ {covariate}", frame), fit(name, "y ~ 1", frame)
    pd.testing.assert_series_equal(found.params, plain.params, rtol=1e-9)
    pd.testing.assert_series_equal(found.std_errors, plain.std_errors, rtol=1e-8)
    [note] = [note for note in found.notes if note.startswith("Dropped")]
    assert all(part in note for part in covariate.split(" + "))


@pytest.mark.parametrize("name", [name for name in MODELS if name != "stacked"])
def test_beside_others_they_are_dropped(name: str, frame: pd.DataFrame) -> None:
    found, plain = fit(name, "y ~ x + z + now", frame), fit(name, "y ~ z", frame)
    pd.testing.assert_series_equal(found.params, plain.params, rtol=1e-9)
    assert any(note.startswith("Dropped 'x', 'now': no variation within") for note in found.notes)


def test_stacks_say_how_what_units_absorb_still_counts(frame: pd.DataFrame) -> None:
    notes = fit("stacked", "y ~ x + z", frame).notes
    assert (
        "'x': no variation within unit, which moves effects by way of the slopes of the other "
        "covariates alone." in notes
    )


def test_projections_drop_the_cohort_and_the_policy_alone(frame: pd.DataFrame) -> None:
    """Changes may depend on what does not change within units."""
    panel = pm.Panel(frame, unit="unit", time="time")

    def local(formula: str) -> pm.EffectResults:
        return pm.LocalProjectionsDiD(formula, cohort="cohort", window=(-1, 1)).fit(panel)

    plain = local("y ~ 1")
    for formula, words in (
        ("y ~ g", "the same for all units of a cohort"),
        ("y ~ now", "constant"),
    ):
        found = local(formula)
        pd.testing.assert_series_equal(found.params, plain.params, rtol=1e-9)
        assert any(f"Dropped '{formula[4:]}': {words}" in note for note in found.notes)
    given = local("y ~ x")
    assert abs(given.params["horizon 0"] - plain.params["horizon 0"]) > 1e-4
    assert not given.notes


def test_the_evaluation_runs_every_estimator(frame: pd.DataFrame) -> None:
    found = pm.evaluate_policy("y ~ x", pm.Panel(frame, unit="unit", time="time"), cohort="cohort")
    assert not found.skipped
    assert len(found.fits) == 7
