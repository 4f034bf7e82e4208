"""Predicted random coefficients and their conditional deviations, against lme4 and by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import panelml as pm
from panelml.mixed.results.mixed_results import MixedResults
from tests.golden import Case, load
from tests.mixed.mixed_data import MIXED, sleepstudy

CASES = load("mixed_effects")


def fit(case: Case) -> MixedResults:
    spec = pm.MixedModel(case.spec["formula"], weights=case.spec.get("weights"))
    return spec.fit(MIXED[case.data]())


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_conditional_deviations_of_lme4(case: Case) -> None:
    result = fit(case)
    tables = result.random_effects(sd=True)
    plain = result.random_effects()
    for group, levels in case.value["deviations"].items():
        expected = pd.DataFrame(levels).T
        found = tables[group].set_axis(tables[group].index.astype(str)).loc[expected.index]
        for label in expected.columns:
            np.testing.assert_allclose(found[f"sd({label})"], expected[label], rtol=2e-6)
        pd.testing.assert_frame_equal(tables[group][plain[group].columns], plain[group])


def test_deviations_shrink_with_rows() -> None:
    frame = sleepstudy().iloc[:-6]
    table = pm.MixedModel("Reaction ~ Days + (1 | Subject)").fit(frame)
    spread = table.random_effects(sd=True)["Subject"]["sd(Intercept)"]
    tau = table.random.parts[0].cov[0, 0]
    rows = frame["Subject"].value_counts().reindex(spread.index)
    expected = np.sqrt(tau / (1 + rows * tau / table.sigma2))
    np.testing.assert_allclose(spread, expected, rtol=1e-9)
