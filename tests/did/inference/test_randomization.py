"""Randomisation tests against the enumeration of all assignments."""

from __future__ import annotations

import pickle
from itertools import combinations

import numpy as np
import pandas as pd
import pytest

import panelml as pm
from panelml.errors import IdentificationError, SpecificationError

TREATED, UNITS = 3, 9


def frame() -> pd.DataFrame:
    random = np.random.default_rng(4)
    unit, time = np.repeat(np.arange(UNITS), 2), np.tile([1, 2], UNITS)
    y = random.normal(size=unit.size) + 1.2 * ((unit < TREATED) & (time == 2))
    cohort = np.where(unit < TREATED, 2, np.nan)
    d = ((unit < TREATED) & (time == 2)).astype(float)
    return pd.DataFrame(
        {"unit": unit, "time": time, "y": y, "g": cohort, "d": d, "state": unit // 3}
    )


def panel(data: pd.DataFrame | None = None) -> pm.Panel:
    return pm.Panel(frame() if data is None else data, unit="unit", time="time")


def enumerated() -> tuple[float, np.ndarray]:
    """Difference of mean changes as adopted, and for all choices of treated units."""
    wide = frame().pivot(index="unit", columns="time", values="y")
    change = (wide[2] - wide[1]).to_numpy()
    found = []
    for treated in combinations(range(UNITS), TREATED):
        inside = np.isin(np.arange(UNITS), treated)
        found.append(change[inside].mean() - change[~inside].mean())
    return found[0], np.array(found)


@pytest.mark.parametrize(
    "model", [pm.TWFE("y ~ 1", cohort="g"), pm.CallawaySantAnna("y ~ 1", cohort="g")]
)
def test_draws_are_those_of_the_enumeration(model: pm.TWFE | pm.CallawaySantAnna) -> None:
    effect, every = enumerated()
    found = pm.randomization_test(model, panel(), seed=1, reps=600, statistic="effect")
    assert found.estimate == found.statistic == pytest.approx(effect, rel=1e-9)
    distance = np.abs(found.draws[:, None] - every).min(axis=1)
    assert distance.max() < 1e-9
    exact = (np.abs(every) >= abs(effect) - 1e-12).mean()
    error = np.sqrt(exact * (1 - exact) / 600)
    assert found.pvalue == pytest.approx(exact, abs=4 * error)


def test_treatment_column_row_order_and_seed() -> None:
    by_cohort = pm.randomization_test(pm.TWFE("y ~ 1", cohort="g"), panel(), seed=2, reps=30)
    by_status = pm.randomization_test(pm.TWFE("y ~ 1", treatment="d"), panel(), seed=2, reps=30)
    shuffled = panel(frame().sample(frac=1, random_state=1))
    again = pm.randomization_test(pm.TWFE("y ~ 1", cohort="g"), shuffled, seed=2, reps=40)
    np.testing.assert_allclose(by_status.draws, by_cohort.draws, rtol=1e-8)
    np.testing.assert_allclose(again.draws[:30], by_cohort.draws, rtol=1e-8)
    other = pm.randomization_test(pm.TWFE("y ~ 1", cohort="g"), panel(), seed=3, reps=30)
    assert not np.allclose(other.draws, by_cohort.draws)
    assert pickle.loads(pickle.dumps(by_cohort)).pvalue == by_cohort.pvalue


def test_groups_adopt_as_a_whole() -> None:
    found = pm.randomization_test(
        pm.TWFE("y ~ 1", cohort="g"), panel(), seed=1, reps=100, statistic="effect", groups="state"
    )
    wide = frame().pivot(index="unit", columns="time", values="y")
    change = (wide[2] - wide[1]).to_numpy().reshape(3, 3).mean(axis=1)
    every = [change[i] - np.delete(change, i).mean() for i in range(3)]
    assert set(np.round(found.draws, 9)) == set(np.round(every, 9))
    assert "3 levels of state" in str(found)


def test_words_and_picture() -> None:
    found = pm.randomization_test(pm.TWFE("y ~ 1", cohort="g"), panel(), seed=1, reps=20)
    assert f"{found.pvalue:.4f}" in str(found)
    assert "exact for no effect on any unit" in str(found)
    assert "<table" in found._repr_html_()
    assert found.plot().get_xlabel() == "t-statistic"


def test_refusals() -> None:
    model = pm.TWFE("y ~ 1", cohort="g")
    with pytest.raises(SpecificationError, match="statistic is not 'tt'"):
        pm.randomization_test(model, panel(), seed=1, statistic="tt")  # type: ignore[arg-type]
    with pytest.raises(SpecificationError, match="reps must be a whole number of at least 1"):
        pm.randomization_test(model, panel(), seed=1, reps=0)
    mixed = frame().assign(half=lambda d: d["unit"] % 2)
    with pytest.raises(SpecificationError, match="Units of the same half adopt at different"):
        pm.randomization_test(model, panel(mixed), seed=1, groups="half")
    moving = frame().assign(time_=lambda d: d["time"])
    with pytest.raises(SpecificationError, match="'time_' varies within unit 0"):
        pm.randomization_test(model, panel(moving), seed=1, groups="time_")
    with pytest.raises(IdentificationError, match="All units adopt at the same time"):
        pm.randomization_test(model, panel(frame().assign(g=2)), seed=1)
    event = pm.EventStudy("y ~ 1", cohort="g")
    longer = pd.concat([frame(), frame().assign(time=lambda d: d["time"] + 2)])
    with pytest.raises(IdentificationError, match="no single average effect"):
        pm.randomization_test(event, panel(longer), seed=1)


DATES = {
    "dates": lambda d: d.assign(
        time=pd.to_datetime((d["time"] + 2000).astype(str) + "-01-01"),
        g=pd.to_datetime(d["g"].map({2: "2002-01-01"})),
    ),
    "nullable": lambda d: d.assign(g=d["g"].astype("Int64")),
    "sorted otherwise": lambda d: d.sample(frac=1, random_state=3),
}


@pytest.mark.parametrize("form", DATES)
def test_dates_of_all_kinds_are_dealt_out(form: str) -> None:
    model = pm.CallawaySantAnna("y ~ 1", cohort="g")
    expected = pm.randomization_test(model, panel(), seed=5, reps=12)
    data = DATES[form](frame())
    found = pm.randomization_test(model, data.set_index(["unit", "time"]), seed=5, reps=12)
    np.testing.assert_allclose(found.draws, expected.draws, rtol=1e-8)


def test_dates_of_polars_frames_are_dealt_out() -> None:
    polars = pytest.importorskip("polars")
    expected = pm.randomization_test(pm.TWFE("y ~ 1", cohort="g"), panel(), seed=5, reps=12)
    data = pm.Panel(
        polars.from_pandas(frame().sample(frac=1, random_state=3)), unit="unit", time="time"
    )
    found = pm.randomization_test(pm.TWFE("y ~ 1", cohort="g"), data, seed=5, reps=12)
    np.testing.assert_allclose(found.draws, expected.draws, rtol=1e-8)


def test_draws_without_a_statistic_are_counted_apart() -> None:
    """One treated unit of four whose changes are 1, 0, 0 and 0: the others have no spread."""
    cohorts = [2.0, np.nan, np.nan, np.nan]
    wide = pd.DataFrame({"unit": [1, 2, 3, 4], "change": [1.0, 0, 0, 0], "g": cohorts})
    data = pd.concat([wide.assign(time=t, y=wide["change"] * (t == 2)) for t in (1, 2)])
    model = pm.CallawaySantAnna("y ~ 1", cohort="g")
    with pytest.raises(IdentificationError, match="No draw could be estimated"):
        pm.randomization_test(model, panel(data.assign(y=1.0 * data["unit"])), seed=1, reps=3)
    found = pm.randomization_test(model, panel(data), seed=1, reps=40)
    assert found.failed > 0
    assert found.draws.size == 40 - found.failed
    assert f"{found.failed} further draws" in str(found)


def linear_models() -> dict[str, object]:
    return {
        "twfe": pm.TWFE("y ~ 1", cohort="g"),
        "treatment": pm.TWFE("y ~ 1", treatment="d"),
        "robust": pm.CallawaySantAnna("y ~ x", cohort="g"),
        "imputation": pm.BorusyakJaravelSpiess("y ~ 1", cohort="g"),
    }


def staggered(effect: float = 0.0) -> pd.DataFrame:
    data = pm.simulate.staggered(24, 5, {3: 0.3, 4: 0.3}, seed=2)
    data = data.assign(g=data["cohort"], d=data["treated"].astype(float), x=np.sin(data["unit"]))
    return data.assign(y=data["y"] - effect * data["treated"])


@pytest.mark.parametrize("statistic", ["t", "effect"])
@pytest.mark.parametrize("name", linear_models())
def test_effects_are_tested_as_if_taken_from_the_outcomes(name: str, statistic: str) -> None:
    model = linear_models()[name]
    options = {"seed": 1, "reps": 25, "statistic": statistic}
    found = pm.randomization_test(model, panel(staggered()), intervals=True, **options)
    plain = pm.randomization_test(model, panel(staggered()), **options)
    np.testing.assert_allclose(found.draws, plain.draws, rtol=1e-8)
    for effect in (-1.5, 0.4, 2.0):
        other = pm.randomization_test(model, panel(staggered(effect)), **options)
        np.testing.assert_allclose(found.shifted.at(effect)[0], other.statistic, rtol=1e-6)
        np.testing.assert_allclose(found.shifted.at(effect)[1:], other.draws, rtol=1e-6)
        assert found.pvalue_of(effect) == other.pvalue


def test_intervals_end_where_effects_begin_to_be_rejected() -> None:
    model = pm.TWFE("y ~ 1", cohort="g")
    found = pm.randomization_test(model, panel(staggered()), seed=1, reps=99, intervals=True)
    low, high = found.conf_int(0.9)
    assert low < found.estimate < high
    step = 1e-6 * (high - low)
    for inside, outside in ((low + step, low - step), (high - step, high + step)):
        assert found.pvalue_of(inside) > 0.1 >= found.pvalue_of(outside)
    assert found.conf_int(0.8)[0] >= low and found.conf_int(0.99)[1] >= high
    assert pickle.loads(pickle.dumps(found)).conf_int(0.9) == (low, high)
    assert "95% low" in str(found) and "the same for all units from adoption on" in str(found)
    logs = staggered().assign(y=lambda d: np.exp(d["y"] - d["y"].max()))
    again = pm.randomization_test(
        pm.TWFE("log(y) ~ 1", cohort="g"), panel(logs), seed=1, reps=99, intervals=True
    )
    assert again.conf_int(0.9) == pytest.approx((low, high), rel=1e-6)


def test_intervals_are_endless_where_too_few_assignments_differ() -> None:
    found = pm.randomization_test(
        pm.TWFE("y ~ 1", cohort="g"), panel(), seed=1, reps=40, groups="state", intervals=True
    )
    assert found.conf_int() == (-np.inf, np.inf)
    assert "inf" in str(found)


def test_intervals_take_estimators_that_are_linear_and_must_be_asked_for() -> None:
    plain = pm.randomization_test(pm.TWFE("y ~ 1", cohort="g"), panel(), seed=1, reps=9)
    with pytest.raises(SpecificationError, match="intervals=True"):
        plain.conf_int()
    with pytest.raises(SpecificationError, match="Only no effect was tested"):
        plain.pvalue_of(1.0)
    model = pm.SyntheticDiD("y ~ 1", cohort="g", inference="bootstrap", reps=3)
    with pytest.raises(SpecificationError, match="is not linear in the outcome"):
        pm.randomization_test(
            model, panel(staggered()), seed=1, reps=5, statistic="effect", intervals=True
        )
