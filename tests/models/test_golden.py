"""Every reference value of every tool, for the linear models."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.golden import Case, assert_close, load
from tests.models import replay

TOPICS = ("fe", "re", "stata")
CASES = [case for topic in TOPICS for case in load(topic)]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_reference_values(case: Case) -> None:
    for name, expected in replay.comparable(case).items():
        found = replay.value(case, name)
        if case.tool == "pyfixest" and name == "pvalues":
            assert_close_complements(found, expected, case.tolerance)
        else:
            assert_close(found, expected, case.tolerance, name)


def assert_close_complements(found: Any, expected: dict[str, float], rtol: float) -> None:
    """Compare p-values that were computed as 1 - P, and have no digits below 1e-16."""
    for name, pvalue in expected.items():
        assert abs(found[name] - pvalue) <= rtol * pvalue + 4 * np.finfo(float).eps, name


@pytest.mark.parametrize("difference", replay.DIFFERENCES, ids=lambda d: d.reason[:40])
def test_differences_are_real(difference: replay.Difference) -> None:
    """Each listed difference occurs, and a value it names is not ours."""
    cases = [case for case in CASES if difference in replay.differences(case)]
    assert cases
    if difference.parameter:
        assert all(difference.parameter not in replay.fit(case).params for case in cases)
        return
    for case in cases:
        names = set(difference.names) & set(case.value)
        assert any(differs(case, name) for name in names), case.id


def differs(case: Case, name: str) -> bool:
    """Whether our value is not the reference's, or we have none of that name."""
    if name not in replay.VALUES:
        return True
    expected = replay.without(case.value[name], "Intercept")
    try:
        assert_close(replay.value(case, name), expected, case.tolerance, name)
    except AssertionError:
        return True
    return False
