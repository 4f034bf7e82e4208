"""Tests of several restrictions by F, as the rules say."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from panelml.errors import SpecificationError
from panelml.inference.likelihood import (
    SatterthwaiteRule,
    approximate_hotelling,
    require_curvature,
    term_df,
)


@dataclass(frozen=True)
class Degrees:
    """Degrees of freedom that tell which contrast was asked for."""

    seen: list[np.ndarray]

    def degrees(self, contrast: np.ndarray) -> float:
        self.seen.append(contrast)
        return 10.0 + contrast[0, 0]


def test_several_restrictions_lose_degrees_of_freedom() -> None:
    assert approximate_hotelling(6.0, 3, 10.0) == (6.0 * 8 / 10, 8.0)
    assert approximate_hotelling(6.0, 1, 10.0) == (6.0, 10.0)
    assert approximate_hotelling(6.0, 3, np.inf) == (6.0, np.inf)
    assert np.isnan(approximate_hotelling(6.0, 3, 2.0)).all()


def test_contrasts_are_taken_back_to_the_working_effects() -> None:
    back = np.array([[2.0, 0.0], [1.0, 3.0]])
    rule = SatterthwaiteRule(Degrees([]), back)
    assert term_df(rule, 2).tolist() == [12.0, 11.0]
    statistic, df = rule.f_statistic(np.eye(2), 5.0)
    assert (statistic, df) == (pytest.approx(5.0 * 11 / 12), 11.0)
    np.testing.assert_array_equal(rule.moved.seen[-1], back)


def test_a_fit_without_curvature_is_refused() -> None:
    with pytest.raises(SpecificationError, match="mixed models"):
        require_curvature(None, "Satterthwaite")
