"""Reports on simulated policies: each sentence is true, and tests hold their size."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from tests.did.evaluation.reports import run


def test_every_sentence_of_some_reports_is_true() -> None:
    tests, wrong = run(range(12), draws=9)
    assert wrong == []
    assert (tests["kind"] == "effect").sum() > 40


@pytest.mark.slow
def test_every_sentence_of_many_reports_is_true_and_tests_hold_their_size() -> None:
    tests, wrong = run(range(240), draws=39)
    assert wrong == []
    idle = tests[(tests["null"] == True) & (tests["parallel"] == True)].dropna(subset="p")  # noqa: E712
    for kind in ("effect", "trends", "dealt"):
        assert rejected(idle[idle["kind"] == kind]) <= 0.0, kind
    apart = tests[(tests["kind"] == "trends") & (tests["parallel"] == False)]  # noqa: E712
    assert (apart["p"].dropna() < 0.05).mean() > 0.4


def rejected(tests: pd.DataFrame) -> float:
    """Share of rejections beyond 5 % and three Monte Carlo errors, tests of a panel being one."""
    share = (tests["p"] < 0.05).groupby(tests["seed"]).mean()
    return float(share.mean()) - 0.05 - 3 * np.sqrt(0.05 * 0.95 / share.size)
