from __future__ import annotations

import math

import pytest

from panelml.results.show.formats import align, count, fixed, is_number, number, pvalue, stars


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"),
        (-0.0, "0"),
        (0.0036990921, "0.003699"),
        (-58.743939397, "-58.74"),
        (9.99996, "10.00"),
        (999.96, "1000"),
        (12345.678, "12346"),
        (0.00010004, "0.0001000"),
        (0.000099996, "0.0001000"),
        (0.00009999, "9.999e-05"),
        (-1.2e-17, "-1.200e-17"),
        (9994321.4, "9994321"),
        (9999999.4, "1.000e+07"),
        (-1.5e12, "-1.500e+12"),
        (math.nan, "n/a"),
        (math.inf, "inf"),
        (-math.inf, "-inf"),
    ],
)
def test_numbers_keep_four_significant_digits(value: float, text: str) -> None:
    assert number(value) == text


def test_number_takes_digits() -> None:
    assert number(0.123456, 2) == "0.12"
    assert number(123456.0, 2) == "123456"


@pytest.mark.parametrize(
    ("value", "text"),
    [(-0.004, "0.00"), (-0.006, "-0.01"), (3.596, "3.60"), (2.5e7, "2.500e+07"), (math.inf, "inf")],
)
def test_fixed_has_no_negative_zero(value: float, text: str) -> None:
    assert fixed(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.04999, "0.0500"),
        (0.00005, "0.0001"),
        (0.0000499, "<0.0001"),
        (0.0, "<0.0001"),
        (1.0, "1.0000"),
        (math.nan, "n/a"),
    ],
)
def test_pvalue_is_never_shown_as_zero(value: float, text: str) -> None:
    assert pvalue(value) == text


def test_stars_mark_ten_five_and_one_percent() -> None:
    assert [stars(p) for p in (0.1, 0.099, 0.05, 0.049, 0.01, 0.009, math.nan)] == [
        "",
        "*",
        "*",
        "**",
        "**",
        "***",
        "",
    ]


def test_count_separates_thousands() -> None:
    assert count(9_000_000) == "9,000,000"


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        ("0.1", True),
        ("(0.02)", True),
        ("-1.2e-05***", True),
        ("4,360", True),
        ("<0.0001", True),
        ("by nr", False),
        ("", False),
        ("n/a", False),
        ("1998Q1", False),
        ("[0.1, 0.2]", False),
    ],
)
def test_what_counts_as_a_number(cell: str, expected: bool) -> None:
    assert is_number(cell) is expected


def test_align_puts_decimal_points_below_each_other() -> None:
    cells = align(["-0.5", "(12.25)", "1.5e-05**", "4,360", "yes", ""])
    assert len({len(cell) for cell in cells}) == 1
    assert len({cell.index(".") for cell in cells[:3]}) == 1
    assert cells[3].rstrip().endswith("4,360")
    assert len(cells[3].rstrip()) == cells[0].index(".")
    assert cells[4].strip() == "yes" and not cells[5].strip()
