"""Stock and Watson's covariance: by dense algebra, by simulation, and where it is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

import panelml as pm
from panelml.errors import SpecificationError
from tests.panels import grunfeld10

NAMES = ["x1", "x2"]


def draw(seed: int, units: int, sizes: tuple[int, ...]) -> pd.DataFrame:
    """Errors whose variance depends on the regressor, in units of different size."""
    rng = np.random.default_rng(seed)
    rows = [(i, t) for i in range(units) for t in range(sizes[i % len(sizes)])]
    frame = pd.DataFrame(rows, columns=["unit", "time"])
    n = len(frame)
    frame["x1"], frame["x2"] = rng.normal(size=(2, n))
    return frame.assign(y=frame["x1"] + np.abs(frame["x1"]) * rng.normal(size=n))


def within(frame: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Regressors and residuals about the means of units."""
    columns = frame[["y", *NAMES]]
    z = (columns - columns.groupby(frame["unit"]).transform("mean")).to_numpy()
    x, y = z[:, 1:], z[:, 0]
    return x, y - x @ np.linalg.lstsq(x, y, rcond=None)[0]


def test_balanced_panels_have_the_formula_of_the_paper() -> None:
    frame = draw(1, 30, (5,))
    n, t, k = 30, 5, 2
    x, error = within(frame)
    q = x.T @ x / (n * t)
    plain = (x * error[:, None] ** 2).T @ x / (n * t - n - k)
    bias = np.zeros((k, k))
    for rows in np.split(np.arange(n * t), n):
        bias += (x[rows].T @ x[rows] / t) * (error[rows] ** 2).sum() / (t - 1) / n
    sigma = (t - 1) / (t - 2) * (plain - bias / (t - 1))
    expected = np.linalg.inv(q) @ sigma @ np.linalg.inv(q) / (n * t)
    fit = pm.FixedEffects("y ~ x1 + x2", cov="stock-watson").fit(
        pm.Panel(frame, unit="unit", time="time")
    )
    np.testing.assert_allclose(fit.cov, expected, rtol=1e-10)
    assert fit.covariance.df == fit.df_resid
    assert "Stock and Watson" in fit.covariance.description


def test_the_sum_of_each_unit_is_unbiased_for_any_number_of_rows() -> None:
    """E sum_t (a e_t^2 - b sum_s e_s^2) x_t x_t' is sum_t s_t^2 x_t x_t', whatever the s_t^2."""
    rng = np.random.default_rng(2)
    for size in (2, 3, 4, 7):
        x, variance = rng.normal(size=size), rng.uniform(0.5, 3, size)
        x = x - x.mean()
        off = np.eye(size) - 1 / size
        squares = np.diag(off @ np.diag(variance) @ off)
        gain = size / (size - 2) if size > 2 else 2.0
        bias = squares.sum() / ((size - 1) * (size - 2)) if size > 2 else 0.0
        assert (x**2 * (gain * squares - bias)).sum() == pytest.approx((x**2 * variance).sum())


def test_units_of_different_size_by_dense_algebra() -> None:
    frame = draw(3, 40, (1, 2, 3, 6)).sample(frac=1, random_state=1)
    x, error = within(frame)
    middle = np.zeros((2, 2))
    sizes = frame.groupby("unit").size()
    left = int((sizes - 1).sum())
    factor = left / (left - 2)
    for unit, t in sizes.items():
        own = (frame["unit"] == unit).to_numpy()
        xi, square = x[own], error[own] ** 2
        if t == 2:
            middle += 2 * factor * (xi * square[:, None]).T @ xi
        if t > 2:
            middle += factor * t / (t - 2) * (xi * square[:, None]).T @ xi
            middle -= square.sum() / ((t - 1) * (t - 2)) * xi.T @ xi
    bread = np.linalg.inv(x.T @ x)
    fit = pm.FixedEffects("y ~ x1 + x2", cov=pm.cov.StockWatson()).fit(
        pm.Panel(frame, unit="unit", time="time")
    )
    np.testing.assert_allclose(fit.cov, bread @ middle @ bread, rtol=1e-9)


@pytest.mark.slow
def test_errors_are_right_where_hc1_is_too_small() -> None:
    """Large regressors come with large errors in the same row: HC1 misses a part of it."""
    found, adjusted, plain, clustered = [], [], [], []
    for seed in range(400):
        frame = draw(seed, 200, (3, 5))
        fit = pm.FixedEffects("y ~ x1").fit(pm.Panel(frame, unit="unit", time="time"))
        found.append(fit.params["x1"])
        for values, cov in ((adjusted, "stock-watson"), (plain, "HC1"), (clustered, "cluster")):
            values.append(fit.with_cov(cov).covariance.matrix[0, 0])
    truth = np.var(found)
    spread = 4 * np.sqrt(2 / len(found))
    assert np.mean(adjusted) == pytest.approx(truth, rel=spread)
    assert np.mean(adjusted) == pytest.approx(np.mean(clustered), rel=0.03)
    assert np.mean(plain) < 0.9 * np.mean(adjusted)


def test_hc1_after_unit_effects_is_noted() -> None:
    data = pm.Panel(draw(1, 30, (5,)), unit="unit", time="time")
    fit = pm.FixedEffects("y ~ x1").fit(data)
    for cov in ("HC1", "HC2", "HC3"):
        (note,) = [n for n in fit.with_cov(cov).notes if "Stock and Watson" in n]
        assert note.startswith("After unit effects with more than two rows per unit (here up to 5)")
        assert f"{cov} is inconsistent" in note
    assert not any("Stock" in n for n in fit.with_cov("stock-watson").notes)
    for other in (
        pm.PooledOLS("y ~ x1", cov="HC1").fit(data),
        pm.FixedEffects("y ~ x1", cov="HC1").fit(
            pm.Panel(draw(1, 30, (2,)), unit="unit", time="time")
        ),
        pm.FixedEffects("y ~ x1 | time", cov="HC1").fit(data),
    ):
        assert not any("Stock" in note for note in other.notes)


def test_it_is_refused_where_it_does_not_hold() -> None:
    data = pm.Panel(grunfeld10(), unit="firm", time="year")
    specs: list[Any] = [
        pm.PooledOLS("inv ~ value"),
        pm.RandomEffects("inv ~ value"),
        pm.FixedEffects("inv ~ value | year"),
        pm.FixedEffects("inv ~ value | firm + year"),
        pm.FixedEffects("inv ~ value | firm[year]"),
    ]
    for spec in specs:
        with pytest.raises(SpecificationError, match="fixed effects of the units alone"):
            spec.fit(data).with_cov("stock-watson")
    weighted = pm.FixedEffects("inv ~ value", weights="w_obs").fit(data)
    with pytest.raises(SpecificationError, match="without weights"):
        weighted.with_cov("stock-watson")


@pytest.mark.parametrize(
    ("formula", "weights", "most", "adjusted"),
    [
        ("y ~ x | id", None, "6", True),
        ("y ~ x | id", "w", "6", False),
        ("y ~ x | id + t", None, "6", False),
        ("y ~ x | id^half", None, "3", False),
        ("y ~ x | t", None, None, False),
        ("y ~ x | id^third", None, None, False),
    ],
)
def test_the_note_advises_what_the_fit_allows(
    formula: str, weights: str | None, most: str | None, adjusted: bool
) -> None:
    rng = np.random.default_rng(0)
    rows = pd.DataFrame({"id": np.repeat(np.arange(20), 6), "t": np.tile(np.arange(6), 20)})
    rows = rows.assign(half=rows["t"] // 3, third=rows["t"] // 2, w=rng.uniform(1, 2, 120))
    rows[["x", "y"]] = rng.normal(size=(120, 2))
    panel = pm.Panel(rows, unit="id", time="t")
    fit = pm.FixedEffects(formula, weights=weights, cov="HC1").fit(panel)
    notes = [note for note in fit.notes if "Stock and Watson" in note]
    assert len(notes) == (most is not None)
    for note in notes:
        assert f"(here up to {most})" in note
        assert ("'stock-watson'" in note) == adjusted
    if adjusted:
        assert fit.with_cov("stock-watson").std_errors.gt(0).all()
    else:
        with pytest.raises(SpecificationError):
            fit.with_cov("stock-watson")
