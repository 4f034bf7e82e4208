"""Tests rank and refuse fits by their facts, whatever their titles say."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

import panelml as pm
from panelml.core.links import IDENTITY, LOG
from panelml.data.formula.formula import Effect
from panelml.results.facts import Assumption, Facts

FORMULA = "lwage ~ union + married"
SPECS = {
    "pooled": pm.PooledOLS(FORMULA),
    "between": pm.Between(FORMULA),
    "differences": pm.FirstDifference(FORMULA),
    "fixed": pm.FixedEffects(f"{FORMULA} | nr + year[exper]"),
    "random": pm.RandomEffects(FORMULA, time_effects=True),
    "mundlak": pm.Mundlak(FORMULA),
    "hybrid": pm.Hybrid(FORMULA),
    "mixed": pm.MixedModel(f"{FORMULA} + (0 + union | nr) + (1 | year)", residual="ar1"),
}


@pytest.fixture(scope="module")
def panel() -> pm.Panel:
    frame = pm.datasets.wage_panel()
    return pm.Panel(frame[frame["nr"] < 3000], unit="nr", time="year")


@pytest.fixture(scope="module")
def facts(panel: pm.Panel) -> dict[str, Facts]:
    return {kind: spec.fit(panel).facts for kind, spec in SPECS.items()}


def test_each_kind(facts: dict[str, Facts]) -> None:
    assert {kind: each.kind for kind, each in facts.items()} == {kind: kind for kind in facts}
    assert {each.link for each in facts.values()} == {IDENTITY}


def test_what_has_intercepts(facts: dict[str, Facts]) -> None:
    unit, period = ("nr",), ("year",)
    assert facts["fixed"].absorbed == (Effect(unit), Effect(period, ("exper",)))
    assert facts["fixed"].absorbed_words == "nr + year[exper]"
    assert facts["fixed"].intercepts == facts["random"].intercepts == {unit, period}
    assert facts["mixed"].intercepts == {period}
    assert facts["hybrid"].intercepts == facts["mundlak"].intercepts == {unit}
    assert not facts["pooled"].intercepts


def test_later_assumptions_imply_earlier_ones(facts: dict[str, Facts]) -> None:
    kinds = ("fixed", "between", "random", "pooled")
    assumptions = [facts[kind].assumption for kind in kinds]
    assert assumptions == sorted(a for a in Assumption if a is not Assumption.RANDOM_UNITS)
    assert {facts[kind].assumption for kind in facts.keys() - kinds} == {None}


def test_titles_with_details(facts: dict[str, Facts]) -> None:
    assert facts["mixed"].title.startswith(f"{facts['mixed'].name}, ")
    assert Facts("other", "A").detailed("b").detailed("c").title == "A, b, c"


def test_the_title_does_not_matter(panel: pm.Panel) -> None:
    fixed, random = pm.FixedEffects(FORMULA).fit(panel), pm.RandomEffects(FORMULA).fit(panel)
    renamed = replace(random, facts=replace(random.facts, name="My estimator"))
    one, other = (pm.hausman(fixed, fit, method="sigmamore") for fit in (random, renamed))
    assert one.statistic == other.statistic
    assert "My estimator" in other.name


def test_links_are_not_compared(panel: pm.Panel) -> None:
    fixed, random = pm.FixedEffects(FORMULA).fit(panel), pm.RandomEffects(FORMULA).fit(panel)
    other = replace(random, facts=replace(random.facts, link=LOG))
    with pytest.raises(pm.errors.SpecificationError, match=r"identity link.*log link"):
        pm.hausman(fixed, other)


LINEAR_TESTS = [
    pm.wooldridge_test,
    pm.pesaran_cd,
    pm.effects_test,
    pm.breusch_pagan,
    pm.honda,
    pm.king_wu,
    pm.gourieroux_holly_monfort,
]


@pytest.mark.parametrize("test", LINEAR_TESTS, ids=lambda test: test.__name__)
def test_residuals_of_other_links_are_refused(test: Callable[..., object], panel: pm.Panel) -> None:
    fit = pm.FixedEffects(FORMULA).fit(panel)
    test(fit)
    other = replace(fit, facts=replace(fit.facts, link=LOG))
    with pytest.raises(pm.errors.SpecificationError, match=r"linear regression.*log link"):
        test(other)
