"""Standard errors from fits without each cluster."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pandas as pd
import pytest

import panelml as pm
from panelml.errors import IdentificationError, MissingValueError, SpecificationError
from tests.did.specifications import ESTIMATORS

CLUSTERS = 8


def draw(**changes: Any) -> pd.DataFrame:
    frame = pm.simulate.staggered(
        80,
        6,
        {3: 0.25, 5: 0.35},
        sampling=pm.simulate.Sampling(n_clusters=CLUSTERS, sigma_c=0.5),
        seed=3,
    )
    rng = np.random.default_rng(0)
    return frame.assign(
        x=rng.normal(size=80)[frame["unit"] - 1],
        z=rng.normal(size=len(frame)),
        w=rng.uniform(0.5, 2, 80)[frame["unit"] - 1],
        half=frame["unit"] % 2,
        **changes,
    )


def panel(frame: pd.DataFrame) -> pm.Panel:
    return pm.Panel(frame, unit="unit", time="time")


def by_hand(fit: Any, without: Any) -> np.ndarray:
    """CV3 of MacKinnon, Nielsen and Webb, written out."""
    whole = fit(draw())
    frame = draw()
    moved = np.array(
        [
            without(fit(frame[frame["cluster"] != c])).to_numpy() - without(whole).to_numpy()
            for c in frame["cluster"].unique()
        ]
    )
    return (CLUSTERS - 1) / CLUSTERS * moved.T @ moved


@pytest.mark.parametrize("name", ESTIMATORS)
def test_equals_fits_without_each_cluster(name: str) -> None:
    fit = ESTIMATORS[name].fit(panel(draw()))
    found = pm.jackknife(fit, clusters="cluster")
    expected = by_hand(lambda f: ESTIMATORS[name].fit(panel(f)), lambda r: r.params)
    np.testing.assert_allclose(found.cov, expected, rtol=1e-9, atol=1e-12)
    pd.testing.assert_series_equal(found.params, fit.params)
    assert found.df_t == CLUSTERS - 1
    assert "jackknife by cluster (8 clusters); t with 7 df" in str(found.summary())
    copy = pickle.loads(pickle.dumps(found))
    pd.testing.assert_frame_equal(copy.conf_int(), found.conf_int())


def test_equals_the_jackknife_of_clubsandwich_for_two_way_effects() -> None:
    """CR3, which tests/golden holds against clubSandwich, is it without (G - 1) / G."""
    data = panel(draw())
    found = pm.jackknife(pm.TWFE("y ~ z", cohort="cohort").fit(data), clusters="cluster")
    dummies = pm.FixedEffects("y ~ treated + z + C(time)").fit(data)
    other = dummies.with_cov(pm.cov.Clustered("cluster", small_sample="CR3")).std_errors["treated"]
    share = np.sqrt((CLUSTERS - 1) / CLUSTERS)
    assert found.std_errors["att"] == pytest.approx(share * other, rel=1e-9)


@pytest.mark.parametrize("by", ["simple", "group", "calendar", "event"])
def test_averages_are_made_again_without_each_cluster(by: str) -> None:
    spec = pm.CallawaySantAnna("y ~ 1", cohort="cohort")
    found = pm.jackknife(spec.fit(panel(draw())).aggregate(by), clusters="cluster")

    def again(frame: pd.DataFrame) -> Any:
        return spec.fit(panel(frame)).aggregate(by)

    expected = by_hand(again, lambda r: r.params)
    np.testing.assert_allclose(found.cov, expected, rtol=1e-9)
    if by != "simple":
        assert found.overall is not None
        single = by_hand(again, lambda r: r.overall.params)
        np.testing.assert_allclose(found.overall.cov, single, rtol=1e-9)


def test_effects_of_one_cluster_alone_are_left_out_and_said() -> None:
    frame = draw()
    late = frame["cluster"] == frame.loc[frame["cohort"] == 5, "cluster"].iloc[0]
    frame.loc[late, "cohort"] = 2.0
    event = pm.CallawaySantAnna("y ~ 1", cohort="cohort").fit(panel(frame)).aggregate("event")
    found = pm.jackknife(event, clusters="cluster")
    assert set(event.params.index) - set(found.params.index) == {"horizon 4"}
    assert found.overall is None
    [note] = [note for note in found.notes if note.startswith("Left out")]
    assert "alone identifies them" in note and note.endswith("horizon 4.")
    assert any("The overall effect is left out" in note for note in found.notes)
    inside = pm.jackknife(event.limited(-2, 3), clusters="cluster")
    assert inside.overall is None and not any("Left out" in note for note in inside.notes)
    within = pm.CallawaySantAnna("y ~ 1", cohort="cohort").fit(panel(frame))
    kept = pm.jackknife(within.aggregate("event", max_horizon=3), clusters="cluster")
    assert kept.overall is not None and not any("Left out" in note for note in kept.notes)


def test_bands_and_sensitivity_use_it() -> None:
    event = pm.CallawaySantAnna("y ~ 1", cohort="cohort", base="universal").fit(panel(draw()))
    event = event.aggregate("event")
    found = pm.jackknife(event, clusters="cluster")
    plain = event.with_cov("cluster:cluster")
    wide, narrow = (fit.conf_band().diff(axis=1)["upper"] for fit in (found, plain))
    assert (wide > narrow).all()
    few = found.limited(-2, 1)
    assert pm.honest_did(few, method="smoothness").breakdown is not None


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"cluster": 1}, IdentificationError, "cluster has a single cluster"),
        (
            {"cluster": lambda d: d["time"]},
            SpecificationError,
            "unit 1, .* belong to several values",
        ),
        (
            {"cluster": lambda d: d["cluster"].where(d["unit"] != 4)},
            MissingValueError,
            "is missing in",
        ),
        ({"cluster": lambda d: (d["cohort"] == 3) * 1}, IdentificationError, "Without cluster 0"),
    ],
)
def test_refusals(change: dict[str, Any], error: type, words: str) -> None:
    fit = pm.TWFE("y ~ 1", cohort="cohort").fit(panel(draw().assign(**change)))
    with pytest.raises(error, match=words):
        pm.jackknife(fit, clusters="cluster")


def test_refuses_what_it_cannot_repeat() -> None:
    fit = pm.CallawaySantAnna("y ~ 1", cohort="cohort").fit(panel(draw()))
    found = pm.jackknife(fit, clusters="cluster")
    with pytest.raises(SpecificationError, match="replications already"):
        pm.jackknife(found, clusters="cluster")
    with pytest.raises(SpecificationError, match="Average first, then leave clusters out"):
        found.aggregate("event")
    with pytest.raises(SpecificationError, match="no other covariance can replace"):
        found.with_cov("cluster")
    weighted = fit.aggregate({"mine": np.full(len(fit.params), 0.1)})
    with pytest.raises(SpecificationError, match="Average by a name or a callable"):
        pm.jackknife(weighted, clusters="cluster")
