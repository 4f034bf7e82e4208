"""Arguments: every public call works, or says which argument is wrong and what it takes."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

import panelml as pm
from panelml.arguments import RENAMED
from panelml.data.panel.store import Store
from panelml.did.results.effects import EffectResults
from panelml.errors import PanelmlError, SpecificationError, UnknownNameError
from panelml.mixed.results.mixed_results import MixedResults
from panelml.results.base import Results
from tests.contract.estimators import ESTIMATORS, fit
from tests.did.specifications import ESTIMATORS as POLICIES
from tests.laws.panels import make_frame

# What users pass by mistake: values for names, a path for a caption, a name for a list, ...
MISTAKES: tuple[Any, ...] = (
    pd.Series([1.0, 2.0]),
    np.ones(2),
    [1, 2],
    ["a"],
    None,
    Path("no folder/t.tex"),
    "wage",
    3.5,
    {},
    {"CRV1": "id"},
    -1,
    (1, "b"),
    True,
)
RIGHT: dict[str, Any] = {
    "reps": 9,
    "seed": 1,
    "column": "y",
    "columns": ["y"],
    "name": "y",
    "names": ("unit",),
    "x": "x1",
}
OTHER_NAMES = ("Panel(", "A mask")  # of the arguments data and condition
MIXED = {
    "slopes": "y ~ x1 + x2 + (1 + x1 | unit)",
    "crossed": "y ~ x1 + (1 | unit) + (1 | firm)",
}


def data() -> pm.Panel:
    return pm.Panel(make_frame(np.random.default_rng(7), 20, 6, 0.1), unit="unit", time="time")


def policy() -> pm.Panel:
    frame = pm.simulate.staggered(40, 7, {3: 0.3, 5: 0.3}, seed=1)
    frame["eligible"] = frame["half"] = frame["unit"] % 2
    frame["w"], frame["z"] = 1.0 + frame["half"], np.sin(np.arange(len(frame)))
    return pm.Panel(frame, unit="unit", time="time")


def subjects() -> dict[str, Callable[[], Any]]:
    """Every kind of fit, by name."""
    frame = make_frame(np.random.default_rng(7), 20, 6, 0.1)
    return {
        "panel": data,
        **{name: lambda e=e: fit(e, frame) for name, e in ESTIMATORS.items()},
        **{name: lambda f=f: pm.MixedModel(f).fit(data()) for name, f in MIXED.items()},
        **{
            f"{n} random": lambda f=f: pm.MixedModel(f).fit(data()).random for n, f in MIXED.items()
        },
        "slopes refits": lambda: pm.MixedModel(MIXED["slopes"]).fit(data()).refits,
        "autoregressive": lambda: pm.MixedModel("y ~ x1 + (1 | unit)", residual="ar1:time").fit(
            data()
        ),
        **{name: lambda s=s: s.fit(policy()) for name, s in POLICIES.items()},
    }


@dataclass(frozen=True)
class Call:
    """A call with one argument that may be wrong."""

    function: Callable[..., Any]
    arguments: dict[str, Any]
    name: str = ""

    @property
    def works(self) -> bool:
        try:
            self.function(**self.arguments)
        except PanelmlError:
            return False
        finally:
            plt.close("all")
        return True

    @property
    def fault(self) -> str:
        """Say what is wrong with how the call ends; empty where nothing is."""
        value = self.arguments.get(self.name)
        try:
            self.function(**self.arguments)
        except PanelmlError as error:
            text = str(error)
            words = (
                self.name,
                "Panel(",
                "A mask",
                str(value),
                type(value).__name__,
                *_inside(value),
            )
            if self.name and not any(word in text for word in words if word):
                return f"{self.name}={value!r} is not named: {text}"
        except Exception as error:
            return f"{self.name}={value!r}: {type(error).__name__}: {error}"
        finally:
            plt.close("all")
        return ""


def _inside(value: Any) -> list[str]:
    return [str(part) for part in value] if isinstance(value, list | tuple | dict) else []


def calls(function: Callable[..., Any], right: dict[str, Any]) -> Iterator[Call]:
    """Call a function as it is, then with each mistake for each argument."""
    parameters = [
        p
        for p in inspect.signature(function).parameters.values()
        if p.name != "self" and p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)
    ]
    base = {p.name: right[p.name] for p in parameters if p.name in right}
    required = [p.name for p in parameters if p.default is p.empty and p.name not in base]
    if not required:
        yield Call(function, base)
    if not required and Call(function, base).works:
        for p in parameters:
            mistakes = [one for one in MISTAKES if one is not p.default]
            yield from (Call(function, {**base, p.name: wrong}, p.name) for wrong in mistakes)


def rightly(subject: Any) -> dict[str, Any]:
    """Arguments that differ by fit."""
    if isinstance(subject, pm.Panel):
        return {"condition": np.ones(len(subject), dtype=bool), "other": subject.to_pandas()}
    horizons = {"first": -1, "last": 1} if "horizon" in getattr(subject, "labels", ()) else {}
    params = getattr(subject, "fit", subject).params
    return {"restrictions": params.index[0], "data": data(), **horizons}


@pytest.mark.parametrize("name", subjects())
def test_methods_work_or_say_what_they_take(name: str, tmp_path: Path) -> None:
    subject = subjects()[name]()
    faults = []
    for attribute in (a for a in dir(type(subject)) if not a.startswith("_")):
        member = inspect.getattr_static(type(subject), attribute)
        if attribute in vars(Store):
            continue  # the columns of a panel, which the package reads
        if isinstance(member, property):
            faults += [
                f"{attribute}: {Call(lambda a=attribute: getattr(subject, a), {}, '').fault}"
            ]
        elif inspect.isfunction(member):
            right = RIGHT | rightly(subject)
            method = getattr(subject, attribute)
            faults += [f"{attribute}: {call.fault}" for call in calls(method, right)]
    assert [fault for fault in faults if not fault.endswith(": ")] == []


CALLABLE = [name for name in pm.__all__ if callable(getattr(pm, name))]
SPECS = [name for name in CALLABLE if hasattr(getattr(pm, name), "fit")]
FUNCTIONS = [name for name in CALLABLE if name not in SPECS]


@pytest.mark.parametrize("name", SPECS)
def test_specifications_work_or_say_what_they_take(name: str) -> None:
    spec = getattr(pm, name)
    names = inspect.signature(spec).parameters
    formula = "y ~ x1 + (1 | unit)" if spec is pm.MixedModel else "y ~ x1"
    right: dict[str, Any] = {"formula": formula}
    if "cohort" in names:
        right = {"formula": "y ~ 1", "cohort": "cohort", "eligible": "eligible"}

    def fitted(**options: Any) -> Any:
        return spec(**options).fit(policy() if "cohort" in names else data())

    fitted.__signature__ = inspect.signature(spec)  # type: ignore[attr-defined]
    assert [fault for call in calls(fitted, {**RIGHT, **right}) if (fault := call.fault)] == []


def one_treated() -> pm.Panel:
    frame = pm.simulate.staggered(12, 7, {5: 0.5}, seed=1)
    first = frame.loc[frame["cohort"].notna(), "unit"].iloc[0]
    return pm.Panel(
        frame[frame["cohort"].isna() | (frame["unit"] == first)], unit="unit", time="time"
    )


def function_arguments() -> dict[str, dict[str, Any]]:
    """Arguments with which each function works."""
    rows, adoption = data(), {"data": policy(), "cohort": "cohort"}
    fe, re = pm.FixedEffects("y ~ x1").fit(rows), pm.RandomEffects("y ~ x1").fit(rows)
    mixed = pm.MixedModel("y ~ x1 + (1 | unit)", reml=False).fit(rows)
    empty = pm.MixedModel("y ~ 1 + (1 | unit)", reml=False).fit(rows)
    pooled = {"model": "y ~ x1", "data": rows}
    study = pm.EventStudy("y ~ 1", cohort="cohort").fit(policy())
    placebo = pm.SyntheticDiD("y ~ 1", cohort="cohort", reps=9).fit(one_treated())
    return {
        "Comparisons": {},
        "EventStudyEstimates": {"betahat": [0.1, 0.5], "sigma": np.eye(2), "horizons": [-2, 0]},
        "Panel": {"data": rows.to_pandas(), "unit": "unit", "time": "time"},
        "PolicyInference": {},
        "Timing": {"panel": policy(), "cohort": "cohort"},
        "bacon_decomposition": {"formula": "y ~ 1", **adoption},
        "balance_table": {"columns": ["y"], **adoption},
        "breusch_pagan": pooled,
        "compare": {},
        "effects_test": {"fe": fe},
        "evaluate_policy": {"formula": "y ~ 1", **adoption},
        "event_study_plot": {},
        "gourieroux_holly_monfort": pooled,
        "hausman": {"a": fe, "b": re},
        "honda": pooled,
        "honest_did": {"study": study},
        "jackknife": {"fit": study},
        "king_wu": pooled,
        "leave_one_out": {"fit": placebo},
        "lr_test": {"small": empty, "large": mixed},
        "overlap_table": {"columns": ["x"], **adoption},
        "pesaran_cd": {"result": fe},
        "placebo_in_space": {"fit": placebo},
        "placebo_in_time": {"fit": study, "earlier": 1},
        "power": {
            "model": pm.MixedModel("y ~ x1 + (1 | unit)"),
            "design": rows.to_pandas(),
            "term": "x1",
            "truth": {"x1": 0.5, "sd(Intercept | unit)": 1.0, "sd(residual)": 1.0},
            "seed": 1,
            "reps": 3,
        },
        "pretrends_power": {"study": study},
        "randomization_test": {"model": study.spec, "data": policy(), "seed": 1},
        "slopes": {"fit": fe},
        "snijders_bosker": {"null": empty, "fit": mixed},
        "twfe_weights": {"formula": "y ~ 1", **adoption},
        "within_between": {"fit": pm.Mundlak("y ~ x1").fit(rows)},
        "wooldridge_test": {"result": fe},
    }


@pytest.fixture(scope="module")
def arguments() -> dict[str, dict[str, Any]]:
    return function_arguments()


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_work_or_say_what_they_take(
    name: str, arguments: dict[str, dict[str, Any]]
) -> None:
    right = arguments[name]
    assert [
        fault for call in calls(getattr(pm, name), {"reps": 9, **right}) if (fault := call.fault)
    ] == []


def test_what_a_message_says() -> None:
    fit_of = pm.FixedEffects("y ~ x1").fit(data())
    for call, words in [
        (lambda: fit_of.conf_int("0.9"), "level must lie between 0 and 1, as 0.95, not '0.9'."),
        (lambda: fit_of.conf_int(95), "level must lie between 0 and 1, as 0.95, not 95."),
        (
            lambda: pm.FixedEffects("y ~ x1", weights=np.ones(3)),
            "weights takes a text or a Weights, not [1. 1. 1.]. Put the values in a column of the "
            "data, and give its name.",
        ),
        (lambda: fit_of.to_latex("A caption"), "A caption is given by name: caption=..."),
        (lambda: pm.FixedEffects("y ~ x1", singletons="remove"), "Known: keep, drop."),
        (
            lambda: pm.compare(fit_of, digits=True),
            "digits must be a whole number of at least 1, not True.",
        ),
        (lambda: fit_of.plot(ax="left"), "ax takes axes of matplotlib, not 'left'."),
    ]:
        with pytest.raises(SpecificationError) as error:
            call()
        assert words in str(error.value)


def test_tables_are_written_to_files(tmp_path: Path) -> None:
    result = pm.FixedEffects("y ~ x1").fit(data())
    for method, file in [("to_latex", "t.tex"), ("to_html", "t.html"), ("to_markdown", "t.md")]:
        text = getattr(result, method)(tmp_path / file)
        assert (tmp_path / file).read_text(encoding="utf-8") == text == getattr(result, method)()
    with pytest.raises(SpecificationError, match=r"in a folder that does not exist: .*none"):
        result.to_html(tmp_path / "none" / "t.html")


def test_what_cannot_be_gone_through_is_no_list() -> None:
    panel = pm.Panel(pm.simulate.staggered(30, 5, {3: 0.5}, seed=1), unit="unit", time="time")
    mistakes: tuple[Any, ...] = (panel, np.array("x"))
    for columns in mistakes:
        with pytest.raises(SpecificationError, match="columns takes a text or a list of texts"):
            pm.overlap_table(panel, columns, cohort="cohort")


OLD_NAMES: dict[str, tuple[Callable[[], object], str]] = {
    "reps": (
        lambda: pm.randomization_test(pm.TWFE("y ~ 1"), data(), seed=1, draws=9),  # type: ignore[call-arg]
        "randomization_test takes draws= no more. Write reps=.",
    ),
    "reps of a policy": (
        lambda: pm.evaluate_policy("y ~ 1", data(), draws=9),
        "Write inference=pm.PolicyInference(reps=...).",
    ),
    "fit": (
        lambda: pm.pesaran_cd(result=None),  # type: ignore[call-arg]
        "pesaran_cd takes result= no more. Write fit=.",
    ),
}


@pytest.mark.parametrize("name", OLD_NAMES)
def test_old_names_of_arguments_are_refused_with_the_new_ones(name: str) -> None:
    call, words = OLD_NAMES[name]
    with pytest.raises(SpecificationError, match=re.escape(words)):
        call()


def test_one_thing_has_one_name() -> None:
    results = (Results, MixedResults, EffectResults)
    places = [*(getattr(pm, name) for name in CALLABLE), *results]
    functions = [
        function
        for place in places
        for function in (vars(place).values() if inspect.isclass(place) else [place])
        if inspect.isfunction(function)
    ]
    assert len(functions) > 100
    old = [
        f"{function.__qualname__}({name}=)"
        for function in functions
        for name in inspect.signature(function).parameters
        if name in RENAMED
    ]
    assert old == []


def test_data_have_a_type() -> None:
    untyped = [
        f"{function.__qualname__}({one.name})"
        for name in CALLABLE
        for place in [getattr(pm, name)]
        for function in (vars(place).values() if inspect.isclass(place) else [place])
        if inspect.isfunction(function)
        for one in inspect.signature(function).parameters.values()
        if one.name == "data" and "DataLike" not in str(one.annotation)
    ]
    assert untyped == ["Panel.__init__(data)"]  # a frame of its own, never another source
    assert "IntoDataFrame" in str(inspect.signature(pm.Panel).parameters["data"].annotation)


SECOND: dict[str, tuple[Callable[..., Any], str]] = {
    "a specification": (
        lambda: pm.FixedEffects("y ~ x1", "HC1", "w"),
        "FixedEffects takes cov, weights by name, not by place: "
        "write FixedEffects(..., cov='HC1', weights='w').",
    ),
    "an index": (
        lambda: pm.Panel(pd.DataFrame(), "unit", ["time"]),
        "Panel takes unit, time by name, not by place: write Panel(..., unit='unit', time=...).",
    ),
    "a function of a fit": (
        lambda: pm.pesaran_cd(None, "cd"),
        "write pesaran_cd(..., kind='cd').",
    ),
}


@pytest.mark.parametrize("name", SECOND)
def test_options_given_by_place_are_refused_with_what_to_write(name: str) -> None:
    call, words = SECOND[name]
    with pytest.raises(SpecificationError, match=re.escape(words)):
        call()


def test_everything_after_the_formula_is_given_by_name() -> None:
    asked = ("formula", "data", "model", "fit", "study", "results", "result")
    roles = (
        "a",
        "b",
        "fe",
        "restricted",
        "small",
        "large",
        "null",
        "columns",
        "design",
        "variables",
    )
    specifications = [
        value
        for name in CALLABLE
        if hasattr(value := getattr(pm, name), "fit") or not inspect.isclass(value)
    ]
    surplus = [
        f"{value.__name__}: {one.name}"
        for value in (*specifications, pm.Panel, pm.Timing)
        for one in inspect.signature(value).parameters.values()
        if one.kind is one.POSITIONAL_OR_KEYWORD and one.name not in (*asked, *roles)
    ]
    assert len(specifications) > 40
    assert surplus == []


OPTIONS: dict[str, Callable[[], object]] = {
    "covariance": lambda: pm.FixedEffects("y ~ x1", cov="clusters"),
    "covariance of several": lambda: pm.TWFE("y ~ 1", cohort="g", cov="HC9"),
    "residual": lambda: pm.MixedModel("y ~ 1 + (1 | g)", residual="ar2"),
    "residual without random": lambda: pm.Hybrid("y ~ x1", residual="ar1"),
    "method": lambda: pm.RandomEffects("y ~ x1", method="swamy"),
    "method of two ways": lambda: pm.RandomEffects(
        "y ~ x1", method="baltagi-chang", time_effects=True
    ),
    "method of random slopes": lambda: pm.Hybrid("y ~ x1", random="1", method="nerlove"),
    "interactions": lambda: pm.Hybrid("y ~ x1", interactions="centred"),
    "singletons": lambda: pm.FixedEffects("y ~ x1", singletons="omit"),
    "offset and exposure": lambda: pm.Poisson("y ~ x1", offset="a", exposure="b"),
    "control": lambda: pm.CallawaySantAnna("y ~ 1", cohort="g", control="later"),
    "anticipation": lambda: pm.TripleDifference("y ~ 1", eligible="e", anticipation=-1),
    "leads": lambda: pm.BorusyakJaravelSpiess("y ~ 1", cohort="g", leads=-1),
    "replications": lambda: pm.SyntheticDiD("y ~ 1", cohort="g", reps=1),
}


@pytest.mark.parametrize("name", OPTIONS)
def test_options_are_checked_when_the_specification_is_made(name: str) -> None:
    with pytest.raises((SpecificationError, UnknownNameError)):
        OPTIONS[name]()
