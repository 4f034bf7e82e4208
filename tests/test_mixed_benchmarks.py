"""The cases of mixed models: each is fitted, and peers are asked for the same model."""

from __future__ import annotations

import pytest

from benchmarks.case import Case
from benchmarks.cases import find
from benchmarks.cell import Cell, Measurement
from benchmarks.compare import verdicts
from benchmarks.fits import with_panelml, with_statsmodels
from benchmarks.fits.estimates import Estimates
from benchmarks.mixed_cases import MIXED, PEERS
from benchmarks.report import Run, markdown
from benchmarks.simulated import draw

SMALL = [case for case in MIXED if case.data != "insteval"]


@pytest.mark.parametrize("case", SMALL, ids=lambda case: case.name)
def test_panelml_fits_each_case(case: Case) -> None:
    assert find(case.name) is case
    assert set(case.packages) <= set(PEERS)
    frame = draw(case.data, 1500)
    estimates = with_panelml.fit(case, frame)
    assert estimates.params.keys() == estimates.std_errors.keys()
    conventions = with_panelml.conventions(case, frame)
    assert conventions.keys() == set(case.packages) - {"panelml"}
    assert all(found == estimates for found in conventions.values())


def test_statsmodels_is_asked_for_the_same_model() -> None:
    case = find("slope-1e6")
    frame = draw(case.data, 800)
    ours, theirs = with_panelml.fit(case, frame), with_statsmodels.fit(case, frame)
    assert ours.params == pytest.approx(theirs.params, rel=1e-3)
    # statsmodels' are of the Hessian in coefficients and variances together.
    assert ours.std_errors == pytest.approx(theirs.std_errors, rel=1e-2)


@pytest.mark.parametrize(("peak", "passed"), [(399.0, True), (401.0, False)])
def test_memory_is_held_to_its_limit(peak: float, passed: bool) -> None:
    found = Measurement("1.0", 1.0, 9.0, (1.0,), 50.0, peak, Estimates({}, {}))
    own = Cell("growth-1e6", "panelml", 1_000_000, found)
    said = {verdict.target: verdict.passed for verdict in verdicts([own])}
    assert said["peak memory at most 400 MB"] is passed
    assert not any("first call" in target for target in said)
    failed = Cell("growth-1e6", "panelml", 1_000_000, None, "failed")
    assert {v.passed for v in verdicts([failed]) if "peak" in v.target} == {False}
    assert markdown(Run(None, {}, (), (own,))).startswith("# Mixed models")
