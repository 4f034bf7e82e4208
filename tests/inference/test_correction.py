"""Small-sample rules, counted by hand."""

from __future__ import annotations

import numpy as np
import pytest

from panelml.data.formula.formula import Effect
from panelml.errors import UnknownNameError
from panelml.inference.correction import PRESETS, Counts, SmallSample, parse_small_sample

FIRM, YEAR = Effect(("firm",)), Effect(("year",))
# 200 rows, 3 slopes, 40 firms and 5 years: 44 absorbed coefficients, the constant included.
COUNTS = Counts(200, 3, False, (FIRM, YEAR), 44)
NESTING = {FIRM: (True, False), YEAR: (False, False)}


def test_residual_degrees_of_freedom_take_all_coefficients() -> None:
    assert COUNTS.df_resid == 200 - 3 - 44
    assert Counts(200, 3, True).df_resid == 196


@pytest.mark.parametrize(
    ("effects", "exempt"),
    [("nested", (FIRM,)), ("single", ()), ("all", ()), ("none", (FIRM,))],
)
def test_effects_nested_in_clusters_do_not_count(effects: str, exempt: tuple[Effect, ...]) -> None:
    assert SmallSample(effects=effects).exempt(NESTING) == exempt
    alone = {FIRM: (True, True)}
    assert SmallSample(effects="single").exempt(alone) == (FIRM,)
    assert SmallSample(effects="single").exempt({FIRM: (True, False)}) == ()


@pytest.mark.parametrize(
    ("rule", "nested", "k"),
    [
        (SmallSample(), 0, 3 + 44),
        (SmallSample(), 40, 3 + 44 - 40 + 1),  # of the firms the constant is left
        (SmallSample(effects="none"), 40, 3 + 1),
        (SmallSample(effects="none", implied_constant=False), 40, 3),
        (SmallSample(implied_constant=False), 44, 3),
        (SmallSample(implied_constant=False), 40, 3 + 5),
    ],
)
def test_parameters_that_count(rule: SmallSample, nested: int, k: int) -> None:
    assert rule.parameters(COUNTS, nested) == k
    assert rule.parameters(Counts(200, 3, True), 0) == 4


def test_factors_and_degrees_of_freedom() -> None:
    assert SmallSample(scale="none").scaling(200, 8) == 1.0
    assert SmallSample(scale="n").scaling(200, 8) == pytest.approx(200 / 192)
    assert SmallSample(scale="n-1").scaling(200, 8) == pytest.approx(199 / 192)
    assert SmallSample(scale="n").scaling(8, 8) == 8.0
    assert SmallSample(df="clusters").degrees(40, COUNTS) == 39.0
    assert SmallSample(df="residual").degrees(40, COUNTS) == 153.0
    assert np.isinf(SmallSample(df="normal").degrees(40, COUNTS))


def test_dependence_over_time_may_count_all_effects() -> None:
    assert SmallSample(serial="all").over_time().effects == "all"
    assert SmallSample(serial="effects").over_time().effects == "nested"


def test_presets_are_read_by_name() -> None:
    assert parse_small_sample(None, COUNTS) is PRESETS["fixest"]
    assert parse_small_sample("plm", COUNTS) is PRESETS["plm"]
    rule = SmallSample(groups=False)
    assert parse_small_sample(rule, COUNTS) is rule
    with pytest.raises(UnknownNameError, match="fixest"):
        parse_small_sample("fixesst", COUNTS)
