"""The same numbers by another road: estimators against brute force and against each other."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import multivariate_normal

import panelml as pm
from panelml.results.base import Results
from tests.contract.estimators import METHODS
from tests.laws.panels import dummies, frames, least_squares

SIZES: dict[str, Any] = {"units": (9, 14), "periods": (4, 7)}
WEIGHTS = st.sampled_from([None, "w"])


def arrays(frame: pd.DataFrame, *names: str) -> tuple[np.ndarray, np.ndarray]:
    """Outcome, and regressors with a constant."""
    x = frame[list(names)].to_numpy(float)
    return frame["y"].to_numpy(), np.column_stack([np.ones(len(x)), x])


def scaled(frame: pd.DataFrame, weights: str | None) -> np.ndarray:
    """Analytic weights with mean one."""
    if weights is None:
        return np.ones(len(frame))
    return (frame[weights] / frame[weights].mean()).to_numpy(float)


def unit_means(frame: pd.DataFrame, names: list[str], w: np.ndarray) -> pd.DataFrame:
    """Weighted means of each unit, in the order of units."""
    weighted = frame[names].mul(w, axis=0).groupby(frame["unit"]).sum()
    return weighted.div(pd.Series(w).groupby(frame["unit"]).sum(), axis=0)


@settings(max_examples=20)
@given(frame=frames(**SIZES), weights=WEIGHTS)
def test_pooled_regression_is_least_squares(frame: pd.DataFrame, weights: str | None) -> None:
    y, x = arrays(frame, "x1", "x2")
    brute = least_squares(y, x, weights=scaled(frame, weights))
    found = pm.PooledOLS("y ~ x1 + x2", cov="iid", weights=weights).fit(panel(frame))
    assert_least_squares(found, brute.coef, brute.cov, brute.rss)


@settings(max_examples=20)
@given(frame=frames(**SIZES), weights=WEIGHTS, weighted=st.booleans())
def test_between_regression_is_least_squares_of_means(
    frame: pd.DataFrame, weights: str | None, weighted: bool
) -> None:
    w = scaled(frame, weights)
    means = unit_means(frame, ["y", "x1", "x2"], w)
    total = pd.Series(w).groupby(frame["unit"]).sum().to_numpy()
    y, x = arrays(means, "x1", "x2")
    brute = least_squares(y, x, weights=total / total.mean() if weighted else None)
    spec = pm.Between("y ~ x1 + x2", cov="iid", weights=weights, weighted=weighted)
    assert_least_squares(spec.fit(panel(frame)), brute.coef, brute.cov, brute.rss)


@settings(max_examples=20)
@given(frame=frames(**SIZES), weights=WEIGHTS, drift=st.booleans())
def test_first_differences_by_hand(frame: pd.DataFrame, weights: str | None, drift: bool) -> None:
    """Change over one period, where both are observed: a self-join, not a shift of rows."""
    earlier = frame.assign(time=frame["time"] + 1)
    both = frame.merge(earlier, on=["unit", "time"], suffixes=("", "_before"))
    dy, dx1, dx2 = (both[name] - both[f"{name}_before"] for name in ("y", "x1", "x2"))
    x = np.column_stack([*([np.ones(len(both))] if drift else []), dx1, dx2])
    w = None if weights is None else 2 / (1 / both["w"] + 1 / both["w_before"]) / frame["w"].mean()
    brute = least_squares(dy.to_numpy(), x, weights=w)
    found = pm.FirstDifference("y ~ x1 + x2", cov="iid", drift=drift, weights=weights).fit(
        panel(frame)
    )
    assert found.nobs == len(both)
    assert_least_squares(found, brute.coef, brute.cov, brute.rss)


@settings(max_examples=20)
@given(frame=frames(units=(9, 14), periods=(2, 2)))
def test_with_two_periods_differences_are_fixed_effects(frame: pd.DataFrame) -> None:
    """With a drift, of both effects."""
    for drift, effects in ((False, "unit"), (True, "unit + time")):
        change = pm.FirstDifference("y ~ x1 + x2", drift=drift, cov="iid").fit(panel(frame))
        fixed = pm.FixedEffects(f"y ~ x1 + x2 | {effects}", cov="iid").fit(panel(frame))
        slopes = ["x1", "x2"]
        assert change.params[slopes].to_numpy() == pytest.approx(fixed.params.to_numpy(), rel=1e-9)
        assert change.std_errors[slopes].to_numpy() == pytest.approx(
            fixed.std_errors.to_numpy(), rel=1e-9
        )


def dense_covariance(frame: pd.DataFrame, result: Results, w: np.ndarray) -> np.ndarray:
    """Covariance of the errors at the estimated variances, written out."""
    d = dummies(frame["unit"])
    sigma_u, sigma_e = result.extras["sigma_u"], result.extras["sigma_e"]
    return sigma_u**2 * d @ d.T + sigma_e**2 * np.diag(1 / w)


@pytest.mark.parametrize("method", METHODS)
@settings(max_examples=10)
@given(frame=frames(**SIZES), weights=WEIGHTS)
def test_random_effects_are_generalised_least_squares(
    method: Any, frame: pd.DataFrame, weights: str | None
) -> None:
    w = scaled(frame, weights)
    found = pm.RandomEffects("y ~ x1 + x2 + z", method=method, cov="iid", weights=weights).fit(
        panel(frame)
    )
    v = dense_covariance(frame, found, w)
    root = np.linalg.cholesky(np.linalg.inv(v))
    y, raw = arrays(frame, "x1", "x2", "z")
    y, x = root.T @ y, root.T @ raw
    brute = least_squares(y, x)
    assert found.params.to_numpy() == pytest.approx(brute.coef, rel=1e-8, abs=1e-9)
    bread = np.linalg.inv(x.T @ x)
    if method not in ("ml", "reml"):
        bread *= brute.rss / found.counts.df_resid
    assert_cov(found, bread)
    scores = (np.linalg.inv(v) @ (frame["y"] - raw @ brute.coef).to_numpy())[:, None] * raw
    sums = dummies(frame["unit"]).T @ scores @ np.linalg.inv(x.T @ x)
    assert_cov(found.with_cov(pm.cov.Clustered(small_sample="none")), sums.T @ sums)


@settings(max_examples=10)
@given(frame=frames(**SIZES), weights=WEIGHTS, restricted=st.booleans())
def test_the_likelihood_is_that_of_the_dense_normal_and_is_largest(
    frame: pd.DataFrame, weights: str | None, restricted: bool
) -> None:
    w = scaled(frame, weights)
    found = pm.RandomEffects(
        "y ~ x1 + z", method="reml" if restricted else "ml", weights=weights
    ).fit(panel(frame))
    y, x = arrays(frame, "x1", "z")
    d = dummies(frame["unit"])

    def loglik(sigma2_u: float, sigma2_e: float) -> float:
        v = sigma2_u * d @ d.T + sigma2_e * np.diag(1 / w)
        inverse = np.linalg.inv(v)
        gram = x.T @ inverse @ x
        coef = np.linalg.solve(gram, x.T @ inverse @ y)
        value = float(multivariate_normal.logpdf(y, x @ coef, v))
        if restricted:
            value += x.shape[1] / 2 * np.log(2 * np.pi) - np.linalg.slogdet(gram)[1] / 2
        return value

    u, e = found.extras["sigma_u"] ** 2, found.extras["sigma_e"] ** 2
    best = loglik(u, e)
    assert found.loglik == pytest.approx(best, rel=1e-9)
    step = 1e-3 * e
    others = [(u + step, e), (max(u - step, 0.0), e), (u, e * 1.001), (u, e * 0.999)]
    assert all(loglik(*other) <= best + 1e-10 for other in others)


@pytest.mark.parametrize("spec", [pm.Mundlak, pm.Hybrid], ids=lambda spec: spec.__name__)
@pytest.mark.parametrize("method", METHODS)
@settings(max_examples=6)
@given(frame=frames(**SIZES), weights=WEIGHTS)
def test_the_within_part_is_fixed_effects(
    method: Any, spec: Any, frame: pd.DataFrame, weights: str | None
) -> None:
    fixed = pm.FixedEffects("y ~ x1 + x2", weights=weights).fit(panel(frame))
    found = spec("y ~ x1 + x2 + z", method=method, weights=weights).fit(panel(frame))
    name = "within({})" if spec is pm.Hybrid else "{}"
    for x in ("x1", "x2"):
        assert found.params[name.format(x)] == pytest.approx(fixed.params[x], rel=1e-9, abs=1e-11)
    assert "z" in found.params and "between(z)" not in found.params


@settings(max_examples=10)
@given(frame=frames(**SIZES), method=st.sampled_from(METHODS))
def test_mundlak_and_hybrid_are_one_model(frame: pd.DataFrame, method: Any) -> None:
    """The mean's coefficient is the difference between the effects between and within."""
    mundlak = pm.Mundlak("y ~ x1 + x2 + z", method=method).fit(panel(frame))
    hybrid = pm.Hybrid("y ~ x1 + x2 + z", method=method).fit(panel(frame))
    assert mundlak.rss == pytest.approx(hybrid.rss, rel=1e-8)
    for x in ("x1", "x2"):
        gap = hybrid.params[f"between({x})"] - hybrid.params[f"within({x})"]
        assert mundlak.params[f"mean({x})"] == pytest.approx(gap, rel=1e-6, abs=1e-8)
        ours = mundlak.wald_test(f"mean({x}) = 0")
        theirs = hybrid.wald_test(f"between({x}) = within({x})")
        assert ours.statistic == pytest.approx(theirs.statistic, rel=1e-6, abs=1e-10)


@settings(max_examples=10)
@given(frame=frames(**SIZES), weights=WEIGHTS)
def test_swamy_and_arora_from_the_two_regressions(frame: pd.DataFrame, weights: str | None) -> None:
    w = scaled(frame, weights)
    fixed = pm.FixedEffects("y ~ x1 + x2", weights=weights).fit(panel(frame))
    between = pm.Between("y ~ x1 + x2", weights=weights).fit(panel(frame))
    found = pm.RandomEffects("y ~ x1 + x2", weights=weights).fit(panel(frame))
    sigma2_e = fixed.rss / fixed.counts.df_resid
    total = pd.Series(w).groupby(frame["unit"]).sum()
    sigma2_u = between.rss / between.counts.df_resid - sigma2_e * (1 / total).mean()
    assert found.extras["sigma_e"] ** 2 == pytest.approx(sigma2_e, rel=1e-9)
    assert found.extras["sigma_u"] ** 2 == pytest.approx(max(sigma2_u, 0.0), rel=1e-8, abs=1e-10)
    assert (sigma2_u < 0) == any("set to zero" in note for note in found.notes)


@settings(max_examples=10)
@given(frame=frames(**SIZES), seed=st.integers(0, 99))
def test_without_unit_effects_random_effects_are_pooled(frame: pd.DataFrame, seed: int) -> None:
    """Outcomes that alternate within units leave no variance between them."""
    rng = np.random.default_rng(seed)
    y = rng.normal(size=len(frame))
    y -= pd.Series(y).groupby(frame["unit"]).transform("mean")
    frame = frame.assign(y=y)
    for method in METHODS:
        found = pm.RandomEffects("y ~ x1", method=method, cov="iid").fit(panel(frame))
        if found.extras["sigma_u"] == 0:
            pooled = pm.PooledOLS("y ~ x1", cov="iid").fit(panel(frame))
            assert found.params.to_numpy() == pytest.approx(pooled.params.to_numpy(), rel=1e-9)
            assert any("zero" in note for note in found.notes)
    assert pm.RandomEffects("y ~ x1").fit(panel(frame)).extras["sigma_u"] == 0


@settings(max_examples=10)
@given(frame=frames(**SIZES), weights=WEIGHTS)
def test_predicted_random_effects_are_their_conditional_means(
    frame: pd.DataFrame, weights: str | None
) -> None:
    w = scaled(frame, weights)
    found = pm.RandomEffects("y ~ x1", method="nerlove", weights=weights).fit(panel(frame))
    v = dense_covariance(frame, found, w)
    y, x = arrays(frame, "x1")
    error = y - x @ found.params.to_numpy()
    expected = found.extras["sigma_u"] ** 2 * dummies(frame["unit"]).T @ np.linalg.solve(v, error)
    (table,) = found.effects().values()
    assert table["effect"].to_numpy() == pytest.approx(expected, rel=1e-8, abs=1e-10)


def panel(frame: pd.DataFrame) -> pm.Panel:
    return pm.Panel(frame, unit="unit", time="time")


def assert_least_squares(found: Results, coef: np.ndarray, cov: np.ndarray, rss: float) -> None:
    assert found.params.to_numpy() == pytest.approx(coef, rel=1e-9, abs=1e-10)
    assert found.rss == pytest.approx(rss, rel=1e-9)
    assert_cov(found, cov)


def assert_cov(found: Results, expected: np.ndarray) -> None:
    length = np.sqrt(np.diag(expected))
    assert found.cov.to_numpy() / np.outer(length, length) == pytest.approx(
        expected / np.outer(length, length), rel=1e-8, abs=1e-9
    )
