"""The mixed models of one grouping factor in statsmodels."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable
from typing import Any

import pandas as pd
from statsmodels.regression.mixed_linear_model import MixedLM

from benchmarks.cases import Case
from benchmarks.fits.estimates import Estimates

__all__ = ["fit", "fitted_by"]


def fitted_by(model: Any) -> Callable[[Case, pd.DataFrame], Estimates]:
    """Return a fit by a class with statsmodels' interface and its default optimisers."""

    def fit(case: Case, frame: pd.DataFrame) -> Estimates:
        fixed, regressors, group = re.split(r" \+ \((.*) \| (.*)\)", case.formula)[:3]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            result = model.from_formula(
                fixed, frame, groups=group, re_formula=f"~{regressors}"
            ).fit()
        names = ["Intercept", *(name.strip() for name in fixed.split("~")[1].split("+"))]
        params, errors = (map(float, values) for values in (result.fe_params, result.bse_fe))
        return Estimates(
            dict(zip(names, params, strict=True)), dict(zip(names, errors, strict=True))
        )

    return fit


fit = fitted_by(MixedLM)
