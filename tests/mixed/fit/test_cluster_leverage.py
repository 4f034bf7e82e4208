"""CR2 and CR3 of mixed models against clubSandwich, and where they are refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

import panelml as pm
from panelml.errors import MissingValueError, SpecificationError
from tests.golden import Case, assert_close, load
from tests.mixed.mixed_data import MIXED


def frame_of(case: Case) -> pd.DataFrame:
    frame = MIXED[case.data]()
    if case.data == "egsingle":
        frame = frame[frame["schoolid"].isin(sorted(frame["schoolid"].unique())[:25])]
    return frame


@pytest.mark.parametrize("case", [pytest.param(c, id=c.id) for c in load("mixed_leverage")])
def test_errors_and_degrees_are_those_of_clubsandwich(case: Case) -> None:
    spec = case.spec
    residual = None
    if "residual" in spec:
        kind = {"ar1": pm.residual.AR1, "car1": pm.residual.CAR1}.get(spec["residual"])
        own = {"time": spec["time"]} if kind else {}
        residual = (kind or pm.residual.Exchangeable)(group=spec["cluster"], **own)
    fit = pm.MixedModel(spec["formula"], reml=spec["reml"], residual=residual).fit(frame_of(case))
    cr2, cr3 = (fit.with_cov(f"{kind}:{spec['cluster']}") for kind in ("CR2", "CR3"))
    assert_close(cr2.std_errors, case.value["CR2"], case.tolerance, "CR2")
    assert_close(cr2.df_terms, case.value["df"], case.tolerance, "df")
    assert_close(cr3.std_errors, case.value["CR3"], case.tolerance, "CR3")


def draw() -> pd.DataFrame:
    frame = pm.simulate.panel(30, 6, 2, unbalanced=0.2, seed=3)
    return frame.assign(state=frame["unit"] % 7, w=1 + frame["time"] % 3, half=frame["time"] % 2)


def written_out(
    fit: Any,
    frame: pd.DataFrame,
    x: np.ndarray,
    v: np.ndarray,
    kind: str,
    clusters: np.ndarray | None = None,
) -> np.ndarray:
    """All matrices written out, with a symmetric root of each cluster's covariance."""
    inverse = np.linalg.inv(v)
    bread = np.linalg.inv(x.T @ inverse @ x)
    e = frame["y"].to_numpy() - x @ fit.params.to_numpy()
    meat = np.zeros(bread.shape)
    clusters = frame["state"].to_numpy() if clusters is None else clusters
    for cluster in np.unique(clusters):
        at = np.flatnonzero(clusters == cluster)
        own, left = v[np.ix_(at, at)], v[np.ix_(at, at)] - x[at] @ bread @ x[at].T
        root = power(own, 0.5)
        a = root @ power(root @ left @ root, -0.5) @ root
        if kind == "CR3":
            a = own @ np.linalg.inv(left)
        score = x[at].T @ np.linalg.inv(own) @ a @ e[at]
        meat += np.outer(score, score)
    return np.asarray(bread @ meat @ bread)


def random_part(fit: Any, frame: pd.DataFrame, z: np.ndarray) -> np.ndarray:
    same = frame["unit"].to_numpy()[:, None] == frame["unit"].to_numpy()
    return same * (z @ fit.random.parts[0].cov @ z.T)


@pytest.mark.parametrize("kind", ["CR2", "CR3"])
def test_weights_equal_the_formula(kind: str) -> None:
    frame = draw()
    fit = pm.MixedModel("y ~ x1 + (1 + x2 | unit)", weights="w", cov=f"{kind}:state").fit(frame)
    x, z = (np.column_stack([np.ones(len(frame)), frame[name]]) for name in ("x1", "x2"))
    w = frame["w"].to_numpy() / frame["w"].mean()
    v = random_part(fit, frame, z) + np.diag(fit.sigma2 / w)
    np.testing.assert_allclose(
        fit.covariance.matrix, written_out(fit, frame, x, v, kind), rtol=1e-7
    )


@pytest.mark.parametrize("random", [True, False])
@pytest.mark.parametrize("weights", [None, "w"])
@pytest.mark.parametrize("kind", ["CR2", "CR3"])
def test_dependent_residuals_equal_the_formula(
    kind: str, weights: str | None, random: bool
) -> None:
    """Serial correlation and a variance for each half, with rows in any order."""
    frame = draw().sample(frac=1, random_state=4).reset_index(drop=True)
    residual = pm.residual.AR1("time", variance_by="half", group=None if random else "unit")
    formula = "y ~ x1 + (1 + x2 | unit)" if random else "y ~ x1"
    fit = pm.MixedModel(formula, weights=weights, residual=residual).fit(frame)
    found = fit.residual_structure().set_index(["parameter", "group"])["estimate"]
    deviation = found["sd"].loc[frame["half"].astype(str)].to_numpy()
    time, unit = frame["time"].to_numpy(), frame["unit"].to_numpy()
    apart = np.abs(time[:, None] - time)
    v = np.where(unit[:, None] == unit, float(found["corr"].iloc[0]) ** apart, 0.0)
    w = frame["w"].to_numpy() / frame["w"].mean() if weights else np.ones(len(frame))
    deviation = deviation / np.sqrt(w)
    v *= deviation[:, None] * deviation
    x, z = (np.column_stack([np.ones(len(frame)), frame[name]]) for name in ("x1", "x2"))
    if random:
        v += random_part(fit, frame, z)
    robust = fit.with_cov(f"{kind}:state")
    np.testing.assert_allclose(
        robust.covariance.matrix, written_out(fit, frame, x, v, kind), rtol=1e-7
    )
    if kind == "CR2":
        assert (robust.df_terms < 7).all()


def power(matrix: np.ndarray, exponent: float) -> np.ndarray:
    values, vectors = np.linalg.eigh(matrix)
    return np.asarray((vectors * values**exponent) @ vectors.T)


@pytest.mark.parametrize("kind", ["CR2", "CR3"])
def test_without_random_variance_they_are_those_of_least_squares(kind: str) -> None:
    frame = draw()
    frame["y"] -= frame.groupby("unit")["y"].transform("mean")
    frame["y"] += np.arange(len(frame)) % 3
    mixed = pm.MixedModel("y ~ x1 + (1 | unit)").fit(frame)
    assert mixed.random.parts[0].cov[0, 0] == 0
    pooled = pm.PooledOLS("y ~ x1").fit(pm.Panel(frame, unit="unit", time="time"))
    for cov in (f"{kind}:unit", f"{kind}:state"):
        np.testing.assert_allclose(
            mixed.with_cov(cov).std_errors, pooled.with_cov(cov).std_errors, rtol=1e-8
        )


def test_row_order_and_many_rows_per_cluster_change_nothing() -> None:
    """Clusters of more rows than columns take the short way, which weights of one bar."""
    frame = draw()
    spec = pm.MixedModel("y ~ x1 + (1 + x2 | unit)", cov="CR2:state")
    short, shuffled = spec.fit(frame), spec.fit(frame.sample(frac=1, random_state=2))
    np.testing.assert_allclose(short.std_errors, shuffled.std_errors, rtol=1e-8)
    np.testing.assert_allclose(short.df_terms, shuffled.df_terms, rtol=1e-8)
    contrast = short.wald_test("x1 = 0")
    assert contrast.df[1] == pytest.approx(short.df_terms["x1"])


def test_what_has_no_matrix_of_clusters_is_refused() -> None:
    frame = draw()
    fit = pm.MixedModel("y ~ x1 + (1 | unit) + (1 | half)").fit(frame)
    with pytest.raises(SpecificationError, match="'half' cut across those of 'unit'"):
        fit.with_cov("CR2:unit")
    nested = pm.MixedModel("y ~ x1 + (1 | unit)").fit(frame)
    with pytest.raises(SpecificationError, match="'unit' cut across those of 'half'"):
        nested.with_cov("CR3:half")
    holes = frame.assign(state=frame["state"].where(frame["unit"] != 3))
    with pytest.raises(MissingValueError, match="'state' is missing in"):
        pm.MixedModel("y ~ x1 + (1 | unit)").fit(holes).with_cov("CR2:state")
    serial = pm.residual.AR1("time", group="unit")
    with pytest.raises(SpecificationError, match="'unit' cut across those of 'half'"):
        pm.MixedModel("y ~ x1", residual=serial).fit(frame).with_cov("CR2:half")
    with pytest.raises(SpecificationError, match="Use 'CR2' or"):
        nested.with_cov("HC3")
