"""Three and crossed effects of pyfixest, whose defaults are fixest's."""

from __future__ import annotations

from typing import Any

from peers import case, pyfixest_fit, pyfixest_value

FORMULAS = [
    ("wage", "three", "lwage ~ expersq + married + union | nr + year + occupation"),
    ("wage_unbalanced", "three", "lwage ~ expersq + married + union | nr + year + occupation"),
    ("wage", "crossed", "lwage ~ expersq + married + union | nr + occupation^year"),
    ("wage", "crossed-unit", "lwage ~ expersq + married | nr^union + year"),
    ("wage", "two-plain", "lwage ~ married + union + educ | occupation + year"),
]
COVARIANCES: dict[str, Any] = {
    "iid": "iid",
    "HC1": "hetero",
    "cluster": {"CRV1": "nr"},
    "cluster:time": {"CRV1": "year"},
    "cluster:unit+time": {"CRV1": "nr + year"},
}


def cases() -> list[dict[str, Any]]:
    """Every case of this script."""
    made = []
    for data, label, formula in FORMULAS:
        for cov, vcov in COVARIANCES.items():
            spec = {
                "estimator": "FixedEffects",
                "formula": formula,
                "cov": cov,
                "correction": "fixest",
            }
            value = pyfixest_value(pyfixest_fit(data, formula, vcov))
            name = f"pyfixest-{data}-{label}-{cov}"
            made.append(case(name, "pyfixest", data, spec, value, 1e-8))
    return made
