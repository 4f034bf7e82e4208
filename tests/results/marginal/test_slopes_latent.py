"""Marginal effects of ordered and censored outcomes, against changes of predictions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy.special import expit, ndtr

import panelml as pm
from panelml.errors import SpecificationError
from tests.panels import wage_unbalanced

WAGES = wage_unbalanced()
WAGES = WAGES.assign(
    low=WAGES["lwage"].clip(lower=1.0, upper=2.5),
    third=(WAGES["lwage"] > 1.4).astype(int) + (WAGES["lwage"] > 1.9),
)
PANEL = pm.Panel(WAGES, unit="nr", time="year")
X = np.stack([WAGES["union"], WAGES["educ"], WAGES["exper"], WAGES["exper"] ** 2]).astype(float)
RIGHT = "union + educ + exper + I(exper**2)"


def errors(fit: Any, effect: Callable[[Any], Any]) -> Any:
    """Standard errors by the delta method, with the derivatives by differences."""
    params, steps = fit.params.to_numpy(), 1e-5 * np.eye(len(fit.params))
    jacobian = np.stack([effect(params + s) - effect(params - s) for s in steps], axis=1) / 2e-5
    return np.sqrt(np.diag(jacobian @ fit.cov.to_numpy() @ jacobian.T))


@pytest.mark.parametrize(("spec", "curve"), [(pm.OrderedLogit, expit), (pm.OrderedProbit, ndtr)])
def test_probabilities_of_ordered_categories(spec: Any, curve: Any) -> None:
    fit = spec(f"third ~ {RIGHT}").fit(PANEL)

    def probabilities(params: Any, x: Any) -> Any:
        below = curve(params[4:, None] - params[:4] @ x)
        return np.diff(np.concatenate([0 * below[:1], below, 0 * below[:1] + 1]), axis=0)

    def effects(params: Any) -> Any:
        one, zero = X.copy(), X.copy()
        one[0], zero[0] = 1.0, 0.0
        union = (probabilities(params, one) - probabilities(params, zero)).mean(axis=1)
        h = 1e-3
        up, down = X.copy(), X.copy()
        up[1], down[1] = X[1] + h, X[1] - h
        educ = (probabilities(params, up) - probabilities(params, down)).mean(axis=1) / (2 * h)
        return np.concatenate([union, educ])

    found = pm.slopes(fit, ["union", "educ"])
    names = [f"{j}: {name}" for name in ("union", "educ") for j in range(3)]
    assert list(found.params.index) == names
    assert np.allclose(found.params, effects(fit.params.to_numpy()), rtol=1e-6)
    assert np.allclose(found.std_errors, errors(fit, effects), rtol=1e-6)
    assert np.allclose(found.params.to_numpy().reshape(2, 3).sum(axis=1), 0, atol=1e-14)
    latent = pm.slopes(fit, ["union", "educ"], type="link")
    assert np.allclose(latent.params, fit.params[["union", "educ"]], rtol=1e-12)


@pytest.mark.parametrize("scale", ["response", "censored"])
def test_censored_outcomes(scale: Any) -> None:
    fit = pm.Tobit(f"low ~ {RIGHT}", lower=1.0, upper=2.5).fit(PANEL)
    step = 1e-3
    found = pm.slopes(fit, type=scale)

    def mean(**change: Any) -> float:
        return float(fit.predict(WAGES.assign(**change), type=scale).mean())

    assert found.params["union"] == pytest.approx(mean(union=1) - mean(union=0), rel=1e-10)
    for name in ("educ", "exper"):
        gap = mean(**{name: WAGES[name] + step}) - mean(**{name: WAGES[name] - step})
        assert found.params[name] == pytest.approx(gap / (2 * step), rel=1e-6)

    def effect(params: Any) -> Any:
        index, sigma = params[0] + params[1:5] @ X, params[5]
        inside = ndtr((2.5 - index) / sigma) - ndtr((1 - index) / sigma)
        rate = inside
        if scale == "censored":
            density = [np.exp(-(((c - index) / sigma) ** 2) / 2) for c in (2.5, 1.0)]
            rate = (density[0] - density[1]) / sigma / np.sqrt(2 * np.pi)
        return np.array([rate.mean() * params[2]])

    assert found.std_errors["educ"] == pytest.approx(errors(fit, effect)[0], rel=1e-6)


def test_what_has_no_such_mean_says_so() -> None:
    tobit = pm.Tobit("low ~ educ", lower="floor").fit(
        pm.Panel(WAGES.assign(floor=1.0), unit="nr", time="year")
    )
    with pytest.raises(SpecificationError, match="limits are columns"):
        pm.slopes(tobit)
    with pytest.raises(SpecificationError, match="Tobit"):
        pm.slopes(pm.Logit("union ~ educ").fit(PANEL), type="censored")
