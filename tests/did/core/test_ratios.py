"""Sums of weighted means: values by hand, influence as a derivative in the weight of a row."""

from __future__ import annotations

import numpy as np
import pytest

from panelml.did.core.ratios import Ratio, combine, regress
from panelml.errors import ConvergenceError

N = 30


def rows() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(4)
    x = np.column_stack([np.ones(N), rng.normal(size=(N, 2))])
    return x, rng.normal(size=N), rng.uniform(0.2, 2.0, N), rng.random(N) < 0.5


def test_a_regression_predicts_all_rows_and_is_moved_by_those_with_weight() -> None:
    x, y, w, inside = rows()
    fit = regress(x, y, w * inside)
    root = np.sqrt(w * inside)
    coef = np.linalg.lstsq(x * root[:, None], y * root, rcond=None)[0]
    np.testing.assert_allclose(fit.fitted, x @ coef, rtol=1e-10)
    assert fit.psi is not None
    assert not fit.psi[~inside].any()
    for i in np.flatnonzero(inside)[::4]:
        step = 1e-6 * w * (np.arange(N) == i)
        ahead, behind = (regress(x, y, (w + s) * inside).fitted for s in (step, -step))
        np.testing.assert_allclose(x @ fit.psi[i], (ahead - behind) / 2e-6, rtol=1e-6, atol=1e-8)
    assert regress(x, y, w, moves=False).psi is None


def test_means_add_up_with_their_signs_and_first_stages() -> None:
    x, y, w, inside = rows()

    def effect(weights: np.ndarray) -> tuple[float, np.ndarray]:
        fit = regress(x, y, weights * ~inside)
        ratios = [
            Ratio(1.0, weights * inside, y - fit.fitted, regressions=((-1.0, fit),)),
            Ratio(-2.0, weights, y),
        ]
        return combine(ratios, x, None)

    value, psi = effect(w)
    left = y - regress(x, y, w * ~inside).fitted
    expected = np.average(left, weights=w * inside) - 2 * np.average(y, weights=w)
    assert value == pytest.approx(expected, rel=1e-12)
    for i in range(0, N, 4):
        step = 1e-6 * w * (np.arange(N) == i)
        slope = (effect(w + step)[0] - effect(w - step)[0]) / 2e-6
        assert psi[i] == pytest.approx(slope, rel=1e-6, abs=1e-9)


def test_predictions_along_directions_without_variation_are_refused() -> None:
    x, y, w, inside = rows()
    x[~inside, 2] = 3.0
    fit = regress(x, y, w * ~inside)
    assert fit.unknown is not None
    fit.require_determined(x, w * ~inside)
    with pytest.raises(ConvergenceError, match="collinear"):
        combine([Ratio(1.0, w * inside, fit.fitted, regressions=((1.0, fit),))], x, None)
