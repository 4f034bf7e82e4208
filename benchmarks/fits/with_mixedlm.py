"""The mixed models in mixedlm."""

from __future__ import annotations

import mixedlm
import numpy as np
import pandas as pd

from benchmarks.cases import Case
from benchmarks.fits.estimates import Estimates

__all__ = ["fit"]


def fit(case: Case, frame: pd.DataFrame) -> Estimates:
    """Fit with the package's default optimiser."""
    result = mixedlm.lmer(case.formula, frame)
    found = {
        name.replace("(Intercept)", "Intercept"): float(b) for name, b in result.fixef().items()
    }
    errors = np.sqrt(np.diag(result.vcov()))
    return Estimates(found, dict(zip(found, map(float, errors), strict=True)))
