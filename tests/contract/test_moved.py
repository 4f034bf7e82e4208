"""Keywords of earlier releases: refused, in words that name what works now."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from typing import Any

import pytest

import panelml as pm
from panelml.errors import SpecificationError

MOVED: dict[Callable[..., Any], tuple[str, ...]] = {
    pm.evaluate_policy: ("control", "anticipation", "cov", "level", "draws", "seed"),
    pm.honest_did: ("result", "horizon", "weights", "betahat", "sigma", "horizons", "reference"),
    pm.power: ("params", "variance", "sizes", "alpha", "df"),
    pm.pretrends_power: ("result", "betahat", "sigma", "horizons", "reference"),
    pm.simulate.panel: (
        *("n_regressors", "coefficients", "rho", "heteroskedastic"),
        *("sigma_u", "sigma_t", "sigma_e"),
    ),
    pm.simulate.matched: (
        *("n_regressors", "coefficients", "mobility", "sorting", "correlated"),
        *("sigma_worker", "sigma_firm", "sigma_e"),
    ),
    pm.simulate.multilevel: ("sd_intercept", "sd_slope", "correlation"),
    pm.simulate.staggered: (
        *("anticipation", "trend", "selection", "covariate"),
        *("unbalanced", "n_clusters", "rho", "sigma_u", "sigma_c", "sigma_e"),
    ),
}
CASES = [(function, keyword) for function, keywords in MOVED.items() for keyword in keywords]


@pytest.mark.parametrize(
    ("function", "keyword"), CASES, ids=lambda value: getattr(value, "__name__", value)
)
def test_a_keyword_that_moved_is_refused_and_the_new_way_exists(
    function: Callable[..., Any], keyword: str
) -> None:
    with pytest.raises(SpecificationError, match=rf"takes {keyword}= no more\. Write") as refused:
        function(**{keyword: 1})
    written = re.search(r"Write (\w+)=(?:pm\.([\w.]+)\((\w+)=\.\.\.\))?", str(refused.value))
    assert written is not None
    argument, value, field = written.groups()
    assert argument in inspect.signature(function).parameters
    if value is not None:
        holder: Any = pm
        for name in value.split("."):
            holder = getattr(holder, name)
        assert field in inspect.signature(holder).parameters
