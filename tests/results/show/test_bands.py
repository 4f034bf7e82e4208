"""Bands of rows: what a table shows of each result, and where cells stay empty."""

from __future__ import annotations

import pytest

from panelml.results.base import Results
from panelml.results.show.bands import (
    Below,
    Style,
    effect_band,
    measure_band,
    result_numbers,
    size_band,
)
from panelml.results.show.frames import TermRow


@pytest.mark.parametrize(
    ("below", "text"),
    [
        ("std_error", "(0.50)"),
        ("tstat", "(4.00)"),
        ("pvalue", "(0.0310)"),
        ("conf_int", "[1.00, 3.00]"),
    ],
)
def test_an_estimate_and_what_stands_below_it(below: Below, text: str) -> None:
    row = TermRow("x", 2.0, 0.5, 4.0, 0.031, 1.0, 3.0)
    assert Style(True, below, 3).cells(row) == ("2.00**", text)
    assert Style(False, below, 3).cells(row) == ("2.00", text)


def test_measures_of_some_results_leave_cells_empty(fits: dict[str, Results]) -> None:
    results = [fits["pooled"], fits["re"]]
    below = {row[0]: row[1:] for row in measure_band(results, "below", 4)}
    assert below["sigma_u"][0] == "" and below["sigma_u"][1] != ""
    assert "sigma" not in below and "theta_min" not in below
    assert [row[0] for row in measure_band(results, "fit", 4)] == [
        "R-squared within",
        "R-squared between",
        "R-squared overall",
    ]


def test_effects_and_sizes(fits: dict[str, Results]) -> None:
    assert effect_band([fits["pooled"], fits["twoway"]]) == (
        ("Effects: nr", "", "yes"),
        ("Effects: year", "", "yes"),
    )
    sizes = {row[0]: row[1:] for row in size_band([fits["between"], fits["fe"]])}
    assert sizes["Rows of the regression"] == ("545", "4,360")
    assert "Weights" not in sizes and "Outcome" not in sizes


def test_numbers_are_those_of_the_terms_asked_for(fits: dict[str, Results]) -> None:
    numbers = result_numbers(fits["fe"], ["union"], 0.95)
    assert {term for term, _ in numbers} == {"union", ""}
    assert numbers[("union", "estimate")] == fits["fe"].params["union"]
    assert numbers[("", "rho")] == fits["fe"].extras["rho"]
    assert ("", "log_lik") not in numbers
