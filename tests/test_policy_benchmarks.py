"""The cases of policies: each is estimated."""

from __future__ import annotations

import pytest

from benchmarks import coverage
from benchmarks.case import Case
from benchmarks.cases import find
from benchmarks.fits import with_panelml
from benchmarks.policy_cases import POLICIES, POLICY_PEERS
from benchmarks.report import Run, markdown
from benchmarks.simulated import draw

EFFECTS = [case for case in POLICIES if case.model != "sensitivity"]


@pytest.mark.parametrize("case", EFFECTS, ids=lambda case: case.name)
def test_panelml_estimates_each_case(case: Case) -> None:
    assert find(case.name) is case
    assert set(case.packages) <= set(POLICY_PEERS)
    estimates = with_panelml.fit(case, draw(case.data, 2000))
    assert estimates.params["att"] > 0
    assert estimates.std_errors["att"] > 0


def test_panelml_gives_the_ends_of_sets() -> None:
    case = find("sensitivity")
    estimates = with_panelml.fit(case, draw(case.data, 2000))
    assert set(case.packages) <= set(POLICY_PEERS)
    for size in (0.5, 2.0):
        assert estimates.params[f"low {size}"] < estimates.params[f"high {size}"]


def test_the_report_has_its_own_title() -> None:
    assert markdown(Run(None, {}, (), (), "policies")).startswith("# Effects of policies")


@pytest.mark.parametrize("name", coverage.ESTIMATORS)
def test_coverage_is_a_share_of_known_effects(name: str) -> None:
    found = coverage.measure(name, 50, 12)
    assert 0.5 <= found.overall <= 1
    assert 0.5 <= found.pointwise <= 1
    assert 0.4 < found.ratio < 2.5
    assert f"| {name} | 50 |" in coverage.page([found]).markdown()
