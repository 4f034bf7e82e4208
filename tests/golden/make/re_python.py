"""Random effects of linearmodels, whose default variance components are those of Stata's xtreg."""

from __future__ import annotations

from typing import Any

from peers import LINEARMODELS_COV, case, linearmodels_fit, linearmodels_value

from tests.panels import PANELS

MODELS = {
    ("grunfeld10", ""): "inv ~ value + capital",
    ("grunfeld10_unbalanced", ""): "inv ~ value + capital",
    ("grunfeld11", ""): "inv ~ value + capital",
    ("wage", "-varying"): "lwage ~ expersq + married + union",
    ("wage", "-invariant"): "lwage ~ expersq + married + union + educ + black + hisp + exper",
    ("wage_unbalanced", "-varying"): "lwage ~ expersq + married + union",
    ("wage_unbalanced", "-invariant"): (
        "lwage ~ expersq + married + union + educ + black + hisp + exper"
    ),
    ("munnell", ""): "lgsp ~ lpcap + lpc + lemp + unemp",
}
COVARIANCES: dict[str, dict[str, Any]] = {
    "iid": {},
    "HC1": {},
    "cluster": {},
    "cluster-group_debias": {"group_debias": True},
    "cluster:time": {},
    "cluster:unit+time": {},
    "driscoll-kraay": {"bandwidth": 2},
}


def theta_by_length(data: str, fit: Any) -> Any:
    """One theta of a balanced panel, else theta by the number of periods of the unit."""
    panel, unit, _ = PANELS[data]
    lengths = panel().groupby(unit).size()
    theta = dict(zip(lengths, fit.theta.iloc[:, 0], strict=True))
    thetas = {str(length): float(value) for length, value in sorted(theta.items())}
    return next(iter(thetas.values())) if len(thetas) == 1 else thetas


def fit_case(data: str, label: str, formula: str, cov: str, small_sample: bool) -> dict[str, Any]:
    """One fit; ``small_sample`` asks for the components of Baltagi and Chang (1994)."""
    name, more = cov.removesuffix("-group_debias"), COVARIANCES[cov]
    left, right = formula.split("~")
    fit = linearmodels_fit(
        "RandomEffects",
        data,
        f"{left} ~ 1 + {right}",
        small_sample=small_sample,
        **LINEARMODELS_COV[name],
        **more,
    )
    components = "plm" if small_sample else "stata"
    decomposition = fit.variance_decomposition
    value = linearmodels_value(fit) | {
        "sigma2": {"e": float(decomposition["Residual"]), "u": float(decomposition["Effects"])},
        "theta": theta_by_length(data, fit),
    }
    spec = {
        "estimator": "RandomEffects",
        "formula": formula,
        "method": "swamy-arora",
        "components": components,
        "cov": name,
        "correction": "linearmodels",
        **more,
    }
    return case(
        f"linearmodels-{data}{label}-{components}-{cov}", "linearmodels", data, spec, value, 1e-8
    )


def cases() -> list[dict[str, Any]]:
    """Every case of this script."""
    return [
        fit_case(data, label, formula, cov, small_sample)
        for (data, label), formula in MODELS.items()
        for small_sample in (False, True)
        for cov in COVARIANCES
    ]
