"""Sensitivity to departures from parallel trends in moderndid."""

from __future__ import annotations

import pandas as pd
from moderndid.didhonest import create_sensitivity_results_rm

from benchmarks.cases import Case
from benchmarks.fits.estimates import Estimates, event_study

__all__ = ["fit"]


def fit(case: Case, frame: pd.DataFrame) -> Estimates:
    """Conditional and least favourable sets, with its default grid."""
    study = event_study(frame)
    before = int((study.horizons < -1).sum())
    found = create_sensitivity_results_rm(
        betahat=study.beta,
        sigma=study.sigma,
        num_pre_periods=before,
        num_post_periods=study.beta.size - before,
        m_bar_vec=list(study.sizes),
    )
    ends = {}
    for row in found.to_dicts():
        ends |= {f"low {row['Mbar']}": row["lb"], f"high {row['Mbar']}": row["ub"]}
    return Estimates(ends, {})
