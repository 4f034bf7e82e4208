"""How often tests across fits reject where random effects are right: about 5 times of 100."""

from __future__ import annotations

import pytest

from benchmarks import rejections

REPS = 60
# Of 60 panels 8 or more reject by chance once in 100 tests at 5 %.
MOST = 8


@pytest.mark.slow
@pytest.mark.parametrize("design", rejections.DESIGNS)
def test_false_rejections_do_not_exceed_chance(design: str) -> None:
    quick = [name for name in rejections.TESTS if name != rejections.VERDICT]
    for found in rejections.measure(design, REPS, quick, power=False):
        assert found.size * REPS <= MOST, found


@pytest.mark.slow
def test_the_verdict_of_the_command_line_has_size_and_power() -> None:
    name = "tenure and year dummies, unbalanced"
    [found] = rejections.measure(name, 20, [rejections.VERDICT])
    assert found.size <= 0.2
    assert found.power >= 0.3
    assert f"| {name} | {rejections.VERDICT} |" in rejections.page([found]).markdown()
