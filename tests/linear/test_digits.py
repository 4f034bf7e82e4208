"""How many digits are right: certified values, exact arithmetic, and large means."""

from __future__ import annotations

from fractions import Fraction
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pytest

import panelml as pm
from tests.contract.estimators import ESTIMATORS, fit
from tests.laws.panels import dummies, make_frame

REGRESSORS = ["GNPDEFL", "GNP", "UNEMP", "ARMED", "POP", "YEAR"]
FORMULA = "TOTEMP ~ " + " + ".join(REGRESSORS)
#: Longley's data: NIST Statistical Reference Datasets, certified to fifteen digits.
CERTIFIED = {
    "Intercept": (-3482258.63459582, 890420.383607373),
    "GNPDEFL": (15.0618722713733, 84.9149257747669),
    "GNP": (-0.358191792925910e-01, 0.334910077722432e-01),
    "UNEMP": (-2.02022980381683, 0.488399681651699),
    "ARMED": (-1.03322686717359, 0.214274163161675),
    "POP": (-0.511041056535807e-01, 0.226073200069370),
    "YEAR": (1829.15146461355, 455.478499142212),
}


@cache
def longley() -> pd.DataFrame:
    """Longley's regressors, nearly collinear, on a made-up index of four units."""
    from statsmodels.datasets import longley as source

    frame = source.load_pandas().data
    return frame.assign(unit=np.arange(16) // 4, time=np.arange(16) % 4)


def exact_least_squares(y: np.ndarray, x: np.ndarray) -> tuple[np.ndarray, float]:
    """Solve the normal equations in rational numbers: coefficients and residual sum of squares."""
    rows = [[Fraction(v) for v in row] for row in np.column_stack([x, y])]
    k = x.shape[1]
    table = [[sum(r[i] * r[j] for r in rows) for j in range(k + 1)] for i in range(k + 1)]
    for i in range(k):
        pivot = table[i][i]
        for j in range(i + 1, k + 1):
            factor = table[j][i] / pivot
            table[j] = [b - factor * a for a, b in zip(table[i], table[j], strict=True)]
    coef = [Fraction(0)] * k
    for i in reversed(range(k)):
        known = sum(table[i][j] * coef[j] for j in range(i + 1, k))
        coef[i] = (table[i][k] - known) / table[i][i]
    return np.array([float(b) for b in coef]), float(table[k][k])


def test_longley_is_certified() -> None:
    found = pm.PooledOLS(FORMULA, cov="iid").fit(pm.Panel(longley(), unit="unit", time="time"))
    for name, (value, error) in CERTIFIED.items():
        assert found.params[name] == pytest.approx(value, rel=1e-9), name
        assert found.std_errors[name] == pytest.approx(error, rel=1e-9), name
    assert found.extras["sigma"] == pytest.approx(304.854073561965, rel=1e-10)
    assert found.rsquared == pytest.approx(0.995479004577296, rel=1e-13)
    assert found.rss == pytest.approx(836424.055505915, rel=1e-10)


@pytest.mark.parametrize("effects", [["unit"], ["time"], ["unit", "time"]], ids="+".join)
def test_longley_with_absorbed_effects_in_exact_arithmetic(effects: list[str]) -> None:
    frame = longley()
    columns = [dummies(frame[effects[0]])]
    columns += [dummies(frame[effect])[:, 1:] for effect in effects[1:]]
    names = REGRESSORS[:4]
    x = np.column_stack([frame[names], *columns])
    coef, rss = exact_least_squares(frame["TOTEMP"].to_numpy(), x)
    found = pm.FixedEffects(f"TOTEMP ~ {' + '.join(names)} | {' + '.join(effects)}", cov="iid").fit(
        pm.Panel(frame, unit="unit", time="time")
    )
    assert found.params.to_numpy() == pytest.approx(coef[:4], rel=1e-10)
    assert found.rss == pytest.approx(rss, rel=1e-9)


@pytest.mark.parametrize("spec", [pm.FirstDifference, pm.Between], ids=lambda s: s.__name__)
def test_longley_changed_and_averaged_in_exact_arithmetic(spec: Any) -> None:
    frame, names = longley(), REGRESSORS[:2]
    columns = frame[["TOTEMP", *names]]
    if spec is pm.FirstDifference:
        rows = columns.groupby(frame["unit"]).diff().dropna()
        x = rows[names].to_numpy()
    else:
        rows = columns.groupby(frame["unit"]).mean()
        x = np.column_stack([np.ones(4), rows[names]])
    coef, rss = exact_least_squares(rows["TOTEMP"].to_numpy(), x)
    found = spec(f"TOTEMP ~ {' + '.join(names)}", cov="iid").fit(
        pm.Panel(frame, unit="unit", time="time")
    )
    assert found.params.to_numpy() == pytest.approx(coef, rel=1e-9)
    assert found.rss == pytest.approx(rss, rel=1e-8)


def test_a_polynomial_of_degree_five() -> None:
    """Wampler's fourth problem (NIST): all coefficients are one, the errors enormous."""
    x = np.arange(21.0)
    y = sum(x**power for power in range(6))
    y += (
        np.array(
            [
                759,
                -2048,
                2048,
                -2048,
                2523,
                -2048,
                2048,
                -2048,
                1838,
                -2048,
                2048,
                -2048,
                1838,
                -2048,
                2048,
                -2048,
                2523,
                -2048,
                2048,
                -2048,
                759,
            ]
        )
        * 100.0
    )
    frame = pd.DataFrame({"unit": np.arange(21) // 7, "time": np.arange(21) % 7, "y": y})
    for power in range(1, 6):
        frame[f"p{power}"] = x**power
    found = pm.PooledOLS("y ~ p1 + p2 + p3 + p4 + p5", cov="iid").fit(
        pm.Panel(frame, unit="unit", time="time")
    )
    coef, rss = exact_least_squares(y, np.vander(x, 6, increasing=True))
    # An orthogonal factorisation has errors of 2e-8 here.
    assert found.params.to_numpy() == pytest.approx(coef, rel=1e-6)
    assert found.rss == pytest.approx(rss, rel=1e-12)
    assert not found.notes or all("Dropped" not in note for note in found.notes)


@pytest.mark.parametrize("name", ESTIMATORS)
@pytest.mark.parametrize("weights", [None, "w"])
def test_a_regressor_with_a_large_mean_keeps_ten_digits(name: str, weights: str | None) -> None:
    """Mean 1e6, standard deviation 1; taking the million away again is exact.

    A unit's mean near a million is itself stored to 1.2e-10.
    """
    frame = make_frame(np.random.default_rng(31), 60, 7, 0.2)
    far = frame.assign(x1=frame["x1"] + 1e6, y=frame["y"] - 1e6)
    near = far.assign(x1=far["x1"] - 1e6, y=far["y"] + 1e6)
    first = fit(ESTIMATORS[name], far, weights=weights, cov="iid")
    second = fit(ESTIMATORS[name], near, weights=weights, cov="iid")
    slopes = [parameter for parameter in first.params.index if parameter != "Intercept"]
    assert first.params[slopes].to_numpy() == pytest.approx(
        second.params[slopes].to_numpy(), rel=2e-10
    )
    assert first.std_errors[slopes].to_numpy() == pytest.approx(
        second.std_errors[slopes].to_numpy(), rel=1e-10
    )
    assert first.rss == pytest.approx(second.rss, rel=1e-10)


def test_units_of_measurement_that_differ_by_many_powers_of_ten() -> None:
    frame = make_frame(np.random.default_rng(31), 60, 7, 0.2)
    scales = {"x1": 1e-12, "x2": 1e12}
    other = frame.assign(**{name: frame[name] * scale for name, scale in scales.items()})
    for name, estimator in ESTIMATORS.items():
        first, second = fit(estimator, frame, cov="HC1"), fit(estimator, other, cov="HC1")
        for label in estimator.split:
            for x, scale in scales.items():
                parameter = label.format(x)
                assert second.params[parameter] * scale == pytest.approx(
                    first.params[parameter], rel=1e-9
                ), name
                assert second.std_errors[parameter] * scale == pytest.approx(
                    first.std_errors[parameter], rel=1e-9
                ), name
