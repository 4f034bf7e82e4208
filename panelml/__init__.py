"""panelml: longitudinal panel data, from the data frame to the table."""

from __future__ import annotations

from panelml import datasets, simulate
from panelml.data.panel import Panel
from panelml.inference import covariance as cov
from panelml.models.fixed import FixedEffects
from panelml.models.linear import Between, FirstDifference, PooledOLS
from panelml.models.random import Hybrid, Mundlak, RandomEffects
from panelml.results.table import compare

__all__ = [
    "Between",
    "FirstDifference",
    "FixedEffects",
    "Hybrid",
    "Mundlak",
    "Panel",
    "PooledOLS",
    "RandomEffects",
    "compare",
    "cov",
    "datasets",
    "simulate",
]
