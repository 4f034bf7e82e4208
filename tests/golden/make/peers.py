"""What the Python makers share: running linearmodels and pyfixest, and reading their results."""

from __future__ import annotations

import importlib.metadata
import warnings
from typing import Any

import pandas as pd
import pyfixest
from linearmodels.panel import BetweenOLS, FirstDifferenceOLS, PanelOLS, PooledOLS, RandomEffects
from pyfixest.demeaners import LsmrDemeaner

from tests.panels import PANELS

MODELS: dict[str, Any] = {
    "Pooled": PooledOLS,
    "Between": BetweenOLS,
    "FirstDifferences": FirstDifferenceOLS,
    "FixedEffects": PanelOLS,
    "RandomEffects": RandomEffects,
}
#: linearmodels' options of ``fit`` by the names that the cases' specs use.
LINEARMODELS_COV: dict[str, dict[str, Any]] = {
    "iid": {"cov_type": "unadjusted"},
    "HC1": {"cov_type": "robust"},
    "cluster": {"cov_type": "clustered", "cluster_entity": True},
    "cluster:time": {"cov_type": "clustered", "cluster_time": True},
    "cluster:unit+time": {
        "cov_type": "clustered",
        "cluster_entity": True,
        "cluster_time": True,
    },
    "driscoll-kraay": {"cov_type": "kernel", "kernel": "bartlett"},
    "newey-west": {"cov_type": "ac", "kernel": "bartlett"},
}


def case(
    name: str, tool: str, data: str, spec: dict[str, Any], value: dict[str, Any], tolerance: float
) -> dict[str, Any]:
    """One case; the driver adds the script."""
    version = importlib.metadata.version(tool)
    return {
        "id": name,
        "tool": tool,
        "version": version,
        "data": data,
        "spec": spec,
        "value": value,
        "tolerance": tolerance,
    }


def named(values: pd.Series) -> dict[str, float]:
    """Coefficients by name, the constant called Intercept."""
    return {str(key).replace("_cons", "Intercept"): float(x) for key, x in values.items()}


def matrix(frame: pd.DataFrame) -> dict[str, dict[str, float]]:
    """Covariance by names of its rows and columns."""
    return {str(key).replace("_cons", "Intercept"): named(row) for key, row in frame.iterrows()}


def linearmodels_fit(
    estimator: str, data: str, formula: str, weights: str | None = None, **options: Any
) -> Any:
    """Fit ``formula`` (linearmodels' grammar) on a panel; ``options`` go to ``fit``."""
    panel, unit, time = PANELS[data]
    frame = panel().set_index([unit, time])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = MODELS[estimator].from_formula(
            formula, frame, weights=None if weights is None else frame[[weights]]
        )
        return model.fit(**options)


def linearmodels_value(fit: Any) -> dict[str, Any]:
    """What every result of linearmodels has."""
    return {
        "params": named(fit.params),
        "std_errors": named(fit.std_errors),
        "cov": matrix(fit.cov),
        "tstats": named(fit.tstats),
        "pvalues": named(fit.pvalues),
        "df_resid": int(fit.df_resid),
        "nobs": int(fit.nobs),
    }


def pyfixest_fit(
    data: str,
    formula: str,
    vcov: Any,
    *,
    weights: str | None = None,
    kwargs: dict[str, Any] | None = None,
    ssc: dict[str, Any] | None = None,
    singletons: str = "none",
) -> Any:
    """Fit with pyfixest, keeping singletons unless told; effects converged to 1e-12.

    Units become integers: its Driscoll-Kraay covariance takes no names.
    """
    panel, unit, _ = PANELS[data]
    frame = panel()
    frame = frame.assign(**{unit: pd.factorize(frame[unit])[0]})
    options: dict[str, Any] = {} if ssc is None else {"ssc": pyfixest.ssc(**ssc)}
    return pyfixest.feols(
        formula,
        frame,
        vcov=vcov,
        vcov_kwargs=kwargs,
        weights=weights,
        fixef_rm=singletons,
        demeaner=LsmrDemeaner(fixef_atol=1e-12, fixef_btol=1e-12),
        **options,
    )


def pyfixest_value(fit: Any) -> dict[str, Any]:
    """Coefficients with their inference; p-values use t with ``df_t`` degrees of freedom.

    They are computed as 1 - P, so those below 1e-7 lack the digits and are left out.
    """
    names = list(fit.coef().index)
    interval = fit.confint()
    return {
        "params": named(fit.coef()),
        "std_errors": named(fit.se()),
        "cov": matrix(pd.DataFrame(fit._vcov, index=names, columns=names)),
        "tstats": named(fit.tstat()),
        "pvalues": {name: p for name, p in named(fit.pvalue()).items() if p > 1e-7},
        "conf_int": {
            str(key): [float(row.iloc[0]), float(row.iloc[1])] for key, row in interval.iterrows()
        },
        "df_t": int(fit._df_t),
        "nobs": int(fit._N),
    }
