"""Mixed models with dependent residuals against nlme, polished."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import panelml as pm
from panelml.mixed.core.structures import ResidualStructure
from panelml.mixed.results.mixed_results import MixedResults
from tests.golden import Case, assert_close, load
from tests.mixed.mixed_data import MIXED

DEVIANCE = 1e-7
# nlme's unstructured form has correlations and ratios apart, the others a single correlation.
CORRELATIONS = {"ar1": "lag 1", "car1": "distance 1", "ma1": "coefficient", "exchangeable": ""}


def structure(case: Case) -> ResidualStructure:
    spec = case.spec
    group = None if "random" in spec else spec["group"]
    if "outer" in spec:
        group = f"{spec['outer']}:{spec['inner']}"
    time, by = spec.get("time"), spec.get("by")
    covariates = tuple(spec.get("covariates", ()))
    values: dict[str, Any] = {
        "ar1": lambda: pm.residual.AR1(time, variance_by=by, group=group, covariates=covariates),
        "car1": lambda: pm.residual.CAR1(time, variance_by=by, group=group),
        "ma1": lambda: pm.residual.MA1(time, variance_by=by, group=group),
        "exchangeable": lambda: pm.residual.Exchangeable(variance_by=by, group=group),
        "unstructured": lambda: pm.residual.Unstructured(time, group=group),
        "heteroskedastic": lambda: pm.residual.Heteroskedastic(by, group, covariates),
    }
    found: ResidualStructure = values[spec["residual"]]()
    return found


def fit(case: Case) -> MixedResults:
    spec = case.spec
    frame = MIXED[case.data]()
    if case.data == "orthodont":
        frame = frame.assign(wave=(frame["age"] - 6) // 2)
    if case.data == "munnell":
        frame = frame.assign(late=(frame["year"] > 1978) * 1)
    formula = spec["formula"]
    if "outer" in spec:
        outer, both = spec["outer"], f"{spec['outer']}:{spec['inner']}"
        for group, random in zip((outer, both), spec["random"].values(), strict=True):
            formula += f" + ({random.lstrip('~ ')} | {group})" if random != "~ 0" else ""
    elif "random" in spec:
        formula += f" + ({spec['random'].lstrip('~ ')} | {spec['group']})"
    return pm.MixedModel(formula, reml=spec["reml"], residual=structure(case)).fit(frame)


@pytest.mark.parametrize(
    "case", [*load("residual"), *load("residual_levels")], ids=lambda case: case.id
)
def test_optimum_of_nlme(case: Case) -> None:
    result, value, rtol = fit(case), case.value, case.tolerance
    assert result.converged
    assert -2 * result.loglik == pytest.approx(-2 * value["loglik"], abs=DEVIANCE)
    assert_close(result.params, value["params"], rtol, "params")
    assert_close(result.std_errors, value["std_errors"], 10 * rtol, "std_errors")
    assert result.nobs == value["nobs"]
    if "outer" in value:
        found = [list(part.deviations) for part in result.random.parts]
        expected = [value["inner"], value["outer"]] if value["inner"] else [value["outer"]]
        for ours, theirs in zip(found, expected, strict=True):
            assert_close(ours, theirs, 10 * rtol, "sd")
    elif "random" in value:
        assert_close(list(result.random.parts[0].deviations), value["random"], 10 * rtol, "sd")
    _assert_correlations(case, result, 10 * rtol)
    _assert_ratios(case, result, 10 * rtol)
    _assert_slopes(case, result, 10 * rtol)


def _assert_correlations(case: Case, result: MixedResults, rtol: float) -> None:
    expected, kind = case.value["correlation"], case.spec["residual"]
    if not expected["estimate"]:
        return
    table = result.residual_structure()
    if kind == "unstructured":
        rows = table[table["parameter"] == "corr"].sort_values(["first", "second"])
    else:
        rows = table[
            (table["first"] == CORRELATIONS[kind]) & table["parameter"].isin(["corr", "ma"])
        ]
    assert_close(rows["estimate"].tolist(), expected["estimate"], rtol, "correlation")
    assert_close(rows["std_error"].tolist(), expected["std_error"], rtol, "its standard error")


def _assert_ratios(case: Case, result: MixedResults, rtol: float) -> None:
    expected = case.value["ratio"]
    if not expected["estimate"]:
        return
    table = result.residual_structure()
    label = "first" if case.spec["residual"] == "unstructured" else "group"
    deviations = table[table["parameter"] == "sd"].set_index(label)["estimate"]
    first, *others = expected["levels"]
    ratios = deviations[others].to_numpy() / deviations[first]
    assert_close(ratios.tolist(), expected["estimate"], rtol, "ratio")
    # The residual variance is that of the reference level, which is nlme's or ours.
    if "log_sd" not in case.value:
        assert deviations[first] ** 2 == pytest.approx(case.value["sigma2"], rel=rtol)
    assert np.isclose(result.sigma2, deviations.iloc[0] ** 2)


def _assert_slopes(case: Case, result: MixedResults, rtol: float) -> None:
    if "log_sd" not in case.value:
        return
    table = result.residual_structure()
    slopes = table[table["parameter"] == "log_sd"].set_index("first")
    assert list(slopes.index) == case.spec["covariates"]
    assert_close(slopes["estimate"].tolist(), case.value["log_sd"]["estimate"], rtol, "log_sd")
    assert_close(slopes["std_error"].tolist(), case.value["log_sd"]["std_error"], rtol, "its error")
    # nlme's residual variance is that of covariates at zero, ours at their means.
    means = MIXED[case.data]()[case.spec["covariates"]].mean()
    levels = table[table["parameter"] == "sd"].set_index("group")["estimate"]
    first = (case.value["ratio"]["levels"] or [""])[0]
    at_zero = levels[first] ** 2 * np.exp(-2 * (slopes["estimate"] * means).sum())
    assert at_zero == pytest.approx(case.value["sigma2"], rel=rtol)
