"""The data sets of the policies."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd

from panelml import EventStudy, Panel, simulate

__all__ = ["POLICY_DATA"]

COHORTS = {4: 0.15, 5: 0.15, 6: 0.15, 7: 0.15, 8: 0.1}


def staggered(rows: int) -> pd.DataFrame:
    """Five cohorts and units never treated over ten periods, with two covariates."""
    frame = simulate.staggered(
        max(rows // 10, 50), 10, COHORTS, adopters=simulate.Adopters(covariate=0.5), seed=1
    )
    frame["z"] = np.random.default_rng(0).standard_normal(len(frame))
    return _plain(frame)


def block(rows: int) -> pd.DataFrame:
    """A tenth of the units adopt in the same of thirty periods."""
    return _plain(simulate.staggered(max(rows // 30, 20), 30, {21: 0.1}, seed=2))


def event_study(rows: int) -> pd.DataFrame:
    """Effects by horizon and their covariance, a row for each, of ``rows`` rows of a panel."""
    frame = simulate.staggered(max(rows // 8, 100), 8, {5: 0.4}, seed=3)
    study = EventStudy("y ~ 1", cohort="cohort").fit(Panel(frame, unit="unit", time="time"))
    sigma = {f"sigma{j}": column for j, column in enumerate(study.covariance.matrix)}
    return pd.DataFrame({"horizon": study.labels["horizon"], "beta": study.params, **sigma})


def _plain(frame: pd.DataFrame) -> pd.DataFrame:
    """Numbers only: zero for units that never adopt."""
    return frame.assign(cohort=frame["cohort"].fillna(0).astype(np.int64))


POLICY_DATA: dict[str, Callable[[int], pd.DataFrame]] = {
    "staggered": staggered,
    "block": block,
    "event-study": event_study,
}
