from __future__ import annotations

import re
from dataclasses import FrozenInstanceError, replace
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest

import panelml as pm
from panelml.errors import SpecificationError
from panelml.results.base import Results
from tests.panels import grunfeld10, wage


def row(text: str, label: str) -> list[str]:
    """Read the cells to the right of a label."""
    lines = [line for line in text.splitlines() if line.startswith(f"{label} ")]
    assert len(lines) == 1, (label, text)
    return lines[0].removeprefix(label).split()


class Visible(HTMLParser):
    """The text of a page, and whether its tags close in order."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.texts: list[str] = []
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data.strip())


def test_numbers_are_those_of_other_packages(panel: pm.Panel) -> None:
    # plm, fixest and pyfixest on the same data; R-squared by Stata's definitions.
    text = str(pm.FixedEffects("lwage ~ expersq + married + union").fit(panel).summary())
    assert row(text, "expersq")[:3] == ["0.003699", "0.0002366", "15.63"]
    assert row(text, "married")[:4] == ["0.1073", "0.02181", "4.92", "<0.0001"]
    assert row(text, "union")[:2] == ["0.08276", "0.02379"]
    assert re.search(r"R-squared within +0\.1365\n", text)
    assert re.search(r"R-squared between +0\.0009921\n", text)
    assert re.search(r"R-squared overall +0\.04246\n", text)


def test_intervals_follow_the_level(panel: pm.Panel) -> None:
    result = pm.FixedEffects("lwage ~ union").fit(panel)
    narrow = result.summary(level=0.9)
    low, high = (float(cell) for cell in row(str(narrow), "union")[-2:])
    expected = result.conf_int(0.9).loc["union"]
    assert (low, high) == pytest.approx(tuple(expected), abs=1e-4)
    assert "90% low" in str(narrow) and "95% low" in str(result.summary())


def test_sizes_covariance_and_notes_are_said(panel: pm.Panel) -> None:
    text = str(pm.FixedEffects("lwage ~ union + educ", cov="cluster:nr+year").fit(panel))
    assert text.splitlines()[:2] == ["Fixed effects: lwage", "lwage ~ union + educ"]
    assert row(text, "Observations")[0] == "4,360"
    assert row(text, "Units (nr)")[0] == "545"
    assert row(text, "Periods (year)")[0] == "8"
    assert [row(text, f"Rows per unit: {k}")[0] for k in ("least", "mean", "most")] == [
        "8",
        "8.00",
        "8",
    ]
    assert "Absorbed effects: nr\n" in text
    assert (
        "Standard errors: clustered by nr (545 clusters) and year (8 clusters); t with 7 df\n"
        in text
    )
    assert "- Dropped 'educ': no variation within nr." in text
    assert "Only 8 clusters" in " ".join(text.split())
    assert "Weights" not in text


def test_weights_are_said() -> None:
    panel = pm.Panel(grunfeld10(), unit="firm", time="year")
    text = str(pm.PooledOLS("inv ~ value", weights="w_obs").fit(panel))
    assert "Weights: w_obs (analytic)\n" in text
    assert "Absorbed" not in text


def test_asymptotic_inference_is_headed_z(panel: pm.Panel) -> None:
    text = str(pm.RandomEffects("lwage ~ union", cov="iid").fit(panel))
    assert "P>|z|" in text and "P>|t|" not in text
    assert "iid: as the model implies; normal distribution" in text
    assert "chi2(1) = " in text


def test_extras_have_words(fits: dict[str, Results]) -> None:
    text = str(fits["re"])
    for words, name in (
        ("Standard deviation of the unit effects (sigma_u)", "sigma_u"),
        ("Share of the variance due to unit effects (rho)", "rho"),
        ("Share of the unit means taken out (theta)", "theta"),
    ):
        assert float(row(text, words)[0]) == pytest.approx(fits["re"].extras[name], rel=1e-3)


def test_two_way_effects_have_words(panel: pm.Panel) -> None:
    result = pm.RandomEffects("lwage ~ union + married", time_effects=True).fit(panel)
    shown = row(str(result), "Standard deviation of the time effects (sigma_t)")
    assert float(shown[0]) == pytest.approx(result.extras["sigma_t"], rel=1e-3)


def test_degrees_of_freedom_that_differ_have_a_column(panel: pm.Panel) -> None:
    model = pm.MixedModel("lwage ~ union + exper + (1 + exper | nr)").fit(panel)
    result = model.with_cov("satterthwaite")
    text = str(result)
    assert "; t, with df by coefficient\n" in text
    for name, df in result.df_terms.items():
        assert float(row(text, str(name))[-1]) == pytest.approx(df, rel=1e-3)
    assert len(row(str(model), "union")) == 6 and len(row(text, "union")) == 7


def test_unknown_extras_are_shown_by_name(fits: dict[str, Results]) -> None:
    statistics = fits["re"].statistics.with_measures({"sd(nr: exper)": 0.25})
    assert row(str(replace(fits["re"], statistics=statistics)), "sd(nr: exper)") == ["0.2500"]


def test_model_test_is_that_of_the_result(fits: dict[str, Results]) -> None:
    test = fits["fe"].model_test()
    assert test is not None
    line = next(line for line in str(fits["fe"]).splitlines() if line.startswith("Test of"))
    assert "(all slopes are zero): F(2, 544) = " in line and line.endswith("p < 0.0001")
    shown = re.search(r"= (\S+),", line)
    assert shown and float(shown[1]) == pytest.approx(test.statistic, rel=1e-3)


def test_rows_of_a_regression_on_means_are_told_from_observations(
    fits: dict[str, Results],
) -> None:
    assert row(str(fits["between"]), "Observations")[0] == "4,360"
    assert row(str(fits["between"]), "Rows of the regression")[0] == "545"
    assert "Rows of the regression" not in str(fits["pooled"])


def test_what_is_not_defined_is_left_out(fits: dict[str, Results]) -> None:
    assert "Log-likelihood" in str(fits["pooled"])
    assert "Log-likelihood" not in str(fits["re"])
    without = fits["re"].statistics.with_measures({"rsquared": np.nan})
    assert "R-squared, regression" not in str(replace(fits["re"], statistics=without))
    assert "R-squared, regression" in str(fits["fd"])


def test_a_perfect_fit_is_shown() -> None:
    frame = pd.DataFrame({"u": [0, 0, 1, 1, 2, 2], "t": [0, 1] * 3, "x": [1.0, 2, 4, 3, 7, 5]})
    frame["y"] = 1 + 2 * frame["x"]
    text = str(pm.PooledOLS("y ~ x", cov="iid").fit(pm.Panel(frame, unit="u", time="t")))
    assert row(text, "x")[0] == "2.000"
    assert "Test of the model" not in text or "n/a" not in text


def awkward() -> Results:
    """Fit long names, long levels, tiny and huge coefficients."""
    rng = np.random.default_rng(0)
    frame = wage().assign(
        group=rng.choice([f"{mark} {'very ' * 20}long level" for mark in "ab"], 4360),
        tiny=rng.normal(size=4360) * 1e9,
        huge=rng.normal(size=4360) * 1e-9,
    )
    names = {
        "tiny": "<b>tiny & x_1</b>",
        "huge": "a column with a name of fifty characters, no less",
    }
    formula = "lwage ~ " + " + ".join(f"`{name}`" for name in names.values()) + " + C(group):union"
    panel = pm.Panel(frame.rename(columns=names), unit="nr", time="year")
    return pm.PooledOLS(formula + " + union" * 30, cov="cluster:nr+year").fit(panel)


def test_text_fits_a_hundred_columns_and_loses_no_name(fits: dict[str, Results]) -> None:
    results = [*fits.values(), awkward()]
    for result in results:
        text = str(result)
        assert max(map(len, text.splitlines())) <= 100
        assert not any(line != line.rstrip() for line in text.splitlines())
        assert not re.search(r"-0\.0*(\s|$)", text)
        words = " ".join(text.split())
        assert all(" ".join(name.split()) in words for name in result.params.index)


def test_html_is_escaped_closed_and_says_the_same() -> None:
    result = awkward()
    html = result._repr_html_()
    visible = Visible(html)
    assert "<b>" not in html
    assert "<b>tiny & x_1</b>" in visible.texts
    summary = result.summary()
    pairs = [*summary.sizes, *summary.fit, *summary.extras]
    cells = [cell for row in summary.coefficients.rows for cell in row]
    for text in (*(text for pair in pairs for text in pair), *cells, *summary.notes, summary.test):
        assert " ".join(text.split()) in [" ".join(shown.split()) for shown in visible.texts]


def test_names_of_keys_and_weights_are_escaped_in_html() -> None:
    frame = grunfeld10().rename(columns={"firm": "<i>", "w_obs": "<w>"})
    panel = pm.Panel(frame, unit="<i>", time="year")
    html = pm.FixedEffects("inv ~ value", weights="<w>").fit(panel)._repr_html_()
    texts = Visible(html).texts
    assert {"Units (<i>)", "Weights: <w> (analytic)", "Absorbed effects: <i>"} <= set(texts)


def test_html_brings_its_styles_and_no_colours(fits: dict[str, Results]) -> None:
    html = fits["fe"]._repr_html_()
    assert not re.search(r"(?<![-\w])color\s*:|#[0-9a-f]{3,6}\b|<style|<link|class=", html)


def test_result_prints_its_summary(fits: dict[str, Results]) -> None:
    result = fits["hybrid"]
    assert str(result) == repr(result) == str(result.summary())
    assert result._repr_html_() == result.summary()._repr_html_()


def test_summary_is_frozen(fits: dict[str, Results]) -> None:
    with pytest.raises(FrozenInstanceError):
        fits["fe"].summary().title = "x"  # type: ignore[misc]


def test_level_must_be_a_probability(fits: dict[str, Results]) -> None:
    with pytest.raises(SpecificationError, match="between 0 and 1"):
        fits["fe"].summary(level=95)
