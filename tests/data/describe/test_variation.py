"""Panel.variation against Stata's definitions, written out in pandas."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest

import panelml as pm
from panelml.errors import ColumnTypeError, MissingValueError
from tests.data.frames import BACKENDS, small
from tests.panels import PANELS, grunfeld10_unbalanced, wage


def xtsum(frame: pd.DataFrame, unit: str, name: str) -> dict[tuple[str, str], float]:
    """Statistics of one variable as Stata's xtsum documents them."""
    data = frame[[unit, name]].dropna()
    x = data[name].astype(float)
    means = x.groupby(data[unit]).mean()
    within = x - data[unit].map(means) + x.mean()
    return {
        ("overall", "mean"): x.mean(),
        ("overall", "sd"): x.std(ddof=1),
        ("overall", "min"): x.min(),
        ("overall", "max"): x.max(),
        ("overall", "count"): len(x),
        ("between", "sd"): means.std(ddof=1),
        ("between", "min"): means.min(),
        ("between", "max"): means.max(),
        ("between", "count"): len(means),
        ("within", "sd"): within.std(ddof=1),
        ("within", "min"): within.min(),
        ("within", "max"): within.max(),
        ("within", "count"): len(x) / len(means),
    }


def loneway(frame: pd.DataFrame, unit: str, name: str) -> float:
    """Intraclass correlation by one-way analysis of variance."""
    data = frame[[unit, name]].dropna()
    groups = data[name].astype(float).groupby(data[unit])
    sizes, n, g = groups.size(), len(data), groups.ngroups
    ms_between = (sizes * (groups.mean() - data[name].mean()) ** 2).sum() / (g - 1)
    ms_within = ((data[name] - groups.transform("mean")) ** 2).sum() / (n - g)
    if groups.nunique().max() == 1:
        return 1.0 if data[name].nunique() > 1 else np.nan
    f, size = ms_between / ms_within, (n - (sizes**2).sum() / n) / (g - 1)
    return max((f - 1) / (f - 1 + size), 0.0)


@pytest.mark.parametrize("name", PANELS)
def test_every_variable_agrees_with_pandas(name: str) -> None:
    load, unit, period = PANELS[name]
    frame = load()
    found = (
        pm.Panel(frame.sample(frac=1, random_state=1), unit=unit, time=period)
        .variation()
        .to_frame()
    )
    numeric = [c for c in frame.select_dtypes("number") if c not in (unit, period)]
    assert list(found.index.get_level_values(0).unique()) == numeric
    for column in numeric:
        scale = frame[column].abs().max()
        for (level, statistic), value in xtsum(frame, unit, column).items():
            assert found.loc[(column, level), statistic] == pytest.approx(
                value, rel=1e-10, abs=1e-13 * scale
            )
        assert found.loc[(column, "overall"), "icc"] == pytest.approx(
            loneway(frame, unit, column), rel=1e-9, nan_ok=True
        )


def test_by_hand() -> None:
    frame = pd.DataFrame({"u": [1, 1, 2, 2, 2], "t": [1, 2, 1, 2, 3], "x": [0.0, 2, 4, 5, 9]})
    (x,) = pm.Panel(frame, unit="u", time="t").variation(["x"]).variables
    assert x.mean == 4.0
    assert x.sd == pytest.approx((np.sqrt(46 / 4), np.sqrt(12.5), np.sqrt(16 / 4)))
    assert x.minimum == (0.0, 1.0, 2.0)
    assert x.maximum == (9.0, 6.0, 7.0)
    assert (x.nobs, x.n_units, x.t_bar) == (5, 2, 2.5)
    # MSB = 2 * 9 + 3 * 4 = 30, MSW = 16 / 3, size = 5 - 13 / 5 = 2.4.
    variance = (30 - 16 / 3) / 2.4
    assert x.icc == pytest.approx(variance / (variance + 16 / 3))


def test_missing_values_are_left_out_variable_by_variable() -> None:
    found = pm.Panel(small(), unit="unit", time="time").variation().to_frame()
    assert found.loc[("x", "overall"), "count"] == 8
    assert found.loc[("n", "overall"), "count"] == 9
    for (level, statistic), value in xtsum(small(), "unit", "x").items():
        assert found.loc[("x", level), statistic] == pytest.approx(value, rel=1e-12)
    empty = (
        pm.Panel(small().assign(x=np.nan), unit="unit", time="time").variation(["x"]).variables[0]
    )
    assert (empty.nobs, empty.n_units) == (0, 0)
    assert np.isnan(empty.mean) and np.isnan(empty.icc)


def test_far_from_zero_keeps_its_digits() -> None:
    frame = grunfeld10_unbalanced()
    near = pm.Panel(frame, unit="firm", time="year").variation(["inv"]).to_frame()
    far = frame.assign(inv=frame["inv"] + 1e9)
    shifted = pm.Panel(far, unit="firm", time="year").variation(["inv"]).to_frame()
    np.testing.assert_allclose(shifted["sd"], near["sd"], rtol=1e-6)


def test_constants_vary_nowhere() -> None:
    frame = wage().assign(one=0.1, fixed=wage()["nr"] / 7)
    found = pm.Panel(frame, unit="nr", time="year").variation(["one", "fixed", "educ"]).to_frame()
    assert found.loc[("one", "within"), "sd"] == 0
    assert found.loc[("fixed", "within"), "sd"] == 0
    assert found.loc[("fixed", "overall"), "icc"] == 1
    assert np.isnan(found.loc[("one", "overall"), "icc"])


def test_no_more_alike_than_strangers() -> None:
    frame = pd.DataFrame({"u": [1, 1, 2, 2], "t": [1, 2, 1, 2], "x": [0.0, 1, 0, 1]})
    assert pm.Panel(frame, unit="u", time="t").variation(["x"]).variables[0].icc == 0


def test_shown_as_text_and_html() -> None:
    panel = pm.Panel(wage(), unit="nr", time="year")
    text = str(panel.variation(["lwage", "union"]))
    assert "lwage     overall   1.649     0.5326   -3.579  4.052     N = 4,360  0.4718" in text
    assert "          within              0.3623   -2.467  3.205     T-bar = 8" in text
    assert "one-way analysis of" in text
    html = panel.variation("lwage")._repr_html_()
    assert "N = 4,360" in html and html.count("<tr") == 4


def test_columns_that_are_no_numbers() -> None:
    panel = pm.Panel(small(), unit="unit", time="time")
    assert [v.name for v in panel.variation().variables] == ["x", "n"]
    with pytest.raises(ColumnTypeError, match="Column 'g' must be numeric, but holds text"):
        panel.variation(["g"])
    infinite = pm.Panel(small().replace(300.0, np.inf), unit="unit", time="time")
    words = "'x' is infinite in row 7. Replace infinite values by missing ones, or drop these rows."
    with pytest.raises(MissingValueError, match=re.escape(words)):
        infinite.variation()


@pytest.mark.parametrize("backend", BACKENDS)
def test_every_kind_of_frame(backend: str) -> None:
    found = pm.Panel(BACKENDS[backend](small()), unit="unit", time="time").variation().to_frame()
    expected = pm.Panel(small(), unit="unit", time="time").variation().to_frame()
    pd.testing.assert_frame_equal(found, expected)
