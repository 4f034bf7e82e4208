"""Effects of policies: their averages, views and pictures."""

from __future__ import annotations

import pickle
from functools import cache

import numpy as np
import pandas as pd
import pytest

import panelml as pm
from panelml.did.results.effects import EffectResults
from panelml.errors import DetachedResultError, SpecificationError


@cache
def fit() -> EffectResults:
    frame = pm.simulate.staggered(
        200,
        7,
        {3: 0.2, 5: 0.3},
        sampling=pm.simulate.Sampling(n_clusters=50, unbalanced=0.1),
        seed=3,
    )
    return pm.BorusyakJaravelSpiess("y ~ 1", cohort="cohort", leads=2).fit(
        pm.Panel(frame, unit="unit", time="time")
    )


def test_averages_are_the_weighted_means_of_their_effects() -> None:
    labels, params = fit().labels, fit().params
    size = labels["size"].to_numpy(np.float64)
    post = (labels["horizon"] >= 0).to_numpy(bool)
    assert fit().aggregate().params["att"] == pytest.approx(
        np.average(params[post], weights=size[post]), rel=1e-12
    )
    event = fit().aggregate("event")
    for h in range(3):
        at = (labels["horizon"] == h).to_numpy(bool)
        mean = np.average(params[at], weights=size[at])
        assert event.params[f"horizon {h}"] == pytest.approx(mean, rel=1e-12)
    late = event.params[[f"horizon {h}" for h in range(5)]]
    assert event.overall is not None
    assert event.overall.params["att"] == pytest.approx(late.mean(), rel=1e-12)
    calendar = fit().aggregate("calendar")
    assert list(calendar.params.index) == [f"period {t}" for t in range(3, 8)]
    group = fit().aggregate("group")
    assert list(group.params.index) == ["cohort 3", "cohort 5"]


@pytest.mark.parametrize(
    ("plain", "term"), [("cohort", "group"), ("period", "calendar"), ("horizon", "event")]
)
def test_averages_are_asked_for_by_what_they_are_over(plain: str, term: str) -> None:
    asked, expected = fit().aggregate(plain), fit().aggregate(term)  # type: ignore[arg-type]
    pd.testing.assert_frame_equal(asked.tidy(), expected.tidy())
    assert asked.overall is not None and expected.overall is not None
    assert asked.overall.params["att"] == expected.overall.params["att"]


def test_errors_of_averages_follow_from_the_joint_covariance() -> None:
    cov = fit().cov.to_numpy()
    labels = fit().labels
    weights = np.where(labels["horizon"] >= 0, labels["size"].astype(float), 0)
    weights = weights / weights.sum()
    simple = fit().aggregate()
    assert simple.std_errors["att"] == pytest.approx(np.sqrt(weights @ cov @ weights), rel=1e-10)
    custom = fit().aggregate({"mine": weights})
    assert custom.std_errors["mine"] == pytest.approx(simple.std_errors["att"], rel=1e-10)


def test_named_averages() -> None:
    found = fit().aggregate(
        lambda labels: labels["horizon"].map(
            lambda h: None if h < 0 else "early" if h < 2 else "late"
        )
    )
    labels, params = fit().labels, fit().params
    early = labels["horizon"].between(0, 1).to_numpy(bool)
    size = labels["size"].to_numpy(np.float64)
    assert found.params["early"] == pytest.approx(np.average(params[early], weights=size[early]))
    assert list(found.params.index) == ["early", "late"]


def test_other_covariances_reach_averages_and_their_overall() -> None:
    after = fit().with_cov("cluster:cluster").aggregate("event")
    before = fit().aggregate("event").with_cov("cluster:cluster")
    pd.testing.assert_series_equal(after.std_errors, before.std_errors)
    assert after.overall is not None
    assert before.overall is not None
    assert after.overall.std_errors["att"] == before.overall.std_errors["att"]
    assert after.covariance.clusters == {"cluster": 50}
    with pytest.raises(SpecificationError, match="makes no assumption"):
        fit().with_cov("iid")


def test_windows_and_balance() -> None:
    event = fit().aggregate("event", min_horizon=-1, max_horizon=2)
    assert event.labels["horizon"].tolist() == [-1, 0, 1, 2]
    balanced = fit().aggregate("event", balance=3)
    only = fit().labels.query("cohort == 3 and horizon == 1").index[0]
    assert balanced.params["horizon 1"] == pytest.approx(fit().params[only])
    with pytest.raises(SpecificationError, match="are for by='event'"):
        fit().aggregate("group", balance=1)


def test_bands_are_wider_than_intervals_and_bootstrap_bands_like_them() -> None:
    event = fit().aggregate("event")
    interval, band = event.conf_int(), event.conf_band()
    assert (band["lower"] < interval["lower"]).all()
    draws = event.with_cov(pm.cov.MultiplierBootstrap(reps=4999, seed=1))
    width = (band["upper"] - band["lower"]) / (
        draws.conf_band()["upper"] - draws.conf_band()["lower"]
    )
    assert np.abs(np.log(width)).max() < 0.12
    assert draws.std_errors.to_numpy() == pytest.approx(event.std_errors.to_numpy(), rel=0.1)


def test_what_there_is_to_read() -> None:
    event = fit().aggregate("event")
    text = str(event)
    assert "Overall effect: " in text
    assert "Test of pre-trends (the 2 effects before adoption are zero)" in text
    assert "R-squared" not in text
    assert list(event.tidy().columns[:4]) == ["term", "horizon", "size", "estimate"]
    assert "R-squared" not in str(pm.compare(event))
    assert "<table" in event._repr_html_()
    assert event.event_frame()["horizon"].tolist() == event.labels["horizon"].tolist()


def test_pickles_keep_what_needs_no_data() -> None:
    event = pickle.loads(pickle.dumps(fit().aggregate("event")))
    assert event.overall.std_errors["att"] > 0
    assert event.pretrend_test().pvalue == fit().aggregate("event").pretrend_test().pvalue
    with pytest.raises(DetachedResultError):
        pickle.loads(pickle.dumps(fit())).aggregate()


def test_averages_that_cannot_be() -> None:
    with pytest.raises(SpecificationError, match="Did you mean 'event'"):
        fit().aggregate("evnt")
    with pytest.raises(SpecificationError, match="no effects by cohort and time left"):
        fit().aggregate().aggregate()
    with pytest.raises(SpecificationError, match="takes 10 weights, one for each effect"):
        fit().aggregate({"x": [1, 2, 3]})
    with pytest.raises(SpecificationError, match="left every effect out"):
        fit().aggregate(lambda labels: [None] * len(labels))
    with pytest.raises(SpecificationError, match="take aggregate"):
        fit().event_frame()
    with pytest.raises(SpecificationError, match="no effects before adoption"):
        fit().aggregate("group").pretrend_test()


def test_pictures_show_every_effect() -> None:
    event = fit().aggregate("event")
    assert event.plot().get_xlabel() == "Periods since adoption"
    assert fit().plot().get_ylabel() == "Cohort"
    assert fit().aggregate("group").plot().get_title() is not None
    axes = pm.event_study_plot(a=event, b=event)
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["a", "b"]
    with pytest.raises(SpecificationError, match="Name results"):
        pm.event_study_plot(event, event)
    timing = pm.Timing(_panel(), cohort="cohort")
    assert timing.plot().get_xlabel() == "time"
    assert timing.plot_means("y").get_ylabel() == "y"


def _panel() -> pm.Panel:
    return pm.Panel(
        pm.simulate.staggered(
            50, 6, {3: 0.3}, sampling=pm.simulate.Sampling(unbalanced=0.1), seed=1
        ),
        unit="unit",
        time="time",
    )
