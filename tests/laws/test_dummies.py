"""Fixed effects are least squares with dummies, whatever is absorbed."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import panelml as pm
from panelml.results.base import Results
from tests.laws.panels import dummies, frames, least_squares


def slopes_of(codes: np.ndarray, values: np.ndarray) -> np.ndarray:
    return dummies(codes) * np.asarray(values, float)[:, None]


def pasted(frame: pd.DataFrame, *columns: str) -> np.ndarray:
    return frame[list(columns)].astype(str).agg("^".join, axis=1).to_numpy()


#: Effects after ``|``, and their columns.
EFFECTS = {
    "unit": lambda d: dummies(d.unit),
    "time": lambda d: dummies(d.time),
    "unit + time": lambda d: dummies(d.unit, d.time),
    "time + unit": lambda d: dummies(d.unit, d.time),
    "unit + firm": lambda d: dummies(d.unit, d.firm),
    "firm + state": lambda d: dummies(d.firm, d.state),
    "unit + state": lambda d: dummies(d.unit, d.state),
    "unit + time + firm": lambda d: dummies(d.unit, d.time, d.firm),
    "time + firm + state": lambda d: dummies(d.time, d.firm, d.state),
    "unit + firm^state": lambda d: dummies(d.unit, pasted(d, "firm", "state")),
    "state^time": lambda d: dummies(pasted(d, "state", "time")),
    "unit + state^time": lambda d: dummies(d.unit, pasted(d, "state", "time")),
    "unit[trend]": lambda d: np.hstack([dummies(d.unit), slopes_of(d.unit, d.trend)]),
    "unit[[trend]]": lambda d: slopes_of(d.unit, d.trend),
    "unit[trend] + firm": lambda d: np.hstack(
        [dummies(d.unit, d.firm), slopes_of(d.unit, d.trend)]
    ),
    "unit + state[trend]": lambda d: np.hstack(
        [dummies(d.unit, d.state), slopes_of(d.state, d.trend)]
    ),
    "unit + firm[[trend]]": lambda d: np.hstack([dummies(d.unit), slopes_of(d.firm, d.trend)]),
    "state[trend] + firm": lambda d: np.hstack(
        [dummies(d.state, d.firm), slopes_of(d.state, d.trend)]
    ),
}


def check(frame: pd.DataFrame, effects: str, weights: str | None) -> None:
    columns = EFFECTS[effects](frame)
    assume(len(frame) > np.linalg.matrix_rank(columns) + 3)
    x = frame[["x1", "x2"]].to_numpy()
    w = None if weights is None else frame["w"].to_numpy()
    brute = least_squares(frame["y"].to_numpy(), x, columns, w)
    model = pm.FixedEffects(f"y ~ x1 + x2 | {effects}", weights=weights, cov="iid")
    fit = model.fit(pm.Panel(frame, "unit", "time"))
    assert fit.params.to_numpy() == pytest.approx(brute.coef, rel=1e-8, abs=1e-9)
    assert len(frame) - fit.counts.df_resid == brute.rank
    scale = 1.0 if w is None else 1 / w.mean()
    assert fit.statistics.rss == pytest.approx(brute.rss * scale, rel=1e-8, abs=1e-12)
    assert_cov(fit, brute.cov)
    found = fit.with_cov(pm.cov.HC1(small_sample="none"))
    assert_cov(found, brute.scores.T @ brute.scores)
    assert fit.residuals().to_numpy() == pytest.approx(brute.residuals, rel=1e-7, abs=1e-8)


def assert_cov(fit: Results, expected: np.ndarray) -> None:
    length = np.sqrt(np.diag(expected))
    assert fit.cov.to_numpy() / np.outer(length, length) == pytest.approx(
        expected / np.outer(length, length), rel=1e-7, abs=1e-8
    )


@pytest.mark.parametrize("effects", EFFECTS)
@settings(max_examples=25)
@given(frame=frames(units=(5, 9), periods=(4, 7)), weights=st.sampled_from([None, "w"]))
def test_absorbing_is_adding_dummies(
    effects: str, frame: pd.DataFrame, weights: str | None
) -> None:
    check(frame, effects, weights)
