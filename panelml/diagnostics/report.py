"""A report on one regression fitted in several ways: the numbers, and what may be concluded."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import TypeAlias

import numpy as np

from panelml.data.panel.panel import Panel
from panelml.diagnostics.hausman import Method, hausman
from panelml.diagnostics.within_between import WithinBetween, within_between
from panelml.errors import PanelmlError, listing
from panelml.inference.testing import TestResult
from panelml.results.base import Results
from panelml.results.facts import Kind
from panelml.results.show.formats import number
from panelml.results.show.page import Page, Printable, Prose, Section
from panelml.results.show.table import compare

__all__ = ["make_report"]

# Hypotheses with a smaller p-value are called rejected.
LEVEL = 0.05


def make_report(
    title: str, panel: Panel, formula: str, fits: Mapping[str, Results], left_out: Mapping[str, str]
) -> Page:
    """Describe a panel, put fits of one formula side by side, and test what tells them apart.

    Parameters
    ----------
    title : str
    panel : Panel
    formula : str
    fits : dict of str to Results
        By name.
    left_out : dict of str to str
        Estimators that could not be fitted, and why.
    """
    kinds = {fit.facts.kind: fit for fit in fits.values()}
    tests = _hausman_tests(kinds)
    both, without = _within_between(kinds)
    return Page(
        title,
        Prose((f"Model: {formula}",)),
        (
            Section("The panel", (panel.describe(),)),
            Section("Variation between units and within them", _variation(panel, formula)),
            Section("The fits side by side", _fits(fits, left_out)),
            Section("Fixed or random effects? Hausman tests", _tests(tests)),
            Section("Are effects the same within and between units?", _effects(both, without)),
            Section("What may be concluded", (Prose(tuple(_conclusions(both, tests))),)),
        ),
    )


def _variation(panel: Panel, formula: str) -> tuple[Printable, ...]:
    found = {
        name: re.search(rf"(?<!\w){re.escape(name)}(?!\w)", formula)
        for name in panel.columns
        if panel.is_numeric(name)
    }
    named = {name: match.start() for name, match in found.items() if match}
    reading = Prose(
        (
            "How much each variable differs between units, and how much it moves within them. "
            "Fixed effects and first differences learn from the second only.",
        )
    )
    return (reading, panel.variation(sorted(named, key=named.__getitem__)))


def _fits(fits: Mapping[str, Results], left_out: Mapping[str, str]) -> tuple[Printable, ...]:
    reading = Prose(
        (
            "Pooled OLS compares all rows, Between compares units, First differences and Fixed "
            "effects compare each unit with itself, and Random effects is a weighted average of "
            "Between and Fixed effects. Mundlak and Hybrid estimate both kinds of effect at once: "
            "mean(x) is by how much the effect between units exceeds the one within.",
        )
    )
    reasons = Prose(tuple(f"{name} is left out: {why}" for name, why in left_out.items()))
    return (reading, compare(*fits.values()), *([reasons] if left_out else []))


Fits: TypeAlias = Mapping[Kind, Results]
Tests: TypeAlias = dict[tuple[Kind, Kind, Method], TestResult | str]


def _hausman_tests(fits: Fits) -> Tests:
    """Run the tests that the fits allow; a text says why one is not defined."""
    tests: Tests = {}

    def run(one: Kind, other: Kind, method: Method) -> TestResult | None:
        if one not in fits or other not in fits:
            return None
        try:
            tests[one, other, method] = hausman(fits[one], fits[other], method=method)
        except PanelmlError as error:
            titles = f"{fits[one].model} against {fits[other].model}"
            tests[one, other, method] = f"{titles} ({method}): {error}"
        return _defined(tests[one, other, method])

    run("fixed", "random", "robust")
    if run("fixed", "random", "classical") is None:
        run("fixed", "random", "sigmamore")
    run("fixed", "differences", "robust")
    return tests


def _tests(tests: Tests) -> tuple[Printable, ...]:
    if not tests:
        return (Prose(("None: fixed effects or random effects could not be fitted.",)),)
    reading = Prose(
        (
            "Random effects assume that the unit effects are unrelated to the regressors. If they "
            "are, fixed and random effects estimate the same coefficients and differ by chance "
            "only. The classical test also assumes independent errors of equal variance; the "
            "robust one does not.",
        )
    )
    parts = (Prose((test,)) if isinstance(test, str) else test for test in tests.values())
    return (reading, *parts)


def _within_between(fits: Fits) -> tuple[WithinBetween | None, str]:
    if "hybrid" not in fits:
        return None, "The hybrid could not be fitted."
    try:
        return within_between(fits["hybrid"]), ""
    except PanelmlError as error:
        return None, str(error)


def _effects(both: WithinBetween | None, without: str) -> tuple[Printable, ...]:
    if both is None:
        return (Prose((without,)),)
    reading = Prose(
        (
            "From the hybrid: the effect of a change within a unit, that of a lasting difference "
            "between units, and the difference of the two with its confidence interval.",
        )
    )
    return (reading, both)


def _conclusions(both: WithinBetween | None, tests: Tests) -> list[str]:
    methods: tuple[Method, ...] = ("robust", "classical", "sigmamore")
    found = {"within = between in the hybrid": both.test if both else None} | {
        f"{method} Hausman test": tests.get(("fixed", "random", method)) for method in methods
    }
    defined = {name: test for name, value in found.items() if (test := _defined(value))}
    return [
        _on_equality(both, next(iter(defined.values()), None)),
        *_on_disagreement(defined),
        *_on_differences(_defined(tests.get(("fixed", "differences", "robust")))),
        "None of this shows that an effect is causal. Effects within units are free of whatever "
        "stays the same within units, measured or not; they are not free of what changes along "
        "with a regressor, or of past outcomes that change it.",
    ]


def _on_equality(both: WithinBetween | None, test: TestResult | None) -> str:
    if test is None:
        return (
            "No test of effects within against effects between units is defined for these data, "
            "so that they do not tell which of the fits to believe."
        )
    if test.pvalue < LEVEL:
        return (
            "The data reject that effects are the same within and between units "
            f"({test.pvalue_text}). Pooled OLS and random effects average two things that differ: "
            "read Fixed effects for changes within units, Between for differences between them, "
            f"or the hybrid for both.{_apart(both)} The tests do not say why they differ: traits "
            "of units that go along with regressors and are missing from the model are one reason; "
            "measurement error, feedback from past outcomes and slow effects are others."
        )
    return (
        "The data do not reject that effects are the same within and between units "
        f"({test.pvalue_text}). This does not show that they are.{_closest_to_apart(both)} "
        "Whoever is ready to assume it has more precise estimates in Random effects; Fixed "
        "effects do not need it."
    )


def _apart(both: WithinBetween | None) -> str:
    if both is None or len(both.names) < 2:
        return ""
    names = [name for name, p in zip(both.names, both.pvalues, strict=True) if p < LEVEL]
    if not names:
        return " For no single regressor is the difference significant at 5 %."
    return f" Taken one by one, the difference is significant at 5 % for {listing(names, most=8)}."


def _closest_to_apart(both: WithinBetween | None) -> str:
    if both is None or not both.names:
        return ""
    i = int(np.argmin(both.pvalues))
    most = " It stands out most there." if len(both.names) > 1 else ""
    return (
        f" The interval of the difference for {both.names[i]} runs from {number(both.lower[i])} "
        f"to {number(both.upper[i])}.{most}"
    )


def _on_disagreement(tests: Mapping[str, TestResult]) -> list[str]:
    if len({test.pvalue < LEVEL for test in tests.values()}) < 2:
        return []
    found = "; ".join(f"{name}: {test.pvalue_text}" for name, test in tests.items())
    return [
        f"The tests do not agree ({found}). Classical ones are valid only with independent errors "
        "of equal variance, and the others need many clusters; the evidence is not clear."
    ]


def _on_differences(test: TestResult | None) -> list[str]:
    if test is None:
        return []
    names = "First differences and fixed effects"
    if test.pvalue >= LEVEL:
        return [f"{names} do not differ by more than chance ({test.pvalue_text})."]
    return [
        f"{names} differ by more than chance ({test.pvalue_text}), though both compare units with "
        "themselves. Effects that take time, measurement error, and regressors that react to past "
        "outcomes would each do that."
    ]


def _defined(test: TestResult | str | None) -> TestResult | None:
    """Return a test that may be concluded from, with the p-value that its advice goes by."""
    if not isinstance(test, TestResult) or np.isnan(test.pvalue) or not test.conclusive:
        return None
    return test if test.judged is None else replace(test, pvalue=test.judged)
