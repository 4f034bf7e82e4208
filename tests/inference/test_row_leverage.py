"""HC2 and HC3 with absorbed effects, against least squares on all dummies."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import panelml as pm
from panelml.errors import SpecificationError
from tests.laws.panels import dummies

EFFECTS = (
    "unit",
    "unit[t]",
    "unit + t",
    "unit[t] + t",
    "unit[t, t2]",
    "g",
    "g[t]",
    "g[t, t2]",
    "g + h",
    "g[t] + h",
    "unit + g[t]",
    "unit[[t]]",
    "g[[t]]",
    "unit + h^t",
    "t",
)


def draw(seed: int) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    rows = [(i, t) for i in range(25) for t in range(1, 9) if rng.random() < 0.85 or t < 5]
    d = pd.DataFrame(rows, columns=["unit", "t"])
    n = len(d)
    x, z = rng.normal(size=(2, n))
    return d.assign(
        t2=d["t"] ** 2.0,
        g=rng.integers(0, 4, 25)[d["unit"]],
        h=rng.integers(0, 5, n),
        x=x,
        z=z,
        y=x + rng.normal(size=n) * (1 + x**2),
        w=rng.uniform(0.3, 3, n),
    )


def columns_of(d: pd.DataFrame, effects: str) -> np.ndarray:
    """Dummies, and their products with slope variables."""
    found = []
    for effect in effects.split(" + "):
        name, _, slopes = effect.partition("[")
        key = d[name.split("^")].astype(str).agg("^".join, axis=1)
        d_key = dummies(key)
        if not slopes.startswith("["):
            found.append(d_key)
        found += [d_key * d[[s]].to_numpy(float) for s in slopes.strip("[]").split(", ") if s]
    return np.concatenate(found, axis=1)


def dense(d: pd.DataFrame, effects: str, weights: str | None, power: float) -> np.ndarray:
    """Standard errors by the hat matrix of regressors and effects."""
    root = np.ones(len(d)) if weights is None else np.sqrt(d[weights].to_numpy())
    absorbed = columns_of(d, effects) * root[:, None]
    design = np.concatenate([d[["x", "z"]].to_numpy() * root[:, None], absorbed], axis=1)
    left, values, _ = np.linalg.svd(design / np.linalg.norm(design, axis=0), full_matrices=False)
    leverage = (left[:, values > 1e-9 * values[0]] ** 2).sum(axis=1)
    inverse = np.linalg.pinv(design, rcond=1e-12)
    y = d["y"].to_numpy() * root
    error = y - design @ (inverse @ y)
    use = leverage < 1 - 1e-9
    scaled = error[use] / (1 - leverage[use]) ** power
    return np.sqrt(inverse[:2, use] ** 2 @ scaled**2)


@pytest.mark.parametrize("effects", EFFECTS)
@pytest.mark.parametrize("weights", [None, "w"])
def test_the_leverage_is_that_of_everything_absorbed(effects: str, weights: str | None) -> None:
    d = draw(EFFECTS.index(effects))
    fit = pm.FixedEffects(f"y ~ x + z | {effects}", weights=weights).fit(
        pm.Panel(d, unit="unit", time="t")
    )
    for name, power in (("HC2", 0.5), ("HC3", 1.0)):
        found = fit.with_cov(name).std_errors
        np.testing.assert_allclose(found, dense(d, effects, weights, power), rtol=1e-7)


@pytest.mark.parametrize("name", ["HC2", "HC3"])
def test_rows_alone_in_a_weighted_level_say_nothing_and_are_kept(name: str) -> None:
    rng = np.random.default_rng(6)
    rows = [(i, t) for i in range(15) for t in range(4)] + [(i, 0) for i in range(15, 20)]
    d = pd.DataFrame(rows, columns=["unit", "t"])
    d = d.assign(
        x=rng.normal(size=len(d)), z=rng.normal(size=len(d)), w=rng.uniform(0.3, 3, len(d))
    )
    d["y"] = 0.4 * d["x"] + rng.normal(size=len(d))
    panel = pm.Panel(d, unit="unit", time="t")
    right = dense(d, "unit", "w", 0.5 if name == "HC2" else 1.0)
    for singletons in ("keep", "drop"):
        fit = pm.FixedEffects("y ~ x + z", weights="w", singletons=singletons).fit(panel)
        np.testing.assert_allclose(fit.with_cov(name).std_errors, right, rtol=1e-9)


def test_a_row_that_alone_determines_a_coefficient_is_still_refused() -> None:
    d = draw(1)
    d["x"] = np.where(np.arange(len(d)) == 3, 1.0, 0.0)
    fit = pm.FixedEffects("y ~ x + z | unit + t").fit(pm.Panel(d, unit="unit", time="t"))
    with pytest.raises(SpecificationError, match="alone determine a coefficient"):
        fit.with_cov("HC3")


def test_very_many_levels_of_several_effects_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    fit = pm.FixedEffects("y ~ x + z | unit + t").fit(pm.Panel(draw(1), unit="unit", time="t"))
    monkeypatch.setattr("panelml.inference.leverage.DENSE_LEVELS", 5)
    with pytest.raises(SpecificationError, match="there are 8"):
        fit.with_cov("HC2")
