"""Stata's example panel: linearmodels to full precision, where Stata's print is the same.

``PUBLISHED`` are numbers as Stata prints them (Longitudinal-Data Reference Manual, entry xtreg;
stata.com on ``xtreg, cre`` of Stata 19). A case is made only if it rounds to them.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from linearmodels.panel import BetweenOLS, PanelOLS, RandomEffects
from peers import case, linearmodels_value, named

from tests.panels import PANELS

VARYING = ["age", "age2", "ttl_exp", "ttl_exp2", "tenure", "tenure2", "not_smsa", "south"]
LONG = ["grade", *VARYING[:6], "black", *VARYING[6:]]
PUBLISHED: dict[str, dict[str, str]] = {
    "fe": {
        "age": ".0359987 .0033864",
        "age2": "-.000723 .0000533",
        "ttl_exp": ".0334668 .0029653",
        "ttl_exp2": ".0002163 .0001277",
        "tenure": ".0357539 .0018487",
        "tenure2": "-.0019701 .000125",
        "not_smsa": "-.0890108 .0095316",
        "south": "-.0606309 .0109319",
        "Intercept": "1.03732 .0485546",
        "sigma": ".35562203 .29068923",
        "rsquared": ".1727 .3505 .2625",
        "test": "610.12",
    },
    "re": {
        "grade": ".0646499 .0017812",
        "age": ".0368059 .0031195",
        "age2": "-.0007133 .00005",
        "ttl_exp": ".0290208 .002422",
        "ttl_exp2": ".0003049 .0001162",
        "tenure": ".0392519 .0017554",
        "tenure2": "-.0020035 .0001193",
        "black": "-.053053 .0099926",
        "not_smsa": "-.1308252 .0071751",
        "south": "-.0868922 .0073032",
        "Intercept": ".2387207 .049469",
        "sigma": ".25790526 .29068923",
        "rsquared": ".1715 .4784 .3708",
        "test": "9244.74",
    },
    "be": {
        "grade": ".0607602 .0020006",
        "age": ".0323158 .0087251",
        "tenure": ".0698419 .0060729",
        "black": "-.0564167 .0105131",
        "Intercept": ".3339113 .1210434",
        "test": "450.23",
    },
    "fe-cluster": {"test": "766.79", "rsquared": ".1296 .1916 .1456"},
    "cre": {"test": "1685.18", "means": "331.5144", "rsquared": ".1296 .2346 .1890"},
}


def check(label: str, found: dict[str, tuple[float, ...]]) -> None:
    """Insist that computed numbers round to the printed ones."""
    for name, text in PUBLISHED[label].items():
        for printed, number in zip(text.split(), found[name], strict=True):
            decimals = len(printed.partition(".")[2])
            ulp = 10.0**-decimals
            assert abs(number - float(printed)) <= 0.5 * ulp * 1.000001, (label, name, number)


def rows(columns: list[str]) -> pd.DataFrame:
    panel, unit, time = PANELS["nlswork"]
    frame = panel()[[unit, time, "ln_wage", *columns]].dropna().astype({"ln_wage": float})
    return frame.set_index([unit, time]).assign(Intercept=1.0)


def wald(fit: Any, names: list[str]) -> float:
    b, v = fit.params[names].to_numpy(), fit.cov.loc[names, names].to_numpy()
    return float(b @ np.linalg.solve(v, b))


def rsquared(fit: Any) -> tuple[float, float, float]:
    return (
        float(fit.corr_squared_within),
        float(fit.corr_squared_between),
        float(fit.corr_squared_overall),
    )


def sigma_of_effects(fit: Any, frame: pd.DataFrame, names: list[str]) -> float:
    """Stata's sigma_u of fixed effects: the standard deviation of the effects over units."""
    residual = frame["ln_wage"] - frame[names] @ fit.params[names]
    return float(residual.groupby(level=0).mean().std())


def make(label: str, fit: Any, spec: dict[str, Any], more: dict[str, Any]) -> dict[str, Any]:
    """Check one fit against the print and make its case."""
    within, between, overall = rsquared(fit)
    value = linearmodels_value(fit) | {
        "rsquared_within": within,
        "rsquared_between": between,
        "rsquared_overall": overall,
        **more,
    }
    del value["pvalues"], value["df_resid"]  # linearmodels' t distribution, not Stata's
    params, errors = named(fit.params), named(fit.std_errors)
    found: dict[str, tuple[float, ...]] = {name: (params[name], errors[name]) for name in params}
    found["sigma"] = (more.get("sigma_u", 0.0), more.get("sigma_e", 0.0))
    found["rsquared"] = rsquared(fit)
    found["test"] = (more.get("f", more.get("chi2", 0.0)),)
    found["means"] = (more.get("wald_within_equals_between", {"chi2": 0.0})["chi2"],)
    check(label, found)
    return case(f"nlswork-{label}", "linearmodels", "nlswork", spec, value, 1e-8)


def long_cases() -> list[dict[str, Any]]:
    """The manual's wage equation: fixed, random and between effects, conventional errors."""
    frame = rows(LONG)
    y, x = frame["ln_wage"], frame[["Intercept", *LONG]]
    formula = "ln_wage ~ " + " + ".join(LONG)
    fixed = PanelOLS(y, frame[["Intercept", *VARYING]], entity_effects=True).fit()
    random, between = RandomEffects(y, x).fit(), BetweenOLS(y, x).fit()
    parts = random.variance_decomposition
    stata = {"cov": "iid", "correction": "stata"}
    return [
        make(
            "fe",
            fixed,
            {
                "estimator": "FixedEffects",
                "formula": f"ln_wage ~ {' + '.join(VARYING)} + grade | idcode",
                "intercept": True,
                **stata,
            },
            {
                "sigma_u": sigma_of_effects(fixed, frame, VARYING),
                "sigma_e": float(fixed.s2**0.5),
                "f": wald(fixed, VARYING) / len(VARYING),
            },
        ),
        make(
            "re",
            random,
            {
                "estimator": "RandomEffects",
                "formula": formula,
                "method": "swamy-arora",
                "components": "stata",
                **stata,
            },
            {
                "sigma_u": float(parts["Effects"] ** 0.5),
                "sigma_e": float(parts["Residual"] ** 0.5),
                "chi2": wald(random, LONG),
            },
        ),
        make(
            "be",
            between,
            {"estimator": "Between", "formula": formula, **stata},
            {"f": wald(between, LONG) / len(LONG)},
        ),
    ]


def cre_cases() -> list[dict[str, Any]]:
    """Correlated random effects of Stata 19, and its fixed effects, clustered."""
    varying, races = ["tenure", "age"], ["black", "other"]
    frame = rows([*varying, *races])
    means = frame[varying].groupby(level=0).transform("mean").rename(columns="mean({})".format)
    x = pd.concat([frame[["Intercept", *varying]], means, frame[races]], axis=1)
    options = {"cov_type": "clustered", "cluster_entity": True, "group_debias": True}
    fixed = PanelOLS(frame["ln_wage"], x[["Intercept", *varying]], entity_effects=True)
    fitted, mundlak = fixed.fit(**options), RandomEffects(frame["ln_wage"], x).fit(**options)
    spec = {"cov": "cluster", "correction": "stata"}
    equal = {"chi2": wald(mundlak, list(means.columns)), "df": 2}
    return [
        make(
            "fe-cluster",
            fitted,
            {
                "estimator": "FixedEffects",
                "formula": "ln_wage ~ tenure + age | idcode",
                "intercept": True,
                **spec,
            },
            {"f": wald(fitted, varying) / 2},
        ),
        make(
            "cre",
            mundlak,
            {
                "estimator": "Mundlak",
                "formula": "ln_wage ~ tenure + age + black + other",
                "method": "swamy-arora",
                "components": "stata",
                **spec,
            },
            {
                "chi2": wald(mundlak, [*varying, *races]),
                "wald_within_equals_between": equal,
            },
        ),
    ]


def cases() -> list[dict[str, Any]]:
    """Every case of this script."""
    return long_cases() + cre_cases()
