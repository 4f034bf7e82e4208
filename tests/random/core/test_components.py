"""Variance components and their likelihood, against matrices of all rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import get_args

import numpy as np
import pytest

from panelml._typing import VarianceMethod
from panelml.core.moments import PanelMoments
from panelml.errors import IdentificationError
from panelml.random.core.components import MeanDesign, estimate_components
from panelml.random.core.likelihood import maximise, profile_deviance
from tests.core.blocks import block_of

UNBALANCED, BALANCED = [1, 4, 2, 6, 1, 3, 5, 5, 3, 1], [4] * 9
CASES = {
    "balanced": (BALANCED, False),
    "unbalanced": (UNBALANCED, False),
    "weighted": (UNBALANCED, True),
}
by_case = pytest.mark.parametrize("case", CASES)


@dataclass(frozen=True)
class Dense:
    """Rows times root weights: y, X with the constant, and dummies of units."""

    y: np.ndarray
    x: np.ndarray
    d: np.ndarray

    @property
    def on_units(self) -> np.ndarray:
        return self.d @ np.linalg.pinv(self.d)

    @property
    def within(self) -> np.ndarray:
        return np.eye(self.y.size) - self.on_units

    def loglik(self, e: float, u: float, *, restricted: bool) -> float:
        v = e * np.eye(self.y.size) + u * self.d @ self.d.T
        inverse = np.linalg.inv(v)
        information = self.x.T @ inverse @ self.x
        error = self.y - self.x @ np.linalg.solve(information, self.x.T @ inverse @ self.y)
        value = self.y.size * np.log(2 * np.pi) + np.linalg.slogdet(v)[1] + error @ inverse @ error
        if restricted:
            value += np.linalg.slogdet(information)[1] - self.x.shape[1] * np.log(2 * np.pi)
        return float(-value / 2)


def moments_of(case: str) -> tuple[PanelMoments, Dense]:
    sizes, weighted = CASES[case]
    rng = np.random.default_rng(11)
    w = rng.uniform(0.4, 2.0, sum(sizes))
    block = block_of(sizes, weights=list(w / w.mean()) if weighted else None)
    z = block.z.copy()
    z[2] += rng.normal(size=len(sizes))[block.unit]
    z[0] += 0.8 * z[1] - z[2] + 1.5 * rng.normal(size=len(sizes))[block.unit] + 2
    block = block.with_z(z)
    root = np.sqrt(block.row_weights)
    x = np.column_stack([np.ones(block.n), z[1:].T])
    dummies = (block.unit[:, None] == np.arange(len(sizes))).astype(float)
    dense = Dense(root * z[0], root[:, None] * x, root[:, None] * dummies)
    return PanelMoments.of(block), dense


def residual_variance_within(dense: Dense) -> tuple[float, np.ndarray]:
    """Of least squares with dummies, and its slopes."""
    x, y = dense.within @ dense.x[:, 1:], dense.within @ dense.y
    slopes = np.linalg.lstsq(x, y, rcond=None)[0]
    error = y - x @ slopes
    return float(error @ error) / (y.size - dense.d.shape[1] - x.shape[1]), slopes


def expected(method: str, dense: Dense, *, balanced: bool) -> tuple[float, float]:
    n, g = dense.d.shape
    weight = (dense.d**2).sum(axis=0)
    sigma2_e, slopes = residual_variance_within(dense)
    mean = dense.d.T @ dense.x / weight[:, None]
    mean_y = dense.d.T @ dense.y / weight
    if method == "swamy-arora":
        error = mean_y - mean @ np.linalg.pinv(mean) @ mean_y
        return sigma2_e, error @ error / (g - 3) - sigma2_e * (1 / weight).mean()
    maker = np.eye(n) - dense.x @ np.linalg.pinv(dense.x)
    if method == "baltagi-chang":
        # The residuals of means, weighted by the sizes of units: of the projected rows.
        x = dense.on_units @ dense.x
        maker = (np.eye(n) - x @ np.linalg.pinv(x)) @ dense.on_units
        form = maker.T @ maker
        rest = dense.y @ form @ dense.y - sigma2_e * np.trace(form)
        return sigma2_e, rest / np.trace(form @ dense.d @ dense.d.T)
    if method == "nerlove":
        effects = mean_y - mean[:, 1:] @ slopes
        centred = effects - weight @ effects / n
        return sigma2_e * (n - g - 2) / n, weight @ centred**2 / n * g / (g - 1)
    if method == "amemiya":
        within_x = dense.within @ dense.x[:, 1:]
        maker = np.eye(n) - dense.x[:, 1:] @ np.linalg.pinv(within_x)
        one = dense.x[:, :1]
        maker = (np.eye(n) - one @ np.linalg.pinv(one)) @ maker
    residual = maker @ dense.y
    if balanced:
        q_within = residual @ dense.within @ residual
        sigma2_e = q_within / (n - g)
        return sigma2_e, (residual @ dense.on_units @ residual / g - sigma2_e) * g / n
    forms = [maker.T @ q @ maker for q in (dense.within, dense.on_units)]
    if method == "amemiya":
        rest = dense.y @ forms[1] @ dense.y - sigma2_e * np.trace(forms[1])
        return sigma2_e, rest / np.trace(forms[1] @ dense.d @ dense.d.T)
    system = [[np.trace(f), np.trace(f @ dense.d @ dense.d.T)] for f in forms]
    return tuple(np.linalg.solve(system, [dense.y @ f @ dense.y for f in forms]))


@by_case
@pytest.mark.parametrize("method", sorted(set(get_args(VarianceMethod)) - {"ml", "reml"}))
def test_moments_are_equated_with_their_expectations(case: str, method: VarianceMethod) -> None:
    moments, dense = moments_of(case)
    found = estimate_components(moments, method)
    values = expected(method, dense, balanced=case == "balanced")
    assert (found.sigma2_e, found.raw_u) == pytest.approx(values, rel=1e-9)
    assert found.sigma2_u == max(found.raw_u, 0.0)


@by_case
@pytest.mark.parametrize("restricted", [False, True])
def test_the_likelihood_is_the_normal_density_at_its_maximum(case: str, restricted: bool) -> None:
    moments, dense = moments_of(case)
    found = estimate_components(moments, "reml" if restricted else "ml")
    e, u = found.sigma2_e, found.sigma2_u
    assert found.loglik == pytest.approx(dense.loglik(e, u, restricted=restricted), rel=1e-10)
    step = 1e-5
    for de, du in ((step, 0.0), (0.0, step)):
        ahead = dense.loglik(e + de, u + du, restricted=restricted)
        behind = dense.loglik(e - de, u - du, restricted=restricted)
        assert (ahead - behind) / (2 * step) == pytest.approx(0.0, abs=1e-6)
        assert max(ahead, behind) < found.loglik


@by_case
@pytest.mark.parametrize("restricted", [False, True])
def test_slopes_of_the_deviance_are_numerical_derivatives(case: str, restricted: bool) -> None:
    design = MeanDesign.of(moments_of(case)[0], constant=True)

    def evaluate(ratio: float) -> tuple[float, np.ndarray, float]:
        shrink = design.weight / (1 + ratio * design.weight)
        slope = -(design.mean * shrink**2) @ design.mean.T
        logdet = np.log1p(ratio * design.weight).sum()
        return profile_deviance(
            design.quasi(ratio), slope[None], logdet, shrink.sum()[None], design.n, restricted
        )

    ahead, behind = evaluate(0.7 + 1e-5)[0], evaluate(0.7 - 1e-5)[0]
    assert evaluate(0.7)[1][0] == pytest.approx((ahead - behind) / 2e-5, rel=1e-7)


def test_units_that_differ_by_less_than_chance_have_no_variance() -> None:
    block = block_of(BALANCED)
    z = block.z - np.repeat(np.add.reduceat(block.z, block.starts[:-1], axis=1) / 4, 4, axis=1)
    z[:, ::4] += 0.01 * np.random.default_rng(3).normal(size=(3, 9))
    design = MeanDesign.of(PanelMoments.of(block.with_z(z)), constant=True)
    assert maximise(design, restricted=True)[1] == 0.0
    found = estimate_components(PanelMoments.of(block.with_z(z)), "swamy-arora")
    assert found.sigma2_u == 0.0 > found.raw_u


def test_a_design_of_means_drops_dependent_regressors_and_has_the_constant_second() -> None:
    block = block_of(UNBALANCED)
    z = np.vstack([block.z, 2 * block.z[1] - 3])
    design = MeanDesign.of(PanelMoments.of(block.with_z(z)), constant=True)
    assert design.mean.shape == (4, len(UNBALANCED))
    assert (design.mean[1] == 1).all()
    assert not design.within[1].any()
    coef = np.array([0.3, -1.0, 2.0])
    table = design.products(design.weight)
    direct = design.weight @ (design.mean[0] - coef @ design.mean[1:]) ** 2
    assert design.residual_form(coef, table) == pytest.approx(direct, rel=1e-12)


@pytest.mark.parametrize("sizes", [[7], [1] * 8])
def test_one_unit_and_one_row_for_each_unit_are_refused(sizes: list[int]) -> None:
    with pytest.raises(IdentificationError):
        estimate_components(PanelMoments.of(block_of(sizes)), "swamy-arora")
