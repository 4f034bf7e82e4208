"""One call for a whole policy: published numbers, words, and the page."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import pytest

import panelml as pm
from panelml.errors import IdentificationError
from panelml.results.policy import PolicyEvaluation
from tests.did.test_decomposition import castle


@cache
def evaluation() -> PolicyEvaluation:
    frame = pm.simulate.staggered(200, 8, {4: 0.3, 6: 0.3}, seed=5)
    return pm.evaluate_policy("y ~ 1", pm.Panel(frame, "unit", "time"), cohort="cohort")


def test_castle_doctrine_as_published_by_each_package() -> None:
    found = pm.evaluate_policy("l_homicide ~ 1", castle(), cohort="adopted").table()
    printed = {
        "Two-way fixed effects": ("0.08181", "0.05887"), "Sun-Abraham": ("0.110383", "0.041317"),
        "Callaway-Sant'Anna": ("0.110383", "0.038724"), "Imputation": ("0.079802", "0.060884"),
        "Two-stage": ("0.079802", "0.060979"),
    }  # fmt: skip
    for name, (effect, error) in printed.items():
        digits = len(effect) - 2
        assert f"{found.loc[name, 'effect']:.{digits}f}" == effect
        assert f"{found.loc[name, 'std_error']:.{digits}f}" == error


def test_every_part_is_there() -> None:
    found = evaluation()
    assert len(found.fits) == 7
    assert not found.skipped
    assert found.bacon is not None
    assert found.weights is not None
    assert found.sensitivity is not None
    text = str(found)
    assert "Average effects on treated units range from" in text
    assert "neither of which data can prove" in text.replace("\n", " ")
    assert "<table" in found._repr_html_()
    assert found.plot().get_xlabel() == "Periods since adoption"


def test_the_page_needs_no_other_file(tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    text = evaluation().to_html(path)
    assert path.read_text(encoding="utf-8") == text
    assert text.count("data:image/png;base64,") == 6
    assert "src='http" not in text
    assert "[Picture: Treatment status]" in str(evaluation().page)


def test_what_cannot_run_is_said() -> None:
    frame = pm.simulate.staggered(200, 8, {4: 0.3, 6: 0.3}, unbalanced=0.1, seed=5)
    found = pm.evaluate_policy("y ~ 1", pm.Panel(frame, "unit", "time"), cohort="cohort")
    assert "balanced panels" in found.skipped["Goodman-Bacon decomposition"]
    assert "Not run: Goodman-Bacon decomposition." in str(found)


def test_without_evidence_the_words_do_not_claim_absence() -> None:
    frame = pm.simulate.staggered(60, 6, {4: 0.3}, effect=0.0, sigma_e=3, seed=3)
    found = pm.evaluate_policy("y ~ 1", pm.Panel(frame, "unit", "time"), cohort="cohort")
    assert "That is no evidence that there is no effect" in found.conclusions[0]


def test_pre_trends_are_called_what_they_are() -> None:
    frame = pm.simulate.staggered(300, 8, {5: 0.4}, trend=0.5, seed=8)
    found = pm.evaluate_policy("y ~ 1", pm.Panel(frame, "unit", "time"), cohort="cohort")
    assert any("Pre-trends are rejected" in words for words in found.conclusions)


def test_a_policy_that_nobody_adopts_is_refused() -> None:
    frame = pm.simulate.staggered(30, 5, {4: 0.3}).assign(cohort=np.nan)
    with pytest.raises(IdentificationError, match="No estimator can be run"):
        pm.evaluate_policy("y ~ 1", pm.Panel(frame, "unit", "time"), cohort="cohort")


def test_few_treated_units_and_gaps_are_no_obstacle() -> None:
    frame = pm.simulate.staggered(60, 8, {4: 0.05}, seed=5).query("time != 3")
    found = pm.evaluate_policy("y ~ 1", pm.Panel(frame, "unit", "time"), cohort="cohort")
    assert "Fewer than 5 units" in found.skipped["Common window of horizons"]
    assert len(found.table()) >= 4
