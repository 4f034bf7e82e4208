"""First differences: periods and clusters are those of the changes."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import panelml as pm
from panelml.errors import MissingValueError

UNITS, PERIODS = 30, 6


def draw() -> pd.DataFrame:
    rng = np.random.default_rng(4)
    d = pd.DataFrame(
        {"id": np.repeat(np.arange(UNITS), PERIODS), "t": np.tile(np.arange(PERIODS), UNITS)}
    )
    x = rng.normal(size=len(d))
    return d.assign(x=x, y=0.5 * x + rng.normal(size=len(d)), g=(d["id"] % 7).astype(float))


def test_newey_west_and_driscoll_kraay_count_the_periods_of_changes() -> None:
    d = draw()
    dx, dy = (d.groupby("id")[c].diff().dropna().to_numpy() for c in "xy")
    slope = dx @ dy / (dx @ dx)
    psi = dx * (dy - slope * dx) / (dx @ dx)
    by_period = psi.reshape(UNITS, PERIODS - 1).sum(axis=0)
    fit = pm.FirstDifference("y ~ x").fit(pm.Panel(d, unit="id", time="t"))
    periods = PERIODS - 1
    for cov, squares in (("NW:0", psi @ psi), ("DK:0", by_period @ by_period)):
        right = np.sqrt(squares * periods / (periods - 1))
        assert fit.with_cov(cov).std_errors["x"] == pytest.approx(right, rel=1e-12)
    # The integer part of 16 ** (1 / 4) is two, that of 15 ** (1 / 4) is one.
    long = pd.concat([d.assign(t=d["t"] + 6 * k) for k in range(3)]).query("t < 16")
    long = long.assign(y=np.random.default_rng(0).normal(size=len(long)))
    fit = pm.FirstDifference("y ~ x").fit(pm.Panel(long, unit="id", time="t"))
    assert fit.with_cov("NW").std_errors["x"] == fit.with_cov("NW:1").std_errors["x"]


@pytest.mark.parametrize("cov", ["cluster:g", "cluster:g+t", "CR2:g", "cluster:g^t"])
def test_a_cluster_is_not_missed_where_no_change_ends(cov: str) -> None:
    d = draw()
    holes = d.assign(g=d["g"].where((d["t"] > 0) | (d["id"] > 3)))
    spec = pm.FirstDifference("y ~ x", cov=cov)
    first, second = (spec.fit(pm.Panel(frame, unit="id", time="t")) for frame in (d, holes))
    assert second.std_errors["x"] == pytest.approx(first.std_errors["x"], rel=1e-12)
    assert second.covariance.clusters == first.covariance.clusters


def test_a_cluster_that_is_missing_at_a_change_is_refused_by_row() -> None:
    d = draw()
    holes = d.assign(g=d["g"].where((d["t"] != 2) | (d["id"] != 1)))
    with pytest.raises(MissingValueError, match=r"'g' is missing in 1 rows .*row 8"):
        pm.FirstDifference("y ~ x", cov="cluster:g").fit(pm.Panel(holes, unit="id", time="t"))
    with pytest.raises(MissingValueError, match=r"'g' is missing in 1 rows"):
        pm.FixedEffects("y ~ x", cov="cluster:g").fit(pm.Panel(holes, unit="id", time="t"))
