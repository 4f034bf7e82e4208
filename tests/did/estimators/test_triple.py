"""Triple differences: a peer's numbers, by hand, and derivatives."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

import panelml as pm
from panelml.errors import DataError, IdentificationError, SpecificationError
from tests.did.stress import POLICIES
from tests.golden import assert_close, load


@pytest.mark.parametrize("case", load("did_triple"), ids=lambda case: case.id)
def test_equals_diff_diff(case: Any) -> None:
    frame = POLICIES[case.data]()
    frame = frame[frame["g"] != 1].assign(elig=lambda d: (d["id"] % 3 == 0).astype(int))
    options = {n: v for n, v in case.spec.items() if n not in ("estimator", "formula")}
    fit = pm.TripleDifference(case.spec["formula"], eligible="elig", cohort="g", **options).fit(
        pm.Panel(frame, unit="id", time="t")
    )
    assert_close(fit.params.to_dict(), case.value["params"], case.tolerance)
    # Its standard errors with several comparison groups are not those of its own weights.
    assert_close(fit.std_errors.to_dict(), case.value.get("std_errors", {}), case.tolerance)


def draw(sigma_e: float = 1.0, covariate: float = 0.0) -> pd.DataFrame:
    frame = pm.simulate.staggered(
        240,
        6,
        {3: 0.3, 5: 0.3},
        adopters=pm.simulate.Adopters(covariate=covariate),
        sampling=pm.simulate.Sampling(sigma_e=sigma_e),
        seed=4,
    )
    frame["elig"] = frame["unit"] % 2
    # Ineligible units feel no effect, and cohorts have trends of their own.
    own = frame["cohort"].fillna(7) * frame["time"] / 10
    frame["y"] += own - frame["effect"] * (1 - frame["elig"])
    return frame.assign(w=np.random.default_rng(2).uniform(0.5, 2, 240)[frame["unit"] - 1])


def test_trends_of_cohorts_drop_out() -> None:
    frame = draw(sigma_e=1e-9)
    fit = pm.TripleDifference("y ~ 1", eligible="elig", cohort="cohort").fit(
        pm.Panel(frame, unit="unit", time="time")
    )
    truth = {f"att({r['cohort']}, {r['time']})": r["att"] for r in frame.attrs["att"]}
    assert fit.params.to_dict() == pytest.approx(
        {name: truth[name] for name in fit.params.index}, abs=1e-7
    )


def test_two_periods_are_the_difference_of_two_differences_of_differences() -> None:
    frame = draw().query("time in (2, 3) and (cohort == 3 or cohort.isna())")
    fit = pm.TripleDifference("y ~ 1", eligible="elig", cohort="cohort").fit(
        pm.Panel(frame, unit="unit", time="time")
    )
    change = frame.pivot(index="unit", columns="time", values="y").pipe(lambda t: t[3] - t[2])
    unit = frame.groupby("unit")[["elig", "cohort"]].first()
    mean = change.groupby([unit["cohort"].notna(), unit["elig"]]).mean()
    by_hand = (mean[True, 1] - mean[True, 0]) - (mean[False, 1] - mean[False, 0])
    assert fit.params["att(3, 3)"] == pytest.approx(by_hand, rel=1e-10)


@pytest.mark.parametrize("method", ["reg", "ipw", "dr"])
def test_influence_is_the_derivative_by_each_units_weight(method: str) -> None:
    frame = draw(covariate=0.5)
    spec = pm.TripleDifference(
        "y ~ x", eligible="elig", cohort="cohort", weights="w", method=method
    )
    fit = spec.fit(pm.Panel(frame, unit="unit", time="time"))
    psi = fit.attached.estimate.influence.sums(("unit",)).sums
    for unit in (3, 50, 111, 200):
        moved = [
            spec.fit(
                pm.Panel(
                    frame.assign(w=frame["w"] * np.where(frame["unit"] == unit, 1 + h, 1)),
                    unit="unit",
                    time="time",
                )
            ).params
            for h in (1e-5, -1e-5)
        ]
        slope = (moved[0] - moved[1]) / 2e-5
        np.testing.assert_allclose(psi[:, unit - 1], slope, rtol=1e-4, atol=1e-7)


def test_more_comparison_groups_never_cost_precision() -> None:
    panel = pm.Panel(draw(), unit="unit", time="time")
    never = pm.TripleDifference("y ~ 1", eligible="elig", cohort="cohort").fit(panel)
    wide = pm.TripleDifference("y ~ 1", eligible="elig", cohort="cohort", control="not-yet").fit(
        panel
    )
    assert (wide.std_errors <= never.std_errors * (1 + 1e-12)).all()
    assert (wide.std_errors < never.std_errors * 0.999).any()


def test_averages_weight_eligible_units() -> None:
    fit = pm.TripleDifference("y ~ 1", eligible="elig", cohort="cohort").fit(
        pm.Panel(draw(), unit="unit", time="time")
    )
    post = fit.labels["horizon"] >= 0
    size = fit.labels["size"]
    mean = np.average(fit.params[post], weights=size[post])
    assert fit.aggregate().params["att"] == pytest.approx(mean)


def test_what_cannot_be_compared_is_refused() -> None:
    frame = draw()
    with pytest.raises(DataError, match="varies within 240 units"):
        pm.TripleDifference("y ~ 1", eligible="odd", cohort="cohort").fit(
            pm.Panel(frame.assign(odd=frame["time"] % 2), unit="unit", time="time")
        )
    with pytest.raises(DataError, match="must be 0 or 1"):
        pm.TripleDifference("y ~ 1", eligible="cluster", cohort="cohort").fit(
            pm.Panel(frame, unit="unit", time="time")
        )
    with pytest.raises(IdentificationError, match="Nobody to compare"):
        pm.TripleDifference("y ~ 1", eligible="elig", cohort="cohort").fit(
            pm.Panel(frame.assign(elig=1), unit="unit", time="time")
        )
    with pytest.raises(SpecificationError, match="Did you mean 'not-yet'"):
        pm.TripleDifference("y ~ 1", eligible="elig", cohort="cohort", control="notyet")


def test_what_is_left_out_is_said() -> None:
    frame = draw(covariate=0.5).assign(twice=lambda d: 2 * d["x"])
    spec = pm.TripleDifference("y ~ x + twice", eligible="elig", cohort="cohort")
    fit = spec.fit(pm.Panel(frame, unit="unit", time="time"))
    assert any(note.startswith("Dropped 'twice', collinear") for note in fit.notes)
    plain = pm.TripleDifference("y ~ x", eligible="elig", cohort="cohort").fit(
        pm.Panel(frame, unit="unit", time="time")
    )
    np.testing.assert_allclose(fit.params, plain.params, rtol=1e-8)
    first = frame.loc[frame["cohort"] > 0, "cohort"].min()
    whole = frame.assign(elig=frame["elig"].where(frame["cohort"] != first, 1))
    some = pm.TripleDifference("y ~ 1", eligible="elig", cohort="cohort").fit(
        pm.Panel(whole, unit="unit", time="time")
    )
    assert any(f"Nobody to compare: left out (att({first:g}, " in note for note in some.notes)
    assert not (some.labels["cohort"] == first).any()


def test_anticipation_is_a_number_of_periods() -> None:
    with pytest.raises(SpecificationError, match="anticipation must be a whole number of at"):
        pm.TripleDifference("y ~ 1", eligible="elig", cohort="cohort", anticipation=-1)
