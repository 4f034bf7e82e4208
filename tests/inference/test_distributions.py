"""Tails and quantiles against those of scipy.stats."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from panelml.inference import distributions as ours

DF = np.array([1.0, 4.5, 40.0, np.inf])


@pytest.mark.parametrize("x", [-3.0, 0.0, 0.4, 8.0])
def test_tails(x: float) -> None:
    assert ours.normal_tail(x) == pytest.approx(stats.norm.sf(x), rel=1e-12)
    np.testing.assert_allclose(ours.t_tail(x, DF), stats.t.sf(x, DF), rtol=1e-10)
    assert ours.chi2_tail(x, 3.0) == pytest.approx(stats.chi2.sf(x, 3.0), rel=1e-12)
    assert ours.f_tail(x, 2.0, 9.5) == pytest.approx(stats.f.sf(x, 2.0, 9.5), rel=1e-12)


@pytest.mark.parametrize("p", [0.001, 0.3, 0.5, 0.975])
def test_quantiles(p: float) -> None:
    assert ours.normal_quantile(p) == pytest.approx(stats.norm.ppf(p), rel=1e-12, abs=1e-15)
    np.testing.assert_allclose(ours.t_quantile(p, DF), stats.t.ppf(p, DF), rtol=1e-9, atol=1e-12)


def test_critical_values_leave_half_of_the_rest_on_each_side() -> None:
    assert ours.normal_critical(0.9) == pytest.approx(stats.norm.ppf(0.95), rel=1e-12)
    np.testing.assert_allclose(ours.t_critical(0.9, DF), stats.t.ppf(0.95, DF), rtol=1e-10)
