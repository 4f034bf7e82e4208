"""Effects by horizon around a reference, as arrays."""

from __future__ import annotations

import numpy as np
import pytest

from panelml.did.core.around_reference import AroundReference
from panelml.errors import IdentificationError

SIGMA = np.diag([1.0, 4.0, 1e-6, 1e6])


def test_periods_are_counted_from_the_reference() -> None:
    event = AroundReference(np.array([-2, -1, 1, 2]), np.zeros(4), SIGMA, -2, 2)
    assert (event.pre, event.post) == (2, 2)
    assert event.horizons.tolist() == [-4, -3, -1, 0]


def test_only_a_singular_correlation_is_refused() -> None:
    event = AroundReference(np.array([-2, -1, 1, 2]), np.zeros(4), SIGMA, -1, 2)
    event.require_regular(4, "coefficients")
    sigma = SIGMA.copy()
    sigma[2, 3] = sigma[3, 2] = 1.0  # a correlation of one
    event = AroundReference(np.array([-2, -1, 1, 2]), np.zeros(4), sigma, -1, 2)
    event.require_regular(2, "coefficients")
    with pytest.raises(IdentificationError, match="singular"):
        event.require_regular(4, "coefficients")
