"""Units with equal random regressors, collapsed: nothing that is read off them changes."""

from __future__ import annotations

import numpy as np
import pytest

from panelml.mixed.core.collapse import collapse
from panelml.mixed.core.criterion import evaluate, unit_changes
from panelml.mixed.core.information import variance_information
from panelml.mixed.core.optimum import SingleFactor, free_entries
from panelml.mixed.core.unit_products import MixedMoments, UnitProducts

FULL = np.ones((2, 2), dtype=bool)


def moments(designs: int, units: int) -> MixedMoments:
    """Units with an intercept and a slope on one of so many designs, two regressors and y."""
    rng = np.random.default_rng(designs)
    shapes = [rng.normal(size=(4, 2)) for _ in range(designs)]
    which = rng.integers(0, designs, units)
    z = np.stack([shapes[j] for j in which])
    w = rng.normal(size=(units, 4, 3)) + rng.normal(size=(units, 1, 3))
    s, c = np.einsum("iaj,iak->jki", z, z), np.einsum("iaj,iak->jki", z, w)
    m = np.einsum("iaj,iak->jk", w, w)
    return UnitProducts(s, c, m, 4 * units, 0.0).reduce()


@pytest.mark.parametrize("restricted", [True, False])
@pytest.mark.parametrize("designs", [1, 3])
def test_the_likelihood_and_what_follows_do_not_change(designs: int, restricted: bool) -> None:
    full = moments(designs, 700)
    few = collapse(full)
    assert few.n_units <= 6 * designs
    assert few.count.sum() == pytest.approx(700)
    factor = np.array([[0.8, 0.1], [-0.3, 0.5]])
    one = evaluate(full, factor, restricted=restricted)
    two = evaluate(few, factor, restricted=restricted)
    assert two.deviance == pytest.approx(one.deviance, rel=1e-12)
    np.testing.assert_allclose(two.coef, one.coef, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(two.phi, one.phi, rtol=1e-9)
    np.testing.assert_allclose(two.gradient, one.gradient, rtol=1e-9, atol=1e-7)
    free, change = np.nonzero(FULL), unit_changes(free_entries(FULL), 2)
    np.testing.assert_allclose(
        two.hessian(free, restricted=restricted),
        one.hessian(free, restricted=restricted),
        rtol=1e-8,
        atol=1e-6,
    )
    for name in ("average_information", "identification"):
        found = getattr(two, name)(change, restricted=restricted)
        np.testing.assert_allclose(
            found, getattr(one, name)(change, restricted=restricted), rtol=1e-8, atol=1e-8
        )
    np.testing.assert_allclose(
        SingleFactor(few).start(FULL), SingleFactor(full).start(FULL), rtol=1e-8
    )
    first = variance_information(full, one, free_entries(FULL), restricted=restricted)
    second = variance_information(few, two, free_entries(FULL), restricted=restricted)
    for name in ("observed", "expected", "first", "second"):
        np.testing.assert_allclose(
            getattr(second, name), getattr(first, name), rtol=1e-8, atol=1e-8
        )


def test_many_designs_are_left_alone() -> None:
    full = moments(300, 700)
    assert collapse(full) is full


def test_units_whose_designs_share_a_key_by_chance_are_left_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    full = moments(2, 700)

    def one_key(keys: np.ndarray, **_: bool) -> tuple[np.ndarray, ...]:
        return keys[:1], np.zeros(1, dtype=np.int64), np.zeros(keys.size, dtype=np.int64)

    monkeypatch.setattr(np, "unique", one_key)
    assert collapse(full) is full
