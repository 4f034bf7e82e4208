"""Mixed models against the best optimum that lme4 reaches."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import pytest

import panelml as pm
from panelml.mixed.results.mixed_results import MixedResults
from tests.golden import Case, assert_close, load
from tests.mixed.mixed_data import MIXED

SLOW = {"insteval"}
DEVIANCE = 1e-7


def cases() -> list[Any]:
    return [
        pytest.param(case, id=case.id, marks=[pytest.mark.slow] * (case.data in SLOW))
        for topic in ("mixed", "mixed_slow")
        for case in load(topic)
    ]


def fit(case: Case) -> MixedResults:
    spec = case.spec
    model = pm.MixedModel(spec["formula"], reml=spec["reml"], weights=spec.get("weights"))
    return model.fit(MIXED[case.data]())


def mean_weight(case: Case) -> float:
    """panelml's weights have mean one; lme4's are as given."""
    weights = case.spec.get("weights")
    return float(MIXED[case.data]()[weights].mean()) if weights else 1.0


@pytest.mark.parametrize("case", cases())
def test_optimum_of_lme4(case: Case) -> None:
    result = fit(case)
    value, rtol = case.value, case.tolerance
    assert result.converged
    assert -2 * result.loglik <= -2 * value["loglik"] + DEVIANCE
    assert_close(result.loglik, value["loglik"], 1e-9, "loglik")
    assert list(result.params.index) == list(value["params"])
    assert_close(result.params, value["params"], rtol, "params")
    assert_close(result.std_errors, value["std_errors"], rtol, "std_errors")
    assert_close(result.cov, value["cov"], rtol, "cov")
    assert_close(result.sigma2, value["sigma2"] / mean_weight(case), rtol, "sigma2")
    assert result.nobs == value["nobs"]
    _assert_components(result, value["random"], value["sigma2"], rtol)
    _assert_effects(result, value["effects"], value["random"], rtol)


def _matrix(entries: Mapping[str, Mapping[str, float]]) -> pd.DataFrame:
    return pd.DataFrame(entries).T


def _assert_components(
    result: MixedResults, random: dict[str, Any], sigma2: float, rtol: float
) -> None:
    assert {part.name for part in result.random.parts} == set(random)
    for part in result.random.parts:
        expected = _matrix(random[part.name])
        found = pd.DataFrame(part.cov, index=part.labels, columns=part.labels)
        assert set(found.columns) == set(expected.columns)
        found = found.loc[expected.index, expected.columns]
        deviations = np.sqrt(np.diag(expected))
        scale = np.outer(deviations, deviations)
        # A variance at zero has no size of its own.
        floor = 1e-3 * sigma2 * np.outer(*[_natural(part, expected.index)] * 2)
        error = np.abs(found.to_numpy() - expected.to_numpy())
        assert (error <= 10 * rtol * np.maximum(scale, floor)).all(), (found, expected)


def _natural(part: Any, labels: pd.Index) -> np.ndarray:
    """Root of the variance that would be one in well-scaled columns."""
    sizes = dict(zip(part.labels, np.sqrt((part.back**2).sum(axis=1)), strict=True))
    return np.array([sizes[label] for label in labels])


def _assert_effects(
    result: MixedResults, effects: dict[str, Any], random: dict[str, Any], rtol: float
) -> None:
    tables = result.random_effects()
    for group, levels in effects.items():
        expected = _matrix(levels)
        found = tables[group]
        found = found.set_axis(found.index.astype(str))
        found = found.loc[expected.index, expected.columns]
        deviations = np.sqrt(np.diag(_matrix(random[group])[expected.columns]))
        error = np.abs(found.to_numpy() - expected.to_numpy())
        scale = np.maximum(deviations, 1e-3 * np.sqrt(result.sigma2))
        assert (error <= 10 * rtol * scale).all(), (found, expected)
