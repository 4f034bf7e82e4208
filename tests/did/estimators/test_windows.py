"""Local projections and stacks: a peer's numbers, and regressions on stacked rows."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

import panelml as pm
from panelml.errors import IdentificationError, SpecificationError
from tests.did.stress import POLICIES
from tests.golden import assert_close, load


@pytest.mark.parametrize("case", load("did_windows"), ids=lambda case: case.id)
def test_equals_diff_diff(case: Any) -> None:
    frame = POLICIES[case.data]()
    switches = "switching" in case.spec
    panel = pm.Panel(frame if switches else frame[frame["g"] != 1], unit="id", time="t")
    options = {n: v for n, v in case.spec.items() if n != "estimator"}
    options["window"] = tuple(options["window"])
    options |= {"treatment": "d"} if switches else {"cohort": "g"}
    fit = getattr(pm, case.spec["estimator"])("y ~ 1", **options).fit(panel)
    assert_close(fit.params.to_dict(), case.value["params"], case.tolerance)


def draw(unbalanced: float = 0.0) -> pd.DataFrame:
    return pm.simulate.staggered(
        60,
        9,
        {4: 0.25, 6: 0.25},
        adopters=pm.simulate.Adopters(covariate=0.5),
        sampling=pm.simulate.Sampling(unbalanced=unbalanced),
        seed=6,
    )


def least_squares(
    y: np.ndarray, x: np.ndarray, unit: np.ndarray, w: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Coefficients, and errors clustered by unit without factors."""
    inverse = np.linalg.pinv((x.T * w) @ x)
    beta = inverse @ (x.T @ (w * y))
    sums = pd.DataFrame(x * (w * (y - x @ beta))[:, None]).groupby(unit).sum().to_numpy()
    return beta, np.sqrt(np.diag(inverse @ sums.T @ sums @ inverse))


@pytest.mark.parametrize("mean_before", [False, True])
@pytest.mark.parametrize("equal", [False, True])
@pytest.mark.parametrize("horizon", [-2, 0, 2])
def test_local_projections_equal_regressions_on_rows(
    horizon: int, equal: bool, mean_before: bool
) -> None:
    frame = draw(unbalanced=0.1)
    table = frame.pivot(index="unit", columns="time", values="y")
    x = frame.groupby("unit")["x"].first()
    first = frame.groupby("unit")["cohort"].first().fillna(99)
    rows = []
    for t in range(2, 10):
        if not 1 <= t + horizon <= 9:
            continue
        before = table[range(1, t)].mean(axis=1) if mean_before else table[t - 1]
        seen = table[t - 1].notna()
        found = pd.DataFrame(
            {
                "dy": table[t + horizon] - before,
                "adopts": first == t,
                "x": x,
                "t": t,
                "later": first > t + max(horizon, 0),
            }
        )
        rows.append(found[(found["adopts"] | found["later"]) & seen].dropna())
    stack = pd.concat([r for r in rows if r["adopts"].any() and not r["adopts"].all()])
    share = stack.groupby("t")["adopts"].transform("mean")
    w = (1 / (1 - share)).to_numpy() if equal else np.ones(len(stack))
    dummies = pd.get_dummies(stack["t"], dtype=float).to_numpy()
    design = np.column_stack([stack["adopts"].astype(float), stack["x"], dummies])
    beta, errors = least_squares(stack["dy"].to_numpy(), design, stack.index.to_numpy(), w)
    fit = pm.LocalProjectionsDiD(
        "y ~ x", cohort="cohort", window=(-2, 2), equal=equal, mean_before=mean_before
    ).fit(pm.Panel(frame, unit="unit", time="time"))
    assert fit.params[f"horizon {horizon}"] == pytest.approx(beta[0], rel=1e-9)
    assert fit.std_errors[f"horizon {horizon}"] == pytest.approx(errors[0], rel=1e-9)


def test_equal_weights_without_covariates_are_those_of_callaway_and_santanna() -> None:
    panel = pm.Panel(draw(), unit="unit", time="time")
    fit = pm.LocalProjectionsDiD("y ~ 1", cohort="cohort", window=(-1, 3), equal=True).fit(panel)
    gt = pm.CallawaySantAnna("y ~ 1", cohort="cohort", control="not-yet").fit(panel)
    event = gt.aggregate("event")
    for h in range(4):
        assert fit.params[f"horizon {h}"] == pytest.approx(event.params[f"horizon {h}"], rel=1e-9)


@pytest.mark.parametrize("weights", [None, "w"])
@pytest.mark.parametrize("covariates", [[], ["z"], ["z", "x"]])
def test_stacks_equal_a_weighted_regression_on_stacked_rows(
    covariates: list[str], weights: str | None
) -> None:
    rng = np.random.default_rng(5)
    frame = draw().assign(z=lambda d: d["y"] + rng.standard_normal(len(d)))
    frame["w"] = rng.uniform(0.5, 2, 60)[frame["unit"] - 1] if weights else 1.0
    pieces = []
    for g in (4, 6):
        window = frame[frame["time"].between(g - 2, g + 3)]
        used = window[(window["cohort"] == g) | ~(window["cohort"] <= g + 3)].assign(
            stack=g,
            adopts=lambda d, g=g: (d["cohort"] == g).astype(float),
            since=lambda d, g=g: d["time"] - g,
        )
        pieces.append(used)
    stack = pd.concat(pieces)
    units = stack.drop_duplicates(["stack", "unit"])
    treated = (units["adopts"] * units["w"]).groupby(units["stack"]).sum()
    others = units.groupby("stack")["w"].sum() - treated
    q = (treated / treated.sum()) / (others / others.sum())
    w = stack["w"] * np.where(stack["adopts"] == 1, 1.0, stack["stack"].map(q))
    since = pd.get_dummies(stack["since"], dtype=float)
    inter = since.drop(columns=-1).mul(stack["adopts"], axis=0)
    design = np.column_stack([inter, stack["adopts"], since, stack[covariates]])
    beta, errors = least_squares(
        stack["y"].to_numpy(), design, stack["unit"].to_numpy(), w.to_numpy()
    )
    formula = f"y ~ {' + '.join(covariates) or '1'}"
    fit = pm.StackedDiD(formula, cohort="cohort", window=(-2, 3), weights=weights).fit(
        pm.Panel(frame, unit="unit", time="time")
    )
    names = [f"horizon {h}" for h in inter.columns]
    assert fit.params[names].to_numpy() == pytest.approx(beta[: len(names)], rel=1e-9)
    assert fit.std_errors[names].to_numpy() == pytest.approx(errors[: len(names)], rel=1e-9)


@pytest.mark.parametrize(
    ("model", "options"),
    [
        (pm.LocalProjectionsDiD, {"cohort": "cohort"}),
        (pm.LocalProjectionsDiD, {"treatment": "d", "switching": "first"}),
        (pm.LocalProjectionsDiD, {"cohort": "cohort", "equal": True}),
        (pm.StackedDiD, {"cohort": "cohort"}),
    ],
)
def test_weights_are_repeated_units(model: Any, options: dict[str, Any]) -> None:
    frame = draw().assign(n=lambda d: 1 + d["unit"] % 3, d=lambda d: d["time"] >= d["cohort"])
    frame["d"] = frame["d"].astype(int)
    copies = frame.loc[frame.index.repeat(frame["n"])].assign(
        copy=lambda d: d.groupby(["unit", "time"]).cumcount(),
        own=lambda d: d["unit"] * 10 + d["copy"],
    )
    spec = model("y ~ x", window=(-2, 2), **options)
    many = spec.fit(pm.Panel(copies, unit="own", time="time")).with_cov("cluster:unit")
    few = model("y ~ x", window=(-2, 2), weights="n", **options).fit(
        pm.Panel(frame, unit="unit", time="time")
    )
    np.testing.assert_allclose(few.params, many.params, rtol=1e-9)
    np.testing.assert_allclose(few.std_errors, many.std_errors, rtol=1e-8)


@pytest.mark.parametrize("model", [pm.LocalProjectionsDiD, pm.StackedDiD])
def test_collinear_covariates_are_dropped_with_a_note(model: Any) -> None:
    rng = np.random.default_rng(5)
    frame = draw().assign(z=lambda d: d["y"] + rng.standard_normal(len(d)), one=3.0)
    panel = pm.Panel(frame.assign(twice=2 * frame["z"]), unit="unit", time="time")
    found = model("y ~ z + twice + one", cohort="cohort", window=(-2, 2)).fit(panel)
    plain = model("y ~ z", cohort="cohort", window=(-2, 2)).fit(panel)
    assert "Dropped 'twice', 'one': constant, or collinear with adoption or others." in found.notes
    assert not any("Dropped" in note for note in plain.notes)
    np.testing.assert_allclose(found.params, plain.params, rtol=1e-9)
    np.testing.assert_allclose(found.std_errors, plain.std_errors, rtol=1e-9)


def test_what_is_left_out_is_said() -> None:
    panel = pm.Panel(draw(), unit="unit", time="time")
    fit = pm.StackedDiD("y ~ 1", cohort="cohort", window=(-4, 3)).fit(panel)
    assert any("window is not in the panel: 4" in note for note in fit.notes)
    late = pm.LocalProjectionsDiD("y ~ 1", cohort="cohort", window=(-2, 7)).fit(panel)
    assert any("No adoption has the horizons 6, 7" in note for note in late.notes)
    assert late.references == (-1,)
    pm.honest_did(fit, m=[1])


def test_what_cannot_be_done_is_refused() -> None:
    panel = pm.Panel(draw(), unit="unit", time="time")
    with pytest.raises(SpecificationError, match="around adoption"):
        pm.StackedDiD("y ~ 1", cohort="cohort", window=(1, 3))
    with pytest.raises(IdentificationError, match="No effect can be estimated"):
        pm.StackedDiD("y ~ 1", cohort="cohort", window=(-8, 8)).fit(panel)


def clean(d: pd.Series, t: int, settled: int, h: int) -> tuple[bool, bool]:
    """Whether one unit enters in t, or is a comparison, read off its own history."""
    if t - 1 not in d.index or t + h not in d.index:
        return False, False
    status = d.reindex(range(-20, 12))
    status[status.index < 0] = 0
    change = (status.diff().fillna(9) != 0) & (status.index > -20)
    back = max(settled, -h)
    enters = status[t] == 1 and (status.loc[t - back : t - 1] == 0).all()
    enters = enters and not change.loc[t + 1 : t + max(h, 0)].any()
    return bool(enters), not change.loc[t - back : t + max(h, 0)].any()


@pytest.mark.parametrize("settled", [2, 20])
def test_treatments_that_end_equal_regressions_on_rows(settled: int) -> None:
    frame = POLICIES["switching"]()
    frame = frame[frame["id"] < 150].sample(frac=0.95, random_state=1).sort_values(["id", "t"])
    fit = pm.LocalProjectionsDiD(
        "y ~ 1", treatment="d", window=(-3, 2), switching="first" if settled == 20 else settled
    ).fit(pm.Panel(frame, unit="id", time="t"))
    histories = [(i, own.set_index("t")) for i, own in frame.groupby("id")]
    for h in (-3, -2, 0, 1, 2):
        rows = []
        for i, own in histories:
            for t in own.index:
                enters, free = clean(own["d"], t, settled, h)
                if enters or free:
                    rows.append((i, t, float(enters), own["y"][t + h] - own["y"][t - 1]))
        table = pd.DataFrame(rows, columns=["id", "t", "enters", "dy"])
        design = np.column_stack([table["enters"], pd.get_dummies(table["t"], dtype=float)])
        beta, errors = least_squares(
            table["dy"].to_numpy(), design, table["id"].to_numpy(), np.ones(len(table))
        )
        assert fit.params[f"horizon {h}"] == pytest.approx(beta[0], rel=1e-9), h
        assert fit.std_errors[f"horizon {h}"] == pytest.approx(errors[0], rel=1e-9), h


def test_first_entries_that_stay_are_those_of_absorbing_treatments() -> None:
    frame = draw()
    panel = pm.Panel(frame, unit="unit", time="time")
    first = pm.LocalProjectionsDiD(
        "y ~ x", treatment="treated", window=(-2, 2), switching="first", equal=True
    ).fit(panel)
    stays = pm.LocalProjectionsDiD("y ~ x", cohort="cohort", window=(-2, 2), equal=True).fit(panel)
    assert first.params.to_dict() == pytest.approx(stays.params.to_dict(), rel=1e-10)
    assert first.std_errors.to_dict() == pytest.approx(stays.std_errors.to_dict(), rel=1e-10)


def test_treatments_that_end_are_refused_unless_asked_for() -> None:
    panel = pm.Panel(POLICIES["switching"](), unit="id", time="t")
    with pytest.raises(IdentificationError, match="ends again in"):
        pm.LocalProjectionsDiD("y ~ 1", treatment="d").fit(panel)
    with pytest.raises(SpecificationError, match="'refuse', 'first' or a number"):
        pm.LocalProjectionsDiD("y ~ 1", treatment="d", switching=0)
    with pytest.raises(SpecificationError, match="treatment='column'"):
        pm.LocalProjectionsDiD("y ~ 1", cohort="g", switching="first")
    with pytest.raises(SpecificationError, match="may be treated ones"):
        pm.LocalProjectionsDiD("y ~ 1", treatment="d", switching=2, mean_before=True)
