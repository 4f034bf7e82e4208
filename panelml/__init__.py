"""panelml: longitudinal panel data, from the data frame to the table."""

from __future__ import annotations

from panelml.data.panel import Panel
from panelml.models.fixed import FixedEffects
from panelml.models.linear import Between, FirstDifference, PooledOLS

__all__ = ["Between", "FirstDifference", "FixedEffects", "Panel", "PooledOLS"]
