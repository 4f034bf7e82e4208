"""Fits have the numbers of the release before, whatever the machine.

Bit by bit they are compared by ``python -m tests.contract.release compare``: sums differ in their
last bits between processors, for which BLAS has different kernels. Those of five generations of
processors (OPENBLAS_CORETYPE) move nothing by more than 2e-14, iterated fits included.
"""

from __future__ import annotations

import numpy as np
import pytest

from tests.contract.release import distance, distances, load


def test_numbers_are_those_of_the_release_before() -> None:
    far = {name: gap for name, gap in distances(load()).items() if gap > 1e-9}
    assert far == {}


@pytest.mark.parametrize(
    ("before", "now", "gap"),
    [
        ([2.0, np.nan], [2.0, np.nan], 0.0),
        ([2.0, 1e-3], [2.0, 1e-3 + 2e-9], 1e-9),
        ([1.0, np.nan], [1.0, 0.0], np.inf),
        ([0.0], [1.0], 1.0),
        ([1.0], [1.0, 1.0], np.inf),
        ([1.0, np.inf], [1.0, -np.inf], np.inf),
        (None, [1.0], np.inf),
        ([1.0], [np.nan], np.inf),
    ],
)
def testdistances_see_every_kind_of_difference(
    before: list[float] | None, now: list[float] | None, gap: float
) -> None:
    assert distance(before, now) == pytest.approx(gap)
