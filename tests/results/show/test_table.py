from __future__ import annotations

import re
from dataclasses import FrozenInstanceError, replace
from itertools import pairwise

import numpy as np
import pytest
from scipy import stats

import panelml as pm
from panelml.errors import SpecificationError, UnknownNameError
from panelml.inference.wald import Wald
from panelml.results.base import Results
from panelml.results.measures import Measures
from panelml.results.show.table import Comparison
from tests.results.show.test_summary import Visible


def cells(table: Comparison, label: str) -> list[str]:
    rows = [row for row in table.grid().rows if row[0] == label]
    assert len(rows) == 1, label
    return list(rows[0][1:])


def below(table: Comparison, label: str) -> list[str]:
    rows = table.grid().rows
    place = [row[0] for row in rows].index(label)
    assert rows[place + 1][0] == ""
    return list(rows[place + 1][1:])


def test_rows_and_columns(fits: dict[str, Results]) -> None:
    table = pm.compare(fits["pooled"], fits["fe"], fits["re"])
    assert table.names == ("Pooled OLS", "Fixed effects", "Random effects")
    assert table.terms == ("union", "married", "educ", "Intercept")
    labels = [row[0] for row in table.grid().rows]
    assert labels == [
        "union",
        "",
        "married",
        "",
        "educ",
        "",
        "Intercept",
        "",
        "sigma_u",
        "sigma_e",
        "rho",
        "theta",
        "Effects: nr",
        "R-squared within",
        "R-squared between",
        "R-squared overall",
        "Observations",
        "Units",
        "Standard errors",
        "Clusters",
    ]
    fe = fits["fe"]
    assert float(cells(table, "union")[1]) == pytest.approx(fe.params["union"], rel=1e-3)
    shown = re.fullmatch(r"\((.*)\)", below(table, "union")[1])
    assert shown and float(shown[1]) == pytest.approx(fe.std_errors["union"], rel=1e-2)
    assert cells(table, "educ")[1] == below(table, "educ")[1] == ""
    assert cells(table, "sigma_u")[0] == ""
    assert float(cells(table, "rho")[2]) == pytest.approx(fits["re"].extras["rho"], rel=1e-3)
    assert cells(table, "Effects: nr") == ["", "yes", ""]
    assert cells(table, "Standard errors") == ["by nr"] * 3
    assert cells(table, "Clusters") == ["545"] * 3
    assert cells(table, "Observations") == ["4,360"] * 3


def test_terms_appear_in_order_with_the_constant_last(fits: dict[str, Results]) -> None:
    table = pm.compare(fits["re"], fits["hybrid"])
    assert table.terms == (
        "union",
        "married",
        "educ",
        "within(union)",
        "within(married)",
        "between(union)",
        "between(married)",
        "Intercept",
    )


def test_terms_can_be_chosen(fits: dict[str, Results]) -> None:
    table = pm.compare(fits["re"], fits["fe"], terms=["Intercept", "union"])
    assert [row[0] for row in table.grid().bands[0]] == ["Intercept", "", "union", ""]
    with pytest.raises(UnknownNameError, match="Did you mean 'union'"):
        pm.compare(fits["re"], terms=["unoin"])


def test_names(fits: dict[str, Results]) -> None:
    fe, re_, tw = fits["fe"], fits["re"], fits["twoway"]
    assert pm.compare(fe=fe, re=re_).names == ("fe", "re")
    assert pm.compare(fe, names=["one"], two=re_).names == ("one", "two")
    assert pm.compare(fe, re_, tw).names == (
        "Fixed effects (1)",
        "Random effects",
        "Fixed effects (2)",
    )
    assert pm.compare(fe, tw, names=["a", "a"]).names == ("a (1)", "a (2)")


def test_several_effects_have_a_row_each(fits: dict[str, Results]) -> None:
    table = pm.compare(fits["fe"], fits["twoway"])
    assert cells(table, "Effects: nr") == ["yes", "yes"]
    assert cells(table, "Effects: year") == ["", "yes"]


def test_an_effect_whose_column_has_a_plus_in_its_name_is_one() -> None:
    frame = pm.datasets.wage_panel().rename(columns={"year": "year + month"})
    panel = pm.Panel(frame, unit="nr", time="year + month")
    table = pm.compare(pm.FixedEffects("lwage ~ union | nr + `year + month`").fit(panel))
    assert cells(table, "Effects: nr") == cells(table, "Effects: year + month") == ["yes"]


def test_stars_and_their_legend(fits: dict[str, Results]) -> None:
    result = fits["pooled"].with_cov("iid")
    p = [0.2, 0.07, 0.03, 0.001]
    scaled = result.covariance.matrix.copy()
    wanted = np.abs(result.params.to_numpy()) / stats.t.isf(np.array(p) / 2, result.df_t)
    np.fill_diagonal(scaled, wanted**2)
    changed = replace(
        result,
        inference=Wald(result.params.to_numpy(), replace(result.covariance, matrix=scaled)),
    )
    table = pm.compare(changed, stars=True)
    marks = [re.sub(r"[^*]", "", cells(table, str(name))[0]) for name in result.params.index]
    assert marks == ["", "*", "**", "***"]
    assert "* p < 0.1, ** p < 0.05, *** p < 0.01." in table.notes
    assert "*" not in str(pm.compare(changed))


@pytest.mark.parametrize(
    ("option", "pattern", "words"),
    [
        ("std_error", r"\(0\.0\d+\)", "Standard errors in parentheses."),
        ("tstat", r"\(\d\.\d\d\)", "t statistics in parentheses."),
        ("pvalue", r"\((<0\.0001|0\.\d{4})\)", "p-values in parentheses."),
        ("conf_int", r"\[0\.\d+, 0\.\d+\]", "90% confidence intervals in brackets."),
    ],
)
def test_what_stands_below(fits: dict[str, Results], option: str, pattern: str, words: str) -> None:
    table = pm.compare(fits["fe"], below=option, level=0.9)  # type: ignore[arg-type]
    assert re.fullmatch(pattern, below(table, "union")[0])
    assert table.notes[0] == words
    if option == "conf_int":
        low = float(below(table, "union")[0][1:].split(",")[0])
        expected = fits["fe"].conf_int(0.9).loc["union", "lower"]
        assert low == pytest.approx(expected, rel=1e-3)


def test_other_covariances_are_named(panel: pm.Panel, fits: dict[str, Results]) -> None:
    fe = fits["fe"]
    specs = ("iid", "HC1", "cluster:nr+year", "DK", "NW:2")
    table = pm.compare(*(fe.with_cov(spec) for spec in specs))
    assert cells(table, "Standard errors") == [
        "iid",
        "HC1",
        "by nr, year",
        "Driscoll-Kraay",
        "Newey-West within units",
    ]
    assert cells(table, "Clusters") == ["", "", "545, 8", "", ""]
    assert "Clusters" not in str(pm.compare(fe.with_cov("iid")))


def test_variance_components_of_any_name_stand_below_the_coefficients(
    fits: dict[str, Results],
) -> None:
    measures = Measures.of({"sd(nr: Intercept)": 0.3, "ICC": 0.4})
    statistics = replace(fits["re"].statistics, measures=measures)
    table = pm.compare(fits["fe"], replace(fits["re"], statistics=statistics))
    labels = [row[0] for row in table.grid().bands[1]]
    assert labels == ["sigma_u", "sigma_e", "rho", "sd(nr: Intercept)", "ICC"]
    assert cells(table, "sd(nr: Intercept)") == ["", "0.3000"]


def test_mixed_models_stand_beside_the_others(panel: pm.Panel, fits: dict[str, Results]) -> None:
    mixed = pm.MixedModel("lwage ~ union + married + educ + (1 | nr)").fit(panel)
    table = pm.compare(fits["re"], mixed)
    assert table.terms == ("union", "married", "educ", "Intercept")
    name = next(iter(mixed.extras))
    assert cells(table, name)[0] == ""
    assert float(cells(table, name)[1]) == pytest.approx(mixed.extras[name], rel=1e-3)


def test_notes_name_the_results_they_belong_to(fits: dict[str, Results]) -> None:
    table = pm.compare(a=fits["fe"], b=fits["fe"], c=fits["re"])
    assert "a, b: Dropped 'educ': no variation within nr." in table.notes
    assert not any(note.startswith("c:") for note in table.notes)


def test_notes_on_the_covariance_are_shown(fits: dict[str, Results]) -> None:
    few = fits["fe"].with_cov("cluster:year")
    assert few.covariance.notes
    assert f"few: {few.covariance.notes[0]}" in pm.compare(few=few).notes


def test_digits(fits: dict[str, Results]) -> None:
    table = pm.compare(fits["fe"], digits=6)
    b, se = fits["fe"].params["union"], fits["fe"].std_errors["union"]
    assert cells(table, "union") == [f"{b:.7f}"]
    assert below(table, "union") == [f"({se:.6f})"]


def test_outcomes_that_differ_have_a_row(panel: pm.Panel, fits: dict[str, Results]) -> None:
    other = pm.PooledOLS("hours ~ union").fit(panel)
    assert cells(pm.compare(fits["pooled"], other), "Outcome") == ["lwage", "hours"]
    assert pm.compare(fits["pooled"]).title == "Outcome: lwage"
    assert "Outcome" not in [row[0] for row in pm.compare(fits["pooled"]).grid().rows]


def test_wide_tables_continue_below(fits: dict[str, Results]) -> None:
    text = str(pm.compare(*fits.values(), stars=True))
    lines = text.splitlines()
    assert max(map(len, lines)) <= 100
    assert sum(line.startswith("Observations ") for line in lines) > 1
    heads = [line for line in lines if line.startswith("Observations")]
    shown = [cell for line in heads for cell in line.split()[1:]]
    assert shown == [f"{result.nobs:,}" for result in fits.values()]
    assert all(line == line.rstrip() for line in lines)
    # A block of columns shows only the terms that it has.
    assert text.count("within(union)") == 1
    rules = [i for i, line in enumerate(lines) if line.startswith("---")]
    assert not any(j == i + 1 for i, j in pairwise(rules))


def test_decimal_points_are_below_each_other(fits: dict[str, Results]) -> None:
    lines = str(pm.compare(fits["pooled"], stars=True)).splitlines()
    first = next(i for i, line in enumerate(lines) if line.startswith("union"))
    assert len({line.index(".", 10) for line in lines[first : first + 8]}) == 1


def test_markdown_is_one_table(fits: dict[str, Results]) -> None:
    parts = pm.compare(fits["fe"], fits["re"], stars=True).to_markdown().split("\n\n")
    assert parts[0] == "Outcome: lwage"
    rows = parts[1].splitlines()
    assert rows[0] == "|  | Fixed effects | Random effects |"
    assert rows[1] == "| --- | ---: | ---: |"
    assert all(len(re.findall(r"(?<!\\)\|", row)) == 4 for row in rows)
    assert r"sigma\_u" in parts[1]
    assert re.search(r"\| union \| 0\.\d+\\\*\\\*\\\* \|", parts[1])
    assert parts[2] == "Standard errors in parentheses."


def test_latex_is_a_booktabs_tabular(fits: dict[str, Results]) -> None:
    plain = pm.compare(fits["fe"], fits["fd"].with_cov("iid"), stars=True).to_latex()
    assert plain.startswith(
        "\\begin{tabular}{lcc}\n\\toprule\n & Fixed effects & First differences"
    )
    body = plain[plain.index("\\toprule") : plain.index("\\bottomrule")].splitlines()[1:]
    rows = [line for line in body if line != r"\midrule"]
    assert all(line.count(" & ") == 2 and line.endswith(r" \\") for line in rows)
    assert r"\textsuperscript{***}" in plain
    assert r"sigma\_u" in plain and "sigma_u" not in plain.replace(r"sigma\_u", "")
    assert plain.count("{") == plain.count("}")
    assert not plain.startswith(r"\begin{table}")


def test_latex_floats_with_a_caption(fits: dict[str, Results]) -> None:
    floating = pm.compare(fits["fe"]).to_latex(caption="Wages & unions, 5%", label="tab:wages")
    assert floating.startswith("\\begin{table}\n\\centering\n\\caption{Wages \\& unions, 5\\%}\n")
    assert "\\label{tab:wages}" in floating
    assert floating.endswith("\\end{table}")


def test_latex_escapes_names_and_minus_signs(panel: pm.Panel) -> None:
    frame = panel.frame.to_native().assign(**{r"a_b%{x}\~^#$&": -panel.values("exper")})
    result = pm.PooledOLS(r"lwage ~ `a_b%{x}\~^#$&`").fit(pm.Panel(frame, unit="nr", time="year"))
    text = pm.compare(result).to_latex()
    assert r"a\_b\%\{x\}\textbackslash{}\textasciitilde{}\textasciicircum{}\#\$\& &" in text
    assert " & $-$0.0" in text


def test_html_says_the_same_as_the_grid(fits: dict[str, Results]) -> None:
    table = pm.compare(**fits)
    assert table._repr_html_() == table.to_html()
    shown = Visible(table.to_html()).texts
    for row in table.grid().rows:
        for cell in row:
            assert cell in shown or not cell
    assert all(note in shown for note in table.notes)


def test_frame_has_the_unrounded_numbers(fits: dict[str, Results]) -> None:
    frame = pm.compare(fe=fits["fe"], re=fits["re"]).to_frame()
    assert list(frame.columns) == ["term", "quantity", "fe", "re"]
    values = frame.set_index(["term", "quantity"])
    assert values.loc[("union", "std_error"), "fe"] == fits["fe"].std_errors["union"]
    assert values.loc[("educ", "estimate"), "re"] == fits["re"].params["educ"]
    assert np.isnan(values.loc[("educ", "estimate"), "fe"])
    assert values.loc[("", "rho"), "re"] == fits["re"].extras["rho"]
    assert values.loc[("", "r_squared_between"), "fe"] == fits["fe"].rsquared_between
    assert values.loc[("", "nobs"), "fe"] == 4360
    assert values.index.is_unique


def test_a_single_result_has_the_same_tables(fits: dict[str, Results]) -> None:
    fe = fits["fe"]
    assert fe.to_markdown(stars=True) == pm.compare(fe, stars=True).to_markdown()
    assert fe.to_html(below="tstat") == pm.compare(fe, below="tstat").to_html()
    assert fe.to_latex(caption="Caption") == pm.compare(fe).to_latex(caption="Caption")


def test_refusals(fits: dict[str, Results]) -> None:
    fe = fits["fe"]
    with pytest.raises(SpecificationError, match="at least one result"):
        pm.compare()
    with pytest.raises(SpecificationError, match="takes fitted results, not FixedEffects"):
        pm.compare(fe, pm.FixedEffects("y ~ x"))  # type: ignore[arg-type]
    with pytest.raises(SpecificationError, match="1 names do not fit 2 results"):
        pm.compare(fe, fe, names=["a"])
    with pytest.raises(SpecificationError, match="Did you mean 'tstat'"):
        pm.compare(fe, below="t-stat")  # type: ignore[arg-type]
    with pytest.raises(SpecificationError, match="digits must be a whole number of at least 1"):
        pm.compare(fe, digits=0)
    with pytest.raises(SpecificationError, match="between 0 and 1"):
        str(pm.compare(fe, level=95))


def test_comparison_is_frozen(fits: dict[str, Results]) -> None:
    with pytest.raises(FrozenInstanceError):
        pm.compare(fits["fe"]).stars = True  # type: ignore[misc]
