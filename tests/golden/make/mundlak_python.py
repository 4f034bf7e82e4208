"""Mundlak and hybrid models: linearmodels' random effects on columns made by hand."""

from __future__ import annotations

from typing import Any

import pandas as pd
from linearmodels.panel import RandomEffects
from peers import LINEARMODELS_COV, case, linearmodels_value

from tests.panels import PANELS

WAGE = ("lwage", ["union", "married", "expersq"], ["educ", "black", "hisp"])
GRUNFELD: tuple[str, list[str], list[str]] = ("inv", ["value", "capital"], [])
MODELS = {
    "wage": WAGE,
    "wage_unbalanced": WAGE,
    "grunfeld10": GRUNFELD,
    "grunfeld10_unbalanced": GRUNFELD,
    "munnell": ("lgsp", ["lpcap", "lpc", "lemp", "unemp"], []),
}
COVARIANCES: dict[str, dict[str, Any]] = {"iid": {}, "cluster": {"group_debias": True}}


def columns(data: str, estimator: str) -> tuple[pd.Series, pd.DataFrame]:
    """Outcome and regressors, named as panelml names them."""
    panel, unit, time = PANELS[data]
    outcome, varying, invariant = MODELS[data]
    frame = panel().set_index([unit, time])
    means = frame[varying].groupby(level=0).transform("mean")
    if estimator == "Hybrid":
        first = (frame[varying] - means).rename(columns="within({})".format)
        means = means.rename(columns="between({})".format)
    else:
        first, means = frame[varying], means.rename(columns="mean({})".format)
    regressors = pd.concat([first, means, frame[invariant]], axis=1)
    regressors.insert(0, "Intercept", 1.0)
    return frame[outcome], regressors


def cases() -> list[dict[str, Any]]:
    """Every case of this script."""
    made = []
    for data, (outcome, varying, invariant) in MODELS.items():
        for estimator in ("Mundlak", "Hybrid"):
            model = RandomEffects(*columns(data, estimator))
            for cov, more in COVARIANCES.items():
                fit = model.fit(**LINEARMODELS_COV[cov], **more)
                spec = {
                    "estimator": estimator,
                    "formula": f"{outcome} ~ {' + '.join(varying + invariant)}",
                    "method": "swamy-arora",
                    "components": "stata",
                    "cov": cov,
                    "correction": "linearmodels",
                    **more,
                }
                parts = fit.variance_decomposition
                value = linearmodels_value(fit) | {
                    "sigma2": {"e": float(parts["Residual"]), "u": float(parts["Effects"])}
                }
                name = f"{estimator.lower()}-linearmodels-{data}-{cov}"
                made.append(case(name, "linearmodels", data, spec, value, 1e-8))
    return made
