"""Joint tests with estimated degrees of freedom: clubSandwich's HTZ, and what must not matter."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pytest

import panelml as pm
from tests.golden import Case, assert_close, load
from tests.mixed.mixed_data import MIXED
from tests.panels import PANELS, grunfeld10


@cache
def fitted(estimator: str, data: str, formula: str, reml: bool) -> Any:
    if estimator == "MixedModel":
        return pm.MixedModel(formula, reml=reml).fit(MIXED[data]())
    frame, unit, time = PANELS[data]
    return getattr(pm, estimator)(formula).fit(pm.Panel(frame(), unit=unit, time=time))


@pytest.mark.parametrize("written", ["one by one", "mixed"])
@pytest.mark.parametrize("case", [pytest.param(c, id=c.id) for c in load("hotelling")])
def test_joint_tests_are_those_of_clubsandwich(case: Case, written: str) -> None:
    spec, value = case.spec, case.value
    fit = fitted(spec["estimator"], case.data, spec["formula"], spec.get("reml", True))
    fit = fit.with_cov(f"CR2:{spec['cluster']}")
    rows = np.eye(len(fit.params))[[list(fit.params.index).index(n) for n in spec["tested"]]]
    if written == "mixed":
        rows = np.random.default_rng(1).normal(size=(len(rows), len(rows))) @ rows
    found = fit.wald_test(rows)
    assert_close(found.statistic, value["statistic"], case.tolerance, "statistic")
    assert_close(list(found.df), value["df"], case.tolerance, "df")
    assert found.pvalue == pytest.approx(value["pvalue"], rel=1e-5)


@pytest.mark.parametrize("weights", [None, "w"])
def test_degrees_of_freedom_by_brute_force(weights: str | None) -> None:
    """q (q + 1) over the total variance of the covariance, standardised, for normal errors."""
    frame = pm.simulate.panel(24, 6, 3, unbalanced=0.2, seed=3)
    rng = np.random.default_rng(1)
    frame = frame.assign(w=rng.uniform(0.5, 2, len(frame)), state=frame["unit"] % 9)
    root = np.sqrt(frame["w"].to_numpy() if weights else np.ones(len(frame)))
    x = np.column_stack([np.ones(len(frame)), frame[["x1", "x2", "x3"]]]) * root[:, None]
    bread = np.linalg.inv(x.T @ x)
    left = np.eye(len(x)) - x @ bread @ x.T
    contrast = rng.normal(size=(3, 4))
    parts = []
    for state in range(9):
        at = (frame["state"] == state).to_numpy()
        values, vectors = np.linalg.eigh(left[np.ix_(at, at)])
        adjusted = (vectors / np.sqrt(values)) @ vectors.T
        parts.append(contrast @ bread @ x[at].T @ adjusted @ left[at])
    omega = sum(part @ part.T for part in parts)
    inverse = np.linalg.inv(np.linalg.cholesky(omega))
    parts = [inverse @ part for part in parts]
    total = sum(np.trace(a @ b.T) ** 2 + np.trace(a @ b.T @ a @ b.T) for a in parts for b in parts)
    fit = pm.PooledOLS("y ~ x1 + x2 + x3", cov="CR2:state", weights=weights).fit(
        pm.Panel(frame, unit="unit", time="time")
    )
    found = fit.wald_test(contrast)
    assert found.df[1] == pytest.approx(12 / total - 2, rel=1e-8)
    gap = contrast @ fit.params.to_numpy()
    wald = gap @ np.linalg.solve(contrast @ fit.covariance.matrix @ contrast.T, gap)
    assert found.statistic == pytest.approx(wald * (12 / total - 2) / (12 / total * 3), rel=1e-8)


COVARIANCES = ("iid", "satterthwaite", "kenward-roger", "cluster:id", "CR2:id", "CR3:id")


@pytest.mark.parametrize("cov", COVARIANCES)
def test_the_writing_of_a_hypothesis_does_not_matter_in_mixed_models(cov: str) -> None:
    fit = fitted("MixedModel", "growth", "y ~ t * z + (1 + t | id)", True).with_cov(cov)
    one = fit.wald_test("t = 0.1; z = 0.2; t:z = 0")
    other = fit.wald_test("t + 5*z = 1.1; t - z = -0.1; 1000*(t:z) = z - 0.2")
    assert other.statistic == pytest.approx(one.statistic, rel=1e-8)
    assert other.df == pytest.approx(one.df, rel=1e-8)
    assert other.pvalue == pytest.approx(one.pvalue, rel=1e-7)


def test_one_restriction_has_the_degrees_of_freedom_of_satterthwaite() -> None:
    fit = fitted("MixedModel", "growth", "y ~ t * z + (1 + t | id)", True)
    for cov in ("satterthwaite", "CR2:id"):
        robust = fit.with_cov(cov)
        for name in ("t", "t:z"):
            found = robust.wald_test(f"2 * {name} = 0")
            assert found.df[1] == pytest.approx(robust.df_terms[name], rel=1e-10)
            assert found.statistic == pytest.approx(robust.tstats[name] ** 2, rel=1e-10)


def test_too_few_clusters_for_a_joint_test_are_said() -> None:
    frame = grunfeld10().assign(group=lambda d: d["firm"] % 4)
    fit = pm.PooledOLS("inv ~ value + capital + year", cov="CR2:group").fit(
        pm.Panel(frame, unit="firm", time="year")
    )
    assert fit.wald_test("value; capital").df[1] > 0
    found = fit.wald_test("value; capital; year")
    assert np.isnan(found.statistic)
    assert np.isnan(found.pvalue)
    assert "too few degrees of freedom for a joint test of 3 restrictions" in found.notes[0]
    assert "Test fewer" in str(fit.summary())


@pytest.mark.parametrize("cov", ["cluster", "CR2"])
@pytest.mark.parametrize("scale", [1e-7, 1e7])
def test_units_of_measurement_do_not_make_restrictions_look_singular(
    cov: str, scale: float
) -> None:
    rng = np.random.default_rng(4)
    frame = pd.DataFrame({"unit": np.repeat(np.arange(20), 5), "time": np.tile(np.arange(5), 20)})
    frame["x"], frame["z"], frame["y"] = rng.normal(size=(3, len(frame)))
    wanted = pm.FixedEffects("y ~ x + z", cov=cov).fit(pm.Panel(frame, unit="unit", time="time"))
    moved = frame.assign(x=frame["x"] * scale)
    found = pm.FixedEffects("y ~ x + z", cov=cov).fit(pm.Panel(moved, unit="unit", time="time"))
    expected = wanted.wald_test("x; z").pvalue
    for hypothesis in ("x; z", "z; 2*z + x", "x; 2*z + x"):
        assert found.wald_test(hypothesis).pvalue == pytest.approx(expected, rel=1e-7)
