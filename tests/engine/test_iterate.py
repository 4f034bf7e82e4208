"""Blocks that are held: the same bits as the sample's, and formulas that are evaluated once."""

from __future__ import annotations

from unittest import mock

import numpy as np
import pytest

import panelml as pm
from panelml import simulate
from panelml.core.block import Block
from panelml.core.moments import PanelMoments
from panelml.data.formula.design import Design
from panelml.data.formula.formula import parse_formula
from panelml.engine.collect import Collected
from panelml.engine.fold import fold
from panelml.engine.iterate import hold
from panelml.engine.sampling import make_sample
from tests.laws.compare import assert_same, chunks_of

FORMULA = "y ~ L(x1) + C(x2 > 0)"


@pytest.fixture(scope="module")
def panel() -> pm.Panel:
    frame = simulate.panel(60, 8, 2, unbalanced=0.2, seed=4)
    return pm.Panel(frame.assign(group=frame["unit"] % 5), unit="unit", time="time")


@pytest.mark.parametrize("threads", [1, 3])
def test_held_blocks_have_the_bits_of_the_sample(panel: pm.Panel, threads: int) -> None:
    sample, _ = make_sample(panel, parse_formula(FORMULA), None)
    with chunks_of(50):
        held = hold(sample)
        assert len(held.blocks) > 5
        ours, theirs = (fold(rows, PanelMoments.of, threads=threads) for rows in (held, sample))
    np.testing.assert_array_equal(ours.within, theirs.within)
    np.testing.assert_array_equal(ours.overall.centred, theirs.overall.centred)


def evaluations(spec: pm.FixedEffects, panel: pm.Panel) -> int:
    """Count how often a fit evaluates its formula on a chunk; each pass has one chunk here."""
    with mock.patch.object(Design, "evaluate", autospec=True, side_effect=Design.evaluate) as spy:
        spec.fit(panel)
    return int(spy.call_count)


def test_slopes_of_levels_do_not_evaluate_functions_again(panel: pm.Panel) -> None:
    slopes = pm.FixedEffects(f"{FORMULA} | unit + group[x2]")
    plain = pm.FixedEffects(f"{FORMULA} | unit + group")
    assert evaluations(slopes, panel) <= evaluations(plain, panel) + 1
    with mock.patch("panelml.data.sample.Sample.in_memory", False):
        again = slopes.fit(panel)
        assert evaluations(slopes, panel) > evaluations(plain, panel) + 1
    assert_same(slopes.fit(panel), again, rel=0)


def test_held_blocks_take_steps_and_leave_rows_out(panel: pm.Panel) -> None:
    sample, _ = make_sample(panel, parse_formula(FORMULA), None)
    keep = np.arange(sample.nobs) % 7 > 1
    keep[:40] = False

    def doubled(block: Block) -> Block:
        return block.with_z(2 * block.z)

    with chunks_of(50):
        held = hold(sample).only(keep).then(doubled)
        fewer = sample.only(keep).then(sample.names, doubled)
        ours, theirs = (fold(rows, Collected.of) for rows in (held, fewer))
    for name in ("z", "unit", "time"):
        np.testing.assert_array_equal(getattr(ours, name), getattr(theirs, name))
