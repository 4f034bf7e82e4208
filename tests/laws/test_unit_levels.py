"""What is absorbed does not matter, however large: levels of units, of periods, of trends."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

import panelml as pm
from panelml.errors import IdentificationError
from tests.laws.panels import dummies, least_squares

UNITS, PERIODS = 40, 7
SPECS: list[tuple[str, str, dict[str, Any]]] = [
    ("FixedEffects", "y ~ x + z", {}),
    ("FixedEffects", "y ~ x + z | id + t", {}),
    ("FixedEffects", "y ~ x + z | id[t]", {}),
    ("FixedEffects", "y ~ x + z | id + g^t", {}),
    ("FixedEffects", "y ~ x + z | id + f", {}),
    ("FixedEffects", "y ~ x + z | id[t] + f", {}),
    ("FixedEffects", "y ~ x + z | id + g[t]", {}),
    ("FirstDifference", "y ~ x + z", {}),
    ("FirstDifference", "y ~ x + z", {"drift": True}),
    ("Hybrid", "y ~ x + z", {}),
    ("Hybrid", "y ~ x + z", {"method": "ml"}),
    ("Hybrid", "y ~ x + z", {"random": "1"}),
    ("Mundlak", "y ~ x + z", {}),
    ("TWFE", "y ~ x + z", {"treatment": "post"}),
    ("EventStudy", "y ~ x + z", {"cohort": "first"}),
    ("SunAbraham", "y ~ x + z", {"cohort": "first"}),
    ("ExtendedTWFE", "y ~ x + z", {"cohort": "first"}),
    ("BorusyakJaravelSpiess", "y ~ x + z", {"cohort": "first"}),
    ("TwoStageDiD", "y ~ x + z", {"cohort": "first"}),
]
BETWEEN = ("Intercept", "between", "mean")


def grid(values: Any) -> Any:
    """Round to multiples of 2^-8, which stay exact beside a level of up to 2^44."""
    return np.round(np.asarray(values) * 256) / 256


def frame() -> pd.DataFrame:
    """Simulate an unbalanced panel with a policy; unit 7 has no variation in x."""
    rng = np.random.default_rng(3)
    rows = [(i, t) for i in range(UNITS) for t in range(PERIODS) if rng.random() < 0.9 or t < 3]
    d = pd.DataFrame(rows, columns=["id", "t"]).assign(t=lambda d: d["t"] + 2000)
    n, effect = len(d), rng.normal(size=UNITS)[d["id"]]
    first = np.array([2003, 2004, np.nan, np.nan, 2005])[d["id"] % 5]
    post = d["t"] >= first
    x, z = np.where(d["id"] == 7, 0.0, grid(rng.normal(size=n))), grid(rng.normal(size=n))
    return d.assign(
        x=x,
        z=z,
        first=first,
        post=post.astype(float),
        w=1.0 + d["id"] % 3,
        g=d["id"] % 4,
        f=rng.integers(0, 6, n),
        y=grid(0.5 * x + z + 3 * effect + 0.3 * post + rng.normal(size=n)),
    )


FRAME = frame()
SPREAD = np.random.default_rng(5).normal(size=UNITS)
LEVELS = {
    "one unit far": 999_999_999.0 * (np.arange(UNITS) == 7),
    "one unit very far": 1e15 * (np.arange(UNITS) == 7),
    "a code for unknown": -999.0 * (np.arange(UNITS) == 7),
    "spread of 1e6": np.round(1e6 * SPREAD),
    "spread of 1e9": np.round(1e9 * SPREAD),
    "all at 1e9": np.full(UNITS, 1e9),
}


@pytest.mark.parametrize("levels", LEVELS)
@pytest.mark.parametrize("weights", [None, "w"])
@pytest.mark.parametrize(("estimator", "formula", "options"), SPECS)
def test_levels_of_units_do_not_matter(
    estimator: str, formula: str, options: dict[str, Any], weights: str | None, levels: str
) -> None:
    far = FRAME.assign(x=FRAME["x"] + LEVELS[levels][FRAME["id"]])
    spec = getattr(pm, estimator)(formula, weights=weights, **options)
    first, second = (spec.fit(pm.Panel(d, unit="id", time="t")) for d in (FRAME, far))
    assert list(first.params.index) == list(second.params.index)
    assert second.notes == first.notes
    if estimator in ("Hybrid", "Mundlak"):
        own = ["x" if estimator == "Mundlak" else "within(x)"]
        np.testing.assert_allclose(second.params[own], first.params[own], rtol=1e-7)
        return
    np.testing.assert_allclose(second.params, first.params, rtol=1e-7)
    np.testing.assert_allclose(second.std_errors, first.std_errors, rtol=1e-7)


@pytest.mark.parametrize("shift", [1e6, 1e9])
@pytest.mark.parametrize("weights", [None, "w"])
@pytest.mark.parametrize(
    ("estimator", "options"),
    [
        *[("CallawaySantAnna", {"method": m}) for m in ("dr", "dr-improved", "ipw", "reg")],
        ("LocalProjectionsDiD", {}),
        ("TwoStageDiD", {"effects": "event"}),
    ],
)
def test_the_origin_of_a_covariate_does_not_matter_to_effects_of_policies(
    estimator: str, options: dict[str, Any], weights: str | None, shift: float
) -> None:
    own = grid(np.random.default_rng(9).normal(size=UNITS))[FRAME["id"]]
    spec = getattr(pm, estimator)("y ~ c + x", cohort="first", weights=weights, **options)
    first, second = (
        spec.fit(pm.Panel(FRAME.assign(c=own + level), unit="id", time="t")) for level in (0, shift)
    )
    assert list(first.params.index) == list(second.params.index)
    np.testing.assert_allclose(second.params, first.params, rtol=1e-7, atol=1e-9)
    np.testing.assert_allclose(second.std_errors, first.std_errors, rtol=1e-7)


@pytest.mark.parametrize("effects", ["t", "f + t", "id + t"])
def test_levels_of_periods_do_not_matter(effects: str) -> None:
    level = np.random.default_rng(1).integers(-(10**9), 10**9, PERIODS).astype(float)
    far = FRAME.assign(x=FRAME["x"] + level[FRAME["t"] - 2000])
    spec = pm.FixedEffects(f"y ~ x + z | {effects}")
    first, second = (spec.fit(pm.Panel(d, unit="id", time="t")) for d in (FRAME, far))
    np.testing.assert_allclose(second.params, first.params, rtol=1e-7)
    np.testing.assert_allclose(second.std_errors, first.std_errors, rtol=1e-7)
    assert second.rsquared_within == pytest.approx(first.rsquared_within, rel=1e-8)


@pytest.mark.parametrize("offset", [0, 2000, 20_000, 100_000, 738_000])
@pytest.mark.parametrize("effect", ["id[t, t2]", "g[t, t2]", "id[t, t2] + f"])
def test_the_origin_of_quadratic_trends_does_not_matter(effect: str, offset: int) -> None:
    year = FRAME["t"] - 2000.0
    moved = year + offset
    d = FRAME.assign(k=FRAME["t"], t=moved, t2=moved**2)
    fit = pm.FixedEffects(f"y ~ x + z | {effect}").fit(pm.Panel(d, unit="id", time="k"))
    key = dummies(FRAME["id" if effect.startswith("id") else "g"])
    trend = year.to_numpy()[:, None] - 3
    columns = [key, key * trend, key * trend**2, *([dummies(FRAME["f"])] if "f" in effect else [])]
    x, y = FRAME[["x", "z"]].to_numpy(), FRAME["y"].to_numpy()
    dense = least_squares(y, x, np.concatenate(columns, axis=1))
    np.testing.assert_allclose(fit.params, dense.coef, rtol=1e-6)
    np.testing.assert_allclose(fit.with_cov("iid").cov, dense.cov, rtol=1e-6)
    assert fit.df_resid == len(FRAME) - dense.rank
    # Reported coefficients are those of t and t2 themselves, whose products lose digits.
    atol = 1e-8 + 1e-15 * offset**2
    np.testing.assert_allclose(fit.residuals(), dense.residuals, rtol=0, atol=atol)


def test_what_digits_cannot_hold_is_said() -> None:
    d = FRAME.assign(x=FRAME["x"] + 1e16 * SPREAD[FRAME["id"]])
    panel = pm.Panel(d, unit="id", time="t")
    for formula in ("y ~ x + z", "y ~ x + z | id + t"):
        notes = pm.FixedEffects(formula).fit(panel).notes
        assert any(n.startswith("Dropped 'x': any variation within id") for n in notes)
    d = FRAME.assign(x=FRAME["x"] + 1e14 * SPREAD[FRAME["id"]])
    fit = pm.FixedEffects("y ~ x + z").fit(pm.Panel(d, unit="id", time="t"))
    assert "x" in fit.params
    assert any("'x' varies little within id beside its level" in note for note in fit.notes)
    d = FRAME.assign(k=FRAME["t"], t=FRAME["t"] + 1.7e9, t2=(FRAME["t"] + 1.7e9) ** 2)
    fit = pm.FixedEffects("y ~ x | id[t, t2]").fit(pm.Panel(d, unit="id", time="k"))
    assert any("float64 tells the slope of 't2'" in note for note in fit.notes)


def test_what_is_constant_in_units_is_still_dropped() -> None:
    level = 1e9 * SPREAD[FRAME["id"]]
    d = FRAME.assign(c=level, noisy=level * (1 + 1e-16 * (-1.0) ** np.arange(len(FRAME))))
    panel = pm.Panel(d, unit="id", time="t")
    for formula in ("y ~ x + c", "y ~ x + c | id + t", "y ~ x + noisy", "y ~ x + noisy | id + t"):
        assert list(pm.FixedEffects(formula).fit(panel).params.index) == ["x"]
    with pytest.raises(IdentificationError, match="does not vary within id"):
        pm.FixedEffects("c ~ x").fit(panel)


def test_deviations_of_formulas_and_panels_have_the_digits_of_the_data() -> None:
    far = FRAME.assign(x=FRAME["x"] + LEVELS["one unit very far"][FRAME["id"]])
    first, second = (pm.Panel(d, unit="id", time="t") for d in (FRAME, far))
    np.testing.assert_allclose(second.within("x"), first.within("x"), atol=1e-15)
    spec = pm.PooledOLS("y ~ within(x)")
    np.testing.assert_allclose(spec.fit(second).params, spec.fit(first).params, rtol=1e-9)
    one, two = (panel.variation(["x"]).variables[0].sd[2] for panel in (first, second))
    assert two == pytest.approx(one, rel=1e-12)
