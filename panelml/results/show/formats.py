"""Numbers and labels as text."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

__all__ = [
    "align",
    "count",
    "fixed",
    "is_number",
    "number",
    "pvalue",
    "stars",
]

_NUMBER = re.compile(r"^[(<]?-?\d[\d,]*(\.\d+)?(e[+-]\d+)?\)?\**$")


def number(value: float, digits: int = 4) -> str:
    """Write a number with so many significant digits, whole digits never cut off.

    Below 0.0001 and from ten million on in scientific notation; ``n/a`` where undefined.
    """
    if not math.isfinite(value):
        return _undefined(value)
    if value == 0:
        return "0"
    rounded = f"{value:.{digits - 1}e}"
    exponent = int(rounded.partition("e")[2])
    if not -5 < exponent < 7:
        return rounded
    return f"{value:.{max(digits - 1 - exponent, 0)}f}"


def fixed(value: float, decimals: int = 2) -> str:
    """Write a number with so many decimals, unless it is huge; a rounded zero has no sign."""
    if not abs(value) < 1e6:
        return number(value)
    text = f"{value:.{decimals}f}"
    return text if float(text) else text.removeprefix("-")


def pvalue(value: float) -> str:
    """Write a probability with four decimals, ``<0.0001`` below them."""
    return "<0.0001" if value < 5e-5 else fixed(value, 4)


def count(value: float) -> str:
    """Write a whole number with thousands separated."""
    return f"{value:,.0f}"


def stars(p: float) -> str:
    """Return the conventional marks of significance at 10, 5 and 1 percent."""
    return "*" * ((p < 0.1) + (p < 0.05) + (p < 0.01))


def is_number(cell: str) -> bool:
    """Whether a cell is a number, perhaps in brackets or with stars."""
    return _NUMBER.match(cell) is not None


def align(cells: Sequence[str]) -> list[str]:
    """Pad cells to one width: numbers on the decimal point, other texts in the middle."""
    parts = [_split(cell) if is_number(cell) else ("", "") for cell in cells]
    left = max((len(whole) for whole, _ in parts), default=0)
    right = max((len(rest) for _, rest in parts), default=0)
    width = max([left + right, *(len(cell) for cell in cells)])
    placed = [whole.rjust(left) + rest.ljust(right) for whole, rest in parts]
    return [
        (place if is_number(cell) else cell).center(width)
        for cell, place in zip(cells, placed, strict=True)
    ]


def _split(cell: str) -> tuple[str, str]:
    end = re.search(r"[.e)*]", cell)
    place = end.start() if end else len(cell)
    return cell[:place], cell[place:]


def _undefined(value: float) -> str:
    return "n/a" if math.isnan(value) else ("inf" if value > 0 else "-inf")
