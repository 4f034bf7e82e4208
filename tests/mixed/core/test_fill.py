"""The core that stays when unknowns of few neighbours are eliminated."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse
from scipy.sparse.linalg import splu

from panelml._typing import FloatArray
from panelml.mixed.core.fill import dense_core


def system(pattern: FloatArray) -> sparse.csr_array:
    return sparse.csr_array(pattern + pattern.T + np.eye(len(pattern)))


def chain(m: int) -> FloatArray:
    return np.eye(m, k=1)


@pytest.mark.parametrize(
    "pattern",
    [
        np.zeros((0, 0)),
        np.zeros((9, 9)),
        chain(500),
        sparse.block_diag([np.ones((20, 20))] * 40).toarray(),
    ],
)
def test_nothing_is_left_of_what_hangs_loosely_together(pattern: FloatArray) -> None:
    assert dense_core(system(pattern)) <= 20


def test_a_clique_is_its_own_core() -> None:
    assert dense_core(system(np.ones((50, 50)))) == 50


def test_leaves_are_taken_off_a_dense_core() -> None:
    rng = np.random.default_rng(0)
    whole = np.zeros((1000, 1000))
    whole[:200, :200] = 1.0
    whole[np.arange(200, 1000), rng.integers(0, 200, 800)] = 1.0
    order = rng.permutation(1000)
    assert 200 <= dense_core(system(whole[np.ix_(order, order)])) <= 220


@pytest.mark.parametrize("reach", [3, 400])
def test_the_factor_is_no_fuller_than_the_core_says(reach: int) -> None:
    """Of unknowns that meet within ``reach``: with two of distant ones, nearly all fill."""
    rng = np.random.default_rng(1)
    row = rng.integers(0, 800, 2400)
    whole = np.zeros((800, 800))
    whole[row, (row + rng.integers(1, reach + 1, 2400)) % 800] = 1.0
    a = system(whole) + 800 * sparse.eye_array(800)
    lower = splu(
        sparse.csc_array(a),
        permc_spec="MMD_AT_PLUS_A",
        diag_pivot_thresh=0.0,
        options={"SymmetricMode": True},
    ).L
    core = dense_core(sparse.csr_array(a))
    assert (core > 100) is (reach == 400)
    assert core**2 / 4 <= lower.nnz <= core**2 + 20 * 800
