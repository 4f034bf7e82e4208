"""Effects on one cohort in one period: their formulas, and influence as a derivative in weights."""

from __future__ import annotations

import numpy as np
import pytest

from panelml.did.core.group_time import Contrast, difference_effect, section_effect

N = 60
methods = pytest.mark.parametrize("method", ["dr", "dr-improved", "ipw", "reg"])


def rows(k: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Covariates with the constant, treated, weights, outcomes, and rows of the later period."""
    rng = np.random.default_rng(9)
    x = np.column_stack([np.ones(N), rng.normal(size=(N, k))])
    treated = rng.random(N) < 1 / (1 + np.exp(-x.sum(axis=1) / 2))
    y = x @ rng.normal(size=k + 1) + treated + rng.normal(size=N)
    return x, treated, rng.uniform(0.5, 2.0, N), y, rng.random(N) < 0.5


def fitted(x: np.ndarray, y: np.ndarray, w: np.ndarray) -> np.ndarray:
    root = np.sqrt(w)
    return x @ np.linalg.lstsq(x * root[:, None], y * root, rcond=None)[0]


def mean(values: np.ndarray, w: np.ndarray) -> float:
    return float(np.average(values, weights=w))


def odds(x: np.ndarray, treated: np.ndarray, w: np.ndarray, method: str) -> np.ndarray:
    """Of a logit by Newton's method, or those that balance the covariates."""
    b = np.zeros(x.shape[1])
    for _ in range(60):
        if method == "dr-improved":
            tilt = np.where(treated, 0.0, np.exp(x @ b))
            slope = x.T @ (w * (treated - tilt))
            bend = (x * (w * tilt)[:, None]).T @ x
        else:
            p = 1 / (1 + np.exp(-x @ b))
            slope = x.T @ (w * (treated - p))
            bend = (x * (w * p * (1 - p))[:, None]).T @ x
        b = b + np.linalg.solve(bend, slope)
    return np.exp(x @ b)


@methods
def test_differences_are_weighted_means_of_what_regressions_leave(method: str) -> None:
    x, treated, w, y, _ = rows(2)
    found, _ = difference_effect(Contrast.of(x, treated, w, method), y)
    others = w * ~treated
    if method != "reg":
        others = others * odds(x, treated, w, method)
    base = others if method == "dr-improved" else w * ~treated
    left = y if method == "ipw" else y - fitted(x, y, base)
    expected = mean(left, w * treated)
    if method != "reg":
        expected -= mean(left, others)
    assert found == pytest.approx(expected, rel=1e-8)


@methods
def test_sections_are_differences_of_both_groups_and_periods(method: str) -> None:
    x, treated, w, y, post = rows(2)
    found, _ = section_effect(Contrast.of(x, treated, w, method), y, post)
    others = w * ~treated
    if method != "reg":
        others = others * odds(x, treated, w, method)
    cohort, expected = w * treated, 0.0
    for sign, at in ((1, post), (-1, ~post)):
        base = others if method == "dr-improved" else w * ~treated
        own, theirs = fitted(x, y, base * at), fitted(x, y, cohort * at)
        if method == "ipw":
            expected += sign * (mean(y, cohort * at) - mean(y, others * at))
        elif method == "reg":
            expected += sign * (mean(y, cohort * at) - mean(own, cohort))
        else:
            expected += sign * (mean(y - own, cohort * at) - mean(y - own, others * at))
            expected += sign * (mean(theirs - own, cohort) - mean(theirs - own, cohort * at))
    assert found == pytest.approx(expected, rel=1e-8)


@methods
@pytest.mark.parametrize("k", [0, 2])
@pytest.mark.parametrize("sections", [False, True])
def test_influence_is_the_derivative_in_the_weight_of_a_row(
    sections: bool, k: int, method: str
) -> None:
    if sections and k and method == "dr-improved":
        pytest.skip("Its first stages move it by nothing only where they balance each period.")
    x, treated, w, y, post = rows(k)

    def effect(weights: np.ndarray) -> tuple[float, np.ndarray]:
        contrast = Contrast.of(x, treated, weights, method)
        return section_effect(contrast, y, post) if sections else difference_effect(contrast, y)

    psi = effect(w)[1]
    for i in range(0, N, 7):
        step = 1e-5 * w[i] * np.eye(N)[i]
        slope = (effect(w + step)[0] - effect(w - step)[0]) / 2e-5
        assert psi[i] == pytest.approx(slope, rel=1e-5, abs=1e-8)
    assert psi.sum() == pytest.approx(0.0, abs=1e-8)


def test_comparisons_that_are_all_but_treated_are_trimmed() -> None:
    x, treated, w, y, _ = rows(1)
    far = np.flatnonzero(~treated)[0]
    x[far, 1], w[far] = 8.0, 1e-6
    contrast = Contrast.of(x, treated, w, "ipw")
    probability = 1 - 1 / (1 + odds(x, treated, w, "ipw"))
    assert contrast.trimmed.tolist() == ((probability >= 0.995) & ~treated).tolist()
    assert contrast.trimmed.any()
    assert not contrast.comparison_weight[contrast.trimmed].any()
    assert np.isfinite(difference_effect(contrast, y)[0])
