"""First differences of linearmodels, which respect gaps and have no constant."""

from __future__ import annotations

from typing import Any

from peers import LINEARMODELS_COV, case, linearmodels_fit, linearmodels_value

MODELS = {
    "grunfeld10": ("inv", "value + capital"),
    "grunfeld10_unbalanced": ("inv", "value + capital"),
    "wage": ("lwage", "expersq + married + union"),
    "wage_unbalanced": ("lwage", "expersq + married + union"),
    "munnell": ("lgsp", "lpcap + lpc + lemp + unemp"),
}
COVARIANCES: dict[str, dict[str, Any]] = {
    "iid": {},
    "HC1": {},
    "cluster": {},
    "cluster-group_debias": {"group_debias": True},
    "driscoll-kraay": {"bandwidth": 2},
}


def cases() -> list[dict[str, Any]]:
    """Every case of this script."""
    made = []
    for data, (left, right) in MODELS.items():
        for cov, more in COVARIANCES.items():
            name = cov.removesuffix("-group_debias")
            fit = linearmodels_fit(
                "FirstDifferences",
                data,
                f"{left} ~ 0 + {right}",
                **LINEARMODELS_COV[name],
                **more,
            )
            spec = {
                "estimator": "FirstDifferences",
                "formula": f"{left} ~ {right}",
                "drift": False,
                "cov": name,
                "correction": "linearmodels",
                **more,
            }
            value = linearmodels_value(fit)
            made.append(case(f"linearmodels-{data}-{cov}", "linearmodels", data, spec, value, 1e-8))
    return made
