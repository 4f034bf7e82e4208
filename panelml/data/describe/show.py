"""Small tables as text and as HTML, for what is read off a panel."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np
import pandas as pd

from panelml.arguments import checked_methods

__all__ = ["Listed", "Listing", "count", "label_text", "number", "percent"]

_TABLE = (
    "border-collapse:collapse;border-top:2px solid;border-bottom:2px solid;margin:0;"
    "font-size:inherit"
)


@checked_methods
@dataclass(frozen=True, slots=True)
class Listing:
    """Rows of cells under heads.

    Attributes
    ----------
    heads : tuple of str
    rows : tuple of tuple of str
    left : frozenset of int
        Columns set flush left; all others are set flush right.
    rules : frozenset of int
        Rows with a rule above them, beside the first.
    """

    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    left: frozenset[int] = frozenset({0})
    rules: frozenset[int] = frozenset()

    def text(self) -> str:
        """Write plain text."""
        body = [self.heads, *self.rows]
        widths = [max(len(row[j]) for row in body) for j in range(len(self.heads))]
        lines = [
            "  ".join(
                cell.ljust(width) if j in self.left else cell.rjust(width)
                for j, (cell, width) in enumerate(zip(row, widths, strict=True))
            ).rstrip()
            for row in body
        ]
        rule = "-" * (sum(widths) + 2 * (len(widths) - 1))
        marked = [
            line
            for i, row in enumerate(lines[1:])
            for line in ([rule, row] if i == 0 or i in self.rules else [row])
        ]
        return "\n".join([lines[0], *marked])

    def __str__(self) -> str:
        return self.text()

    def _repr_html_(self) -> str:
        return self.html()

    def html(self, title: str = "") -> str:
        """Write a table whose styles are inline and whose colours are the page's."""
        caption = f"<caption style='text-align:left;font-weight:bold'>{escape(title)}</caption>"
        lines = [caption if title else "", self._html_row("th", self.heads, "")]
        for i, row in enumerate(self.rows):
            rule = "border-top:1px solid;" if i == 0 or i in self.rules else ""
            lines.append(self._html_row("td", row, rule))
        return f"<table style='{_TABLE}'>{''.join(lines)}</table>"

    def _html_row(self, tag: str, row: Sequence[str], rule: str) -> str:
        cells = [
            f"<{tag} style='{rule}padding:2px 10px;white-space:pre;"
            f"text-align:{'left' if j in self.left else 'right'}'>{escape(cell)}</{tag}>"
            for j, cell in enumerate(row)
        ]
        return f"<tr style='background:transparent'>{''.join(cells)}</tr>"


class Listed:
    """Anything that is read as a title, a small table, and remarks below it."""

    __slots__ = ()

    def __str__(self) -> str:
        return "\n".join([self._title, self._listing.text(), *map(prose, self._remarks)])

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        return self._listing.html(self._title) + "".join(map(html_prose, self._remarks))

    @property
    def _title(self) -> str:
        raise NotImplementedError

    @property
    def _listing(self) -> Listing:
        raise NotImplementedError

    @property
    def _remarks(self) -> Sequence[str]:
        raise NotImplementedError


def prose(text: str) -> str:
    """Break a remark into lines of at most 100 characters."""
    return textwrap.fill(text, 100)


def html_prose(text: str) -> str:
    """Write a remark below an HTML table."""
    return f"<div style='font-size:85%;text-align:left;max-width:60em'>{escape(text)}</div>"


def number(value: float) -> str:
    """Write four significant digits; whole numbers in full."""
    if not math.isfinite(value):
        return "n/a" if math.isnan(value) else str(value)
    if value == round(value) and abs(value) < 1e9:
        return f"{value:.0f}"
    exponent = int(f"{value:.3e}".partition("e")[2])
    return f"{value:.{max(3 - exponent, 0)}f}" if -5 < exponent < 9 else f"{value:.3e}"


def count(value: float) -> str:
    """Write a whole number with thousands separated."""
    return f"{value:,.0f}"


def percent(share: float) -> str:
    """Write a share as a percentage with two decimals."""
    return "n/a" if math.isnan(share) else f"{100 * share:.2f}"


def label_text(label: Any) -> str:
    """Write a period as its user would: dates without the time of day at midnight."""
    if isinstance(label, np.datetime64):
        label = pd.Timestamp(label)
    if isinstance(label, pd.Timestamp) and label == label.normalize():
        return label.date().isoformat()
    if isinstance(label, float | np.floating) and float(label).is_integer():
        return str(int(label))
    return str(label)
