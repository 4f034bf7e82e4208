"""The policies in diff-diff."""

from __future__ import annotations

import warnings
from typing import Any

import diff_diff
import pandas as pd

from benchmarks.cases import Case
from benchmarks.fits.estimates import Estimates

__all__ = ["fit"]

KEYS = {"outcome": "y", "unit": "unit", "time": "time", "first_treat": "cohort"}


def fit(case: Case, frame: pd.DataFrame) -> Estimates:
    """Fit with its defaults; effects by horizon are asked for where it has them."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return _estimates(_fitted(case, frame))


def _fitted(case: Case, frame: pd.DataFrame) -> Any:
    if case.model in ("group-time", "bootstrap"):
        draws = 999 if case.model == "bootstrap" else 0
        model = diff_diff.CallawaySantAnna(estimation_method="dr", n_bootstrap=draws, seed=1)
        return model.fit(frame, **KEYS, covariates=["x", "z"], aggregate="event_study")
    if case.model == "imputation":
        model = diff_diff.ImputationDiD()
        return model.fit(frame, **KEYS, covariates=["z"], aggregate="event_study")
    if case.model == "sun-abraham":
        return diff_diff.SunAbraham().fit(frame, **KEYS, covariates=["z"])
    if case.model == "two-stage":
        return diff_diff.TwoStageDiD().fit(frame, **KEYS, aggregate="event_study")
    post = sorted(frame.loc[frame["treated"] == 1, "time"].unique())
    ever = frame.assign(ever=(frame["cohort"] > 0).astype(int))
    model = diff_diff.SyntheticDiD(variance_method="placebo", n_bootstrap=200, seed=1)
    return model.fit(
        ever, outcome="y", treatment="ever", unit="unit", time="time", post_periods=post
    )


def _estimates(result: Any) -> Estimates:
    for effect, error in (("overall_att", "overall_se"), ("att", "se")):
        if hasattr(result, effect):
            return Estimates(
                {"att": float(getattr(result, effect))}, {"att": float(getattr(result, error))}
            )
    raise TypeError(type(result).__name__)
