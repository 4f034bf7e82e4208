"""What the report concludes, and that it never says more than its tests."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

import panelml as pm
from panelml import simulate
from panelml.__main__ import ESTIMATORS
from panelml.diagnostics.report import make_report
from panelml.results.show.page import Page
from tests.panels import grunfeld10


def report(panel: pm.Panel, formula: str, *, without: tuple[str, ...] = ()) -> Page:
    fits = {
        name: estimator(formula).fit(panel)
        for name, estimator in ESTIMATORS.items()
        if name not in without
    }
    return make_report("A panel", panel, formula, fits, dict.fromkeys(without, "not asked for"))


def section(page: Page, number: int) -> str:
    text = str(page).partition(f"\n{number}. ")[2].partition(f"\n{number + 1}. ")[0]
    return " ".join(text.split())


def simulated(correlated: float) -> pm.Panel:
    frame = simulate.panel(300, 5, regressors=2, correlated=correlated, seed=4)
    return pm.Panel(frame, unit="unit", time="time")


NOT_CAUSAL = "None of this shows that an effect is causal."


def test_effects_that_differ_are_told_apart() -> None:
    page = report(simulated(0.8), "y ~ x1 + x2")
    said = section(page, 6)
    assert "The data reject that effects are the same within and between units (p < 0.0001)" in said
    assert "the difference is significant at 5 % for x1, x2" in said
    assert "The tests do not say why they differ" in said
    assert NOT_CAUSAL in said
    assert "do not agree" not in said


def test_no_rejection_is_not_called_equality() -> None:
    page = report(simulated(0.0), "y ~ x1 + x2")
    said = section(page, 6)
    assert "The data do not reject that effects are the same" in said
    assert "This does not show that they are. The interval of the difference for x" in said
    assert "It stands out most there." in said
    assert NOT_CAUSAL in said


def test_tests_that_disagree_are_quoted() -> None:
    panel = pm.Panel(grunfeld10(), unit="firm", time="year")
    said = section(report(panel, "inv ~ value + capital"), 6)
    assert "The tests do not agree (within = between in the hybrid: p = " in said
    # plm's classical test of these fits has p = 0.3119.
    assert "classical Hausman test: p = 0.3119" in said
    assert "the evidence is not clear" in said


def test_a_single_regressor_is_not_compared_with_others() -> None:
    page = report(simulated(0.0), "y ~ x1")
    assert "stands out most" not in section(page, 6)
    page = report(simulated(0.8), "y ~ x1")
    assert "one by one" not in section(page, 6)


def test_jointly_apart_but_no_single_regressor() -> None:
    frame = simulate.panel(300, 5, regressors=1, correlated=0.8, seed=4)
    twin = frame["x1"] + 0.01 * np.random.default_rng(1).standard_normal(len(frame))
    page = report(pm.Panel(frame.assign(twin=twin), unit="unit", time="time"), "y ~ x1 + twin")
    said = section(page, 6)
    assert "The data reject that effects are the same" in said
    assert "For no single regressor is the difference significant at 5 %." in said


def test_a_classical_test_without_a_conclusion_gives_way_to_sigmamore() -> None:
    crime = pm.datasets.load("crime")
    page = report(
        pm.Panel(crime, unit="county", time="year"), "lcrmrte ~ lprbarr + lpolpc + C(year)"
    )
    said = section(page, 4)
    assert "No conclusion: see the note." in said
    assert "(sigmamore)" in said
    assert "nan" not in str(page)
    assert "nan" not in page.to_html()


@pytest.mark.parametrize("missing", ["Fixed effects", "Random effects"])
def test_without_one_of_the_two_there_is_no_hausman_test(missing: str) -> None:
    page = report(simulated(0.5), "y ~ x1", without=(missing,))
    assert f"{missing} is left out: not asked for" in section(page, 3)
    assert "Fixed effects against Random effects" not in section(page, 4)
    assert "The data reject that effects are the same" in section(page, 6)


def test_without_the_hybrid_the_robust_test_decides() -> None:
    page = report(simulated(0.8), "y ~ x1", without=("Hybrid (within-between)",))
    assert section(page, 5).endswith("The hybrid could not be fitted.")
    assert "The data reject that effects are the same" in section(page, 6)


def test_a_test_that_cannot_be_made_is_explained() -> None:
    panel = simulated(0.5)
    fits = {name: estimator("y ~ x1").fit(panel) for name, estimator in ESTIMATORS.items()}
    fits["Random effects"] = pm.RandomEffects("y ~ x2").fit(panel)
    page = make_report("A panel", panel, "y ~ x1", fits, {})
    assert "Random effects (robust): The fits have no slope in common" in section(page, 4)


FRAMES: dict[str, Callable[[], pd.DataFrame]] = {
    "firms": grunfeld10,
    "uneven": lambda: grunfeld10().query("year > 1937 or firm > 4"),
}


@pytest.mark.parametrize("name", FRAMES)
def test_text_and_html_carry_the_same_tests(name: str) -> None:
    page = report(pm.Panel(FRAMES[name](), unit="firm", time="year"), "inv ~ value + capital")
    text, html = str(page), page.to_html()
    for part in (part for section in page.sections for part in section.parts):
        assert str(part) in text
        assert part._repr_html_() in html
    assert max(len(line) for line in text.splitlines()) <= 100


def few_units(seed: int) -> pm.Panel:
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame({"id": np.repeat(np.arange(8), 8), "t": np.tile(np.arange(8), 8)})
    frame["x"], frame["z"] = rng.normal(size=(2, 64))
    frame["y"] = frame["x"] + rng.normal(size=8)[frame["id"]] + rng.normal(size=64)
    return pm.Panel(frame, unit="id", time="t")


def test_conclusions_go_by_the_p_value_that_the_tests_go_by() -> None:
    """With eight units chi-squared and F disagree in one of twelve tests at 5 %."""
    judged_otherwise = 0
    for seed in range(20):
        panel = few_units(seed)
        found = pm.hausman(
            pm.FixedEffects("y ~ x + z").fit(panel), pm.FirstDifference("y ~ x + z").fit(panel)
        )
        assert found.judged is not None
        said = section(report(panel, "y ~ x + z"), 6)
        concluded = "First differences and fixed effects differ by more than chance" in said
        assert concluded == (found.judged < 0.05) == found.advice.startswith("They differ")
        assert f"chance (p = {found.judged:.4f})" in said
        judged_otherwise += (found.pvalue < 0.05) != (found.judged < 0.05)
    assert judged_otherwise > 0
