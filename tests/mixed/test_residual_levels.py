"""Dependent residuals beside several grouping factors, against matrices written out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pytest

import panelml as pm
from panelml.errors import IdentificationError, SpecificationError
from panelml.mixed.results.mixed_results import MixedResults
from panelml.mixed.results.refitting import any_refitter
from tests.mixed.fit.test_cluster_leverage import written_out
from tests.mixed.test_residual_dense import curvature


@cache
def districts() -> pd.DataFrame:
    """60 people in eight districts over up to nine periods, autoregressive, in shuffled order."""
    rng = np.random.RandomState(11)
    n, periods = 60, 9
    frame = pd.DataFrame({"id": np.repeat(np.arange(n), periods), "t": np.tile(range(periods), n)})
    frame["district"] = 7 * frame["id"] % 8
    frame["g"] = frame["id"] % 2
    frame["wave"] = frame["t"] % 4
    frame["x"] = rng.standard_normal(len(frame))
    noise = rng.standard_normal((n, periods))
    for t in range(1, periods):
        noise[:, t] = 0.6 * noise[:, t - 1] + 0.8 * noise[:, t]
    effects = rng.standard_normal(8)[frame["district"]] + 0.7 * rng.standard_normal(n)[frame["id"]]
    season = 0.5 * rng.standard_normal(periods)[frame["t"]]
    slopes = 0.4 * rng.standard_normal(8)[frame["district"]] * frame["x"]
    frame["y"] = 1 + 0.5 * frame["x"] + effects + season + slopes + noise.ravel()
    frame["w"] = 0.5 + (3 * frame["id"] + frame["t"]) % 4
    frame = frame[rng.uniform(size=len(frame)) > 0.2]
    frame = frame.sample(frac=1, random_state=rng).reset_index(drop=True)
    return frame.assign(w=frame["w"] / frame["w"].mean())


def correlations(frame: pd.DataFrame, of: Callable[[Any], Any]) -> np.ndarray:
    same = frame["id"].to_numpy()[:, None] == frame["id"].to_numpy()
    lag = np.abs(frame["t"].to_numpy()[:, None] - frame["t"].to_numpy())
    return np.where(same, of(lag), 0.0)


def ar1(theta: np.ndarray, frame: pd.DataFrame) -> np.ndarray:
    return np.exp(2 * theta[0]) * correlations(frame, lambda lag: np.tanh(theta[1]) ** lag)


def exchangeable(theta: np.ndarray, frame: pd.DataFrame) -> np.ndarray:
    r = np.tanh(theta[1])
    return np.exp(2 * theta[0]) * correlations(frame, lambda lag: np.where(lag == 0, 1.0, r))


def heteroskedastic(theta: np.ndarray, frame: pd.DataFrame) -> np.ndarray:
    return np.diag(np.exp(2 * theta[frame["g"].to_numpy()]))


def weighted_ar1(theta: np.ndarray, frame: pd.DataFrame) -> np.ndarray:
    root = np.sqrt(frame["w"].to_numpy())
    return ar1(theta, frame) / np.outer(root, root)


@dataclass(frozen=True)
class Model:
    """A model, and its covariance in logarithms and inverse tangents."""

    formula: str
    residual: Any
    noise: Callable[[np.ndarray, pd.DataFrame], np.ndarray]
    factors: tuple[tuple[str, tuple[str, ...]], ...]
    weights: str | None = None

    def fit(self, reml: bool = True, frame: pd.DataFrame | None = None) -> MixedResults:
        data = districts() if frame is None else frame
        return pm.MixedModel(
            self.formula, reml=reml, residual=self.residual, weights=self.weights
        ).fit(data)

    def covariances(self, theta: np.ndarray) -> list[np.ndarray]:
        """Covariance of the coefficients of each factor, from Cholesky factors."""
        found, at = [], 2
        for _, names in self.factors:
            q = len(names)
            root = np.zeros((q, q))
            root[np.tril_indices(q)] = theta[at : at + q * (q + 1) // 2]
            at += q * (q + 1) // 2
            found.append(root @ root.T)
        return found

    def designs(self) -> list[np.ndarray]:
        """Z_f' of each factor: levels x coefficients, by row."""
        frame = districts()
        found = []
        for group, names in self.factors:
            levels = pd.get_dummies(frame[group]).to_numpy(float)
            values = np.column_stack(
                [np.ones(len(frame)) if n == "1" else frame[n].to_numpy() for n in names]
            )
            found.append((levels[:, :, None] * values[:, None, :]).reshape(len(frame), -1))
        return found

    def matrix(self, theta: np.ndarray) -> np.ndarray:
        total = self.noise(theta, districts())
        for design, cov in zip(self.designs(), self.covariances(theta), strict=True):
            total = total + design @ np.kron(np.eye(design.shape[1] // len(cov)), cov) @ design.T
        return total

    def estimates(self, fit: MixedResults) -> np.ndarray:
        table = fit.residual_structure()
        value = table["estimate"].to_numpy()
        sd, corr = (value[table["parameter"] == name] for name in ("sd", "corr"))
        parts = {part.name: part.cov for part in fit.random.parts}
        roots = [
            np.linalg.cholesky(parts[group])[np.tril_indices(len(names))]
            for group, names in self.factors
        ]
        return np.concatenate([np.log(sd), np.arctanh(corr), *roots])


AR1 = pm.residual.AR1("t", group="id")
MODELS = {
    "nested": Model(
        "y ~ x + (1 | district) + (1 | id)", AR1, ar1, (("id", ("1",)), ("district", ("1",)))
    ),
    "crossed": Model("y ~ x + (1 | id) + (1 | t)", AR1, ar1, (("id", ("1",)), ("t", ("1",)))),
    "three": Model(
        "y ~ x + (1 | id) + (1 | t) + (1 + x | district)",
        AR1,
        ar1,
        (("id", ("1",)), ("t", ("1",)), ("district", ("1", "x"))),
    ),
    "above": Model(
        "y ~ x + (1 + x | district)",
        pm.residual.Exchangeable(group="id"),
        exchangeable,
        (("district", ("1", "x")),),
    ),
    "variances": Model(
        "y ~ x + (1 | district) + (1 | id)",
        pm.residual.Heteroskedastic("g"),
        heteroskedastic,
        (("id", ("1",)), ("district", ("1",))),
    ),
    "weighted": Model(
        "y ~ x + (1 | t) + (1 | district)",
        AR1,
        weighted_ar1,
        (("t", ("1",)), ("district", ("1",))),
        weights="w",
    ),
}


def design() -> tuple[np.ndarray, np.ndarray]:
    frame = districts()
    return np.column_stack([np.ones(len(frame)), frame["x"]]), frame["y"].to_numpy()


@pytest.mark.parametrize("reml", [True, False], ids=["reml", "ml"])
@pytest.mark.parametrize("name", list(MODELS))
def test_dense_likelihood(name: str, reml: bool) -> None:
    model = MODELS[name]
    fit = model.fit(reml)
    x, y = design()

    def deviance(theta: np.ndarray) -> float:
        root = np.linalg.cholesky(model.matrix(theta))
        half = np.linalg.solve(root, np.column_stack([x, y]))
        rss = np.linalg.lstsq(half[:, :-1], half[:, -1], rcond=None)[1]
        n = len(y) - (x.shape[1] if reml else 0)
        extra = np.linalg.slogdet(half[:, :-1].T @ half[:, :-1])[1] if reml else 0.0
        return float(2 * np.log(np.diag(root)).sum() + rss[0] + extra + n * np.log(2 * np.pi))

    def variances(theta: np.ndarray) -> np.ndarray:
        return np.diag(np.linalg.inv(x.T @ np.linalg.solve(model.matrix(theta), x)))

    at = model.estimates(fit)
    assert deviance(at) == pytest.approx(-2 * fit.loglik, rel=1e-11)
    bend = curvature(deviance, at)
    moves = 1e-4 * np.eye(at.size)
    slope = np.array([deviance(at + m) - deviance(at - m) for m in moves]) / 2e-4
    assert np.linalg.eigvalsh(bend)[0] > 0
    assert slope @ np.linalg.solve(bend, slope) / 2 < 1e-7
    np.testing.assert_allclose(fit.std_errors**2, variances(at), rtol=1e-8)
    cov = 2 * np.linalg.inv(bend)
    table = fit.residual_structure()
    sd = table["parameter"] == "sd"
    errors = table["std_error"] / np.where(sd, table["estimate"], 1 - table["estimate"] ** 2)
    np.testing.assert_allclose(
        np.concatenate([errors[sd], errors[~sd]]), np.sqrt(np.diag(cov))[:2], rtol=1e-5
    )
    slopes = np.array([variances(at + m) - variances(at - m) for m in moves]) / 2e-4
    spread = np.einsum("jk,jl,lk->k", slopes, cov, slopes)
    found = fit.with_cov("satterthwaite")
    np.testing.assert_allclose(found.df_terms, 2 * variances(at) ** 2 / spread, rtol=3e-5)
    rows = fit.variance().set_index("group")
    place = 2
    for group, names in model.factors:
        if len(names) == 1:
            expected = 2 * abs(at[place]) * np.sqrt(cov[place, place])
            assert rows.loc[group, "std_error"] == pytest.approx(expected, rel=1e-5)
        place += len(names) * (len(names) + 1) // 2


@pytest.mark.parametrize("name", list(MODELS))
def test_effects_and_scores(name: str) -> None:
    model = MODELS[name]
    fit = model.fit()
    x, y = design()
    at = model.estimates(fit)
    v = model.matrix(at)
    residual = y - x @ fit.params.to_numpy()
    solved = np.linalg.solve(v, residual)
    effects = fit.random_effects(sd=True)
    for (group, names), z, cov in zip(
        model.factors, model.designs(), model.covariances(at), strict=True
    ):
        whole = np.kron(np.eye(z.shape[1] // len(cov)), cov)
        table = effects[group].to_numpy()
        expected = (whole @ z.T @ solved).reshape(-1, len(names))
        np.testing.assert_allclose(table[:, : len(names)], expected, rtol=1e-7, atol=1e-9)
        known = whole - whole @ z.T @ np.linalg.solve(v, z) @ whole
        spread = np.sqrt(np.diag(known)).reshape(-1, len(names))
        np.testing.assert_allclose(table[:, len(names) :], spread, rtol=1e-7)
    bread = np.linalg.inv(x.T @ np.linalg.solve(v, x))
    districts_of = pd.get_dummies(districts()["district"]).to_numpy(float)
    if name in ("nested", "above", "variances"):
        scores = np.array([np.linalg.solve(v, x).T @ (d * residual) for d in districts_of.T])
        robust = fit.with_cov(pm.cov.Clustered("district", small_sample="none"))
        expected = bread @ scores.T @ scores @ bread
        np.testing.assert_allclose(robust.cov, expected, rtol=1e-7)


@pytest.mark.parametrize("kind", ["CR2", "CR3"])
@pytest.mark.parametrize("name", ["nested", "above", "variances"])
def test_leverage_by_formula(name: str, kind: str) -> None:
    fit = MODELS[name].fit()
    x, _ = design()
    v = MODELS[name].matrix(MODELS[name].estimates(fit))
    found = fit.with_cov(f"{kind}:district").covariance.matrix
    clusters = districts()["district"].to_numpy()
    np.testing.assert_allclose(
        found, written_out(fit, districts(), x, v, kind, clusters), rtol=1e-7
    )


@pytest.mark.parametrize("name", list(MODELS))
def test_draws_and_refits(name: str) -> None:
    model = MODELS[name]
    fit = model.fit()
    drawn = fit.simulate(400, seed=4)
    pd.testing.assert_series_equal(drawn["y1"], fit.simulate(2, seed=4)["y1"])
    x, _ = design()
    v = model.matrix(model.estimates(fit))
    left = drawn.to_numpy() - (x @ fit.params.to_numpy())[:, None]
    # Mahalanobis distances of n rows have the mean n and the variance 2 n.
    distances = (left * np.linalg.solve(v, left)).sum(axis=0)
    n = len(x)
    assert distances.mean() == pytest.approx(n, abs=4 * np.sqrt(2 * n / 400))
    pair = left @ left.T / 400
    assert np.vdot(pair, v) / np.vdot(v, v) == pytest.approx(1.0, abs=0.1)
    refit = any_refitter(fit.refits).fit(
        fit.panel.index.sort(drawn["y0"].to_numpy()).astype(np.float64)
    )
    expected = model.fit(frame=districts().assign(y=drawn["y0"].to_numpy()))
    assert refit.loglik == pytest.approx(expected.loglik, abs=1e-7)
    np.testing.assert_allclose(refit.params, expected.params, rtol=1e-5)


def test_order_of_rows_and_chunks_change_nothing() -> None:
    model = MODELS["three"]
    fit = model.fit()
    sorted_rows = model.fit(frame=districts().sort_values(["t", "id"]))
    np.testing.assert_allclose(fit.params, sorted_rows.params, rtol=1e-9)
    pd.testing.assert_frame_equal(fit.variance(), sorted_rows.variance(), rtol=1e-5)


def test_intervals_and_new_rows() -> None:
    fit = MODELS["nested"].fit()
    new = pd.DataFrame({"id": [0, 999], "district": [0, 99], "t": [3, 4], "x": [0.0, 1.0]})
    found = fit.predict_interval(new, kind="new")
    width = (found["pred_high"] - found["pred_low"]) / 2 / 1.959963984540054
    total = fit.variance()["variance"].sum()
    x = np.column_stack([np.ones(2), new["x"]])
    known = np.einsum("ij,jk,ik->i", x, fit.cov.to_numpy(), x)
    np.testing.assert_allclose(width**2, total + known, rtol=1e-8)


def test_group_of_the_residuals() -> None:
    """The structure's own, or the panel's unit, or the factor with most levels."""
    frame = districts()
    formula = "y ~ x + (1 | id) + (1 | t)"
    named = pm.MixedModel(formula, residual=AR1).fit(frame)
    most = pm.MixedModel(formula, residual="ar1:t").fit(frame)
    panel = pm.MixedModel(formula, residual="ar1").fit(pm.Panel(frame, unit="id", time="t"))
    assert named.loglik == most.loglik == pytest.approx(panel.loglik, abs=1e-9)
    data = pm.Panel(frame, unit="id", time="t")
    above = pm.MixedModel("y ~ x + (1 | district)", residual="ar1").fit(data)
    assert above.loglik == pytest.approx(
        pm.MixedModel("y ~ x + (1 | district)", residual=AR1).fit(frame).loglik, abs=1e-9
    )
    nested = pm.MixedModel("y ~ x + (1 | district/id)", residual="ar1").fit(data)
    assert nested.loglik == pytest.approx(MODELS["nested"].fit().loglik, abs=1e-9)
    other = pm.MixedModel(formula, residual=pm.residual.AR1("t", group="id", by="wave"))
    with pytest.raises(SpecificationError, match="several levels of 'wave'"):
        other.fit(frame)
    with pytest.raises(IdentificationError, match="one and the same"):
        pm.MixedModel(formula, residual=pm.residual.Exchangeable(group="id")).fit(frame)


@pytest.mark.parametrize(
    ("name", "group"), [("nested", "district"), ("three", "id"), ("above", None)]
)
def test_influence_is_the_fit_without_a_level(name: str, group: str | None) -> None:
    model, frame = MODELS[name], districts()
    frame = frame[frame["id"] < 16]
    fit = model.fit(frame=frame)
    found = fit.influence(group)
    level = found.params.index[3]
    without = model.fit(frame=frame[frame[found.group] != level])
    np.testing.assert_allclose(found.params.loc[level], without.params, rtol=1e-6)
    for key, value in found.components.loc[level].items():
        assert value == pytest.approx(without.extras[str(key)], rel=1e-4, abs=1e-6)
    assert found.group == (group or "id")
    assert found.cooks_distance.notna().any()
