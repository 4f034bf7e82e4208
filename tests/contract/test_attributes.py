"""Every public attribute of every fit works, or says in words why it does not."""

from __future__ import annotations

import inspect
import pickle
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass
from typing import Any

import numpy as np
import pandas as pd
import pytest

import panelml as pm
from panelml.errors import DetachedResultError, MissingMeasureError, PanelmlError
from panelml.inference.estimate import Covariance
from panelml.inference.testing import TestResult
from panelml.inference.wald import Wald
from panelml.results.fitted import FitStatistics
from panelml.results.measures import Measure, Measures
from tests.contract.conftest import make_messy
from tests.contract.estimators import ESTIMATORS, fit
from tests.contract.release import MIXED
from tests.did.estimators.test_synthetic import factor_panel
from tests.did.specifications import ESTIMATORS as POLICIES
from tests.did.test_laws import data as policy_data
from tests.inference.percentiles import Percentiles

# Values whose fields are numbers of the fit. Others, as the sample, hold the user's data.
LOOKED_INTO = (Covariance, FitStatistics, Measure, Measures, TestResult, Wald)
# Where numbers may be missing, and why.
MISSING: dict[str, str] = {
    "fitted": "rows outside the sample",
    "predict": "rows with missing regressors",
    "predict_interval": "rows with missing regressors",
    "residuals": "rows outside the sample",
    "labels": "labels that a term does not have",
    "tidy": "labels that a term does not have",
    "rsquared_decomposition": "sources that do not vary within, or between, units",
    "shares": "sources that do not vary within, or between, units",
    "icc_table": "standard errors at a variance of zero, or of fits that left their rows behind",
    "variance": "standard errors at a variance of zero, or of fits that left their rows behind",
}


def make_fits() -> dict[str, Any]:
    """Every kind of fit: of regressions, mixed models, policies; averaged and pickled."""
    frame = make_messy(40)
    panel = pm.Panel(frame, unit="unit", time="time")
    fits = {name: fit(estimator, frame) for name, estimator in ESTIMATORS.items()}
    fits |= {
        f"without regressors, {spec.__name__}": spec("y ~ 1").fit(panel)
        for spec in (pm.PooledOLS, pm.Between, pm.RandomEffects)
    }
    counts = pm.Panel(frame.assign(y=frame["y"].abs().round()), unit="unit", time="time")
    fits |= {
        f"Poisson{effects}": pm.Poisson(f"y ~ x1 + x2{effects}").fit(counts)
        for effects in ("", " | unit", " | unit + time")
    }
    fits["Poisson gamma"] = pm.Poisson("y ~ x1 + x2", effects="gamma").fit(counts)
    fits["ratios"] = fits["Poisson gamma"].ratios()
    answers = pm.Panel(frame.assign(y=(frame["y"] > 0) * 1.0), unit="unit", time="time")
    hybrid = pm.Hybrid("y ~ x1 + x2", family="binomial").fit(answers)
    fits |= {"hybrid logit": hybrid, "marginal effects": pm.slopes(hybrid)}
    fits |= {
        f"mixed {name}": pm.MixedModel(formula, residual=residual).fit(panel)
        for name, (formula, residual) in {**MIXED, "null": ("y ~ 1 + (1 | unit)", None)}.items()
    }
    fits |= {f"{name} {cov}": fits[name].with_cov(cov) for name, cov in COVARIANCES}
    policies = pm.Panel(policy_data(), unit="unit", time="time")
    for name, spec in POLICIES.items():
        effects = spec.fit(policies)
        fits[f"policy {name}"] = effects
        if effects.cells is not None:
            fits |= {f"policy {name} {by}": effects.aggregate(by) for by in AVERAGES}
    single = pm.Panel(factor_panel(), unit="unit", time="time")
    fits |= {
        f"policy {spec.__name__}": spec("y ~ 1", cohort="cohort", reps=5).fit(single)
        for spec in (pm.SyntheticDiD, pm.SyntheticControl)
    }
    fits["policy twfe, jackknife"] = pm.jackknife(fits["policy twfe"])
    fits["pooled, percentiles"] = fits["pooled"].with_inference(Percentiles(99))
    fits |= {f"{name}, pickled": pickle.loads(pickle.dumps(f)) for name, f in fits.items()}
    return fits | {f"{name}, random": f.random for name, f in fits.items() if hasattr(f, "random")}


COVARIANCES = (
    ("pooled", "HC3"),
    ("fixed", "cluster:region"),
    ("random-reml", "iid"),
    ("mixed slopes", "satterthwaite"),
    ("mixed slopes", "cluster"),
)
AVERAGES = ("simple", "group", "calendar", "event")


@pytest.fixture(scope="module")
def fits() -> dict[str, Any]:
    return make_fits()


def asked(result: Any) -> Iterator[str]:
    """Names of public attributes, and of methods that need no argument."""
    for name in dir(result):
        member = inspect.getattr_static(result, name)
        made = isinstance(member, classmethod | staticmethod)
        if not (name.startswith("_") or "plot" in name or made or _needs_arguments(member)):
            yield name


def _needs_arguments(member: Any) -> bool:
    if not inspect.isfunction(member):
        return False
    parameters = list(inspect.signature(member).parameters.values())[1:]
    variable = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return any(p.default is p.empty and p.kind not in variable for p in parameters)


def value_of(result: Any, name: str) -> Any:
    value = getattr(result, name)
    return value() if inspect.ismethod(value) else value


def fault(result: Any, name: str) -> str:
    """Say what is wrong with an attribute; empty where it works, or says why not."""
    model = getattr(result, "model", "")
    try:
        value = value_of(result, name)
    except MissingMeasureError as error:
        words = str(error)
        return "" if words.startswith(f"{model} has no ") else f"no model in {words!r}"
    except DetachedResultError as error:
        return "" if str(error).startswith(model) else f"no model in {str(error)!r}"
    except PanelmlError as error:
        return "" if len(str(error).split()) > 4 else f"no words in {error!r}"
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return "a missing number" if name not in MISSING and missing(value) else ""


def missing(value: Any) -> bool:
    """Whether a number is missing in a value, or a word for it stands in a text."""
    if isinstance(value, float):
        return bool(np.isnan(value))
    if isinstance(value, str):
        return not {"nan", "NaN"}.isdisjoint(value.replace(",", " ").split())
    if isinstance(value, pd.Series | pd.DataFrame):
        return bool(pd.DataFrame(value).isna().any(axis=None))
    if isinstance(value, np.ndarray):
        return value.dtype.kind == "f" and bool(np.isnan(value).any())
    if isinstance(value, LOOKED_INTO) and is_dataclass(value):
        return any(missing(getattr(value, f.name)) for f in fields(value))
    if isinstance(value, Mapping):
        return any(map(missing, value.values()))
    return isinstance(value, tuple | list) and any(map(missing, value))


def faults(fits: Mapping[str, Any]) -> list[str]:
    return [
        f"{label}.{name}: {words}"
        for label, result in fits.items()
        for name in asked(result)
        if (words := fault(result, name))
    ]


def test_every_attribute_works_or_says_why_not(fits: dict[str, Any]) -> None:
    names = {name for result in fits.values() for name in asked(result)}
    assert {"params", "loglik", "summary", "conf_int", "aggregate", "variance", "icc"} <= names
    assert faults(fits) == []


def test_numbers_are_missing_where_they_are_said_to_be(fits: dict[str, Any]) -> None:
    """So that a reason that no longer holds goes from the list."""
    wanted = dict.fromkeys(MISSING, False)
    for result in fits.values():
        for name in set(MISSING) & set(dir(result)):
            try:
                wanted[name] |= missing(
                    value() if callable(value := getattr(result, name)) else value
                )
            except PanelmlError:
                continue
    assert all(wanted.values()), wanted


@dataclass(frozen=True)
class Faulty:
    """A fit of which everything fails the contract, and ``works`` does not."""

    model: str = "Faulty"

    @property
    def works(self) -> float:
        return 1.0

    @property
    def always_missing(self) -> float:
        return float("nan")

    @property
    def without_model(self) -> float:
        raise MissingMeasureError("There is no such number here, sorry.")

    @property
    def without_words(self) -> float:
        raise PanelmlError("no")

    def of_python(self, level: float = 0.95) -> float:
        return {}["level"]  # type: ignore[no-any-return]

    def table(self) -> pd.DataFrame:
        return pd.DataFrame({"a": [1.0, np.nan]})

    def text(self) -> str:
        return "R-squared nan"

    def test(self) -> TestResult:
        return TestResult("t", "x = 0", float("nan"), 0.5, "z", ())

    def with_argument(self, level: float) -> float:
        return float("nan")


def test_the_contract_finds_what_breaks_it() -> None:
    broken = [
        line.partition(":")[0].removeprefix("faulty.") for line in faults({"faulty": Faulty()})
    ]
    expected = {"always_missing", "without_model", "without_words", "of_python", "table", "text"}
    assert set(broken) == expected | {"test"}
