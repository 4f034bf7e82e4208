"""Imputation and two stages: R's didimputation, and both written out with dummies."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

import panelml as pm
from panelml.errors import IdentificationError, SpecificationError, UnknownNameError
from tests.did.stress import POLICIES
from tests.golden import assert_close, load

COHORTS = {4: 0.2, 5: 0.2, 7: 0.2}


@pytest.mark.parametrize("case", load("did_imputation"), ids=lambda case: case.id)
def test_equals_didimputation(case: Any) -> None:
    data = POLICIES[case.data]()
    panel = pm.Panel(data[data["g"] != 1], unit="id", time="t")
    spec = pm.BorusyakJaravelSpiess(case.spec["formula"], cohort="g", cov=case.spec["cov"])
    found = spec.fit(panel).aggregate(case.spec["aggregate"])
    assert_close(found.params.to_dict(), case.value["params"], case.tolerance)
    assert_close(found.std_errors.to_dict(), case.value["std_errors"], case.tolerance)


def draw(n_clusters: int | None = None) -> pd.DataFrame:
    frame = pm.simulate.staggered(
        60,
        8,
        COHORTS,
        sampling=pm.simulate.Sampling(unbalanced=0.15, n_clusters=n_clusters),
        adopters=pm.simulate.Adopters(covariate=0.5),
        seed=5,
    )
    rng = np.random.default_rng(8)
    return frame.assign(z=rng.standard_normal(len(frame)), w=rng.uniform(0.5, 2, len(frame)))


class Dense:
    """Both stages with all dummies: weights of every outcome in every effect, and residuals."""

    def __init__(
        self, frame: pd.DataFrame, label: pd.Series, weights: np.ndarray, extra: tuple[str, ...]
    ) -> None:
        free = (frame["treated"] == 0).to_numpy()
        dummies = [pd.get_dummies(frame[name], dtype=float).to_numpy() for name in extra]
        x = np.column_stack([*dummies, frame["z"]])
        root = np.sqrt(weights)[:, None]
        inverse = np.linalg.pinv(x[free] * root[free])
        y = frame["y"].to_numpy()
        beta = inverse @ (root[free, 0] * y[free])
        self.left = y - x @ beta
        self.names = list(pd.unique(label.dropna()))
        rows = []
        for name in self.names:
            chosen = (label == name).to_numpy()
            w = np.where(chosen, weights, 0) / weights[chosen].sum()
            v = w.copy()
            v[free] -= (w @ x) @ inverse * root[free, 0]
            rows.append(v)
        self.weights, self.free, self.label = np.stack(rows), free, label
        self.effects = self.weights @ y

    def errors(self, unit: pd.Series, centre: np.ndarray, factor: np.ndarray) -> np.ndarray:
        """Standard errors with treated residuals about ``centre`` times ``factor``, by row."""
        residual = np.where(self.free, self.left, (self.left - centre) * factor)
        scores = pd.DataFrame((self.weights * residual).T).groupby(unit.to_numpy()).sum()
        return np.sqrt((scores.to_numpy() ** 2).sum(axis=0))


def cells_of(frame: pd.DataFrame) -> pd.Series:
    words = frame["cohort"].astype("Int64").astype(str) + ", " + frame["time"].astype(str)
    return ("att(" + words + ")").where(frame["treated"] == 1)


@pytest.mark.parametrize("leave_out", [False, True])
@pytest.mark.parametrize("weighted", [False, True])
def test_imputation_equals_the_regression_with_dummies(weighted: bool, leave_out: bool) -> None:
    frame = draw()
    weights = frame["w"].to_numpy() if weighted else np.ones(len(frame))
    label = cells_of(frame)
    dense = Dense(frame, label, weights, ("unit", "time"))
    squares = weights**2
    centre, factor = np.zeros(len(frame)), np.ones(len(frame))
    for name in dense.names:
        chosen = (label == name).to_numpy()
        total = squares[chosen].sum()
        centre[chosen] = (squares[chosen] @ dense.left[chosen]) / total
        if leave_out:
            factor[chosen] = 1 / (1 - squares[chosen] / total)
    fit = pm.BorusyakJaravelSpiess(
        "y ~ z", cohort="cohort", leave_out=leave_out, weights="w" if weighted else None
    ).fit(pm.Panel(frame, unit="unit", time="time"))
    assert fit.params[dense.names].to_numpy() == pytest.approx(dense.effects, rel=1e-9, abs=1e-11)
    errors = dense.errors(frame["unit"], centre, factor)
    assert fit.std_errors[dense.names].to_numpy() == pytest.approx(errors, rel=1e-9)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("effects", ["static", "event", "group-time"])
def test_two_stages_equal_the_regression_with_dummies(effects: str, weighted: bool) -> None:
    frame = draw()
    weights = frame["w"].to_numpy() if weighted else np.ones(len(frame))
    treated = frame["treated"] == 1
    since = (frame["time"] - frame["cohort"]).where(treated)
    label = {
        "static": pd.Series("att", index=frame.index).where(treated),
        "event": since.map(lambda h: f"horizon {h:.0f}", na_action="ignore"),
        "group-time": cells_of(frame),
    }[effects]
    dense = Dense(frame, label, weights, ("unit", "time"))
    centre = np.zeros(len(frame))
    for name, effect in zip(dense.names, dense.effects, strict=True):
        centre[(label == name).to_numpy()] = effect
    fit = pm.TwoStageDiD(
        "y ~ z", cohort="cohort", effects=effects, weights="w" if weighted else None
    ).fit(pm.Panel(frame, unit="unit", time="time"))
    assert fit.params[dense.names].to_numpy() == pytest.approx(dense.effects, rel=1e-9, abs=1e-11)
    errors = dense.errors(frame["unit"], centre, np.ones(len(frame)))
    assert fit.std_errors[dense.names].to_numpy() == pytest.approx(errors, rel=1e-9)


def test_further_effects_are_absorbed() -> None:
    frame = draw(n_clusters=20).assign(half=lambda d: d["cluster"] % 2)
    frame["half_time"] = frame["half"] * 100 + frame["time"]
    dense = Dense(frame, cells_of(frame), np.ones(len(frame)), ("unit", "half_time"))
    panel = pm.Panel(frame, unit="unit", time="time")
    fit = pm.BorusyakJaravelSpiess("y ~ z | unit + half^time", cohort="cohort").fit(panel)
    assert fit.params[dense.names].to_numpy() == pytest.approx(dense.effects, rel=1e-9, abs=1e-11)


def test_leads_equal_the_regression_on_untreated_rows() -> None:
    frame = draw()
    free = frame[frame["treated"] == 0].copy()
    for lead in (1, 2):
        free[f"lead{lead}"] = (free["time"] - free["cohort"] == -lead).astype(float)
    plain = pm.FixedEffects(
        "y ~ z + lead2 + lead1 | unit + time", cov=pm.cov.Clustered("unit", small_sample="none")
    ).fit(pm.Panel(free, unit="unit", time="time"))
    fit = pm.BorusyakJaravelSpiess("y ~ z", cohort="cohort", leads=2).fit(
        pm.Panel(frame, unit="unit", time="time")
    )
    found = fit.params[["horizon -2", "horizon -1"]].to_numpy()
    assert found == pytest.approx(plain.params[["lead2", "lead1"]].to_numpy(), rel=1e-9)
    errors = fit.std_errors[["horizon -2", "horizon -1"]].to_numpy()
    assert errors == pytest.approx(plain.std_errors[["lead2", "lead1"]].to_numpy(), rel=1e-9)
    wald = plain.wald_test("lead2 = 0; lead1 = 0")
    test = fit.pretrend_test()
    assert test.statistic == pytest.approx(wald.statistic * wald.df[0], rel=1e-8)
    event = fit.aggregate("event")
    assert event.params["horizon -2"] == pytest.approx(found[0], rel=1e-12)
    assert event.std_errors["horizon -2"] == pytest.approx(errors[0], rel=1e-12)


def test_averages_agree_between_both_estimators() -> None:
    panel = pm.Panel(draw(), unit="unit", time="time")
    imputed = pm.BorusyakJaravelSpiess("y ~ z", cohort="cohort").fit(panel)
    for effects, by in (("static", "simple"), ("event", "event")):
        staged = pm.TwoStageDiD("y ~ z", cohort="cohort", effects=effects).fit(panel)
        averaged = imputed.aggregate(by)
        assert averaged.params.to_numpy() == pytest.approx(staged.params.to_numpy(), rel=1e-10)


def test_anticipation_moves_rows_out_of_the_first_stage_and_not_the_headline_window() -> None:
    frame = pm.simulate.staggered(
        400,
        8,
        COHORTS,
        adopters=pm.simulate.Adopters(anticipation=[2.0]),
        effect=1.0,
        sampling=pm.simulate.Sampling(sigma_e=1e-6),
        seed=2,
    )
    panel = pm.Panel(frame, unit="unit", time="time")
    fit = pm.BorusyakJaravelSpiess("y ~ 1", cohort="cohort", anticipation=1).fit(panel)
    assert fit.aggregate().params["att"] == pytest.approx(1, abs=1e-5)
    assert fit.aggregate("event").params["horizon -1"] == pytest.approx(2, abs=1e-5)


def test_true_effects_are_recovered_without_noise() -> None:
    frame = pm.simulate.staggered(
        300, 9, COHORTS, sampling=pm.simulate.Sampling(sigma_e=1e-9, unbalanced=0.1), seed=3
    )
    fit = pm.BorusyakJaravelSpiess("y ~ 1", cohort="cohort").fit(
        pm.Panel(frame, unit="unit", time="time")
    )
    truth = {f"att({row['cohort']}, {row['time']})": row["att"] for row in frame.attrs["att"]}
    assert {name: truth[name] for name in fit.params.index} == pytest.approx(
        fit.params.to_dict(), abs=1e-7
    )


def test_rows_that_cannot_be_imputed_are_said() -> None:
    frame = draw().assign(cohort=lambda d: d["cohort"].fillna(8))
    frame.loc[frame["unit"] == 3, "cohort"] = 1
    frame["treated"] = (frame["time"] >= frame["cohort"]).astype(int)
    fit = pm.BorusyakJaravelSpiess("y ~ 1", cohort="cohort").fit(
        pm.Panel(frame, unit="unit", time="time")
    )
    assert any("1 levels of unit have no untreated row; 1 levels of time" in n for n in fit.notes)
    assert not any(", 8)" in name for name in fit.params.index)
    assert any("effects are of a single row" in note for note in fit.notes) == (
        (fit.labels["size"] == 1).any()
    )
    lone = frame.assign(cohort=frame["cohort"].mask(frame["unit"] == 5, 7))
    lone = lone[(lone["cohort"] != 7) | (lone["unit"] == 5)]
    event = pm.TwoStageDiD("y ~ 1", cohort="cohort", effects="event").fit(
        pm.Panel(lone[(lone["unit"] == 5) | (lone["cohort"] == 8)], unit="unit", time="time")
    )
    assert any("of a single row (horizon 0" in note for note in event.notes)


def test_what_cannot_be_estimated_is_refused() -> None:
    frame = draw()
    panel = pm.Panel(frame.assign(cohort=1), unit="unit", time="time")
    with pytest.raises(IdentificationError, match="60 units treated in all periods, and 0 in none"):
        pm.BorusyakJaravelSpiess("y ~ 1", cohort="cohort").fit(panel)
    panel = pm.Panel(frame.assign(cohort=np.nan), unit="unit", time="time")
    with pytest.raises(IdentificationError, match="No unit adopts after the first period"):
        pm.BorusyakJaravelSpiess("y ~ 1", cohort="cohort").fit(panel)
    panel = pm.Panel(frame, unit="unit", time="time")
    with pytest.raises(SpecificationError, match=r"write '\| unit \+ time'"):
        pm.BorusyakJaravelSpiess("y ~ 1 | time", cohort="cohort").fit(panel)
    with pytest.raises(UnknownNameError, match="Did you mean 'time'"):
        pm.TwoStageDiD("y ~ 1 | unit + tme", cohort="cohort").fit(panel)
    with pytest.raises(SpecificationError, match="leads must be a whole number of at least 0"):
        pm.BorusyakJaravelSpiess("y ~ 1", cohort="cohort", leads=-1)
    with pytest.raises(SpecificationError, match="Known: group-time, event"):
        pm.TwoStageDiD("y ~ 1", cohort="cohort", effects="dynamic")


def test_rows_whose_unit_and_period_nothing_links_are_left_out() -> None:
    rows = [(u, t, 1.0 * u + t, np.nan) for u in range(4) for t in ((1, 2) if u < 2 else (3, 4))]
    rows += [(4, 1, 0.0, 4), (4, 4, 1.0, 4), (5, 3, 0.5, 4), (5, 4, 1.0, 4)]
    frame = pd.DataFrame(rows, columns=["unit", "time", "y", "cohort"])
    fit = pm.BorusyakJaravelSpiess("y ~ 1", cohort="cohort").fit(
        pm.Panel(frame, unit="unit", time="time")
    )
    assert fit.labels["size"].tolist() == [1]
    assert fit.params.tolist() == pytest.approx([1.0 - (0.5 + 1)])
    assert any("1 rows have a unit and time that no untreated rows link" in n for n in fit.notes)
