"""Effects of policies: what is measured, by whom, and what panelml has to reach."""

from __future__ import annotations

from benchmarks.case import Case, Faster

__all__ = ["POLICIES", "POLICY_PEERS"]

POLICY_PEERS = ("panelml", "diff_diff", "moderndid")
BOTH = {"packages": POLICY_PEERS[:2], "data": "staggered"}
MILLION = 1_000_000

POLICIES = (
    Case(
        "cs",
        "Callaway-Sant'Anna, doubly robust, 2 covariates, 1e5 units x 10",
        "group-time",
        only_rows=MILLION,
        targets=(Faster("diff_diff", 2),),
        **BOTH,
    ),
    Case(
        "cs-bootstrap",
        "The same with 999 multiplier draws",
        "bootstrap",
        only_rows=MILLION,
        targets=(Faster("diff_diff", 2),),
        most_mb=650,
        **BOTH,
    ),
    Case(
        "imputation",
        "Imputation, 1 covariate, 1e5 units x 10",
        "imputation",
        only_rows=MILLION,
        targets=(Faster("diff_diff", 2),),
        **BOTH,
    ),
    Case(
        "sun-abraham",
        "Sun-Abraham, 1 covariate, 1e5 units x 10",
        "sun-abraham",
        only_rows=MILLION,
        targets=(Faster("diff_diff", 5),),
        **BOTH,
    ),
    Case(
        "two-stage-1e4",
        "Two-stage, event study, 1e4 units x 10",
        "two-stage",
        only_rows=100_000,
        **BOTH,
    ),
    Case(
        "two-stage-1e5",
        "Two-stage, event study, 1e5 units x 10",
        "two-stage",
        packages=("panelml",),
        data="staggered",
        only_rows=MILLION,
    ),
    Case(
        "synthetic",
        "Synthetic DiD, 200 units x 30, 20 treated, 200 placebos",
        "synthetic",
        packages=POLICY_PEERS[:2],
        data="block",
        only_rows=6_000,
        targets=(Faster("diff_diff", 3),),
    ),
    Case(
        "sensitivity",
        "Relative magnitudes, 3 effects before and 4 after, 4 sizes",
        "sensitivity",
        packages=("panelml", "moderndid"),
        data="event-study",
        only_rows=20_000,
        targets=(Faster("moderndid", 20),),
    ),
)
