"""Tests across fits compare what both identify: against dense algebra and the auxiliary test."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from scipy import linalg

import panelml as pm
from panelml.diagnostics.estimable import canonical, directions_of
from panelml.errors import IdentificationError
from panelml.inference.covariance import Clustered
from panelml.results.base import Results
from tests.panels import wage

UNITS, PERIODS = 60, 5
DATED = "y ~ x + tenure + C(t)"


def careers(seed: int, *, missing: float = 0.0, correlated: float = 0.0) -> pd.DataFrame:
    """Tenure grows by one each period: within units it is a combination of period dummies."""
    rng = np.random.default_rng(seed)
    unit, time = np.repeat(np.arange(UNITS), PERIODS), np.tile(np.arange(PERIODS), UNITS)
    mean = rng.normal(size=UNITS)
    frame = pd.DataFrame({"id": unit, "t": time})
    frame["tenure"] = rng.integers(0, 9, UNITS)[unit] + time
    frame["x"] = mean[unit] + rng.normal(size=unit.size)
    frame["z"] = rng.normal(size=unit.size) + rng.normal(size=UNITS)[unit]
    frame["educ"] = rng.integers(8, 17, UNITS)[unit].astype(float)
    effect = correlated * mean + rng.normal(size=UNITS)
    frame["y"] = frame["x"] - 0.5 * frame["z"] + 0.1 * frame["tenure"] + 0.2 * time + effect[unit]
    frame["y"] += rng.normal(size=unit.size)
    return frame[rng.random(unit.size) >= missing].reset_index(drop=True)


def both(formula: str, frame: Any, cov: str = "cluster") -> tuple[Results, Results]:
    panel = frame if isinstance(frame, pm.Panel) else pm.Panel(frame, unit="id", time="t")
    return pm.FixedEffects(formula, cov=cov).fit(panel), pm.RandomEffects(formula, cov=cov).fit(
        panel
    )


# --- against dense algebra --------------------------------------------------------------------


def columns(frame: pd.DataFrame, names: list[str]) -> np.ndarray:
    dummies = {f"C(t)[T.{t}]": (frame["t"] == t) * 1.0 for t in range(1, PERIODS)}
    table = {name: frame[name] for name in ("x", "z", "tenure", "educ")} | dummies
    table["x:z"] = frame["x"] * frame["z"]
    return np.column_stack([table[name] for name in names])


def by_unit(frame: pd.DataFrame, values: np.ndarray) -> np.ndarray:
    means = pd.DataFrame(values).groupby(frame["id"].to_numpy()).transform("mean")
    return np.asarray(means)


def dense_statistic(frame: pd.DataFrame, names: list[str], re: Results) -> tuple[float, int]:
    """Quadratic form of the clustered difference in the functions that both fits identify."""
    x, y = columns(frame, names), frame[["y"]].to_numpy()
    within, y_within = x - by_unit(frame, x), y - by_unit(frame, y)
    rows = frame.groupby("id")["id"].transform("size").to_numpy()
    e2, u2 = re.extras["sigma_e"] ** 2, re.extras["sigma_u"] ** 2
    theta = (1 - np.sqrt(e2 / (e2 + rows * u2)))[:, None]
    full = np.column_stack([x, np.ones(len(x))])
    quasi, y_quasi = full - theta * by_unit(frame, full), y - theta * by_unit(frame, y)
    psi, coef, cross = [], [], []
    for design, outcome in ((within, y_within), (quasi, y_quasi)):
        inverse = linalg.pinv(design.T @ design, rtol=1e-10)
        beta = inverse @ design.T @ outcome[:, 0]
        score = design * (outcome[:, 0] - design @ beta)[:, None]
        psi.append((score @ inverse)[:, : len(names)])
        coef.append(beta[: len(names)])
        cross.append(inverse[: len(names), : len(names)])
    # Row space of the within design: functions of the coefficients that fixed effects identify.
    functions = linalg.orth(within.T, rcond=1e-10).T
    # Those in which the inverse cross-products are the same are equal in every sample.
    gap = functions @ (cross[0] - cross[1]) @ functions.T
    values, vectors = linalg.eigh(gap, functions @ cross[0] @ functions.T)
    functions = vectors[:, np.abs(values) > 1e-8].T @ functions
    sums = pd.DataFrame((psi[0] - psi[1]) @ functions.T).groupby(frame["id"].to_numpy()).sum()
    g = len(sums)
    variance = sums.to_numpy().T @ sums.to_numpy() * g / (g - 1)
    difference = functions @ (coef[0] - coef[1])
    return float(difference @ np.linalg.inv(variance) @ difference), len(functions)


@pytest.mark.parametrize("missing", [0.0, 0.25])
@pytest.mark.parametrize(
    ("formula", "names"),
    [
        (DATED, ["x", "tenure", *(f"C(t)[T.{t}]" for t in range(1, PERIODS))]),
        ("y ~ C(t) + tenure + x", [*(f"C(t)[T.{t}]" for t in range(1, PERIODS)), "tenure", "x"]),
        (
            "y ~ x * z + tenure + C(t) + educ",
            ["x", "z", "tenure", *(f"C(t)[T.{t}]" for t in range(1, PERIODS)), "educ", "x:z"],
        ),
        ("y ~ x + z + educ", ["x", "z", "educ"]),
    ],
)
def test_robust_statistic_by_dense_algebra(formula: str, names: list[str], missing: float) -> None:
    frame = careers(3, missing=missing)
    fe, re = both(formula, frame)
    found = pm.hausman(fe, re)
    statistic, df = dense_statistic(frame, names, re)
    assert found.df == (df,)
    assert found.statistic == pytest.approx(statistic, rel=1e-6)


@pytest.mark.parametrize("missing", [0.0, 0.25])
def test_null_space_leaves_the_fit_as_it_is(missing: float) -> None:
    frame = careers(4, missing=missing)
    fe, re = both(f"{DATED} + educ", frame)
    found = directions_of(fe)
    assert found.lost == {"educ"}
    assert set(found.tied) == {"tenure", *(f"C(t)[T.{t}]" for t in range(1, PERIODS))}
    x = columns(frame, list(found.names))
    within = x - by_unit(frame, x)
    np.testing.assert_allclose(within @ found.null.T, 0.0, atol=1e-9)
    assert directions_of(re).null.shape == (0, len(found.names))


# --- what grows by one each period ------------------------------------------------------------


def test_wage_panel_agrees_with_the_auxiliary_regression() -> None:
    """Experience beside year dummies: chi2(2) = 19.93 by the auxiliary regression."""
    panel = pm.Panel(wage(), unit="nr", time="year")
    fe, re = both("lwage ~ union + married + exper + C(year)", panel)
    auxiliary = pm.hausman(fe, re, method="auxiliary")
    robust = pm.hausman(fe, re)
    assert auxiliary.df == robust.df == (2,)
    assert auxiliary.statistic == pytest.approx(19.928660436, rel=1e-8)
    assert 15 < robust.statistic < 25
    assert robust.null.startswith(
        "Fixed effects and Random effects estimate the same coefficients: union, married and 7 "
        "combinations of exper, C(year)[T.1981]"
    )
    note = next(note for note in robust.notes if "one by one" in note)
    assert "exper, C(year)[T.1981]" in note and "collinear in Fixed effects" in note


@pytest.mark.parametrize("order", ["x + tenure + C(t)", "C(t) + x + tenure", "tenure + C(t) + x"])
@pytest.mark.parametrize("missing", [0.0, 0.2])
def test_the_order_of_terms_does_not_matter(order: str, missing: float) -> None:
    """Which of the collinear columns is dropped follows the order; what is tested does not."""
    frame = careers(5, missing=missing)
    first = pm.hausman(*both(DATED, frame))
    other = pm.hausman(*both(f"y ~ {order}", frame))
    assert other.df == first.df
    assert other.statistic == pytest.approx(first.statistic, rel=1e-6)
    models: list[Any] = [pm.Hybrid, pm.Mundlak]
    for model in models:
        tests = [
            pm.within_between(model(formula).fit(pm.Panel(frame, unit="id", time="t"))).test
            for formula in (DATED, f"y ~ {order}")
        ]
        assert tests[0].df == tests[1].df
        assert tests[0].statistic == pytest.approx(tests[1].statistic, rel=1e-6)


@pytest.mark.parametrize("missing", [0.0, 0.2])
def test_within_between_is_the_clustered_auxiliary_test(missing: float) -> None:
    frame = careers(6, missing=missing)
    panel = pm.Panel(frame, unit="id", time="t")
    fe, re = both(DATED, frame)
    auxiliary = pm.hausman(fe, re, method="auxiliary", cov=Clustered())
    for model in (pm.Hybrid(DATED), pm.Mundlak(DATED)):
        found = pm.within_between(model.fit(panel))
        assert found.names == ("x",)
        assert found.test.df[0] == auxiliary.df[0]
        if not missing:
            wald = found.test.statistic * found.test.df[0]
            assert wald == pytest.approx(auxiliary.statistic, rel=1e-6)


@pytest.mark.parametrize("missing", [0.0, 0.2])
@pytest.mark.parametrize("formula", [DATED, "y ~ C(t) + tenure + x + educ"])
def test_within_parts_are_fixed_effects_whatever_is_collinear(formula: str, missing: float) -> None:
    """Mundlak's tenure was its effect between units where period dummies stood beside it."""
    panel = pm.Panel(careers(7, missing=missing), unit="id", time="t")
    fe = pm.FixedEffects(formula).fit(panel)
    mundlak, hybrid = pm.Mundlak(formula).fit(panel), pm.Hybrid(formula).fit(panel)
    np.testing.assert_allclose(mundlak.params[fe.params.index], fe.params, rtol=1e-7, atol=1e-9)
    names = [f"within({name})" for name in fe.params.index]
    np.testing.assert_allclose(hybrid.params[names], fe.params, rtol=1e-7, atol=1e-9)
    for fit in (mundlak, hybrid):
        assert "cannot be told from" in fit.notes[0] and "tenure" in fit.notes[0]
    assert ("tenure" in mundlak.params) == ("tenure" in fe.params)
    own = fe.params.get("tenure", 0.0)
    between = hybrid.params["between(tenure)"]
    assert mundlak.params["mean(tenure)"] == pytest.approx(between - own, rel=1e-6)
    assert mundlak.rss == pytest.approx(hybrid.rss, rel=1e-8)
    np.testing.assert_allclose(mundlak.fitted(), hybrid.fitted(), rtol=1e-8)


def test_mixed_hybrid_drops_period_dummies_of_balanced_panels() -> None:
    """Their unit means are constant, but for rounding."""
    panel = pm.Panel(careers(8), unit="id", time="t")
    fit = pm.Hybrid(DATED, random="1").fit(panel)
    fe = pm.FixedEffects(DATED).fit(panel)
    names = [f"within({name})" for name in fe.params.index]
    np.testing.assert_allclose(fit.params[names], fe.params, rtol=1e-6)
    assert pm.within_between(fit).names == ("x",)


def test_nothing_that_both_identify_is_refused() -> None:
    frame = careers(9)
    fe = pm.FixedEffects("y ~ tenure + x | id + t").fit(pm.Panel(frame, unit="id", time="t"))
    re = pm.RandomEffects("y ~ tenure + z").fit(pm.Panel(frame, unit="id", time="t"))
    with pytest.raises(IdentificationError, match="no slope in common"):
        pm.hausman(fe, re)
    panel = pm.Panel(frame, unit="id", time="t")
    with pytest.raises(IdentificationError, match=r"cannot be told apart"):
        pm.within_between(pm.Hybrid("y ~ tenure + C(t)").fit(panel))


# --- names ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("x:z", "z:x"),
        ("a:b:c", "c:a:b"),
        ("within(x:z)", "within(z:x)"),
        ("C(t)[T.1]:x", "x:C(t)[T.1]"),
        ("mean(b:C(g)[T.a:b])", "mean(C(g)[T.a:b]:b)"),
    ],
)
def test_interactions_have_one_name(one: str, other: str) -> None:
    assert canonical(one) == canonical(other)
    assert canonical("C(g)[T.b:a]") != canonical("C(g)[T.a:b]")


def test_interactions_are_compared_however_they_are_written() -> None:
    panel = pm.Panel(careers(10), unit="id", time="t")
    fe = pm.FixedEffects("y ~ x * z + tenure").fit(panel)
    expected = pm.hausman(fe, pm.RandomEffects("y ~ x * z + tenure").fit(panel))
    found = pm.hausman(fe, pm.RandomEffects("y ~ tenure + z * x").fit(panel))
    assert found.df == expected.df == (4,)
    assert found.statistic == pytest.approx(expected.statistic, rel=1e-8)
    assert not any("one fit only" in note for note in found.notes)


def test_another_reference_level_is_not_compared() -> None:
    """A lag leaves out the first period, to which the other fit's dummies refer."""
    panel = pm.Panel(careers(11), unit="id", time="t")
    fe = pm.FixedEffects("y ~ x + C(t) + L(z)").fit(panel)
    re = pm.RandomEffects("y ~ x + C(t)").fit(panel)
    found = pm.hausman(fe, re)
    assert found.df == (1,)
    assert found.null.endswith(": x")
    assert any("refer to another level: C(t)[T.2]" in note for note in found.notes)


# --- random designs ---------------------------------------------------------------------------

TERMS = [
    "x",
    "z",
    "tenure",
    "C(t)",
    "educ",
    "x:z",
    "tenure:x",
    "I(tenure**2)",
    "tenure:educ",
    "C(g)",
    "C(g):tenure",
    "trend",
    "age",
]
FRAMES: list[Any] = [
    lambda d: d,
    lambda d: d.convert_dtypes(),
    pl.from_pandas,
    pa.Table.from_pandas,
]


@pytest.mark.parametrize("seed", range(16))
def test_all_forms_of_the_test_agree_on_what_can_be_tested(seed: int) -> None:
    """Degrees of freedom found by three kinds of rank; within parts are fixed effects."""
    rng = np.random.default_rng(seed)
    frame = careers(seed, missing=float(rng.choice([0.0, 0.1, 0.3])))
    frame = frame.assign(
        g=np.array(list("abc"))[frame["id"] % 3],
        trend=frame["t"] * 1.0,
        age=frame["tenure"] + frame["id"] * 7 % 20,
        w=rng.uniform(0.5, 2, len(frame)),
    )
    formula = "y ~ x + " + " + ".join(rng.choice(TERMS[1:], rng.integers(2, 6), replace=False))
    options: Any = {"weights": rng.choice([None, "w"])}
    panel = pm.Panel(FRAMES[seed % 4](frame), unit="id", time="t")
    fe = pm.FixedEffects(formula, **options).fit(panel)
    re = pm.RandomEffects(formula, **options).fit(panel)
    methods: list[Any] = ["robust", "auxiliary", "sigmaless"]
    found = {pm.hausman(fe, re, method=method).df[0] for method in methods}
    models: list[Any] = [pm.Hybrid, pm.Mundlak]
    for model in models:
        fit = model(formula, **options).fit(panel)
        found.add(pm.within_between(fit).test.df[0])
        names = [n if model is pm.Mundlak else f"within({n})" for n in fe.params.index]
        np.testing.assert_allclose(fit.params[names], fe.params, rtol=1e-5, atol=1e-7)
    assert len(found) == 1
