"""Fixed effects: linearmodels and pyfixest (whose defaults are fixest's)."""

from __future__ import annotations

from itertools import product
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
WAGE = "lwage ~ expersq + married + union"
MODELS = {
    "grunfeld10": GRUNFELD,
    "grunfeld10_unbalanced": GRUNFELD,
    "grunfeld11": GRUNFELD,
    "wage": WAGE,
    "wage_unbalanced": WAGE,
    "munnell": "lgsp ~ lpcap + lpc + lemp + unemp",
}
WEIGHTED = [
    ("grunfeld10", "w_obs"),
    ("grunfeld10", "w_unit"),
    ("grunfeld10_unbalanced", "w_obs"),
    ("wage", "hours"),
]
EFFECTS = ("individual", "time", "twoways")
LAGS = 2


def absorbed(data: str, effects: str, join: str = " + ") -> str:
    """The effects of a formula, by the names of the panel's columns."""
    _, unit, time = PANELS[data]
    return {"individual": unit, "time": time, "twoways": join.join((unit, time))}[effects]


def spec_of(data: str, effects: str, cov: str, **more: Any) -> dict[str, Any]:
    formula = f"{MODELS[data]} | {absorbed(data, effects)}"
    return {"estimator": "FixedEffects", "formula": formula, "cov": cov, **more}


def linearmodels_case(
    data: str, effects: str, cov: str, *, weights: str | None = None, **more: Any
) -> dict[str, Any]:
    """One fit of PanelOLS; ``more`` are its own options (``group_debias``, ``bandwidth``)."""
    words = {"individual": "EntityEffects", "time": "TimeEffects"}
    terms = words.get(effects, " + ".join(words.values()))
    intercept = bool(more.pop("intercept", False))
    formula = f"{MODELS[data]} + {int(intercept)} + {terms}"
    options = {**LINEARMODELS_COV[cov], **more}
    fit = linearmodels_fit("FixedEffects", data, formula, weights, **options)
    value = linearmodels_value(fit)
    if cov == "iid":
        value |= {"s2": float(fit.s2), "loglik": float(fit.loglik)}
        value |= {
            "f_pooled": float(fit.f_pooled.stat),
            "f_pooled_df": [int(fit.f_pooled.df), int(fit.f_pooled.df_denom)],
        }
    marks = [f"{key}={item}" for key, item in more.items()]
    marks += ["intercept"] * intercept + ([weights] if weights else [])
    spec = spec_of(data, effects, cov, correction="linearmodels", intercept=intercept, **more)
    if cov == "newey-west":
        spec["lag"] = "row"
    if weights:
        spec["weights"] = weights
    name = "-".join(["linearmodels", data, effects, cov, *marks])
    return case(name, "linearmodels", data, spec, value, 1e-8)


def pyfixest_case(
    data: str, effects: str, cov: str, *, weights: str | None = None, **more: Any
) -> dict[str, Any]:
    """One fit of feols; ``more`` are options of pyfixest's ``ssc`` and ``lags``."""
    _, unit, time = PANELS[data]
    clusters = {"cluster": unit, "cluster:time": time, "cluster:unit+time": f"{unit} + {time}"}
    kinds: dict[str, Any] = {
        "iid": "iid",
        "HC1": "hetero",
        "driscoll-kraay": "DK",
        "newey-west": "NW",
    }
    vcov = kinds.get(cov)
    ssc = {key: item for key, item in more.items() if key != "lags"}
    fit = pyfixest_fit(
        data,
        f"{MODELS[data]} | {absorbed(data, effects)}",
        vcov or {"CRV1": clusters[cov]},
        weights=weights,
        kwargs={"time_id": time, "panel_id": unit, "lag": more["lags"]} if "lags" in more else None,
        ssc=ssc or None,
    )
    spec = spec_of(data, effects, cov, correction="fixest", **more)
    if weights:
        spec["weights"] = weights
    marks = [f"{key}={item}" for key, item in more.items()] + ([weights] if weights else [])
    name = "-".join(["pyfixest", data, effects, cov, *marks])
    return case(name, "pyfixest", data, spec, pyfixest_value(fit), 1e-8)


def linearmodels_cases(data: str, effects: str) -> list[dict[str, Any]]:
    made = [linearmodels_case(data, effects, cov) for cov in LINEARMODELS_COV if "-" not in cov]
    for cov in ("cluster", "cluster:unit+time"):
        made.append(linearmodels_case(data, effects, cov, group_debias=True))
    made += [
        linearmodels_case(data, effects, cov, bandwidth=LAGS)
        for cov in ("driscoll-kraay", "newey-west")
    ]
    if effects == "individual":
        made.append(linearmodels_case(data, effects, "iid", intercept=True))
        made.append(linearmodels_case(data, effects, "cluster", group_debias=True, intercept=True))
        made.append(linearmodels_case(data, effects, "driscoll-kraay"))
    return made


def pyfixest_cases(data: str, effects: str) -> list[dict[str, Any]]:
    plain = ("iid", "HC1", "cluster", "cluster:time", "cluster:unit+time")
    made = [pyfixest_case(data, effects, cov) for cov in plain]
    made.append(pyfixest_case(data, effects, "driscoll-kraay", lags=LAGS))
    if "unbalanced" not in data:
        made.append(pyfixest_case(data, effects, "newey-west", lags=LAGS))
    made.append(pyfixest_case(data, effects, "cluster:unit+time", G_df="conventional"))
    for count in ("full", "none"):
        made.append(pyfixest_case(data, effects, "cluster", k_fixef=count))
    return made


def weighted_cases() -> list[dict[str, Any]]:
    made = []
    for (data, weights), effects in product(WEIGHTED, ("individual", "twoways")):
        for cov in ("iid", "HC1", "cluster", "cluster:unit+time"):
            made.append(pyfixest_case(data, effects, cov, weights=weights))
        for cov in ("iid", "HC1", "cluster"):
            made.append(linearmodels_case(data, effects, cov, weights=weights))
    return made


def singleton_cases() -> list[dict[str, Any]]:
    """Units seen once, kept and dropped: the panel with many missing values."""
    regressors = " + ".join(f"x{i}_heavy" for i in range(1, 6))
    formula = f"y_heavy ~ {regressors} | firm"
    made = []
    for choice, words in (("none", "keep"), ("singleton", "drop")):
        fit = pyfixest_fit("stata_simulated", formula, {"CRV1": "firm"}, singletons=choice)
        spec = {
            "estimator": "FixedEffects",
            "formula": formula,
            "cov": "cluster",
            "correction": "fixest",
            "singletons": words,
        }
        name = f"pyfixest-stata_simulated-singletons-{words}"
        made.append(case(name, "pyfixest", "stata_simulated", spec, pyfixest_value(fit), 1e-8))
    return made


def cases() -> list[dict[str, Any]]:
    """Every case of this script."""
    made = []
    for data, effects in product(MODELS, EFFECTS):
        made += linearmodels_cases(data, effects) + pyfixest_cases(data, effects)
    return made + weighted_cases() + singleton_cases()
