"""Between regressions of linearmodels, with analytic weights and weighted by periods."""

from __future__ import annotations

from typing import Any

from peers import LINEARMODELS_COV, case, linearmodels_fit, linearmodels_value

GRUNFELD = "inv ~ value + capital"
WAGE = "lwage ~ expersq + married + union + educ + black + hisp + exper"
MODELS = {
    "grunfeld10": GRUNFELD,
    "grunfeld10_unbalanced": GRUNFELD,
    "wage": WAGE,
    "wage_unbalanced": WAGE,
    "munnell": "lgsp ~ lpcap + lpc + lemp + unemp",
}
WEIGHTS = {
    "grunfeld10": ("w_obs", "w_unit"),
    "grunfeld10_unbalanced": ("w_obs", "w_unit"),
    "wage": ("hours",),
    "wage_unbalanced": ("hours",),
    "munnell": (),
}


def between_case(
    data: str, cov: str, weights: str | None = None, by_periods: bool = False
) -> dict[str, Any]:
    left, right = MODELS[data].split("~")
    fit = linearmodels_fit(
        "Between",
        data,
        f"{left} ~ 1 + {right}",
        weights,
        reweight=by_periods,
        **LINEARMODELS_COV[cov],
    )
    spec: dict[str, Any] = {
        "estimator": "Between",
        "formula": MODELS[data],
        "cov": cov,
        "correction": "linearmodels",
    }
    if weights is not None:
        spec["weights"] = weights
    if by_periods:
        spec["weighting"] = "periods"
    value = linearmodels_value(fit)
    value["n_units"] = value.pop("nobs")
    marks = [data, cov, *([weights] if weights else []), *["periods"] * by_periods]
    return case("-".join(["linearmodels", *marks]), "linearmodels", data, spec, value, 1e-8)


def cases() -> list[dict[str, Any]]:
    """Every case of this script."""
    made = []
    for data in MODELS:
        for weights in (None, *WEIGHTS[data]):
            for cov in ("iid", "HC1"):
                made.append(between_case(data, cov, weights))
                made.append(between_case(data, cov, weights, by_periods=True))
    return made
