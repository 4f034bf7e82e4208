from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import panelml as pm
from panelml.results.base import Results

maketables = pytest.importorskip("maketables")
from maketables.extractors import PluginExtractor, get_extractor  # noqa: E402


def table(*results: Results, **options: object) -> pd.DataFrame:
    frame: pd.DataFrame = maketables.ETable(list(results), **options).df
    return frame


def test_the_plug_in_is_found_before_any_other_package(fits: dict[str, Results]) -> None:
    for result in fits.values():
        assert isinstance(get_extractor(result), PluginExtractor)
        assert not hasattr(result, "bse")


def test_coefficients_stand_side_by_side_with_the_constant_last(fits: dict[str, Results]) -> None:
    frame = table(fits["pooled"], fits["fe"])
    assert list(frame.loc["coef"].index) == ["union", "married", "educ", "Intercept"]
    fe = fits["fe"]
    b, se = fe.params["union"], fe.std_errors["union"]
    shown = frame.loc[("coef", "union")].iloc[1]
    assert shown.replace("*", "").split() == [f"{b:.3f}", f"({se:.3f})"]
    assert frame.loc[("coef", "educ")].iloc[1] == ""
    assert set(frame.columns.get_level_values(0)) == {"lwage"}


def test_absorbed_effects_are_marked(fits: dict[str, Results]) -> None:
    frame = table(fits["pooled"], fits["fe"], fits["twoway"])
    yes, no = maketables.ETable.DEFAULT_FE_MARKER
    assert list(frame.loc[("fe", "nr")]) == [no, yes, yes]
    assert list(frame.loc[("fe", "year")]) == [no, no, yes]


def test_combined_effects_are_marked(panel: pm.Panel) -> None:
    frame = panel.frame.to_native().assign(half=lambda d: d["nr"] % 2)
    result = pm.FixedEffects("lwage ~ union | nr + half^year").fit(
        pm.Panel(frame, unit="nr", time="year")
    )
    assert list(table(result).loc["fe"].index) == ["half^year", "nr"]


def test_statistics_and_their_labels(fits: dict[str, Results]) -> None:
    frame = table(fits["fe"], fits["re"])
    stats = frame.loc["stats"]
    assert list(stats.index) == [
        "Observations",
        "Units",
        "R2 within",
        "R2 between",
        "R2 overall",
        "S.E. type",
    ]
    assert list(stats.loc["Observations"]) == ["4,360", "4,360"]
    assert list(stats.loc["Units"]) == ["545", "545"]
    assert list(stats.loc["S.E. type"]) == ["by: nr", "by: nr"]
    assert float(stats.loc["R2 within"].iloc[0]) == pytest.approx(
        fits["fe"].rsquared_within, abs=1e-3
    )


def test_statistics_on_request(fits: dict[str, Results]) -> None:
    frame = table(fits["pooled"], fits["re"], model_stats=["rho", "n_clusters", "ll", "fvalue"])
    stats = frame.loc["stats"]
    assert stats.loc["rho"].iloc[0] == "-"
    assert float(stats.loc["rho"].iloc[1]) == pytest.approx(fits["re"].extras["rho"], abs=1e-3)
    assert stats.iloc[1].tolist() == ["545", "545"]
    assert stats.iloc[2].iloc[1] == "-"
    assert fits["re"].__maketables_stat__("aic") is None
    test = fits["re"].model_test()
    assert test is not None
    assert fits["re"].__maketables_stat__("fvalue") == test.statistic
    assert fits["re"].__maketables_stat__("f_pvalue") == test.pvalue


def test_covariances_are_named(fits: dict[str, Results]) -> None:
    fe = fits["fe"]
    frame = table(fe.with_cov("HC1"), fe.with_cov("cluster:nr+year"), fe.with_cov("DK"))
    assert list(frame.loc[("stats", "S.E. type")]) == ["HC1", "by: nr+year", "Driscoll-Kraay"]


def test_intervals_are_tokens(fits: dict[str, Results]) -> None:
    coef = fits["fe"].__maketables_coef_table__
    np.testing.assert_array_equal(coef[["ci95l", "ci95u"]], fits["fe"].conf_int(0.95))
    np.testing.assert_array_equal(coef[["ci90l", "ci90u"]], fits["fe"].conf_int(0.90))
    frame = table(fits["fe"], coef_fmt="b:.2f [ci90l:.3f, ci90u:.3f]")
    low = fits["fe"].conf_int(0.90).loc["union", "lower"]
    assert f"[{low:.3f}," in frame.loc[("coef", "union")].iloc[0]


@pytest.mark.parametrize("kind", ["tex", "html"])
def test_renders(fits: dict[str, Results], kind: str) -> None:
    made = maketables.ETable([fits["fe"], fits["re"]]).make(type=kind)
    assert "union" in str(made if isinstance(made, str) else made.as_raw_html())
