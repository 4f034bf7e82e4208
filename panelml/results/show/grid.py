"""A table of texts, and how it is written: as text, HTML, Markdown and LaTeX."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import TypeAlias

from panelml.errors import SpecificationError
from panelml.results.show.formats import align

__all__ = ["WIDTH", "Grid", "Row", "html_notes", "latex_text", "markdown_text", "saved", "wrap"]

WIDTH = 100
_LABEL_WIDTH = 36
_HEAD_WIDTH = 16
_GAP = "  "

Row: TypeAlias = tuple[str, ...]

_LATEX = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
}


@dataclass(frozen=True, slots=True)
class Grid:
    """Rows of cells under heads, in bands with rules between them.

    Attributes
    ----------
    heads : tuple of str
        One for each column; the first column holds labels.
    bands : tuple of tuple of Row
        Each row as long as the heads.
    """

    heads: Row
    bands: tuple[tuple[Row, ...], ...]

    @property
    def rows(self) -> list[Row]:
        """All rows, band after band."""
        return [row for band in self.bands for row in band]

    def text(self, rule: int = 0) -> str:
        """Write plain text with rules of at least a length.

        Columns beyond 100 characters follow below, with the labels again.
        """
        labels = _LabelColumn.of([row[0] for row in self.rows])
        columns = [self._column(j) for j in range(1, len(self.heads))]
        blocks = [
            self._block(labels, group, rule)
            for group in _groups(columns, WIDTH - labels.width - len(_GAP))
        ]
        return "\n\n".join("\n".join(lines) for lines in blocks)

    def html(self) -> str:
        """Write an HTML table whose styles are inline and whose colours are the page's."""
        rule = "border-top:1px solid;"
        heads = "".join(_cell("th", head, j, "") for j, head in enumerate(self.heads))
        lines = [f"<tr style='background:transparent'>{heads}</tr>"]
        for band in self.bands:
            columns = [_aligned(band, j) for j in range(1, len(self.heads))]
            for i, row in enumerate(band):
                cells = [row[0], *(column[i] for column in columns)]
                style = rule if i == 0 else ""
                tds = "".join(_cell("td", cell, j, style) for j, cell in enumerate(cells))
                lines.append(f"<tr style='background:transparent'>{tds}</tr>")
        table = "border-collapse:collapse;border-top:2px solid;border-bottom:2px solid;"
        return f"<table style='{table}margin:0;font-size:inherit'>{''.join(lines)}</table>"

    def markdown(self) -> str:
        """Write a table of GitHub's Markdown."""
        rows = [tuple(markdown_text(cell) for cell in row) for row in (self.heads, *self.rows)]
        rows.insert(1, ("---", *["---:"] * (len(self.heads) - 1)))
        return "\n".join(f"| {' | '.join(row)} |" for row in rows)

    def latex(self) -> str:
        """Write a tabular with the rules of booktabs."""
        columns = "c" * (len(self.heads) - 1)
        lines = [rf"\begin{{tabular}}{{l{columns}}}", r"\toprule", _latex_row(self.heads)]
        for band in self.bands:
            lines += [r"\midrule", *(_latex_row(row) for row in band)]
        return "\n".join([*lines, r"\bottomrule", r"\end{tabular}"])

    def _column(self, j: int) -> list[str]:
        """Pad a column, heads included, to one width."""
        heads = [_head_lines(text) for text in self.heads]
        above = [""] * (max(map(len, heads)) - len(heads[j]))
        body = [cell for band in self.bands for cell in _aligned(band, j)]
        cells = [*above, *heads[j], *body]
        width = max(map(len, cells))
        return [cell.center(width) for cell in cells]

    def _block(self, labels: _LabelColumn, columns: list[list[str]], least: int) -> list[str]:
        body = [_GAP.join(cells) for cells in zip(*columns, strict=True)]
        heads = len(body) - len(self.rows)
        lines = [f"{'':{labels.width}}{_GAP}{line}".rstrip() for line in body[:heads]]
        rule = "-" * max(least, labels.width + len(_GAP) + len(body[0]))
        cells = iter(body[heads:])
        for band in self.bands:
            filled = [(row[0], line) for row in band if (line := next(cells)).strip()]
            lines += [rule] if filled else []
            for label, line in filled:
                above, last = labels.lines(label)
                lines += [*above, f"{last}{_GAP}{line}".rstrip()]
        return lines


@dataclass(frozen=True, slots=True)
class _LabelColumn:
    """Labels of one width; a longer one stands on lines of its own above its row."""

    width: int

    @classmethod
    def of(cls, labels: Sequence[str]) -> _LabelColumn:
        fitting = [len(label) for label in labels if len(label) <= _LABEL_WIDTH]
        return cls(max(fitting, default=0))

    def lines(self, label: str) -> tuple[list[str], str]:
        if len(label) <= self.width:
            return [], label.ljust(self.width)
        return textwrap.wrap(label, WIDTH, subsequent_indent="  "), " " * self.width


def wrap(text: str, mark: str = "") -> list[str]:
    """Break a text into lines that fit, the first after a mark."""
    return textwrap.wrap(
        text,
        WIDTH,
        initial_indent=mark,
        subsequent_indent=" " * len(mark),
        break_on_hyphens=False,
    )


def html_notes(notes: Sequence[str]) -> str:
    """Write notes below an HTML table."""
    style = "font-size:85%;text-align:left;max-width:60em"
    return "".join(f"<div style='{style}'>{escape(note)}</div>" for note in notes)


def latex_text(text: str) -> str:
    """Escape what LaTeX would read as a command."""
    return "".join(_LATEX.get(char, char) for char in text)


def markdown_text(text: str) -> str:
    """Escape what Markdown would read as a mark."""
    return re.sub(r"([\\`*_|<>~&$\[\]])", r"\\\1", text)


def _aligned(band: Sequence[Row], column: int) -> list[str]:
    return align([row[column] for row in band])


def _head_lines(text: str) -> list[str]:
    return textwrap.wrap(text, _HEAD_WIDTH, break_long_words=False, break_on_hyphens=False)


def _groups(columns: list[list[str]], room: int) -> Iterator[list[list[str]]]:
    group: list[list[str]] = []
    used = 0
    for column in columns:
        needed = len(column[0]) + (len(_GAP) if group else 0)
        if group and used + needed > room:
            yield group
            group, used, needed = [], 0, len(column[0])
        group.append(column)
        used += needed
    yield group


def _cell(tag: str, text: str, column: int, style: str) -> str:
    style += "padding:2px 10px;white-space:pre;"
    if column == 0:
        style += "text-align:left;"
    elif tag == "th":
        style += "text-align:center;vertical-align:bottom;white-space:normal;"
    else:
        style += "text-align:center;font-family:monospace;"
    return f"<{tag} style='{style}'>{escape(text)}</{tag}>"


def _latex_row(row: Row) -> str:
    text = " & ".join(_latex_cell(cell) for cell in row)
    # After a line break, a bracket would be read as its length.
    return ("{}" if text.startswith("[") else "") + text + r" \\"


def _latex_cell(cell: str) -> str:
    match = re.fullmatch(r"([(\[]?)-([\d.].*)", cell)
    if match:
        return f"{match[1]}$-${_latex_cell(match[2])}"
    marks = re.fullmatch(r"(.*\d)(\*+)", cell)
    if marks:
        return rf"{latex_text(marks[1])}\textsuperscript{{{marks[2]}}}"
    return latex_text(cell)


def saved(text: str, path: str | Path | None) -> str:
    """Write a text to a file where a path is given, and return it.

    Raises
    ------
    SpecificationError
        If the path has no suffix, as a caption has none, or its folder does not exist.
    """
    if path is None:
        return text
    file = Path(path)
    if not file.suffix:
        raise SpecificationError(
            f"path takes the name of a file with its suffix, such as 'table.tex', not {path!r}. "
            "A caption is given by name: caption=..."
        )
    if not file.parent.is_dir():
        raise SpecificationError(f"path is in a folder that does not exist: {str(file.parent)!r}.")
    file.write_text(text, encoding="utf-8")
    return text
