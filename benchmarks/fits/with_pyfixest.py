"""The cases in pyfixest."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pyfixest as pf

from benchmarks.cases import LAGS, REGRESSORS, Case
from benchmarks.fits.estimates import Estimates

__all__ = ["fit"]


def fit(case: Case, frame: pd.DataFrame) -> Estimates:
    """Fit with the package's defaults; singletons stay, as in fixest and panelml."""
    formula = f"y ~ {' + '.join(REGRESSORS)}"
    if case.effects:
        formula += f" | {' + '.join(case.effects)}"
    vcov: Any = "iid"
    options: dict[str, Any] | None = None
    if case.cov == "cluster":
        vcov = {"CRV1": "+".join(case.clusters)}
    elif case.cov == "driscoll-kraay":
        vcov = "DK"
        options = {"time_id": "time", "panel_id": case.unit, "lag": LAGS}
    model: Any = pf.feols(formula, frame, vcov=vcov, vcov_kwargs=options, fixef_rm="none")
    return Estimates(model.coef().to_dict(), model.se().to_dict())
