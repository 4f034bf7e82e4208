"""Residual covariance structures: how residuals of the same unit depend on each other."""

from __future__ import annotations

from panelml.mixed.core.structures import (
    AR1,
    CAR1,
    MA1,
    Exchangeable,
    Heteroskedastic,
    ResidualLike,
    ResidualStructure,
    Toeplitz,
    Unstructured,
    parse,
)

__all__ = [
    "AR1",
    "CAR1",
    "MA1",
    "Exchangeable",
    "Heteroskedastic",
    "ResidualLike",
    "ResidualStructure",
    "Toeplitz",
    "Unstructured",
    "parse",
]
