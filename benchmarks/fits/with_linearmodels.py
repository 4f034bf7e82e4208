"""The cases in linearmodels."""

from __future__ import annotations

from typing import Any

import pandas as pd
from linearmodels.iv.absorbing import AbsorbingLS
from linearmodels.panel import (
    BetweenOLS,
    FirstDifferenceOLS,
    PanelOLS,
    PooledOLS,
    RandomEffects,
)

from benchmarks.cases import LAGS, REGRESSORS, Case
from benchmarks.fits.estimates import Estimates

__all__ = ["fit"]


def fit(case: Case, frame: pd.DataFrame) -> Estimates:
    """Fit with the package's default small-sample rules."""
    if set(case.effects) - {"unit", "time"}:
        return _estimates(_absorbing(case, frame))
    indexed = frame.set_index([case.unit, "time"])
    y, x = indexed["y"], indexed[list(REGRESSORS)]
    constant = x.assign(Intercept=1.0)
    if case.model == "hausman":
        fixed = PanelOLS(y, x, entity_effects=True).fit()
        test = RandomEffects(y, constant).fit().hausman(fixed)
        return Estimates({"statistic": float(test.statistic.stat)}, {})
    cov = _covariance(case)
    if case.model == "fixed":
        effects = {"entity_effects": True, "time_effects": "time" in case.effects}
        return _estimates(PanelOLS(y, x, **effects).fit(**cov))
    if case.model == "difference":
        return _estimates(FirstDifferenceOLS(y, x).fit(**cov))
    models: dict[str, Any] = {"pooled": PooledOLS, "between": BetweenOLS, "random": RandomEffects}
    return _estimates(models[case.model](y, constant).fit(**cov))


def _absorbing(case: Case, frame: pd.DataFrame) -> Any:
    effects = frame[list(case.effects)].astype("category")
    model = AbsorbingLS(frame["y"], frame[list(REGRESSORS)], absorb=effects)
    # The cache would answer the second call with the first one's work.
    return model.fit(cov_type="clustered", clusters=frame[list(case.clusters)], use_cache=False)


def _covariance(case: Case) -> dict[str, Any]:
    if case.cov == "cluster":
        return {
            "cov_type": "clustered",
            "cluster_entity": True,
            "cluster_time": "time" in case.clusters,
        }
    if case.cov == "driscoll-kraay":
        return {"cov_type": "kernel", "kernel": "bartlett", "bandwidth": LAGS}
    return {"cov_type": "unadjusted"}


def _estimates(result: Any) -> Estimates:
    return Estimates(result.params.to_dict(), result.std_errors.to_dict())
