"""Fits that the tests of results share."""

from __future__ import annotations

import pytest

import panelml as pm
from panelml.results.base import Results
from tests.panels import wage


@pytest.fixture(scope="session")
def panel() -> pm.Panel:
    return pm.Panel(wage(), unit="nr", time="year")


@pytest.fixture(scope="session")
def fits(panel: pm.Panel) -> dict[str, Results]:
    formula = "lwage ~ union + married + educ"
    return {
        "pooled": pm.PooledOLS(formula).fit(panel),
        "between": pm.Between(formula).fit(panel),
        "fd": pm.FirstDifference("lwage ~ union + married").fit(panel),
        "fe": pm.FixedEffects(formula).fit(panel),
        "twoway": pm.FixedEffects("lwage ~ union + married | nr + year").fit(panel),
        "re": pm.RandomEffects(formula).fit(panel),
        "mundlak": pm.Mundlak(formula).fit(panel),
        "hybrid": pm.Hybrid(formula).fit(panel),
    }
