"""What must be true of every estimator of policy effects."""

from __future__ import annotations

import pickle
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pytest

import panelml as pm
from panelml.did.results.effects import EffectResults
from panelml.engine import fold as folding
from panelml.errors import IdentificationError, MissingValueError, UnknownNameError
from tests.did.specifications import ESTIMATORS

everyone = pytest.mark.parametrize("name", ESTIMATORS)


@cache
def data() -> pd.DataFrame:
    frame = pm.simulate.staggered(
        80,
        7,
        {3: 0.25, 5: 0.25},
        adopters=pm.simulate.Adopters(covariate=0.5),
        sampling=pm.simulate.Sampling(n_clusters=40, unbalanced=0.03),
        seed=11,
    )
    rng = np.random.default_rng(3)
    frame = frame.assign(half=frame["unit"] % 2)
    return frame.assign(z=rng.standard_normal(len(frame)), w=rng.uniform(0.5, 2, len(frame)))


def fit(name: str, frame: Any = None) -> EffectResults:
    frame = data() if frame is None else frame
    found: EffectResults = ESTIMATORS[name].fit(pm.Panel(frame, unit="unit", time="time"))
    return found


def assert_same(a: EffectResults, b: EffectResults, factor: float = 1.0) -> None:
    assert list(a.params.index) == list(b.params.index)
    np.testing.assert_allclose(a.params * factor, b.params, rtol=1e-8, atol=1e-9 * abs(factor))
    scale = np.sqrt(np.diag(a.covariance.matrix)).max() ** 2 * factor**2
    np.testing.assert_allclose(
        a.covariance.matrix * factor**2, b.covariance.matrix, rtol=1e-7, atol=1e-9 * scale
    )


@everyone
def test_row_order_and_labels_of_units_change_nothing(name: str) -> None:
    shuffled = data().sample(frac=1, random_state=5)
    assert_same(fit(name), fit(name, shuffled))
    renamed = shuffled.assign(unit=shuffled["unit"].map(lambda i: f"u{(i * 37) % 83:03d}"))
    assert_same(fit(name), fit(name, renamed))


@everyone
def test_chunks_change_nothing(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = fit(name)
    plain = folding._mapped
    monkeypatch.setattr(folding, "_mapped", lambda s, f, t, rows: plain(s, f, t, rows or 40))
    assert_same(whole, fit(name))


@everyone
def test_level_and_scale_of_the_outcome(name: str) -> None:
    assert_same(fit(name), fit(name, data().assign(y=lambda d: d["y"] + 1e4)))
    assert_same(fit(name), fit(name, data().assign(y=lambda d: 1000 * d["y"])), 1000)


@everyone
def test_effects_of_units_and_periods_drop_out(name: str) -> None:
    moved = data().assign(y=lambda d: d["y"] + 3 * np.sin(d["unit"]))
    if name != "callaway":  # it compares averages of rows, which unbalanced units are not equal in
        assert_same(fit(name), fit(name, moved))
    found = fit(name, data().assign(y=lambda d: d["y"] + d["time"] ** 2))
    if name == "stacked":  # its regression counts differences between windows as error
        np.testing.assert_allclose(found.params, fit(name).params, rtol=1e-9, atol=1e-10)
    else:
        assert_same(fit(name), found)


@everyone
def test_the_input_is_untouched_and_results_travel(name: str) -> None:
    before = data().copy(deep=True)
    found = fit(name)
    pd.testing.assert_frame_equal(before, data())
    again = pickle.loads(pickle.dumps(found))
    pd.testing.assert_series_equal(found.params, again.params)
    assert str(again.summary()) == str(found.summary())


@everyone
def test_missing_rows_are_dropped_with_a_note(name: str) -> None:
    frame = data().copy()
    frame.loc[frame.index[:2], "y"] = np.nan
    assert any("Dropped 2 of" in note for note in fit(name, frame).notes)
    assert_same(fit(name, frame), fit(name, frame.iloc[2:]))


@everyone
def test_dates_and_texts_as_keys(name: str) -> None:
    frame = data()
    first = frame["cohort"].add(1999).map("{:.0f}-01-01".format, na_action="ignore")
    dated = frame.assign(
        time=pd.to_datetime(frame["time"].add(1999).astype(str) + "-01-01"),
        cohort=pd.to_datetime(first),
        unit="u" + frame["unit"].map("{:03d}".format),
    )
    found = fit(name, dated)
    np.testing.assert_allclose(found.params, fit(name).params, rtol=1e-9, atol=1e-10)


@everyone
def test_clusters_above_units(name: str) -> None:
    found = fit(name).with_cov("cluster:cluster")
    assert found.covariance.clusters == {"cluster": 40}
    with pytest.raises(UnknownNameError, match="Did you mean 'cluster'"):
        fit(name).with_cov("cluster:clusterr")


@everyone
def test_bad_input_is_refused(name: str) -> None:
    with pytest.raises(UnknownNameError, match="Did you mean 'cohorts'"):
        fit(name, data().rename(columns={"cohort": "cohorts"}))
    with pytest.raises(IdentificationError):
        fit(name, data().assign(cohort=np.nan))
    with pytest.raises(MissingValueError, match="'y' is infinite in row 7"):
        fit(name, data().assign(y=lambda d: d["y"].where(d.index != 7, np.inf)))


@everyone
def test_an_outcome_that_does_not_vary_is_refused(name: str) -> None:
    with pytest.raises(IdentificationError, match="The outcome does not vary"):
        fit(name, data().assign(y=3.0))


@pytest.mark.parametrize("name", ["callaway-panel", "sun-abraham", "extended"])
def test_a_cohort_of_one_unit_is_named(name: str) -> None:
    frame = data()
    one = frame["unit"] == frame["unit"].iloc[0]
    found = fit(name, frame.assign(cohort=frame["cohort"].mask(one, 4)))
    assert any("Cohorts of a single unit (4)" in note for note in found.notes)
