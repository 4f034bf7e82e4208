"""Plots of mixed models show the numbers that the results report."""

from __future__ import annotations

import sys

import numpy as np
import pytest

import panelml as pm
from panelml.errors import MissingDependencyError, SpecificationError, UnknownNameError
from panelml.mixed.results.mixed_results import MixedResults
from tests.mixed.mixed_data import orthodont

matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("agg")


@pytest.fixture(scope="module")
def growth() -> MixedResults:
    return pm.MixedModel("distance ~ age * male + (1 + age | Subject)").fit(orthodont())


def test_caterpillar(growth: MixedResults) -> None:
    axes = growth.plot_effects(term="age", level=0.9)
    table = growth.random_effects(sd=True)["Subject"].sort_values("age")
    marks = np.concatenate([bar.lines[0].get_xydata() for bar in axes.containers])
    marks = marks[np.argsort(marks[:, 1])]
    np.testing.assert_allclose(marks[:, 0], table["age"])
    assert [tick.get_text() for tick in axes.get_yticklabels()] == list(table.index)
    away = (table["age"].abs() > 1.6448536 * table["sd(age)"]).sum()
    coloured = [bar for bar in axes.containers if bar.lines[0].get_color() == "C0"]
    assert sum(len(bar.lines[0].get_xdata()) for bar in coloured) == away
    with pytest.raises(UnknownNameError, match="No random coefficient 'aged'"):
        growth.plot_effects(term="aged")
    with pytest.raises(UnknownNameError, match="No grouping factor 'subject'"):
        growth.plot_effects("subject")


def test_growth_curves(growth: MixedResults) -> None:
    axes = growth.plot_growth("age", units=3)
    frame = orthodont()
    # For each of three children points and a curve, then the mean.
    assert len(axes.lines) == 7
    names = sorted(frame["Subject"].unique())
    last = frame["Subject"] == names[-1]
    np.testing.assert_allclose(axes.lines[4].get_ydata(), frame.loc[last, "distance"])
    np.testing.assert_allclose(axes.lines[5].get_ydata(), growth.fitted()[last])
    mean = growth.predict().groupby(frame["age"]).mean()
    np.testing.assert_allclose(axes.lines[6].get_xydata(), list(mean.items()))
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("age", "distance")


def test_variance_function(growth: MixedResults) -> None:
    axes = growth.plot_variance("age")
    top = axes.collections[-1].get_paths()[0].vertices
    expected = growth.variance_at({"age": [8.0, 14.0]})["total"]
    np.testing.assert_allclose(top[:, 1].max(), expected.max(), rtol=1e-9)
    names = [text.get_text() for text in axes.get_legend().get_texts()]
    assert names == ["Subject", "residual"]
    with pytest.raises(UnknownNameError, match="No random regressor is made of 'male'"):
        growth.plot_variance("male")


def test_variance_function_of_a_hybrid_goes_by_deviations() -> None:
    frame = pm.datasets.wage_panel()
    result = pm.Hybrid("lwage ~ exper + educ", random="1 + exper | nr").fit(frame)
    axes = result.plot_variance("exper")
    deviation = frame["exper"] - frame.groupby("nr")["exper"].transform("mean")
    assert axes.get_xlim() == pytest.approx((deviation.min(), deviation.max()))


def test_shares_of_variance(growth: MixedResults) -> None:
    axes = growth.plot_rsquared()
    table = growth.rsquared_decomposition()
    heights = [[bar.get_height() for bar in group] for group in axes.containers]
    np.testing.assert_allclose(heights, table[["total", "within", "between"]].fillna(0))
    assert axes.get_legend().get_texts()[0].get_text() == "residual"


def test_diagnostics_at_both_levels(growth: MixedResults) -> None:
    figure = growth.plot_diagnostics()
    first, rows, intercepts, slopes = figure.axes
    np.testing.assert_allclose(first.lines[0].get_xdata(), growth.fitted())
    np.testing.assert_allclose(first.lines[0].get_ydata(), growth.residuals())
    ordered = np.sort(growth.residuals())
    np.testing.assert_allclose(rows.lines[0].get_ydata() * ordered.std(), ordered)
    table = growth.random_effects(sd=True)["Subject"]
    cov = growth.random.parts[0].cov
    for axes, label, variance in ((intercepts, "Intercept", cov[0, 0]), (slopes, "age", cov[1, 1])):
        scaled = table[label] / np.sqrt(variance - table[f"sd({label})"] ** 2)
        np.testing.assert_allclose(axes.lines[0].get_ydata(), np.sort(scaled), rtol=1e-6)
        assert axes.get_ylabel() == f"{label} | Subject, standardised"


def test_diagnostics_leave_out_what_does_not_vary() -> None:
    frame = orthodont()
    level = frame["distance"] - frame.groupby("Subject")["distance"].transform("mean")
    flat = pm.MixedModel("level ~ age + (1 | Subject)").fit(frame.assign(level=level))
    assert len(flat.plot_diagnostics().axes) == 2


def test_without_matplotlib(growth: MixedResults, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(MissingDependencyError, match="matplotlib"):
        growth.plot_variance("age")


def test_a_model_without_random_terms_has_no_caterpillar() -> None:
    fit = pm.MixedModel("distance ~ age", residual="exchangeable").fit(
        pm.Panel(orthodont(), unit="Subject", time="age")
    )
    with pytest.raises(SpecificationError, match="has no random coefficients"):
        fit.random.plot()
