"""Covariance estimators: standard errors that are robust to dependence and heteroskedasticity."""

from __future__ import annotations

from panelml.inference.correction import SmallSample
from panelml.inference.covariance import (
    HC1,
    HC2,
    HC3,
    Clustered,
    Covariance,
    CovLike,
    CovSpec,
    DriscollKraay,
    Estimate,
    Iid,
    MultiplierBootstrap,
    NeweyWest,
    StockWatson,
    parse,
)
from panelml.inference.small_samples import KenwardRoger, Satterthwaite

__all__ = [
    "HC1",
    "HC2",
    "HC3",
    "Clustered",
    "CovLike",
    "CovSpec",
    "Covariance",
    "DriscollKraay",
    "Estimate",
    "Iid",
    "KenwardRoger",
    "MultiplierBootstrap",
    "NeweyWest",
    "Satterthwaite",
    "SmallSample",
    "StockWatson",
    "parse",
]
