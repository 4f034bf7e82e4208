"""Dependent residuals against the likelihood written out row by row."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

import panelml as pm
from panelml.mixed.core.structures import ResidualStructure
from panelml.mixed.results.mixed_results import MixedResults
from tests.mixed.mixed_data import MIXED

Matrix = Callable[[np.ndarray, pd.DataFrame], np.ndarray]


def lags(frame: pd.DataFrame) -> np.ndarray:
    t = frame["t"].to_numpy()
    return np.abs(t[:, None] - t)


def ar1_by_group(theta: np.ndarray, rows: pd.DataFrame) -> np.ndarray:
    g = int(rows["g"].iloc[0])
    return np.exp(2 * theta[2 * g]) * np.tanh(theta[2 * g + 1]) ** lags(rows)


def toeplitz(theta: np.ndarray, rows: pd.DataFrame) -> np.ndarray:
    r = np.concatenate([[1.0], np.tanh(theta[1:3]), np.zeros(12)])
    return np.exp(2 * theta[0]) * r[lags(rows)]


def ma1(theta: np.ndarray, rows: pd.DataFrame) -> np.ndarray:
    psi = np.tanh(theta[1])
    r = np.concatenate([[1.0, psi / (1 + psi**2)], np.zeros(12)])
    return np.exp(2 * theta[0]) * r[lags(rows)]


def car1(theta: np.ndarray, rows: pd.DataFrame) -> np.ndarray:
    age = rows["age"].to_numpy()
    return np.exp(2 * theta[0] - np.exp(theta[1]) * np.abs(age[:, None] - age))


def exchangeable_by_group(theta: np.ndarray, rows: pd.DataFrame) -> np.ndarray:
    g, n = int(rows["g"].iloc[0]), len(rows)
    r = np.tanh(theta[2 * g + 1])
    return np.exp(2 * theta[2 * g]) * (r + (1 - r) * np.eye(n))


def heteroskedastic(theta: np.ndarray, rows: pd.DataFrame) -> np.ndarray:
    return np.diag(np.exp(2 * theta[rows["g"].to_numpy()]))


def loglinear(theta: np.ndarray, rows: pd.DataFrame) -> np.ndarray:
    along = (rows[["x", "t"]] - MIXED["serial"]()[["x", "t"]].mean()).to_numpy() @ theta[1:3]
    return np.diag(np.exp(2 * (theta[0] + along)))


def unstructured(theta: np.ndarray, rows: pd.DataFrame) -> np.ndarray:
    root = np.diag(np.exp(theta[:4]))
    root[np.tril_indices(4, -1)] = theta[4:]
    at = rows["wave"].to_numpy() - 1
    return (root @ root.T)[np.ix_(at, at)]


CASES: dict[str, tuple[ResidualStructure, Matrix, int, str, str]] = {
    "ar1": (pm.residual.AR1("t", by="g"), ar1_by_group, 4, "serial", "y ~ x + t + (1 | id)"),
    "toeplitz": (pm.residual.Toeplitz(2, "t"), toeplitz, 3, "serial", "y ~ x + t + (1 | id)"),
    "ma1": (pm.residual.MA1("t"), ma1, 2, "serial", "y ~ x + t + (1 | id)"),
    "car1": (pm.residual.CAR1("age"), car1, 2, "serial", "y ~ x + t + (1 | id)"),
    "exchangeable": (
        pm.residual.Exchangeable(by="g", group="id"),
        exchangeable_by_group,
        4,
        "serial",
        "y ~ x + t",
    ),
    "heteroskedastic": (
        pm.residual.Heteroskedastic("g"),
        heteroskedastic,
        2,
        "serial",
        "y ~ x + t + (1 | id)",
    ),
    "loglinear": (
        pm.residual.Heteroskedastic(covariates=("x", "t")),
        loglinear,
        3,
        "serial",
        "y ~ x + t + (1 | id)",
    ),
    "unstructured": (
        pm.residual.Unstructured("wave", group="Subject"),
        unstructured,
        10,
        "orthodont_gaps",
        "distance ~ age * male",
    ),
}


def negative_twice(
    matrix: Matrix,
    frame: pd.DataFrame,
    group: str,
    x: np.ndarray,
    y: np.ndarray,
    *,
    random: bool,
    restricted: bool,
) -> Callable[[np.ndarray], float]:
    """Deviance in the parameters of the residuals and, last, the log random deviation."""
    units = [(rows, frame.index.get_indexer(rows.index)) for _, rows in frame.groupby(group)]

    def deviance(theta: np.ndarray) -> float:
        xx, xy, yy, logdet = np.zeros((x.shape[1],) * 2), np.zeros(x.shape[1]), 0.0, 0.0
        for rows, at in units:
            v = matrix(theta, rows)
            if random:
                v = v + np.exp(2 * theta[-1])
            sign, value = np.linalg.slogdet(v)
            if sign <= 0:
                return np.inf
            solved = np.linalg.solve(v, np.column_stack([x[at], y[at]]))
            xx += x[at].T @ solved[:, :-1]
            xy += x[at].T @ solved[:, -1]
            yy += y[at] @ solved[:, -1]
            logdet += value
        n = len(y) - (x.shape[1] if restricted else 0)
        rss = yy - xy @ np.linalg.solve(xx, xy)
        extra = np.linalg.slogdet(xx)[1] if restricted else 0.0
        return float(logdet + rss + extra + n * np.log(2 * np.pi))

    return deviance


def fixed_variances(
    matrix: Matrix, frame: pd.DataFrame, group: str, x: np.ndarray, *, random: bool
) -> Callable[[np.ndarray], np.ndarray]:
    """Variances of the fixed effects in the same parameters."""
    units = [(rows, frame.index.get_indexer(rows.index)) for _, rows in frame.groupby(group)]

    def variances(theta: np.ndarray) -> np.ndarray:
        extra = np.exp(2 * theta[-1]) if random else 0.0
        parts = [
            x[at].T @ np.linalg.solve(matrix(theta, rows) + extra, x[at]) for rows, at in units
        ]
        return np.diag(np.linalg.inv(np.sum(parts, axis=0)))

    return variances


def curvature(function: Callable[[np.ndarray], float], at: np.ndarray) -> np.ndarray:
    """Second derivatives by differences of fourth order along pairs."""
    k, h = at.size, 2e-3
    basis = h * np.eye(k)

    def second(d: np.ndarray) -> float:
        values = [function(at + m * d) for m in (-2, -1, 0, 1, 2)]
        return float(np.dot([-1, 16, -30, 16, -1], values) / 12)

    own = np.array([second(b) for b in basis])
    found = np.diag(own)
    for a in range(k):
        for b in range(a):
            both = second(basis[a] + basis[b])
            found[a, b] = found[b, a] = (both - own[a] - own[b]) / 2
    return found / h**2


@pytest.mark.parametrize("restricted", [True, False], ids=["reml", "ml"])
@pytest.mark.parametrize("name", list(CASES))
def test_dense_likelihood(name: str, restricted: bool) -> None:
    residual, matrix, size, data, formula = CASES[name]
    frame = MIXED[data]()
    group, random = residual.group or "id", "|" in formula
    fit = pm.MixedModel(formula, reml=restricted, residual=residual).fit(frame)
    if data == "serial":
        x = np.column_stack([np.ones(len(frame)), frame["x"], frame["t"]])
        y = frame["y"].to_numpy()
    else:
        x = np.column_stack(
            [np.ones(len(frame)), frame["age"], frame["male"], frame["age"] * frame["male"]]
        )
        y = frame["distance"].to_numpy()
    deviance = negative_twice(matrix, frame, group, x, y, random=random, restricted=restricted)
    at = start(fit.residual_structure(), name)
    if random:
        at = np.append(at, np.log(fit.random.parts[0].deviations[0]))
    assert at.size == size + random
    assert deviance(at) == pytest.approx(-2 * fit.loglik, rel=1e-11)
    bend = curvature(deviance, at)
    slope = np.array([deviance(at + step) - deviance(at - step) for step in 1e-4 * np.eye(at.size)])
    slope /= 2e-4
    assert np.linalg.eigvalsh(bend)[0] > 0
    assert slope @ np.linalg.solve(bend, slope) / 2 < 1e-7
    errors = np.sqrt(np.diag(2 * np.linalg.inv(bend)))
    _assert_errors(fit, name, errors, random)
    variances = fixed_variances(matrix, frame, group, x, random=random)
    moves = 1e-4 * np.eye(at.size)
    slopes = np.array([variances(at + m) - variances(at - m) for m in moves]) / 2e-4
    spread = np.einsum("jk,jl,lk->k", slopes, 2 * np.linalg.inv(bend), slopes)
    robust = fit.with_cov("satterthwaite")
    np.testing.assert_allclose(robust.df_terms, 2 * variances(at) ** 2 / spread, rtol=2e-5)
    np.testing.assert_allclose(robust.std_errors, fit.std_errors, rtol=1e-12)


def start(table: pd.DataFrame, name: str) -> np.ndarray:
    """The estimates on the scale of the functions above."""
    value = table["estimate"].to_numpy()
    kind = table["parameter"].to_numpy()
    sd, corr = np.log(value[kind == "sd"]), np.arctanh(value[kind == "corr"])
    if name in ("ar1", "exchangeable"):
        return np.array([sd[0], corr[0], sd[1], corr[1]])
    if name == "car1":
        return np.array([sd[0], np.log(value[kind == "rate"][0])])
    if name == "ma1":
        return np.array([sd[0], np.arctanh(value[kind == "ma"][0])])
    if name == "unstructured":
        r = np.eye(4)
        for row in table[table["parameter"] == "corr"].itertuples():
            a, b = int(row.first) - 1, int(row.second) - 1
            r[a, b] = r[b, a] = row.estimate
        root = np.linalg.cholesky(r * np.exp(sd[:, None] + sd))
        return np.concatenate([np.log(np.diag(root)), root[np.tril_indices(4, -1)]])
    return np.concatenate([sd, value[kind == "log_sd"], corr])


PLACES = {
    "ar1": {"sd": [0, 2], "corr": [1, 3]},
    "exchangeable": {"sd": [0, 2], "corr": [1, 3]},
    "car1": {"sd": [0], "rate": [1]},
    "ma1": {"sd": [0], "ma": [1]},
    "toeplitz": {"sd": [0], "corr": [1, 2]},
    "heteroskedastic": {"sd": [0, 1]},
    "loglinear": {"sd": [0], "log_sd": [1, 2]},
    "unstructured": {},
}


def _assert_errors(fit: MixedResults, name: str, errors: np.ndarray, random: bool) -> None:
    """Standard errors of logarithms and inverse tangents from the joint curvature."""
    table = fit.residual_structure()
    for kind, places in PLACES[name].items():
        rows = table[table["parameter"] == kind]
        slope = rows["estimate"] if kind in ("sd", "rate") else 1 - rows["estimate"] ** 2
        slope = 1.0 if kind == "log_sd" else slope
        np.testing.assert_allclose(rows["std_error"] / slope, errors[places], rtol=1e-5)
    if random:
        row = fit.variance().iloc[0]
        assert row["std_error"] / (2 * row["variance"]) == pytest.approx(errors[-1], rel=1e-5)


@pytest.mark.parametrize("restricted", [True, False], ids=["reml", "ml"])
@pytest.mark.parametrize(
    "kind", [pm.residual.Unstructured, pm.residual.AR1, pm.residual.MA1, pm.residual.CAR1]
)
def test_groups_apart(kind: type[ResidualStructure], restricted: bool) -> None:
    """With all effects and parameters by group, the likelihood is that of two separate models."""
    frame = MIXED["serial"]()
    if kind is pm.residual.Unstructured:
        frame = frame[frame["t"] < 5]

    def fit(formula: str, rows: pd.DataFrame, by: str | None) -> MixedResults:
        residual = kind("t", by=by, group="id")
        return pm.MixedModel(formula, reml=restricted, residual=residual).fit(rows)

    joint = fit("y ~ x * g", frame, "g")
    apart = [fit("y ~ x", frame[frame["g"] == g], None) for g in (0, 1)]
    assert joint.loglik == pytest.approx(sum(part.loglik for part in apart), abs=1e-7)
    table = joint.residual_structure()
    for g, part in enumerate(apart):
        own = table[table["group"] == str(g)].drop(columns="group").reset_index(drop=True)
        expected = part.residual_structure().drop(columns="group")
        pd.testing.assert_frame_equal(own, expected, rtol=1e-5)


def test_weights() -> None:
    """Prior weights divide the variance of a row, beside its correlation."""
    frame = MIXED["serial"]().assign(w=lambda d: 0.5 + (3 * d["id"] + d["t"]) % 4)
    frame["w"] /= frame["w"].mean()
    fit = pm.MixedModel("y ~ x + t + (1 | id)", weights="w", residual="ar1:t").fit(frame)

    def weighted(theta: np.ndarray, rows: pd.DataFrame) -> np.ndarray:
        root = np.sqrt(rows["w"].to_numpy())
        r = np.tanh(theta[1]) ** lags(rows)
        return np.exp(2 * theta[0]) * r / np.outer(root, root)

    x = np.column_stack([np.ones(len(frame)), frame["x"], frame["t"]])
    y = frame["y"].to_numpy()
    deviance = negative_twice(weighted, frame, "id", x, y, random=True, restricted=True)
    at = np.append(start(fit.residual_structure(), "weighted"), 0.0)
    at[-1] = np.log(fit.random.parts[0].deviations[0])
    assert deviance(at) == pytest.approx(-2 * fit.loglik, rel=1e-11)
    slope = [deviance(at + step) - deviance(at - step) for step in 1e-4 * np.eye(3)]
    np.testing.assert_allclose(np.array(slope) / 2e-4, 0.0, atol=1e-4)
