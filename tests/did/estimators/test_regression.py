"""Two-way regressions of policies: R's fixest, and least squares with all dummies."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

import panelml as pm
from panelml.errors import IdentificationError, SpecificationError
from tests.did.stress import POLICIES
from tests.golden import assert_close, load


@pytest.mark.parametrize("case", load("did_regression"), ids=lambda case: case.id)
def test_equals_fixest(case: Any) -> None:
    data = POLICIES[case.data]()
    data = data[data["g"].isin(case.spec.get("cohorts", [0, 4, 5, 6, 7]))]
    options = {n: v for n, v in case.spec.items() if n in ("formula", "cov", "weights")}
    spec = getattr(pm, case.spec["estimator"])(cohort="g", **options)
    found = spec.fit(pm.Panel(data, unit="id", time="t"))
    if "aggregate" in case.spec:
        found = found.aggregate(case.spec["aggregate"])
    assert_close(found.params.to_dict(), case.value["params"], case.tolerance)
    assert_close(found.std_errors.to_dict(), case.value["std_errors"], case.tolerance)


def draw(never: bool = True) -> pd.DataFrame:
    shares = {4: 0.25, 6: 0.25} if never else {4: 0.5, 6: 0.5}
    frame = pm.simulate.staggered(
        50,
        8,
        shares,
        sampling=pm.simulate.Sampling(unbalanced=0.1),
        adopters=pm.simulate.Adopters(covariate=0.5),
        seed=6,
    )
    rng = np.random.default_rng(8)
    frame = frame.assign(z=rng.standard_normal(len(frame)), w=rng.uniform(0.5, 2, len(frame)))
    return frame.assign(since=lambda d: d["time"] - d["cohort"])


def dense(
    frame: pd.DataFrame, labels: pd.Series, weights: np.ndarray
) -> tuple[dict[str, float], dict[str, float]]:
    """Coefficients of indicators, and errors clustered by unit with fixest's factor."""
    names = sorted(labels.dropna().unique())
    indicators = np.column_stack([(labels == name).to_numpy(float) for name in names])
    dummies = [pd.get_dummies(frame[name], dtype=float).to_numpy() for name in ("unit", "time")]
    x = np.column_stack([indicators, frame["z"], *dummies])
    root = np.sqrt(weights)[:, None]
    inverse = np.linalg.pinv((x * root).T @ (x * root))
    beta = inverse @ (x.T @ (weights * frame["y"].to_numpy()))
    scores = x * (weights * (frame["y"].to_numpy() - x @ beta))[:, None]
    sums = pd.DataFrame(scores).groupby(frame["unit"].to_numpy()).sum().to_numpy()
    units, n = len(sums), len(frame)
    k = len(names) + 1 + frame["time"].nunique()
    factor = units / (units - 1) * (n - 1) / (n - k)
    cov = inverse @ sums.T @ sums @ inverse * factor
    m = len(names)
    return (
        dict(zip(names, beta[:m], strict=True)),
        dict(zip(names, np.sqrt(np.diag(cov)[:m]), strict=True)),
    )


def horizons(frame: pd.DataFrame, window: tuple[int, int] = (-9, 9)) -> pd.Series:
    since = frame["since"].clip(*window)
    return since.map("horizon {:.0f}".format, na_action="ignore").where(since != -1)


def cells(frame: pd.DataFrame) -> pd.Series:
    words = frame["cohort"].astype("Int64").astype(str) + ", " + frame["time"].astype(str)
    return ("att(" + words + ")").where(frame["cohort"].notna())


LABELS = {
    "TWFE": lambda d: pd.Series("att", index=d.index).where(d["treated"] == 1),
    "EventStudy": horizons,
    "SunAbraham": lambda d: cells(d).where(d["since"] != -1),
    "ExtendedTWFE": lambda d: cells(d).where(d["since"] >= 0),
}


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("name", LABELS)
def test_equals_least_squares_with_dummies(name: str, weighted: bool) -> None:
    frame = draw()
    weights = frame["w"].to_numpy() / frame["w"].mean() if weighted else np.ones(len(frame))
    fit = getattr(pm, name)("y ~ z", cohort="cohort", weights="w" if weighted else None).fit(
        pm.Panel(frame, unit="unit", time="time")
    )
    params, errors = dense(frame, LABELS[name](frame), weights)
    assert fit.params.to_dict() == pytest.approx(params, rel=1e-8, abs=1e-10)
    assert fit.std_errors.to_dict() == pytest.approx(errors, rel=1e-8)


def test_windows_bin_or_drop() -> None:
    frame = draw()
    panel = pm.Panel(frame, unit="unit", time="time")
    binned = pm.EventStudy("y ~ z", cohort="cohort", window=(-3, 2)).fit(panel)
    params, errors = dense(frame, horizons(frame, (-3, 2)), np.ones(len(frame)))
    assert binned.params.to_dict() == pytest.approx(params, rel=1e-8)
    assert binned.std_errors.to_dict() == pytest.approx(errors, rel=1e-8)
    dropped = pm.EventStudy("y ~ z", cohort="cohort", window=(-3, 2), ends="drop").fit(panel)
    kept = frame[frame["since"].isna() | frame["since"].between(-3, 2)]
    params, _ = dense(kept, horizons(kept), np.ones(len(kept)))
    assert dropped.params.to_dict() == pytest.approx(params, rel=1e-8)
    assert any("rows at horizons outside -3 to 2" in note for note in dropped.notes)


def test_extended_regression_equals_imputation_and_never_treated_sun_abraham() -> None:
    frame = pm.simulate.staggered(50, 8, {4: 0.25, 6: 0.25}, seed=6)
    panel = pm.Panel(frame, unit="unit", time="time")
    extended = pm.ExtendedTWFE("y ~ 1", cohort="cohort").fit(panel)
    imputed = pm.BorusyakJaravelSpiess("y ~ 1", cohort="cohort").fit(panel)
    assert extended.params.to_dict() == pytest.approx(imputed.params.to_dict(), rel=1e-9)
    never = pm.ExtendedTWFE("y ~ 1", cohort="cohort", control="never").fit(panel)
    interacted = pm.SunAbraham("y ~ 1", cohort="cohort").fit(panel)
    assert never.params.to_dict() == pytest.approx(interacted.params.to_dict(), rel=1e-9)


@pytest.mark.parametrize("control", ["not-yet", "never"])
def test_moderators_equal_interactions_with_dummies(control: str) -> None:
    frame = draw()
    rng = np.random.default_rng(2)
    first, second = rng.standard_normal((2, frame["unit"].max() + 1))
    frame = frame.assign(m=5 + first[frame["unit"]], v=second[frame["unit"]])
    fit = pm.ExtendedTWFE(
        "y ~ z", cohort="cohort", control=control, moderators=("m", "v"), weights="w"
    ).fit(pm.Panel(frame, unit="unit", time="time"))
    used = frame["since"] >= 0 if control == "not-yet" else frame["since"] != -1
    labels = cells(frame).where(used)
    names = sorted(labels.dropna().unique())
    w = frame["w"].to_numpy() / frame["w"].mean()
    columns = [(labels == name).to_numpy(float) for name in names]
    periods = pd.get_dummies(frame["time"], dtype=float).to_numpy()
    interactions = []
    for name in ("m", "v"):
        total = (frame[name] * w).groupby(frame["cohort"]).transform("sum")
        mean = total / pd.Series(w, frame.index).groupby(frame["cohort"]).transform("sum")
        away = (frame[name] - mean).fillna(0).to_numpy()
        interactions += [column * away for column in columns]
        interactions += list(periods.T * (frame[name] - frame[name].mean()).to_numpy())
    units = pd.get_dummies(frame["unit"], dtype=float).to_numpy()
    x = np.column_stack([*columns, frame["z"], *interactions, units, periods])
    root = np.sqrt(w)[:, None]
    inverse = np.linalg.pinv((x * root).T @ (x * root), rcond=1e-12, hermitian=True)
    beta = inverse @ (x.T @ (w * frame["y"]).to_numpy())
    scores = x * (w * (frame["y"].to_numpy() - x @ beta))[:, None]
    sums = pd.DataFrame(scores).groupby(frame["unit"].to_numpy()).sum().to_numpy()
    g, n = len(sums), len(frame)
    rank = np.linalg.matrix_rank(x) - (g - 1)
    cov = inverse @ sums.T @ sums @ inverse * (g / (g - 1) * (n - 1) / (n - rank))
    errors = np.sqrt(np.diag(cov)[: len(names)])
    assert fit.params.to_dict() == pytest.approx(
        dict(zip(names, beta, strict=False)), rel=1e-7, abs=1e-9
    )
    assert fit.std_errors.to_dict() == pytest.approx(
        dict(zip(names, errors, strict=True)), rel=1e-7
    )


def test_moderators_do_not_change_within_units() -> None:
    panel = pm.Panel(draw(), unit="unit", time="time")
    with pytest.raises(SpecificationError, match="'z' changes within 50 units"):
        pm.ExtendedTWFE("y ~ 1", cohort="cohort", moderators="z").fit(panel)


def test_iid_errors_are_those_of_least_squares() -> None:
    frame = draw()
    fit = pm.TWFE("y ~ z", cohort="cohort", cov="iid").fit(
        pm.Panel(frame, unit="unit", time="time")
    )
    plain = pm.FixedEffects("y ~ treated + z | unit + time", cov="iid").fit(
        pm.Panel(frame, unit="unit", time="time")
    )
    assert fit.std_errors["att"] == pytest.approx(plain.std_errors["treated"], rel=1e-10)
    assert fit.df_resid == plain.df_resid


def test_further_effects_are_absorbed() -> None:
    frame = draw().assign(region=lambda d: d["unit"] % 3)
    panel = pm.Panel(frame, unit="unit", time="time")
    fit = pm.TWFE("y ~ z | unit + region^time", cohort="cohort").fit(panel)
    plain = pm.FixedEffects("y ~ treated + z | unit + region^time").fit(panel)
    assert fit.params["att"] == pytest.approx(plain.params["treated"], rel=1e-10)
    assert fit.std_errors["att"] == pytest.approx(plain.std_errors["treated"], rel=1e-10)


def test_without_never_treated_units() -> None:
    panel = pm.Panel(draw(never=False), unit="unit", time="time")
    with pytest.raises(IdentificationError, match="another reference period is needed"):
        pm.EventStudy("y ~ 1", cohort="cohort").fit(panel)
    # Cohorts two periods apart leave a trend, and the levels of odd and of even horizons, open.
    with pytest.raises(IdentificationError, match="another reference period is needed"):
        pm.EventStudy("y ~ 1", cohort="cohort", reference=(-1, -4)).fit(panel)
    pm.EventStudy("y ~ 1", cohort="cohort", reference=(-1, -3, -4)).fit(panel)
    fit = pm.SunAbraham("y ~ 1", cohort="cohort").fit(panel)
    assert set(fit.labels["cohort"]) == {4}
    assert any("the last cohort (6) is the comparison group" in note for note in fit.notes)


def test_one_date_of_adoption_is_the_difference_of_differences() -> None:
    frame = pm.simulate.staggered(40, 4, {3: 0.5}, seed=1)
    means = frame.groupby([frame["cohort"].notna(), frame["time"] >= 3])["y"].mean()
    did = means[True, True] - means[True, False] - means[False, True] + means[False, False]
    fit = pm.TWFE("y ~ 1", cohort="cohort").fit(pm.Panel(frame, unit="unit", time="time"))
    assert fit.params["att"] == pytest.approx(did, rel=1e-10)


def test_options_that_do_not_exist() -> None:
    with pytest.raises(SpecificationError, match=r"ends is not 'trim'\. Known: bin, drop"):
        pm.EventStudy("y ~ 1", cohort="g", ends="trim")
    with pytest.raises(SpecificationError, match="first, last"):
        pm.EventStudy("y ~ 1", cohort="g", window=(3, -3))
    with pytest.raises(SpecificationError, match=r"control is not 'last'\. Known: not-yet, never"):
        pm.ExtendedTWFE("y ~ 1", cohort="g", control="last")


@pytest.mark.parametrize("effects", ["unit + time", "unit + region^time", "unit + region + time"])
@pytest.mark.parametrize("cov", ["cluster", "cluster:cluster", "cluster:region", "iid"])
def test_k_counts_nested_effects_as_fixed_effects_do(effects: str, cov: str) -> None:
    frame = pm.simulate.staggered(
        60,
        8,
        {3: 0.2, 5: 0.3},
        sampling=pm.simulate.Sampling(unbalanced=0.2, n_clusters=12),
        seed=1,
    )
    frame = frame.assign(
        region=frame["cluster"] % 3, d=(frame["time"] >= frame["cohort"].fillna(99)) * 1.0
    )
    data = pm.Panel(frame, unit="unit", time="time")
    fit = pm.TWFE(f"y ~ 1 | {effects}", cohort="cohort", cov=cov).fit(data)
    dummy = pm.FixedEffects(f"y ~ d | {effects}", cov=cov).fit(data)
    assert fit.std_errors["att"] == pytest.approx(dummy.std_errors["d"], rel=1e-9)
    assert fit.df_t == dummy.df_t


@pytest.mark.parametrize("cov", ["iid", "cluster", "cluster:cluster"])
def test_the_writing_of_a_joint_test_does_not_matter(cov: str) -> None:
    frame = pm.simulate.staggered(
        90, 6, {3: 0.3, 5: 0.3}, seed=1, sampling=pm.simulate.Sampling(n_clusters=30)
    )
    fit = pm.EventStudy("y ~ 1", cohort="cohort", cov=cov).fit(
        pm.Panel(frame, unit="unit", time="time")
    )
    rows = np.eye(len(fit.params))[:3]
    one = fit.wald_test(rows)
    other = fit.wald_test(np.random.default_rng(2).normal(size=(3, 3)) @ rows)
    assert other.statistic == pytest.approx(one.statistic, rel=1e-9)
    assert other.df == one.df


def test_mended_covariances_of_averages_are_said() -> None:
    """Groups of units that cross: effects by cohort and period, and their averages."""
    frame = pm.simulate.staggered(
        80, 6, {3: 0.3, 5: 0.3}, seed=0, sampling=pm.simulate.Sampling(n_clusters=8)
    )
    other = np.random.default_rng(0).integers(0, 5, 200)[frame["unit"]]
    data = pm.Panel(frame.assign(other=other), unit="unit", time="time")
    mended = 0
    for spec in (pm.ExtendedTWFE, pm.CallawaySantAnna):
        fit = spec("y ~ 1", cohort="cohort", cov="cluster:cluster+other").fit(data)
        for found in (fit, fit.aggregate("event"), fit.aggregate("calendar")):
            matrix = found.covariance.matrix
            length = np.sqrt(np.where(np.diag(matrix) > 0, np.diag(matrix), 1.0))
            assert np.linalg.eigvalsh(matrix / np.outer(length, length)).min() > -1e-10
            mended += any("not positive semi-definite" in note for note in found.notes)
    assert mended > 1
