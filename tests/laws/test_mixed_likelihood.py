"""Mixed models against the normal likelihood with the covariance of all rows written out."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import panelml as pm
from panelml.mixed.results.mixed_results import MixedResults
from tests.laws.mixed_problems import TERMS, Dense, components, frames

both = pytest.mark.parametrize("reml", [True, False])
every = pytest.mark.parametrize("terms", TERMS)
weighted = pytest.mark.parametrize("weights", [None, "w"])


def fit(frame: pd.DataFrame, terms: str, reml: bool, weights: str | None = None) -> MixedResults:
    return pm.MixedModel(f"y ~ t + x + {terms}", reml=reml, weights=weights).fit(frame)


@every
@both
@weighted
@settings(max_examples=4)
@given(frame=frames())
def test_estimates_are_those_of_generalised_least_squares(
    frame: pd.DataFrame, terms: str, reml: bool, weights: str | None
) -> None:
    result = fit(frame, terms, reml, weights)
    dense = Dense.of(frame, terms, weights)
    v = dense.covariance(result.sigma2, components(result))
    coef, cov = dense.gls(v)
    np.testing.assert_allclose(result.params, coef, rtol=1e-7, atol=1e-9)
    np.testing.assert_allclose(result.cov, cov, rtol=1e-7, atol=1e-10)
    assert result.loglik == pytest.approx(dense.loglik(v, reml=reml), abs=1e-7)
    residual = np.linalg.solve(v, dense.y - dense.x @ coef)
    for name, labels, levels, z in dense.parts:
        expected = np.einsum("ab,jnb,n->ja", components(result)[name], z, residual)
        found = result.random_effects()[name]
        found = found.set_axis(found.index.astype(str)).loc[levels, list(labels)]
        np.testing.assert_allclose(found, expected, atol=1e-7)


@every
@both
@settings(max_examples=3)
@given(frame=frames(), seed=st.integers(0, 2**32 - 1))
def test_no_other_variances_are_likelier(
    frame: pd.DataFrame, terms: str, reml: bool, seed: int
) -> None:
    result = fit(frame, terms, reml)
    dense, rng = Dense.of(frame, terms), np.random.default_rng(seed)
    for size in (1e-3, 1e-2, 0.1, 0.5):
        others = {}
        for part in result.random.parts:
            q, scale = len(part.labels), np.sqrt(result.sigma2)
            root = np.linalg.cholesky(part.cov + 1e-14 * result.sigma2 * np.eye(q))
            moved = root + size * scale * rng.normal(size=(q, q))
            cov = moved @ moved.T
            others[part.name] = np.where(part.structure, cov, 0.0)
        sigma2 = result.sigma2 * np.exp(size * rng.normal())
        assert dense.loglik(dense.covariance(sigma2, others), reml=reml) <= result.loglik + 1e-7


def test_weights_enter_the_constant_as_in_lme4() -> None:
    frame = pd.DataFrame({"a": [0, 0, 1, 1, 2, 2], "y": [1.0, 2.0, 4.0, 3.5, 0.0, 1.5]})
    frame["w"] = [1.0, 2.0, 1.0, 4.0, 2.0, 2.0]
    plain = pm.MixedModel("y ~ 1 + (1 | a)", weights="w", reml=False).fit(frame)
    v = plain.sigma2 * np.diag(2.0 / frame["w"])
    same = frame["a"].to_numpy()[:, None] == frame["a"].to_numpy()
    v += plain.random.parts[0].cov[0, 0] * same
    residual = frame["y"].to_numpy() - plain.params.iloc[0]
    value = 6 * np.log(2 * np.pi) + np.linalg.slogdet(v)[1]
    value += residual @ np.linalg.solve(v, residual)
    assert plain.loglik == pytest.approx(-value / 2, abs=1e-10)
