from __future__ import annotations

import numpy as np

from panelml.core.absorb_plan import AbsorbPlan, Factor
from panelml.core.block import Block, arranged
from panelml.glm.core.index import Columns, Index, Rates, StartingRates, offset_of

RNG = np.random.default_rng(3)
Y = np.array([1.0, 0.0, 4.0, 2.0, 3.0])
X = RNG.normal(size=(2, 5)) + 5


def block() -> Block:
    return Block(
        z=arranged(Y, X, np.array([[0.1, 0.2, 0.0, -0.1, 0.3]])),
        starts=np.array([0, 2, 5]),
        first_unit=0,
        time=np.array([0, 1, 0, 1, 2]),
        steps=np.arange(3),
        weights=np.array([1.0, 2.0, 1.0, 1.0, 2.0]),
        keys={"time": np.array([0, 1, 0, 1, 2])},
        slopes={},
    )


COLUMNS = Columns(np.array([1]), np.array([5.0]), offset=True)
PLAN = AbsorbPlan(True, (), (Factor("time", 3, None, 0),))
RATES = Rates(Index(np.array([0.4]), 0.0, np.array([0.0, 0.1, -0.2]), PLAN))


def test_columns_are_centred_and_the_offset_is_taken_out() -> None:
    rows = COLUMNS(block())
    assert np.allclose(rows.regressors, X[1:] - 5)
    assert np.allclose(offset_of(rows), [0.1, 0.2, 0.0, -0.1, 0.3])
    assert not offset_of(block()).any()
    assert COLUMNS.only(np.zeros(0, dtype=int))(block()).regressors.shape == (0, 5)


def test_a_column_is_cleared_of_the_rounding_of_its_mean() -> None:
    mean = np.array([5.0 + 4e-15])
    constant = block().with_z(np.full((4, 5), 5.0))
    assert not Columns(np.array([0]), mean, offset=True)(constant).regressors.any()


def test_units_have_the_effects_that_solve_their_equation() -> None:
    rows = COLUMNS(block())
    mean = np.exp(RATES.log_mean(rows))
    gap = rows.row_weights * (Y - mean)
    assert np.allclose(np.add.reduceat(gap, rows.starts[:-1]), 0, atol=1e-14)
    assert np.ptp(RATES.effects(rows)[2:] - RATES.index.levels_of(rows)[2:]) < 1e-14


def test_working_rows_give_the_scores() -> None:
    rows = COLUMNS(block())
    working = RATES(rows)
    mean = np.exp(RATES.log_mean(rows))
    assert np.allclose(working.outcome * working.row_weights, rows.row_weights * (Y - mean))
    assert np.allclose(working.row_weights, rows.row_weights * mean)


def test_the_likelihood_has_the_digits_of_a_far_index() -> None:
    rows = COLUMNS(block())
    value = RATES.scored(rows).value
    far = Rates(RATES.index.moved(np.array([0.0, 400.0, 0.0, 0.0, 0.0])))
    assert np.isclose(far.scored(rows).value, value, rtol=1e-12)
    index = RATES.log_mean(rows)
    assert np.isclose(value, rows.row_weights @ (Y * index - np.exp(index)), rtol=1e-12)


def test_no_row_moves_further_than_the_reach_of_a_move() -> None:
    rows = COLUMNS(block())
    move = np.array([0.5, 0.0, 0.3, -0.2, 0.1])
    after = Rates(RATES.index.moved(move))
    span = np.abs(rows.regressors).max(axis=1)
    moved = np.abs(after.log_mean(rows) - RATES.log_mean(rows)).max()
    assert moved <= RATES.index.reach(move, span)


def test_the_first_means_are_half_way_to_the_average() -> None:
    rows = COLUMNS(block())
    working = StartingRates(2.0)(rows)
    assert np.allclose(working.row_weights, rows.row_weights * (Y + 2) / 2)
    mean = (Y + 2) / 2
    assert np.allclose(working.outcome + offset_of(rows), np.log(mean) + Y / mean - 1)


def test_an_index_is_moved_in_the_order_of_its_parts() -> None:
    moved = RATES.index.moved(np.array([1.0, 2.0, 3.0, 4.0, 5.0]))
    assert moved.slopes == [1.4]
    assert moved.constant == 2.0
    assert np.allclose(moved.levels, [3.0, 4.1, 4.8])
