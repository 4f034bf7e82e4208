"""CR2 and CR3 of mixed models against clubSandwich, and where they are refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

import panelml as pm
from panelml.errors import MissingValueError, SpecificationError
from tests.golden import Case, assert_close, load
from tests.mixed_data import MIXED


def frame_of(case: Case) -> pd.DataFrame:
    frame = MIXED[case.data]()
    if case.data == "egsingle":
        frame = frame[frame["schoolid"].isin(sorted(frame["schoolid"].unique())[:25])]
    return frame


@pytest.mark.parametrize("case", [pytest.param(c, id=c.id) for c in load("mixed_leverage")])
def test_errors_and_degrees_are_those_of_clubsandwich(case: Case) -> None:
    spec = case.spec
    fit = pm.MixedModel(spec["formula"], reml=spec["reml"]).fit(frame_of(case))
    cr2, cr3 = (fit.with_cov(f"{kind}:{spec['cluster']}") for kind in ("CR2", "CR3"))
    assert_close(cr2.std_errors, case.value["CR2"], case.tolerance, "CR2")
    assert_close(cr2.df_terms, case.value["df"], case.tolerance, "df")
    assert_close(cr3.std_errors, case.value["CR3"], case.tolerance, "CR3")


def draw(**options: Any) -> pd.DataFrame:
    frame = pm.simulate.panel(30, 6, 2, unbalanced=0.2, seed=3, **options)
    return frame.assign(state=frame["unit"] % 7, w=1 + frame["time"] % 3, half=frame["time"] % 2)


@pytest.mark.parametrize("kind", ["CR2", "CR3"])
def test_weights_equal_the_formula(kind: str) -> None:
    """All matrices written out, with a symmetric root of each cluster's covariance."""
    frame = draw()
    fit = pm.MixedModel("y ~ x1 + (1 + x2 | unit)", weights="w", cov=f"{kind}:state").fit(frame)
    x = np.column_stack([np.ones(len(frame)), frame["x1"]])
    z = np.column_stack([np.ones(len(frame)), frame["x2"]])
    same = frame["unit"].to_numpy()[:, None] == frame["unit"].to_numpy()
    v = same * (z @ fit.random.parts[0].cov @ z.T)
    w = frame["w"].to_numpy() / frame["w"].mean()
    v += np.diag(fit.sigma2 / w)
    inverse = np.linalg.inv(v)
    bread = np.linalg.inv(x.T @ inverse @ x)
    e = frame["y"].to_numpy() - x @ fit.params.to_numpy()
    meat = np.zeros((2, 2))
    for state in range(7):
        at = np.flatnonzero(frame["state"] == state)
        own, left = v[np.ix_(at, at)], v[np.ix_(at, at)] - x[at] @ bread @ x[at].T
        root = power(own, 0.5)
        a = root @ power(root @ left @ root, -0.5) @ root
        if kind == "CR3":
            a = own @ np.linalg.inv(left)
        score = x[at].T @ np.linalg.inv(own) @ a @ e[at]
        meat += np.outer(score, score)
    np.testing.assert_allclose(fit.covariance.matrix, bread @ meat @ bread, rtol=1e-7)


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
    pooled = pm.PooledOLS("y ~ x1").fit(pm.Panel(frame, "unit", "time"))
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
    serial = pm.MixedModel("y ~ x1 + (1 | unit)", residual=pm.residual.AR1("time")).fit(frame)
    with pytest.raises(SpecificationError, match="independent residuals"):
        serial.with_cov("CR2:unit")
    with pytest.raises(SpecificationError, match="Use 'CR2' or"):
        nested.with_cov("HC3")
