"""R-squared of linearmodels, in both of its definitions, and of pyfixest."""

from __future__ import annotations

from itertools import product
from typing import Any

from peers import case, linearmodels_fit, pyfixest_fit

from tests.panels import PANELS

GRUNFELD = "inv ~ value + capital"
WAGE = "lwage ~ expersq + married + union"
MODELS = {
    "grunfeld10": GRUNFELD,
    "grunfeld10_unbalanced": GRUNFELD,
    "wage": WAGE,
    "wage_unbalanced": WAGE,
    "munnell": "lgsp ~ lpcap + lpc + lemp + unemp",
}
KINDS = ("within", "between", "overall")
ESTIMATORS = {
    "Pooled": ("Pooled", ""),
    "Between": ("Between", ""),
    "RandomEffects": ("RandomEffects", ""),
    "FixedEffects": ("FixedEffects", " + EntityEffects"),
    "FixedEffects-twoways": ("FixedEffects", " + EntityEffects + TimeEffects"),
}


def spec_of(data: str, label: str, definition: str, **more: Any) -> dict[str, Any]:
    _, unit, time = PANELS[data]
    absorbed = {"FixedEffects": f" | {unit}", "FixedEffects-twoways": f" | {unit} + {time}"}
    spec: dict[str, Any] = {
        "estimator": ESTIMATORS[label][0],
        "formula": MODELS[data] + absorbed.get(label, ""),
        "definition": definition,
        **more,
    }
    if label == "RandomEffects":
        spec |= {"method": "swamy-arora", "components": "stata"}
    return spec


def linearmodels_cases(data: str, label: str) -> list[dict[str, Any]]:
    """Squared correlations (Stata's), and 1 - RSS/TSS with and without a constant."""
    estimator, terms = ESTIMATORS[label]
    left, right = MODELS[data].split("~")
    made = []
    for constant in (True, False) if terms else (True,):
        fit = linearmodels_fit(estimator, data, f"{left} ~ {int(constant)} + {right}{terms}")
        name = f"linearmodels-{data}-{label}"
        if constant:
            value = {kind: float(getattr(fit, f"corr_squared_{kind}")) for kind in KINDS}
            spec = spec_of(data, label, "correlation")
            made.append(case(f"{name}-correlation", "linearmodels", data, spec, value, 1e-8))
        value = {kind: float(getattr(fit, f"rsquared_{kind}")) for kind in KINDS}
        value["transformed"] = float(fit.rsquared)
        if terms:
            value["inclusive"] = float(fit.rsquared_inclusive)
        spec = spec_of(data, label, "linearmodels", constant=constant)
        mark = "constant" if constant else "plain"
        made.append(case(f"{name}-{mark}", "linearmodels", data, spec, value, 1e-8))
    return made


def pyfixest_case(data: str, label: str) -> dict[str, Any]:
    spec = spec_of(data, label, "fixest")
    fit = pyfixest_fit(data, spec["formula"], "iid")
    value = {"inclusive": float(fit._r2), "inclusive_adjusted": float(fit._adj_r2)}
    if "|" in spec["formula"]:
        value |= {
            "transformed": float(fit._r2_within),
            "transformed_adjusted": float(fit._adj_r2_within),
        }
    return case(f"pyfixest-{data}-{label}", "pyfixest", data, spec, value, 1e-8)


def cases() -> list[dict[str, Any]]:
    """Every case of this script."""
    made = []
    for data, label in product(MODELS, ESTIMATORS):
        made += linearmodels_cases(data, label)
        if label.startswith(("Pooled", "Fixed")):
            made.append(pyfixest_case(data, label))
    return made
