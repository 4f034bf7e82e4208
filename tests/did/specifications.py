"""Estimators of policy effects that must keep the laws of all of them."""

from __future__ import annotations

from typing import Any

import panelml as pm

#: Name to specification, for data with y, x, cohort and w.
ESTIMATORS: dict[str, Any] = {
    "imputation": pm.BorusyakJaravelSpiess("y ~ 1", cohort="cohort", leads=1),
    "imputation-weighted": pm.BorusyakJaravelSpiess("y ~ z", cohort="cohort", weights="w"),
    "two-stage": pm.TwoStageDiD("y ~ z", cohort="cohort", effects="event"),
    "callaway": pm.CallawaySantAnna("y ~ x", cohort="cohort", panel=False),
    "callaway-panel": pm.CallawaySantAnna("y ~ 1", cohort="cohort", control="not-yet"),
}
ESTIMATORS |= {
    "twfe": pm.TWFE("y ~ z", cohort="cohort"),
    "event-study": pm.EventStudy("y ~ z", cohort="cohort", window=(-2, 2), weights="w"),
    "sun-abraham": pm.SunAbraham("y ~ z", cohort="cohort"),
    "extended": pm.ExtendedTWFE("y ~ 1", cohort="cohort"),
}
ESTIMATORS["extended-moderated"] = pm.ExtendedTWFE("y ~ 1", cohort="cohort", moderators="x")
ESTIMATORS["triple"] = pm.TripleDifference("y ~ 1", eligible="half", cohort="cohort")
ESTIMATORS["local-projections"] = pm.LocalProjectionsDiD("y ~ x", cohort="cohort", window=(-2, 2))
ESTIMATORS["stacked"] = pm.StackedDiD("y ~ 1", cohort="cohort", window=(-2, 2))
