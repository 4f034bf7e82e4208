"""Adjusted scores of clusters, and their degrees of freedom, by matrices of all rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import get_args

import numpy as np
import pytest

from panelml.core.leverage import Adjusted, DependentRows, Power, adjust, adjust_dependent

SIZES = [1, 5, 3, 4, 1, 6]
powers = pytest.mark.parametrize("power", get_args(Power))


@dataclass(frozen=True)
class Design:
    """Clusters of rows: regressors, residuals of least squares, and the inverse of X'X."""

    x: np.ndarray
    y: np.ndarray
    cluster: np.ndarray

    @property
    def bread(self) -> np.ndarray:
        return np.linalg.inv(self.x.T @ self.x)

    @property
    def maker(self) -> np.ndarray:
        return np.eye(len(self.x)) - self.x @ self.bread @ self.x.T

    def of(self, table: np.ndarray) -> list[np.ndarray]:
        return [table[self.cluster == c] for c in np.unique(self.cluster)]

    def adjusted(self, power: Power) -> Adjusted:
        grams = np.stack([x.T @ x for x in self.of(self.x)])
        errors = zip(self.of(self.x), self.of(self.maker @ self.y), strict=True)
        return adjust(np.stack([x.T @ e for x, e in errors]), grams, self.bread, power)

    def through(self, power: Power) -> list[np.ndarray]:
        """P_g of each cluster: its regressors times the power of what leverage leaves."""
        found = []
        for x in self.of(self.x):
            values, vectors = np.linalg.eigh(np.eye(len(x)) - x @ self.bread @ x.T)
            raised = vectors * values ** (-0.5 if power == "CR2" else -1.0) @ vectors.T
            found.append(raised @ x)
        return found


def design(seed: int = 1) -> Design:
    rng = np.random.default_rng(seed)
    cluster = np.repeat(np.arange(len(SIZES)), SIZES)
    x = np.column_stack([np.ones(cluster.size), rng.normal(size=(cluster.size, 2))])
    return Design(x, rng.normal(size=cluster.size), cluster)


@powers
def test_scores_are_those_of_adjusted_residuals(power: Power) -> None:
    rows = design()
    found = rows.adjusted(power)
    for g, (p, x, e) in enumerate(
        zip(rows.through(power), rows.of(rows.x), rows.of(rows.maker @ rows.y), strict=True)
    ):
        np.testing.assert_allclose(found.scores[g], p.T @ e, rtol=1e-9, atol=1e-10)
        np.testing.assert_allclose(found.squares[g], p.T @ p, rtol=1e-9, atol=1e-10)
        np.testing.assert_allclose(found.cross[g], x.T @ p, rtol=1e-9, atol=1e-10)


def test_scores_without_a_cluster_are_of_residuals_of_a_fit_without_it() -> None:
    rows = design()
    found = rows.adjusted("CR3")
    for g in range(len(SIZES)):
        inside = rows.cluster == g
        coef = np.linalg.lstsq(rows.x[~inside], rows.y[~inside], rcond=None)[0]
        error = rows.y[inside] - rows.x[inside] @ coef
        np.testing.assert_allclose(found.scores[g], rows.x[inside].T @ error, rtol=1e-9, atol=1e-9)


@powers
@pytest.mark.parametrize("contrast", [np.eye(3)[1:2], np.array([[0, 1.0, -1], [1, 2, 0.5]])])
def test_degrees_are_those_of_the_wishart_distribution(power: Power, contrast: np.ndarray) -> None:
    rows = design()
    maps = []  # from errors of all rows to each cluster's share of the contrast
    for p, maker in zip(rows.through(power), rows.of(rows.maker), strict=True):
        maps.append(contrast @ rows.bread @ p.T @ maker)
    mean = sum(m @ m.T for m in maps)
    white = [np.linalg.inv(np.linalg.cholesky(mean)) @ m for m in maps]
    total = 0.0
    for one in white:
        for other in white:
            shared = one @ other.T
            total += np.outer(np.diag(shared), np.diag(shared)).sum() + (shared * shared.T).sum()
    # The variance of entry (s, t) is the sum of c_ss c_tt + c_st c_ts over pairs of clusters.
    q = len(contrast)
    expected = q * (q + 1) / total
    found = rows.adjusted(power).degrees(rows.bread, contrast)
    assert found == pytest.approx(expected, rel=1e-9)


def test_degrees_of_one_row_are_satterthwaites() -> None:
    rows, contrast = design(), np.eye(3)[2:]
    vectors = np.stack(
        [
            maker.T @ p @ rows.bread @ contrast[0]
            for p, maker in zip(rows.through("CR2"), rows.of(rows.maker), strict=True)
        ]
    )
    s = vectors @ vectors.T
    expected = np.trace(s) ** 2 / np.trace(s @ s)
    found = rows.adjusted("CR2").degrees(rows.bread, contrast)
    assert found == pytest.approx(expected, rel=1e-9)


def test_degrees_of_a_contrast_without_variance_are_not_a_number() -> None:
    rows = design()
    assert np.isnan(rows.adjusted("CR2").degrees(rows.bread, np.zeros((1, 3))))


def test_a_cluster_whose_regressors_explain_it_whole_has_no_score() -> None:
    rows = design()
    alone = np.zeros(len(rows.x))
    alone[1:3] = 1.0, 2.0  # varies in one cluster only
    alone[3:6] = -1.0, 0.5, 1.0
    rows = Design(np.column_stack([rows.x, alone]), rows.y, rows.cluster)
    found = rows.adjusted("CR2")
    assert np.abs(found.scores[1] @ np.eye(4)[3]) < 1e-9
    assert np.isfinite(found.scores).all()


def dependent(q: int, noise: str) -> tuple[DependentRows, np.ndarray]:
    """Seven clusters of five rows, z z' beside the noise in their covariance."""
    rng = np.random.default_rng(8)
    x, z = rng.normal(size=(7, 5, 2)), rng.normal(size=(7, 5, q))
    root = rng.normal(size=(7, 5, 5))
    kinds = {
        "equal": np.ones((7, 5)),
        "unequal": rng.uniform(0.5, 2.0, (7, 5)),
        "dependent": root @ root.transpose(0, 2, 1) + np.eye(5),
    }
    rows = DependentRows(rng.normal(size=(7, 5)), x, z, kinds[noise])
    return rows, np.linalg.inv(rows.information())


@powers
@pytest.mark.parametrize("noise", ["equal", "unequal", "dependent"])
def test_dependent_rows_are_adjusted_by_their_covariance(power: Power, noise: str) -> None:
    rows, bread = dependent(2, noise)
    own = rows.noise if noise == "dependent" else np.stack([np.diag(v) for v in rows.noise])
    found = adjust_dependent(rows, bread, power)
    for g in range(7):
        x, v = rows.x[g], rows.z[g] @ rows.z[g].T + own[g]
        np.testing.assert_allclose(rows.covariance()[g], v, rtol=1e-12)
        left = v - x @ bread @ x.T
        if power == "CR3":
            a = v @ np.linalg.inv(left)
        else:
            values, vectors = np.linalg.eigh(v)
            root = vectors * np.sqrt(values) @ vectors.T  # any root does: here the symmetric one
            values, vectors = np.linalg.eigh(root @ left @ root)
            a = root @ (vectors * values**-0.5 @ vectors.T) @ root
            np.testing.assert_allclose(a @ left @ a.T, v, rtol=1e-8, atol=1e-9)
        p = a @ np.linalg.inv(v) @ x if power == "CR2" else np.linalg.inv(left) @ x
        np.testing.assert_allclose(found.scores[g], p.T @ rows.error[g], rtol=1e-8, atol=1e-9)
        np.testing.assert_allclose(found.squares[g], p.T @ v @ p, rtol=1e-8, atol=1e-9)
        np.testing.assert_allclose(found.cross[g], x.T @ p, rtol=1e-8, atol=1e-9)


@powers
def test_rotated_rows_have_the_same_adjusted_scores(power: Power) -> None:
    rows, bread = dependent(1, "equal")
    reduced = rows.reduced()
    assert reduced.error.shape == (7, 3)
    full, short = (adjust_dependent(r, bread, power) for r in (rows, reduced))
    np.testing.assert_allclose(short.scores, full.scores, rtol=1e-9, atol=1e-10)
    np.testing.assert_allclose(short.squares, full.squares, rtol=1e-9, atol=1e-10)
    np.testing.assert_allclose(short.cross, full.cross, rtol=1e-9, atol=1e-10)
    np.testing.assert_allclose(reduced.information(), rows.information(), rtol=1e-10)
