"""Every reference value of every tool, for the linear models."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from panelml.core.moments import PanelMoments
from panelml.core.transforms import QuasiDemean
from panelml.data.formula.formula import parse_formula
from panelml.data.panel.weights import parse_weights
from panelml.engine.fold import fold
from panelml.engine.least_squares import least_squares
from panelml.engine.sampling import make_sample
from panelml.random.gls import quasi_gram
from tests.contract import replay
from tests.golden import Case, assert_close, load

TOPICS = (
    "between",
    "effects",
    "fd",
    "fe",
    "ml",
    "mundlak",
    "nlswork",
    "pooled",
    "re",
    "rsquared",
    "stata",
    "weighted",
)
LOADED = [case for topic in TOPICS for case in load(topic)]
GIVEN = [case for case in LOADED if case.spec.get("method") == "given"]
CASES = [case for case in LOADED if case not in GIVEN]


def name(case: Case) -> str:
    return f"{case.script.rpartition('/')[2]}:{case.id}"


@pytest.mark.parametrize("case", CASES, ids=name)
def test_reference_values(case: Case) -> None:
    for key, expected in replay.comparable(case).items():
        found = replay.value(case, key)
        if case.tool == "pyfixest" and key == "pvalues":
            assert_close_complements(found, expected, case.tolerance)
        else:
            assert_close(found, expected, case.tolerance, key)


def assert_close_complements(found: Any, expected: dict[str, float], rtol: float) -> None:
    """Compare p-values that were computed as 1 - P, and have no digits below 1e-16."""
    for key, pvalue in expected.items():
        assert abs(found[key] - pvalue) <= rtol * pvalue + 4 * np.finfo(float).eps, key


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
        assert any(differs(case, key) for key in names), case.id


def differs(case: Case, key: str) -> bool:
    """Whether our value is not the reference's, or we have none of that name."""
    if key not in replay.VALUES:
        return True
    expected = replay.without(case.value[key], "Intercept")
    try:
        assert_close(replay.value(case, key), expected, case.tolerance, key)
    except AssertionError:
        return True
    return False


@pytest.mark.parametrize("case", GIVEN, ids=name)
def test_least_squares_at_given_variances(case: Case) -> None:
    """Generalised least squares itself, without the estimate of the variances."""
    formula = parse_formula(case.spec["formula"])
    weights = parse_weights(case.spec["weights"])
    sample, _ = make_sample(replay.panel(case.data), formula, weights)
    moments = fold(sample, PanelMoments.of)
    sigma2 = case.spec["sigma2"]
    transform = QuasiDemean(moments.overall.mean, sigma2["u"], sigma2["e"])
    solved = least_squares(
        sample, transform, quasi_gram(moments, transform), centre=transform.centre
    )
    cov = pd.DataFrame(solved.model_cov(sigma2["e"]), index=solved.names, columns=solved.names)
    assert_close(dict(zip(solved.names, solved.params, strict=True)), case.value["params"], 1e-8)
    assert_close(cov, case.value["cov"], case.tolerance)
