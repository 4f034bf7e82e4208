"""Outcomes drawn from models with dependent residuals, refits to them, and intervals."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

import panelml as pm
from panelml.engine.fold import fold
from panelml.errors import SpecificationError
from panelml.mixed.results.mixed_results import MixedResults
from panelml.mixed.results.refitting import any_refitter
from tests.mixed.mixed_data import serial

CASES: dict[str, tuple[str, Any]] = {
    "ar1": ("y ~ x + t + (1 | id)", pm.residual.AR1("t")),
    "by": ("y ~ x + t + (1 | id)", pm.residual.AR1("t", by="g")),
    "car1": ("y ~ x + t", pm.residual.CAR1("age", group="id")),
    "toeplitz": ("y ~ x + t", pm.residual.Toeplitz(2, "t", group="id")),
    "ma1": ("y ~ x + t + (1 | id)", pm.residual.MA1("t", variance_by="g")),
    "exchangeable": ("y ~ x + t", pm.residual.Exchangeable(group="id")),
    "heteroskedastic": ("y ~ x + (1 + t | id)", pm.residual.Heteroskedastic("g")),
    "covariates": ("y ~ x + (1 | id)", pm.residual.Heteroskedastic(covariates="x")),
}


def fit(name: str, frame: pd.DataFrame | None = None, **options: Any) -> MixedResults:
    formula, residual = CASES[name]
    data = serial() if frame is None else frame
    return pm.MixedModel(formula, residual=residual, **options).fit(data)


@pytest.mark.parametrize("name", CASES)
def test_draws_have_the_covariance_of_the_model(name: str) -> None:
    """Whitened, less the fixed part, they are independent with the residual variance."""
    found = fit(name)
    refitter = any_refitter(found.refits)
    rows = refitter.rows
    drawn = found.simulate(1, seed=3)["y0"]
    pd.testing.assert_series_equal(drawn, found.simulate(4, seed=3)["y0"])
    noise = np.random.default_rng([3, 0]).standard_normal(len(drawn)) * np.sqrt(found.sigma2)
    panel = found.panel
    working = rows.to_working(panel.index.sort(drawn.to_numpy()).astype(float))
    left = working - found.random.coefficients.columns.to_working(found.params.to_numpy()) @ rows.x
    at = found.random.coefficients.prediction.basis.whitening
    assert at is not None
    patterns = fold(found._sample, at.facts.of)
    if not found.random.parts:
        white = at.whiten(left[None], rows.starts, patterns)[0]
        np.testing.assert_allclose(white, noise, atol=1e-9)
    back = at.colour(at.whiten(left[None], rows.starts, patterns), rows.starts, patterns)
    np.testing.assert_allclose(back[0], left, atol=1e-10)


def test_many_draws_have_its_variance_and_correlation() -> None:
    found = fit("ar1")
    frame = serial()
    drawn = found.simulate(3000, seed=1).to_numpy() - found.predict(frame).to_numpy()[:, None]
    own = (frame["id"] == frame["id"].iloc[0]).to_numpy()
    sample = np.cov(drawn[own])
    rho = found.residual_structure().set_index("parameter")["estimate"]["corr"]
    t = frame["t"].to_numpy()[own]
    expected = found.random.parts[0].cov[0, 0] + found.sigma2 * rho ** np.abs(t[:, None] - t)
    error = np.sqrt((expected**2 + np.outer(np.diag(expected), np.diag(expected))) / 3000)
    assert (np.abs(sample - expected) < 4.5 * error).all()


@pytest.mark.parametrize("reml", [True, False])
@pytest.mark.parametrize("name", CASES)
def test_refits_are_fits_to_the_drawn_outcome(name: str, reml: bool) -> None:
    found = fit(name, reml=reml)
    frame = serial()
    refitter = any_refitter(found.refits)
    drawn = found.simulate(1, seed=5)["y0"]
    expected = fit(name, frame.assign(y=drawn.to_numpy()), reml=reml)
    refit = refitter.fit(found.panel.index.sort(drawn.to_numpy()).astype(float))
    assert refit.loglik == pytest.approx(expected.loglik, abs=1e-7)
    np.testing.assert_allclose(refit.params, expected.params, rtol=1e-5)
    boot = found.bootstrap(2, seed=5)
    extras = {name: value for name, value in expected.extras.items() if name in boot.draws}
    assert extras
    for key, value in extras.items():
        assert boot.draws[key].iloc[0] == pytest.approx(value, rel=1e-4)
        assert boot.estimate[key] == pytest.approx(found.extras[key], rel=1e-9)


def test_spread_of_the_bootstrap_is_near_the_standard_errors() -> None:
    found = fit("ar1")
    boot = found.bootstrap(150, seed=1)
    table = found.residual_structure().set_index("parameter")
    assert boot.std_errors["x"] == pytest.approx(found.std_errors["x"], rel=0.2)
    assert boot.std_errors["corr(residual, lag 1)"] == pytest.approx(
        table.loc["corr", "std_error"], rel=0.25
    )


def test_likelihood_ratios_are_simulated() -> None:
    frame = serial()
    small = fit("ar1", frame, reml=False)
    large = pm.MixedModel("y ~ x + t + g + (1 | id)", residual=CASES["ar1"][1], reml=False).fit(
        frame
    )
    test = pm.lr_test(small, large, method="bootstrap", reps=20, seed=1)
    assert 0 < test.pvalue <= 1


@pytest.mark.parametrize("name", CASES)
def test_intervals_have_the_variance_of_each_row(name: str) -> None:
    found, frame = fit(name), serial()
    table = found.predict_interval(frame, level=0.9)
    pd.testing.assert_frame_equal(table, found.predict_interval(level=0.9), rtol=1e-10)
    half = (table["pred_high"] - table["prediction"]) / 1.6448536269514722
    structure = found.residual_structure()
    sd = structure[structure["parameter"] == "sd"].set_index("group")["estimate"]
    own = np.full(len(frame), sd.iloc[0])
    if len(sd) > 1:
        own = sd.loc[frame["g"].astype(str)].to_numpy()
    if name == "covariates":
        slope = structure.set_index("parameter")["estimate"]["log_sd"]
        own = own * np.exp(slope * (frame["x"] - frame["x"].mean()))
    random = 0.0
    for part in found.random.parts:
        z = np.column_stack([np.ones(len(frame)), frame["t"]])[:, : len(part.labels)]
        random = np.einsum("ni,ij,nj->n", z, part.cov, z)
    np.testing.assert_allclose(half**2 - table["std_error"] ** 2, own**2 + random, rtol=1e-7)


def test_intervals_of_levels_that_were_not_fitted_are_missing() -> None:
    table = fit("heteroskedastic").predict_interval(serial().assign(g=9))
    assert table["pred_low"].isna().all() and table["conf_low"].notna().all()
    with pytest.raises(SpecificationError, match="no means of their own"):
        fit("toeplitz").predict_interval(kind="conditional")
    with pytest.raises(SpecificationError, match="A profile needs independent residuals"):
        fit("ar1").profile()
