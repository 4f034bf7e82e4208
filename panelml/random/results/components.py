"""Variance components of random effects: what fits report, and say, of them."""

from __future__ import annotations

import numpy as np

from panelml._typing import FloatArray
from panelml.core.transforms import QuasiDemean
from panelml.random.core.components import Components
from panelml.random.core.twoway_components import TwoWayComponents
from panelml.results.measures import Measures, component

__all__ = ["component_measures", "component_notes", "two_way_measures", "two_way_notes"]


_DEFINED = (
    component("sigma_t", "Standard deviation of the time effects"),
    component("theta", "Share of the unit means taken out"),
    component("theta_min", "Share of the unit means taken out: smallest", False),
    component("theta_median", "Share of the unit means taken out: median"),
    component("theta_max", "Share of the unit means taken out: largest", False),
)


def component_measures(
    components: Components, transform: QuasiDemean, weight: FloatArray
) -> Measures:
    """Return standard deviations, the units' share of the variance, and theta."""
    total = components.sigma2_u + components.sigma2_e
    values = {
        "sigma_u": float(np.sqrt(components.sigma2_u)),
        "sigma_e": float(np.sqrt(components.sigma2_e)),
        "rho": components.sigma2_u / total if total > 0 else float("nan"),
        **_theta(transform.theta(weight), weight),
    }
    return Measures.of(values, _DEFINED)


def two_way_measures(components: TwoWayComponents, weight: FloatArray) -> Measures:
    """Return standard deviations, the units' share of the variance, and theta."""
    u, t, e = components.sigma2_u, components.sigma2_t, components.sigma2_e
    values = {
        "sigma_u": float(np.sqrt(u)),
        "sigma_t": float(np.sqrt(t)),
        "sigma_e": float(np.sqrt(e)),
        "rho": u / (u + t + e),
        **_theta(1 - np.sqrt(e / (e + weight * u)), weight),
    }
    return Measures.of(values, _DEFINED)


def _theta(theta: FloatArray, weight: FloatArray) -> dict[str, float]:
    if (weight == weight[0]).all():
        return {"theta": float(theta[0])}
    low, middle, high = np.quantile(theta, [0.0, 0.5, 1.0])
    return {"theta_min": float(low), "theta_median": float(middle), "theta_max": float(high)}


def component_notes(components: Components) -> tuple[str, ...]:
    """Say where the variance of the unit effect is zero, and why."""
    if components.sigma2_u > 0:
        return ()
    if components.raw_u < 0:
        return (
            f"The variance of the unit effect was estimated as {components.raw_u:.4g} and set to "
            "zero: the estimates are those of pooled OLS.",
        )
    return (
        "The variance of the unit effect is estimated at zero: the likelihood is highest there.",
    )


def two_way_notes(components: TwoWayComponents) -> tuple[str, ...]:
    """Say which variances of a two-way model are zero, and why."""
    found = (
        ("unit", components.sigma2_u, components.raw_u),
        ("period", components.sigma2_t, components.raw_t),
    )
    return tuple(
        f"The variance of the {name} effect was estimated as {raw:.4g} and set to zero."
        if raw < 0
        else f"The variance of the {name} effect is estimated at zero."
        for name, variance, raw in found
        if variance == 0
    )
