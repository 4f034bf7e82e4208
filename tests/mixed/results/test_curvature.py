"""Small-sample inference with several grouping factors against lmerTest and pbkrtest."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import panelml as pm
from panelml.errors import SpecificationError
from panelml.mixed.fit import multilevel
from panelml.mixed.results.mixed_results import MixedResults
from tests.golden import Case, assert_close, load
from tests.mixed.mixed_data import MIXED, crossed, levels3

CASES = load("mixed_curvature")


def fit(case: Case) -> MixedResults:
    return pm.MixedModel(case.spec["formula"]).fit(MIXED[case.data]())


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_degrees_and_errors(case: Case) -> None:
    result, value = fit(case), case.value
    satterthwaite = result.with_cov("satterthwaite")
    # lmerTest takes differences of the deviance: 239.0007 where balance makes it 239.
    rough = 5 * case.tolerance
    assert_close(satterthwaite.df_terms, value["satterthwaite"], rough, "satterthwaite")
    kenward_roger = result.with_cov("kenward-roger")
    assert_close(kenward_roger.df_terms, value["kenward_roger"], case.tolerance, "df")
    assert_close(kenward_roger.std_errors, value["kr_errors"], case.tolerance, "std_errors")
    if "variances" in value:
        table = result.variance().set_index("group")
        names = {"Residual": "residual"}
        for name, error in value["variance_errors"].items():
            row = table.loc[names.get(name, name)]
            assert row["variance"] == pytest.approx(value["variances"][name], rel=1e-5)
            assert row["std_error"] == pytest.approx(error, rel=1e-5)


def test_one_factor_by_the_dense_system() -> None:
    """A second factor without variance leaves the information of the first as it is."""
    frame = levels3().assign(copy=lambda d: np.arange(len(d)) % 7)
    frame["y"] -= frame.groupby("copy")["y"].transform("mean")
    one = pm.MixedModel("y ~ t + (1 + t | school)").fit(frame)
    two = pm.MixedModel("y ~ t + (1 + t | school) + (1 | copy)").fit(frame)
    assert two.random.parts[[p.name for p in two.random.parts].index("copy")].cov[0, 0] == 0
    alone, both = one.variance(), two.variance()
    both = both[both["group"] == "school"].reset_index(drop=True)
    pd.testing.assert_frame_equal(both, alone[alone["group"] == "school"], rtol=1e-4)
    np.testing.assert_allclose(
        two.with_cov("kenward-roger").std_errors,
        one.with_cov("kenward-roger").std_errors,
        rtol=1e-2,
    )


def test_too_many_coefficients(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(multilevel, "MOST_COEFFICIENTS", 50)
    result = pm.MixedModel("y ~ x + (1 | subject) + (1 | item)").fit(crossed())
    assert result.variance()["std_error"].isna().all()
    with pytest.raises(SpecificationError, match="here are 65, more than 50"):
        result.with_cov("satterthwaite")
