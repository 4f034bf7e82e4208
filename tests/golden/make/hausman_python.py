"""Hausman tests of linearmodels, fixed against random effects, in the variants of Stata."""

from __future__ import annotations

import warnings
from typing import Any

from peers import case, linearmodels_fit

WAGE = "expersq + married + union"
MODELS = [
    ("grunfeld10", "", "inv ~ value + capital", ""),
    ("grunfeld10_unbalanced", "", "inv ~ value + capital", ""),
    ("grunfeld11", "", "inv ~ value + capital", ""),
    ("wage", "-varying", f"lwage ~ {WAGE}", ""),
    ("wage", "-invariant", f"lwage ~ {WAGE} + exper", " + educ + black + hisp"),
    ("wage_unbalanced", "-varying", f"lwage ~ {WAGE}", ""),
    ("munnell", "", "lgsp ~ lpcap + lpc + lemp + unemp", ""),
]


def cases() -> list[dict[str, Any]]:
    """Every case of this script."""
    made = []
    for data, label, formula, invariant in MODELS:
        fixed = linearmodels_fit("FixedEffects", data, f"{formula} + EntityEffects")
        for small_sample in (False, True):
            random = linearmodels_fit(
                "RandomEffects", data, f"{formula}{invariant} + 1", small_sample=small_sample
            )
            components = "plm" if small_sample else "stata"
            for form in ("classical", "sigmamore", "sigmaless"):
                options = {} if form == "classical" else {form: True}
                with warnings.catch_warnings(record=True) as raised:
                    warnings.simplefilter("always")
                    test = random.hausman(fixed, **options).statistic
                spec = {
                    "test": "hausman",
                    "first": "FixedEffects",
                    "second": "RandomEffects",
                    "formula": formula,
                    "formula_random": formula + invariant,
                    "method": "swamy-arora",
                    "components": components,
                    "form": form,
                }
                value = {
                    "statistic": float(test.stat),
                    "df": int(test.df),
                    "pvalue": float(test.pval),
                    "positive_definite": not raised,
                }
                name = f"linearmodels-{data}{label}-{components}-{form}"
                made.append(case(name, "linearmodels", data, spec, value, 1e-8))
    return made
