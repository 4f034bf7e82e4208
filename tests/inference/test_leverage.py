"""CR2, CR3, HC2 and HC3 with all matrices written out, and where they are refused."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import panelml as pm
from panelml.errors import IdentificationError, SpecificationError


def draw() -> pd.DataFrame:
    frame = pm.simulate.panel(24, 6, 2, unbalanced=0.2, seed=3)
    rng = np.random.default_rng(1)
    return frame.assign(w=rng.uniform(0.5, 2, len(frame)), state=frame["unit"] % 7)


def power(matrix: np.ndarray, exponent: float) -> np.ndarray:
    values, vectors = np.linalg.eigh(matrix)
    return (vectors * values**exponent) @ vectors.T


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("kind", ["CR2", "CR3"])
def test_clusters_equal_the_formula(kind: str, weighted: bool) -> None:
    frame = draw()
    w = frame["w"].to_numpy() if weighted else np.ones(len(frame))
    x = np.column_stack([np.ones(len(frame)), frame[["x1", "x2"]]]) * np.sqrt(w)[:, None]
    y = frame["y"].to_numpy() * np.sqrt(w)
    inverse = np.linalg.inv(x.T @ x)
    residual = y - x @ inverse @ x.T @ y
    hat = np.eye(len(y)) - x @ inverse @ x.T
    states = frame["state"].to_numpy()
    meat, adjusted = np.zeros((3, 3)), []
    for g in range(7):
        at = states == g
        a = power(hat[np.ix_(at, at)], -0.5 if kind == "CR2" else -1.0)
        score = x[at].T @ a @ residual[at]
        meat += np.outer(score, score)
        lift = np.zeros((len(y), 3))
        lift[at] = a @ x[at] @ inverse
        adjusted.append(lift)
    found = pm.PooledOLS(
        "y ~ x1 + x2",
        cov=pm.cov.Clustered("state", small_sample=kind),
        weights="w" if weighted else None,
    ).fit(pm.Panel(frame, unit="unit", time="time"))
    np.testing.assert_allclose(found.covariance.matrix, inverse @ meat @ inverse, rtol=1e-9)
    if kind == "CR2":
        for j in range(3):
            columns = np.stack([lift[:, j] for lift in adjusted], axis=1)
            products = columns.T @ hat @ columns
            df = np.trace(products) ** 2 / np.trace(products @ products)
            assert found.df_terms.iloc[j] == pytest.approx(df, rel=1e-9)
    short = pm.PooledOLS("y ~ x1 + x2", cov=f"{kind}:state", weights="w" if weighted else None)
    again = short.fit(pm.Panel(frame, unit="unit", time="time"))
    pd.testing.assert_series_equal(found.std_errors, again.std_errors)


def test_a_regressor_of_one_cluster_alone_has_no_say() -> None:
    frame = draw().assign(only=lambda d: (d["state"] == 3) * d["x1"])
    found = pm.PooledOLS("y ~ x2 + only", cov="CR2:state").fit(
        pm.Panel(frame, unit="unit", time="time")
    )
    assert np.isfinite(found.std_errors["x2"])


def test_what_has_no_leverage_is_refused() -> None:
    panel = pm.Panel(draw(), unit="unit", time="time")
    two_way = pm.FixedEffects("y ~ x1 | unit + time").fit(panel)
    with pytest.raises(SpecificationError, match=r"effects .time. that cut across"):
        two_way.with_cov("CR2")
    with pytest.raises(SpecificationError, match="least squares and mixed models"):
        pm.RandomEffects("y ~ x1").fit(panel).with_cov("CR2")
    with pytest.raises(SpecificationError, match="one dimension"):
        two_way.with_cov("CR3:unit+time")
    with pytest.raises(IdentificationError, match="at least two clusters"):
        pm.PooledOLS("y ~ x1", cov="CR2:one").fit(
            pm.Panel(draw().assign(one=1), unit="unit", time="time")
        )
