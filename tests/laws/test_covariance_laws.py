"""Laws of every covariance: linear changes of regressors, units of measurement, definiteness, K."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import panelml as pm
from panelml.errors import IdentificationError, SpecificationError
from panelml.inference.correction import SmallSample
from panelml.results.base import Results
from panelml.results.fitted import FittedModel
from tests.contract.estimators import ESTIMATORS, Estimator, fit
from tests.laws.panels import frames
from tests.laws.test_dummies import EFFECTS

COVARIANCES = (
    "iid",
    "HC1",
    "HC2",
    "HC3",
    "stock-watson",
    "cluster",
    "cluster:state",
    "cluster:time",
    "cluster:unit+time",
    "cluster:firm+time",
    "cluster:unit+firm+time",
    "CR2",
    "CR2:state",
    "CR3:unit",
    "DK:1",
    "NW:1",
)
SIZES: dict[str, Any] = {"units": (10, 14), "periods": (5, 7)}
#: Coefficients of x1 and x2 by those of x1 + 2 x2 and x1 - x2.
BACK = np.array([[1.0, 1.0], [2.0, -1.0]])


def with_cov(fits: list[Results], cov: str) -> list[Results]:
    """Give fits a covariance, or none of them where it is refused."""
    try:
        return [fit.with_cov(cov) for fit in fits]
    except (SpecificationError, IdentificationError):
        return []


def rows(estimator: Estimator, fit: FittedModel, weights: np.ndarray) -> np.ndarray:
    """Restrictions on the coefficients of x1 and x2, of all kinds of them, as a matrix."""
    names = list(fit.params.index)
    found = []
    for row in weights:
        for label in estimator.split:
            line = np.zeros(len(names))
            for name, weight in zip(("x1", "x2"), row, strict=True):
                line[names.index(label.format(name))] = weight
            found.append(line)
    return np.array(found)


def assert_same_test(first: Any, second: Any, what: str) -> None:
    assert np.isnan(first.statistic) == np.isnan(second.statistic), what
    if np.isnan(first.statistic):
        return
    assert second.statistic == pytest.approx(first.statistic, rel=1e-5), what
    assert second.df == pytest.approx(first.df, rel=1e-5), what
    assert second.pvalue == pytest.approx(first.pvalue, rel=1e-4, abs=1e-12), what


@pytest.mark.parametrize("name", ESTIMATORS)
@settings(max_examples=2)
@given(frame=frames(**SIZES))
def test_linear_changes_of_regressors_change_no_test(name: str, frame: pd.DataFrame) -> None:
    estimator = ESTIMATORS[name]
    changed = frame.assign(x1=frame["x1"] + 2 * frame["x2"], x2=frame["x1"] - frame["x2"])
    fits = [fit(estimator, frame), fit(estimator, changed)]
    for cov in COVARIANCES:
        for one, other in zip(*[iter(with_cov(fits, cov))] * 2, strict=True):
            for weights in (np.eye(2), np.eye(2)[:1], np.array([[1.0, -1.0]])):
                first = one.wald_test(rows(estimator, one, weights))
                second = other.wald_test(rows(estimator, other, weights @ BACK))
                assert_same_test(first, second, cov)


@pytest.mark.parametrize("name", ESTIMATORS)
@settings(max_examples=2)
@given(frame=frames(**SIZES))
def test_units_of_measurement_move_errors_exactly(name: str, frame: pd.DataFrame) -> None:
    estimator = ESTIMATORS[name]
    fits = [fit(estimator, frame), fit(estimator, frame.assign(x1=frame["x1"] * 2.0**20))]
    factor = pd.Series(1.0, index=fits[0].params.index)
    factor[[label.format("x1") for label in estimator.split]] = 2.0**20
    for cov in COVARIANCES:
        for one, other in zip(*[iter(with_cov(fits, cov))] * 2, strict=True):
            np.testing.assert_allclose(
                other.std_errors * factor, one.std_errors, rtol=1e-6, err_msg=cov
            )
            np.testing.assert_allclose(other.df_terms, one.df_terms, rtol=1e-5, err_msg=cov)


@pytest.mark.parametrize("name", ESTIMATORS)
@settings(max_examples=2)
@given(frame=frames(**SIZES))
def test_covariances_are_positive_semidefinite_and_say_if_mended(
    name: str, frame: pd.DataFrame
) -> None:
    whole = fit(ESTIMATORS[name], frame)
    for cov in COVARIANCES:
        for found in with_cov([whole], cov):
            matrix = found.covariance.matrix
            length = np.sqrt(np.where(np.diag(matrix) > 0, np.diag(matrix), 1.0))
            scaled = matrix / np.outer(length, length)
            np.testing.assert_allclose(scaled, scaled.T, atol=1e-14)
            assert np.linalg.eigvalsh(scaled).min() > -1e-10
            assert set(found.covariance.notes) <= set(found.notes)
            assert all(note.split(":")[0][:40] in str(found.summary()) for note in found.notes)


@pytest.mark.parametrize("effects", EFFECTS)
@settings(max_examples=6)
@given(
    frame=frames(units=(8, 12), periods=(4, 6)),
    columns=st.sampled_from(
        [
            ("unit",),
            ("time",),
            ("state",),
            ("firm",),
            ("unit", "time"),
            ("state", "firm"),
            ("state", "time"),
        ]
    ),
)
def test_nested_effects_are_exempt_by_their_joint_rank(
    effects: str, frame: pd.DataFrame, columns: tuple[str, ...]
) -> None:
    """K is the slopes and rank of all effects, less that of the nested ones, plus a constant."""
    everything = EFFECTS[effects](frame)
    n, rank = len(frame), int(np.linalg.matrix_rank(everything))
    assume(n - rank > 3)
    nested = [part for part in effects.split(" + ") if _is_nested(frame, part, columns)]
    inside = 0
    if nested:
        blocks = [
            EFFECTS[part](frame) if part in EFFECTS else _dummies(frame, part) for part in nested
        ]
        inside = int(np.linalg.matrix_rank(np.hstack(blocks)))
    k = 2 + rank - inside + bool(nested)
    found = pm.FixedEffects(f"y ~ x1 + x2 | {effects}").fit(
        pm.Panel(frame, unit="unit", time="time")
    )
    assume(len(found.params) == 2)
    own = found.with_cov(pm.cov.Clustered(*columns)).covariance.matrix
    bare = found.with_cov(pm.cov.Clustered(*columns, small_sample=SmallSample(scale="none")))
    np.testing.assert_allclose(own, bare.covariance.matrix * (n - 1) / (n - k), rtol=1e-9)
    for kind in (pm.cov.NeweyWest, pm.cov.DriscollKraay):
        own = found.with_cov(kind(1)).covariance.matrix
        bare = found.with_cov(kind(1, small_sample=SmallSample(scale="none")))
        factor = (n - 1) / (n - 2 - rank)
        np.testing.assert_allclose(own, bare.covariance.matrix * factor, rtol=1e-9)


def _levels(frame: pd.DataFrame, columns: list[str]) -> pd.Series[int]:
    return frame.groupby(columns).ngroup()


def _is_nested(frame: pd.DataFrame, effect: str, columns: tuple[str, ...]) -> bool:
    inner = _levels(frame, effect.split("[")[0].split("^"))
    return any(frame[column].groupby(inner).nunique().max() == 1 for column in columns)


def _dummies(frame: pd.DataFrame, effect: str) -> np.ndarray:
    base, _, slope = effect.partition("[")
    columns = pd.get_dummies(_levels(frame, base.split("^"))).to_numpy(float)
    if not slope:
        return columns
    sloped = columns * frame[slope.strip("[]")].to_numpy()[:, None]
    return sloped if slope.startswith("[") else np.hstack([columns, sloped])
