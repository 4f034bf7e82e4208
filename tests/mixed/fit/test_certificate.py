"""The certificate of an optimum is reached where the likelihood is flat to the last digits."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import panelml as pm


@pytest.mark.parametrize(
    "formula", ["y ~ x + np.log(h) + (1 + np.log(h) | a)", "y ~ x + (1 + x | a) + (1 | b)"]
)
@pytest.mark.parametrize("seed", range(4))
def test_small_gradients_inside_the_cone_are_polished_away(formula: str, seed: int) -> None:
    random = np.random.RandomState(seed)
    n = 900
    a, b = random.randint(0, 15, n), random.randint(0, 8, n)
    x, h = random.normal(size=n), random.uniform(1, 20, n)
    slope, shift = random.normal(0, 0.5, 15)[a], random.normal(0, 0.6, 8)[b]
    y = x + np.log(h) * (0.5 + slope) + shift + random.normal(size=n)
    frame = pd.DataFrame({"y": y, "x": x, "h": h, "a": a, "b": b})
    certificate = pm.MixedModel(formula).fit(frame).random.certificate
    assert certificate.converged and certificate.evaluations < 30
