from __future__ import annotations

import sys

import numpy as np
import pandas as pd
import pytest

import panelml as pm
from panelml.errors import MissingDependencyError
from panelml.results.base import Results

TIDY = ["term", "estimate", "std_error", "statistic", "p_value", "conf_low", "conf_high"]


def test_tidy_has_the_columns_of_broom(fits: dict[str, Results]) -> None:
    result = fits["re"]
    frame = result.tidy(level=0.9)
    assert list(frame.columns) == TIDY
    assert list(frame.index) == [0, 1, 2, 3]
    assert list(frame["term"]) == ["Intercept", "union", "married", "educ"]
    interval = result.conf_int(0.9)
    expected = (
        result.params,
        result.std_errors,
        result.tstats,
        result.pvalues,
        interval["lower"],
        interval["upper"],
    )
    for name, values in zip(TIDY[1:], expected, strict=True):
        np.testing.assert_array_equal(frame[name], values)


def test_glance_has_one_row(fits: dict[str, Results]) -> None:
    result = fits["fe"]
    frame = result.glance()
    assert frame.shape[0] == 1
    row = frame.iloc[0]
    test = result.model_test()
    assert test is not None
    assert (row["model"], row["depvar"], row["effects"]) == ("Fixed effects", "lwage", "nr")
    assert (row["nobs"], row["n_units"], row["n_periods"], row["df"]) == (4360, 545, 8, 2)
    assert row["df_residual"] == 4360 - 545 - 2
    assert row["df_t"] == 544
    assert row["r_squared_between"] == result.rsquared_between
    assert row["statistic"] == test.statistic
    assert row["p_value"] == test.pvalue
    assert row["covariance"] == "clustered by nr (545 clusters)"
    assert row["sigma_u"] == result.extras["sigma_u"]
    assert "log_lik" in frame and "log_lik" not in fits["re"].glance()


def test_glances_stack(fits: dict[str, Results]) -> None:
    stacked = pd.concat([result.glance() for result in fits.values()])
    assert list(stacked["model"]) == [result.model for result in fits.values()]
    assert stacked.loc[stacked["model"] == "Pooled OLS", "sigma_u"].isna().all()


def test_a_model_without_slopes_has_no_test(panel: pm.Panel) -> None:
    frame = pm.PooledOLS("lwage ~ 1").fit(panel).glance()
    assert not {"statistic", "p_value"} & set(frame)


def test_polars_reads_the_result(fits: dict[str, Results]) -> None:
    pl = pytest.importorskip("polars")
    frame = pl.DataFrame(fits["fe"])
    assert frame.columns == TIDY
    assert frame["term"].to_list() == ["union", "married"]
    np.testing.assert_array_equal(frame["estimate"].to_numpy(), fits["fe"].params)


def test_narwhals_reads_the_result(fits: dict[str, Results]) -> None:
    nw = pytest.importorskip("narwhals")
    pa = pytest.importorskip("pyarrow")
    frame = nw.DataFrame.from_arrow(fits["fe"], backend="pyarrow")
    assert isinstance(frame.to_native(), pa.Table)
    assert frame["std_error"].to_list() == list(fits["fe"].std_errors)


@pytest.mark.skipif(not hasattr(pd.DataFrame, "from_arrow"), reason="pandas 3 reads Arrow streams")
def test_pandas_reads_the_result(fits: dict[str, Results]) -> None:
    frame = pd.DataFrame.from_arrow(fits["fe"])
    pd.testing.assert_frame_equal(frame, fits["fe"].tidy(), check_dtype=False)


def test_arrow_needs_pyarrow(fits: dict[str, Results], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(MissingDependencyError, match="pip install pyarrow"):
        fits["fe"].__arrow_c_stream__()


def test_great_tables_takes_the_frames(fits: dict[str, Results]) -> None:
    gt = pytest.importorskip("great_tables")
    for frame in (fits["fe"].tidy(), fits["fe"].glance(), pm.compare(**fits).to_frame()):
        html = gt.GT(frame).as_raw_html()
        assert str(frame.columns[0]) in html
