"""Replaying a reference case: from its words to a fit of ours, and the numbers to compare.

``DIFFERENCES`` is the whole list of reference values that are not ours, with the reasons.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np

import panelml as pm
from panelml.core.moments import Gram
from panelml.engine.fold import fold
from panelml.inference.correction import PRESETS, SmallSample
from panelml.inference.covariance import (
    HC1,
    HC2,
    HC3,
    Clustered,
    CovSpec,
    DriscollKraay,
    Iid,
    NeweyWest,
)
from panelml.results.base import Results
from tests.golden import Case
from tests.panels import PANELS

ESTIMATORS: dict[str, Callable[..., Any]] = {
    "Pooled": pm.PooledOLS,
    "Between": pm.Between,
    "FixedEffects": pm.FixedEffects,
    "FirstDifferences": pm.FirstDifference,
    "RandomEffects": pm.RandomEffects,
    "Mundlak": pm.Mundlak,
    "Hybrid": pm.Hybrid,
}
#: What the words of a spec ask of the estimator.
OPTIONS = {"formula", "method", "weights", "singletons", "drift"}
#: What they ask of the covariance.
COVARIANCE = {
    "cov",
    "correction",
    "type",
    "lags",
    "bandwidth",
    "lag",
    "group_debias",
    "G_df",
    "k_fixef",
    "small_sample",
    "nested_effects_in_k",
}
#: What only says how the reference reports: the constant of fixed effects, the kind of effects.
REPORT = {"estimator", "intercept", "effects", "components", "weighting", "definition", "constant"}


RANDOM = ("RandomEffects", "Mundlak", "Hybrid")
INFERENCE = ("std_errors", "cov", "tstats", "pvalues", "conf_int")


@dataclass(frozen=True, slots=True)
class Difference:
    """Reference values that are not ours.

    Attributes
    ----------
    reason : str
    applies : callable
        Whether a case is meant.
    names : tuple of str
        Which of its values.
    parameter : str
        The one parameter of these values that is meant; empty for all.
    """

    reason: str
    applies: Callable[[Case], bool]
    names: tuple[str, ...] = INFERENCE
    parameter: str = ""


def several_leverages(case: Case) -> bool:
    """Whether a case asks for the leverage of rows in several absorbed effects."""
    return case.spec.get("cov") in ("HC2", "HC3") and "+" in case.spec["formula"].partition("|")[2]


DIFFERENCES = (
    Difference(
        "HC2 and HC3 are refused with several absorbed effects.",
        several_leverages,
    ),
    Difference(
        "The constant of fixed effects is a statistic of ours, without a standard error.",
        lambda case: case.spec["estimator"] == "FixedEffects" and bool(case.spec.get("intercept")),
        parameter="Intercept",
    ),
    Difference(
        "linearmodels' Newey-West lags by rows, ours by time: they differ across gaps.",
        lambda case: case.spec.get("lag") == "row" and "unbalanced" in case.data,
    ),
    Difference(
        "Without clusters random effects are tested by the normal distribution, as in Stata, "
        "not by linearmodels' t(N - K).",
        lambda case: (
            case.tool == "linearmodels"
            and case.spec["estimator"] in RANDOM
            and case.spec.get("cov") in ("iid", "HC1")
        ),
        ("pvalues",),
    ),
    Difference(
        "plm and linearmodels let a covariance of several clusters have negative eigenvalues.",
        lambda case: (
            case.spec.get("cov") == "cluster:unit+time"
            and any("positive semi-definite" in note for note in fit(case).covariance.notes)
        ),
    ),
    Difference(
        "Between regressions count the rows behind the means, as Stata does, not the means.",
        lambda case: case.tool == "linearmodels" and case.spec["estimator"] == "Between",
        ("nobs",),
    ),
    Difference(
        "linearmodels' R-squared within, between and overall are not squared correlations.",
        lambda case: case.spec.get("definition") == "linearmodels",
        ("within", "between", "overall"),
    ),
    Difference(
        "The R-squared within several effects is within all of them, as fixest's, not in units.",
        lambda case: "definition" in case.spec and " + " in case.spec["formula"].partition("|")[2],
        ("within",),
    ),
    Difference(
        "The R-squared of random effects is the overall one, not that of quasi-demeaned rows.",
        lambda case: "definition" in case.spec and case.spec["estimator"] == "RandomEffects",
        ("transformed",),
    ),
    Difference(
        "No adjusted R-squared is reported.",
        lambda case: True,
        ("rsquared_adjusted", "transformed_adjusted", "inclusive_adjusted"),
    ),
    Difference(
        "Stata's root mean squared error of clustered fixed effects does not count the effects.",
        lambda case: (
            case.tool == "Stata"
            and case.spec["estimator"] == "FixedEffects"
            and case.spec["cov"] == "cluster"
        ),
        ("rmse",),
    ),
)


def differences(case: Case) -> list[Difference]:
    """Differences that a case shows."""
    found = (difference for difference in DIFFERENCES if difference.applies(case))
    return [difference for difference in found if set(difference.names) & set(case.value)]


def comparable(case: Case) -> dict[str, Any]:
    """Values of a case that ours must equal."""
    value = dict(case.value)
    for difference in differences(case):
        for name in set(difference.names) & set(value):
            if difference.parameter:
                value[name] = without(value[name], difference.parameter)
            else:
                del value[name]
    return value


def without(value: Any, parameter: str) -> Any:
    """Leave a parameter out of a mapping, or of a covariance."""
    if not isinstance(value, dict):
        return value
    return {name: without(item, parameter) for name, item in value.items() if name != parameter}


@cache
def panel(name: str) -> pm.Panel:
    frame, unit, time = PANELS[name]
    return pm.Panel(frame(), unit=unit, time=time)


def fit(case: Case) -> Results:
    """Fit a case's model, with the covariance it asks for.

    Raises
    ------
    KeyError
        If a word of the spec has no meaning here.
    """
    unknown = set(case.spec) - OPTIONS - COVARIANCE - REPORT
    if unknown:
        raise KeyError(f"{case.id}: what is {sorted(unknown)}?")
    result = _fit(case.data, case.spec["estimator"], tuple(_options(case).items()))
    cov = covariance(case)
    return result if cov is None else result.with_cov(cov)


def _options(case: Case) -> dict[str, Any]:
    options = {name: item for name, item in case.spec.items() if name in OPTIONS}
    if case.spec.get("components") == "plm" and options["method"] == "swamy-arora":
        options["method"] = "baltagi-chang"
    if case.spec["estimator"] == "Between":
        # A column of weights always weighs the units of linearmodels.
        by_column = case.tool == "linearmodels" and "weights" in options
        options["weighted"] = by_column or case.spec.get("weighting") == "periods"
    return options


@cache
def _fit(data: str, estimator: str, options: tuple[tuple[str, Any], ...]) -> Results:
    result: Results = ESTIMATORS[estimator](**dict(options)).fit(panel(data))
    return result


def covariance(case: Case) -> CovSpec | None:
    """Read the covariance of a case; None if it has none, or one we do not have."""
    spec = case.spec
    if "cov" not in spec or several_leverages(case):
        return None
    rule = small_sample(case)
    roles = {"unit": panel(case.data).unit, "time": panel(case.data).time}
    kind, _, rest = spec["cov"].partition(":")
    default = "newey-west" if case.tool == "linearmodels" else None
    lags = spec.get("lags", spec.get("bandwidth", default))
    if spec.get("small_sample") in ("CR2", "CR3"):
        return Clustered(small_sample=spec["small_sample"])
    if kind == "cluster":
        return Clustered(*[roles[role] for role in rest.split("+") if role], small_sample=rule)
    return {
        "iid": Iid(),
        "HC0": HC1("none"),
        "HC1": HC1(rule),
        "HC2": HC2(),
        "HC3": HC3(),
        "driscoll-kraay": DriscollKraay(lags, small_sample=rule),
        "newey-west": NeweyWest(lags, small_sample=rule),
    }[kind]


def small_sample(case: Case) -> SmallSample:
    """Read the small-sample rule of a case."""
    spec = case.spec
    rule = PRESETS[spec.get("correction", "none")]
    match spec.get("type") or spec.get("small_sample"):
        case "HC0" | "CR0":
            return PRESETS["none"]
        case "CR1":
            return replace(PRESETS["none"], groups=True)
        case "CR1S":
            return PRESETS["plm"]
        case "HC1":
            rule = replace(rule, scale="n", groups=False)
    if spec.get("group_debias"):
        rule = replace(rule, scale="n-1", groups=True)
    if spec.get("intercept"):
        rule = replace(rule, implied_constant=True)
    if spec.get("G_df") == "conventional":
        rule = replace(rule, multiway="each")
    if spec.get("k_fixef") == "none":
        rule = replace(rule, effects="none", implied_constant=False)
    if spec.get("k_fixef") == "full" or spec.get("nested_effects_in_k"):
        rule = replace(rule, effects="all")
    if case.tool == "pyfixest" and spec["cov"] == "driscoll-kraay":
        # pyfixest counts period effects, which fixest finds nested in the periods.
        rule = replace(rule, effects="all")
    return rule


def value(case: Case, name: str) -> Any:
    """Return our number for a named value of a case.

    Raises
    ------
    KeyError
        If nothing of ours has that name.
    """
    return VALUES[name](fit(case), case)


def _params(result: Results, case: Case) -> dict[str, float]:
    params = dict(result.params)
    if case.spec["estimator"] == "FixedEffects":
        params["Intercept"] = result.extras["constant"]
    return params


def _sigma2(result: Results, case: Case) -> Any:
    if isinstance(case.value["sigma2"], dict):
        return {part: result.extras[f"sigma_{part}"] ** 2 for part in ("u", "e")}
    return result.extras["sigma_e" if case.spec["estimator"] == "FixedEffects" else "sigma"] ** 2


def _theta(result: Results, case: Case) -> Any:
    """Theta by periods of the unit; its least and largest must be the reported ones."""
    if not isinstance(case.value["theta"], dict):
        return result.extras["theta"]
    periods = sorted(case.value["theta"], key=int)
    transform: Any = result.attached.estimate.rows.regression.transform
    theta = dict(zip(periods, transform.theta(np.array(periods, np.float64)), strict=True))
    assert theta[periods[0]] == result.extras["theta_min"]
    assert theta[periods[-1]] == result.extras["theta_max"]
    return theta


def _effects(result: Results, case: Case) -> dict[str, float]:
    """Effects by unit; as levels, with the constant."""
    (table,) = result.effects().values()
    shift = result.extras["constant"] if case.spec.get("effects") == "level" else 0.0
    return {str(unit): effect + shift for unit, effect in table["effect"].items()}


def _f_effects(result: Results, case: Case) -> float:
    """F test of the absorbed effects against the pooled regression."""
    pooled = _fit(
        case.data,
        "Pooled",
        tuple((name, item.partition("|")[0]) for name, item in _options(case).items()),
    )
    first, second = _f_effects_df(result, case)
    rss = result.rss
    return (pooled.rss - rss) / first / (rss / second)


def _f_effects_df(result: Results, case: Case) -> list[int]:
    return [result.counts.absorbed - 1, result.counts.df_resid]


def _f(result: Results, case: Case) -> float:
    test = (result if "cov" in case.spec else result.with_cov("iid")).model_test()
    assert test is not None
    return float(test.statistic)


def _chi2(result: Results, case: Case) -> float:
    """Wald test of the user's regressors, without the means that a model adds."""
    added = ("Intercept", "mean(", "between(")
    return _wald(
        result, [f"{name} = 0" for name in result.params.index if not name.startswith(added)]
    )["chi2"]


def _within_is_between(result: Results, case: Case) -> dict[str, float]:
    if case.spec["estimator"] == "Mundlak":
        return _wald(result, [f"{name} = 0" for name in result.params.index if "mean(" in name])
    within = [name for name in result.params.index if name.startswith("within(")]
    return _wald(result, [f"{name} = {name.replace('within', 'between')}" for name in within])


def _wald(result: Results, restrictions: list[str]) -> dict[str, float]:
    """Wald test as chi-squared, whatever the degrees of freedom of its F."""
    test = result.wald_test(restrictions)
    factor = 1.0 if test.distribution.startswith("chi2") else test.df[0]
    return {"chi2": factor * test.statistic, "df": test.df[0]}


def _loglik(result: Results, case: Case) -> float:
    return result.loglik if case.tool != "Stata" else _loglik_without_log_weights(result, case)


def _loglik_without_log_weights(result: Results, case: Case) -> float:
    """Stata leaves half the sum of the log weights of analytic weights out."""
    influence = result.attached.estimate.rows
    if influence.frequency:
        return result.loglik
    gram = fold(influence.sample, lambda block: Gram.of(influence.regression.transform(block)))
    return result.loglik - gram.log_weight / 2


def _rsquared(result: Results, case: Case) -> float:
    """R-squared of the estimator's regression, of R's with the dummies."""
    inclusive = case.tool == "R" and case.spec["estimator"] == "FixedEffects"
    return result.extras["rsquared_inclusive"] if inclusive else result.rsquared


VALUES: dict[str, Callable[[Results, Case], Any]] = {
    "params": _params,
    "std_errors": lambda result, case: result.std_errors,
    "cov": lambda result, case: result.cov,
    "tstats": lambda result, case: result.tstats,
    "pvalues": lambda result, case: result.pvalues,
    "conf_int": lambda result, case: result.conf_int().T.to_dict("list"),
    "df_resid": lambda result, case: result.counts.df_resid,
    "df_t": lambda result, case: result.df_t,
    "df_satterthwaite": lambda result, case: result.df_terms,
    "nobs": lambda result, case: result.nobs,
    "n_units": lambda result, case: result.n_units,
    "n_clusters": lambda result, case: min(result.covariance.clusters.values()),
    "rss": lambda result, case: result.rss,
    "rss_transformed": lambda result, case: result.rss,
    "sigma2": _sigma2,
    "s2": lambda result, case: result.extras["sigma_e"] ** 2,
    "rmse": lambda result, case: (result.rss / result.counts.df_resid) ** 0.5,
    "loglik": _loglik,
    "loglik_without_log_weights": _loglik_without_log_weights,
    "rsquared": _rsquared,
    "rsquared_transformed": _rsquared,
    "transformed": _rsquared,
    "inclusive": lambda result, case: result.extras.get("rsquared_inclusive", result.rsquared),
    "within": lambda result, case: result.rsquared_within,
    "between": lambda result, case: result.rsquared_between,
    "overall": lambda result, case: result.rsquared_overall,
    "rsquared_within": lambda result, case: result.rsquared_within,
    "rsquared_between": lambda result, case: result.rsquared_between,
    "rsquared_overall": lambda result, case: result.rsquared_overall,
    "sigma_u": lambda result, case: result.extras["sigma_u"],
    "sigma_e": lambda result, case: result.extras["sigma_e"],
    "rho": lambda result, case: result.extras["rho"],
    "corr_effects_xb": lambda result, case: result.extras["corr_u_xb"],
    "theta": _theta,
    "effects": _effects,
    "f": _f,
    "chi2": _chi2,
    "wald_within_equals_between": _within_is_between,
    "rank_absorbed": lambda result, case: result.counts.absorbed,
    "f_effects": _f_effects,
    "f_pooled": _f_effects,
    "f_pooled_df": _f_effects_df,
}
