from __future__ import annotations

import sys

import numpy as np
import pytest

import panelml as pm
from panelml.errors import MissingDependencyError, UnknownNameError
from panelml.results.base import Results

matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("agg")
from matplotlib import pyplot  # noqa: E402


def points(axes: object) -> list[np.ndarray]:
    """Positions of the marks, model by model."""
    return [np.asarray(bar.lines[0].get_xydata()) for bar in axes.containers]  # type: ignore[attr-defined]


def test_marks_lie_at_the_estimates(fits: dict[str, Results]) -> None:
    result = fits["re"]
    axes = result.plot()
    (marks,) = points(axes)
    assert [label.get_text() for label in axes.get_yticklabels()] == ["union", "married", "educ"]
    np.testing.assert_allclose(marks[:, 0], result.params[["union", "married", "educ"]])
    np.testing.assert_allclose(marks[:, 1], [0, 1, 2])
    assert axes.yaxis_inverted()
    assert axes.get_legend() is None


def test_bars_end_at_the_interval(fits: dict[str, Results]) -> None:
    result = fits["re"]
    axes = result.plot(["union"], level=0.8)
    (bar,) = axes.containers
    (segment,) = bar.lines[2][0].get_segments()
    np.testing.assert_allclose(segment[:, 0], result.conf_int(0.8).loc["union"])
    assert axes.get_xlabel() == "Estimate and 80% confidence interval"


def test_models_are_dodged(fits: dict[str, Results]) -> None:
    axes = pm.compare(fe=fits["fe"], re=fits["re"]).plot()
    first, second = points(axes)
    assert (first[:, 1] < second[:, 1]).all()
    np.testing.assert_allclose((first[:, 1] + second[:, 1]) / 2, [0, 1, 2])
    assert np.isnan(first[2, 0]) and not np.isnan(second[2, 0])
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["fe", "re"]


def test_draws_where_it_is_told(fits: dict[str, Results]) -> None:
    figure, axes = pyplot.subplots()
    assert fits["fe"].plot(ax=axes) is axes
    assert pyplot.get_fignums() == [figure.number]


def test_the_constant_is_drawn_if_it_is_all_there_is(panel: pm.Panel) -> None:
    result = pm.PooledOLS("lwage ~ 1").fit(panel)
    assert points(result.plot())[0][0, 0] == pytest.approx(result.params["Intercept"])


def test_unknown_terms(fits: dict[str, Results]) -> None:
    with pytest.raises(UnknownNameError, match="Did you mean 'union'"):
        fits["fe"].plot(["unions"])


def test_without_matplotlib(fits: dict[str, Results], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(MissingDependencyError, match=r"pip install panelml\[plot\]"):
        fits["fe"].plot()
