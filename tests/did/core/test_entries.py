"""Who enters treatment and who is compared, row by row in words."""

from __future__ import annotations

import numpy as np
import pytest

from panelml.did.core.entries import Absorbing, Switching

PERIODS = 6


def test_an_absorbing_treatment_compares_with_those_not_yet_treated() -> None:
    treatment = Absorbing(np.array([2, 3, 4, 99]))
    enters, others = treatment.groups(2, 1)
    assert enters.tolist() == [True, False, False, False]
    assert others.tolist() == [False, False, True, True]
    assert treatment.groups(2, -2)[1].tolist() == [False, True, True, True]


@pytest.mark.parametrize("settled", [None, 1, 3])
@pytest.mark.parametrize("horizon", [-2, 0, 2])
def test_a_switching_treatment_compares_with_those_without_a_change(
    settled: int | None, horizon: int
) -> None:
    status = np.random.default_rng(2).integers(0, 2, (200, PERIODS)).astype(float)
    treatment = Switching.of(status, settled)
    for time in range(1, PERIODS - max(horizon, 0)):
        enters, others = treatment.groups(time, horizon)
        last = time + max(horizon, 0)
        # The first period from which on nothing may have changed; before the panel none is treated.
        back = time + 1 if settled is None else max(settled, -horizon)
        for i, row in enumerate(status):
            history = np.concatenate([np.zeros(PERIODS + 2), row])
            at = history[PERIODS + 2 + time - back - 1 :][: back + 1 + last - time + 1]
            calm = (at == at[0]).all()
            assert others[i] == calm
            before = history[PERIODS + 2 + time - back : PERIODS + 2 + time]
            after = row[time : last + 1]
            assert enters[i] == ((before == 0).all() and (after == 1).all())
