"""Small sets of rows scattered over groups, many of them singular, against lme4 and pbkrtest."""

from __future__ import annotations

import pytest

import panelml as pm
from tests.golden import Case, assert_close, load
from tests.mixed.mixed_data import scattered


@pytest.mark.parametrize("case", load("mixed_scattered"), ids=lambda case: case.id)
def test_scattered_rows(case: Case) -> None:
    spec, value = case.spec, case.value
    frame = scattered()
    weights = "w" if spec["weighted"] else None
    model = pm.MixedModel(spec["formula"], reml=spec["reml"], weights=weights)
    fit = model.fit(frame[frame["set"] == spec["set"]])
    assert fit.converged
    # No lower than lme4's, which may stop short.
    assert -1e-9 < fit.loglik - value["loglik"] < 1e-6
    rough = 10 * case.tolerance
    assert_close(fit.params, value["params"], rough, "params")
    assert_close(fit.std_errors, value["std_errors"], rough, "std_errors")
    assert fit.sigma2 == pytest.approx(value["sigma2"], rel=rough)
    found = fit.with_cov("satterthwaite")
    assert_close(found.df_terms, value["satterthwaite"], 5 * rough, "satterthwaite")
    if "kenward_roger" in value:
        adjusted = fit.with_cov("kenward-roger")
        assert_close(adjusted.df_terms, value["kenward_roger"], rough, "kenward_roger")
        assert_close(adjusted.std_errors, value["kr_errors"], rough, "kr_errors")
