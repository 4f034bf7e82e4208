"""Pooled least squares of linearmodels and pyfixest, with and without weights."""

from __future__ import annotations

from typing import Any

from peers import (
    LINEARMODELS_COV,
    case,
    linearmodels_fit,
    linearmodels_value,
    pyfixest_fit,
    pyfixest_value,
)

from tests.panels import PANELS

GRUNFELD = "inv ~ value + capital"
WAGE = "lwage ~ expersq + married + union + educ + black + hisp + exper"
MODELS = [
    ("grunfeld10", GRUNFELD, None),
    ("grunfeld10_unbalanced", GRUNFELD, None),
    ("wage", WAGE, None),
    ("wage_unbalanced", WAGE, None),
    ("munnell", "lgsp ~ lpcap + lpc + lemp + unemp", None),
    ("grunfeld10", GRUNFELD, "w_obs"),
    ("grunfeld10_unbalanced", GRUNFELD, "w_obs"),
    ("wage", WAGE, "hours"),
]
LAGS = 2


def spec_of(formula: str, weights: str | None, cov: str, **more: Any) -> dict[str, Any]:
    spec = {"estimator": "Pooled", "formula": formula, "cov": cov, **more}
    return spec if weights is None else {**spec, "weights": weights}


def pyfixest_case(data: str, formula: str, weights: str | None, cov: str) -> dict[str, Any]:
    _, unit, time = PANELS[data]
    clusters = {"cluster": unit, "cluster:time": time, "cluster:unit+time": f"{unit} + {time}"}
    lags = {"lags": LAGS} if cov == "driscoll-kraay" else {}
    plain: Any = {"iid": "iid", "HC1": "hetero", "driscoll-kraay": "DK"}.get(cov)
    fit = pyfixest_fit(
        data,
        formula,
        plain or {"CRV1": clusters[cov]},
        weights=weights,
        kwargs={"time_id": time, "panel_id": unit, "lag": LAGS} if lags else None,
    )
    name = "-".join(filter(None, ["pyfixest", data, weights, cov]))
    spec = spec_of(formula, weights, cov, correction="fixest", **lags)
    return case(name, "pyfixest", data, spec, pyfixest_value(fit), 1e-8)


def linearmodels_case(
    data: str, formula: str, weights: str | None, cov: str, **more: Any
) -> dict[str, Any]:
    left, right = formula.split("~")
    options = {**LINEARMODELS_COV[cov], **more}
    fit = linearmodels_fit("Pooled", data, f"{left} ~ 1 + {right}", weights, **options)
    marks = [f"{key}={item}" for key, item in more.items()]
    name = "-".join(filter(None, ["linearmodels", data, weights, cov, *marks]))
    spec = spec_of(formula, weights, cov, correction="linearmodels", **more)
    if cov == "newey-west":
        spec["lag"] = "row"
    return case(name, "linearmodels", data, spec, linearmodels_value(fit), 1e-8)


def cases() -> list[dict[str, Any]]:
    """Every case of this script."""
    made = []
    clustered = ("cluster", "cluster:time", "cluster:unit+time")
    for model in MODELS:
        made += [pyfixest_case(*model, cov) for cov in ("iid", "HC1", *clustered, "driscoll-kraay")]
        made += [linearmodels_case(*model, cov) for cov in ("iid", "HC1", *clustered)]
        made.append(linearmodels_case(*model, "cluster", group_debias=True))
        made.append(linearmodels_case(*model, "driscoll-kraay", bandwidth=LAGS))
        made.append(linearmodels_case(*model, "newey-west", bandwidth=LAGS))
    return made
