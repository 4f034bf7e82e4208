"""How often intervals and bands cover known effects, by estimator and number of clusters."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import panelml as pm
from benchmarks.shares import SharesPage, monte_carlo_error

__all__ = ["ESTIMATORS", "Coverage", "measure", "page", "run", "save"]

CLUSTERS = (20, 50, 200)
#: With more, leaving each out in turn takes long and changes nothing.
MOST_LEFT_OUT = 20
UNITS = 400
PERIODS = 7
COHORTS = {3: 0.25, 5: 0.35}
LEVEL = 0.95

ESTIMATORS: dict[str, Any] = {
    "Callaway-Sant'Anna": pm.CallawaySantAnna("y ~ 1", cohort="cohort", base="universal"),
    "Sun-Abraham": pm.SunAbraham("y ~ 1", cohort="cohort"),
    "Imputation": pm.BorusyakJaravelSpiess("y ~ 1", cohort="cohort", leads=2),
    "Two-stage": pm.TwoStageDiD("y ~ 1", cohort="cohort", effects="group-time"),
    "Extended two-way": pm.ExtendedTWFE("y ~ 1", cohort="cohort"),
    "Local projections": pm.LocalProjectionsDiD(
        "y ~ 1", cohort="cohort", window=(-2, 2), equal=True
    ),
}


@dataclass(frozen=True, slots=True)
class Coverage:
    """One row of the table.

    Attributes
    ----------
    estimator : str
    clusters : int
    errors : str
        How standard errors were estimated: ``clustered``, or by leaving each cluster out
        (``jackknife``).
    reps : int
    overall : float
        Share of intervals that cover the average effect.
    pointwise : float
        Share of intervals that cover an effect by horizon, over horizons.
    band : float
        Share of bands that cover all effects by horizon at once.
    ratio : float
        Mean standard error of the average effect over its standard deviation.
    """

    estimator: str
    clusters: int
    errors: str
    reps: int
    overall: float
    pointwise: float
    band: float
    ratio: float


def measure(name: str, clusters: int, reps: int, errors: str = "clustered") -> Coverage:
    """Repeat an estimate on panels whose clusters adopt as a whole and share shocks."""
    spec = ESTIMATORS[name]
    found = [_one(spec, clusters, errors, seed) for seed in range(reps)]
    overall, point, band, effect, error = (np.array([f[j] for f in found]) for j in range(5))
    return Coverage(
        name,
        clusters,
        errors,
        reps,
        float(overall.mean()),
        float(point.mean()),
        float(band.mean()),
        float(error.mean() / effect.std(ddof=1)),
    )


def _one(spec: Any, clusters: int, errors: str, seed: int) -> tuple[float, ...]:
    frame = pm.simulate.staggered(
        UNITS,
        PERIODS,
        COHORTS,
        sampling=pm.simulate.Sampling(n_clusters=clusters, sigma_c=0.5, rho=0.3),
        seed=seed,
    )
    fit = spec.fit(pm.Panel(frame, unit="unit", time="time")).with_cov("cluster:cluster")
    event = fit if fit.cells is None else fit.aggregate("event")
    single = fit.aggregate("simple") if fit.cells is not None else event.limited(0, 0)
    if errors == "jackknife":
        event = pm.jackknife(event, clusters="cluster")
        single = (
            pm.jackknife(single, clusters="cluster")
            if fit.cells is not None
            else event.limited(0, 0)
        )
    truth = _truth(frame)
    horizons = event.labels["horizon"].to_numpy()
    exact = np.array([truth.get(int(h), 0.0) for h in horizons])
    ends, band = event.conf_int(LEVEL), event.conf_band(LEVEL, reps=2000)
    inside = [(e["lower"] <= exact) & (exact <= e["upper"]) for e in (ends, band)]
    target = _average(frame) if fit.cells is not None else truth[0]
    [(low, high)] = single.conf_int(LEVEL).to_numpy().tolist()
    return (
        float(low <= target <= high),
        float(inside[0].mean()),
        float(inside[1].all()),
        float(single.params.iloc[0] - target),
        float(single.std_errors.iloc[0]),
    )


def _truth(frame: Any) -> dict[int, float]:
    """Mean true effect by horizon, over treated rows: cohorts are of fixed size."""
    treated = frame[frame["treated"] == 1]
    since = (treated["time"] - treated["cohort"]).astype(int)
    return {int(h): float(v) for h, v in treated["effect"].groupby(since).mean().items()}


def _average(frame: Any) -> float:
    return float(frame.loc[frame["treated"] == 1, "effect"].mean())


def run(reps: int = 400, clusters: Iterable[int] = CLUSTERS) -> list[Coverage]:
    """Measure every estimator."""
    rows = []
    for count in clusters:
        for errors in ("clustered", "jackknife")[: 2 if count <= MOST_LEFT_OUT else 1]:
            for name in ESTIMATORS:
                rows.append(measure(name, count, reps, errors))
                print(rows[-1], file=sys.stderr, flush=True)
    return rows


def page(rows: list[Coverage]) -> SharesPage:
    """Lay out the table."""
    error = monte_carlo_error(LEVEL, rows[0].reps)
    return SharesPage(
        "Coverage of 95 % intervals",
        f"{rows[0].reps} panels of {UNITS} units by {PERIODS} periods, {len(COHORTS)} cohorts "
        "whose effects differ and grow, clusters that adopt as a whole and share shocks, "
        f"autocorrelated errors. A share of 0.95 has a Monte Carlo error of {error:.3f}. "
        "*average effect*: the mean over treated rows (of local projections the first effect); "
        "*band*: all horizons at once; *error / sd*: mean standard error over the standard "
        "deviation of the estimates.",
        (
            "estimator",
            "clusters",
            "errors",
            "average effect",
            "by horizon",
            "band",
            "error / sd",
        ),
        [
            (r.estimator, r.clusters, r.errors, r.overall, r.pointwise, r.band, r.ratio)
            for r in rows
        ],
    )


def save(rows: list[Coverage]) -> Path:
    """Write results/coverage.md and .json; return the former's path."""
    return page(rows).save("coverage", rows)
